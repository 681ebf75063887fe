//! The way of the limits to the store and back: loaded at start, saved by the clock, and on a store that
//! several nodes use, learnt from what the others saved.

use super::Limits;
use super::happenings::{LimitsSaved, LimitsUnsaved};
use super::ledger::{Key, Unsaved};
use crate::base::clock::Time;
use crate::base::limits;
use crate::base::observe::Happening;
use crate::store::limits::Spending;
use crate::store::{Change, Store, StoreError};

/// How saving goes.
#[derive(Debug, Default)]
pub(super) struct Saving {
    failed: bool,
    /// Up to when, by the database's clock, everything that others saved is known.
    known_until: Time,
}

impl Limits {
    /// Takes up everything that was spent before, here and on other nodes.
    pub async fn load(&self, store: &Store) -> Result<(), StoreError> {
        let mut saving = self.0.saving.lock().await;
        let now = store.now().await?;
        self.learn(store, Time::default()).await?;
        saving.known_until = now;
        Ok(())
    }

    /// Saves what was spent since the last time, and learns what others spent. What cannot be saved now
    /// is with the next round; it is told here.
    pub async fn save(&self, store: &Store) {
        let mut saving = self.0.saving.lock().await;
        let again = saving.failed;
        let saved = self.try_to_save(store, &mut saving).await;
        saving.failed = saved.is_err();
        match saved {
            Ok(()) => LimitsSaved { buckets: self.ledger().length(), again }.record(),
            Err(error) => LimitsUnsaved { error: &error, again }.record(),
        }
    }

    async fn try_to_save(&self, store: &Store, saving: &mut Saving) -> Result<(), StoreError> {
        let mut waiting = Waiting { limits: self, unsaved: self.ledger().take_unsaved(self.0.clock.now()) };
        if waiting.unsaved.is_empty() && !store.is_shared() {
            return Ok(());
        }
        let now = store.now().await?;
        while !waiting.unsaved.is_empty() {
            let next = waiting.unsaved.len().min(limits::LIMITS_SAVED_AT_ONCE);
            let steps =
                waiting.unsaved[..next].iter().map(|unsaved| crate::store::limits::spend(&spending(unsaved), now));
            store.write(steps.fold(Change::default(), Change::with)).await?;
            waiting.unsaved.drain(..next);
        }
        if store.is_shared() {
            self.learn(store, saving.known_until.minus(limits::LIMITS_OVERLAP)).await?;
            saving.known_until = now;
        }
        Ok(())
    }

    /// What the store says of every limit that changed since then.
    async fn learn(&self, store: &Store, since: Time) -> Result<(), StoreError> {
        let mut after = String::new();
        loop {
            let now = self.0.clock.now();
            let page = store.changed_limits(since, now, &after).await?;
            {
                let mut ledger = self.ledger();
                // A name that we cannot read is a limit of another version: not ours to keep.
                for (key, tat) in page.iter().filter_map(|row| Some((Key::parse(&row.bucket)?, row.tat))) {
                    ledger.learn(&key, tat, now);
                }
            }
            match page.last() {
                Some(last) if page.len() as i64 == limits::LIMITS_PAGE_ROWS => after = last.bucket.clone(),
                _ => return Ok(()),
            }
        }
    }
}

fn spending(unsaved: &Unsaved) -> Spending {
    Spending { bucket: unsaved.key.to_string(), from: unsaved.from, by: unsaved.by, ceiling: unsaved.ceiling }
}

/// What is on its way to the store. Dropped before it got there, it counts as unsaved again: a commit
/// whose answer never came may then be counted twice, which only makes a limit tighter for one window.
struct Waiting<'a> {
    limits: &'a Limits,
    unsaved: Vec<Unsaved>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.limits.ledger().put_back(&self.unsaved);
    }
}

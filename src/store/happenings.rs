//! What can happen to the store: each with its line and its number.

use super::error::StoreError;
use super::writer::Health;
use crate::base::id::GroupId;
use crate::base::metrics::{STORE_COMMANDS, STORE_COMMIT_SECONDS, STORE_DOWN, STORE_SLOW, STORE_UNKNOWN_COMMITS};
use crate::base::observe::Happening;
use std::time::Duration;
use tokio::sync::watch;

/// A group came to its end. No line: there are hundreds a second.
pub(super) struct GroupWritten {
    pub commands: usize,
    pub took: Duration,
}

impl Happening for GroupWritten {
    fn record(self) {
        metrics::counter!(STORE_COMMANDS).increment(self.commands as u64);
        metrics::histogram!(STORE_COMMIT_SECONDS).record(self.took);
    }
}

pub(super) struct Slow {
    pub statement: &'static str,
    pub took: Duration,
}

impl Happening for Slow {
    fn record(self) {
        let Self { statement, took } = self;
        metrics::counter!(STORE_SLOW, "statement" => statement).increment(1);
        tracing::warn!(statement, took_ms = took.as_millis() as u64, "the store was slow");
    }
}

pub(super) struct CommitUnknown<'a> {
    pub group: &'a GroupId,
    pub error: &'a StoreError,
}

impl Happening for CommitUnknown<'_> {
    fn record(self) {
        metrics::counter!(STORE_UNKNOWN_COMMITS).increment(1);
        tracing::warn!(commit = %self.group, error = %self.error, "the outcome of a commit is unknown; asking for it");
    }
}

struct WentDown<'a> {
    why: &'a str,
}

impl Happening for WentDown<'_> {
    fn record(self) {
        metrics::counter!(STORE_DOWN).increment(1);
        tracing::error!(why = self.why, "the store is down");
    }
}

struct CameUp;

impl Happening for CameUp {
    fn record(self) {
        tracing::info!("the store is up");
    }
}

/// Says how the store is, and tells of it when that is news.
pub(super) fn say(health: &watch::Sender<Health>, now: Health) {
    health.send_if_modified(|before| {
        match (&*before, &now) {
            (Health::Up, Health::Down { why }) => WentDown { why }.record(),
            (Health::Down { .. }, Health::Up) => CameUp.record(),
            _ => {}
        }
        let changed = *before != now;
        *before = now;
        changed
    });
}

//! The table of buckets: what each limit has seen of each spender. All limits of a message are tried
//! together, and all or none of them spend.
//!
//! A bucket that is empty says nothing and is not kept. What stands in one for an hour or more is also
//! saved; until then it is remembered here how far it moved since (`unsaved`).

use super::over::{Over, Refusal};
use super::spenders::{Amount, Scope, Spender, Spenders, Unit};
use crate::base::clock::Time;
use crate::base::gcra::{Bucket, Closed, Gcra, Spent};
use crate::base::sweep::Sweeps;
use crate::model::rate::{Per, Rate};
use std::collections::HashMap;
use std::sync::Arc;

/// Which bucket.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub scope: Scope,
    pub name: Arc<str>,
    pub unit: Unit,
    pub per: Per,
    pub count: u32,
}

impl Key {
    fn rate(&self) -> Rate {
        Rate { count: self.count, per: self.per }
    }
}

/// As it is called in the store: `credential:messages:100/hour:app@example.com`. A changed rate is
/// another bucket, and starts anew.
impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}:{}", self.scope.word(), self.unit.word(), self.rate(), self.name)
    }
}

impl Key {
    /// What such a name means; none when another version of us wrote it.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(4, ':');
        let (scope, unit) = (parts.next()?, parts.next()?);
        let Rate { count, per } = parts.next()?.parse().ok()?;
        Some(Self {
            scope: Scope::ALL.into_iter().find(|known| known.word() == scope)?,
            unit: Unit::ALL.into_iter().find(|known| known.word() == unit)?,
            name: parts.next()?.into(),
            per,
            count,
        })
    }
}

/// What a reservation took from one bucket.
#[derive(Debug)]
pub(super) struct Taken {
    key: Key,
    spent: Spent,
}

/// What was spent of a bucket and is not saved yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unsaved {
    pub key: Key,
    /// Where the bucket stood without it.
    pub from: Time,
    pub by: i64,
    pub ceiling: Time,
}

#[derive(Debug)]
struct Slot {
    unit: Unit,
    rate: Rate,
    bucket: Bucket,
    unsaved: i64,
    /// Does it stand in the list of what is to be saved?
    listed: bool,
}

impl Slot {
    fn gcra(&self) -> Gcra {
        Gcra::new(self.rate.count, self.rate.per.duration())
    }

    fn is_saved(&self) -> bool {
        matches!(self.rate.per, Per::Hour | Per::Day)
    }

    fn says_nothing(&self, now: Time) -> bool {
        self.bucket.is_idle(now) && self.unsaved == 0
    }
}

#[derive(Debug)]
pub(super) struct Ledger {
    accounts: [HashMap<Arc<str>, Vec<Slot>>; 3],
    /// How many slots there are in all, and may be.
    length: usize,
    most: usize,
    sweeps: Sweeps,
    to_save: Vec<Key>,
}

impl Ledger {
    pub fn of_at_most(most: usize) -> Self {
        let sweeps = Sweeps::of_at_most(most);
        Self { accounts: Default::default(), length: 0, most, sweeps, to_save: Vec::new() }
    }

    /// Buckets of which something is spent, or was until lately.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Would all limits let so much pass? Of those that do not, the one that opens last.
    pub fn check(&mut self, who: &Spenders<'_>, amount: Amount, now: Time) -> Result<(), Refusal> {
        let mut worst: Option<Over> = None;
        for spender in who.iter() {
            for (unit, rate) in spender.limits().filter(|(unit, _)| amount.of(*unit) > 0) {
                let Err(closed) = self.try_one(spender, unit, rate, amount.of(unit), now) else { continue };
                if worst.as_ref().is_none_or(|worst| is_later(closed, worst.closed)) {
                    let (scope, name) = (spender.scope, spender.name.into());
                    worst = Some(Over { scope, name, unit, rate, closed, at: now });
                }
            }
        }
        worst.map_or(Ok(()), |over| Err(Refusal::Over(over)))
    }

    fn try_one(&mut self, who: Spender<'_>, unit: Unit, rate: Rate, units: u32, now: Time) -> Result<(), Closed> {
        let gcra = Gcra::new(rate.count, rate.per.duration());
        match self.slot(who.scope, who.name, unit, rate) {
            Some(slot) => slot.bucket.check(gcra, now, units),
            None => Bucket::default().check(gcra, now, units),
        }
    }

    /// Takes so much from all limits, or nothing from any.
    pub fn spend(&mut self, who: &Spenders<'_>, amount: Amount, now: Time) -> Result<Vec<Taken>, Refusal> {
        self.check(who, amount, now)?;
        self.make_room_for(who, now)?;
        let mut taken = Vec::new();
        for spender in who.iter() {
            for (unit, rate) in spender.limits().filter(|(unit, _)| amount.of(*unit) > 0) {
                taken.extend(self.spend_one(spender, unit, rate, amount.of(unit), now));
            }
        }
        Ok(taken)
    }

    fn spend_one(&mut self, who: Spender<'_>, unit: Unit, rate: Rate, units: u32, now: Time) -> Option<Taken> {
        let name = self.name(who.scope, who.name);
        let key = Key { scope: who.scope, name, unit, per: rate.per, count: rate.count };
        let slot = self.slot_or_new(&key);
        let gcra = slot.gcra();
        // It was asked just before; a list that names one rate twice asks it once and spends twice.
        let spent = slot.bucket.spend(gcra, now, units).ok()?;
        self.note(&key, spent.cost());
        Some(Taken { key, spent })
    }

    pub fn refund(&mut self, taken: Taken, now: Time) {
        let Taken { key, spent } = taken;
        // A bucket that is gone was empty: everything has leaked.
        if let Some(slot) = self.slot(key.scope, &key.name, key.unit, key.rate()) {
            let back = slot.bucket.refund(spent, now);
            self.note(&key, -back);
        }
    }

    /// Remembers how far a bucket moved, when that is to be saved.
    fn note(&mut self, key: &Key, by: i64) {
        let Some(slot) = self.slot(key.scope, &key.name, key.unit, key.rate()).filter(|slot| slot.is_saved()) else {
            return;
        };
        slot.unsaved = slot.unsaved.saturating_add(by);
        if !std::mem::replace(&mut slot.listed, true) {
            self.to_save.push(key.clone());
        }
    }

    /// Everything that was spent since the last time, in the order of names; from here on it counts as
    /// saved.
    pub fn take_unsaved(&mut self, now: Time) -> Vec<Unsaved> {
        let mut unsaved = Vec::new();
        for key in std::mem::take(&mut self.to_save) {
            let Some(slot) = self.slot(key.scope, &key.name, key.unit, key.rate()) else { continue };
            slot.listed = false;
            let by = std::mem::take(&mut slot.unsaved);
            if by != 0 {
                let from = Time::from_micros(slot.bucket.tat().micros().saturating_sub(by));
                unsaved.push(Unsaved { from, by, ceiling: slot.gcra().ceiling(now), key });
            }
        }
        // Nodes that save the same limits in the same order wait for each other, never in a ring.
        unsaved.sort_by(|a, b| a.key.cmp(&b.key));
        unsaved
    }

    /// It was not saved after all.
    pub fn put_back(&mut self, unsaved: &[Unsaved]) {
        for Unsaved { key, by, .. } in unsaved {
            self.note(key, *by);
        }
    }

    /// Takes up where the store says that a bucket stands.
    pub fn learn(&mut self, key: &Key, tat: Time, now: Time) {
        self.sweep(now);
        let known = self.slot(key.scope, &key.name, key.unit, key.rate()).is_some();
        if !known && (tat <= now || self.length >= self.most) {
            return;
        }
        let slot = self.slot_or_new(key);
        let (gcra, unsaved) = (slot.gcra(), slot.unsaved);
        slot.bucket.learn(gcra, now, tat, unsaved);
    }

    fn make_room_for(&mut self, who: &Spenders<'_>, now: Time) -> Result<(), Refusal> {
        self.sweep(now);
        // Only near the bound it is worth knowing exactly.
        let at_most: usize = who.iter().map(|spender| spender.limits().count()).sum();
        if self.length + at_most <= self.most {
            return Ok(());
        }
        let new = who.iter().flat_map(|spender| spender.limits().map(move |limit| (spender, limit)));
        let new = new.filter(|(who, (unit, rate))| self.slot_at(who.scope, who.name, *unit, *rate).is_none()).count();
        if self.length + new <= self.most { Ok(()) } else { Err(Refusal::NoRoom) }
    }

    fn sweep(&mut self, now: Time) {
        if !self.sweeps.is_due(self.length, now) {
            return;
        }
        for accounts in &mut self.accounts {
            accounts.retain(|_, slots| {
                slots.retain(|slot| !slot.says_nothing(now));
                !slots.is_empty()
            });
        }
        self.length = self.accounts.iter().flat_map(HashMap::values).map(Vec::len).sum();
        self.sweeps.done(self.length, now);
    }

    fn slot_at(&self, scope: Scope, name: &str, unit: Unit, rate: Rate) -> Option<&Slot> {
        let slots = self.accounts[scope as usize].get(name)?;
        slots.iter().find(|slot| slot.unit == unit && slot.rate == rate)
    }

    fn slot(&mut self, scope: Scope, name: &str, unit: Unit, rate: Rate) -> Option<&mut Slot> {
        let slots = self.accounts[scope as usize].get_mut(name)?;
        slots.iter_mut().find(|slot| slot.unit == unit && slot.rate == rate)
    }

    /// The name as the table holds it: one copy for all its buckets.
    fn name(&self, scope: Scope, name: &str) -> Arc<str> {
        self.accounts[scope as usize].get_key_value(name).map_or_else(|| name.into(), |(held, _)| held.clone())
    }

    fn slot_or_new(&mut self, key: &Key) -> &mut Slot {
        let slots = self.accounts[key.scope as usize].entry(key.name.clone()).or_default();
        let at = slots.iter().position(|slot| slot.unit == key.unit && slot.rate == key.rate());
        let at = at.unwrap_or_else(|| {
            let (unit, rate, bucket) = (key.unit, key.rate(), Bucket::default());
            slots.push(Slot { unit, rate, bucket, unsaved: 0, listed: false });
            self.length += 1;
            slots.len() - 1
        });
        &mut slots[at]
    }
}

/// What never fits is worse than what only has to wait.
fn is_later(one: Closed, other: Closed) -> bool {
    let rank = |closed| (matches!(closed, Closed::TooMuch { .. }), closed.opens());
    rank(one) > rank(other)
}

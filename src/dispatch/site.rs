//! A site: all destinations that are reached in one way, with the lane in which their mail waits, the pace at
//! which it is sent there, and the count of the workers that send it.

use super::happenings::{SiteDown, SiteSlowed};
pub(super) use super::lookup::Takes;
use super::lookup::Terms;
use crate::base::clock::Time;
use crate::base::limits;
use crate::base::observe::Happening;
use crate::deliver::outcome::Action;
use crate::deliver::way::Way;
use crate::model::outcome::Why;
use crate::model::rate::Rate;
use crate::policy::pace::{Pace, Snapshot};
use crate::queue::lane::{Calls, Lane};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub(super) struct Site {
    /// For people: the domain or relay that it was first looked up for.
    pub name: String,
    pub kind: Kind,
    pub lane: Arc<Lane>,
    pub terms: Terms,
    state: Mutex<State>,
}

pub(super) enum Kind {
    Away(Away),
    /// Our own mailboxes.
    Desk,
    Sandbox,
}

pub(super) struct Away {
    pub way: Way,
    pub takes: Takes,
}

struct State {
    workers: u32,
    /// Workers that have taken nothing yet.
    fresh: u32,
    pace: Pace,
    /// What an operator ordered, instead of the pace.
    ordered: Option<Rate>,
    /// Destinations that lead here: what is shut with it.
    destinations: BTreeSet<String>,
    /// How often in a row no host could be reached.
    failures: u32,
    worked_at: Time,
    used_at: Time,
}

/// A worker's place at a site, until it is dropped.
pub(super) struct Hired {
    site: Arc<Site>,
    is_fresh: bool,
}

impl Hired {
    pub fn site(&self) -> &Arc<Site> {
        &self.site
    }

    /// It has looked into the lane: whoever waits there now wants another.
    pub fn has_begun(&mut self) {
        if std::mem::take(&mut self.is_fresh) {
            self.site.state().fresh -= 1;
        }
    }
}

impl Drop for Hired {
    fn drop(&mut self) {
        self.has_begun();
        self.site.state().workers -= 1;
        // It may have been pushed while this worker turned to go.
        if !self.site.lane.is_empty() {
            self.site.lane.call();
        }
    }
}

/// May a message begin now?
pub(super) enum Turn {
    Now,
    At(Time),
    /// Nothing is sent there for the time being.
    Suspended,
}

impl Site {
    pub fn new(name: String, kind: Kind, calls: &Arc<Calls>, terms: Terms, now: Time) -> Arc<Self> {
        let state = State {
            workers: 0,
            fresh: 0,
            pace: Pace::new(terms.bounds(), now),
            ordered: None,
            destinations: BTreeSet::new(),
            failures: 0,
            worked_at: Time::default(),
            used_at: now,
        };
        Arc::new(Self { name, kind, lane: Lane::new(calls), terms, state: Mutex::new(state) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A destination that leads here. One that an operator has spoken of is never one too many.
    pub fn serves(&self, destination: &str, is_spoken_of: bool) {
        let mut state = self.state();
        let has_room = state.destinations.len() < limits::SITE_DESTINATIONS_MAX || is_spoken_of;
        if has_room && !state.destinations.contains(destination) {
            state.destinations.insert(destination.to_owned());
        }
    }

    pub fn is_for(&self, destination: &str) -> bool {
        self.state().destinations.contains(destination)
    }

    pub fn destinations(&self) -> Vec<String> {
        self.state().destinations.iter().cloned().collect()
    }

    /// Is there more to do than workers on their way to it, and would one more be welcome there?
    pub fn wants_worker(&self, now: Time) -> bool {
        let waiting = self.lane.len();
        let mut state = self.state();
        state.used_at = now;
        waiting > state.fresh as usize && state.workers < state.pace.connections() && !state.pace.is_suspended(now)
    }

    pub fn hire(self: &Arc<Self>) -> Hired {
        let mut state = self.state();
        state.workers += 1;
        state.fresh += 1;
        Hired { site: self.clone(), is_fresh: true }
    }

    /// Are there more workers than the pace allows by now?
    pub fn is_crowded(&self) -> bool {
        let state = self.state();
        state.workers > state.pace.connections()
    }

    /// Takes a turn when it is there.
    pub fn turn(&self, now: Time) -> Turn {
        let mut state = self.state();
        if state.pace.is_suspended(now) {
            return Turn::Suspended;
        }
        match state.pace.next_slot(now) {
            slot if slot > now => Turn::At(slot),
            _ => {
                state.pace.take(now);
                Turn::Now
            }
        }
    }

    /// The turn was not used.
    pub fn give_back_turn(&self, now: Time) {
        self.state().pace.refund(now);
    }

    pub fn went_well(&self, now: Time) {
        let mut state = self.state();
        state.pace.on_success(now);
        state.failures = 0;
        state.worked_at = now;
    }

    /// What a reply asks of the pace. The time until which nothing is sent, when it asks for that.
    pub fn heed(&self, action: Action, why: &str, now: Time) -> Option<Time> {
        let mut state = self.state();
        state.pace.on_reply(action, why, now);
        let snapshot = state.pace.snapshot(now);
        drop(state);
        SiteSlowed { site: &self.name, rate: snapshot.rate, until: snapshot.suspended.as_ref().map(|s| s.0), why }
            .record();
        snapshot.suspended.map(|(until, _)| until)
    }

    /// No host could be reached. The time until which nobody need try again; none while another worker of it
    /// gets through.
    /// The first pause is the plan's own, when that is short.
    pub fn failed(&self, why: &Why, first: Duration, now: Time) -> Option<Time> {
        let mut state = self.state();
        if now.since(state.worked_at) < limits::SITE_WORKS_FOR {
            return None;
        }
        let pause = limits::SITE_PAUSE_FIRST.min(first) * 2_u32.saturating_pow(state.failures.min(16));
        state.failures = state.failures.saturating_add(1);
        drop(state);
        let until = now.plus(pause.min(limits::SITE_PAUSE_LONGEST));
        SiteDown { site: &self.name, until, why: &why.text }.record();
        Some(until)
    }

    pub fn suspend(&self, until: Time, why: &str, now: Time) {
        self.state().pace.suspend(until, why, now);
        self.lane.stir();
    }

    /// An operator lets it go on, whatever its servers said or did.
    pub fn resume(&self, now: Time) {
        let mut state = self.state();
        state.pace.resume(now);
        state.failures = 0;
        drop(state);
        self.lane.call();
    }

    /// What operators ordered; none: what the servers and the configuration say.
    pub fn set_rate(&self, rate: Option<Rate>, now: Time) {
        let mut state = self.state();
        if state.ordered == rate {
            return;
        }
        state.ordered = rate;
        match rate {
            Some(rate) => state.pace.set_rate(rate.per_second(), now),
            None => state.pace.unset_rate(now),
        }
        drop(state);
        self.lane.call();
    }

    pub fn ordered(&self) -> Option<Rate> {
        self.state().ordered
    }

    /// Recipients of one message in one transaction, at most.
    pub fn recipients_max(&self) -> usize {
        self.terms.recipients as usize
    }

    /// Workers here: each has a connection, or is about to.
    pub fn workers(&self) -> u32 {
        self.state().workers
    }

    pub fn snapshot(&self, now: Time) -> Snapshot {
        self.state().pace.snapshot(now)
    }

    /// Goes on at the pace of the site that it comes after, within its own bounds; orders are given anew.
    fn take_over(&self, mut pace: Pace, now: Time) {
        pace.set_bounds(self.terms.bounds(), now);
        pace.unset_rate(now);
        self.state().pace = pace;
    }

    fn is_idle(&self, now: Time) -> bool {
        let state = self.state();
        state.workers == 0
            && now.since(state.used_at) > limits::SITE_KEPT
            && state.pace.is_ordinary(now)
            && self.lane.is_empty()
    }
}

/// All sites, by what their connections are shared by.
#[derive(Default)]
pub(super) struct Sites(Mutex<All>);

#[derive(Default)]
struct All {
    sites: HashMap<String, Arc<Site>>,
    /// What sites that were taken away had asked for: a new configuration does not make their servers forget it.
    past: HashMap<String, Pace>,
}

impl Sites {
    fn all(&self) -> MutexGuard<'_, All> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn get_or_make(&self, key: &str, now: Time, make: impl FnOnce() -> Arc<Site>) -> Arc<Site> {
        let All { sites, past } = &mut *self.all();
        let remembered = || {
            let site = make();
            if let Some(pace) = past.remove(key) {
                site.take_over(pace, now);
            }
            site
        };
        sites.entry(key.to_owned()).or_insert_with(remembered).clone()
    }

    pub fn of_lane(&self, lane: &Arc<Lane>) -> Option<Arc<Site>> {
        self.all().sites.values().find(|site| Arc::ptr_eq(&site.lane, lane)).cloned()
    }

    pub fn of_destination(&self, destination: &str) -> Vec<Arc<Site>> {
        self.all().sites.values().filter(|site| site.is_for(destination)).cloned().collect()
    }

    pub fn list(&self) -> Vec<Arc<Site>> {
        self.all().sites.values().cloned().collect()
    }

    /// Takes all of them away: what comes next makes new ones, at the pace that these had learnt.
    pub fn take_all(&self, now: Time) -> Vec<Arc<Site>> {
        let All { sites, past } = &mut *self.all();
        let learnt = sites.iter().map(|(key, site)| (key.clone(), site.state().pace.clone()));
        past.extend(learnt.filter(|(_, pace)| !pace.is_ordinary(now)));
        sites.drain().map(|(_, site)| site).collect()
    }

    /// Forgets those that nobody used for a while.
    pub fn sweep(&self, now: Time) {
        let All { sites, past } = &mut *self.all();
        sites.retain(|_, site| !(site.is_idle(now) && site.lane.close_if_empty()));
        past.retain(|_, pace| !pace.is_ordinary(now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::limits::SITES_SWEPT_EVERY;

    /// A server that asked for less did not ask our configuration.
    #[test]
    fn what_a_site_asked_for_outlives_a_reload() {
        let (sites, calls, now) =
            (Sites::default(), Arc::new(Calls::default()), Time::from_micros(1_795_262_400_000_000));
        let made = || sites.get_or_make("mx", now, || Site::new("mx".into(), Kind::Desk, &calls, Terms::local(), now));
        let ordinary = made().snapshot(now);
        made().state().pace.on_reply(Action::Suspend(Duration::from_secs(600)), "come again", now);
        sites.take_all(now);
        let after = made().snapshot(now);
        assert!(ordinary.suspended.is_none() && after.suspended.is_some_and(|(_, why)| why == "come again"));
        // What nobody comes back to is forgotten when its time is over.
        sites.take_all(now);
        sites.sweep(now.plus(SITES_SWEPT_EVERY));
        assert_eq!(sites.all().past.len(), 1);
        sites.sweep(now.plus(Duration::from_secs(30 * 86_400)));
        assert_eq!(sites.all().past.len(), 0);
    }
}

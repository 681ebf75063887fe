//! How fast one site is sent to: carefully more while it takes what it gets, at once less when it says that
//! it is too much, nothing at all while it asks for that. Pure: time comes in, and one `Pace` is one site's.
//!
//! Additive increase, multiplicative decrease, as TCP does it: two senders that share a bottleneck find
//! their shares. One bad reply among thousands is weather and no climate: a site is slowed when complaints are
//! more than a small part of what it answers.

use crate::base::clock::Time;
use crate::base::limits;
use crate::deliver::outcome::Action;
use std::time::Duration;

/// Between which bounds a site's pace moves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// Messages a second, at most and at least.
    pub rate_max: f64,
    pub rate_min: f64,
    /// Connections at a time, at most; at least one.
    pub connections_max: u32,
    /// From the floor to the ceiling it takes so long, when nothing is said against it.
    pub recovery: Duration,
}

/// Complaints are taken back by this many successes each: fewer than one in so many is no reason.
const SUCCESSES_PER_COMPLAINT: f64 = 200.0;
/// So many complaints slow a site: one does when little went well before it.
const COMPLAINTS_ENOUGH: f64 = 0.5;
/// What is left of the pace when it is slowed.
const DECREASE: f64 = 0.5;
/// How many complaints successes can make up for in advance.
const CREDIT_MAX: f64 = 3.0;
/// Complaints of one burst (connections side by side hear the same) count once.
const BURST: Duration = Duration::from_secs(5);

#[derive(Clone, Debug, PartialEq)]
pub struct Pace {
    bounds: Bounds,
    rate: f64,
    connections: f64,
    /// When the next message may begin.
    slot: Time,
    /// How the pace stood last, and until when it does not rise.
    grown_at: Time,
    hold_until: Time,
    /// Above zero: complaints; below: goodwill.
    complaints: f64,
    complained_at: Option<Time>,
    slowed: Option<Slowed>,
    suspension: Option<Suspension>,
    /// The last suspension that a site asked for, so that the next one is longer.
    asked: Option<Asked>,
    /// What an operator said; nothing else moves it.
    set: Option<f64>,
}

#[derive(Clone, Debug, PartialEq)]
struct Slowed {
    at: Time,
    why: String,
}

#[derive(Clone, Debug, PartialEq)]
struct Suspension {
    since: Time,
    until: Time,
    why: String,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Asked {
    took: Duration,
    ended: Time,
}

/// How it stands, for people.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    pub rate: f64,
    pub rate_max: f64,
    pub connections: u32,
    pub connections_max: u32,
    /// An operator set the rate.
    pub is_set: bool,
    /// When it was slowed last, and why; none when it goes as fast as it may.
    pub slowed: Option<(Time, String)>,
    pub suspended: Option<(Time, String)>,
}

impl Pace {
    /// A site of which nothing is known goes at its ceiling.
    pub fn new(bounds: Bounds, now: Time) -> Self {
        let bounds = bounds.sane();
        Self {
            bounds,
            rate: bounds.rate_max,
            connections: f64::from(bounds.connections_max),
            slot: now,
            grown_at: now,
            hold_until: now,
            complaints: 0.0,
            complained_at: None,
            slowed: None,
            suspension: None,
            asked: None,
            set: None,
        }
    }

    /// New settings: what a site has taught us stays, within them.
    pub fn set_bounds(&mut self, bounds: Bounds, now: Time) {
        self.grow(now);
        let was_free = self.slowed.is_none();
        self.bounds = bounds.sane();
        let (rate, connections) = (self.bounds.rate_max, f64::from(self.bounds.connections_max));
        self.rate = if was_free { rate } else { self.rate.clamp(self.bounds.rate_min, rate) };
        self.connections = if was_free { connections } else { self.connections.clamp(1.0, connections) };
    }

    /// A message was taken.
    pub fn on_success(&mut self, now: Time) {
        self.complaints = (self.complaints - 1.0 / SUCCESSES_PER_COMPLAINT).max(-CREDIT_MAX);
        self.grow(now);
    }

    /// A site said that it is too much.
    pub fn on_reply(&mut self, action: Action, why: &str, now: Time) {
        self.grow(now);
        match action {
            Action::Slow(hold) => self.slow(hold, why, now),
            Action::Suspend(during) => self.suspend_asked(during, why, now),
        }
    }

    /// Nothing until then: by an operator or a rule.
    pub fn suspend(&mut self, until: Time, why: &str, now: Time) {
        let longer = self.suspension.as_ref().is_none_or(|running| running.until < until);
        if longer && until > now {
            let since = self.suspension_at(now).map_or(now, |running| running.since);
            self.suspension = Some(Suspension { since, until, why: cut(why) });
        }
    }

    /// Go on now, whatever was said.
    pub fn resume(&mut self, now: Time) {
        self.suspension = None;
        self.asked = None;
        self.slot = self.slot.min(now);
    }

    /// An operator's rate; never above what the rule allows, and below the floor if he says so.
    pub fn set_rate(&mut self, rate: f64, now: Time) {
        self.grow(now);
        let rate = if rate.is_finite() { rate } else { self.bounds.rate_max };
        self.set = Some(rate.clamp(RATE_LEAST.min(self.bounds.rate_max), self.bounds.rate_max));
        // Not at the pace that was: what was taken before counts for its own time only.
        self.slot = self.slot.min(now.plus(self.interval()));
    }

    /// No operator's rate any more; what the site has taught us stays.
    pub fn unset_rate(&mut self, now: Time) {
        self.grow(now);
        self.set = None;
        self.slot = self.slot.min(now.plus(self.interval()));
    }

    /// When the next message may begin: now, or later. Whether that is too late for it, its queue knows.
    pub fn next_slot(&self, now: Time) -> Time {
        let slot = self.slot.max(now);
        self.suspension_at(now).map_or(slot, |running| slot.max(running.until))
    }

    /// A message begins. One that was let through without a slot counts all the same.
    pub fn take(&mut self, now: Time) {
        self.grow(now);
        // What was not used is not saved up, but for the one second that makes a rate below one a second and
        // a batch at one a second alike.
        let earliest = now.minus(Duration::from_secs(1).mul_f64(self.burst()));
        self.slot = self.slot.max(earliest).plus(self.interval());
    }

    /// Gives a slot back: nothing was sent in it.
    pub fn refund(&mut self, now: Time) {
        self.slot = self.slot.minus(self.interval()).max(now.minus(Duration::from_secs(1)));
    }

    /// How many connections it may have at a time.
    pub fn connections(&self) -> u32 {
        (self.connections as u32).clamp(1, self.bounds.connections_max)
    }

    pub fn rate(&self) -> f64 {
        self.set.unwrap_or(self.rate)
    }

    pub fn is_suspended(&self, now: Time) -> bool {
        self.suspension_at(now).is_some()
    }

    /// Worth keeping? One that goes as fast as it may and has no past is as good as a new one.
    pub fn is_ordinary(&self, now: Time) -> bool {
        let calm = self.asked.is_none_or(|asked| now.since(asked.ended) > calm_after(asked.took));
        self.set.is_none() && calm && self.slot <= now && !self.is_suspended(now) && self.is_at_ceiling_at(now)
    }

    pub fn snapshot(&self, now: Time) -> Snapshot {
        let mut grown = self.clone();
        grown.grow(now);
        Snapshot {
            rate: grown.rate(),
            rate_max: self.bounds.rate_max,
            connections: grown.connections(),
            connections_max: self.bounds.connections_max,
            is_set: self.set.is_some(),
            slowed: grown.slowed.map(|slowed| (slowed.at, slowed.why)),
            suspended: self.suspension_at(now).map(|running| (running.until, running.why.clone())),
        }
    }

    fn suspension_at(&self, now: Time) -> Option<&Suspension> {
        self.suspension.as_ref().filter(|running| running.until > now)
    }

    /// Additive increase: an even part of the way from the floor to the ceiling for the time that passed.
    fn grow(&mut self, now: Time) {
        let from = self.grown_at.max(self.hold_until);
        self.grown_at = self.grown_at.max(now);
        let part = now.since(from).as_secs_f64() / self.bounds.recovery.as_secs_f64();
        if part <= 0.0 {
            return;
        }
        let (rate_max, connections_max) = (self.bounds.rate_max, f64::from(self.bounds.connections_max));
        self.rate = (self.rate + (rate_max - self.bounds.rate_min) * part).min(rate_max);
        self.connections = (self.connections + (connections_max - 1.0) * part).min(connections_max);
        if self.rate >= rate_max && self.connections >= connections_max {
            self.slowed = None;
        }
    }

    fn is_at_ceiling_at(&self, now: Time) -> bool {
        let mut grown = self.clone();
        grown.grow(now);
        grown.slowed.is_none()
    }

    fn slow(&mut self, hold: Duration, why: &str, now: Time) {
        if self.complained_at.is_some_and(|at| now.since(at) < BURST) {
            return;
        }
        self.complained_at = Some(now);
        self.complaints += 1.0;
        if self.complaints < COMPLAINTS_ENOUGH {
            return;
        }
        self.complaints = 0.0;
        self.rate = (self.rate * DECREASE).max(self.bounds.rate_min);
        self.connections = (self.connections * DECREASE).max(1.0);
        self.hold_until = self.hold_until.max(now.plus(hold.min(limits::SUSPENSION_MAX)));
        self.slowed = Some(Slowed { at: now, why: cut(why) });
    }

    /// Asked for again soon after it ended, it is twice as long; after calm it is forgotten.
    fn suspend_asked(&mut self, during: Duration, why: &str, now: Time) {
        if self.is_suspended(now) {
            // Connections that were open still hear the same.
            return;
        }
        let again = self.asked.filter(|asked| now.since(asked.ended) <= calm_after(asked.took));
        let took = again.map_or(during, |asked| (asked.took * 2).max(during)).min(limits::SUSPENSION_MAX);
        self.asked = Some(Asked { took, ended: now.plus(took) });
        self.suspend(now.plus(took), why, now);
        // Behind it nobody begins where he was stopped.
        self.rate = (self.rate * DECREASE).max(self.bounds.rate_min);
        self.connections = 1.0;
        self.hold_until = self.hold_until.max(now.plus(took));
        self.slowed = Some(Slowed { at: now, why: cut(why) });
    }

    fn interval(&self) -> Duration {
        Duration::from_secs_f64(1.0 / self.rate())
    }

    /// How many seconds of its rate may be sent at once.
    fn burst(&self) -> f64 {
        // At less than one a second there is nothing to save: the first goes at once all the same.
        if self.rate() < 1.0 { 0.0 } else { 1.0 - 1.0 / self.rate() }
    }
}

/// How long a site must be quiet before its last suspension is forgotten.
fn calm_after(took: Duration) -> Duration {
    took * 4
}

/// One a day: the slowest that can be said.
const RATE_LEAST: f64 = 1.0 / 86_400.0;

impl Bounds {
    /// Whatever a rule says, there is a floor above zero and a ceiling above the floor.
    fn sane(self) -> Self {
        const RATE_MOST: f64 = 1_000_000.0;
        let finite = |rate: f64, or: f64| if rate.is_finite() { rate } else { or };
        let rate_max = finite(self.rate_max, RATE_MOST).clamp(RATE_LEAST, RATE_MOST);
        Self {
            rate_max,
            rate_min: finite(self.rate_min, RATE_LEAST).clamp(RATE_LEAST, rate_max),
            connections_max: self.connections_max.max(1),
            recovery: self.recovery.max(Duration::from_secs(1)),
        }
    }
}

/// `3.2/s of 10/s, 4 of 20 connections, since … because …; suspended until … because …`.
impl std::fmt::Display for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let number = |rate: f64| {
            let text = format!("{rate:.3}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        };
        write!(f, "{}/s of {}/s", number(self.rate), number(self.rate_max))?;
        write!(f, ", {} of {} connections", self.connections, self.connections_max)?;
        if self.is_set {
            f.write_str(", set by hand")?;
        }
        if let Some((at, why)) = &self.slowed {
            write!(f, ", since {at} because {why}")?;
        }
        match &self.suspended {
            Some((until, why)) => write!(f, "; suspended until {until} because {why}"),
            None => Ok(()),
        }
    }
}

/// What a remote said may be long.
fn cut(why: &str) -> String {
    let end =
        (0..=limits::PACE_REASON_BYTES_MAX.min(why.len())).rev().find(|at| why.is_char_boundary(*at)).unwrap_or(0);
    why[..end].to_owned()
}

#[cfg(test)]
mod tests;

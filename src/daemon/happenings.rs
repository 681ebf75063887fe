//! What can happen to the daemon as a whole: each with its line and its number.

use crate::base::metrics::{LINK_KEYS_MADE, RELOAD_FAILURES, RELOADS};
use crate::base::observe::Happening;
use std::time::Duration;

pub(super) struct Started<'a> {
    pub hostname: &'a str,
    pub engine: &'a str,
    pub epoch: i64,
    pub took: Duration,
}

impl Happening for Started<'_> {
    fn record(self) {
        let Self { hostname, engine, epoch, took } = self;
        let version = env!("CARGO_PKG_VERSION");
        tracing::info!(version, hostname, store = engine, epoch, took_ms = took.as_millis() as u64, "ready");
    }
}

/// Another key for tracked links.
pub(super) struct LinkKeyMade<'a> {
    pub number: u16,
    pub by: &'a str,
}

impl Happening for LinkKeyMade<'_> {
    fn record(self) {
        let Self { number, by } = self;
        metrics::counter!(LINK_KEYS_MADE).increment(1);
        tracing::info!(number, by, "a new key for tracked links was made; the old ones go on opening theirs");
    }
}

pub(super) struct Reloaded<'a> {
    pub generation: u64,
    pub opened: usize,
    pub changed: usize,
    pub closed: usize,
    /// Keys whose new value waits for a restart.
    pub waiting: &'a [String],
}

impl Happening for Reloaded<'_> {
    fn record(self) {
        let Self { generation, opened, changed, closed, waiting } = self;
        metrics::counter!(RELOADS).increment(1);
        for key in waiting {
            tracing::warn!(key, "this change waits for a restart; the old value stays until then");
        }
        tracing::info!(generation, opened, changed, closed, "configuration reloaded");
    }
}

pub(super) struct ReloadRefused<'a> {
    pub why: &'a [String],
}

impl Happening for ReloadRefused<'_> {
    fn record(self) {
        metrics::counter!(RELOAD_FAILURES).increment(1);
        for finding in self.why {
            tracing::error!(finding, "in the new configuration");
        }
        tracing::error!("the configuration was not reloaded; the old one stays in force");
    }
}

pub(super) struct DoorLeftOut<'a> {
    pub why: &'a str,
}

impl Happening for DoorLeftOut<'_> {
    fn record(self) {
        metrics::counter!(RELOAD_FAILURES).increment(1);
        tracing::error!(why = self.why, "this listener was left out; the rest of the reload is in force");
    }
}

/// The store, asked while nobody else did, began or ceased to answer.
pub(super) struct StoreAnswers {
    pub answers: bool,
}

impl Happening for StoreAnswers {
    fn record(self) {
        if self.answers {
            tracing::info!("the store answers again");
        } else {
            tracing::error!("the store does not answer");
        }
    }
}

pub(super) struct Draining {
    pub at_most: Duration,
    pub connections: usize,
}

impl Happening for Draining {
    fn record(self) {
        let Self { at_most, connections } = self;
        tracing::info!(connections, at_most_s = at_most.as_secs(), "stopping: nothing new is taken, what runs may end");
    }
}

pub(super) struct Stopped {
    pub finished: usize,
    pub cut: usize,
}

impl Happening for Stopped {
    fn record(self) {
        let Self { finished, cut } = self;
        tracing::info!(finished, cut, "stopped");
    }
}

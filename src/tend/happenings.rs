//! What can happen to a node among its like, and to the keys it tends: each with its line and its number.

use crate::base::metrics::{BEATS_MISSED, DELIVERIES_RECOVERED, DKIM_TURNS};
use crate::base::observe::Happening;
use crate::model::dkim::MadeKey;
use std::time::Duration;

/// What dead starts held is tried again.
pub(super) struct DeliveriesRecovered {
    pub deliveries: u64,
}

impl Happening for DeliveriesRecovered {
    fn record(self) {
        let Self { deliveries } = self;
        metrics::counter!(DELIVERIES_RECOVERED).increment(deliveries);
        tracing::warn!(deliveries, "recovered deliveries that a node held when it stopped; some may arrive twice");
    }
}

/// The node could not say that it lives.
pub(super) struct BeatMissed<'a> {
    pub why: &'a str,
    pub silent: Option<Duration>,
}

impl Happening for BeatMissed<'_> {
    fn record(self) {
        let Self { why, silent } = self;
        metrics::counter!(BEATS_MISSED).increment(1);
        let silent_s = silent.unwrap_or_default().as_secs();
        tracing::warn!(why, silent_s, "this node could not say that it lives");
    }
}

/// Another start has this node's name: what we hold is its to recover.
pub(super) struct NodeReplaced {
    pub epoch: i64,
}

impl Happening for NodeReplaced {
    fn record(self) {
        let Self { epoch } = self;
        tracing::error!(
            epoch,
            "this start was stopped or replaced by another under the same server.hostname: it ends no delivery any more"
        );
    }
}

/// A key came to its next stage.
pub(super) struct KeyMoved<'a> {
    pub key: &'a MadeKey,
}

impl Happening for KeyMoved<'_> {
    fn record(self) {
        let MadeKey { domain, selector, stage, .. } = self.key;
        metrics::counter!(DKIM_TURNS, "turn" => stage.as_str()).increment(1);
        tracing::info!(%domain, %selector, stage = stage.as_str(), "a DKIM key moved on");
    }
}

/// The record of a key that signs, or signed lately, is not in the DNS any more.
pub(super) struct RecordMissing<'a> {
    pub key: &'a MadeKey,
    pub found: &'a str,
}

impl Happening for RecordMissing<'_> {
    fn record(self) {
        let Self { key: MadeKey { domain, selector, stage, .. }, found } = self;
        metrics::counter!(DKIM_TURNS, "turn" => "missing").increment(1);
        let stage = stage.as_str();
        tracing::warn!(
            %domain, %selector, stage, found,
            "the record of a DKIM key is missing: what it signed cannot be verified; `gatepost dkim show` prints the record"
        );
    }
}

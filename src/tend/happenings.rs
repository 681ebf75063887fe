//! What can happen to a node among its like: each with its line and its number.

use crate::base::metrics::{BEATS_MISSED, DELIVERIES_RECOVERED, SUPPRESSIONS_UNREAD};
use crate::base::observe::Happening;
use crate::store::StoreError;
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

/// It is not known who was suppressed elsewhere; told once, until it is known again.
pub(super) struct SuppressionsUnread<'a> {
    pub error: &'a StoreError,
}

impl Happening for SuppressionsUnread<'_> {
    fn record(self) {
        let Self { error } = self;
        metrics::counter!(SUPPRESSIONS_UNREAD).increment(1);
        tracing::warn!(%error, "suppressions cannot be read; soon the store is asked for each recipient");
    }
}

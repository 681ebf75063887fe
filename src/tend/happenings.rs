//! What can happen by the clock, to a node among its like and to domains: each with its line and its number.

use crate::base::metrics::{BEATS_MISSED, DELIVERIES_RECOVERED, DKIM_TURNS, DOMAINS_NOT_READY, SUPPRESSIONS_UNREAD};
use crate::base::observe::Happening;
use crate::mail::domain_name::DomainName;
use crate::model::dkim::MadeKey;
use crate::policy::readiness::Part;
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

/// What of a domain's mail leads back here, in words.
fn words(part: Part) -> &'static str {
    match part {
        Part::Tracking => "tracking host",
        Part::ReturnPath => "return path",
    }
}

/// What goes without it.
fn without(part: Part) -> &'static str {
    match part {
        Part::Tracking => "its mail leaves untracked",
        Part::ReturnPath => "its mail leaves with the sender's own return path",
    }
}

/// Something of a domain leads back here from now on.
pub(super) struct FootingWon<'a> {
    pub domain: &'a DomainName,
    pub part: Part,
}

impl Happening for FootingWon<'_> {
    fn record(self) {
        tracing::info!(domain = %self.domain, "its {} leads here, and is used from now on", words(self.part));
    }
}

/// It did, and does not any more.
pub(super) struct FootingLost<'a> {
    pub domain: &'a DomainName,
    pub part: Part,
    pub why: &'a str,
}

impl Happening for FootingLost<'_> {
    fn record(self) {
        let Self { domain, part, why } = self;
        let (what, goes) = (words(part), without(part));
        tracing::error!(%domain, why, "its {what} leads here no more: {goes}; `gatepost dns {domain}` shows what to mend");
    }
}

/// It never did so far.
pub(super) struct FootingUnready<'a> {
    pub domain: &'a DomainName,
    pub part: Part,
    pub why: &'a str,
}

impl Happening for FootingUnready<'_> {
    fn record(self) {
        let Self { domain, part, why } = self;
        let (what, goes) = (words(part), without(part));
        tracing::warn!(%domain, why, "its {what} does not lead here yet: {goes}; `gatepost dns {domain}` shows what to do");
    }
}

/// How many domains wait for each.
pub(super) struct FootingsCounted {
    pub unready: [(Part, usize); 2],
}

impl Happening for FootingsCounted {
    fn record(self) {
        for (part, domains) in self.unready {
            metrics::gauge!(DOMAINS_NOT_READY, "part" => part.word()).set(domains as f64);
        }
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

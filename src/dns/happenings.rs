//! What can happen when a name is looked up: each with its line and its number.

use super::{Answer, Data, Failure, Kind};
use crate::base::metrics::DNS_SECONDS;
use crate::base::observe::Happening;
use crate::mail::domain_name::DomainName;
use std::time::Duration;

pub(super) struct LookedUp<'a> {
    pub name: &'a DomainName,
    pub kind: Kind,
    pub took: Duration,
    pub answered: &'a Result<Answer<Vec<Data>>, Failure>,
}

impl Happening for LookedUp<'_> {
    fn record(self) {
        let (name, kind, took_ms) = (self.name, self.kind.word(), self.took.as_millis() as u64);
        let outcome = match self.answered {
            Ok(answer) if answer.value.is_empty() => "none",
            Ok(_) => "found",
            Err(Failure::NoSuchName) => "no such name",
            Err(Failure::Temporary { .. }) => "no answer",
        };
        metrics::histogram!(DNS_SECONDS, "type" => kind, "outcome" => outcome).record(self.took);
        match self.answered {
            Err(Failure::Temporary { why }) => tracing::info!(%name, kind, took_ms, why, "no answer from the DNS"),
            _ => tracing::debug!(%name, kind, took_ms, outcome, "looked up"),
        }
    }
}

/// The system's own list of servers could not be read.
pub(super) struct SystemUnread<'a> {
    pub why: &'a dyn std::fmt::Display,
}

impl Happening for SystemUnread<'_> {
    fn record(self) {
        tracing::warn!(why = %self.why, "the system names no DNS server; asking one on this machine, as programs do");
    }
}

/// The servers give answers without the proofs that the root has.
pub(super) struct ProofsMissing;

impl Happening for ProofsMissing {
    fn record(self) {
        tracing::warn!(
            "the DNS servers strip DNSSEC signatures: mail goes without DANE; a validating server on this machine keeps them"
        );
    }
}

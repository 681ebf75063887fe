//! What can happen with limits: each with its line and its number.

use super::over::Refusal;
use crate::base::metrics::{LIMIT_BUCKETS, LIMITS_REACHED, LIMITS_UNSAVED};
use crate::base::observe::Happening;
use crate::store::StoreError;

/// What a limit was asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Mail,
    /// One more recipient of mail that was let in. A client may ask for a thousand of them in a row.
    MoreRecipients,
}

/// Mail, or a part of its recipients, has to wait for a limit.
pub(super) struct LimitReached<'a> {
    pub refusal: &'a Refusal,
    pub asked: Asked,
}

impl Happening for LimitReached<'_> {
    fn record(self) {
        let over = match self.refusal {
            Refusal::Over(over) => over,
            Refusal::NoRoom => {
                metrics::counter!(LIMITS_REACHED, "scope" => "all", "unit" => "buckets").increment(1);
                tracing::warn!("more limits are in use than fit into memory; new senders wait");
                return;
            }
        };
        let (scope, unit) = (over.scope.word(), over.unit.word());
        metrics::counter!(LIMITS_REACHED, "scope" => scope, "unit" => unit).increment(1);
        let (name, limit, opens) = (&*over.name, over.rate, over.opens());
        match self.asked {
            Asked::Mail => tracing::info!(scope, name, unit, %limit, %opens, "limit reached"),
            Asked::MoreRecipients => tracing::debug!(scope, name, unit, %limit, %opens, "limit reached"),
        }
    }
}

/// What was spent was saved, or had not to be.
pub(super) struct LimitsSaved {
    pub buckets: usize,
    /// It had failed before.
    pub again: bool,
}

impl Happening for LimitsSaved {
    fn record(self) {
        metrics::gauge!(LIMIT_BUCKETS).set(self.buckets as f64);
        if self.again {
            tracing::info!("what is spent of the limits is saved again");
        }
    }
}

/// What was spent could not be saved: it is kept in memory, and tried again with the next round.
pub(super) struct LimitsUnsaved<'a> {
    pub error: &'a StoreError,
    /// It had failed before: it was told already.
    pub again: bool,
}

impl Happening for LimitsUnsaved<'_> {
    fn record(self) {
        metrics::counter!(LIMITS_UNSAVED).increment(1);
        if !self.again {
            let error = self.error;
            tracing::warn!(%error, "what was spent of the limits is not saved; trying again, a crash would forget it");
        }
    }
}

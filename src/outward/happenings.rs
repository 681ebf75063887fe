//! What can happen to what leaves: each with its line and its number.

use crate::base::id::MessageId;
use crate::base::metrics::REPORTS_DROPPED;
use crate::base::observe::Happening;

/// A report has nowhere to go: nobody of ours reads it.
pub(super) struct ReportDropped<'a> {
    /// The message it is about.
    pub message: &'a MessageId,
    pub recipient: &'a str,
    pub why: &'a str,
}

impl Happening for ReportDropped<'_> {
    fn record(self) {
        let Self { message, recipient, why } = self;
        metrics::counter!(REPORTS_DROPPED).increment(1);
        tracing::warn!(%message, recipient, why, "a report was dropped");
    }
}

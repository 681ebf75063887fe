//! What can happen to what comes back to us: each with its line and its number.

use crate::base::id::MessageId;
use crate::base::metrics::RETURNS;
use crate::base::observe::Happening;

/// What a message to a return path of ours was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// It made bounces of deliveries.
    Bounce,
    /// A report of something else: a delay, a success.
    Report,
    /// It said what was known.
    Known,
    /// It is no report.
    Words,
    /// What it answers is not here any more.
    Nothing,
}

impl What {
    fn word(self) -> &'static str {
        match self {
            Self::Bounce => "bounce",
            Self::Report => "report",
            Self::Known => "known",
            Self::Words => "words",
            Self::Nothing => "nothing",
        }
    }
}

/// A message came back to a return path.
pub(super) struct CameBack<'a> {
    pub message: Option<&'a MessageId>,
    pub what: What,
    pub deliveries: usize,
}

impl Happening for CameBack<'_> {
    fn record(self) {
        let Self { message, what, deliveries } = self;
        let what = what.word();
        metrics::counter!(RETURNS, "what" => what).increment(1);
        let message = message.map(MessageId::as_str);
        tracing::info!(message, what, deliveries, "a message came back to its return path");
    }
}

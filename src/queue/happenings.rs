//! What can happen when mail is entered: each with its line and its number.

use crate::base::id::MessageId;
use crate::base::metrics::{MESSAGES_ACCEPTED, MESSAGES_NOT_KEPT, RECIPIENTS_SUPPRESSED};
use crate::base::observe::Happening;
use crate::mail::address::Address;
use crate::mail::envelope::ReversePath;
use crate::model::message::Origin;
use crate::store::StoreError;

/// A message is on disk, and its sender is about to hear so.
pub(super) struct MessageAccepted<'a> {
    pub message: &'a MessageId,
    pub origin: Origin,
    pub submitter: Option<&'a str>,
    pub sender: &'a ReversePath,
    pub recipients: usize,
    pub bytes: usize,
}

impl Happening for MessageAccepted<'_> {
    fn record(self) {
        let Self { message, origin, submitter, sender, recipients, bytes } = self;
        let origin = origin.word();
        metrics::counter!(MESSAGES_ACCEPTED, "origin" => origin).increment(1);
        tracing::info!(%message, origin, submitter, %sender, recipients, bytes, "message accepted");
    }
}

/// The store did not take a message: nothing of it is left, and its sender is told to try again.
pub(super) struct MessageNotKept<'a> {
    pub message: &'a MessageId,
    pub error: &'a StoreError,
}

impl Happening for MessageNotKept<'_> {
    fn record(self) {
        let Self { message, error } = self;
        metrics::counter!(MESSAGES_NOT_KEPT).increment(1);
        tracing::warn!(%message, %error, "a message could not be kept");
    }
}

/// When it was found that a recipient is not written to any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    AtAccept,
    BeforeTry,
}

impl Found {
    fn word(self) -> &'static str {
        match self {
            Self::AtAccept => "accept",
            Self::BeforeTry => "try",
        }
    }
}

/// A recipient is not written to.
pub struct RecipientSuppressed<'a> {
    pub recipient: &'a Address,
    pub why: &'a str,
    pub found: Found,
}

impl Happening for RecipientSuppressed<'_> {
    fn record(self) {
        let Self { recipient, why, found } = self;
        let found = found.word();
        metrics::counter!(RECIPIENTS_SUPPRESSED, "found" => found).increment(1);
        tracing::info!(%recipient, why, found, "a recipient is suppressed");
    }
}

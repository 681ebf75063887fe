//! A message with its envelope as it goes to one host, and what it needs there.

use super::capabilities::{Capabilities, Size};
use super::message;
use crate::mail::envelope::{BodyType, MailParams, Recipient, ReversePath};

/// What is to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Mail<'a> {
    pub sender: &'a ReversePath,
    pub params: &'a MailParams,
    pub recipients: &'a [&'a Recipient],
    /// Fields on top of the message, with CRLF: what signs it.
    pub top: &'a [u8],
    pub message: &'a [u8],
}

/// What a message needs and a host does not offer. RFC 1870 6.1, RFC 6152 3, RFC 6531 3.1, RFC 8689 4.2.1: a
/// property of this host, not of the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    Room { bytes: u64, max: u64 },
    EightBitMime,
    BinaryMime,
    Smtputf8,
    RequireTls,
}

impl Mail<'_> {
    /// What this host cannot do for it.
    pub fn lacks(&self, can: &Capabilities) -> Option<Lack> {
        let bytes = self.bytes();
        match can.size {
            Size::Max(max) if bytes > max => return Some(Lack::Room { bytes, max }),
            _ => {}
        }
        let binary = can.binary_mime && can.chunking;
        match self.body() {
            BodyType::BinaryMime if !binary => Some(Lack::BinaryMime),
            BodyType::EightBitMime if !can.eight_bit_mime => Some(Lack::EightBitMime),
            _ if self.needs_smtputf8() && !can.smtputf8 => Some(Lack::Smtputf8),
            _ if self.params.require_tls && !can.require_tls => Some(Lack::RequireTls),
            _ => None,
        }
    }

    /// As it will be sent.
    pub(super) fn bytes(&self) -> u64 {
        let added = if self.body() == BodyType::BinaryMime || message::is_ended(self.message) { 0 } else { 2 };
        (self.top.len() + self.message.len() + added) as u64
    }

    /// What its bytes are, whatever was said of them: who said nothing sent 8-bit text all the same, and who
    /// was ready for it may have sent none.
    pub(super) fn body(&self) -> BodyType {
        match self.params.body {
            BodyType::BinaryMime => BodyType::BinaryMime,
            _ if self.top.is_ascii() && self.message.is_ascii() => BodyType::SevenBit,
            _ => BodyType::EightBitMime,
        }
    }

    /// RFC 6531 3.4: only when an address or a header field is not ASCII; a client that offers more than its
    /// message needs does not lose it at hosts that know less.
    pub(super) fn needs_smtputf8(&self) -> bool {
        let sender = self.sender.address().is_some_and(|address| !address.local().is_ascii());
        sender
            || self.recipients.iter().any(|recipient| !recipient.address.local().is_ascii())
            || (self.params.smtputf8 && !(self.top.is_ascii() && message::header(self.message).is_ascii()))
    }
}

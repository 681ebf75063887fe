//! What stands in a tracked link: who it was sent to, in which message, which link, and where it leads, under a
//! keyed MAC. To follow one needs the key and nothing else, so a link lives as long as its key.
//!
//! A token is base64url without padding over a head (the same for all recipients of a message) and a tail (the
//! delivery and the MAC over both). The head's length is a multiple of three, so that the tail begins at a
//! character of its own: a prepared message holds the head and a blank tail, which is filled at delivery.

use crate::base::id::{DeliveryId, LinkId, MessageId};

/// Characters of the tail: 16 bytes of a delivery's number and 16 of the MAC.
pub const TAIL_CHARS: usize = 43;

/// The part of a token that all recipients share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    pub message: MessageId,
    /// Which of the message's links, counted from 0.
    pub link: u16,
    pub leads_to: LeadsTo,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeadsTo {
    /// An image: the message was opened.
    Pixel,
    /// The end of a stream of mail.
    Unsubscribe,
    Url(String),
    /// A destination that is too long for a token stands in the store.
    Row(LinkId),
}

//! What stands in a tracked link: who it was sent to, in which message, which link, and where it leads, under a
//! keyed MAC. To follow one needs the key and nothing else, so a link lives as long as its key.
//!
//! A token is base64url without padding over a head (the same for all recipients of a message) and a tail (the
//! delivery and the MAC over both). The head's length is a multiple of three, so that the tail begins at a
//! character of its own: a prepared message holds the head and a blank tail, which is filled at delivery.
//!
//! The head: one byte of form and kind, the number of the key (two), the number of the link (two), the message
//! (sixteen), then the destination. What is missing to a multiple of three is zeros, and nothing else is taken:
//! there is one way to write a token.

pub mod destination;
mod keyring;
mod return_path;

pub use crate::base::limits::TOKEN_URL_BYTES_MAX as URL_BYTES_MAX;
pub use keyring::{BadToken, Keyring, MacKey, NoKey};
pub use return_path::Returned;

use crate::base::id::{DeliveryId, LinkId, MessageId};

/// Characters of the tail: 16 bytes of a delivery's number and 16 of the MAC.
pub const TAIL_CHARS: usize = 43;

/// The number of what is no link of the message's text: an unsubscribe address in its header.
pub const NO_LINK: u16 = u16::MAX;

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

/// What a token says whose MAC is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    pub head: Head,
    pub delivery: DeliveryId,
}

/// The high half of the first byte: a later form gets another number.
const FORM: u8 = 0x10;
const PIXEL: u8 = FORM;
const UNSUBSCRIBE: u8 = FORM | 1;
const URL: u8 = FORM | 2;
const ROW: u8 = FORM | 3;

/// Form and kind, key, link, message.
const FIXED_BYTES: usize = 1 + 2 + 2 + ID_BYTES;
const ID_BYTES: usize = 16;
const HEAD_BYTES_MAX: usize = FIXED_BYTES + URL_BYTES_MAX.next_multiple_of(3);
const _: () = assert!(FIXED_BYTES.is_multiple_of(3));

/// What a head says, of somebody else's memory: one is written for each link of a message.
#[derive(Clone, Copy, Debug)]
pub struct Saying<'a> {
    pub message: &'a MessageId,
    pub link: u16,
    pub leads_to: Leads<'a>,
}

#[derive(Clone, Copy, Debug)]
pub enum Leads<'a> {
    Pixel,
    Unsubscribe,
    Url(&'a str),
    Row(&'a LinkId),
}

impl Head {
    pub fn saying(&self) -> Saying<'_> {
        let leads_to = match &self.leads_to {
            LeadsTo::Pixel => Leads::Pixel,
            LeadsTo::Unsubscribe => Leads::Unsubscribe,
            LeadsTo::Url(url) => Leads::Url(url),
            LeadsTo::Row(id) => Leads::Row(id),
        };
        Saying { message: &self.message, link: self.link, leads_to }
    }
}

/// The head as bytes, under the key of this number: so many of them. Its URL is none that is too long.
fn write_head(head: &Saying<'_>, key: u16, into: &mut [u8; HEAD_BYTES_MAX]) -> usize {
    let (kind, destination): (u8, &[u8]) = match &head.leads_to {
        Leads::Pixel => (PIXEL, &[]),
        Leads::Unsubscribe => (UNSUBSCRIBE, &[]),
        Leads::Url(url) => (URL, url.as_bytes()),
        Leads::Row(id) => (ROW, &id.to_bytes()),
    };
    let (fixed, rest) = into.split_at_mut(FIXED_BYTES);
    fixed[0] = kind;
    fixed[1..3].copy_from_slice(&key.to_be_bytes());
    fixed[3..5].copy_from_slice(&head.link.to_be_bytes());
    fixed[5..].copy_from_slice(&head.message.to_bytes());
    let padded = destination.len().next_multiple_of(3);
    rest[..destination.len()].copy_from_slice(destination);
    rest[destination.len()..padded].fill(0);
    FIXED_BYTES + padded
}

/// The number of the key that a head names.
fn key_of(head: &[u8]) -> Option<u16> {
    let number = [*head.get(1)?, *head.get(2)?];
    Some(u16::from_be_bytes(number))
}

/// The head that these bytes are, if they are written in the one way.
fn read_head(bytes: &[u8]) -> Option<Head> {
    if bytes.len() < FIXED_BYTES || !bytes.len().is_multiple_of(3) {
        return None;
    }
    let (fixed, destination) = bytes.split_at(FIXED_BYTES);
    let link = u16::from_be_bytes([fixed[3], fixed[4]]);
    let message = MessageId::from_bytes(fixed[FIXED_BYTES - ID_BYTES..].try_into().ok()?);
    let leads_to = match fixed[0] {
        PIXEL if destination.is_empty() => LeadsTo::Pixel,
        UNSUBSCRIBE if destination.is_empty() => LeadsTo::Unsubscribe,
        URL => LeadsTo::Url(String::from_utf8(unpadded(destination)?.to_vec()).ok()?),
        ROW => {
            let (id, padding) = destination.split_at_checked(ID_BYTES)?;
            (padding == [0, 0]).then(|| id.try_into().ok().map(LinkId::from_bytes)).flatten().map(LeadsTo::Row)?
        }
        _ => return None,
    };
    Some(Head { message, link, leads_to })
}

/// A URL without the zeros behind it: at most two, and none within, since no URL holds one.
fn unpadded(bytes: &[u8]) -> Option<&[u8]> {
    let end = bytes.iter().rposition(|b| *b != 0)? + 1;
    let (text, padding) = bytes.split_at(end);
    (padding.len() < 3 && text.len() <= URL_BYTES_MAX && !text.contains(&0)).then_some(text)
}

#[cfg(test)]
mod tests;

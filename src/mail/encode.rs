//! A message in lines of ASCII, for hosts that take nothing else (RFC 6152 3, RFC 3030 3): the parts that have
//! something else in them are written as quoted-printable or base64, and say so; everything else stays byte for
//! byte. What a reader decodes is what stood there before.
//!
//! Two passes: the first finds what has to change and how long it becomes, the second writes it into memory that
//! is taken once. Header fields beyond ASCII have no other form (RFC 6531) and stay as they are.

mod base64;
mod quoted_printable;

use super::mime::{Content, Encoding, Entity, Flaw, NoParts, Structure, Unnamed, split};
use crate::base::limits;
use quoted_printable::Source;
use std::borrow::Cow;
use std::ops::Range;

pub(super) use quoted_printable::{Writer as QuotedPrintable, is_literal_within as is_quoted_literal};

/// Why a message cannot be written so. Each is a sentence's end, for its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unconvertible {
    /// RFC 1847 2.1: a signature holds for the bytes as they are.
    Signed,
    /// RFC 2046 5.2, RFC 3464 2.1: nothing but 7bit is allowed there.
    Fixed,
    HeaderLineEnd,
    HeaderNotEnded,
    TwoTypes,
    TwoEncodings,
    NoBoundary,
    NoParts,
    EncodedMultipart,
    UnknownEncoding,
    BrokenEncoding,
    BetweenParts,
    TooDeep,
    TooManyParts,
}

impl std::fmt::Display for Unconvertible {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (depth, parts) = (limits::MIME_DEPTH_MAX, limits::MIME_PARTS_MAX);
        f.write_str(match self {
            Self::Signed => "it is signed (multipart/signed), and the signature would not hold any more",
            Self::Fixed => "a part of it is of a kind that may not be encoded (message/partial, a delivery status)",
            Self::HeaderLineEnd => "a header in it has a bare CR or LF",
            Self::HeaderNotEnded => "a header in it does not end with an empty line",
            Self::TwoTypes => "one of its parts states its Content-Type in two ways",
            Self::TwoEncodings => "one of its parts states its Content-Transfer-Encoding in two ways",
            Self::NoBoundary => "a multipart in it names no boundary",
            Self::NoParts => "a multipart in it has no parts between the boundaries that it names",
            Self::EncodedMultipart => "a multipart in it says that it is encoded itself",
            Self::UnknownEncoding => "one of its parts is in an encoding that nobody knows",
            Self::BrokenEncoding => "one of its parts is not in the encoding that it says",
            Self::BetweenParts => "there is binary text around the parts of a multipart in it",
            Self::TooDeep => return write!(f, "its parts are nested more than {depth} deep"),
            Self::TooManyParts => return write!(f, "it has more than {parts} parts"),
        })
    }
}

impl From<Flaw> for Unconvertible {
    fn from(flaw: Flaw) -> Self {
        match flaw {
            Flaw::BareLineEnd => Self::HeaderLineEnd,
            Flaw::NotEnded => Self::HeaderNotEnded,
            Flaw::TwoTypes => Self::TwoTypes,
            Flaw::TwoEncodings => Self::TwoEncodings,
        }
    }
}

/// The message with all its bodies in lines of ASCII of at most 998 bytes: itself when they are so already. Only
/// its header fields may still be beyond ASCII.
pub fn seven_bit(message: &[u8]) -> Result<Cow<'_, [u8]>, Unconvertible> {
    let mut plan = Plan { message, aim: Aim::SevenBit, edits: Vec::new(), entities: 0 };
    plan.entity(0..message.len(), Place::Whole, Unnamed::Text, 0)?;
    Ok(if plan.edits.is_empty() { Cow::Borrowed(message) } else { Cow::Owned(plan.apply()) })
}

/// The message without lines of more than 998 bytes in its bodies, as far as it can be read: a part that has one is
/// encoded, and every other stays as it is. What is signed or broken stays too.
pub fn short_lines(message: &[u8]) -> Cow<'_, [u8]> {
    let mut plan = Plan { message, aim: Aim::ShortLines, edits: Vec::new(), entities: 0 };
    match plan.entity(0..message.len(), Place::Whole, Unnamed::Text, 0) {
        Ok(_) if !plan.edits.is_empty() => Cow::Owned(plan.apply()),
        Ok(_) | Err(_) => Cow::Borrowed(message),
    }
}

/// What is not to be left in a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Aim {
    /// Anything but lines of ASCII.
    SevenBit,
    /// Lines that are too long; what has no lines at all goes where it may.
    ShortLines,
}

impl Aim {
    fn is_met(self, content: Content) -> bool {
        match self {
            Self::SevenBit => content.is_plain(),
            Self::ShortLines => !content.long,
        }
    }
}

/// The same of a text that is there as a whole.
#[cfg(test)]
pub(super) fn write_quoted_printable(text: &[u8], out: &mut Vec<u8>) {
    quoted_printable::write(text, Source::Text, |piece| out.extend_from_slice(piece));
}

/// Any bytes as base64 (RFC 2045 6.8), without a line end behind the last line.
pub(super) fn write_base64(bytes: &[u8], out: &mut Vec<u8>) {
    base64::write(bytes, |piece| out.extend_from_slice(piece));
}

/// How the bytes of a body become ASCII.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    QuotedPrintable(Source),
    Base64,
    /// Base64 in lines that are too long, or with bytes in it that mean nothing.
    Rewrapped,
    /// Text that no reader shows (RFC 2046 5.1.1): what is beyond ASCII becomes a sign that no boundary has.
    Masked,
}

impl Coding {
    fn write(self, bytes: &[u8], mut put: impl FnMut(&[u8])) {
        match self {
            Self::QuotedPrintable(source) => quoted_printable::write(bytes, source, put),
            Self::Base64 => base64::write(bytes, put),
            Self::Rewrapped => base64::rewrite(bytes, put),
            Self::Masked => bytes.iter().for_each(|b| put(&[if b.is_ascii() { *b } else { b'*' }])),
        }
    }
}

/// One place of the message that changes.
#[derive(Debug)]
struct Edit {
    place: Range<usize>,
    with: With,
}

#[derive(Debug)]
enum With {
    /// Nothing, or whole fields.
    Fields(&'static str),
    Itself(Coding),
}

/// Where an entity stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// A message, by itself or in another: it says that it is MIME.
    Whole,
    Part,
}

/// What is left of an entity when all its changes are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    Ascii,
    /// Some header of it has more.
    EightBitHeader,
}

impl Left {
    fn and(self, other: Self) -> Self {
        if self == Self::Ascii { other } else { self }
    }
}

const VERSION: &str = "MIME-Version: 1.0\r\n";
const SEVEN_BIT: &str = "Content-Transfer-Encoding: 7bit\r\n";
const EIGHT_BIT: &str = "Content-Transfer-Encoding: 8bit\r\n";
const QUOTED_PRINTABLE: &str = "Content-Transfer-Encoding: quoted-printable\r\n";
const BASE64: &str = "Content-Transfer-Encoding: base64\r\n";
const UTF8_TEXT: &str = "Content-Type: text/plain; charset=utf-8\r\n";
/// RFC 1428 3: for text whose letters nobody has named.
const UNKNOWN_TEXT: &str = "Content-Type: text/plain; charset=unknown-8bit\r\n";

struct Plan<'a> {
    message: &'a [u8],
    aim: Aim,
    /// In their order.
    edits: Vec<Edit>,
    /// So many were opened.
    entities: usize,
}

impl Plan<'_> {
    fn entity(
        &mut self,
        within: Range<usize>,
        place: Place,
        unnamed: Unnamed,
        depth: usize,
    ) -> Result<Left, Unconvertible> {
        self.entities += 1;
        if self.entities > limits::MIME_PARTS_MAX {
            return Err(Unconvertible::TooManyParts);
        }
        let entity = Entity::read(self.message, within, unnamed);
        // No line of a header is written anew: one that cannot go is not sent.
        if entity.flaw == Some(Flaw::BareLineEnd) {
            return Err(Unconvertible::HeaderLineEnd);
        }
        let header = if entity.has_eight_bit_header { Left::EightBitHeader } else { Left::Ascii };
        let content = Content::of(&self.message[entity.body.clone()]);
        if self.aim.is_met(content) {
            return Ok(header);
        }
        if let Some(flaw) = entity.flaw {
            return Err(flaw.into());
        }
        let version = (place == Place::Whole && !entity.has_version).then_some(VERSION);
        let is_identity = entity.encoding.is_identity();
        match &entity.structure {
            // What may not be touched goes with its long lines, as it does in a message that needs no conversion.
            Structure::Signed | Structure::Fixed if content.is_seven_bit() => Ok(header),
            Structure::Signed => Err(Unconvertible::Signed),
            Structure::Fixed if is_identity => Err(Unconvertible::Fixed),
            Structure::Multipart { .. } if !is_identity => Err(Unconvertible::EncodedMultipart),
            Structure::Multipart { boundary, is_digest } => {
                let boundary = boundary.as_deref().ok_or(Unconvertible::NoBoundary)?;
                let unnamed = if *is_digest { Unnamed::Message } else { Unnamed::Text };
                let body = entity.body.clone();
                let left =
                    self.within(&entity, version, depth, |plan| plan.parts(body, boundary, unnamed, depth + 1))?;
                Ok(header.and(left))
            }
            Structure::Message if is_identity => Ok(header.and(self.inner(&entity, version, depth)?)),
            Structure::GlobalMessage if is_identity && self.aim == Aim::ShortLines => {
                Ok(header.and(self.inner(&entity, version, depth)?))
            }
            Structure::GlobalMessage if is_identity => {
                let before = self.edits.len();
                match self.inner(&entity, version, depth) {
                    Ok(Left::Ascii) => {}
                    // RFC 6532 3.7: unlike message/rfc822 it may be encoded as a whole.
                    Ok(Left::EightBitHeader) | Err(Unconvertible::Signed) => {
                        self.edits.truncate(before);
                        self.leaf(&entity, content, version)?;
                    }
                    Err(why) => return Err(why),
                }
                Ok(header)
            }
            _ => {
                self.leaf(&entity, content, version)?;
                Ok(header)
            }
        }
    }

    /// A message in a message.
    fn inner(&mut self, entity: &Entity, version: Option<&'static str>, depth: usize) -> Result<Left, Unconvertible> {
        let body = entity.body.clone();
        self.within(entity, version, depth, |plan| plan.entity(body, Place::Whole, Unnamed::Text, depth + 1))
    }

    /// What is made of entities: its own encoding stays identity, and its label says what is in it now.
    fn within(
        &mut self,
        entity: &Entity,
        version: Option<&'static str>,
        depth: usize,
        change: impl FnOnce(&mut Self) -> Result<Left, Unconvertible>,
    ) -> Result<Left, Unconvertible> {
        if depth >= limits::MIME_DEPTH_MAX {
            return Err(Unconvertible::TooDeep);
        }
        let before = self.edits.len();
        // Beside a part that was encoded there may still be one of 8-bit text.
        let is_outdated = self.aim == Aim::SevenBit && entity.encoding == Encoding::Unrestricted;
        let outdated = if is_outdated { &*entity.encodings } else { &[] };
        self.edits.extend(outdated.iter().map(|place| Edit { place: place.clone(), with: With::Fields("") }));
        self.insert(entity.fields_end, version);
        let mine = self.edits.len();
        let left = change(self)?;
        if self.edits.len() == mine {
            // Nothing in it changed.
            self.edits.truncate(before);
        } else if let Some(label) = self.edits.get_mut(before).filter(|_| !outdated.is_empty()) {
            // RFC 2045 6.4: 7bit, 8bit or binary, and no other.
            label.with = With::Fields(if left == Left::Ascii { SEVEN_BIT } else { EIGHT_BIT });
        }
        Ok(left)
    }

    fn parts(
        &mut self,
        body: Range<usize>,
        boundary: &[u8],
        unnamed: Unnamed,
        depth: usize,
    ) -> Result<Left, Unconvertible> {
        let parts_max = limits::MIME_PARTS_MAX - self.entities.min(limits::MIME_PARTS_MAX);
        let split = split(self.message, body, boundary, parts_max).map_err(|why| match why {
            NoParts::None => Unconvertible::NoParts,
            NoParts::TooMany => Unconvertible::TooManyParts,
        })?;
        self.aside(split.preamble)?;
        let mut left = Left::Ascii;
        for part in split.parts {
            let before = self.edits.len();
            match self.entity(part, Place::Part, unnamed, depth) {
                Ok(of_part) => left = left.and(of_part),
                Err(Unconvertible::TooManyParts) => return Err(Unconvertible::TooManyParts),
                Err(_) if self.aim == Aim::ShortLines => self.edits.truncate(before),
                Err(why) => return Err(why),
            }
        }
        self.aside(split.epilogue)?;
        Ok(left)
    }

    /// Before and behind the parts there may be text, for readers who know no MIME.
    fn aside(&mut self, place: Range<usize>) -> Result<(), Unconvertible> {
        match Content::of(&self.message[place.clone()]) {
            content if content.is_seven_bit() || self.aim == Aim::ShortLines => Ok(()),
            Content { binary: false, .. } => {
                self.edits.push(Edit { place, with: With::Itself(Coding::Masked) });
                Ok(())
            }
            _ => Err(Unconvertible::BetweenParts),
        }
    }

    /// An entity that has bytes and no parts.
    fn leaf(&mut self, entity: &Entity, content: Content, version: Option<&'static str>) -> Result<(), Unconvertible> {
        let is_text = match entity.structure {
            Structure::Text | Structure::GlobalMessage => true,
            Structure::Opaque | Structure::Message | Structure::Fixed => false,
            Structure::Multipart { .. } | Structure::Signed => return Err(Unconvertible::EncodedMultipart),
        };
        if self.aim == Aim::ShortLines && content.binary {
            return Ok(());
        }
        let body = entity.body.clone();
        let (coding, label) = match entity.encoding {
            // RFC 2045 6.7, 6.8: what has lines stays text that people can read.
            Encoding::SevenBit | Encoding::Unrestricted if is_text && !content.binary => {
                (Coding::QuotedPrintable(Source::Text), Some(QUOTED_PRINTABLE))
            }
            Encoding::SevenBit | Encoding::Unrestricted => (Coding::Base64, Some(BASE64)),
            Encoding::QuotedPrintable if content.binary => return Err(Unconvertible::BrokenEncoding),
            Encoding::QuotedPrintable => (Coding::QuotedPrintable(Source::QuotedPrintable), None),
            Encoding::Base64 if content.eight_bit => return Err(Unconvertible::BrokenEncoding),
            Encoding::Base64 => (Coding::Rewrapped, None),
            Encoding::Other => return Err(Unconvertible::UnknownEncoding),
        };
        let is_unnamed = entity.structure == Structure::Text && !entity.is_named && content.eight_bit;
        let is_utf8 = || std::str::from_utf8(&self.message[body.clone()]).is_ok();
        let kind = is_unnamed.then(|| if is_utf8() { UTF8_TEXT } else { UNKNOWN_TEXT });
        let mut label = label;
        if label.is_some() {
            for place in entity.encodings.iter().cloned() {
                self.edits.push(Edit { place, with: With::Fields(label.take().unwrap_or_default()) });
            }
        }
        for fields in [version, kind, label] {
            self.insert(entity.fields_end, fields);
        }
        self.edits.push(Edit { place: body.clone(), with: With::Itself(coding) });
        if body.end == self.message.len() {
            self.close(body, coding);
        }
        Ok(())
    }

    /// RFC 5321 4.1.1.4: a message ends with a line end, which must not become one of the body.
    fn close(&mut self, body: Range<usize>, coding: Coding) {
        let is_ended = self.message[body.clone()].ends_with(b"\r\n");
        let end = match coding {
            Coding::QuotedPrintable(_) if is_ended => return,
            Coding::QuotedPrintable(_) => "=\r\n",
            Coding::Base64 | Coding::Rewrapped | Coding::Masked => "\r\n",
        };
        self.insert(body.end, Some(end));
    }

    fn insert(&mut self, at: usize, fields: Option<&'static str>) {
        self.edits.extend(fields.map(|fields| Edit { place: at..at, with: With::Fields(fields) }));
    }

    fn apply(&self) -> Vec<u8> {
        let mut size = 0;
        self.write(|piece| size += piece.len());
        let mut made = Vec::with_capacity(size);
        self.write(|piece| made.extend_from_slice(piece));
        debug_assert_eq!(made.len(), size);
        made
    }

    fn write(&self, mut put: impl FnMut(&[u8])) {
        let mut at = 0;
        for Edit { place, with } in &self.edits {
            put(&self.message[at..place.start]);
            match with {
                With::Fields(fields) => put(fields.as_bytes()),
                With::Itself(coding) => coding.write(&self.message[place.clone()], &mut put),
            }
            at = place.end;
        }
        put(&self.message[at..]);
    }
}

#[cfg(test)]
mod tests;

//! The structure of a message as MIME has it (RFC 2045, RFC 2046), read where it lies: what an entity says of
//! itself, and where the parts of a multipart begin and end. Nothing is copied but what a field says, nothing is
//! believed that is written in two ways, and no bytes make it panic.

mod content_type;
mod description;
mod parts;

use super::header::{Field, Fields};
use content_type::ContentType;
use memchr::{memchr2, memmem};
use std::ops::Range;

pub use description::Description;
pub use parts::{NoParts, Parts, split};

/// RFC 2045 2.8, RFC 5321 4.5.3.1.6: a line has at most so many bytes before its CRLF.
pub const LINE_BYTES_MAX: usize = 998;

/// What stands in the way of text that may go anywhere: RFC 2045 2.7, 2.8, 2.9.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Content {
    pub eight_bit: bool,
    /// A line is longer than a line may be.
    pub long: bool,
    /// CR or LF without the other, or NUL: it has no lines.
    pub binary: bool,
}

impl Content {
    pub fn of(bytes: &[u8]) -> Self {
        let mut content = Self { eight_bit: !bytes.is_ascii(), ..Self::default() };
        content.binary = memchr::memchr(0, bytes).is_some();
        let mut rest = bytes;
        while let Some(end) = memchr2(b'\r', b'\n', rest) {
            content.long |= end > LINE_BYTES_MAX;
            rest = match rest[end..].strip_prefix(b"\r\n") {
                Some(behind) => behind,
                None => {
                    content.binary = true;
                    &rest[end + 1..]
                }
            };
        }
        content.long |= rest.len() > LINE_BYTES_MAX;
        content
    }

    /// Can it go where nothing but ASCII goes? Lines that are too long are not nice, and go.
    pub fn is_seven_bit(self) -> bool {
        !self.eight_bit && !self.binary
    }

    /// Lines of ASCII: everybody takes them.
    pub fn is_plain(self) -> bool {
        self == Self::default()
    }
}

/// RFC 2045 6.1: how a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// As it is, in lines of ASCII; so is what says nothing.
    SevenBit,
    /// As it is: 8bit or binary.
    Unrestricted,
    QuotedPrintable,
    Base64,
    /// Somebody's own.
    Other,
}

impl Encoding {
    fn of(field: &Field<'_>) -> Self {
        let value = field.unfolded();
        let value = value.trim_ascii();
        let word = value.split(|b| matches!(b, b' ' | b'\t' | b';' | b'(')).next().unwrap_or_default();
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        match () {
            () if value.is_empty() || is("7bit") => Self::SevenBit,
            () if is("8bit") || is("binary") => Self::Unrestricted,
            () if is("quoted-printable") => Self::QuotedPrintable,
            () if is("base64") => Self::Base64,
            () => Self::Other,
        }
    }

    /// Is a body of it as it is meant?
    pub fn is_identity(self) -> bool {
        matches!(self, Self::SevenBit | Self::Unrestricted)
    }
}

/// What an entity is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Structure {
    Text,
    /// Bytes of any kind.
    Opaque,
    /// Its parts, between lines of this; without one nobody finds them.
    Multipart {
        boundary: Option<Vec<u8>>,
        is_digest: bool,
    },
    /// RFC 1847 2.1: multipart/signed.
    Signed,
    /// message/rfc822.
    Message,
    /// RFC 6532 3.7: message/global, which unlike the other may be encoded itself.
    GlobalMessage,
    /// A kind of message that must stay as it is: RFC 2046 5.2.2, 5.2.3, RFC 3464 2.1.
    Fixed,
}

/// What an entity is when it does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unnamed {
    /// RFC 2045 5.2.
    Text,
    /// RFC 2046 5.1.5: in a digest.
    Message,
}

/// Two readers could read it in two ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// A bare CR or LF between its fields.
    BareLineEnd,
    /// A line that is no field, and no empty line before it.
    NotEnded,
    /// Content-Type, or its boundary, in two versions.
    TwoTypes,
    TwoEncodings,
}

/// A message or a part of one: what its header says. All places are in the bytes of the whole message.
#[derive(Clone, Debug)]
pub struct Entity {
    /// Behind its last field.
    pub fields_end: usize,
    pub body: Range<usize>,
    /// Whether it has a Content-Type of its own.
    pub is_named: bool,
    pub structure: Structure,
    pub encoding: Encoding,
    /// All its Content-Transfer-Encoding fields.
    pub encodings: Vec<Range<usize>>,
    pub has_version: bool,
    pub has_eight_bit_header: bool,
    pub flaw: Option<Flaw>,
}

impl Entity {
    pub fn read(message: &[u8], within: Range<usize>, unnamed: Unnamed) -> Self {
        let bytes = &message[within.clone()];
        let mut fields = Fields::of(bytes);
        // Of each there is one, almost always.
        let (mut types, mut stated) = (Vec::with_capacity(1), Vec::with_capacity(1));
        let mut has_version = false;
        for field in &mut fields {
            if field.is("content-type") {
                types.push(ContentType::of(&field));
            } else if field.is("content-transfer-encoding") {
                stated.push((field.range(), Encoding::of(&field)));
            } else if field.is("mime-version") {
                has_version = true;
            }
        }
        let (header, rest) = bytes.split_at(fields.bytes());
        let empty_line = if rest.starts_with(b"\r\n") { 2 } else { 0 };
        let kind = types.first();
        let flaw = match () {
            () if Content::of(header).binary && has_bare_line_end(header) => Some(Flaw::BareLineEnd),
            () if rest.starts_with(b"\n") => Some(Flaw::BareLineEnd),
            () if empty_line == 0 && !rest.is_empty() => Some(Flaw::NotEnded),
            () if types.iter().any(|other| Some(other) != kind) => Some(Flaw::TwoTypes),
            () if kind.is_some_and(|kind| kind.is_ambiguous) => Some(Flaw::TwoTypes),
            () if stated.iter().any(|(_, other)| *other != stated[0].1) => Some(Flaw::TwoEncodings),
            () => None,
        };
        let fields_end = within.start + header.len();
        Self {
            fields_end,
            body: fields_end + empty_line..within.end,
            is_named: kind.is_some(),
            structure: kind.map_or_else(|| unnamed.structure(), ContentType::structure),
            encoding: stated.first().map_or(Encoding::SevenBit, |(_, encoding)| *encoding),
            encodings: stated.iter().map(|(at, _)| within.start + at.start..within.start + at.end).collect(),
            has_version,
            has_eight_bit_header: !header.is_ascii(),
            flaw,
        }
    }
}

impl Unnamed {
    fn structure(self) -> Structure {
        match self {
            Self::Text => Structure::Text,
            Self::Message => Structure::Message,
        }
    }
}

/// RFC 5321 2.3.8.
fn has_bare_line_end(bytes: &[u8]) -> bool {
    let pairs = memmem::find_iter(bytes, b"\r\n").count();
    memchr::memchr_iter(b'\r', bytes).count() != pairs || memchr::memchr_iter(b'\n', bytes).count() != pairs
}

#[cfg(test)]
mod tests;

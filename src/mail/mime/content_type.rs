//! RFC 2045 5.1: a Content-Type, as far as the structure of a message depends on it.

use super::Structure;
use crate::mail::header::Field;

/// A type, with its boundary if it has one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ContentType {
    /// In small letters.
    kind: Vec<u8>,
    subtype: Vec<u8>,
    boundary: Option<Vec<u8>>,
    /// It names two boundaries, or one in pieces.
    // unmet: RFC 2231 3, a boundary in pieces; nobody writes one, and readers differ in what they make of it
    pub is_ambiguous: bool,
}

impl ContentType {
    pub fn of(field: &Field<'_>) -> Self {
        let value = field.unfolded();
        let mut words = Words { rest: &value };
        let kind = words.token();
        let subtype = if words.take(b'/') { words.token() } else { Vec::new() };
        let mut found = Self { kind, subtype, ..Self::default() };
        while words.skip_to_parameter() {
            let name = words.token();
            if !words.take(b'=') {
                continue;
            }
            let value = words.value();
            match name.as_slice() {
                b"boundary" if found.boundary.is_some() => found.is_ambiguous |= found.boundary != value,
                b"boundary" => found.boundary = value,
                name if name.starts_with(b"boundary*") => found.is_ambiguous = true,
                _ => {}
            }
        }
        found
    }

    pub fn structure(&self) -> Structure {
        match (self.kind.as_slice(), self.subtype.as_slice()) {
            (b"multipart", b"signed") => Structure::Signed,
            (b"multipart", subtype) => {
                Structure::Multipart { boundary: self.boundary.clone(), is_digest: subtype == b"digest" }
            }
            (b"message", b"rfc822") => Structure::Message,
            (b"message", b"global") => Structure::GlobalMessage,
            // RFC 6533 4: these are text, and may be encoded.
            (b"message", subtype) if subtype.starts_with(b"global-") => Structure::Text,
            (b"message", _) => Structure::Fixed,
            // RFC 2045 5.2: what cannot be read is text.
            (b"text" | b"", _) => Structure::Text,
            _ => Structure::Opaque,
        }
    }
}

/// What is left of a field's value.
pub(super) struct Words<'a> {
    pub rest: &'a [u8],
}

impl Words<'_> {
    /// RFC 5322 3.2.2: white space and comments.
    fn skip_space(&mut self) {
        let mut depth = 0_usize;
        while let Some(first) = self.rest.first() {
            match first {
                b'(' => depth += 1,
                b')' if depth > 0 => depth -= 1,
                b'\\' if depth > 0 => self.rest = &self.rest[1..],
                b' ' | b'\t' => {}
                _ if depth > 0 => {}
                _ => return,
            }
            self.rest = self.rest.get(1..).unwrap_or_default();
        }
    }

    pub fn take(&mut self, mark: u8) -> bool {
        self.skip_space();
        let found = self.rest.first() == Some(&mark);
        if found {
            self.rest = &self.rest[1..];
        }
        found
    }

    /// A name, in small letters; it may be empty.
    pub fn token(&mut self) -> Vec<u8> {
        self.skip_space();
        self.until(|b| matches!(b, b'/' | b';' | b'=' | b' ' | b'\t' | b'(' | b'"')).to_ascii_lowercase()
    }

    fn until(&mut self, ends: impl Fn(u8) -> bool) -> &[u8] {
        let end = self.rest.iter().position(|b| ends(*b)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    /// Behind the next semicolon that is not in a quoted string.
    pub fn skip_to_parameter(&mut self) -> bool {
        loop {
            self.skip_space();
            match self.rest.first() {
                None => return false,
                Some(b';') => {
                    self.rest = &self.rest[1..];
                    return true;
                }
                Some(b'"') => {
                    self.quoted();
                }
                Some(_) => self.rest = &self.rest[1..],
            }
        }
    }

    /// RFC 2045 5.1: a token or a quoted string. Programs write `=` and more into their tokens. None when it is empty
    /// or its quotation has no end.
    pub fn value(&mut self) -> Option<Vec<u8>> {
        self.skip_space();
        let value = match self.rest.first() {
            Some(b'"') => self.quoted()?,
            _ => self.until(|b| matches!(b, b';' | b' ' | b'\t')).to_vec(),
        };
        // RFC 2046 5.1.1: a boundary does not end with a space.
        let end = value.iter().rposition(|b| !matches!(b, b' ' | b'\t')).map_or(0, |at| at + 1);
        Some(value[..end].to_vec()).filter(|value| !value.is_empty())
    }

    fn quoted(&mut self) -> Option<Vec<u8>> {
        let mut text = Vec::new();
        let mut bytes = self.rest.iter().enumerate().skip(1);
        while let Some((at, byte)) = bytes.next() {
            match byte {
                b'"' => {
                    self.rest = &self.rest[at + 1..];
                    return Some(text);
                }
                b'\\' => text.extend(bytes.next().map(|(_, escaped)| escaped)),
                byte => text.push(*byte),
            }
        }
        self.rest = &[];
        None
    }
}

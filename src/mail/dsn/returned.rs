//! What a report returns of the message it is about.

use crate::base::limits;
use crate::mail::header::Fields;
use memchr::memmem;

/// RFC 3461 4.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Returned {
    /// All of it, if it is not too long and can stand in another message.
    Full,
    Headers,
    /// It is not there any more: RFC 6522 3 lets the third part be absent.
    Nothing,
}

pub(super) enum Part<'a> {
    Message(&'a [u8]),
    Headers(Vec<u8>),
}

impl<'a> Part<'a> {
    pub fn of(message: &'a [u8], wanted: Returned) -> Option<Self> {
        let fits = message.len() <= limits::REPORT_RETURNED_BYTES_MAX;
        match wanted {
            Returned::Full if fits && is_text(message) => Some(Self::Message(message)),
            Returned::Full | Returned::Headers => Some(Self::Headers(headers(message))),
            Returned::Nothing => None,
        }
    }

    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Message(message) => message,
            Self::Headers(headers) => headers,
        }
    }

    pub fn content_type(&self, is_global: bool) -> &'static str {
        match (self, is_global) {
            (Self::Message(_), false) => "message/rfc822",
            (Self::Headers(_), false) => "text/rfc822-headers",
            // RFC 6532 3.7, RFC 6533 4.
            (Self::Message(_), true) => "message/global",
            (Self::Headers(_), true) => "message/global-headers",
        }
    }

    /// Is there UTF-8 in its header? What is no UTF-8 either is somebody's old 8-bit text.
    pub fn has_utf8_header(&self) -> bool {
        let header = match self {
            Self::Headers(headers) => headers.as_slice(),
            Self::Message(message) => &message[..header_end(message)],
        };
        !header.is_ascii() && std::str::from_utf8(header).is_ok()
    }
}

fn header_end(message: &[u8]) -> usize {
    let mut fields = Fields::of(message);
    while fields.bytes() <= limits::HEADER_BYTES_MAX && fields.next().is_some() {}
    fields.bytes()
}

/// The fields that can stand in any text, as many as there is room for.
fn headers(message: &[u8]) -> Vec<u8> {
    let mut headers = Vec::new();
    for field in Fields::of(message) {
        let bytes = &message[field.range()];
        if headers.len() + bytes.len() > limits::REPORT_RETURNED_BYTES_MAX {
            break;
        }
        if is_text(bytes) && bytes.ends_with(b"\r\n") {
            headers.extend_from_slice(bytes);
        }
    }
    headers
}

/// RFC 2045 2.8: lines of at most 998 bytes, CR and LF only together, no NUL.
fn is_text(bytes: &[u8]) -> bool {
    const LINE_BYTES_MAX: usize = 998;
    let mut at = 0;
    while at < bytes.len() {
        let end = memmem::find(&bytes[at..], b"\r\n").map_or(bytes.len(), |n| at + n);
        let line = &bytes[at..end];
        if line.len() > LINE_BYTES_MAX || line.iter().any(|b| matches!(b, b'\r' | b'\n' | 0)) {
            return false;
        }
        at = end + 2;
    }
    true
}

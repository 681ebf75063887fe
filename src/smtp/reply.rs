//! A reply: its code, its enhanced code and its text, written so that no text can break a line.

use crate::base::limits;
use std::borrow::Cow;

/// RFC 5321 4.2, RFC 2034. Rooms that decide about mail answer with one of these: its first digit says
/// whether to try again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    code: u16,
    enhanced: Option<(u16, u16, u16)>,
    text: Cow<'static, str>,
}

impl Reply {
    /// RFC 2034 4: the class of the enhanced code is the first digit of the code.
    pub const fn new(code: u16, subject: u16, detail: u16, text: &'static str) -> Self {
        Self { code, enhanced: Some((code / 100, subject, detail)), text: Cow::Borrowed(text) }
    }

    /// With a text made for the occasion. What is not printable ASCII is written as `?`.
    pub fn with(code: u16, subject: u16, detail: u16, text: String) -> Self {
        Self { code, enhanced: Some((code / 100, subject, detail)), text: Cow::Owned(text) }
    }

    /// Greetings, and answers to EHLO, HELO and AUTH rounds, carry no enhanced code (RFC 2034 4).
    pub const fn plain(code: u16, text: &'static str) -> Self {
        Self { code, enhanced: None, text: Cow::Borrowed(text) }
    }

    pub const fn code(&self) -> u16 {
        self.code
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// 4xx: the client may try again.
    pub const fn is_temporary(&self) -> bool {
        self.code / 100 == 4
    }

    /// RFC 5321 3.8: with 421 the server closes, whatever was asked; 521 is its lasting form (RFC 7504).
    pub const fn closes(&self) -> bool {
        matches!(self.code, 421 | 521)
    }

    /// The same with another text.
    pub fn write_with(&self, text: &str, out: &mut Vec<u8>) {
        Self { text: Cow::Owned(text.to_owned()), ..*self }.write(out);
    }

    /// Appends it as one line, cut to the bound of a reply line.
    pub fn write(&self, out: &mut Vec<u8>) {
        let from = out.len();
        out.extend_from_slice(self.code.to_string().as_bytes());
        if let Some((class, subject, detail)) = self.enhanced {
            out.extend_from_slice(format!(" {class}.{subject}.{detail}").as_bytes());
        }
        out.push(b' ');
        // RFC 5321 4.2: a textstring is printable ASCII. A text may quote what a client said.
        out.extend(self.text.chars().map(|c| match c {
            ' '..='~' => c as u8,
            _ => b'?',
        }));
        out.truncate(from + limits::REPLY_LINE_BYTES_MAX - 2);
        out.extend_from_slice(b"\r\n");
    }
}

/// For logs: as on the wire, without the line end.
impl std::fmt::Display for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut line = Vec::new();
        self.write(&mut line);
        f.write_str(String::from_utf8_lossy(&line).trim_end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_one_line_whatever_its_text() {
        assert_eq!(Reply::new(550, 1, 1, "nobody here").to_string(), "550 5.1.1 nobody here");
        assert_eq!(Reply::plain(334, "").to_string(), "334");
        assert_eq!(Reply::with(450, 7, 1, "a\r\n250 b\u{e9}".to_owned()).to_string(), "450 4.7.1 a??250 b?");
        let mut out = Vec::new();
        Reply::with(550, 0, 0, "x".repeat(1000)).write(&mut out);
        assert_eq!(out.len(), limits::REPLY_LINE_BYTES_MAX);
        assert!(out.ends_with(b"x\r\n"));
    }
}

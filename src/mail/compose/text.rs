//! A text as the body of a part, its lines ending with CRLF, in lines of ASCII. It is read twice, once to know which
//! encoding it gets and how long that becomes, and once to write it: whoever can say a text twice need not keep it.

use crate::mail::encode::{self, QuotedPrintable};
use std::fmt::{self, Display, Write};

/// A text, and what reading it once has told.
#[derive(Clone, Copy)]
pub(super) struct Measured<'a> {
    text: &'a dyn Display,
    count: Count,
}

/// RFC 2046 4.1.1: every line of a text ends with CRLF, the last one too. So they are counted here.
#[derive(Clone, Copy, Default)]
struct Count {
    bytes: usize,
    /// Beyond ASCII.
    beyond: usize,
    /// What quoted-printable writes with three characters.
    escaped: usize,
    /// Where it breaks a line that is none of the text's.
    breaks: usize,
    /// Of the line at hand, in quoted-printable.
    width: usize,
    ends_in_space: bool,
}

impl<'a> Measured<'a> {
    pub fn of(text: &'a dyn Display) -> Self {
        Self { text, count: read(text, Count::default()) }
    }

    /// Mostly letters beyond ASCII are shorter in base64.
    fn is_base64(&self) -> bool {
        self.count.beyond > self.count.bytes / 3
    }

    /// How many bytes it becomes, or a few more.
    pub fn encoded_bytes(&self) -> usize {
        let Count { bytes, escaped, breaks, .. } = self.count;
        match self.is_base64() {
            true => bytes.div_ceil(3) * 4 + bytes / 57 * 2 + 4,
            // A dash behind a break is escaped too.
            false => bytes + escaped * 2 + breaks * 5,
        }
    }

    /// The field that says how, an empty line, and the text in it.
    pub fn write(&self, out: &mut Vec<u8>) {
        if self.is_base64() {
            out.extend_from_slice(b"Content-Transfer-Encoding: base64\r\n\r\n");
            let lines = read(self.text, Vec::with_capacity(self.count.bytes));
            encode::write_base64(&lines, out);
            out.extend_from_slice(b"\r\n");
        } else {
            out.extend_from_slice(b"Content-Transfer-Encoding: quoted-printable\r\n\r\n");
            read(self.text, QuotedPrintable::new(out)).finish();
        }
    }
}

/// Takes a text line by line, in pieces of any length.
trait Sink {
    fn text(&mut self, text: &[u8]);
    fn line_end(&mut self);
}

impl Sink for Vec<u8> {
    fn text(&mut self, text: &[u8]) {
        self.extend_from_slice(text);
    }

    fn line_end(&mut self) {
        self.extend_from_slice(b"\r\n");
    }
}

impl Sink for QuotedPrintable<'_> {
    fn text(&mut self, text: &[u8]) {
        QuotedPrintable::text(self, text);
    }

    fn line_end(&mut self) {
        QuotedPrintable::line_end(self);
    }
}

impl Sink for Count {
    fn text(&mut self, text: &[u8]) {
        let escaped = text.iter().filter(|b| !encode::is_quoted_literal(**b)).count();
        self.bytes += text.len();
        self.beyond += text.iter().filter(|b| !b.is_ascii()).count();
        self.escaped += escaped;
        self.width += text.len() + escaped * 2;
        self.ends_in_space = text.last().is_some_and(|b| matches!(b, b' ' | b'\t'));
    }

    fn line_end(&mut self) {
        let space = usize::from(std::mem::take(&mut self.ends_in_space));
        self.bytes += 2;
        self.escaped += space;
        // A line that is broken keeps at least 73 characters, and the last of its pieces at most 76.
        self.breaks += (self.width + space * 2).saturating_sub(4) / 73;
        self.width = 0;
    }
}

fn read<S: Sink>(text: &dyn Display, sink: S) -> S {
    let mut lines = Lines { sink, is_behind_cr: false, is_open: false };
    // Invariant: no sink refuses anything, and a text that was made once is made again.
    write!(lines, "{text}").unwrap_or_default();
    if lines.is_open {
        lines.sink.line_end();
    }
    lines.sink
}

/// CRLF, CR and LF are line ends.
struct Lines<S> {
    sink: S,
    is_behind_cr: bool,
    /// The line at hand has something in it.
    is_open: bool,
}

impl<S: Sink> Write for Lines<S> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text.as_bytes();
        while let Some(first) = rest.first() {
            if std::mem::take(&mut self.is_behind_cr) && *first == b'\n' {
                rest = &rest[1..];
                continue;
            }
            let end = memchr::memchr2(b'\r', b'\n', rest);
            let line = &rest[..end.unwrap_or(rest.len())];
            if !line.is_empty() {
                self.sink.text(line);
                self.is_open = true;
            }
            let Some(end) = end else { break };
            self.sink.line_end();
            (self.is_open, self.is_behind_cr) = (false, rest[end] == b'\r');
            rest = &rest[end + 1..];
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::encode::write_quoted_printable;
    use proptest::prelude::*;

    /// A text that comes in pieces.
    struct Pieces<'a>(&'a [String]);

    impl Display for Pieces<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.iter().try_for_each(|piece| f.write_str(piece))
        }
    }

    fn with_line_ends(text: &str) -> String {
        let mut lines = text.replace("\r\n", "\n").replace('\r', "\n").replace('\n', "\r\n");
        if !lines.is_empty() && !lines.ends_with('\n') {
            lines.push_str("\r\n");
        }
        lines
    }

    proptest! {
        #[test]
        fn a_text_in_pieces_is_encoded_like_the_whole_and_measured_right(
            pieces in prop::collection::vec("([a-z=. \t-]{0,90}|\u{e9}{0,9}|\u{6771}{0,30}|\r|\n|\r\n|-{0,80}| {0,3})", 0..12)
        ) {
            let text = Pieces(&pieces);
            let measured = Measured::of(&text);
            let mut out = Vec::new();
            measured.write(&mut out);
            let made = String::from_utf8(out).unwrap();
            let (field, body) = made.split_once("\r\n\r\n").unwrap();
            let lines = with_line_ends(&pieces.concat());
            let mut whole = Vec::new();
            if field.ends_with("base64") {
                encode::write_base64(lines.as_bytes(), &mut whole);
                whole.extend_from_slice(b"\r\n");
            } else {
                write_quoted_printable(lines.as_bytes(), &mut whole);
            }
            prop_assert_eq!(body.as_bytes(), whole);
            prop_assert!(body.len() <= measured.encoded_bytes());
            prop_assert!(measured.encoded_bytes() <= body.len() * 11 / 10 + 80);
        }
    }
}

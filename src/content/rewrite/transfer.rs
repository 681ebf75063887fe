//! A body, decoded to be read and encoded again where it changed (RFC 2045 6). What did not change stays byte for
//! byte: lines of quoted-printable, groups of base64.

use super::Doubt;
use crate::content::slot::{Encoding as Written, Slot};
use crate::content::token;
use crate::mail::mime::{Encoding, LINE_BYTES_MAX};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::borrow::Cow;
use std::ops::Range;

/// A change of the decoded text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    pub place: Range<usize>,
    pub text: String,
    /// Where in the new text the token stands.
    pub token: Option<Range<usize>>,
}

/// A body as it is meant.
#[derive(Debug)]
pub struct Body<'a> {
    raw: &'a [u8],
    pub text: Cow<'a, [u8]>,
    encoding: Encoding,
    /// Of quoted-printable: the lines as they stand there.
    lines: Vec<Line>,
}

/// A line of quoted-printable, up to its line end or soft break.
#[derive(Clone, Copy, Debug)]
struct Line {
    raw: usize,
    /// Where its text is over and its end begins: white space that means nothing, a soft break, CRLF.
    ending: usize,
    end: usize,
    /// Where it begins in the decoded text.
    text: usize,
}

/// A body with its changes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Made {
    pub bytes: Vec<u8>,
    /// Their places count from the beginning of the body.
    pub slots: Vec<Slot>,
    /// It is quoted-printable now and was not before: its header has to say so.
    pub is_requoted: bool,
}

impl<'a> Body<'a> {
    pub fn decode(raw: &'a [u8], encoding: Encoding) -> Result<Self, Doubt> {
        let (text, lines) = match encoding {
            Encoding::SevenBit | Encoding::Unrestricted => (Cow::Borrowed(raw), Vec::new()),
            Encoding::QuotedPrintable => {
                let (text, lines) = unquoted(raw).ok_or(Doubt::BrokenEncoding)?;
                (Cow::Owned(text), lines)
            }
            Encoding::Base64 => {
                let is_known = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=' | b'\r' | b'\n');
                // RFC 2045 6.8: others are ignored by some and not by all.
                if !raw.iter().all(is_known) {
                    return Err(Doubt::BrokenEncoding);
                }
                let chars: Vec<u8> = raw.iter().copied().filter(|b| !matches!(b, b'\r' | b'\n')).collect();
                (Cow::Owned(STANDARD.decode(chars).map_err(|_| Doubt::BrokenEncoding)?), Vec::new())
            }
            Encoding::Other => return Err(Doubt::UnknownEncoding),
        };
        Ok(Self { raw, text, encoding, lines })
    }

    /// The body with these changes, which are in their order.
    pub fn with(&self, edits: &[Edit]) -> Made {
        match self.encoding {
            Encoding::QuotedPrintable => counted(self.requoted(edits), edits),
            Encoding::Base64 => self.base64(edits),
            _ => {
                let made = self.plain(edits);
                if self.is_too_long(&made, edits) { counted(self.quoted(edits), edits) } else { made }
            }
        }
    }

    fn requoted(&self, edits: &[Edit]) -> Made {
        Requoting { body: self, edits, made: Made::default(), wrapped: Wrapped::default() }.run()
    }

    fn plain(&self, edits: &[Edit]) -> Made {
        let more: usize = edits.iter().map(|edit| edit.text.len()).sum();
        let mut made = Made { bytes: Vec::with_capacity(self.text.len() + more), ..Made::default() };
        let mut at = 0;
        for edit in edits {
            made.bytes.extend_from_slice(&self.text[at..edit.place.start]);
            let offset = made.bytes.len();
            made.slots.extend(edit.token.as_ref().map(|token| Slot {
                encoding: Written::Plain,
                at: offset + token.start,
                offset: offset + token.start,
                width: token.len(),
            }));
            made.bytes.extend_from_slice(edit.text.as_bytes());
            at = edit.place.end;
        }
        made.bytes.extend_from_slice(&self.text[at..]);
        made
    }

    /// RFC 5322 2.1.1: is a changed line longer now than a line may be?
    fn is_too_long(&self, made: &Made, edits: &[Edit]) -> bool {
        let (mut added, mut removed, mut checked) = (0, 0, 0);
        edits.iter().any(|edit| {
            let at = edit.place.start + added - removed;
            (added, removed) = (added + edit.text.len(), removed + edit.place.len());
            if at < checked {
                return false;
            }
            let start = memchr::memrchr(b'\n', &made.bytes[..at]).map_or(0, |end| end + 1);
            let end = memchr::memchr(b'\n', &made.bytes[start..]).map_or(made.bytes.len(), |length| start + length);
            checked = end;
            made.bytes[start..end].strip_suffix(b"\r").map_or(end - start, <[u8]>::len) > LINE_BYTES_MAX
        })
    }

    /// The whole text, as quoted-printable.
    fn quoted(&self, edits: &[Edit]) -> Made {
        let mut wrapped = Wrapped::default();
        let mut made = Made { is_requoted: true, ..Made::default() };
        let mut at = 0;
        for edit in edits {
            wrapped.text(&self.text[at..edit.place.start]);
            made.slots.extend(wrapped.edit(edit));
            at = edit.place.end;
        }
        wrapped.text(&self.text[at..]);
        made.bytes = wrapped.out;
        made
    }

    fn base64(&self, edits: &[Edit]) -> Made {
        let plain = self.plain(edits);
        let first = edits.first().map_or(self.text.len(), |edit| edit.place.start) / 3;
        let is_char = |b: &u8| !matches!(b, b'\r' | b'\n');
        let mut places = (0..self.raw.len()).filter(|at| is_char(&self.raw[*at]));
        let suffix = self.raw.iter().rposition(is_char).map_or(0, |at| at + 1);
        let prefix = places.nth(first * 4).unwrap_or(suffix);
        let encoded = STANDARD.encode(&plain.bytes[first * 3..]);
        let line = line_length(self.raw);
        let mut made = Made { bytes: Vec::with_capacity(self.raw.len() + plain.bytes.len()), ..Made::default() };
        made.bytes.extend_from_slice(&self.raw[..prefix]);
        let mut column = prefix - memchr::memrchr(b'\n', &self.raw[..prefix]).map_or(0, |end| end + 1);
        let mut slots = plain.slots.into_iter().peekable();
        let mut at = 0;
        while at < encoded.len() {
            if column >= line {
                made.bytes.extend_from_slice(b"\r\n");
                column = 0;
            }
            let taken = (line - column).min(encoded.len() - at);
            while let Some(slot) = slots.next_if(|slot| (slot.offset / 3 - first) * 4 < at + taken) {
                let group = (slot.offset / 3 - first) * 4;
                let encoding = Written::Base64;
                made.slots.push(Slot { encoding, at: made.bytes.len() + group - at, ..slot });
            }
            made.bytes.extend_from_slice(&encoded.as_bytes()[at..at + taken]);
            (at, column) = (at + taken, column + taken);
        }
        made.bytes.extend_from_slice(&self.raw[suffix..]);
        made
    }
}

/// Slots with their places in the decoded text.
fn counted(mut made: Made, edits: &[Edit]) -> Made {
    let (mut added, mut removed) = (0, 0);
    let offsets = edits.iter().filter_map(|edit| {
        let at = edit.place.start + added - removed;
        (added, removed) = (added + edit.text.len(), removed + edit.place.len());
        edit.token.as_ref().map(|token| at + token.start)
    });
    made.slots.iter_mut().zip(offsets).for_each(|(slot, offset)| slot.offset = offset);
    made
}

/// As long as the lines are that stand there; RFC 2045 6.8 where it is only one, or one that is too long.
fn line_length(raw: &[u8]) -> usize {
    const LINE: usize = 76;
    let mut lines =
        raw.split(|b| *b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)).filter(|l| !l.is_empty());
    match (lines.next(), lines.next()) {
        (Some(first), Some(_)) if (4..=LINE_BYTES_MAX).contains(&first.len()) => first.len(),
        _ => LINE,
    }
}

// --- quoted-printable --------------------------------------------------------------------------------------

fn unquoted(raw: &[u8]) -> Option<(Vec<u8>, Vec<Line>)> {
    let (mut text, mut lines) = (Vec::with_capacity(raw.len()), Vec::with_capacity(raw.len() / 70 + 1));
    let mut at = 0;
    while at < raw.len() {
        let end = memchr::memchr(b'\n', &raw[at..]).map_or(raw.len(), |length| at + length + 1);
        let content = match raw[at..end].strip_suffix(b"\n") {
            // A line end that is none: who knows what a reader makes of it.
            Some(line) => line.strip_suffix(b"\r")?,
            None => &raw[at..end],
        };
        if memchr::memchr2(b'\r', 0, content).is_some() {
            return None;
        }
        // RFC 2045 6.7 (3): white space that ends a line was added on the way.
        let length = content.iter().rposition(|b| !matches!(b, b' ' | b'\t')).map_or(0, |last| last + 1);
        let soft = content[..length].strip_suffix(b"=");
        let shown = soft.unwrap_or(&content[..length]);
        lines.push(Line { raw: at, ending: at + shown.len(), end, text: text.len() });
        unescape(shown, &mut text)?;
        if soft.is_none() && content.len() < end - at {
            text.extend_from_slice(b"\r\n");
        }
        at = end;
    }
    Some((text, lines))
}

/// None: an equals sign with nothing behind it that it could mean.
fn unescape(line: &[u8], text: &mut Vec<u8>) -> Option<()> {
    let mut rest = line;
    while let Some(at) = memchr::memchr(b'=', rest) {
        text.extend_from_slice(&rest[..at]);
        let [high, low] = *rest.get(at + 1..at + 3)? else { return None };
        text.push((hex(high)? << 4) | hex(low)?);
        rest = &rest[at + 3..];
    }
    text.extend_from_slice(rest);
    Some(())
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// Lines of quoted-printable that are written anew.
#[derive(Debug, Default)]
struct Wrapped {
    out: Vec<u8>,
    column: usize,
    is_broken: bool,
}

/// RFC 2045 6.7 (5): with the sign of a soft break 76.
const COLUMNS: usize = 75;

impl Wrapped {
    fn make_room(&mut self, columns: usize) {
        if self.column + columns > COLUMNS && self.column > 0 {
            self.out.extend_from_slice(b"=\r\n");
            (self.column, self.is_broken) = (0, true);
        }
    }

    /// A byte as it stood there: itself, or three characters.
    fn unit(&mut self, unit: &[u8]) {
        self.make_room(unit.len());
        // A line that a soft break has begun must not look like a boundary.
        let unit = if unit == b"-" && self.column == 0 && self.is_broken { b"=2D" } else { unit };
        self.out.extend_from_slice(unit);
        self.column += unit.len();
    }

    fn escaped(&mut self, byte: u8) {
        const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
        self.unit(&[b'=', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }

    /// Text that is not encoded yet, with its line ends.
    fn text(&mut self, text: &[u8]) {
        for (at, byte) in text.iter().enumerate() {
            let behind = &text[at + 1..];
            match byte {
                b'\r' if behind.first() == Some(&b'\n') => self.line_end(b"\r\n"),
                b'\n' if at > 0 && text[at - 1] == b'\r' => {}
                // White space that ends a line does not arrive.
                b' ' | b'\t' if behind.is_empty() || behind.starts_with(b"\r\n") => self.escaped(*byte),
                b'=' => self.escaped(*byte),
                b' ' | b'\t' | 0x21..=0x7e => self.unit(std::slice::from_ref(byte)),
                _ => self.escaped(*byte),
            }
        }
    }

    fn line_end(&mut self, end: &[u8]) {
        // White space stands at the end only when what stood behind it is gone.
        if let Some(space @ (b' ' | b'\t')) =
            self.out.last().copied().filter(|_| self.column > 0 && !end.starts_with(b"="))
        {
            self.out.pop();
            self.column -= 1;
            self.escaped(space);
        }
        self.out.extend_from_slice(end);
        (self.column, self.is_broken) = (0, false);
    }

    /// A changed text, and where its token stands.
    fn edit(&mut self, edit: &Edit) -> Option<Slot> {
        let Some(token) = edit.token.clone() else {
            self.text(edit.text.as_bytes());
            return None;
        };
        let text = edit.text.as_bytes();
        self.text(&text[..token.start]);
        let at = self.out.len();
        // The tail differs by recipient and keeps its form: it stands in one line, with a character of the head in
        // front, so it never begins one.
        let head = token.len() - token.len().min(token::TAIL_CHARS + 1);
        self.text(&text[token.start..token.start + head]);
        self.make_room(token.len() - head + 2);
        self.text(&text[token.start + head..token.end]);
        self.text(&text[token.end..]);
        Some(Slot { encoding: Written::QuotedPrintable, at, offset: 0, width: token.len() })
    }
}

/// Quoted-printable of which some lines are written anew.
struct Requoting<'a> {
    body: &'a Body<'a>,
    /// Those that are left.
    edits: &'a [Edit],
    made: Made,
    wrapped: Wrapped,
}

impl Requoting<'_> {
    fn run(mut self) -> Made {
        let (raw, mut copied) = (self.body.raw, 0);
        self.wrapped.out.reserve(raw.len() + self.edits.iter().map(|edit| edit.text.len() + 8).sum::<usize>());
        while let Some(edit) = self.edits.first() {
            let first = self.line_of(edit.place.start);
            let start = self.body.lines.get(first).map_or(raw.len(), |line| line.raw);
            self.wrapped.out.extend_from_slice(&raw[copied..start]);
            // A line behind a soft break may not look like a boundary either.
            self.wrapped.column = 0;
            self.wrapped.is_broken = false;
            copied = self.lines_from(first).unwrap_or(start);
        }
        self.wrapped.out.extend_from_slice(&raw[copied..]);
        self.made.bytes = self.wrapped.out;
        self.made
    }

    fn line_of(&self, text: usize) -> usize {
        self.body.lines.partition_point(|line| line.text <= text).saturating_sub(1)
    }

    /// Writes changed lines, as many as hang together. Where the last of them ends; None: there are none.
    fn lines_from(&mut self, first: usize) -> Option<usize> {
        let lines = &self.body.lines;
        let Some(mut line) = lines.get(first) else {
            self.put_edits(0, true);
            return None;
        };
        let mut number = first;
        let mut removed = 0;
        loop {
            let next = lines.get(number + 1);
            let is_kept = self.line(line, next.is_none(), &mut removed);
            number += 1;
            let Some(next) = next else { return Some(line.end) };
            let is_next_changed = self.edits.first().is_some_and(|edit| self.line_of(edit.place.start) == number);
            if is_kept && removed <= next.text && !is_next_changed {
                return Some(line.end);
            }
            line = next;
        }
    }

    /// Writes a line with the changes in it. Does its ending stand there still?
    fn line(&mut self, line: &Line, is_last: bool, removed: &mut usize) -> bool {
        let content = &self.body.raw[line.raw..line.ending];
        let ending = &self.body.raw[line.ending..line.end];
        let (mut at, mut text) = (0, line.text);
        while at < content.len() {
            *removed = self.put_edits(text, false).max(*removed);
            let length = if content[at] == b'=' { 3 } else { 1 };
            if text >= *removed {
                self.wrapped.unit(&content[at..at + length]);
            }
            (at, text) = (at + length, text + 1);
        }
        // What is put before a soft break can as well be put behind it.
        let is_soft = ending.starts_with(b"=");
        if !is_soft || is_last {
            *removed = self.put_edits(text, false).max(*removed);
        }
        if text < *removed {
            if is_last {
                self.put_edits(text, true);
                self.wrapped.line_end(b"");
            }
            return false;
        }
        self.wrapped.line_end(ending);
        self.wrapped.is_broken = is_soft;
        if is_last {
            self.put_edits(text, true);
        }
        true
    }

    /// Writes the changes that begin here. Up to where what stood there is gone.
    fn put_edits(&mut self, text: usize, is_end: bool) -> usize {
        let mut removed = 0;
        while let Some((edit, rest)) = self.edits.split_first().filter(|(edit, _)| edit.place.start <= text || is_end) {
            self.made.slots.extend(self.wrapped.edit(edit));
            removed = removed.max(edit.place.end);
            self.edits = rest;
        }
        removed
    }
}

#[cfg(test)]
mod tests;

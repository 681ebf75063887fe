//! Quoted-printable (RFC 2045 6.7), of which the lines stay that did not change.

use super::{Body, Edit};
use crate::content::rewrite::remade::Remade;
use crate::content::slot::{Encoding as Written, Slot};
use crate::content::token;
use std::iter::Peekable;
use std::ops::Range;

/// A line of quoted-printable, up to its line end or soft break.
#[derive(Clone, Copy, Debug)]
struct Line {
    raw: usize,
    /// Where its text is over and its end begins: white space that means nothing, a soft break, CRLF.
    ending: usize,
    end: usize,
    /// Where it begins in the decoded text.
    text: usize,
    /// Where the next one begins.
    text_end: usize,
    is_soft: bool,
}

/// The lines as they stand there.
#[derive(Clone, Debug)]
struct Lines<'a> {
    raw: &'a [u8],
    at: usize,
    text: usize,
}

impl Iterator for Lines<'_> {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        let (raw, at) = (self.raw, self.at);
        if at == raw.len() {
            return None;
        }
        let end = memchr::memchr(b'\n', &raw[at..]).map_or(raw.len(), |length| at + length + 1);
        let line = &raw[at..end];
        let content = line.strip_suffix(b"\r\n").unwrap_or(line);
        // RFC 2045 6.7 (3): white space that ends a line was added on the way.
        let length = content.iter().rposition(|b| !matches!(b, b' ' | b'\t')).map_or(0, |last| last + 1);
        let soft = content[..length].strip_suffix(b"=");
        let shown = soft.unwrap_or(&content[..length]);
        let line_end = if soft.is_none() && content.len() < line.len() { 2 } else { 0 };
        let escaped = memchr::memchr_iter(b'=', shown).count();
        let text_end = self.text + shown.len().saturating_sub(2 * escaped) + line_end;
        let ending = at + shown.len();
        let line = Line { raw: at, ending, end, text: self.text, text_end, is_soft: soft.is_some() };
        (self.at, self.text) = (end, text_end);
        Some(line)
    }
}

pub(super) fn unquoted(raw: &[u8]) -> Option<Vec<u8>> {
    // A soft break is nothing, and what is escaped has two characters less.
    let mut text = Vec::with_capacity(raw.len().saturating_sub(2 * memchr::memchr_iter(b'=', raw).count()));
    for line in (Lines { raw, at: 0, text: 0 }) {
        let content = match raw[line.raw..line.end].strip_suffix(b"\n") {
            // A line end that is none: who knows what a reader makes of it.
            Some(content) => content.strip_suffix(b"\r")?,
            None => &raw[line.raw..line.end],
        };
        if memchr::memchr2(b'\r', 0, content).is_some() {
            return None;
        }
        unescape(&raw[line.raw..line.ending], &mut text)?;
        if !line.is_soft && line.raw + content.len() < line.end {
            text.extend_from_slice(b"\r\n");
        }
        debug_assert_eq!(text.len(), line.text_end);
    }
    Some(text)
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
#[derive(Debug)]
pub(super) struct Wrapped<'o, 'm> {
    out: &'o mut Remade<'m>,
    column: usize,
    is_broken: bool,
}

/// RFC 2045 6.7 (5): with the sign of a soft break 76.
const COLUMNS: usize = 75;

impl<'o, 'm> Wrapped<'o, 'm> {
    pub fn new(out: &'o mut Remade<'m>) -> Self {
        Self { out, column: 0, is_broken: false }
    }

    fn make_room(&mut self, columns: usize) {
        if self.column + columns > COLUMNS && self.column > 0 {
            self.out.put(b"=\r\n");
            (self.column, self.is_broken) = (0, true);
        }
    }

    /// A byte as it stood there: itself, or three characters.
    fn unit(&mut self, unit: &[u8]) {
        self.make_room(unit.len());
        // A line that a soft break has begun must not look like a boundary.
        let unit = if unit == b"-" && self.column == 0 && self.is_broken { b"=2D" } else { unit };
        self.out.put(unit);
        self.column += unit.len();
    }

    fn escaped(&mut self, byte: u8) {
        const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
        self.unit(&[b'=', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }

    /// Text that is not encoded yet, with its line ends.
    pub fn text(&mut self, text: &[u8]) {
        let mut at = 0;
        while let Some(byte) = text.get(at) {
            let run = self.run(&text[at..], |b| b.is_ascii_graphic() && b != b'=');
            if run > 0 {
                at += run;
                continue;
            }
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
            at += 1;
        }
    }

    /// As much as can stand as it is where the line is now: how much that is.
    fn run(&mut self, text: &[u8], is_unit: impl Fn(u8) -> bool) -> usize {
        let room = text.len().min(COLUMNS.saturating_sub(self.column));
        let run = text[..room].iter().take_while(|b| is_unit(**b)).count();
        // A line that a soft break has begun must not look like a boundary.
        if run == 0 || self.is_broken && self.column == 0 && text[0] == b'-' {
            return 0;
        }
        self.out.put(&text[..run]);
        self.column += run;
        run
    }

    fn line_end(&mut self, end: &[u8]) {
        // White space stands at the end only when what stood behind it is gone.
        if let Some(space @ (b' ' | b'\t')) = self.out.last().filter(|_| self.column > 0 && !end.starts_with(b"=")) {
            self.out.pop();
            self.column -= 1;
            self.escaped(space);
        }
        self.out.put(end);
        (self.column, self.is_broken) = (0, false);
    }

    /// A changed text, and where its token stands.
    pub fn edit(&mut self, edit: &Edit<'_>) -> Option<Slot> {
        let [before, token, behind] = edit.pieces();
        self.text(before);
        let slot = edit.token.as_ref().map(|_| self.token(token));
        self.text(behind);
        slot
    }

    /// The tail differs by recipient and keeps its form: it stands in one line, with a character of the head in
    /// front, so it never begins one.
    fn token(&mut self, token: &[u8]) -> Slot {
        let at = self.out.len();
        let head = token.len() - token.len().min(token::TAIL_CHARS + 1);
        self.text(&token[..head]);
        self.make_room(token.len() - head + 2);
        self.text(&token[head..]);
        Slot { encoding: Written::QuotedPrintable, at, offset: 0, width: token.len() }
    }
}

/// Quoted-printable of which some lines are written anew.
pub(super) struct Requoting<'a, 'o, 'm> {
    raw: &'a [u8],
    /// Where the body begins in the message.
    start: usize,
    /// Those that are left.
    edits: &'a [Edit<'a>],
    lines: Peekable<Lines<'a>>,
    slots: Vec<Slot>,
    wrapped: Wrapped<'o, 'm>,
}

impl<'a, 'o, 'm> Requoting<'a, 'o, 'm> {
    pub fn new(body: &Body<'a>, start: usize, edits: &'a [Edit<'a>], out: &'o mut Remade<'m>) -> Self {
        let (raw, slots) = (body.raw, Vec::with_capacity(edits.len()));
        Self { raw, start, edits, lines: Lines { raw, at: 0, text: 0 }.peekable(), slots, wrapped: Wrapped::new(out) }
    }

    pub fn run(mut self) -> Vec<Slot> {
        let mut copied = 0;
        while let Some(edit) = self.edits.first() {
            let line = self.line_of(edit.place.start);
            let start = line.map_or(self.raw.len(), |line| line.raw);
            self.keep(copied..start);
            // A line behind a soft break may not look like a boundary either.
            (self.wrapped.column, self.wrapped.is_broken) = (0, false);
            copied = match line {
                Some(line) => self.lines_from(line),
                None => {
                    self.put_edits(0, true);
                    start
                }
            };
        }
        self.keep(copied..self.raw.len());
        self.slots
    }

    fn keep(&mut self, place: Range<usize>) {
        self.wrapped.out.keep(self.start + place.start..self.start + place.end);
    }

    /// Goes to the last line that begins here or before. None: there is no line any more.
    fn line_of(&mut self, text: usize) -> Option<Line> {
        let mut line = self.lines.next()?;
        while let Some(next) = self.lines.next_if(|next| next.text <= text) {
            line = next;
        }
        Some(line)
    }

    /// Writes changed lines, as many as hang together. Where the last of them ends.
    fn lines_from(&mut self, first: Line) -> usize {
        let (mut line, mut removed) = (first, 0);
        loop {
            let next = self.lines.peek().copied();
            let is_kept = self.line(&line, next.is_none(), &mut removed);
            let Some(next) = next else { return line.end };
            let is_of_next = |edit: &Edit<'_>| {
                let behind = self.lines.clone().nth(1);
                next.text <= edit.place.start && behind.is_none_or(|behind| edit.place.start < behind.text)
            };
            if is_kept && removed <= next.text && !self.edits.first().is_some_and(is_of_next) {
                return line.end;
            }
            self.lines.next();
            line = next;
        }
    }

    /// Writes a line with the changes in it. Does its ending stand there still?
    fn line(&mut self, line: &Line, is_last: bool, removed: &mut usize) -> bool {
        let content = &self.raw[line.raw..line.ending];
        let ending = &self.raw[line.ending..line.end];
        let (mut at, mut text) = (0, line.text);
        while at < content.len() {
            *removed = self.put_edits(text, false).max(*removed);
            if text >= *removed {
                let until = self.edits.first().map_or(content.len(), |edit| at + edit.place.start - text);
                let run = self.wrapped.run(&content[at..until.min(content.len())], |b| b != b'=');
                if run > 0 {
                    (at, text) = (at + run, text + run);
                    continue;
                }
            }
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
            self.slots.extend(self.wrapped.edit(edit));
            removed = removed.max(edit.place.end);
            self.edits = rest;
        }
        removed
    }
}

//! Bytes to command lines. Pushed in as they arrive, taken out line by line; how they were cut into
//! packets changes nothing. No socket, no clock.
//!
//! Strict about line ends: a command that one server ends at a bare LF and another does not is how
//! mail is smuggled from one connection into two.

use crate::base::limits;

/// What the bytes hold next.
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// A line without its CRLF.
    Whole(&'a [u8]),
    /// A line beyond its bound; it has been thrown away to its end.
    TooLong,
    /// RFC 5321 2.3.8: CR and LF may only appear together. Where the line ends is now a matter of
    /// opinion, so nothing behind it can be believed.
    BareCrOrLf,
    /// An over-long line that does not end.
    Endless,
}

/// Bytes that have come and are not yet answered: at most one line and one read.
#[derive(Debug, Default)]
pub struct Lines {
    buffer: Vec<u8>,
    /// Where the next line begins in the buffer.
    start: usize,
    /// What has been searched for a line end, from the start of the buffer.
    searched: usize,
    /// Bytes of an over-long line that were already thrown away.
    swallowed: usize,
}

impl Lines {
    /// Room for the next bytes, at least so many, to be appended to.
    pub fn room(&mut self, bytes: usize) -> &mut Vec<u8> {
        self.buffer.drain(..self.start);
        self.searched -= self.start;
        self.start = 0;
        self.buffer.reserve(bytes);
        &mut self.buffer
    }

    /// What has come and was not taken yet: the begin of the next line, or the bytes of a message.
    pub fn unread(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// So many bytes of it were a message's.
    pub fn take(&mut self, bytes: usize) {
        self.start = (self.start + bytes).min(self.buffer.len());
        self.searched = self.searched.max(self.start);
    }

    /// Gives the memory back while nothing is waited for but the next command.
    pub fn rest(&mut self) {
        if self.start == self.buffer.len() && self.swallowed == 0 {
            *self = Self::default();
        }
    }

    #[cfg(test)]
    fn push(&mut self, bytes: &[u8]) {
        self.room(0).extend_from_slice(bytes);
    }

    /// Throws away all that has come; says how much it was.
    pub fn discard(&mut self) -> usize {
        let unread = self.buffer.len() - self.start;
        *self = Self::default();
        unread
    }

    /// The next line, of at most so many bytes with its CRLF; none until more bytes come.
    pub fn next(&mut self, bytes_max: usize) -> Option<Line<'_>> {
        match self.find_end() {
            End::Bare => Some(Line::BareCrOrLf),
            End::At(end) => {
                // RFC 5321 4.5.3.1: the bounds of lines count their CRLF.
                let (from, swallowed) = (self.start, self.swallowed > 0);
                let bytes = self.swallowed + (end + 2 - from);
                (self.start, self.searched, self.swallowed) = (end + 2, end + 2, 0);
                Some(match bytes {
                    n if n > limits::LINE_SWALLOW_BYTES_MAX => Line::Endless,
                    // What was thrown away of it counted as too long already.
                    n if n > bytes_max || swallowed => Line::TooLong,
                    _ => Line::Whole(&self.buffer[from..end]),
                })
            }
            End::NotYet => {
                self.swallow(bytes_max);
                (self.swallowed > limits::LINE_SWALLOW_BYTES_MAX).then_some(Line::Endless)
            }
        }
    }

    /// Looks for CRLF where it has not looked yet. A CR at the very end waits for its LF.
    fn find_end(&mut self) -> End {
        let found = self.buffer[self.searched..].iter().position(|b| matches!(b, b'\r' | b'\n'));
        let Some(at) = found.map(|found| self.searched + found) else {
            self.searched = self.buffer.len();
            return End::NotYet;
        };
        self.searched = at;
        match (self.buffer[at], self.buffer.get(at + 1)) {
            (b'\r', Some(b'\n')) => End::At(at),
            (b'\r', None) => End::NotYet,
            _ => End::Bare,
        }
    }

    /// Keeps an over-long line from growing: what has been searched of it is only counted.
    fn swallow(&mut self, bytes_max: usize) {
        let unended = self.searched - self.start;
        if self.swallowed + unended > bytes_max {
            self.swallowed += unended;
            self.start = self.searched;
        }
    }
}

enum End {
    At(usize),
    Bare,
    NotYet,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything said in these pieces, as text.
    fn heard<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<String> {
        let (mut lines, mut heard) = (Lines::default(), Vec::new());
        for piece in pieces {
            lines.push(piece);
            while let Some(line) = lines.next(16) {
                heard.push(match line {
                    Line::Whole(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                    other => format!("{other:?}"),
                });
                if matches!(heard.last().map(String::as_str), Some("BareCrOrLf" | "Endless")) {
                    return heard;
                }
            }
            assert!(lines.buffer.len() - lines.start <= 16, "more is kept than one line");
        }
        heard
    }

    #[test]
    fn packets_do_not_matter() {
        let said =
            b"EHLO a\r\n\r\nNOOP\r\n0123456789abcd\r\n0123456789abcde\r\nx\r\n0123456789abcdefghijkl\r\nQUIT\r\n";
        let whole = heard([said.as_slice()]);
        assert_eq!(whole, ["EHLO a", "", "NOOP", "0123456789abcd", "TooLong", "x", "TooLong", "QUIT"]);
        for cut in 0..said.len() {
            let (a, b) = said.split_at(cut);
            assert_eq!(heard([a, b]), whole, "cut at {cut}");
        }
        assert_eq!(heard(said.chunks(1)), whole);
    }

    #[test]
    fn a_bare_cr_or_lf_ends_all_trust() {
        for said in
            ["NOOP\nNOOP\r\n", "NOOP\rNOOP\r\n", "\n", "NOOP\r\r\n", "NOOP\n\r\n", "0123456789abcdefghijk\nNOOP\r\n"]
        {
            assert_eq!(heard([said.as_bytes()]), ["BareCrOrLf"], "{said:?}");
            assert_eq!(heard(said.as_bytes().chunks(1)), ["BareCrOrLf"], "{said:?}");
        }
    }

    #[test]
    fn a_line_without_end_is_swallowed_within_bounds() {
        let piece = [b'x'; 1000];
        let pieces = limits::LINE_SWALLOW_BYTES_MAX / piece.len();
        let mut said: Vec<&[u8]> = vec![&piece; pieces];
        said.push(b"\r\nQUIT\r\n");
        assert_eq!(heard(said.clone()), ["TooLong", "QUIT"]);
        said.insert(0, &piece);
        assert_eq!(heard(said.clone()), ["Endless"]);
        assert_eq!(heard([said.concat().as_slice()]), ["Endless"]);
    }

    #[test]
    fn what_is_discarded_is_counted_and_gone() {
        let mut lines = Lines::default();
        lines.push(b"STARTTLS\r\nNOOP\r\n");
        assert_eq!(lines.next(512), Some(Line::Whole(b"STARTTLS")));
        assert_eq!(lines.discard(), 6);
        assert_eq!(lines.next(512), None);
    }
}

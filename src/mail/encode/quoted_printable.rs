//! RFC 2045 6.7: text as text, with everything in ASCII and lines of at most 76 characters.

/// With the sign of a soft break.
const LINE: usize = 76;

/// What is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// As it is meant.
    Text,
    /// Quoted-printable already, by a program that let raw bytes or endless lines into it: what is escaped stays as
    /// it is, and so does white space at the end of a line, which means nothing.
    QuotedPrintable,
}

/// Writes it piece by piece. CRLF is the end of a line; CR and LF alone are bytes like others.
pub(super) fn write(bytes: &[u8], source: Source, mut put: impl FnMut(&[u8])) {
    let (mut column, mut at, mut is_broken) = (0, 0, false);
    // What can go as it is, and was not put yet.
    let mut pending = 0;
    while at < bytes.len() {
        if bytes[at..].starts_with(b"\r\n") {
            (column, is_broken) = (0, false);
            at += 2;
            continue;
        }
        let taken = if source == Source::QuotedPrintable { escaped(&bytes[at..]) } else { 1 };
        let is_last = bytes.len() == at + taken || bytes[at + taken..].starts_with(b"\r\n");
        // A line that a soft break has begun must not look like a boundary.
        let is_plain = |is_broken: bool| is_literal(bytes[at], source, is_last) && !(is_broken && bytes[at] == b'-');
        let width = |is_broken: bool| if is_plain(is_broken) { taken } else { 3 };
        let room = if is_last { LINE } else { LINE - 1 };
        if column + width(is_broken && column == 0) > room {
            put(&bytes[pending..at]);
            put(b"=\r\n");
            (pending, column, is_broken) = (at, 0, true);
        }
        let is_at_break = is_broken && column == 0;
        column += width(is_at_break);
        if !is_plain(is_at_break) {
            put(&bytes[pending..at]);
            put(&[b'=', hex(bytes[at] >> 4), hex(bytes[at] & 15)]);
            pending = at + taken;
        }
        at += taken;
    }
    put(&bytes[pending..]);
}

/// Writes a text that comes in pieces: lines, of which each is told when it ends.
pub(in crate::mail) struct Writer<'a> {
    out: &'a mut Vec<u8>,
    column: usize,
    is_broken: bool,
    /// What may be the last of its line.
    held: Option<u8>,
}

impl<'a> Writer<'a> {
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out, column: 0, is_broken: false, held: None }
    }

    /// A piece of a line, without line ends.
    pub fn text(&mut self, text: &[u8]) {
        let Some((last, mut rest)) = text.split_last() else { return };
        if let Some(held) = self.held.replace(*last) {
            self.put(held, false);
        }
        while let [first, behind @ ..] = rest {
            // As much as can stand as it is.
            let room = rest.len().min((LINE - 1).saturating_sub(self.column));
            let run = rest[..room].iter().take_while(|b| is_literal_within(**b)).count();
            if run == 0 || self.is_broken && self.column == 0 && *first == b'-' {
                self.put(*first, false);
                rest = behind;
            } else {
                self.out.extend_from_slice(&rest[..run]);
                self.column += run;
                rest = &rest[run..];
            }
        }
    }

    pub fn line_end(&mut self) {
        self.finish();
        self.out.extend_from_slice(b"\r\n");
        (self.column, self.is_broken) = (0, false);
    }

    /// What was held is the last.
    pub fn finish(&mut self) {
        if let Some(held) = self.held.take() {
            self.put(held, true);
        }
    }

    fn put(&mut self, byte: u8, is_last: bool) {
        // A line that a soft break has begun must not look like a boundary.
        let is_plain = |at_break: bool| is_literal(byte, Source::Text, is_last) && !(at_break && byte == b'-');
        let width = |at_break: bool| if is_plain(at_break) { 1 } else { 3 };
        let room = if is_last { LINE } else { LINE - 1 };
        if self.column + width(self.is_broken && self.column == 0) > room {
            self.out.extend_from_slice(b"=\r\n");
            (self.column, self.is_broken) = (0, true);
        }
        let at_break = self.is_broken && self.column == 0;
        self.column += width(at_break);
        match is_plain(at_break) {
            true => self.out.push(byte),
            false => self.out.extend_from_slice(&[b'=', hex(byte >> 4), hex(byte & 15)]),
        }
    }
}

/// Is a byte of a text written as it is, where it does not end its line?
pub(in crate::mail) fn is_literal_within(byte: u8) -> bool {
    is_literal(byte, Source::Text, false)
}

/// How many bytes stand together where something is escaped already.
fn escaped(bytes: &[u8]) -> usize {
    match bytes {
        [b'=', a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => 3,
        _ => 1,
    }
}

fn is_literal(byte: u8, source: Source, is_last: bool) -> bool {
    match byte {
        b'=' => source == Source::QuotedPrintable,
        // RFC 2045 6.7 (3): white space that ends a line does not arrive.
        b' ' | b'\t' => source == Source::QuotedPrintable || !is_last,
        byte => byte.is_ascii_graphic(),
    }
}

fn hex(digit: u8) -> u8 {
    b"0123456789ABCDEF"[usize::from(digit)]
}

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

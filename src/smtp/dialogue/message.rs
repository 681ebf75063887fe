//! A message on its way out, as slices of itself: behind DATA with its dots doubled and a dot behind it, or as
//! a chunk as it is. Nothing is copied.

use crate::base::limits;
use memchr::{memchr2, memmem};

/// RFC 5321 2.3.8: does it hold a CR without LF, or an LF without CR? It can only be sent as a binary chunk
/// then; behind DATA somebody could take it for the end of the message.
pub fn has_bare_cr_or_lf(message: &[u8]) -> bool {
    let mut rest = message;
    while let Some(at) = memchr2(b'\r', b'\n', rest) {
        match rest[at..].strip_prefix(b"\r\n") {
            Some(behind) => rest = behind,
            None => return true,
        }
    }
    false
}

/// Up to the blank line, or all of it.
pub fn header(message: &[u8]) -> &[u8] {
    memmem::find(message, b"\r\n\r\n").map_or(message, |end| &message[..end + 2])
}

/// RFC 5321 4.1.1.4: does the last line have its end?
pub fn is_ended(message: &[u8]) -> bool {
    message.is_empty() || message.ends_with(b"\r\n")
}

/// What goes out, in slices of bounded size.
#[derive(Clone, Debug)]
pub struct Pieces<'a> {
    /// What goes on top of it.
    top: Option<&'a [u8]>,
    rest: &'a [u8],
    doubling: Doubling,
    /// What follows the message.
    tail: Option<&'static [u8]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doubling {
    Never,
    /// A line begins with a dot where the rest begins.
    Now,
    Later,
}

impl<'a> Pieces<'a> {
    /// Behind DATA, to the final dot. The message must not hold a bare CR or LF; on top of it are whole fields, and no
    /// line of those begins with a dot.
    pub fn stuffed(top: &'a [u8], message: &'a [u8]) -> Self {
        // RFC 5321 4.5.2: a dot at the begin of a line is doubled.
        let doubling = if message.first() == Some(&b'.') { Doubling::Now } else { Doubling::Later };
        // RFC 5321 4.1.1.4: the CRLF that ends the message belongs to it; only where there is none one is added.
        let tail: &'static [u8] = if is_ended(message) { b".\r\n" } else { b"\r\n.\r\n" };
        Self { top: some(top), rest: message, doubling, tail: Some(tail) }
    }

    /// RFC 3030 2: a chunk, with this behind it.
    pub fn chunk(top: &'a [u8], bytes: &'a [u8], tail: &'static [u8]) -> Self {
        Self { top: some(top), rest: bytes, doubling: Doubling::Never, tail: some(tail) }
    }

    /// Nothing comes any more.
    pub fn is_over(&self) -> bool {
        self.top.is_none() && self.tail.is_none() && self.rest.is_empty()
    }

    fn take(&mut self, bytes: usize) -> &'a [u8] {
        let (piece, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        piece
    }
}

fn some(bytes: &[u8]) -> Option<&[u8]> {
    Some(bytes).filter(|bytes| !bytes.is_empty())
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if let Some(top) = self.top.take() {
            return Some(top);
        }
        if self.rest.is_empty() {
            return self.tail.take();
        }
        if self.doubling == Doubling::Now {
            self.doubling = Doubling::Later;
            return Some(b".");
        }
        let window = &self.rest[..self.rest.len().min(limits::MESSAGE_SLICE_BYTES)];
        let dot = if self.doubling == Doubling::Never { None } else { memmem::find(window, b"\r\n.") };
        Some(match dot {
            Some(at) => {
                self.doubling = Doubling::Now;
                self.take(at + 2)
            }
            None if window.len() == self.rest.len() => self.take(window.len()),
            // A line end and a dot may lie across the end of the window: they stay together in the next.
            None => self.take(window.len() - 2),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::data::{Framing, Heard, LineEnds, Receiver};
    use proptest::prelude::*;

    fn stuffed(message: &[u8]) -> Vec<u8> {
        Pieces::stuffed(b"", message).collect::<Vec<_>>().concat()
    }

    #[test]
    fn dots_are_doubled_and_the_end_is_one_line_end_and_a_dot() {
        for (message, want) in [
            (&b""[..], &b".\r\n"[..]),
            (b"a", b"a\r\n.\r\n"),
            (b"a\r\n", b"a\r\n.\r\n"),
            (b"a\r\n\r\n", b"a\r\n\r\n.\r\n"),
            (b".", b"..\r\n.\r\n"),
            (b".\r\n", b"..\r\n.\r\n"),
            (b"..\r\n.\r\n.a.\r\n\r\n.", b"...\r\n..\r\n..a.\r\n\r\n..\r\n.\r\n"),
            (b"a.\r\nb.", b"a.\r\nb.\r\n.\r\n"),
        ] {
            assert_eq!(stuffed(message).escape_ascii().to_string(), want.escape_ascii().to_string());
        }
    }

    #[test]
    fn a_message_without_dots_is_two_pieces_and_never_copied() {
        let message = b"Subject: x\r\n\r\nfine\r\n";
        let pieces: Vec<_> = Pieces::stuffed(b"", message).collect();
        assert_eq!(pieces, [&message[..], b".\r\n"]);
        assert!(std::ptr::eq(pieces[0], &message[..]));
    }

    #[test]
    fn a_dot_across_two_slices_is_doubled() {
        for before in limits::MESSAGE_SLICE_BYTES - 6..limits::MESSAGE_SLICE_BYTES + 3 {
            let mut message = vec![b'x'; before];
            message.extend_from_slice(b"\r\n.y\r\n");
            let mut want = message.clone();
            want.insert(before + 2, b'.');
            want.extend_from_slice(b".\r\n");
            assert!(stuffed(&message) == want, "{before}");
            assert!(Pieces::stuffed(b"", &message).all(|piece| piece.len() <= limits::MESSAGE_SLICE_BYTES));
        }
    }

    #[test]
    fn a_chunk_is_as_it_is() {
        let pieces: Vec<_> = Pieces::chunk(b"", b".\r\n.", b"\r\n").collect();
        assert_eq!(pieces.concat(), b".\r\n.\r\n");
        assert!(Pieces::chunk(b"", b"", b"").is_over() && Pieces::chunk(b"", b"", b"").next().is_none());
    }

    #[test]
    fn what_is_on_top_goes_first_and_the_dot_below_it_is_doubled() {
        let pieces: Vec<_> = Pieces::stuffed(b"A: b\r\n", b".c\r\n").collect();
        assert_eq!(pieces, [&b"A: b\r\n"[..], b".", b".c\r\n", b".\r\n"]);
        let mut chunk = Pieces::chunk(b"A: b\r\n", b"", b"");
        assert!(!chunk.is_over() && chunk.next() == Some(b"A: b\r\n") && chunk.is_over());
    }

    #[test]
    fn bare_line_ends_are_found() {
        for fine in [&b""[..], b"a", b"\r\n", b"a\r\n\r\nb\r\n"] {
            assert!(!has_bare_cr_or_lf(fine));
        }
        for bare in [&b"\n"[..], b"\r", b"a\r\r\n", b"a\n\r\n", b"a\r\nb\n", b"a\r\nb\r", b"\r.\r\n"] {
            assert!(has_bare_cr_or_lf(bare), "{bare:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_stuffed_arrives_equal(
            lines in proptest::collection::vec("[.a\u{fc}]{0,4}", 0..40),
            ended: bool,
        ) {
            let mut message = lines.join("\r\n").into_bytes();
            if ended && !message.is_empty() {
                message.extend_from_slice(b"\r\n");
            }
            let wire = stuffed(&message);
            prop_assert!(!has_bare_cr_or_lf(&wire));
            let mut receiver = Receiver::new(Framing::Dotted, LineEnds::Refuse, 1 << 20);
            prop_assert_eq!(receiver.hear(&wire), Heard::End(wire.len()));
            let got = receiver.finish().unwrap();
            let mut want = message.clone();
            if !is_ended(&want) {
                want.extend_from_slice(b"\r\n");
            }
            prop_assert_eq!(got, want);
        }
    }
}

//! The bytes of a message, behind DATA or in the chunks of BDAT. Pushed in as they arrive; how they were
//! cut into packets or chunks changes nothing. No socket, no clock.
//!
//! Data ends at CRLF.CRLF and nowhere else: a server that also ends it at a bare LF or CR takes one
//! client's mail apart into two, and the second half is whatever its author wanted. A bare CR or LF never
//! leaves this room: it is refused, or made a line end, before anybody reads the message.

use crate::base::limits;

/// What becomes of a CR or LF that stands alone (RFC 5321 2.3.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineEnds {
    /// The message is refused at its end.
    Refuse,
    /// It becomes CRLF: some programs that submit mail write bare LF.
    Normalise,
    /// RFC 3030 3: a binary message has no lines.
    Keep,
}

/// How the bytes are told from what follows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// RFC 5321 4.5.2: a dot at the begin of a line is doubled, alone it ends the data.
    Dotted,
    /// RFC 3030 2: the client says how many bytes come.
    Counted,
}

/// Why a message is not taken, known before it has come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    BareCrOrLf,
    TooLarge,
    /// The memory for messages being received is used up by others.
    NoMemory,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// All of it was read, and more is to come.
    More,
    /// The end of the data; so many bytes belonged to it.
    End(usize),
    /// So much was thrown away that the client is not listened to any longer.
    TooMuch,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Behind CRLF, or at the very begin.
    LineStart,
    Dot,
    DotCr,
    Text,
    /// Behind a CR whose LF may come.
    Cr,
}

#[derive(Debug)]
pub struct Receiver {
    framing: Framing,
    line_ends: LineEnds,
    size_max: usize,
    at: At,
    message: Vec<u8>,
    fault: Option<Fault>,
    swallowed: usize,
}

impl Receiver {
    pub fn new(framing: Framing, line_ends: LineEnds, size_max: usize) -> Self {
        Self { framing, line_ends, size_max, at: At::LineStart, message: Vec::new(), fault: None, swallowed: 0 }
    }

    /// How much of the message is held in memory.
    pub fn held(&self) -> usize {
        self.message.capacity()
    }

    /// How long the message is so far.
    pub fn bytes_so_far(&self) -> u64 {
        self.message.len() as u64
    }

    pub fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// From here on everything is read and thrown away; what was held is given back.
    pub fn fail(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
        self.message = Vec::new();
    }

    /// The message, once it has come to its end.
    pub fn finish(mut self) -> Result<Vec<u8>, Fault> {
        if self.at == At::Cr {
            self.bare();
        }
        match self.fault {
            Some(fault) => Err(fault),
            None => Ok(self.message),
        }
    }

    /// The next bytes of the message.
    pub fn hear(&mut self, bytes: &[u8]) -> Heard {
        let mut i = 0;
        // What will be kept as it is, from here; copied in one piece.
        let mut from = 0;
        while i < bytes.len() {
            let byte = bytes[i];
            match (self.at, byte) {
                (At::LineStart, b'.') if self.framing == Framing::Dotted => {
                    // RFC 5321 4.5.2: the first dot of a line is not the message's.
                    self.keep(&bytes[from..i]);
                    self.at = At::Dot;
                    from = i + 1;
                }
                (At::LineStart | At::Text | At::Dot, b'\r') if self.line_ends != LineEnds::Keep => {
                    self.keep(&bytes[from..i]);
                    from = i + 1;
                    self.at = if self.at == At::Dot { At::DotCr } else { At::Cr };
                }
                (At::LineStart | At::Text | At::Dot, b'\n') if self.line_ends != LineEnds::Keep => {
                    self.keep(&bytes[from..i]);
                    from = i + 1;
                    self.bare();
                    self.at = At::Text;
                }
                (At::LineStart | At::Text | At::Dot, _) => {
                    self.at = At::Text;
                    i = self.skip_lines(bytes, i);
                    continue;
                }
                // RFC 5321 4.1.1.4: the end.
                (At::DotCr, b'\n') => return Heard::End(i + 1),
                (At::Cr, b'\n') => {
                    self.keep(b"\r\n");
                    from = i + 1;
                    self.at = At::LineStart;
                }
                // CR CR LF is one line end with a stray CR in it.
                (At::DotCr | At::Cr, b'\r') => {
                    self.stray();
                    from = i + 1;
                    self.at = At::Cr;
                }
                (At::DotCr | At::Cr, _) => {
                    self.bare();
                    from = i;
                    self.at = At::Text;
                    continue;
                }
            }
            i += 1;
        }
        let rest = if matches!(self.at, At::LineStart | At::Text) { &bytes[from..] } else { &[] };
        self.keep(rest);
        if self.swallowed > limits::DATA_SWALLOW_BYTES_MAX { Heard::TooMuch } else { Heard::More }
    }

    /// From inside a line to the first byte that needs a look: whole lines that end in CRLF and do not
    /// begin with a dot stay as they are.
    fn skip_lines(&self, bytes: &[u8], mut i: usize) -> usize {
        if self.line_ends == LineEnds::Keep {
            return bytes.len();
        }
        loop {
            let Some(found) = memchr::memchr2(b'\r', b'\n', &bytes[i..]) else { return bytes.len() };
            i += found;
            match bytes.get(i..i + 3) {
                Some([b'\r', b'\n', next]) if !matches!(next, b'.' | b'\r' | b'\n') => i += 2,
                _ => return i,
            }
        }
    }

    /// A CR or LF that stands alone.
    fn bare(&mut self) {
        self.stray();
        if self.line_ends == LineEnds::Normalise {
            self.keep(b"\r\n");
        }
    }

    fn stray(&mut self) {
        if self.line_ends == LineEnds::Refuse {
            self.fail(Fault::BareCrOrLf);
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.fault.is_none() && self.message.len() + bytes.len() > self.size_max {
            self.fail(Fault::TooLarge);
        }
        match self.fault {
            None => self.message.extend_from_slice(bytes),
            Some(_) => self.swallowed += bytes.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What is left of a message that comes in these pieces, and what comes behind its end.
    fn received(line_ends: LineEnds, pieces: &[&[u8]]) -> Option<(Result<String, Fault>, usize)> {
        let mut receiver = Receiver::new(Framing::Dotted, line_ends, 1000);
        let mut before = 0;
        for piece in pieces {
            match receiver.hear(piece) {
                Heard::More => before += piece.len(),
                Heard::End(at) => {
                    let message = receiver.finish().map(|bytes| String::from_utf8(bytes).unwrap());
                    return Some((message, before + at));
                }
                Heard::TooMuch => panic!("too much"),
            }
        }
        None
    }

    /// Whole, cut in two at every place, and byte by byte: all the same.
    fn the_same_in_all_pieces(line_ends: LineEnds, data: &[u8]) -> Option<(Result<String, Fault>, usize)> {
        let whole = received(line_ends, &[data]);
        for cut in 0..data.len() {
            let (a, b) = data.split_at(cut);
            assert_eq!(received(line_ends, &[a, b]), whole, "{data:?} cut at {cut}");
        }
        let single: Vec<&[u8]> = data.chunks(1).collect();
        assert_eq!(received(line_ends, &single), whole, "{data:?} byte by byte");
        whole
    }

    #[test]
    fn dots_are_undone_once_and_one_alone_ends() {
        for (data, message) in [
            (".\r\n", ""),
            ("\r\n.\r\n", "\r\n"),
            ("a\r\n.\r\n", "a\r\n"),
            ("..\r\n.\r\n", ".\r\n"),
            (".a\r\n...\r\n.\r\n", "a\r\n..\r\n"),
            ("a.\r\n.b.\r\n.\r\n", "a.\r\nb.\r\n"),
            ("a: b\r\n\r\ntext\r\n..\r\n\r\n.\r\n", "a: b\r\n\r\ntext\r\n.\r\n\r\n"),
        ] {
            for line_ends in [LineEnds::Refuse, LineEnds::Normalise] {
                let heard = the_same_in_all_pieces(line_ends, data.as_bytes());
                assert_eq!(heard, Some((Ok(message.to_owned()), data.len())), "{data:?}");
            }
        }
    }

    /// The nine ends that some server somewhere has taken for one.
    #[test]
    fn nothing_else_ends_the_data() {
        for (end, normalised) in [
            ("\n.\n", "\r\n.\r\n"),
            ("\n.\r\n", "\r\n.\r\n"),
            ("\r\n.\n", "\r\n\r\n"),
            ("\r.\r", "\r\n.\r\n"),
            ("\r.\r\n", "\r\n.\r\n"),
            ("\r\n.\r", "\r\n\r\n"),
            ("\r\n.\r\r\n", "\r\n\r\n"),
            ("\n.\r", "\r\n.\r\n"),
            ("\r.\n", "\r\n.\r\n"),
            ("\r\n\0.\r\n", "\r\n\0.\r\n"),
        ] {
            let data = format!("a{end}b\r\n.\r\n");
            let heard = the_same_in_all_pieces(LineEnds::Normalise, data.as_bytes());
            assert_eq!(heard, Some((Ok(format!("a{normalised}b\r\n")), data.len())), "{end:?}");
            let (refused, at) = the_same_in_all_pieces(LineEnds::Refuse, data.as_bytes()).unwrap();
            let clean = end.contains('\0');
            assert_eq!((refused.is_ok(), at), (clean, data.len()), "{end:?}");
            assert!(clean || refused == Err(Fault::BareCrOrLf));
        }
    }

    #[test]
    fn what_is_too_large_is_read_to_its_end_and_not_kept() {
        let mut receiver = Receiver::new(Framing::Dotted, LineEnds::Refuse, 10);
        assert_eq!(receiver.hear(b"0123456\r\n"), Heard::More);
        assert_eq!(receiver.hear(b"0123456\r\n"), Heard::More);
        assert_eq!((receiver.fault(), receiver.held()), (Some(Fault::TooLarge), 0));
        assert_eq!(receiver.hear(b".\r\nQUIT\r\n"), Heard::End(3));
        assert_eq!(receiver.finish(), Err(Fault::TooLarge));
        let mut receiver = Receiver::new(Framing::Dotted, LineEnds::Refuse, 10);
        let piece = vec![b'x'; 1 << 20];
        let heard = (0..=limits::DATA_SWALLOW_BYTES_MAX >> 20).map(|_| receiver.hear(&piece)).last();
        assert_eq!(heard, Some(Heard::TooMuch));
        let mut exact = Receiver::new(Framing::Dotted, LineEnds::Refuse, 3);
        assert_eq!(exact.hear(b"a\r\n.\r\n"), Heard::End(6));
        assert_eq!(exact.finish().unwrap(), b"a\r\n");
    }

    #[test]
    fn chunks_hold_dots_as_they_are_and_binary_keeps_everything() {
        for (line_ends, data, message) in [
            (LineEnds::Refuse, ".\r\n..\r\n", Ok(".\r\n..\r\n")),
            (LineEnds::Refuse, "a\r", Err(Fault::BareCrOrLf)),
            (LineEnds::Normalise, "a\n.\n", Ok("a\r\n.\r\n")),
            (LineEnds::Normalise, "a\r", Ok("a\r\n")),
            (LineEnds::Keep, ".\n\r\r\0", Ok(".\n\r\r\0")),
        ] {
            for size in 1..=data.len() {
                let mut receiver = Receiver::new(Framing::Counted, line_ends, 1000);
                for chunk in data.as_bytes().chunks(size) {
                    assert_eq!(receiver.hear(chunk), Heard::More);
                }
                let got = receiver.finish();
                assert_eq!(got, message.map(|m| m.as_bytes().to_vec()), "{data:?} in chunks of {size}");
            }
        }
    }

    fn hostile() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(prop::sample::select(b"\r\n.ab\0\xff".to_vec()), 0..40)
    }

    proptest! {
        #[test]
        fn the_end_is_where_crlf_dot_crlf_is(data in hostile()) {
            // The CRLF that ended the DATA command stands before the first byte.
            let with_start = [b"\r\n", data.as_slice()].concat();
            let end = with_start.windows(5).position(|w| w == b"\r\n.\r\n").map(|at| at + 3);
            for line_ends in [LineEnds::Refuse, LineEnds::Normalise] {
                let mut receiver = Receiver::new(Framing::Dotted, line_ends, 1000);
                let heard = receiver.hear(&data);
                prop_assert_eq!(heard, end.map_or(Heard::More, Heard::End));
                if let Ok(message) = receiver.finish() && end.is_some() {
                    let text = message.as_slice();
                    for (i, byte) in text.iter().enumerate() {
                        match byte {
                            b'\r' => prop_assert_eq!(text.get(i + 1), Some(&b'\n')),
                            b'\n' => prop_assert!(i > 0 && text[i - 1] == b'\r'),
                            _ => {}
                        }
                    }
                }
            }
        }

        #[test]
        fn packets_do_not_matter(data in hostile(), cut in 0usize..40) {
            let cut = cut.min(data.len());
            for line_ends in [LineEnds::Refuse, LineEnds::Normalise] {
                let in_two = |pieces: &[&[u8]]| {
                    let mut receiver = Receiver::new(Framing::Dotted, line_ends, 20);
                    let mut read = 0;
                    for piece in pieces {
                        match receiver.hear(piece) {
                            Heard::More => read += piece.len(),
                            Heard::End(at) => return (Some(read + at), receiver.finish()),
                            Heard::TooMuch => unreachable!("far less than that"),
                        }
                    }
                    (None, receiver.finish())
                };
                let (a, b) = data.split_at(cut);
                // Which of two faults is met first may depend on nothing but the bytes either.
                prop_assert_eq!(in_two(&[a, b]), in_two(&[&data]));
            }
        }
    }
}

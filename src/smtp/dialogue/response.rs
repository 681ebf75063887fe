//! What a remote answers. Bytes come in as they arrive, replies come out in order; how they were cut into
//! packets changes nothing, and what is no reply is a typed fault: the connection is of no use then.
//!
//! Our own and not a crate's: the line bound of smtp-proto's reader depends on how the bytes were cut, and the
//! text it gives is not clean.

use super::Phase;
use crate::base::limits;
use crate::mail::status::Status;
use memchr::memchr2;

/// RFC 5321 4.2: what a remote answered to one command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    pub code: u16,
    /// RFC 2034 4: only when its class is the code's.
    pub status: Option<Status>,
    /// Without code and status, its lines in one; printable, whatever was sent.
    pub text: String,
}

impl Response {
    pub fn is_positive(&self) -> bool {
        self.code / 100 == 2
    }

    /// Would it help to try again? RFC 5321 4.5.3.1.10: 552 to RCPT means too many recipients, which 452 says
    /// better; after the message it means what it says.
    pub fn is_temporary_at(&self, phase: Phase) -> bool {
        self.code / 100 == 4 || (self.code == 552 && phase == Phase::Recipient)
    }

    /// RFC 5321 3.8, RFC 7504 3: the remote closes, whatever was asked.
    pub fn closes(&self) -> bool {
        matches!(self.code, 421 | 521)
    }
}

/// For logs: as on the wire, in one line.
impl std::fmt::Display for Response {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.code)?;
        if let Some(status) = self.status {
            write!(f, " {status}")?;
        }
        if self.text.is_empty() { Ok(()) } else { write!(f, " {}", self.text) }
    }
}

/// A whole reply as it was said, line by line: what an EHLO is read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    pub code: u16,
    /// Printable but for the line feeds between its lines.
    text: String,
}

impl Said {
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.text.split('\n')
    }
}

impl From<Said> for Response {
    fn from(said: Said) -> Self {
        let Said { code, text } = said;
        let first = text.split([' ', '\n']).next().unwrap_or_default();
        // RFC 2034 4: the same status stands on every line.
        let status = first.parse::<Status>().ok().filter(|status| u16::from(status.class()) == code / 100);
        let marked = if status.is_some() { first } else { "" };
        let without = |line: &str| line.strip_prefix(marked).unwrap_or(line).trim().to_owned();
        let lines: Vec<_> = text.split('\n').map(without).filter(|line| !line.is_empty()).collect();
        let text = lines.join(" ");
        Self { code, status, text }
    }
}

/// What a remote sent that is no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    LineTooLong,
    TooManyLines,
    TooLong,
    /// RFC 5321 2.3.8: CR and LF may only appear together.
    BareCrOrLf,
    /// No code from 200 to 599, or neither a blank nor a hyphen behind it.
    NoCode,
    /// RFC 5321 4.2.1: all lines of a reply have the same code.
    CodesDisagree,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::LineTooLong => "a line of its reply does not end",
            Self::TooManyLines | Self::TooLong => "its reply does not end",
            Self::BareCrOrLf => "its reply has a bare CR or LF",
            Self::NoCode => "what it says is no reply",
            Self::CodesDisagree => "the lines of its reply have different codes",
        })
    }
}

impl std::error::Error for Fault {}

/// Bytes that have come and are not yet a reply.
#[derive(Debug, Default)]
pub struct Responses {
    buffer: Vec<u8>,
    /// Where the next line begins in the buffer.
    start: usize,
    /// What has been searched for a line end, from the start of the buffer.
    searched: usize,
    /// The reply that has begun.
    begun: Option<Begun>,
    /// After a fault nothing behind it can be believed.
    fault: Option<Fault>,
}

#[derive(Debug)]
struct Begun {
    said: Said,
    lines: usize,
    bytes: usize,
}

impl Responses {
    /// Room for the next bytes, at least so many, to be appended to.
    pub fn room(&mut self, bytes: usize) -> &mut Vec<u8> {
        self.buffer.drain(..self.start);
        self.searched -= self.start;
        self.start = 0;
        self.buffer.reserve(bytes);
        &mut self.buffer
    }

    /// Has something come that is no whole reply yet, or was not asked for?
    pub fn is_empty(&self) -> bool {
        self.start == self.buffer.len() && self.begun.is_none()
    }

    /// RFC 3207 4.2: what came in the clear is forgotten; says how many bytes it was.
    pub fn discard(&mut self) -> usize {
        let unread = self.buffer.len() - self.start;
        *self = Self::default();
        unread
    }

    /// The next whole reply; none until more bytes come.
    pub fn take(&mut self) -> Result<Option<Said>, Fault> {
        match self.fault {
            Some(fault) => Err(fault),
            None => self.read().inspect_err(|fault| self.fault = Some(*fault)),
        }
    }

    fn read(&mut self) -> Result<Option<Said>, Fault> {
        while let Some(end) = self.find_end()? {
            let from = std::mem::replace(&mut self.start, end + 2);
            self.searched = self.start;
            if hear(&mut self.begun, &self.buffer[from..end])? {
                return Ok(self.begun.take().map(|begun| begun.said));
            }
        }
        Ok(None)
    }

    /// Looks for CRLF where it has not looked yet. A CR at the very end waits for its LF.
    fn find_end(&mut self) -> Result<Option<usize>, Fault> {
        let found = memchr2(b'\r', b'\n', &self.buffer[self.searched..]);
        self.searched = found.map_or(self.buffer.len(), |found| self.searched + found);
        if self.searched - self.start + 2 > limits::RESPONSE_LINE_BYTES_MAX {
            return Err(Fault::LineTooLong);
        }
        match (self.buffer.get(self.searched), self.buffer.get(self.searched + 1)) {
            (Some(b'\r'), Some(b'\n')) => Ok(Some(self.searched)),
            (Some(b'\r') | None, None) => Ok(None),
            _ => Err(Fault::BareCrOrLf),
        }
    }
}

/// Adds a line to the reply that has begun; was it the last?
fn hear(begun: &mut Option<Begun>, line: &[u8]) -> Result<bool, Fault> {
    let (code, is_last, text) = split(line).ok_or(Fault::NoCode)?;
    let begun = match begun {
        Some(begun) if begun.said.code != code => return Err(Fault::CodesDisagree),
        Some(begun) => {
            begun.said.text.push('\n');
            begun
        }
        None => begun.insert(Begun { said: Said { code, text: String::new() }, lines: 0, bytes: 0 }),
    };
    begun.lines += 1;
    begun.bytes += line.len() + 2;
    if begun.lines > limits::RESPONSE_LINES_MAX {
        return Err(Fault::TooManyLines);
    }
    if begun.bytes > limits::RESPONSE_BYTES_MAX {
        return Err(Fault::TooLong);
    }
    push_clean(&mut begun.said.text, text);
    Ok(is_last)
}

/// Code, whether the line is the last, and its text.
fn split(line: &[u8]) -> Option<(u16, bool, &[u8])> {
    let (code, rest) = line.split_at_checked(3)?;
    if !code.iter().all(u8::is_ascii_digit) || !(b'2'..=b'5').contains(&code[0]) {
        return None;
    }
    let code = code.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
    match rest.split_first() {
        // RFC 5321 4.2: a code alone is a whole line, too.
        None => Some((code, true, &[])),
        Some((b' ', text)) => Some((code, true, text)),
        Some((b'-', text)) => Some((code, false, text)),
        Some(_) => None,
    }
}

/// It stands in logs, reports and headers later.
fn push_clean(text: &mut String, bytes: &[u8]) {
    for chunk in bytes.utf8_chunks() {
        if chunk.valid().bytes().all(|b| matches!(b, b' '..=b'~')) {
            text.push_str(chunk.valid());
        } else {
            let is_break = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
            text.extend(chunk.valid().chars().map(|c| if is_break(c) { '?' } else { c }));
        }
        if !chunk.invalid().is_empty() {
            text.push('?');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Everything said in these pieces, and the fault that ended it.
    fn heard<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Said>, Option<Fault>) {
        let (mut responses, mut heard) = (Responses::default(), Vec::new());
        for piece in pieces {
            responses.room(0).extend_from_slice(piece);
            loop {
                match responses.take() {
                    Ok(Some(said)) => heard.push(said),
                    Ok(None) => break,
                    Err(fault) => return (heard, Some(fault)),
                }
            }
            assert!(responses.buffer.len() - responses.start <= limits::RESPONSE_LINE_BYTES_MAX);
        }
        (heard, None)
    }

    fn one(text: &str) -> Response {
        let (mut said, fault) = heard([text.as_bytes()]);
        assert_eq!((said.len(), fault), (1, None), "{text}");
        said.remove(0).into()
    }

    #[test]
    fn a_reply_has_a_code_a_status_and_a_text() {
        let want = |code, status: &str, text: &str| Response { code, status: status.parse().ok(), text: text.into() };
        assert_eq!(one("250 2.1.5 fine\r\n"), want(250, "2.1.5", "fine"));
        assert_eq!(one("550-5.1.1 nobody\r\n550 5.1.1 here\r\n"), want(550, "5.1.1", "nobody here"));
        assert_eq!(one("550-5.1.1 nobody\r\n550 here\r\n"), want(550, "5.1.1", "nobody here"));
        assert_eq!(one("250\r\n"), want(250, "", ""));
        assert_eq!(one("250 \r\n"), want(250, "", ""));
        assert_eq!(one("250 2.0.0\r\n"), want(250, "2.0.0", ""));
        assert_eq!(one("550-\r\n550 no\r\n"), want(550, "", "no"));
        assert_eq!(one("550 5.1.1 no\r\n").to_string(), "550 5.1.1 no");
        // RFC 2034 4: a status of another class is text.
        assert_eq!(one("550 4.1.1 nobody\r\n"), want(550, "", "4.1.1 nobody"));
        assert_eq!(one("354 3.0.0 go\r\n"), want(354, "", "3.0.0 go"));
    }

    #[test]
    fn no_text_breaks_a_line_of_ours() {
        let (said, fault) = heard([&b"550 a\x00b\x1b[2Jc\xffd\xc3\xa9\xe2\x80\xa8e\tf\r\n"[..]]);
        assert_eq!((Response::from(said[0].clone()).text.as_str(), fault), ("a?b?[2Jc?d\u{e9}?e?f", None));
    }

    #[test]
    fn what_is_no_reply_is_a_fault_and_stays_one() {
        for (bytes, fault) in [
            (&b"HTTP/1.1 400 Bad Request\r\n"[..], Fault::NoCode),
            (b"\r\n", Fault::NoCode),
            (b"25\r\n", Fault::NoCode),
            (b"199 x\r\n", Fault::NoCode),
            (b"600 x\r\n", Fault::NoCode),
            (b"250x\r\n", Fault::NoCode),
            (b"2500\r\n", Fault::NoCode),
            (b"\x16\x03\x01\x02\r\n", Fault::NoCode),
            (b"250 a\n250 b\r\n", Fault::BareCrOrLf),
            (b"250 a\rb\r\n", Fault::BareCrOrLf),
            (b"\n", Fault::BareCrOrLf),
            (b"250-a\r\n550 b\r\n", Fault::CodesDisagree),
        ] {
            assert_eq!(heard([bytes]), (vec![], Some(fault)), "{bytes:?}");
        }
        let mut responses = Responses::default();
        responses.room(0).extend_from_slice(b"x\r\n250 fine\r\n");
        assert_eq!((responses.take(), responses.take()), (Err(Fault::NoCode), Err(Fault::NoCode)));
    }

    #[test]
    fn an_endless_reply_ends_at_its_bounds() {
        let long = vec![b'2'; 10 << 20];
        assert_eq!(heard(long.chunks(4096)), (vec![], Some(Fault::LineTooLong)));
        let lines = b"250-\r\n".repeat(limits::RESPONSE_LINES_MAX + 1);
        assert_eq!(heard(lines.chunks(100)), (vec![], Some(Fault::TooManyLines)));
        let line = format!("250-{}\r\n", "x".repeat(994)).repeat(limits::RESPONSE_BYTES_MAX / 1000 + 1);
        assert_eq!(heard([line.as_bytes()]), (vec![], Some(Fault::TooLong)));
        let most = format!("250 {}\r\n", "x".repeat(limits::RESPONSE_LINE_BYTES_MAX - 6));
        assert_eq!(heard(most.as_bytes().chunks(999)).1, None);
        assert_eq!(heard([most.replace("\r", "x\r").as_bytes()]).1, Some(Fault::LineTooLong));
    }

    #[test]
    fn a_552_at_rcpt_is_a_452() {
        let full = one("552 5.2.2 full\r\n");
        assert!(full.is_temporary_at(Phase::Recipient) && !full.is_temporary_at(Phase::Message));
        assert!(one("452 x\r\n").is_temporary_at(Phase::Message) && !one("550 x\r\n").is_temporary_at(Phase::Mail));
        assert!(one("421 x\r\n").closes() && one("521 x\r\n").closes() && !one("521 x\r\n").is_positive());
    }

    proptest! {
        #[test]
        fn packets_do_not_matter_and_nothing_panics(
            parts in proptest::collection::vec(
                prop_oneof![
                    "[2-5][0-9]{2}[ -][ -~\u{e9}]{0,12}\r\n".prop_map(String::into_bytes),
                    "250[ -][ -~]{0,12}(\r\n|\r|\n)".prop_map(String::into_bytes),
                    proptest::collection::vec(any::<u8>(), 0..20),
                ],
                0..8,
            ),
            cuts in proptest::collection::vec(0usize..200, 0..6),
        ) {
            let bytes = parts.concat();
            let whole = heard([bytes.as_slice()]);
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            prop_assert_eq!(&heard(cuts.windows(2).map(|w| &bytes[w[0]..w[1]])), &whole);
            prop_assert_eq!(&heard(bytes.chunks(1)), &whole);
            for said in whole.0 {
                prop_assert!(!Response::from(said).text.chars().any(char::is_control));
            }
        }
    }
}

//! The header of a message, read where it lies: where it ends, its fields, and what every pipeline asks
//! of them. Nothing is copied and nothing is changed, and no bytes make it panic.
//!
//! One place decides where a header ends, because two that decide differently can be played against
//! each other: a field that one of them reads as text is not checked there and believed here.

use super::address::Address;
use super::address_list::{BadAddressList, addresses};
use crate::base::limits;
use memchr::memchr;
use std::borrow::Cow;
use std::ops::Range;

/// One field, with its lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    name: &'a str,
    value: &'a [u8],
    /// Where it begins in the message, and how many bytes it has with its last line end.
    at: usize,
    len: usize,
}

impl<'a> Field<'a> {
    /// As it was written; names are equal in any case of letters.
    pub fn name(&self) -> &'a str {
        self.name
    }

    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// What stands behind the colon, folded as it came, without the last line end.
    pub fn value(&self) -> &'a [u8] {
        self.value
    }

    /// RFC 5322 2.2.3: the value without the line ends that folding put into it.
    pub fn unfolded(&self) -> Cow<'a, [u8]> {
        if memchr(b'\n', self.value).is_none() {
            return Cow::Borrowed(self.value);
        }
        Cow::Owned(self.value.iter().copied().filter(|b| !matches!(b, b'\r' | b'\n')).collect())
    }

    /// Its bytes in the message.
    pub fn range(&self) -> Range<usize> {
        self.at..self.at + self.len
    }
}

/// The fields of a header, in their order. Ends where the header does.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    pub fn of(message: &'a [u8]) -> Self {
        Self { message, at: 0 }
    }

    /// How many bytes the fields have that were read so far.
    pub fn bytes(&self) -> usize {
        self.at
    }

    /// The end of the line that begins here, behind its line end.
    fn line_end(&self, from: usize) -> usize {
        memchr(b'\n', &self.message[from..]).map_or(self.message.len(), |n| from + n + 1)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        let at = self.at;
        let mut end = self.line_end(at);
        let (name, colon) = name_of(&self.message[at..end])?;
        // RFC 5322 2.2.3: a line that begins with white space goes on with the field before it.
        while matches!(self.message.get(end), Some(b' ' | b'\t')) {
            end = self.line_end(end);
        }
        self.at = end;
        let value = without_line_end(&self.message[at + colon + 1..end]);
        Some(Field { name, value, at, len: end - at })
    }
}

/// RFC 5322 2.2, 3.6.8: printable characters without the colon; RFC 5322 4.5: white space may stand before the colon.
/// A line that is not so made is no field. The name, and where the colon stands.
fn name_of(line: &[u8]) -> Option<(&str, usize)> {
    let length = line.iter().position(|b| !b.is_ascii_graphic() || *b == b':')?;
    let space = line[length..].iter().position(|b| !matches!(b, b' ' | b'\t'))?;
    let is_field = length > 0 && line[length + space] == b':';
    let name = std::str::from_utf8(&line[..length]).ok()?;
    is_field.then_some((name, length + space))
}

fn without_line_end(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}

/// What ends a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// RFC 5322 2.1: an empty line, and behind it the body.
    EmptyLine,
    /// The message has nothing else.
    Message,
    /// A line that is no field, with no empty line before it: it is the body's first. Another reader may
    /// skip it and read on.
    Text,
    /// It has more bytes than we read of any: it ends for us where it passed the bound.
    Bound,
}

/// What is asked of every message, read in one pass.
#[derive(Clone, Debug)]
pub struct Header<'a> {
    /// Bytes of all fields.
    pub bytes: usize,
    pub ending: Ending,
    /// Received fields: the hosts that had it before us.
    pub received: usize,
    /// All fields of these names: there should be one at most, and somebody may rely on another one.
    pub from: Vec<Field<'a>>,
    pub sender: Vec<Field<'a>>,
    pub bcc: Vec<Field<'a>>,
    /// The first of each.
    pub subject: Option<Field<'a>>,
    pub message_id: Option<Field<'a>>,
    pub date: Option<Field<'a>>,
}

impl<'a> Header<'a> {
    pub fn read(message: &'a [u8]) -> Self {
        let mut fields = Fields::of(message);
        let mut header = Self {
            bytes: 0,
            ending: Ending::Message,
            received: 0,
            from: Vec::new(),
            sender: Vec::new(),
            bcc: Vec::new(),
            subject: None,
            message_id: None,
            date: None,
        };
        while fields.bytes() <= limits::HEADER_BYTES_MAX {
            match fields.next() {
                Some(field) => header.note(field),
                None => break,
            }
        }
        header.bytes = fields.bytes();
        header.ending = match &message[header.bytes..] {
            _ if header.bytes > limits::HEADER_BYTES_MAX => Ending::Bound,
            [] => Ending::Message,
            [b'\n', ..] | [b'\r', b'\n', ..] => Ending::EmptyLine,
            _ => Ending::Text,
        };
        header
    }

    /// Everybody whom From names, in whichever of its fields.
    pub fn authors(&self) -> Result<Vec<Address>, BadAddressList> {
        named_in(&self.from)
    }

    /// Everybody whom Sender names.
    pub fn senders(&self) -> Result<Vec<Address>, BadAddressList> {
        named_in(&self.sender)
    }

    fn note(&mut self, field: Field<'a>) {
        // Most fields are none of these: their first letters say so.
        match field.name.as_bytes()[0].to_ascii_lowercase() {
            b'r' if field.is("received") => self.received += 1,
            b'f' if field.is("from") => self.from.push(field),
            b's' if field.is("sender") => self.sender.push(field),
            b's' if field.is("subject") => self.subject = self.subject.or(Some(field)),
            b'b' if field.is("bcc") => self.bcc.push(field),
            b'm' if field.is("message-id") => self.message_id = self.message_id.or(Some(field)),
            b'd' if field.is("date") => self.date = self.date.or(Some(field)),
            _ => {}
        }
    }
}

fn named_in(fields: &[Field<'_>]) -> Result<Vec<Address>, BadAddressList> {
    let mut all = Vec::new();
    for field in fields {
        all.append(&mut addresses(field.value)?);
        if all.len() > limits::AUTHORS_MAX {
            return Err(BadAddressList::TooMany);
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names(message: &str) -> Vec<&str> {
        Fields::of(message.as_bytes()).map(|field| field.name()).collect()
    }

    #[test]
    fn fields_have_names_values_and_places() {
        let message = b"Subject: a\r\n b\r\n\tc\r\nX:\r\nFrom : d\r\n\r\nbody\r\n";
        let fields: Vec<_> = Fields::of(message).collect();
        assert_eq!(fields.len(), 3);
        assert_eq!(fields[0].value(), b" a\r\n b\r\n\tc");
        assert_eq!(fields[0].unfolded().as_ref(), b" a b\tc");
        assert_eq!((fields[1].name(), fields[1].value()), ("X", &b""[..]));
        assert_eq!((fields[2].name(), fields[2].value()), ("From", &b" d"[..]));
        assert!(matches!(fields[2].unfolded(), Cow::Borrowed(_)));
        assert_eq!(&message[fields[2].range()], b"From : d\r\n");
    }

    #[test]
    fn what_is_no_field_ends_the_header() {
        for (message, fields, ending) in [
            ("", &[][..], Ending::Message),
            ("\r\n", &[], Ending::EmptyLine),
            ("A: b", &["A"], Ending::Message),
            ("A: b\r\n", &["A"], Ending::Message),
            ("A: b\r\n\r\nC: d\r\n", &["A"], Ending::EmptyLine),
            ("A: b\nC: d\n\nE: f\n", &["A", "C"], Ending::EmptyLine),
            ("A: b\r\nno field\r\nC: d\r\n", &["A"], Ending::Text),
            ("A: b\r\n: c\r\n", &["A"], Ending::Text),
            ("A: b\r\nC d: e\r\n", &["A"], Ending::Text),
            ("A: b\r\nC\u{e9}: d\r\n", &["A"], Ending::Text),
            // The first line cannot go on with anything.
            (" A: b\r\n", &[], Ending::Text),
            ("From somebody Sat Nov 21\r\nA: b\r\n", &[], Ending::Text),
            // White space alone goes on with the field before it.
            ("A: b\r\n \r\nC: d\r\n\r\n", &["A", "C"], Ending::EmptyLine),
            ("A:\r\n\r\rB: c\r\n", &["A"], Ending::Text),
        ] {
            assert_eq!(names(message), fields, "{message:?}");
            assert_eq!(Header::read(message.as_bytes()).ending, ending, "{message:?}");
        }
    }

    #[test]
    fn a_header_is_summed_up() {
        let message = b"received: a\r\nRECEIVED: b\r\nFROM: c\r\nfrom: d\r\nSender: e\r\nSubject: f\r\nsubject: g\r\n\
            Message-ID: <h@i>\r\nDate: j\r\nBcc: k\r\nReceived-SPF: l\r\n\r\nReceived: m\r\n";
        let header = Header::read(message);
        assert_eq!((header.received, header.from.len(), header.sender.len(), header.bcc.len()), (2, 2, 1, 1));
        assert_eq!(header.subject.unwrap().value(), b" f");
        assert_eq!(header.message_id.unwrap().value(), b" <h@i>");
        assert!(header.date.is_some());
        assert_eq!(&message[header.bytes..], b"\r\nReceived: m\r\n");
    }

    #[test]
    fn authors_are_all_whom_any_from_names() {
        let message = b"From: a@b.example\r\nSender: s@b.example\r\nFROM : c@d.example, e@f.example\r\n\r\n";
        let header = Header::read(message);
        let authors: Vec<_> = header.authors().unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(authors, ["a@b.example", "c@d.example", "e@f.example"]);
        assert_eq!(header.senders().unwrap().len(), 1);
        let many = "From: a@b.example\r\n".repeat(limits::AUTHORS_MAX + 1);
        assert_eq!(Header::read(many.as_bytes()).authors(), Err(BadAddressList::TooMany));
    }

    #[test]
    fn an_endless_header_is_read_up_to_the_bound() {
        let line = "From: a@b.example\r\n";
        let fits = line.repeat(limits::HEADER_BYTES_MAX / line.len());
        assert_eq!(Header::read(fits.as_bytes()).ending, Ending::Message);
        let endless = line.repeat(limits::HEADER_BYTES_MAX);
        let header = Header::read(endless.as_bytes());
        assert_eq!((header.ending, header.from.len()), (Ending::Bound, limits::HEADER_BYTES_MAX / line.len() + 1));
    }

    proptest! {
        #[test]
        fn fields_are_the_header_byte_for_byte(message in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..200),
            "([A-C: \t\r\n]|Received: |From: |\r\n){0,40}".prop_map(String::into_bytes),
        ]) {
            let mut at = 0;
            for field in Fields::of(&message) {
                prop_assert_eq!(field.range().start, at);
                at = field.range().end;
                prop_assert!(!field.unfolded().contains(&b'\n'));
            }
            let header = Header::read(&message);
            prop_assert_eq!(header.bytes, at);
            // No field is left behind the end.
            prop_assert_eq!(Fields::of(&message[at..]).count(), 0);
        }
    }
}

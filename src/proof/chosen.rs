//! Which fields are signed, and how often each is named.

use super::sign::Unsignable;
use crate::base::limits;
use crate::mail::header::{Ending, Field, Fields, Header};

/// How often a field is named in `h=`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Times {
    /// Once more than it occurs: none can be added, on top of it or where there was none.
    OneMore,
    /// The same, but only where there is one: others may have a reason to add the first.
    OneMoreIfThere,
    /// As often as it occurs.
    AsOften,
}

use Times::{AsOften, OneMore, OneMoreIfThere};

/// RFC 6376 5.4, 5.4.1, 8.15: what a reader sees or a program acts on. Never what is changed or added on the
/// way: Received, Return-Path, Authentication-Results, other signatures.
const SIGNED: [(&str, Times); 33] = [
    ("From", OneMore),
    ("Subject", OneMore),
    ("Date", OneMore),
    ("To", OneMore),
    ("Cc", OneMore),
    ("Reply-To", OneMore),
    ("Message-ID", OneMore),
    ("MIME-Version", OneMore),
    ("Content-Type", OneMore),
    ("Content-Transfer-Encoding", OneMore),
    // RFC 8058 4: both have to be signed for one-click unsubscription.
    ("List-Unsubscribe", OneMore),
    ("List-Unsubscribe-Post", OneMore),
    ("Sender", OneMoreIfThere),
    ("In-Reply-To", OneMoreIfThere),
    ("References", OneMoreIfThere),
    ("Feedback-ID", OneMoreIfThere),
    ("Auto-Submitted", OneMoreIfThere),
    ("Content-Disposition", OneMoreIfThere),
    ("Content-ID", OneMoreIfThere),
    ("Content-Language", OneMoreIfThere),
    ("Disposition-Notification-To", OneMoreIfThere),
    ("Autocrypt", OneMoreIfThere),
    ("Resent-Date", AsOften),
    ("Resent-From", AsOften),
    ("Resent-Sender", AsOften),
    ("Resent-To", AsOften),
    ("Resent-Cc", AsOften),
    ("Resent-Message-ID", AsOften),
    ("List-Id", AsOften),
    ("List-Help", AsOften),
    ("List-Subscribe", AsOften),
    ("List-Post", AsOften),
    ("List-Owner", AsOften),
];

/// The fields of one message that are signed, in the order of `h=`.
pub struct Chosen<'a> {
    names: Vec<(&'static str, Option<Field<'a>>)>,
}

impl<'a> Chosen<'a> {
    /// Of a message that everybody reads in the same way, or why it is not one.
    pub fn of(message: &'a [u8]) -> Result<Self, Unsignable> {
        let header = Header::read(message);
        match header.ending {
            Ending::EmptyLine | Ending::Message => {}
            Ending::Text | Ending::Bound => return Err(Unsignable::NoEnd),
        }
        // RFC 6376 5.4: From has to be signed.
        if header.from.is_empty() {
            return Err(Unsignable::NoFrom);
        }
        // The empty line is the header's too.
        let end = message.len().min(header.bytes + 2);
        if !has_whole_line_ends(&message[..end]) {
            return Err(Unsignable::LineEnds);
        }
        Self::among(Fields::of(&message[..header.bytes]))
    }

    fn among(fields: Fields<'a>) -> Result<Self, Unsignable> {
        let mut there: Vec<(usize, Field<'a>)> = Vec::with_capacity(SIGNED.len());
        for field in fields {
            if let Some(row) = SIGNED.iter().position(|(name, _)| field.is(name)) {
                there.push((row, field));
            }
            if there.len() > limits::SIGNED_FIELDS_MAX {
                return Err(Unsignable::TooMany);
            }
        }
        let mut names = Vec::with_capacity(there.len() + SIGNED.len());
        for (row, (name, times)) in SIGNED.into_iter().enumerate() {
            let before = names.len();
            // RFC 6376 5.4.2: of several the lowest comes first.
            names.extend(there.iter().rev().filter(|(of, _)| *of == row).map(|(_, field)| (name, Some(*field))));
            let is_there = names.len() > before;
            if times == OneMore || times == OneMoreIfThere && is_there {
                names.push((name, None));
            }
        }
        Ok(Self { names })
    }

    pub fn names(&self) -> impl ExactSizeIterator<Item = &'static str> {
        self.names.iter().map(|(name, _)| *name)
    }

    /// RFC 6376 5.4: a name without a field adds nothing.
    pub fn fields(&self) -> impl Iterator<Item = Field<'a>> {
        self.names.iter().filter_map(|(_, field)| *field)
    }
}

/// What a bare CR or LF is depends on the reader.
fn has_whole_line_ends(header: &[u8]) -> bool {
    memchr::memchr2_iter(b'\r', b'\n', header).all(|at| match header[at] {
        b'\r' => header.get(at + 1) == Some(&b'\n'),
        _ => at > 0 && header[at - 1] == b'\r',
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(message: &str) -> String {
        Chosen::of(message.as_bytes()).unwrap().names().collect::<Vec<_>>().join(":")
    }

    const ALWAYS: &str = "Date:To:Cc:Reply-To:Message-ID:MIME-Version:Content-Type:Content-Transfer-Encoding:\
        List-Unsubscribe:List-Unsubscribe-Post";

    #[test]
    fn what_is_not_there_is_named_so_that_nobody_adds_it() {
        assert_eq!(names("From: a\r\n\r\n"), format!("From:From:Subject:{ALWAYS}"));
        assert_eq!(
            names("from: a\r\nSUBJECT: b\r\nSender: c\r\nList-ID: d\r\nX-Mailer: e\r\n\r\n"),
            format!("From:From:Subject:Subject:{ALWAYS}:Sender:Sender:List-Id")
        );
    }

    #[test]
    fn what_is_changed_on_the_way_is_not_signed() {
        let message =
            "Return-Path: <a>\r\nReceived: b\r\nDKIM-Signature: c\r\nAuthentication-Results: d\r\nFrom: e\r\n";
        assert_eq!(names(message), format!("From:From:Subject:{ALWAYS}"));
        for never in ["Received", "Return-Path", "DKIM-Signature", "Authentication-Results", "Bcc", "Comments"] {
            assert!(SIGNED.iter().all(|(name, _)| !name.eq_ignore_ascii_case(never)), "{never}");
        }
    }

    #[test]
    fn of_several_the_lowest_is_taken_first() {
        let message = b"Resent-To: first\r\nFrom: a\r\nResent-To: second\r\nresent-to: third\r\n\r\n";
        let chosen = Chosen::of(message).unwrap();
        let values: Vec<_> = chosen.fields().map(|field| field.value()).collect();
        assert_eq!(values, [&b" a"[..], b" third", b" second", b" first"]);
    }

    #[test]
    fn what_two_could_read_differently_is_not_signed() {
        for (message, why) in [
            ("Subject: a\r\n\r\nFrom: b\r\n", Unsignable::NoFrom),
            ("", Unsignable::NoFrom),
            ("\r\n\r\nFrom: a\r\n", Unsignable::NoFrom),
            ("From: a\r\nno field\r\nSubject: b\r\n\r\n", Unsignable::NoEnd),
            (" From: a\r\n\r\n", Unsignable::NoEnd),
            ("From: a\nSubject: b\r\n\r\n", Unsignable::LineEnds),
            ("From: a\r\nSubject: b\rTo: c\r\n\r\n", Unsignable::LineEnds),
            ("From: a\r\n\nbody\r\n", Unsignable::LineEnds),
            ("From: a\n", Unsignable::LineEnds),
        ] {
            assert_eq!(Chosen::of(message.as_bytes()).map(|_| ()).unwrap_err(), why, "{message:?}");
        }
        let many = format!("From: a\r\n{}\r\n", "Resent-To: b\r\n".repeat(limits::SIGNED_FIELDS_MAX));
        assert_eq!(Chosen::of(many.as_bytes()).map(|_| ()).unwrap_err(), Unsignable::TooMany);
    }
}

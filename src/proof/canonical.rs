//! The form of a message that is hashed, "relaxed" for header and body: what may change on the way without anybody
//! noticing (white space, the fold of a field) is not in it.

use crate::mail::header::Header;
use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const HASH_BYTES: usize = 32;
/// Of base64.
const HASH_CHARS: usize = 44;

/// How many bytes are looked at together: enough for the compiler to make vectors of it.
const BLOCK: usize = 64;

/// The hash of a message's body, as it stands in `bh=`. Made once: all keys sign the same, and so do all messages
/// that differ in their header only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyHash([u8; HASH_CHARS]);

impl BodyHash {
    pub fn of(message: &[u8]) -> Self {
        let mut hash = digest::Context::new(&digest::SHA256);
        relaxed_body(body_of(message), |run| hash.update(run));
        let mut text = [b'='; HASH_CHARS];
        let digest = hash.finish();
        // Invariant: SHA-256 has 32 bytes, whose base64 has 44 characters.
        debug_assert_eq!(digest.as_ref().len(), HASH_BYTES);
        STANDARD.encode_slice(digest.as_ref(), &mut text).expect("44 characters hold 32 bytes");
        Self(text)
    }

    pub fn as_str(&self) -> &str {
        // Invariant: base64 is ASCII.
        std::str::from_utf8(&self.0).expect("base64 is text")
    }
}

/// What stands behind the empty line; nothing when there is none. Where the header ends is said by `mail::header`
/// alone: a message that others could end elsewhere is refused when it is signed.
fn body_of(message: &[u8]) -> &[u8] {
    let rest = &message[Header::read(message).bytes.min(message.len())..];
    rest.strip_prefix(b"\r\n").unwrap_or(rest)
}

/// RFC 6376 3.4.4: no white space at the end of a line, one space for any other white space, no empty lines at the
/// end, and a line end at the end unless there is nothing. Given out in runs of the body itself.
fn relaxed_body<'a>(body: &'a [u8], mut give: impl FnMut(&'a [u8])) {
    let content = without_trailing_lines(body);
    if content.is_empty() {
        return;
    }
    let (mut run, mut at) = (0, 0);
    while let Some(space) = next_uneven(content, at) {
        let end = space + content[space..].iter().take_while(|b| is_wsp(**b)).count();
        give(&content[run..space]);
        if !content[end..].starts_with(b"\r\n") {
            give(b" ");
        }
        (run, at) = (end, end);
    }
    give(&content[run..]);
    give(b"\r\n");
}

/// The empty lines at the end are found when their white space is gone, so a line of nothing else is one of them.
/// What is left ends in a character.
fn without_trailing_lines(body: &[u8]) -> &[u8] {
    let mut rest = body;
    loop {
        let text = &rest[..rest.iter().rposition(|b| !is_wsp(*b)).map_or(0, |last| last + 1)];
        match text.strip_suffix(b"\r\n") {
            Some(shorter) => rest = shorter,
            None => return text,
        }
    }
}

/// Where the next white space begins that is not one space inside a line. Most mail has little of it, and what
/// lies between is looked through in blocks.
fn next_uneven(content: &[u8], from: usize) -> Option<usize> {
    // A space before a control character: before another one, a tab, or a line end.
    let uneven = |this: u8, next: u8| (this == b'\t') | ((this == b' ') & (next <= b' '));
    let mut at = from;
    while let Some(block) = content.get(at..at + BLOCK + 1) {
        let mut found = false;
        for i in 0..BLOCK {
            found |= uneven(block[i], block[i + 1]);
        }
        if found {
            break;
        }
        at += BLOCK;
    }
    let next = |i: usize| content.get(i + 1).copied().unwrap_or(b'\n');
    (at..content.len()).find(|i| uneven(content[*i], next(*i)))
}

fn is_wsp(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// RFC 6376 3.4.2: a field with its name in lower case, unfolded, one space for any white space, none around the
/// colon and none at the end. The line end is the caller's.
pub fn relaxed_field(name: &str, value: &[u8], out: &mut Vec<u8>) {
    out.extend(name.bytes().map(|b| b.to_ascii_lowercase()));
    out.push(b':');
    let empty = out.len();
    let mut space = false;
    for byte in value {
        match byte {
            b'\r' | b'\n' => {}
            b' ' | b'\t' => space = true,
            _ => {
                if space && out.len() > empty {
                    out.push(b' ');
                }
                space = false;
                out.push(*byte);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn body(text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        relaxed_body(text, |run| out.extend_from_slice(run));
        out
    }

    fn field(text: &str) -> String {
        let (name, value) = text.split_once(':').unwrap();
        let mut out = Vec::new();
        relaxed_field(name.trim_end(), value.as_bytes(), &mut out);
        String::from_utf8(out).unwrap()
    }

    /// The rule word by word, line by line.
    fn by_the_book(body: &[u8]) -> Vec<u8> {
        let mut lines: Vec<&[u8]> = Vec::new();
        let mut rest = body;
        while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
            lines.push(&rest[..end]);
            rest = &rest[end + 2..];
        }
        lines.push(rest);
        let mut lines: Vec<Vec<u8>> = lines.into_iter().map(one_line).collect();
        while lines.last().is_some_and(Vec::is_empty) {
            lines.pop();
        }
        lines.iter().flat_map(|line| [line.as_slice(), b"\r\n"].concat()).collect()
    }

    fn one_line(line: &[u8]) -> Vec<u8> {
        let mut out: Vec<u8> = Vec::new();
        for byte in line {
            match byte {
                b' ' | b'\t' if out.last() == Some(&b' ') => {}
                b'\t' => out.push(b' '),
                other => out.push(*other),
            }
        }
        if out.last() == Some(&b' ') {
            out.pop();
        }
        out
    }

    #[test]
    fn the_examples_of_the_rfc() {
        // RFC 6376 3.4.5: example 1.
        assert_eq!(field("A: X"), "a:X");
        assert_eq!(field("B : Y\t\r\n\tZ  "), "b:Y Z");
        assert_eq!(body(b" C \r\nD \t E\r\n\r\n\r\n"), b" C\r\nD E\r\n");
    }

    #[test]
    fn a_body_of_nothing_is_nothing() {
        for nothing in ["", "\r\n", "\r\n\r\n", " ", " \t\r\n", "\r\n \r\n\t\t\r\n \r\n"] {
            assert_eq!(body(nothing.as_bytes()), b"", "{nothing:?}");
        }
        // The hash of an empty body, as RFC 6376 3.4.4 gives it.
        for message in ["From: a@b.example\r\n\r\n", "From: a@b.example\r\n", "From: a@b.example\r\n\r\n \r\n\r\n"] {
            assert_eq!(BodyHash::of(message.as_bytes()).as_str(), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
        }
    }

    #[test]
    fn lines_of_white_space_at_the_end_are_no_lines() {
        for (text, want) in [
            ("a\r\n \r\n", "a\r\n"),
            ("a\r\n\t \r\n\r\n  \r\n", "a\r\n"),
            ("a", "a\r\n"),
            ("a \t", "a\r\n"),
            ("a\r\n  ", "a\r\n"),
            ("\r\n \r\na", "\r\n\r\na\r\n"),
            ("  a", " a\r\n"),
            ("a\tb  c", "a b c\r\n"),
        ] {
            assert_eq!(body(text.as_bytes()), want.as_bytes(), "{text:?}");
        }
    }

    #[test]
    fn fields_are_the_same_however_they_are_folded() {
        assert_eq!(field("Subject:  a \r\n  b\tc \r\n\td"), "subject:a b c d");
        assert_eq!(field("SUBJECT: a b c d"), "subject:a b c d");
        assert_eq!(field("X:"), "x:");
        assert_eq!(field("X: \r\n \t"), "x:");
    }

    proptest! {
        #[test]
        fn runs_say_the_same_as_the_book(text in prop_oneof![
            "([ab. \t]|\r\n){0,300}",
            "([a-z]{1,80} |\r\n|[a-z]{70}|  |\t){0,30}",
        ]) {
            prop_assert_eq!(body(text.as_bytes()), by_the_book(text.as_bytes()));
        }
    }
}

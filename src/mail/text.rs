//! The text of a header field as people read it: for lists, logs and searches, never for decisions.

use mail_parser::HeaderValue;
use mail_parser::parsers::MessageStream;
use std::borrow::Cow;

/// RFC 2047 6.2: encoded words decoded, the fold lines joined, controls gone, cut to so many bytes. What
/// is in no known charset keeps a sign of replacement.
pub fn readable(value: &[u8], bytes_max: usize) -> String {
    // An encoded word is at most a few times as long as its text.
    let value = &value[..value.len().min(bytes_max.saturating_mul(8))];
    let decoded = if memchr::memmem::find(value, b"=?").is_some() { decoded(value) } else { None };
    let text = decoded.map_or_else(|| String::from_utf8_lossy(value), Cow::Owned);
    let mut readable = String::with_capacity(text.len().min(bytes_max));
    for c in text.trim().chars().filter(|c| !c.is_control() || *c == '\t') {
        if readable.len() + c.len_utf8() > bytes_max {
            break;
        }
        readable.push(if c == '\t' { ' ' } else { c });
    }
    readable
}

fn decoded(value: &[u8]) -> Option<String> {
    // The parser reads a field with its line end.
    let field = [value, b"\r\n"].concat();
    match MessageStream::new(&field).parse_unstructured() {
        HeaderValue::Text(text) => Some(text.into_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fields_are_read_as_people_do() {
        for (value, text) in [
            (&b" Hello \r\n world\r\n\t!"[..], "Hello  world !"),
            (b" =?utf-8?q?Gr=C3=BC=C3=9Fe?= an =?iso-8859-1?B?SvxyZ2Vu?=", "Gr\u{fc}\u{df}e an J\u{fc}rgen"),
            (b"=?utf-8?b?SGVs?=\r\n =?utf-8?b?bG8=?=", "Hello"),
            (b"a\0b\x1bc\x7f", "abc"),
            ("schon UTF-8: \u{e9}".as_bytes(), "schon UTF-8: \u{e9}"),
            (b"latin \xe9", "latin \u{fffd}"),
            (b"=? nothing encoded ?=", "=? nothing encoded ?="),
            (b"", ""),
        ] {
            assert_eq!(readable(value, 100), text, "{value:?}");
        }
        assert_eq!(readable("\u{e9}\u{e9}\u{e9}".as_bytes(), 5), "\u{e9}\u{e9}");
    }

    proptest! {
        #[test]
        fn a_text_is_one_short_line_whatever_the_bytes(
            value in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..200),
                "(=\\?|utf-8|utf-7|gb2312|\\?|q|b|=|[A-Z=]{2}|\\?=| |\r\n ){0,30}".prop_map(String::into_bytes),
            ],
            max in 0_usize..100,
        ) {
            let text = readable(&value, max);
            prop_assert!(text.len() <= max);
            prop_assert!(!text.chars().any(char::is_control));
        }
    }
}

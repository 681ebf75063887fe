//! RFC 2047: text beyond ASCII as a header may hold it everywhere, in encoded words of UTF-8. Whatever the text
//! holds, line ends and controls too, what is written is one value of printable ASCII and folds.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt::Write;

/// RFC 2047 2: an encoded word has at most 75 characters, and a line with one at most 76.
const WORD_MAX: usize = 75;
const LINE_MAX: usize = 76;
const Q: &str = "=?utf-8?q?";
const B: &str = "=?utf-8?b?";
const END: &str = "?=";
const PAYLOAD_MAX: usize = WORD_MAX - Q.len() - END.len();
/// So many bytes become at most so many letters of base64.
const B_BYTES_MAX: usize = PAYLOAD_MAX / 4 * 3;

/// The text in encoded words, with a fold between each two; `used` is how much of the first line is taken.
pub fn encoded(text: &str, used: usize) -> String {
    // People read the one where most letters stand for themselves.
    let is_letters = text.chars().filter(|c| !c.is_ascii()).count() * 2 <= text.chars().count();
    let mut out = String::with_capacity(text.len() * 2 + 64);
    let mut column = used;
    let mut rest = text;
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(if is_letters { q_piece(rest) } else { b_piece(rest) });
        rest = behind;
        let word = if is_letters { q_word(piece) } else { format!("{B}{}{END}", STANDARD.encode(piece)) };
        if !out.is_empty() || column + word.len() > LINE_MAX {
            out.push_str("\r\n ");
            column = 1;
        }
        column += word.len();
        out.push_str(&word);
    }
    out
}

/// RFC 2047 5 (3): what may stand for itself wherever a word may.
fn is_itself(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '!' | '*' | '+' | '-' | '/')
}

fn q_length(c: char) -> usize {
    if is_itself(c) || c == ' ' { 1 } else { c.len_utf8() * 3 }
}

/// RFC 2047 5: each word is whole characters.
fn q_piece(text: &str) -> usize {
    let mut length = 0;
    let end = text.char_indices().find(|(_, c)| {
        length += q_length(*c);
        length > PAYLOAD_MAX
    });
    end.map_or(text.len(), |(at, _)| at)
}

fn b_piece(text: &str) -> usize {
    text.floor_char_boundary(B_BYTES_MAX)
}

fn q_word(text: &str) -> String {
    let mut word = String::from(Q);
    for c in text.chars() {
        match c {
            ' ' => word.push('_'),
            c if is_itself(c) => word.push(c),
            c => c.encode_utf8(&mut [0; 4]).bytes().for_each(|b| {
                // Writing into a String cannot fail.
                let _ = write!(word, "={b:02X}");
            }),
        }
    }
    word.push_str(END);
    word
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::text::readable;
    use proptest::prelude::*;

    #[test]
    fn a_text_of_few_foreign_letters_stays_readable() {
        assert_eq!(encoded("Gr\u{fc}\u{df}e aus K\u{f6}ln", 9), "=?utf-8?q?Gr=C3=BC=C3=9Fe_aus_K=C3=B6ln?=");
        assert_eq!(encoded("\u{4f60}\u{597d}", 9), "=?utf-8?b?5L2g5aW9?=");
        assert_eq!(encoded("a\r\nBcc: b", 0), "=?utf-8?q?a=0D=0ABcc=3A_b?=");
        assert_eq!(encoded("", 0), "");
    }

    proptest! {
        #[test]
        fn any_text_comes_back_from_lines_of_ascii(text in "\\PC{0,300}", used in 0_usize..80) {
            let written = encoded(&text, used);
            for (n, line) in written.split("\r\n").enumerate() {
                prop_assert!(line.is_ascii() && line.chars().all(|c| c == ' ' || c.is_ascii_graphic()));
                prop_assert!(n > 0 || line.is_empty() || used + line.len() <= LINE_MAX);
                prop_assert!(line.len() <= LINE_MAX);
            }
            prop_assert_eq!(readable(written.as_bytes(), 10_000), text.trim());
        }

        #[test]
        fn nothing_breaks_out_of_it(text in any::<String>()) {
            let written = encoded(&text, 20);
            prop_assert!(written.replace("\r\n ", "").bytes().all(|b| b.is_ascii_graphic()));
        }
    }
}

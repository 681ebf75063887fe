//! Fields whose values others wrote: cleaned, folded, and never more than one field each.

use std::fmt::Write;

/// What may stand in a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Script {
    Ascii,
    Utf8,
}

/// RFC 5322 2.1.1: a line should have 78 characters, and has 998 at most.
const LINE: usize = 76;
const WORD_BYTES_MAX: usize = 900;

pub(super) struct Fields {
    text: String,
    script: Script,
}

impl Fields {
    pub fn new(script: Script) -> Self {
        Self { text: String::new(), script }
    }

    /// One field, folded at its spaces; a word that no line holds is cut into several.
    pub fn add(&mut self, name: &str, value: &str) {
        // Writing into a String cannot fail.
        let _ = write!(self.text, "{name}:");
        let (value, mut length) = (clean(value, self.script), name.len() + 1);
        for word in value.split(' ').filter(|word| !word.is_empty()).flat_map(pieces) {
            if length + 1 + word.len() > LINE && length > name.len() + 1 {
                self.text.push_str("\r\n");
                length = 0;
            }
            self.text.push(' ');
            self.text.push_str(word);
            length += 1 + word.len();
        }
        self.text.push_str("\r\n");
    }

    pub fn end(self) -> String {
        self.text
    }
}

/// Controls are gone, and what the script has no letters for is a question mark.
pub(super) fn clean(text: &str, script: Script) -> String {
    let letter = |c: char| match c {
        ' '..='~' => c,
        c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') => ' ',
        c if script == Script::Utf8 => c,
        _ => '?',
    };
    text.chars().map(letter).collect()
}

fn pieces(word: &str) -> impl Iterator<Item = &str> {
    let mut rest = word;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = (0..=WORD_BYTES_MAX.min(rest.len())).rev().find(|at| rest.is_char_boundary(*at)).unwrap_or(0);
        let (piece, behind) = rest.split_at(end);
        rest = behind;
        Some(piece)
    })
}

/// RFC 6533 3, utf-8-addr-xtext: `\x{3B4}` for what is beyond ASCII, and for what would look like that.
pub(super) fn escaped(address: &str) -> String {
    let mut escaped = String::with_capacity(address.len() * 2);
    for c in address.chars() {
        match c {
            '!'..='~' if !matches!(c, '\\' | '+' | '=') => escaped.push(c),
            _ => {
                let _ = write!(escaped, "\\x{{{:X}}}", c as u32);
            }
        }
    }
    escaped
}

/// A Message-ID that can be repeated as it is.
pub(super) fn message_id(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('<')?.strip_suffix('>')?;
    let plain = inner.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'<' | b'>'));
    (plain && inner.contains('@') && text.len() <= WORD_BYTES_MAX).then_some(text)
}

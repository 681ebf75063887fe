//! The header of a message whose program did not keep to the rules: text in raw UTF-8 where only ASCII may stand
//! becomes encoded words (RFC 2047), a line that nobody takes is folded, and a name has its colon right behind it. What
//! could be meant in two ways stays as it is, and so does every field that needs nothing.

use super::encoded_word::encoded;
use super::header::{Field, Fields};
use super::mime::LINE_BYTES_MAX;
use memchr::memchr;
use std::borrow::Cow;

/// What the header may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Script {
    Ascii,
    /// RFC 6531: the transaction said so.
    Utf8,
}

/// The message with its header mended; itself when nothing was to do.
pub fn header(message: &[u8], script: Script) -> Cow<'_, [u8]> {
    let (mut made, mut at) = (Vec::new(), 0);
    for field in Fields::of(message) {
        let Some(mended) = mended(message, &field, script) else { continue };
        made.extend_from_slice(&message[at..field.range().start]);
        made.extend_from_slice(&mended);
        at = field.range().end;
    }
    if at == 0 {
        return Cow::Borrowed(message);
    }
    made.extend_from_slice(&message[at..]);
    Cow::Owned(made)
}

/// Is there white space before a colon? RFC 5322 4.5: it is to be understood, and not to be written: verifiers of DKIM
/// do not agree on what it is.
pub fn has_spaced_name(message: &[u8]) -> bool {
    Fields::of(message).any(|field| is_spaced(&message[field.range()], &field))
}

fn is_spaced(bytes: &[u8], field: &Field<'_>) -> bool {
    bytes.get(field.name().len()) != Some(&b':')
}

/// Its name, a colon, and what stood behind it.
fn unspaced(bytes: &[u8], field: &Field<'_>) -> Option<Vec<u8>> {
    let colon = memchr(b':', bytes).filter(|_| is_spaced(bytes, field))?;
    Some([field.name().as_bytes(), &bytes[colon..]].concat())
}

/// What stands in a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Addresses,
    Other,
}

impl Kind {
    fn of(name: &str) -> Self {
        const TEXT: [&str; 5] = ["subject", "comments", "content-description", "organization", "thread-topic"];
        const ADDRESSES: [&str; 11] = [
            "from",
            "sender",
            "reply-to",
            "to",
            "cc",
            "resent-from",
            "resent-sender",
            "resent-to",
            "resent-cc",
            "return-receipt-to",
            "disposition-notification-to",
        ];
        let is_in = |known: &[&str]| known.iter().any(|known| name.eq_ignore_ascii_case(known));
        match () {
            () if is_in(&TEXT) => Self::Text,
            () if is_in(&ADDRESSES) => Self::Addresses,
            () => Self::Other,
        }
    }
}

/// None: it stays as it is.
fn mended(message: &[u8], field: &Field<'_>, script: Script) -> Option<Vec<u8>> {
    let unspaced = unspaced(&message[field.range()], field);
    let bytes = unspaced.as_deref().unwrap_or(&message[field.range()]);
    let is_foreign = script == Script::Ascii && !field.value().is_ascii();
    if !is_foreign && !has_long_line(bytes) {
        return unspaced;
    }
    let kind = Kind::of(field.name());
    let rewritten = is_foreign.then(|| rewritten(field, kind)).flatten();
    if let Some(rewritten) = rewritten {
        return Some(folded(&rewritten, kind).unwrap_or(rewritten));
    }
    if !has_long_line(bytes) {
        return unspaced;
    }
    let folded = folded(bytes, kind);
    let is_done = folded.as_ref().is_some_and(|folded| !has_long_line(folded));
    // One word that no line holds: a text may be cut into encoded ones.
    let made = if !is_done && kind == Kind::Text { whole(field).or(folded) } else { folded };
    made.or(unspaced)
}

fn has_long_line(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while rest.len() > LINE_BYTES_MAX {
        match memchr(b'\n', rest) {
            Some(end) if end <= LINE_BYTES_MAX + 1 => rest = &rest[end + 1..],
            Some(end) => return rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]).len() > LINE_BYTES_MAX,
            None => return true,
        }
    }
    false
}

fn rewritten(field: &Field<'_>, kind: Kind) -> Option<Vec<u8>> {
    match kind {
        Kind::Text => whole(field),
        Kind::Addresses => addresses(field),
        Kind::Other => None,
    }
}

/// All of a text in encoded words. One that has such words already could be meant to be read either way.
fn whole(field: &Field<'_>) -> Option<Vec<u8>> {
    let value = field.unfolded();
    let text = std::str::from_utf8(&value).ok()?.trim();
    if text.contains("=?") {
        return None;
    }
    Some(format!("{}: {}\r\n", field.name(), encoded(text, field.name().len() + 2)).into_bytes())
}

/// Display names and comments in encoded words; none when anything else is beyond ASCII: an address has no such
/// form.
fn addresses(field: &Field<'_>) -> Option<Vec<u8>> {
    let value = field.unfolded();
    let text = std::str::from_utf8(&value).ok()?.trim();
    if text.contains("=?") || text.chars().any(|c| c.is_control() && c != '\t') {
        return None;
    }
    let mut list = Listed { out: format!("{}: ", field.name()), phrase: None, rest: text };
    while !list.rest.is_empty() {
        list.step()?;
    }
    list.end_phrase();
    list.out.push_str("\r\n");
    Some(list.out.into_bytes())
}

/// A list of addresses while it is written anew.
struct Listed<'a> {
    out: String,
    /// Words that stand beside each other: as they were written, and as they are meant.
    phrase: Option<(String, String)>,
    rest: &'a str,
}

impl<'a> Listed<'a> {
    /// The next sign or word; none when it cannot be.
    fn step(&mut self) -> Option<()> {
        // Invariant: only called while something is left.
        let first = self.rest.chars().next()?;
        match first {
            ' ' | '\t' => {
                self.take(1);
                match &mut self.phrase {
                    Some((written, meant)) => {
                        written.push(' ');
                        meant.push(' ');
                    }
                    None => self.out.push(' '),
                }
            }
            '"' => {
                let written = self.take(quoted_end(self.rest)?);
                self.word(written, &unquoted(written));
            }
            '(' => self.comment()?,
            '<' => {
                let end = self.rest.find('>')?;
                let inside = self.take(end + 1);
                if !inside.is_ascii() || inside.contains('"') && quoted_end(&inside[inside.find('"')?..]).is_none() {
                    return None;
                }
                self.end_phrase();
                self.out.push_str(inside);
            }
            '@' => {
                // What stands at an @ is an address.
                let (written, _) = self.phrase.take().unwrap_or_default();
                self.take(1);
                self.out.push_str(&written);
                self.out.push('@');
                let end = self.rest.find(|c: char| ",;<>()\" \t:@".contains(c)).unwrap_or(self.rest.len());
                let domain = self.take(end);
                if !written.is_ascii() || !domain.is_ascii() {
                    return None;
                }
                self.out.push_str(domain);
            }
            ',' | ';' | ':' => {
                self.end_phrase();
                self.take(1);
                self.out.push(first);
            }
            '>' | ')' | '\\' | '[' | ']' => return None,
            _ => {
                let end = self.rest.find(|c: char| ",;<>()[]\"\\ \t:@".contains(c)).unwrap_or(self.rest.len());
                let word = self.take(end);
                self.word(word, word);
            }
        }
        Some(())
    }

    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        taken
    }

    fn word(&mut self, written: &str, meant: &str) {
        let phrase = self.phrase.get_or_insert_default();
        phrase.0.push_str(written);
        phrase.1.push_str(meant);
    }

    fn comment(&mut self) -> Option<()> {
        let end = self.rest.find(')')?;
        let comment = self.take(end + 1);
        let inside = &comment[1..end];
        if inside.contains(['(', '\\']) {
            return None;
        }
        self.end_phrase();
        match inside.is_ascii() {
            true => self.out.push_str(comment),
            false => {
                self.out.push('(');
                let words = encoded(inside, self.column());
                self.out.push_str(&words);
                self.out.push(')');
            }
        }
        Some(())
    }

    /// A phrase is over: RFC 2047 5 (3) lets it be encoded as a whole.
    fn end_phrase(&mut self) {
        let Some((written, meant)) = self.phrase.take() else { return };
        if meant.is_ascii() {
            self.out.push_str(&written);
            return;
        }
        let words = encoded(meant.trim(), self.column());
        self.out.push_str(&words);
        self.out.push(' ');
    }

    fn column(&self) -> usize {
        self.out.len() - self.out.rfind('\n').map_or(0, |at| at + 1)
    }
}

/// The length of the quoted string that begins here.
fn quoted_end(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

fn unquoted(written: &str) -> String {
    let inside = written.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(written);
    let mut is_escaped = false;
    let mut text = String::with_capacity(inside.len());
    for c in inside.chars() {
        if c == '\\' && !is_escaped {
            is_escaped = true;
        } else {
            is_escaped = false;
            text.push(c);
        }
    }
    text
}

/// RFC 5322 2.1.1, 2.2.3: lines above the bound, broken where white space stands; between two addresses one may be
/// put in. None when there is no such place in any.
fn folded(field: &[u8], kind: Kind) -> Option<Vec<u8>> {
    let mut made = Vec::with_capacity(field.len() + 64);
    let mut has_changed = false;
    for line in field.split_inclusive(|b| *b == b'\n') {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let mut rest = text;
        while rest.len() > LINE_BYTES_MAX {
            let Some((at, is_space)) = break_in(rest, kind) else { break };
            made.extend_from_slice(&rest[..at]);
            made.extend_from_slice(if is_space { b"\r\n" } else { b"\r\n " });
            rest = &rest[at..];
            has_changed = true;
        }
        made.extend_from_slice(rest);
        made.extend_from_slice(&line[text.len()..]);
    }
    has_changed.then_some(made)
}

/// Where a line can be broken, as late as it may, and whether white space stands there. Never so that a line has
/// nothing but white space.
fn break_in(line: &[u8], kind: Kind) -> Option<(usize, bool)> {
    let is_blank = |bytes: &[u8]| bytes.iter().all(|b| matches!(b, b' ' | b'\t'));
    let spaces = (1..=LINE_BYTES_MAX).rev().filter(|at| matches!(line[*at], b' ' | b'\t'));
    let at_space = spaces.into_iter().find(|at| !is_blank(&line[..*at]) && !is_blank(&line[*at..]));
    // A break right behind the name only moves the long word.
    let at_space = at_space.filter(|at| line[..*at].last() != Some(&b':') || line.len() - at <= LINE_BYTES_MAX);
    if let Some(at) = at_space {
        return Some((at, true));
    }
    if kind != Kind::Addresses || line.contains(&b'"') || line.contains(&b'(') {
        return None;
    }
    (1..LINE_BYTES_MAX).rev().find(|at| line[at - 1] == b',' && !is_blank(&line[*at..])).map(|at| (at, false))
}

#[cfg(test)]
mod tests;

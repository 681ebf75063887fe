//! Base64 (RFC 2045 6.8), of which the groups stay that did not change.

use super::{Body, Edit};
use crate::content::rewrite::remade::Remade;
use crate::content::slot::{Encoding, Slot};
use crate::mail::mime::LINE_BYTES_MAX;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const fn is_char(byte: u8) -> bool {
    !matches!(byte, b'\r' | b'\n')
}

/// None: it is not what it says, or not everybody reads the same in it.
pub(super) fn unbased(raw: &[u8]) -> Option<Vec<u8>> {
    let is_known = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=' | b'\r' | b'\n');
    // RFC 2045 6.8: others are ignored by some and not by all.
    if !raw.iter().all(is_known) {
        return None;
    }
    if let Some(text) = unbased_by_line(raw) {
        return Some(text);
    }
    let chars: Vec<u8> = raw.iter().copied().filter(|b| is_char(*b)).collect();
    STANDARD.decode(chars).ok()
}

/// As almost everybody writes it: each line has whole groups, and only the last one is filled up.
fn unbased_by_line(raw: &[u8]) -> Option<Vec<u8>> {
    let filling = memchr::memchr(b'=', raw).map_or(&raw[raw.len()..], |at| &raw[at..]);
    if filling.iter().any(|b| *b != b'=' && is_char(*b)) {
        return None;
    }
    let mut text = Vec::with_capacity(raw.len() / 4 * 3 + 3);
    for line in raw.split(|b| *b == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if !line.len().is_multiple_of(4) {
            return None;
        }
        STANDARD.decode_vec(line, &mut text).ok()?;
    }
    Some(text)
}

pub(super) fn write(body: &Body<'_>, start: usize, edits: &[Edit<'_>], out: &mut Remade<'_>) -> Vec<Slot> {
    let raw = body.raw;
    let first = edits.first().map_or(body.text.len(), |edit| edit.place.start) / 3;
    let (text, slots) = changed(body, first, edits);
    let suffix = raw.iter().rposition(|b| is_char(*b)).map_or(0, |at| at + 1);
    let prefix = (0..raw.len()).filter(|at| is_char(raw[*at])).nth(first * 4).unwrap_or(suffix);
    out.keep(start..start + prefix);
    let mut lines = Lines {
        length: line_length(raw),
        column: prefix - memchr::memrchr(b'\n', &raw[..prefix]).map_or(0, |end| end + 1),
        chars: first * 4,
        slots,
        placed: 0,
    };
    /// So many bytes at once; they become so many characters.
    const BYTES: usize = 768;
    let mut chars = [0; BYTES / 3 * 4];
    for piece in text.chunks(BYTES) {
        // Invariant: there is room for as many characters as the bytes become.
        let written = STANDARD.encode_slice(piece, &mut chars).unwrap_or_default();
        lines.put(&chars[..written], out);
    }
    out.keep(start + suffix..start + raw.len());
    lines.slots
}

/// The text from a group on, with its changes; and slots that know where in the text they are.
fn changed(body: &Body<'_>, first: usize, edits: &[Edit<'_>]) -> (Vec<u8>, Vec<Slot>) {
    let skipped = first * 3;
    let more: usize = edits.iter().map(Edit::bytes).sum();
    let mut text = Vec::with_capacity(body.text.len() - skipped + more);
    let (mut slots, mut at) = (Vec::with_capacity(edits.len()), skipped);
    for edit in edits {
        text.extend_from_slice(&body.text[at..edit.place.start]);
        let offset = skipped + text.len() + edit.before.len();
        let slot = |token: &String| Slot { encoding: Encoding::Base64, at: 0, offset, width: token.len() };
        slots.extend(edit.token.as_ref().map(slot));
        edit.pieces().into_iter().for_each(|piece| text.extend_from_slice(piece));
        at = edit.place.end;
    }
    text.extend_from_slice(&body.text[at..]);
    (text, slots)
}

/// Lines that are written anew.
struct Lines {
    length: usize,
    column: usize,
    /// So many characters stand before.
    chars: usize,
    slots: Vec<Slot>,
    /// So many slots know their place in the message.
    placed: usize,
}

impl Lines {
    fn put(&mut self, mut chars: &[u8], out: &mut Remade<'_>) {
        while !chars.is_empty() {
            if self.column >= self.length {
                out.put(b"\r\n");
                self.column = 0;
            }
            let (line, behind) = chars.split_at(chars.len().min(self.length - self.column));
            while let Some(slot) =
                self.slots.get_mut(self.placed).filter(|slot| slot.offset / 3 * 4 < self.chars + line.len())
            {
                slot.at = out.len() + slot.offset / 3 * 4 - self.chars;
                self.placed += 1;
            }
            out.put(line);
            (self.column, self.chars) = (self.column + line.len(), self.chars + line.len());
            chars = behind;
        }
    }
}

/// As long as the lines are that stand there; RFC 2045 6.8 where it is only one, or one that is too long.
fn line_length(raw: &[u8]) -> usize {
    const LINE: usize = 76;
    let mut lines =
        raw.split(|b| *b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)).filter(|l| !l.is_empty());
    match (lines.next(), lines.next()) {
        (Some(first), Some(_)) if (4..=LINE_BYTES_MAX).contains(&first.len()) => first.len(),
        _ => LINE,
    }
}

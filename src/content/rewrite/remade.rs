//! A message of which some parts are written anew.

use super::Text;
use super::transfer::Edit;
use crate::content::slot::Slot;
use std::ops::Range;

/// A message that is written anew where it changes: only what lies between its first change and its last, so that a
/// large attachment behind its text is not held twice.
#[derive(Debug)]
pub struct Remade<'a> {
    message: &'a [u8],
    /// So many bytes stay at its beginning.
    kept: usize,
    /// What comes behind them.
    bytes: Vec<u8>,
    /// And what stays behind that, if nothing else comes.
    rest: Range<usize>,
    /// For so many bytes at most.
    room: usize,
}

impl<'a> Remade<'a> {
    /// What is written goes into `memory`: so many bytes, or nearly.
    pub fn of(message: &'a [u8], room: usize, mut memory: Vec<u8>) -> Self {
        memory.clear();
        Self { message, kept: 0, bytes: memory, rest: 0..0, room }
    }

    /// How long it is so far.
    pub fn len(&self) -> usize {
        self.kept + self.bytes.len() + self.rest.len()
    }

    /// These bytes of the message come next.
    pub fn keep(&mut self, place: Range<usize>) {
        if self.rest.end != place.start {
            self.settle();
            self.rest.start = place.start;
        }
        self.rest.end = place.end;
    }

    pub fn put(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.settle();
        if self.bytes.is_empty() {
            self.bytes.reserve_exact(self.room.saturating_sub(self.kept));
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The last byte that was put, before anything was kept behind it.
    pub fn last(&self) -> Option<u8> {
        self.bytes.last().copied()
    }

    pub fn pop(&mut self) {
        self.bytes.pop();
    }

    #[cfg(test)]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// What was to be kept is not the rest.
    fn settle(&mut self) {
        if self.bytes.is_empty() && self.rest.start == self.kept {
            self.kept = self.rest.end;
        } else {
            self.bytes.extend_from_slice(&self.message[self.rest.clone()]);
        }
        self.rest.start = self.rest.end;
    }

    /// What comes in the place of which bytes, when all of the message was kept or replaced.
    pub fn finish(self) -> (Range<usize>, Vec<u8>) {
        debug_assert_eq!(self.rest.end, self.message.len());
        (self.kept..self.rest.start, self.bytes)
    }
}

/// A message in which some parts are replaced: which of its bytes go, and what comes there.
pub(super) fn assemble(
    message: &[u8],
    has_version: bool,
    texts: &mut [Text<'_>],
    edits: &[Vec<Edit<'_>>],
) -> (Range<usize>, Vec<u8>, Vec<Slot>) {
    const QUOTED_PRINTABLE: &[u8] = b"Content-Transfer-Encoding: quoted-printable\r\n";
    const VERSION: &[u8] = b"MIME-Version: 1.0\r\n";
    let changed = texts.iter().zip(edits).filter(|(_, edits)| !edits.is_empty());
    let until = changed.map(|(text, _)| text.leaf.entity.body.end).max().unwrap_or_default();
    let more: usize = edits.iter().flatten().map(|edit| edit.bytes() + SOFT_BREAKS_BYTES).sum();
    // What was decoded to be read is not needed any more, and is as long as what is written, or nearly.
    let memory = texts.iter_mut().filter_map(|text| text.body.take_memory()).max_by_key(Vec::capacity);
    let mut made = Remade::of(message, until + more, memory.unwrap_or_default());
    let (mut slots, mut at) = (Vec::new(), 0);
    for (text, edits) in texts.iter().zip(edits).filter(|(_, edits)| !edits.is_empty()) {
        let entity = &text.leaf.entity;
        if text.body.is_requoted_by(edits) {
            // The label goes where it was, or behind the other fields.
            let mut label = Some(QUOTED_PRINTABLE);
            for place in &entity.encodings {
                made.keep(at..place.start);
                made.put(label.take().unwrap_or_default());
                at = place.end;
            }
            made.keep(at..entity.fields_end);
            at = entity.fields_end;
            // RFC 2045 4: a message that was none of MIME is one now.
            if !has_version && text.leaf.number == 1 {
                made.put(VERSION);
            }
            made.put(label.take().unwrap_or_default());
        }
        made.keep(at..entity.body.start);
        let new = text.body.write(entity.body.start, edits, &mut made);
        if slots.is_empty() {
            slots = new
        } else {
            slots.extend(new)
        }
        at = entity.body.end;
    }
    made.keep(at..message.len());
    let (place, with) = made.finish();
    (place, with, slots)
}

pub(super) fn replace(message: &mut Vec<u8>, place: Range<usize>, with: &[u8]) {
    let (old, end) = (message.len(), place.start + with.len());
    let new = end + old - place.end;
    message.reserve_exact(new.saturating_sub(old));
    message.resize(new.max(old), 0);
    message.copy_within(place.end..old, end);
    message[place.start..end].copy_from_slice(with);
    message.truncate(new);
}

/// What a link of some length needs in quoted-printable, and what stands before it.
const SOFT_BREAKS_BYTES: usize = 16;

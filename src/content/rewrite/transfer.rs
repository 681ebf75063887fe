//! A body, decoded to be read and encoded again where it changed (RFC 2045 6). What did not change stays byte for
//! byte: lines of quoted-printable, groups of base64.

mod base64;
mod quoted;

use self::base64::unbased;
use self::quoted::{Requoting, Wrapped, unquoted};
use super::Doubt;
use super::remade::Remade;
use crate::content::slot::{Encoding as Written, Slot};
use crate::mail::mime::{Encoding, LINE_BYTES_MAX};
use std::borrow::Cow;
use std::ops::Range;

/// A change of the decoded text: what is put in the place of what stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit<'a> {
    pub place: Range<usize>,
    pub before: &'a str,
    /// None: what is put there is the same for everybody.
    pub token: Option<String>,
    pub behind: &'a str,
}

impl Edit<'_> {
    pub fn removal(place: Range<usize>) -> Self {
        Self { place, before: "", token: None, behind: "" }
    }

    /// How many bytes are put there.
    pub fn bytes(&self) -> usize {
        self.pieces().iter().map(|piece| piece.len()).sum()
    }

    fn pieces(&self) -> [&[u8]; 3] {
        let token = self.token.as_deref().unwrap_or_default();
        [self.before, token, self.behind].map(str::as_bytes)
    }
}

/// A body as it is meant.
#[derive(Debug)]
pub struct Body<'a> {
    raw: &'a [u8],
    pub text: Cow<'a, [u8]>,
    encoding: Encoding,
}

impl<'a> Body<'a> {
    pub fn decode(raw: &'a [u8], encoding: Encoding) -> Result<Self, Doubt> {
        let text = match encoding {
            Encoding::SevenBit | Encoding::Unrestricted => Cow::Borrowed(raw),
            Encoding::QuotedPrintable => Cow::Owned(unquoted(raw).ok_or(Doubt::BrokenEncoding)?),
            Encoding::Base64 => Cow::Owned(unbased(raw).ok_or(Doubt::BrokenEncoding)?),
            Encoding::Other => return Err(Doubt::UnknownEncoding),
        };
        Ok(Self { raw, text, encoding })
    }

    /// The memory of the decoded text, once all is known that is to be changed in it. Base64 is still encoded from it.
    pub fn take_memory(&mut self) -> Option<Vec<u8>> {
        match &mut self.text {
            Cow::Owned(text) if self.encoding == Encoding::QuotedPrintable => Some(std::mem::take(text)),
            _ => None,
        }
    }

    /// Is it to be written as quoted-printable, which it was not?
    pub fn is_requoted_by(&self, edits: &[Edit<'_>]) -> bool {
        self.encoding.is_identity() && self.is_too_long(edits)
    }

    /// Writes the body, which begins at `start` in the message, with these changes, which are in their order.
    pub fn write(&self, start: usize, edits: &[Edit<'_>], out: &mut Remade<'_>) -> Vec<Slot> {
        let mut slots = match self.encoding {
            Encoding::QuotedPrintable => Requoting::new(self, start, edits, out).run(),
            Encoding::Base64 => return base64::write(self, start, edits, out),
            _ if self.is_too_long(edits) => self.quoted(edits, out),
            _ => self.plain(start, edits, out),
        };
        count(&mut slots, edits);
        slots
    }

    fn plain(&self, start: usize, edits: &[Edit<'_>], out: &mut Remade<'_>) -> Vec<Slot> {
        let (mut slots, mut at) = (Vec::with_capacity(edits.len()), 0);
        for edit in edits {
            out.keep(start + at..start + edit.place.start);
            slots.extend(edit.token.as_ref().map(|token| Slot {
                encoding: Written::Plain,
                at: out.len() + edit.before.len(),
                offset: 0,
                width: token.len(),
            }));
            edit.pieces().into_iter().for_each(|piece| out.put(piece));
            at = edit.place.end;
        }
        out.keep(start + at..start + self.raw.len());
        slots
    }

    /// RFC 5322 2.1.1: would a changed line be longer than a line may be?
    fn is_too_long(&self, edits: &[Edit<'_>]) -> bool {
        let text = &*self.text;
        let line_end = |from: usize| memchr::memchr(b'\n', &text[from..]).map_or(text.len(), |length| from + length);
        let mut rest = edits.iter().peekable();
        while let Some(mut last) = rest.next() {
            let start = memchr::memrchr(b'\n', &text[..last.place.start]).map_or(0, |end| end + 1);
            let mut end = line_end(last.place.end);
            let (mut added, mut removed) = (last.bytes(), last.place.len());
            while let Some(edit) = rest.next_if(|edit| edit.place.start <= end) {
                (added, removed) = (added + edit.bytes(), removed + edit.place.len());
                end = line_end(edit.place.end);
                last = edit;
            }
            let line_end = usize::from(last.place.end < end && text[end - 1] == b'\r');
            if end - start + added - removed - line_end > LINE_BYTES_MAX {
                return true;
            }
        }
        false
    }

    /// The whole text, as quoted-printable.
    fn quoted(&self, edits: &[Edit<'_>], out: &mut Remade<'_>) -> Vec<Slot> {
        let mut wrapped = Wrapped::new(out);
        let (mut slots, mut at) = (Vec::with_capacity(edits.len()), 0);
        for edit in edits {
            wrapped.text(&self.text[at..edit.place.start]);
            slots.extend(wrapped.edit(edit));
            at = edit.place.end;
        }
        wrapped.text(&self.text[at..]);
        slots
    }
}

/// Tells slots their places in the decoded text.
fn count(slots: &mut [Slot], edits: &[Edit<'_>]) {
    let (mut added, mut removed) = (0, 0);
    let offsets = edits.iter().filter_map(|edit| {
        let at = edit.place.start + added - removed;
        (added, removed) = (added + edit.bytes(), removed + edit.place.len());
        edit.token.as_ref().map(|_| at + edit.before.len())
    });
    slots.iter_mut().zip(offsets).for_each(|(slot, offset)| slot.offset = offset);
}

#[cfg(test)]
mod tests;

//! Which parts of a message are shown to its reader, and may be touched. What is signed, encrypted, attached, a
//! message itself or a report stays as it is, byte for byte.

use super::charset::Charset;
use super::{Doubt, LinkPart, Note};
use crate::base::limits;
use crate::content::text_links::Lines;
use crate::mail::header::Fields;
use crate::mail::mime::{Description, Encoding, Entity, Flaw, NoParts, Structure, Unnamed, split};
use std::ops::Range;

/// A text that somebody reads.
#[derive(Debug)]
pub struct Leaf {
    pub entity: Entity,
    pub part: LinkPart,
    pub charset: Charset,
    pub lines: Lines,
    /// Which of the message's entities it is, counted from 1.
    pub number: usize,
}

/// What the walk found.
#[derive(Debug, Default)]
pub struct Walk {
    pub leaves: Vec<Leaf>,
    /// Something in it is signed or encrypted: no reader's program is to fetch anything from elsewhere for it.
    pub is_sealed: bool,
    pub has_version: bool,
    pub notes: Vec<Note>,
    entities: usize,
}

pub fn walk(message: &[u8]) -> Walk {
    let mut walk = Walk::default();
    walk.entity(message, 0..message.len(), 0);
    walk
}

/// What may stand in an entity.
enum Inside {
    Parts(Vec<u8>),
    Leaf(LinkPart),
    Sealed,
    /// Nothing that is shown as a part of this message.
    Nothing,
}

impl Walk {
    fn entity(&mut self, message: &[u8], within: Range<usize>, depth: usize) {
        self.entities += 1;
        let number = self.entities;
        let entity = Entity::read(message, within.clone(), Unnamed::Text);
        let said = Description::read(message, within.clone(), &entity);
        if depth == 0 {
            self.has_version = entity.has_version;
            // A key that is carried to another device lies in a message that has to arrive as it was.
            if Fields::of(message).any(|field| field.is("autocrypt-setup-message")) {
                self.seal(number);
                return;
            }
        }
        let leaf = match inside(&entity, &said) {
            Ok(Inside::Parts(boundary)) => {
                if let Err(doubt) = self.parts(message, &entity, &boundary, depth) {
                    self.notes.push(Note::Untouched { part: number, why: doubt });
                }
                return;
            }
            Ok(Inside::Sealed) => return self.seal(number),
            Ok(Inside::Nothing) => return,
            Ok(Inside::Leaf(part)) => read_leaf(entity, &said, part, number),
            Err(doubt) => Err(doubt),
        };
        match leaf {
            // RFC 5322 2.1, RFC 2046 5.1.1: a header with nothing behind it, not even an empty line. What was put
            // there would be a part of the header.
            Ok(leaf) if leaf.entity.body.is_empty() => {}
            Ok(leaf) => self.leaves.push(leaf),
            Err(why) => self.notes.push(Note::Untouched { part: number, why }),
        }
    }

    fn parts(&mut self, message: &[u8], entity: &Entity, boundary: &[u8], depth: usize) -> Result<(), Doubt> {
        if depth >= limits::MIME_DEPTH_MAX {
            return Err(Doubt::TooDeep);
        }
        let left = limits::MIME_PARTS_MAX - self.entities.min(limits::MIME_PARTS_MAX);
        let parts = split(message, entity.body.clone(), boundary, left).map_err(|why| match why {
            NoParts::None => Doubt::NoParts,
            NoParts::TooMany => Doubt::TooManyParts,
        })?;
        for part in parts.parts {
            self.entity(message, part, depth + 1);
        }
        Ok(())
    }

    pub fn seal(&mut self, part: usize) {
        self.is_sealed = true;
        self.notes.push(Note::Sealed { part });
    }
}

fn inside(entity: &Entity, said: &Description) -> Result<Inside, Doubt> {
    let is_sealed = entity.structure == Structure::Signed
        || said.is("multipart", "encrypted")
        || said.is("application", "pkcs7-mime")
        || said.is("application", "x-pkcs7-mime")
        || said.is("application", "pgp-encrypted")
        // RFC 9788 2.1.1, and its forerunner: a header that is protected with what stands below it.
        || said.has("hp")
        || said.has("protected-headers");
    if is_sealed {
        return Ok(Inside::Sealed);
    }
    if let Some(flaw) = entity.flaw {
        return Err(flaw.into());
    }
    let is_attached = said.disposition.as_deref().is_some_and(|word| word != b"inline") || said.has_file_name;
    match &entity.structure {
        _ if is_attached => Ok(Inside::Nothing),
        Structure::Multipart { boundary, .. } => {
            // RFC 2046 5.1.3 to 5.1.6, RFC 2387. Reports, digests and the rest hold what others wrote.
            let is_shown = [&b"mixed"[..], b"alternative", b"related"].contains(&said.subtype.as_slice());
            match boundary {
                _ if !is_shown => Ok(Inside::Nothing),
                _ if !entity.encoding.is_identity() => Err(Doubt::EncodedMultipart),
                None => Err(Doubt::NoParts),
                Some(boundary) => Ok(Inside::Parts(boundary.clone())),
            }
        }
        Structure::Text => Ok(match said.subtype.as_slice() {
            _ if said.kind != b"text" => Inside::Nothing,
            b"html" => Inside::Leaf(LinkPart::Html),
            b"plain" => Inside::Leaf(LinkPart::Text),
            b"x-amp-html" => Inside::Leaf(LinkPart::Amp),
            _ => Inside::Nothing,
        }),
        _ => Ok(Inside::Nothing),
    }
}

fn read_leaf(entity: Entity, said: &Description, part: LinkPart, number: usize) -> Result<Leaf, Doubt> {
    if said.has_digest {
        return Err(Doubt::Digest);
    }
    if entity.encoding == Encoding::Other {
        return Err(Doubt::UnknownEncoding);
    }
    let charset = said.parameter("charset").map_err(|_| Doubt::Charset)?;
    let charset = Charset::named(charset).map_err(|_| Doubt::Charset)?;
    let is = |name: &str, word: &[u8]| {
        said.parameter(name).map(|value| value.is_some_and(|value| value.eq_ignore_ascii_case(word)))
    };
    let is_flowed = is("format", b"flowed").map_err(|_| Doubt::Lines)?;
    // RFC 3676 4.1.
    let joins = is("delsp", b"yes").map_err(|_| Doubt::Lines)?;
    let lines = if is_flowed && joins { Lines::Flowed } else { Lines::AsTheyAre };
    Ok(Leaf { entity, part, charset, lines, number })
}

impl From<Flaw> for Doubt {
    fn from(flaw: Flaw) -> Self {
        match flaw {
            Flaw::BareLineEnd => Self::HeaderLineEnd,
            Flaw::NotEnded => Self::HeaderNotEnded,
            Flaw::TwoTypes => Self::TwoTypes,
            Flaw::TwoEncodings => Self::TwoEncodings,
        }
    }
}

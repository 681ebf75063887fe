//! Bodies as they are kept: compressed when it pays, in one row when small, in chunks when large.

use super::error::StoreError;
use super::open::Store;
use super::statement::{Binds, Columns, fetch_all, fetch_one, statements};
use super::words;
use crate::base::id::MessageId;
use crate::base::limits;
use crate::model::message::Form;
use std::cell::RefCell;
use std::sync::Arc;

statements! {
    BODY = "SELECT codec, size, chunks, bytes FROM bodies WHERE message_id = $1 AND form = $2";
    BODY_CHUNK = "SELECT bytes FROM body_chunks WHERE message_id = $1 AND form = $2 AND seq = $3";
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    Plain,
    Zstd,
}

impl Codec {
    pub(super) const ALL: [Self; 2] = [Self::Plain, Self::Zstd];

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Zstd => "zstd",
        }
    }
}

/// A body ready to be written.
#[derive(Clone)]
pub struct Body {
    pub(super) message: MessageId,
    pub(super) form: Form,
    pub(super) codec: Codec,
    pub(super) size: usize,
    pub(super) stored: Arc<Vec<u8>>,
}

thread_local! {
    /// Making a compressor costs more than compressing a mail: each thread keeps its own.
    static COMPRESSOR: RefCell<Option<zstd::bulk::Compressor<'static>>> = const { RefCell::new(None) };
}

impl Body {
    /// Packs a body. Call it on the thread that already holds the bytes: below `BODY_PACK_BYTES_MIN`
    /// it only moves them.
    pub fn new(message: MessageId, form: Form, bytes: Vec<u8>) -> Self {
        let size = bytes.len();
        let (codec, stored) = match pack(&bytes) {
            Some(packed) => (Codec::Zstd, packed),
            None => (Codec::Plain, bytes),
        };
        Self { message, form, codec, size, stored: Arc::new(stored) }
    }

    pub fn stored_bytes(&self) -> usize {
        self.stored.len()
    }

    pub(super) fn is_large(&self) -> bool {
        self.stored.len() > limits::BODY_INLINE_BYTES_MAX
    }
}

/// The compressed form, when it saves at least a fifth of a body that is worth the work.
fn pack(bytes: &[u8]) -> Option<Vec<u8>> {
    if bytes.len() < limits::BODY_PACK_BYTES_MIN {
        return None;
    }
    let packed = COMPRESSOR.with_borrow_mut(|slot| {
        if slot.is_none() {
            *slot = zstd::bulk::Compressor::new(1).ok();
        }
        slot.as_mut()?.compress(bytes).ok()
    })?;
    (packed.len() <= bytes.len() / 5 * 4).then_some(packed)
}

pub(super) fn unpack(codec: Codec, size: usize, stored: Vec<u8>) -> Result<Vec<u8>, StoreError> {
    if size > limits::BODY_BYTES_MAX {
        return Err(StoreError::damaged(format!("a body claims {size} bytes")));
    }
    let bytes = match codec {
        Codec::Plain => stored,
        // The stored size bounds what comes out: a damaged or hostile frame cannot unpack to more.
        Codec::Zstd => zstd::bulk::decompress(&stored, size).map_err(StoreError::damaged)?,
    };
    if bytes.len() != size {
        return Err(StoreError::damaged(format!("a body has {} bytes where {size} were accepted", bytes.len())));
    }
    Ok(bytes)
}

impl Store {
    /// The bytes of one form of a message, or none when there is no such form (any more).
    pub async fn body(&self, message: &MessageId, form: Form) -> Result<Option<Vec<u8>>, StoreError> {
        let key = || Binds::default().text(message.as_str()).text(form.word());
        let Some(row) = fetch_one(self.reads(), &BODY, key()).await? else { return Ok(None) };
        let codec = words::parse(&row.text("codec")?, Codec::ALL, Codec::word)?;
        let size = words::size(row.int("size")?)?;
        let mut stored = row.blob("bytes")?;
        for seq in 0..row.int("chunks")? {
            let chunk = fetch_all(self.reads(), &BODY_CHUNK, key().int(seq)).await?;
            let [chunk] = chunk.as_slice() else {
                return Err(StoreError::damaged(format!("chunk {seq} of a body of {message} is missing")));
            };
            stored.extend_from_slice(&chunk.blob("bytes")?);
            if stored.len() > limits::BODY_BYTES_MAX {
                return Err(StoreError::damaged(format!("a body of {message} has no end")));
            }
        }
        unpack(codec, size, stored).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Time;
    use crate::base::id;
    use crate::base::random::Random;

    fn body(bytes: Vec<u8>) -> Body {
        Body::new(id::new(Time::default(), &Random::System), Form::Prepared, bytes)
    }

    #[test]
    fn what_does_not_shrink_is_kept_plain() {
        let mut noise = vec![0; 200_000];
        Random::seeded(1).fill(&mut noise);
        assert_eq!(body(noise).codec, Codec::Plain);
        assert_eq!(body(b"short".to_vec()).codec, Codec::Plain);
        assert_eq!(body(vec![b'a'; 200_000]).codec, Codec::Zstd);
    }

    #[test]
    fn packing_and_unpacking_gives_the_same_bytes() {
        for size in [0, 1, limits::BODY_PACK_BYTES_MIN, 300_000] {
            let bytes: Vec<u8> = (0..size).map(|i| (i / 7 % 251) as u8).collect();
            let body = body(bytes.clone());
            assert_eq!(unpack(body.codec, body.size, body.stored.to_vec()), Ok(bytes));
        }
    }

    #[test]
    fn a_frame_that_lies_about_its_size_is_refused() {
        let body = body(vec![b'a'; 300_000]);
        assert!(unpack(Codec::Zstd, 100, body.stored.to_vec()).is_err());
        assert!(unpack(Codec::Zstd, 300_001, body.stored.to_vec()).is_err());
        assert!(unpack(Codec::Zstd, limits::BODY_BYTES_MAX + 1, body.stored.to_vec()).is_err());
        assert!(unpack(Codec::Plain, 4, b"abc".to_vec()).is_err());
    }
}

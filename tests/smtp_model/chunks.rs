//! The model's chunks (RFC 3030).

use super::line_ends::{Bare, has_bare, kept_so_far, with_crlf};
use super::model::{At, Chunks, Heard, MESSAGE_BYTES_MAX, Model, Transaction};

impl Model {
    /// RFC 3030 2: the bytes of a chunk follow its command, also where it is refused.
    pub(super) fn begin_chunk(&mut self, bytes: usize, last: bool, heard: &mut Heard) {
        let transaction = match std::mem::replace(&mut self.at, At::Start) {
            At::Transaction(transaction) => Some(transaction),
            _ => None,
        };
        let refused = match &transaction {
            None => Some("503 5.5.1"),
            Some(Transaction { chunks: Chunks::Refused, .. }) => Some("503 5.5.1"),
            Some(transaction) => transaction.nobody().or_else(|| {
                let Chunks::Some(before) = &transaction.chunks else { return too_large(bytes) };
                too_large(kept_so_far(before, self.bare(transaction)).len() + bytes)
            }),
        };
        if bytes == 0 {
            return self.hear_chunk(transaction, 0, Vec::new(), last, refused, heard);
        }
        self.at = At::Chunk { transaction, left: bytes, bytes: Vec::new(), last, refused };
    }

    pub(super) fn hear_chunk(
        &mut self,
        transaction: Option<Transaction>,
        left: usize,
        bytes: Vec<u8>,
        last: bool,
        refused: Option<&'static str>,
        heard: &mut Heard,
    ) {
        if left > 0 {
            self.at = At::Chunk { transaction, left, bytes, last, refused };
            return;
        }
        let reply = match (transaction, refused) {
            (None, reply) => reply.unwrap_or_default(),
            (Some(transaction), Some(reply)) => {
                self.at = At::Transaction(Transaction { chunks: Chunks::Refused, ..transaction });
                reply
            }
            (Some(transaction), None) => self.take_chunk(transaction, bytes, last),
        };
        heard.replies.push(reply);
    }

    fn take_chunk(&mut self, mut transaction: Transaction, bytes: Vec<u8>, last: bool) -> &'static str {
        let mut all = match std::mem::replace(&mut transaction.chunks, Chunks::Refused) {
            Chunks::Some(before) => before,
            _ => Vec::new(),
        };
        all.extend(bytes);
        let bare = self.bare(&transaction);
        // A CR at the end of a chunk may find its LF in the next.
        let (known, kept) = match last {
            true => (&all[..], with_crlf(&all, bare)),
            false => (all.strip_suffix(b"\r").unwrap_or(&all), kept_so_far(&all, bare)),
        };
        let fault = match bare == Bare::IsRefused && has_bare(known) {
            true => Some("550 5.5.2"),
            false => too_large(kept.len()),
        };
        if last {
            return fault.unwrap_or_else(|| self.hand_over(transaction, kept));
        }
        if fault.is_none() {
            transaction.chunks = Chunks::Some(all);
        }
        self.at = At::Transaction(transaction);
        fault.unwrap_or("250 2.0.0")
    }
}

fn too_large(bytes: usize) -> Option<&'static str> {
    (bytes > MESSAGE_BYTES_MAX).then_some("552 5.3.4")
}

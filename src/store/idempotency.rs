//! Keys by which senders name a message: the row is written with the message or not at all, so of two that come
//! with one key, to whichever nodes, one is taken, and the other finds its answer here.

use super::change::Step;
use super::error::StoreError;
use super::open::Store;
use super::statement::{Binds, Columns, fetch_one, statements};
use super::words;
use super::writer::Chore;
use crate::base::clock::Time;
use crate::base::id::{self, MessageId};
use crate::base::limits;

statements! {
    // A key that has had its day is free again, also before it is swept ($7).
    CLAIM_KEY = "INSERT INTO idempotency (scope, key, content_hash, message_id, more, created_at)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (scope, key) DO UPDATE SET content_hash = excluded.content_hash, message_id = excluded.message_id,
        more = excluded.more, created_at = excluded.created_at WHERE idempotency.created_at < $7";
    KEY = "SELECT content_hash, message_id, more, created_at FROM idempotency WHERE scope = $1 AND key = $2 AND created_at >= $3";
    PURGE_KEYS = "DELETE FROM idempotency WHERE message_id IN (SELECT message_id FROM idempotency WHERE message_id < $1
        ORDER BY message_id LIMIT $2)";
    WITHDRAW_KEY = "DELETE FROM idempotency WHERE message_id = $1";
}

/// A key, and what came with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyed {
    pub scope: String,
    pub key: String,
    pub content_hash: String,
}

/// What was made of a message: one, or several copies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    pub first: MessageId,
    pub more: usize,
}

/// What a key stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    pub content_hash: String,
    pub answered: Answered,
    pub at: Time,
}

/// The step that takes a key for a message and so many more; a conflict when it stands for another.
pub fn claim(keyed: &Keyed, message: &MessageId, more: usize, now: Time) -> Step {
    let binds = Binds::default()
        .text(&keyed.scope)
        .text(&keyed.key)
        .text(&keyed.content_hash)
        .text(message.as_str())
        .int(i64::try_from(more).unwrap_or(i64::MAX))
        .int(now.micros())
        .int(now.minus(limits::IDEMPOTENCY_KEPT).micros());
    Step::one(&CLAIM_KEY, binds)
}

impl Store {
    /// What a key stands for; none when nothing came with it within a day.
    pub async fn kept_by_key(&self, keyed: &Keyed, now: Time) -> Result<Option<Kept>, StoreError> {
        let since = now.minus(limits::IDEMPOTENCY_KEPT).micros();
        let binds = Binds::default().text(&keyed.scope).text(&keyed.key).int(since);
        let Some(row) = fetch_one(self.reads(), &KEY, binds).await? else { return Ok(None) };
        Ok(Some(Kept {
            content_hash: row.text("content_hash")?,
            answered: Answered { first: words::id(&row.text("message_id")?)?, more: words::size(row.int("more")?)? },
            at: Time::from_micros(row.int("created_at")?),
        }))
    }

    /// Forgets the keys that had their day.
    pub async fn purge_keys(&self) -> Result<u64, StoreError> {
        let oldest_kept: MessageId = id::earliest(self.clock.now().minus(limits::IDEMPOTENCY_KEPT));
        self.run_chore(Chore { statement: &PURGE_KEYS, binds: Binds::default().text(oldest_kept.as_str()) }).await
    }
}

//! What is cleaned up by the clock: old commit marks, orphaned chunks, contents past their retention.
//! Each is one statement that the writer repeats in slices between groups.

use super::error::StoreError;
use super::open::Store;
use super::statement::{Binds, statements};
use super::writer::Chore;
use crate::base::clock::Time;
use crate::base::id::{self, GroupId, MessageId};
use crate::base::limits;

statements! {
    // Ids are time-ordered, so "older than" is a range of the primary key.
    PURGE_COMMITS = "DELETE FROM commits WHERE id IN (SELECT id FROM commits WHERE id < $1 ORDER BY id LIMIT $2)";
    PURGE_BODIES = "DELETE FROM bodies WHERE message_id IN (SELECT b.message_id FROM bodies b WHERE b.message_id < $1
        AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.message_id = b.message_id AND d.finished_at IS NULL)
        ORDER BY b.message_id LIMIT $2)";
    // By message and form: what is left of one form says nothing about the other.
    SWEEP_CHUNKS = "DELETE FROM body_chunks WHERE (message_id, form) IN (SELECT DISTINCT c.message_id, c.form
        FROM body_chunks c WHERE c.message_id < $1 AND NOT EXISTS
        (SELECT 1 FROM bodies b WHERE b.message_id = c.message_id AND b.form = c.form AND b.chunks > 0) LIMIT $2)";
}

impl Store {
    /// Forgets the marks of commits that nobody can ask for any more.
    pub async fn purge_commits(&self) -> Result<u64, StoreError> {
        let oldest_kept: GroupId = id::earliest(self.clock.now().minus(limits::COMMIT_MARKS_KEPT));
        self.run_chore(Chore { statement: &PURGE_COMMITS, binds: Binds::default().text(oldest_kept.as_str()) }).await
    }

    /// Deletes the bodies of messages accepted before this time, but never of one that is still queued.
    pub async fn purge_bodies(&self, before: Time) -> Result<u64, StoreError> {
        let oldest_kept: MessageId = id::earliest(before);
        self.run_chore(Chore { statement: &PURGE_BODIES, binds: Binds::default().text(oldest_kept.as_str()) }).await
    }

    /// Deletes the chunks of large bodies whose message never came, or is gone.
    pub async fn sweep_chunks(&self) -> Result<u64, StoreError> {
        let oldest_kept: MessageId = id::earliest(self.clock.now().minus(limits::ORPHAN_CHUNKS_KEPT));
        self.run_chore(Chore { statement: &SWEEP_CHUNKS, binds: Binds::default().text(oldest_kept.as_str()) }).await
    }
}

//! Where the limits of an hour and more stand: what was spent outlives a restart, and is shared by all
//! nodes. A row holds the arrival time of GCRA; a bucket that nobody has used for a window needs none.

use super::change::Step;
use super::error::StoreError;
use super::open::Store;
use super::statement::{Binds, Columns, fetch_all, statements};
use super::writer::Chore;
use crate::base::clock::Time;
use crate::base::limits;

statements! {
    // What several nodes spent adds up: each adds its own to what is there, but at least to where it stood
    // itself ($2: a row from before the bucket ran empty is out of date), and never to what lies beyond
    // belief ($4: a wrong clock wrote it).
    SPEND_LIMIT = "INSERT INTO limits (bucket, tat, updated_at)
        VALUES ($1, CAST($2 AS BIGINT) + CAST($3 AS BIGINT), $5)
        ON CONFLICT (bucket) DO UPDATE SET tat = (CASE WHEN limits.tat > CAST($2 AS BIGINT)
        AND limits.tat <= CAST($4 AS BIGINT) THEN limits.tat ELSE CAST($2 AS BIGINT) END) + CAST($3 AS BIGINT),
        updated_at = excluded.updated_at";
    CHANGED_LIMITS = "SELECT bucket, tat FROM limits WHERE updated_at >= $1 AND tat > $2 AND bucket > $3
        ORDER BY bucket LIMIT $4";
    PURGE_LIMITS = "DELETE FROM limits WHERE bucket IN (SELECT bucket FROM limits WHERE tat < $1
        ORDER BY bucket LIMIT $2)";
}

/// What a node spent of one limit since it last said so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spending {
    pub bucket: String,
    /// Where the bucket stood without it.
    pub from: Time,
    /// How far it moved on, in microseconds; below zero when more was given back.
    pub by: i64,
    /// Up to where a row is believed.
    pub ceiling: Time,
}

/// The step that adds what was spent to what others did.
pub fn spend(spending: &Spending, at: Time) -> Step {
    let binds = Binds::default()
        .text(&spending.bucket)
        .int(spending.from.micros())
        .int(spending.by)
        .int(spending.ceiling.micros())
        .int(at.micros());
    Step::one(&SPEND_LIMIT, binds)
}

/// Where a limit stands by the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    pub bucket: String,
    pub tat: Time,
}

impl Store {
    /// A page of the limits that changed since then (by the database's clock) and are not empty yet at
    /// `now`, behind `after` ("" for the first), in the order of their names.
    pub async fn changed_limits(&self, since: Time, now: Time, after: &str) -> Result<Vec<Standing>, StoreError> {
        let binds = Binds::default().int(since.micros()).int(now.micros()).text(after).int(limits::LIMITS_PAGE_ROWS);
        let rows = fetch_all(self.reads(), &CHANGED_LIMITS, binds).await?;
        rows.iter()
            .map(|row| Ok(Standing { bucket: row.text("bucket")?, tat: Time::from_micros(row.int("tat")?) }))
            .collect()
    }

    /// Forgets the limits that ran empty long ago.
    pub async fn purge_limits(&self) -> Result<u64, StoreError> {
        let before = self.clock.now().minus(limits::LIMITS_KEPT);
        self.run_chore(Chore { statement: &PURGE_LIMITS, binds: Binds::default().int(before.micros()) }).await
    }
}

//! What operators asked of destinations. Each order touches its own columns: two nodes that are told
//! different things at once do not undo each other.

use super::change::Step;
use super::error::StoreError;
use super::open::Store;
use super::statement::{Binds, Columns, fetch_all, statements};
use super::words;
use super::writer::Chore;
use crate::base::clock::Time;
use crate::base::limits;
use crate::model::rate::Rate;
use crate::model::steering::{ByHand, Order, Steering};
use sqlx::any::AnyRow;

statements! {
    SUSPEND = "INSERT INTO steerings (destination, suspended_at, suspended_until, reason, updated_at)
        VALUES ($1, $2, $3, $4, $2) ON CONFLICT (destination) DO UPDATE SET suspended_at = excluded.suspended_at,
        suspended_until = excluded.suspended_until, reason = excluded.reason, updated_at = excluded.updated_at";
    RESUME = "INSERT INTO steerings (destination, resumed_at, updated_at) VALUES ($1, $2, $2)
        ON CONFLICT (destination) DO UPDATE SET suspended_at = NULL, suspended_until = NULL, reason = NULL,
        resumed_at = excluded.resumed_at, updated_at = excluded.updated_at";
    SET_RATE = "INSERT INTO steerings (destination, rate, updated_at) VALUES ($1, $2, $3)
        ON CONFLICT (destination) DO UPDATE SET rate = excluded.rate, updated_at = excluded.updated_at";
    STEERINGS = "SELECT destination, suspended_at, suspended_until, reason, rate, resumed_at FROM steerings
        WHERE destination > $1 ORDER BY destination LIMIT $2";
    // What holds nothing any more is kept for a while, so that every node sees it.
    PURGE_STEERINGS = "DELETE FROM steerings WHERE destination IN (SELECT destination FROM steerings
        WHERE rate IS NULL AND (suspended_at IS NULL OR suspended_until < $1) AND updated_at < $1
        ORDER BY destination LIMIT $2)";
}

/// The step that writes an order down.
pub fn order(destination: &str, order: &Order, at: Time) -> Step {
    let binds = Binds::default().text(destination);
    match order {
        Order::Suspend { until, reason } => {
            let binds = binds.int(at.micros()).maybe_int(until.map(Time::micros)).maybe_text(reason.as_deref());
            Step::one(&SUSPEND, binds)
        }
        Order::Resume => Step::one(&RESUME, binds.int(at.micros())),
        Order::Rate(rate) => {
            let rate = rate.as_ref().map(Rate::to_string);
            Step::one(&SET_RATE, binds.maybe_text(rate.as_deref()).int(at.micros()))
        }
    }
}

impl Store {
    /// What holds for destinations, by name; `STEERINGS_MAX` of them, which is more than there are.
    pub async fn steerings(&self) -> Result<Vec<Steering>, StoreError> {
        let mut found: Vec<Steering> = Vec::new();
        loop {
            let after = found.last().map(|steering| steering.destination.clone()).unwrap_or_default();
            let binds = Binds::default().text(&after).int(limits::QUEUE_ROWS_MAX);
            let rows = fetch_all(self.reads(), &STEERINGS, binds).await?;
            let is_last = (rows.len() as i64) < limits::QUEUE_ROWS_MAX;
            for row in &rows {
                found.push(read(row)?);
            }
            if is_last || found.len() > limits::STEERINGS_MAX {
                return Ok(found);
            }
        }
    }

    /// Forgets orders that hold nothing any more.
    pub async fn purge_steerings(&self) -> Result<u64, StoreError> {
        let before = self.clock.now().minus(limits::STEERINGS_KEPT);
        self.run_chore(Chore { statement: &PURGE_STEERINGS, binds: Binds::default().int(before.micros()) }).await
    }
}

fn read(row: &AnyRow) -> Result<Steering, StoreError> {
    let until = words::time(row.maybe_int("suspended_until")?);
    let reason = row.maybe_text("reason")?;
    let rate = row.maybe_text("rate")?.map(|rate| rate.parse::<Rate>().map_err(StoreError::damaged)).transpose()?;
    Ok(Steering {
        destination: row.text("destination")?,
        suspended: words::time(row.maybe_int("suspended_at")?).map(|since| ByHand { since, until, reason }),
        rate,
        resumed_at: words::time(row.maybe_int("resumed_at")?),
    })
}

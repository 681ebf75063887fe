//! One transaction of the writer: the rows of many changes in few statements.
//!
//! Its first row is its own id in `commits`. That row is the question after a commit whose answer was
//! lost: writing the group again starts by inserting the same id, which waits for a transaction that is
//! still ending on the server, and then either finds the id (it was committed) or takes it (it was not).

use super::super::change::{Change, Step, Touches, Written};
use super::super::dialect::{Engine, ROLLBACK};
use super::super::error::{StoreError, Uncommitted};
use super::super::events::{INSERT_EVENTS, bind_event};
use super::super::link::Link;
use super::super::mail::{
    self, Body, INSERT_ATTEMPTS, INSERT_BODIES, INSERT_DELIVERIES, INSERT_MESSAGES, SETTLE, WITHDRAW_ATTEMPTS,
    WITHDRAW_BODIES, WITHDRAW_CHUNKS, WITHDRAW_DELIVERIES, WITHDRAW_EVENTS, WITHDRAW_MESSAGE,
};
use super::super::statement::{Binds, Multi, statements};
use crate::base::clock::Time;
use crate::base::id::{GroupId, MessageId};
use std::collections::HashSet;
use std::sync::Arc;

statements! {
    MARK = "INSERT INTO commits (id, at) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING";
    INSERT_CHUNK = "INSERT INTO body_chunks (message_id, form, seq, bytes) VALUES ($1, $2, $3, $4)
        ON CONFLICT (message_id, form, seq) DO NOTHING";
}

pub(super) struct Group {
    pub id: GroupId,
    pub at: Time,
}

/// How a try to write a group ended.
pub(super) enum End {
    /// On disk; what became of each change.
    Committed(Vec<Written>),
    /// An earlier try, whose answer was lost, had been committed after all.
    CommittedBefore,
    /// Nothing was written, and the connection can go on.
    RolledBack(StoreError),
    /// Nothing was written, and the connection is not to be trusted any more.
    Broken(StoreError),
    /// COMMIT was sent and its answer never came, or it said that the flush failed. If it did commit,
    /// this is what became of each change.
    Unknown(StoreError, Vec<Written>),
}

impl Group {
    /// One try to write all these changes in one transaction.
    pub async fn write(&self, on: &mut Link, engine: Engine, changes: &[&Change]) -> End {
        match self.write_rows(on, engine, changes).await {
            Ok(Some(written)) => match on.commit().await {
                Ok(()) => End::Committed(written),
                Err(Uncommitted::Surely(error)) => End::Broken(error),
                Err(Uncommitted::Perhaps(error)) => End::Unknown(error, written),
            },
            Ok(None) => match on.execute(&ROLLBACK, &Binds::default()).await {
                Ok(_) => End::CommittedBefore,
                Err(error) => End::Broken(error),
            },
            Err(error) if error.is_temporary() => End::Broken(error),
            Err(error) => match on.execute(&ROLLBACK, &Binds::default()).await {
                Ok(_) => End::RolledBack(error),
                Err(_) => End::Broken(error),
            },
        }
    }

    /// Everything before COMMIT; none when this group is already committed.
    async fn write_rows(
        &self,
        on: &mut Link,
        engine: Engine,
        changes: &[&Change],
    ) -> Result<Option<Vec<Written>>, StoreError> {
        on.execute(engine.begin(), &Binds::default()).await?;
        let mark = Binds::default().text(self.id.as_str()).int(self.at.micros());
        if on.execute(&MARK, &mark).await? == 0 {
            return Ok(None);
        }
        insert(on, &INSERT_MESSAGES, changes, |c| &c.messages, mail::bind_message).await?;
        insert(on, &INSERT_BODIES, changes, |c| &c.bodies, mail::bind_body).await?;
        insert(on, &INSERT_DELIVERIES, changes, |c| &c.deliveries, mail::bind_delivery).await?;
        insert(on, &INSERT_ATTEMPTS, changes, |c| &c.attempts, mail::bind_attempt).await?;
        let written = settle(on, changes).await?;
        insert(on, &INSERT_EVENTS, changes, |c| &c.events, bind_event).await?;
        for step in changes.iter().flat_map(|change| &change.steps) {
            let touched = on.execute(step.statement, &step.binds).await?;
            if step.touches == Touches::One && touched != 1 {
                let why = format!("{} found {touched} rows where there should be one", step.statement.name);
                return Err(StoreError::Conflict { why });
            }
        }
        Ok(Some(written))
    }
}

async fn insert<'a, R>(
    on: &mut Link,
    multi: &'static Multi,
    changes: &[&'a Change],
    rows_of: fn(&Change) -> &Vec<R>,
    bind: fn(&'a R, &mut Binds<'a>),
) -> Result<(), StoreError> {
    let rows: Vec<&R> = changes.iter().flat_map(|change| rows_of(change)).collect();
    if !rows.is_empty() {
        on.execute_rows(multi, &rows, bind).await?;
    }
    Ok(())
}

/// Settles all deliveries of the group at once, and tells each change which of its leases were lost.
async fn settle(on: &mut Link, changes: &[&Change]) -> Result<Vec<Written>, StoreError> {
    let mut rows: Vec<_> = changes.iter().flat_map(|change| &change.settlements).collect();
    if rows.is_empty() {
        return Ok(vec![Written::default(); changes.len()]);
    }
    // In one order everywhere: two lanes that settle the same rows wait for each other, never in a ring.
    rows.sort_by(|a, b| a.delivery.cmp(&b.delivery));
    let settled: HashSet<String> = on.execute_rows(&SETTLE, &rows, mail::bind_settlement).await?.into_iter().collect();
    Ok(changes
        .iter()
        .map(|change| Written {
            stale: change
                .settlements
                .iter()
                .filter(|s| !settled.contains(s.delivery.as_str()))
                .map(|s| s.delivery.clone())
                .collect(),
        })
        .collect())
}

pub(super) fn chunk_step(body: &Body, seq: usize, chunk: Vec<u8>) -> Step {
    let binds =
        Binds::default().text(body.message.as_str()).text(body.form.word()).int(seq as i64).blob(Arc::new(chunk));
    Step::any(&INSERT_CHUNK, binds)
}

/// What takes a message back, rows first, the message last.
pub(super) fn withdrawal(message: &MessageId) -> Change {
    [&WITHDRAW_ATTEMPTS, &WITHDRAW_EVENTS, &WITHDRAW_DELIVERIES, &WITHDRAW_BODIES, &WITHDRAW_CHUNKS, &WITHDRAW_MESSAGE]
        .into_iter()
        .map(|statement| Step::any(statement, Binds::default().text(message.as_str())))
        .fold(Change::default(), Change::with)
}

//! One transaction of the writer: the rows of many changes in few statements.
//!
//! Its first row is its own id in `commits`. That row is the question after a commit whose answer was
//! lost: writing the group again starts by inserting the same id, which waits for a transaction that is
//! still ending on the server, and then either finds the id (it was committed) or takes it (it was not).

use super::super::change::{Change, Step, Touches, Written};
use super::super::dialect::{Engine, ROLLBACK};
use super::super::error::{StoreError, Uncommitted};
use super::super::events::{INSERT_EVENTS, bind_event};
use super::super::idempotency::WITHDRAW_KEY;
use super::super::link::{Link, Returned};
use super::super::mail::{
    self, Body, INSERT_ATTEMPTS, INSERT_BODIES, INSERT_DELIVERIES, INSERT_MESSAGES, SETTLE, WITHDRAW_ATTEMPTS,
    WITHDRAW_BODIES, WITHDRAW_CHUNKS, WITHDRAW_DELIVERIES, WITHDRAW_EVENTS, WITHDRAW_MESSAGE,
};
use super::super::moves::{self, MOVE, TURNED};
use super::super::queue::{self, CLAIM};
use super::super::statement::{Binds, Multi, statements};
use crate::base::clock::Time;
use crate::base::id::{self, DeliveryId, GroupId, MessageId};
use crate::base::random::Random;
use crate::model::delivery::{Claim, Settlement, State};
use crate::model::event::Event;
use std::collections::HashMap;
use std::sync::Arc;

statements! {
    MARK = "INSERT INTO commits (id, at) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING";
    INSERT_CHUNK = "INSERT INTO body_chunks (message_id, form, seq, bytes) VALUES ($1, $2, $3, $4)
        ON CONFLICT (message_id, form, seq) DO NOTHING";
}

pub(super) struct Group {
    pub id: GroupId,
    pub at: Time,
    pub random: Random,
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
        let mut written = vec![Written::default(); changes.len()];
        self.settle(on, changes, &mut written).await?;
        claim(on, changes, &mut written).await?;
        self.shift(on, changes, &mut written).await?;
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

    /// Settles all deliveries of the group at once, and tells each change which of its leases were lost, and
    /// where an operator had wished otherwise.
    async fn settle(&self, on: &mut Link, changes: &[&Change], written: &mut [Written]) -> Result<(), StoreError> {
        let rows: Vec<&Settlement> = changes.iter().flat_map(|change| &change.settlements).collect();
        if rows.is_empty() {
            return Ok(());
        }
        let settled = change_rows(on, &SETTLE, rows, |settled| &settled.delivery, mail::bind_settlement).await?;
        for (change, written) in changes.iter().zip(written) {
            for settlement in &change.settlements {
                match settled.get(settlement.delivery.as_str()) {
                    None => written.stale.push(settlement.delivery.clone()),
                    Some(now) if *now == settlement.state => {}
                    Some(now) => {
                        self.tell_of_turn(on, &settlement.delivery, *now).await?;
                        written.turned.push((settlement.delivery.clone(), *now));
                    }
                }
            }
        }
        Ok(())
    }

    /// Moves what is still as its mover saw it, each with its event: the others leave no trace.
    async fn shift(&self, on: &mut Link, changes: &[&Change], written: &mut [Written]) -> Result<(), StoreError> {
        let rows: Vec<_> = changes.iter().flat_map(|change| &change.moves).collect();
        if rows.is_empty() {
            return Ok(());
        }
        let moved = change_rows(on, &MOVE, rows, |moved| &moved.delivery, moves::bind_move).await?;
        let all = changes.iter().flat_map(|change| &change.moves);
        let events: Vec<&Event> =
            all.filter(|m| moved.contains_key(m.delivery.as_str())).map(|moved| &moved.event).collect();
        if !events.is_empty() {
            on.execute_rows(&INSERT_EVENTS, &events, bind_event).await?;
        }
        for (change, written) in changes.iter().zip(written) {
            for wanted in &change.moves {
                let Some(now) = moved.get(wanted.delivery.as_str()) else { continue };
                if *now != wanted.to {
                    self.tell_of_turn(on, &wanted.delivery, *now).await?;
                }
                written.moved.push((wanted.delivery.clone(), *now));
            }
        }
        Ok(())
    }

    /// The event of a delivery that an operator's wish stopped, when its try was over.
    async fn tell_of_turn(&self, on: &mut Link, delivery: &DeliveryId, now: State) -> Result<(), StoreError> {
        let id = id::new(self.at, &self.random);
        on.execute(&TURNED, &moves::turned(&id, delivery, now, self.at)).await.map(|_| ())
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

/// What one statement did to deliveries, by id.
type Done = HashMap<String, State>;

/// Changes all these deliveries at once. In one order everywhere: two lanes that change the same rows wait
/// for each other, never in a ring.
async fn change_rows<'a, R>(
    on: &mut Link,
    multi: &'static Multi,
    mut rows: Vec<&'a R>,
    delivery_of: fn(&R) -> &DeliveryId,
    bind: fn(&'a R, &mut Binds<'a>),
) -> Result<Done, StoreError> {
    rows.sort_by(|a, b| delivery_of(a).cmp(delivery_of(b)));
    let returned = on.execute_rows(multi, &rows, bind).await?;
    Ok(returned.into_iter().map(|Returned { id, state }| (id, state)).collect())
}

/// Takes what is ready, and tells each change which of its claims were granted.
async fn claim(on: &mut Link, changes: &[&Change], written: &mut [Written]) -> Result<(), StoreError> {
    let rows: Vec<&Claim> = changes.iter().flat_map(|change| &change.claims).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let claimed = change_rows(on, &CLAIM, rows, |claim| &claim.delivery, queue::bind_claim).await?;
    for (change, written) in changes.iter().zip(written) {
        let granted = change.claims.iter().filter(|claim| claimed.contains_key(claim.delivery.as_str()));
        written.claimed = granted.map(|claim| claim.delivery.clone()).collect();
    }
    Ok(())
}

pub(super) fn chunk_step(body: &Body, seq: usize, chunk: Vec<u8>) -> Step {
    let binds =
        Binds::default().text(body.message.as_str()).text(body.form.word()).int(seq as i64).blob(Arc::new(chunk));
    Step::any(&INSERT_CHUNK, binds)
}

/// What gives a claim back that nobody heard of: as if it had never been.
pub(super) fn unclaim(claim: &Claim) -> Change {
    let settlement = Settlement {
        delivery: claim.delivery.clone(),
        lease: claim.lease.clone(),
        state: State::Ready,
        reason: None,
        attempts: claim.attempts - 1,
        due_at: claim.at,
        at: claim.at,
    };
    Change { settlements: vec![settlement], ..Change::default() }
}

/// What takes a message back, rows first, the message last.
pub(super) fn withdrawal(message: &MessageId) -> Change {
    [
        &WITHDRAW_ATTEMPTS,
        &WITHDRAW_EVENTS,
        &WITHDRAW_DELIVERIES,
        &WITHDRAW_BODIES,
        &WITHDRAW_CHUNKS,
        &WITHDRAW_KEY,
        &WITHDRAW_MESSAGE,
    ]
    .into_iter()
    .map(|statement| Step::any(statement, Binds::default().text(message.as_str())))
    .fold(Change::default(), Change::with)
}

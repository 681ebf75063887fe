//! Changes of state that no try made: an operator's, and the recovery of what a node held that died. A
//! delivery moves only if it is still as its mover saw it, and its event is written with it or not at all.

use super::statement::{Binds, Multi, statements};
use crate::base::clock::Time;
use crate::base::id::{DeliveryId, EventId};
use crate::model::delivery::{Lease, State, Wish};
use crate::model::event::Event;

/// One delivery's change of state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    pub delivery: DeliveryId,
    /// The state it was seen in; whoever changed it since then keeps it.
    pub from: State,
    /// Who was seen holding it, when that matters.
    pub held_by: Option<Lease>,
    /// `Leased` to `Leased` leaves the lease where it is.
    pub to: State,
    pub wanted: Option<Wish>,
    /// None leaves what is there; so below.
    pub reason: Option<String>,
    pub due_at: Option<Time>,
    pub destination: Option<String>,
    pub at: Time,
    /// What is told of it.
    pub event: Event,
}

/// What is taken from a lease obeys an operator's wish, as with `SETTLE`.
pub(super) static MOVE: Multi = Multi::update(
    "MOVE",
    "UPDATE deliveries SET
     state = CASE WHEN v.column5 <> 'deferred' OR deliveries.wanted IS NULL THEN v.column5
         WHEN deliveries.wanted = 'cancel' THEN 'cancelled' ELSE 'held' END,
     finished_at = CASE WHEN v.column5 = 'deferred' AND deliveries.wanted = 'cancel' THEN v.column10
         ELSE v.column11 END,
     wanted = v.column6, reason = COALESCE(v.column7, deliveries.reason),
     due_at = COALESCE(v.column8, deliveries.due_at), destination = COALESCE(v.column9, deliveries.destination),
     leased_by = CASE WHEN v.column5 = 'leased' THEN deliveries.leased_by END,
     leased_epoch = CASE WHEN v.column5 = 'leased' THEN deliveries.leased_epoch END,
     updated_at = CASE WHEN v.column5 = 'leased' THEN deliveries.updated_at ELSE v.column10 END",
    "?, CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS BIGINT), CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT),
     CAST(? AS BIGINT), CAST(? AS TEXT), CAST(? AS BIGINT), CAST(? AS BIGINT)",
    "WHERE deliveries.id = v.column1 AND deliveries.state = v.column2
     AND (v.column3 IS NULL OR deliveries.leased_by = v.column3)
     AND (v.column4 IS NULL OR deliveries.leased_epoch = v.column4)
     RETURNING deliveries.id AS id, deliveries.state AS state",
);

pub(super) static MULTI: &[&Multi] = &[&MOVE];

statements! {
    TURNED = "INSERT INTO events (id, kind, at, tenant_id, message_id, delivery_id, data)
        SELECT CAST($1 AS TEXT), CAST($2 AS TEXT), CAST($3 AS BIGINT), tenant_id, message_id, id, CAST($4 AS TEXT)
        FROM deliveries WHERE id = $5";
}

pub(super) fn bind_move<'a>(m: &'a Move, binds: &mut Binds<'a>) {
    binds.push_text(m.delivery.as_str());
    binds.push_text(m.from.word());
    binds.push_maybe_text(m.held_by.as_ref().map(|lease| lease.node.as_str()));
    binds.push_maybe_int(m.held_by.as_ref().map(|lease| lease.epoch));
    binds.push_text(m.to.word());
    binds.push_maybe_text(m.wanted.map(Wish::word));
    binds.push_maybe_text(m.reason.as_deref());
    binds.push_maybe_int(m.due_at.map(Time::micros));
    binds.push_maybe_text(m.destination.as_deref());
    binds.push_int(m.at.micros());
    binds.push_maybe_int(m.to.is_final().then_some(m.at.micros()));
}

/// The values of `TURNED`: who wished it stands in the event of the wish.
pub(super) fn turned(id: &EventId, delivery: &DeliveryId, now: State, at: Time) -> Binds<'static> {
    let kind = if now == State::Cancelled { "email.canceled" } else { "email.held" };
    Binds::default()
        .text(id.as_str())
        .text(kind)
        .int(at.micros())
        .text(r#"{"wished":"while it was being tried"}"#)
        .text(delivery.as_str())
}

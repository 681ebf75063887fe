//! What one caller wants written, all of it or nothing: rows of any nouns, in one value. Rooms plan
//! changes, the writer commits them; what two rooms want written together they put into one change.

use super::mail::Body;
use super::moves::Move;
use super::statement::{Binds, Statement};
use crate::base::id::DeliveryId;
use crate::model::delivery::{Attempt, Claim, Delivery, Settlement, State};
use crate::model::event::Event;
use crate::model::message::Message;

#[derive(Clone, Default)]
pub struct Change {
    pub messages: Vec<Message>,
    pub bodies: Vec<Body>,
    pub deliveries: Vec<Delivery>,
    pub settlements: Vec<Settlement>,
    pub claims: Vec<Claim>,
    pub moves: Vec<Move>,
    pub attempts: Vec<Attempt>,
    pub events: Vec<Event>,
    /// Everything that is rare: one statement each, made by the store's noun files.
    pub steps: Vec<Step>,
}

/// One statement with its values, and how many rows it has to touch.
#[derive(Clone)]
pub struct Step {
    pub(super) statement: &'static Statement,
    pub(super) binds: Binds<'static>,
    pub(super) touches: Touches,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Touches {
    /// However many there are.
    Any,
    /// Exactly one: a change to something that is gone is a conflict and not a success.
    One,
}

/// What became of a change beside being written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Settlements whose lease no longer held: somebody else owns these deliveries now.
    pub stale: Vec<DeliveryId>,
    /// Settlements that an operator's wish turned: what became of these deliveries instead. The event that
    /// says so is written with them.
    pub turned: Vec<(DeliveryId, State)>,
    /// Claims that were granted; of the others somebody else was quicker.
    pub claimed: Vec<DeliveryId>,
    /// Moves that found their delivery as they expected it, and what it is now.
    pub moved: Vec<(DeliveryId, State)>,
}

impl Change {
    pub fn with(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    pub fn of(step: Step) -> Self {
        Self::default().with(step)
    }

    /// Both, in one commit.
    pub fn and(mut self, other: Self) -> Self {
        self.messages.extend(other.messages);
        self.bodies.extend(other.bodies);
        self.deliveries.extend(other.deliveries);
        self.settlements.extend(other.settlements);
        self.claims.extend(other.claims);
        self.moves.extend(other.moves);
        self.attempts.extend(other.attempts);
        self.events.extend(other.events);
        self.steps.extend(other.steps);
        self
    }

    /// The deliveries that it changes: another change of the same ones has to see what became of them first.
    pub(super) fn touched(&self) -> impl Iterator<Item = &DeliveryId> {
        let settled = self.settlements.iter().map(|settlement| &settlement.delivery);
        let claimed = self.claims.iter().map(|claim| &claim.delivery);
        settled.chain(claimed).chain(self.moves.iter().map(|moved| &moved.delivery))
    }

    /// Roughly what it weighs in a transaction.
    pub(super) fn bytes(&self) -> usize {
        const ROW: usize = 512;
        let rows = self.messages.len()
            + self.deliveries.len()
            + self.settlements.len()
            + self.claims.len()
            + self.moves.len() * 2
            + self.attempts.len()
            + self.events.len();
        rows * ROW
            + self.bodies.iter().map(Body::stored_bytes).sum::<usize>()
            + self.steps.iter().map(|step| step.binds.bytes()).sum::<usize>()
    }
}

impl Step {
    pub(super) fn any(statement: &'static Statement, binds: Binds<'static>) -> Self {
        Self { statement, binds, touches: Touches::Any }
    }

    pub(super) fn one(statement: &'static Statement, binds: Binds<'static>) -> Self {
        Self { statement, binds, touches: Touches::One }
    }
}

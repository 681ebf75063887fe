//! What happened, to whom, and why: append-only, read by webhooks, statistics and people.

use crate::base::clock::Time;
use crate::base::id::{DeliveryId, EventId, MessageId, TenantId};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub id: EventId,
    /// What happened, as `noun.past-tense`: `email.queued`, `node.recovered`.
    pub kind: String,
    pub at: Time,
    pub tenant: Option<TenantId>,
    pub message: Option<MessageId>,
    pub delivery: Option<DeliveryId>,
    /// JSON: what the kind says more.
    pub data: String,
}

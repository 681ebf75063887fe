//! One message on its way to one recipient: its states, and which may follow which.

use super::name::Name;
use crate::base::clock::Time;
use crate::base::id::{DeliveryId, MessageId, NodeId, TenantId};
use crate::mail::address::Address;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// To be sent later, by wish.
    Scheduled,
    /// Stopped by an operator or a rule, until released.
    Held,
    Ready,
    /// A node is working on it.
    Leased,
    /// The last try failed for now.
    Deferred,
    /// A smarthost took it.
    Sent,
    /// The recipient's own host, or our desk, took it.
    Delivered,
    /// The sandbox kept it.
    Captured,
    /// The remote said no for ever, or a late report came.
    Bounced,
    /// It expired, or our own policy refused it.
    Failed,
    Suppressed,
    Cancelled,
}

impl State {
    pub const ALL: [Self; 12] = [
        Self::Scheduled,
        Self::Held,
        Self::Ready,
        Self::Leased,
        Self::Deferred,
        Self::Sent,
        Self::Delivered,
        Self::Captured,
        Self::Bounced,
        Self::Failed,
        Self::Suppressed,
        Self::Cancelled,
    ];

    /// The word in the store. The public word may differ (`Ready` is "queued" to the outside).
    pub fn word(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Held => "held",
            Self::Ready => "ready",
            Self::Leased => "leased",
            Self::Deferred => "deferred",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Captured => "captured",
            Self::Bounced => "bounced",
            Self::Failed => "failed",
            Self::Suppressed => "suppressed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Nothing more will be tried. A late report may still turn `Sent` or `Delivered` into `Bounced`.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Scheduled | Self::Held | Self::Ready | Self::Leased | Self::Deferred)
    }

    /// May a delivery in this state go to that one?
    pub fn may_become(self, next: Self) -> bool {
        use State::*;
        match self {
            Scheduled => matches!(next, Ready | Leased | Held | Cancelled | Failed | Suppressed),
            // What the sandbox holds is released into the sandbox: no try comes between.
            Held => matches!(next, Ready | Scheduled | Captured | Cancelled | Failed),
            Ready | Deferred => matches!(next, Leased | Held | Ready | Cancelled | Failed | Suppressed),
            Leased => next != Leased && next != Scheduled,
            Sent | Delivered => next == Bounced,
            Captured | Bounced | Failed | Suppressed | Cancelled => false,
        }
    }
}

/// Where a delivery goes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NextHop {
    /// To the servers of the recipient's domain.
    Mx,
    /// To a smarthost.
    Relay(Name),
    /// Into a mailbox of our desk.
    Mailbox(Name),
    /// Into the store, for the console.
    Store,
}

impl NextHop {
    /// The queue it waits in.
    pub fn destination(&self, recipient: &Address) -> String {
        match self {
            Self::Mx => format!("mx:{}", recipient.domain()),
            Self::Relay(name) => format!("relay:{name}"),
            Self::Mailbox(name) => format!("local:{name}"),
            Self::Store => "local:store".to_owned(),
        }
    }
}

/// Who works on a delivery: one start of one node. An older epoch of the same node is somebody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    pub node: NodeId,
    pub epoch: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    pub id: DeliveryId,
    pub message: MessageId,
    pub tenant: TenantId,
    /// The message's: mail of one stream waits for its own kind only.
    pub stream: String,
    pub recipient: Address,
    /// Where it queues: `mx:example.net`, `relay:upstream`, `local:support`.
    pub destination: String,
    pub state: State,
    pub reason: Option<String>,
    pub attempts: i64,
    pub due_at: Time,
    pub expires_at: Time,
    pub lease: Option<Lease>,
    /// What an operator wants of it when the try that is running has ended.
    pub wanted: Option<Wish>,
    /// When its sender was told that it is late.
    pub warned_at: Option<Time>,
    /// JSON: notify, original recipient, return path, slots.
    pub details: String,
    pub created_at: Time,
}

/// What an operator wants of a delivery that is being tried: it takes effect when the try has ended and
/// another would follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    Hold,
    Cancel,
}

impl Wish {
    pub const ALL: [Self; 2] = [Self::Hold, Self::Cancel];

    pub fn word(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Cancel => "cancel",
        }
    }
}

/// Taking a delivery that is ready. Of several who want it one gets it: who counted the same tries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    pub delivery: DeliveryId,
    pub lease: Lease,
    /// The number of the try that begins.
    pub attempts: i64,
    /// When the next try would be, should nobody ever say how this one ended.
    pub due_at: Time,
    pub at: Time,
}

/// The end of one try: what the delivery becomes, if the lease still holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    pub delivery: DeliveryId,
    pub lease: Lease,
    pub state: State,
    pub reason: Option<String>,
    pub attempts: i64,
    pub due_at: Time,
    pub at: Time,
}

/// One try, as it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    pub delivery: DeliveryId,
    pub number: i64,
    pub node: NodeId,
    pub started_at: Time,
    pub took: Duration,
    /// done, later or never, and by whose fault: `later:remote`.
    pub outcome: String,
    pub host: Option<String>,
    pub address: Option<String>,
    pub tls: Option<String>,
    pub reply: Option<String>,
    /// JSON: signature, dialogue.
    pub details: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_final_state_stays_but_for_a_late_bounce() {
        for from in State::ALL.into_iter().filter(|s| s.is_final()) {
            for to in State::ALL {
                let late_bounce = matches!(from, State::Sent | State::Delivered) && to == State::Bounced;
                assert_eq!(from.may_become(to), late_bounce, "{from:?} → {to:?}");
            }
        }
    }

    #[test]
    fn only_a_lease_ends_in_a_delivery() {
        for from in State::ALL {
            for to in [State::Sent, State::Delivered, State::Captured] {
                let released = from == State::Held && to == State::Captured;
                assert_eq!(from.may_become(to), from == State::Leased || released, "{from:?} → {to:?}");
            }
        }
    }

    #[test]
    fn words_are_distinct() {
        let words: std::collections::HashSet<_> = State::ALL.iter().map(|s| s.word()).collect();
        assert_eq!(words.len(), State::ALL.len());
    }
}

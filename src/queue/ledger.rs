//! The ledger: where accepted mail is entered. What it takes to plan the rows of a message, and the one
//! commit behind its 250.

use super::accept::{Left, Planned, Seated};
use super::course::Course;
use super::fair::Rank;
use super::happenings::{MessageAccepted, MessageNotKept};
use super::ready::{Item, Ready};
use super::schedule;
use super::settings::Settings;
use crate::base::clock::{Clock, Time};
use crate::base::id::{MessageId, TenantId};
use crate::base::observe::Happening;
use crate::base::random::Random;
use crate::content::token::Keyring;
use crate::mail::envelope::MailParams;
use crate::model::delivery::{Delivery, Lease, State};
use crate::model::directory::{Directory, DirectoryHandle};
use crate::model::intake::Intake;
use crate::model::message::Message;
use crate::model::name::Name;
use crate::proof::Keys;
use crate::smtp::reply::Reply;
use crate::store::{Store, StoreError};
use arc_swap::ArcSwap;
use std::sync::Arc;

const NOT_KEPT: Reply = Reply::new(451, 3, 0, "the message could not be stored, try again later");
const FULL: Reply = Reply::new(452, 3, 1, "there is no room to store the message, try again later");
const NO_TENANT: Reply = Reply::new(451, 3, 0, "this organisation's mail cannot be stored yet, try again later");

pub struct Ledger {
    pub store: Arc<Store>,
    pub directory: Arc<DirectoryHandle>,
    pub settings: Arc<ArcSwap<Settings>>,
    /// What this node has in memory to be sent.
    pub ready: Arc<Ready>,
    /// What tracked links and return paths are made with.
    pub keyring: Arc<ArcSwap<Keyring>>,
    /// What mail is signed with.
    pub keys: Arc<ArcSwap<Keys>>,
    /// Who it is when it leases.
    pub lease: Lease,
    pub clock: Clock,
    pub random: Random,
}

/// A message that is entered: how many bytes it came with is told of it.
#[derive(Clone, Copy)]
pub struct Entered<'a> {
    pub id: &'a MessageId,
    pub intake: &'a Intake,
    pub bytes: usize,
}

impl<'a> Entered<'a> {
    pub fn of(id: &'a MessageId, intake: &'a Intake) -> Self {
        Self { id, intake, bytes: intake.message.len() }
    }
}

impl Ledger {
    /// Commits what was planned for a message: Ok is on disk, and after an error nothing of it is left.
    /// Dropping the future takes it back.
    pub async fn enter(&self, message: &MessageId, intake: &Intake, planned: Planned) -> Result<(), Reply> {
        self.commit(&[Entered::of(message, intake)], planned).await.map_err(|error| refusal(&error))
    }

    /// The same for several messages whose rows are planned together: all of them, or none.
    pub async fn enter_all(&self, messages: &[Entered<'_>], planned: Planned) -> Result<(), Reply> {
        self.commit(messages, planned).await.map_err(|error| refusal(&error))
    }

    /// The same for who can wait, and asks whether that is of use.
    pub async fn commit(&self, messages: &[Entered<'_>], planned: Planned) -> Result<(), StoreError> {
        let Planned { change, seated, left } = planned;
        let is_for_later = change.deliveries.iter().any(|delivery| delivery.state == State::Scheduled);
        match self.store.write(change).await {
            Ok(_) => {
                for message in messages {
                    accepted(message).record();
                }
                self.bring_in(seated);
                if is_for_later {
                    self.ready.space.ring();
                }
                for Left { destination, stream } in left {
                    // Counted before the commit, so that nobody overtakes it, and again now that it can be read.
                    self.ready.left(&destination, &stream);
                    self.ready.space.ring();
                }
                Ok(())
            }
            Err(error) => {
                for message in messages.iter().take(1) {
                    MessageNotKept { message: message.id, error: &error }.record();
                }
                Err(error)
            }
        }
    }
}

impl Ledger {
    /// What has a place goes on from memory.
    fn bring_in(&self, seated: Vec<Seated>) {
        for Seated { delivery, mail, place } in seated {
            match self.course(&delivery, &mail.message, &mail.params) {
                Some(course) => {
                    let rank = self.rank(&delivery);
                    self.ready.enter(Item { delivery, mail, course, rank, place }, self.clock.now());
                }
                // Invariant: we have just written its destination ourselves. Were it not so, its lease would be
                // found by the next start.
                None => drop(place),
            }
        }
    }

    /// Which way a delivery goes, by the configuration in force; none when its row names no destination.
    pub fn course(&self, delivery: &Delivery, message: &Message, params: &MailParams) -> Option<Course> {
        Course::of(delivery, message, params, &self.directory.load(), &self.settings.load())
    }

    /// Whether a delivery goes before its tenant's mailings.
    pub fn rank(&self, delivery: &Delivery) -> Rank {
        Rank::of(&self.directory.load(), &delivery.tenant, &delivery.stream)
    }

    /// When the next try is due, should nobody ever say how this one ends: a crash in a circle must not hammer
    /// a receiver.
    pub fn next_try(&self, attempts: i64, now: Time, expires_at: Time) -> Time {
        schedule::next_try(&self.settings.load().retry, attempts, now, expires_at, &self.random)
    }
}

fn accepted<'a>(entered: &Entered<'a>) -> MessageAccepted<'a> {
    let Entered { id, intake, bytes } = *entered;
    MessageAccepted {
        message: id,
        origin: intake.origin,
        submitter: intake.submitter.as_deref(),
        sender: &intake.envelope.sender,
        recipients: intake.envelope.recipients.len(),
        bytes,
    }
}

/// Whatever the store says is ours to mend, so the sender keeps the mail: never 5xx.
pub fn refusal(error: &StoreError) -> Reply {
    match error {
        StoreError::Full { .. } => FULL,
        StoreError::Unavailable { .. }
        | StoreError::Conflict { .. }
        | StoreError::Damaged { .. }
        | StoreError::Refused { .. } => NOT_KEPT,
    }
}

/// The owner of the rows. A tenant that only the file names gets its row with the next refresh of the
/// directory: until then its mail waits at the sender.
pub fn tenant_id(directory: &Directory, name: &Name) -> Result<TenantId, Reply> {
    directory.tenant(name).map(|tenant| tenant.id.clone()).ok_or(NO_TENANT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_trouble_of_the_store_costs_a_mail() {
        let why = || "x".to_owned();
        for (error, code) in [
            (StoreError::Unavailable { why: why() }, 451),
            (StoreError::Full { why: why() }, 452),
            (StoreError::Conflict { why: why() }, 451),
            (StoreError::Damaged { why: why() }, 451),
            (StoreError::Refused { why: why() }, 451),
        ] {
            assert_eq!(refusal(&error).code(), code, "{error}");
        }
    }
}

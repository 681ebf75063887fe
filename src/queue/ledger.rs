//! The ledger: where accepted mail is entered. What it takes to plan the rows of a message, and the one
//! commit behind its 250.

use super::happenings::{MessageAccepted, MessageNotKept};
use super::settings::Settings;
use crate::base::clock::Clock;
use crate::base::id::{MessageId, TenantId};
use crate::base::observe::Happening;
use crate::base::random::Random;
use crate::model::directory::{Directory, DirectoryHandle};
use crate::model::intake::Intake;
use crate::model::name::Name;
use crate::smtp::reply::Reply;
use crate::store::{Change, Store, StoreError};
use arc_swap::ArcSwap;
use std::sync::Arc;

const NOT_KEPT: Reply = Reply::new(451, 3, 0, "the message could not be stored, try again later");
const FULL: Reply = Reply::new(452, 3, 1, "there is no room to store the message, try again later");
const NO_TENANT: Reply = Reply::new(451, 3, 0, "this organisation's mail cannot be stored yet, try again later");

pub struct Ledger {
    pub store: Arc<Store>,
    pub directory: Arc<DirectoryHandle>,
    pub settings: Arc<ArcSwap<Settings>>,
    pub clock: Clock,
    pub random: Random,
}

impl Ledger {
    /// Commits what was planned for a message: Ok is on disk, and after an error nothing of it is left.
    /// Dropping the future takes it back.
    pub async fn enter(&self, message: &MessageId, intake: &Intake, change: Change) -> Result<(), Reply> {
        match self.store.write(change).await {
            Ok(_) => {
                accepted(message, intake).record();
                Ok(())
            }
            Err(error) => {
                MessageNotKept { message, error: &error }.record();
                Err(refusal(&error))
            }
        }
    }

    /// Commits rows that are of no new message.
    pub async fn write(&self, change: Change) -> Result<(), Reply> {
        self.store.write(change).await.map(|_| ()).map_err(|error| refusal(&error))
    }
}

fn accepted<'a>(message: &'a MessageId, intake: &'a Intake) -> MessageAccepted<'a> {
    MessageAccepted {
        message,
        origin: intake.origin,
        submitter: intake.submitter.as_deref(),
        sender: &intake.envelope.sender,
        recipients: intake.envelope.recipients.len(),
        bytes: intake.message.len(),
    }
}

/// Whatever the store says is ours to mend, so the sender keeps the mail: never 5xx.
fn refusal(error: &StoreError) -> Reply {
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

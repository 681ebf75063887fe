//! The only way out: everything that leaves is accepted here, whoever wrote it.

pub mod complete;
mod happenings;
mod links;
mod mended;
mod plan;
mod report;
mod suppressed;

use crate::base::id::MessageId;
use crate::model::intake::Intake;
use crate::policy::readiness::Footings;
use crate::queue::accept::Planned;
use crate::queue::ledger::{Entered, Ledger};
use crate::smtp::reply::Reply;
use crate::store::Change;
use std::sync::Arc;

const NOBODYS: Reply = Reply::new(550, 7, 1, "From names no domain that is served here");
const NO_STREAM: Reply = Reply::new(451, 3, 0, "the stream of this message is gone, send it again");
const CHANGED: Reply = Reply::new(451, 3, 0, "what is done with a recipient has changed meanwhile, send it again");

/// A message as it leaves, with what only its acceptance knows.
pub struct Leaving {
    pub intake: Intake,
    /// What its sender gave us, when it was changed before.
    pub submitted: Option<Arc<Vec<u8>>>,
    /// Why nothing of it is sent before a human has decided.
    pub held: Option<String>,
    /// What is told beside its acceptance.
    pub note: Option<Note>,
}

/// An event of a message that has no id yet.
pub struct Note {
    pub kind: &'static str,
    pub data: serde_json::Value,
}

impl From<Intake> for Leaving {
    fn from(intake: Intake) -> Self {
        Self { intake, submitted: None, held: None, note: None }
    }
}

pub struct Outward {
    ledger: Arc<Ledger>,
    footings: Footings,
}

impl Outward {
    pub fn new(ledger: Arc<Ledger>) -> Self {
        Self { ledger, footings: Footings::default() }
    }

    /// Links are tracked where these say that they lead back here.
    pub fn standing_on(self, footings: Footings) -> Self {
        Self { footings, ..self }
    }

    /// Takes a message whose sender was judged. Ok is on disk, together with the caller's `extra` rows;
    /// after an error nothing of it is left.
    pub async fn accept(&self, intake: Intake, extra: Change) -> Result<MessageId, Reply> {
        let ids = self.accept_all(vec![intake.into()], |_| extra).await?;
        // Invariant: there is one for each message.
        ids.into_iter().next().ok_or(CHANGED)
    }

    /// The same for messages that one was made into: all of them in one commit, or none, with rows that name the
    /// first. Their ids, in their order.
    pub async fn accept_all(
        &self,
        leaving: Vec<Leaving>,
        extra: impl FnOnce(&MessageId) -> Change,
    ) -> Result<Vec<MessageId>, Reply> {
        let is_one_of_many = leaving.len() > 1;
        let (mut entered, mut all) = (Vec::with_capacity(leaving.len()), Planned::default());
        for mut one in leaving {
            one.intake = mended::mended(one.intake).await;
            let suppressed = self.suppressed(&one.intake).await?;
            let bytes = one.intake.message.len();
            let (id, planned) = self.plan(&mut one, &suppressed)?;
            all = all.and(planned);
            entered.push((id, one.intake, bytes));
            // Of a thousand copies each is a moment's work: others have their turn between them.
            if is_one_of_many {
                tokio::task::yield_now().await;
            }
        }
        if let Some((first, ..)) = entered.first() {
            all = all.with(extra(first));
        }
        let told: Vec<_> = entered.iter().map(|(id, intake, bytes)| Entered { id, intake, bytes: *bytes }).collect();
        self.ledger.enter_all(&told, all).await?;
        Ok(entered.into_iter().map(|(id, ..)| id).collect())
    }
}

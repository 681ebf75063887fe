//! The only way in: mail from the world, after it was decided where it goes. All of it is one commit.

mod share;

use crate::base::id::{self, MessageId};
use crate::mail::header::Header;
use crate::model::intake::Intake;
use crate::policy::routes::Decision;
use crate::queue::accept::Planned;
use crate::queue::ledger::Ledger;
use crate::smtp::reply::Reply;
use share::{Circumstances, shares};
use std::sync::Arc;

pub struct Inward {
    ledger: Arc<Ledger>,
}

impl Inward {
    pub fn new(ledger: Arc<Ledger>) -> Self {
        Self { ledger }
    }

    /// Does what was decided for each recipient, in the order of the envelope. Ok is on disk; after an
    /// error nothing of it is left.
    pub async fn file(&self, intake: Intake, decisions: Vec<Decision>) -> Result<MessageId, Reply> {
        let (id, planned) = self.plan(&intake, &decisions)?;
        self.ledger.enter(&id, &intake, planned).await?;
        Ok(id)
    }

    /// One message for each tenant: none of them sees another's. The first has the id that the world is
    /// told.
    fn plan(&self, intake: &Intake, decisions: &[Decision]) -> Result<(MessageId, Planned), Reply> {
        let now = self.ledger.clock.now();
        let told: MessageId = id::new(now, &self.ledger.random);
        let around = Circumstances {
            intake,
            header: &Header::read(&intake.message),
            told: &told,
            directory: &self.ledger.directory.load(),
            settings: &self.ledger.settings.load(),
            ready: &self.ledger.ready,
            lease: &self.ledger.lease,
            random: &self.ledger.random,
            now,
        };
        let mut planned = Planned::default();
        for (n, share) in shares(&intake.envelope.recipients, decisions).iter().enumerate() {
            let id = if n == 0 { told.clone() } else { id::new(now, &self.ledger.random) };
            planned = planned.and(share.plan(&around, id)?);
        }
        Ok((told, planned))
    }
}

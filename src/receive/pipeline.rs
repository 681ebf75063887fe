//! What becomes of a message from the world. The steps, in their order.

use super::recipient;
use crate::base::id::MessageId;
use crate::inward::Inward;
use crate::mail::header::Header;
use crate::model::intake::Intake;
use crate::policy;
use crate::policy::routes::Decision;
use crate::queue::ledger::Ledger;
use crate::smtp::reply::Reply;
use std::sync::Arc;

const CHANGED: Reply = Reply::new(451, 3, 0, "what is done with a recipient has changed meanwhile, send it again");

pub struct Reception {
    ledger: Arc<Ledger>,
    inward: Inward,
}

impl Reception {
    pub fn new(ledger: Arc<Ledger>) -> Self {
        Self { inward: Inward::new(ledger.clone()), ledger }
    }

    /// Ok is on disk; after an error nothing of the message is left.
    pub async fn accept(&self, intake: Intake, hops_max: usize) -> Result<MessageId, Reply> {
        policy::header::check(&Header::read(&intake.message), hops_max)?;
        let decisions = self.decide(&intake)?;
        self.inward.file(intake, decisions).await
    }

    /// Asked again, because a reload may have come since RCPT. A recipient who is refused only now was
    /// accepted then: the sender tries again, and hears it at RCPT.
    fn decide(&self, intake: &Intake) -> Result<Vec<Decision>, Reply> {
        let directory = self.ledger.directory.load();
        let resolve = |address| recipient::resolve(&directory, &intake.hop.by, address).map_err(|_| CHANGED);
        intake.envelope.recipients.iter().map(|recipient| resolve(&recipient.address)).collect()
    }
}

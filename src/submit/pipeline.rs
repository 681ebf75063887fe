//! What becomes of a message that one of our users submits. The steps, in their order.

use super::sender;
use crate::base::id::MessageId;
use crate::mail::header::Header;
use crate::model::intake::Intake;
use crate::outward::Outward;
use crate::policy;
use crate::queue::ledger::Ledger;
use crate::smtp::reply::Reply;
use crate::store::Change;
use std::sync::Arc;

pub struct Submission {
    ledger: Arc<Ledger>,
    outward: Outward,
}

impl Submission {
    pub fn new(ledger: Arc<Ledger>) -> Self {
        Self { outward: Outward::new(ledger.clone()), ledger }
    }

    /// Ok is on disk; after an error nothing of the message is left.
    pub async fn accept(&self, intake: Intake) -> Result<MessageId, Reply> {
        self.judge(&intake)?;
        self.outward.accept(intake, Change::default()).await
    }

    fn judge(&self, intake: &Intake) -> Result<(), Reply> {
        let directory = self.ledger.directory.load();
        let header = Header::read(&intake.message);
        policy::header::check(&header)?;
        let credential = sender::credential(&directory, intake.submitter.as_deref())?;
        // Asked again, because a reload may have come since MAIL.
        sender::check_path(&directory, credential, &intake.envelope.sender)?;
        sender::check_authors(&directory, credential, &header)
    }
}

//! What becomes of a message from the world. The steps, in their order.

use super::recipient;
use crate::base::id::MessageId;
use crate::inward::Inward;
use crate::mail::header::Header;
use crate::mail::message::Edit;
use crate::model::intake::Intake;
use crate::policy;
use crate::policy::routes::Decision;
use crate::queue::ledger::Ledger;
use crate::smtp::reply::Reply;
use std::sync::Arc;

const CHANGED: Reply = Reply::new(451, 3, 0, "what is done with a recipient has changed meanwhile, send it again");

/// Nobody outside gives orders here, and none of them goes on to somebody who might take it for ours. None: there
/// are none.
fn without_control_headers(message: &[u8]) -> Option<Vec<u8>> {
    let without: Vec<_> = policy::header::control_fields(message).map(|field| field.range()).collect();
    (!without.is_empty()).then(|| Edit { without, message, ..Edit::default() }.apply())
}

pub struct Reception {
    ledger: Arc<Ledger>,
    inward: Inward,
}

impl Reception {
    pub fn new(ledger: Arc<Ledger>) -> Self {
        Self { inward: Inward::new(ledger.clone()), ledger }
    }

    /// Ok is on disk; after an error nothing of the message is left.
    pub async fn accept(&self, mut intake: Intake, hops_max: usize) -> Result<MessageId, Reply> {
        policy::header::check(&Header::read(&intake.message), hops_max)?;
        if let Some(bare) = without_control_headers(&intake.message) {
            intake.message = bare;
        }
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

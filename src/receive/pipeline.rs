//! What becomes of a message from the world. The steps, in their order.

use super::recipient::{self, Place};
use crate::base::id::MessageId;
use crate::deliver::outcome::Replies;
use crate::inward::Inward;
use crate::mail::address::Address;
use crate::mail::domain_name::DomainName;
use crate::mail::envelope::{Envelope, Recipient};
use crate::mail::header::Header;
use crate::mail::message::Edit;
use crate::model::intake::Intake;
use crate::outward::Outward;
use crate::policy;
use crate::policy::return_path::{Opened, ReturnPaths, Returned};
use crate::policy::routes::Decision;
use crate::queue::ledger::Ledger;
use crate::smtp::reply::Reply;
use arc_swap::ArcSwap;
use std::sync::Arc;

const CHANGED: Reply = Reply::new(451, 3, 0, "what is done with a recipient has changed meanwhile, send it again");

/// Nobody outside gives orders here, and none of them goes on to somebody who might take it for ours. None: there
/// are none.
fn without_control_headers(message: &[u8]) -> Option<Vec<u8>> {
    let without: Vec<_> = policy::header::control_fields(message).map(|field| field.range()).collect();
    (!without.is_empty()).then(|| Edit { without, message, ..Edit::default() }.apply())
}

pub struct Reception {
    pub(super) ledger: Arc<Ledger>,
    inward: Inward,
    pub(super) outward: Outward,
    /// What the words of a report mean.
    pub(super) replies: Arc<ArcSwap<Replies>>,
    return_paths: ReturnPaths,
}

/// What became of a message that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    Queued(MessageId),
    /// It was a report on mail of ours, or said to be one.
    Read,
}

impl Reception {
    pub fn new(ledger: Arc<Ledger>, replies: Arc<ArcSwap<Replies>>, return_paths: ReturnPaths) -> Self {
        let (inward, outward) = (Inward::new(ledger.clone()), Outward::new(ledger.clone()));
        Self { inward, outward, ledger, replies, return_paths }
    }

    /// RCPT: may this envelope have this recipient too?
    pub fn check_recipient(&self, hostname: &DomainName, envelope: &Envelope, to: &Recipient) -> Result<(), Reply> {
        let directory = self.ledger.directory.load();
        let place = recipient::place(&directory, &self.return_paths, hostname, &to.address)?;
        let is_first = envelope.recipients.is_empty();
        // It could only be the first.
        let has_return_path =
            || envelope.recipients.first().is_some_and(|known| self.returned(&known.address).is_some());
        match place {
            Place::Return(_) => recipient::check_return(&envelope.sender, is_first),
            Place::Decided(_) if has_return_path() => Err(recipient::ANOTHER_TIME),
            Place::Decided(_) => Ok(()),
        }
    }

    /// What a return path of ours stands for.
    fn returned(&self, address: &Address) -> Option<Returned> {
        let directory = self.ledger.directory.load();
        match self.return_paths.opened(&directory, address) {
            Opened::Returned(returned) => Some(returned),
            Opened::Elsewhere | Opened::Forged => None,
        }
    }

    /// Ok is on disk; after an error nothing of the message is left.
    pub async fn accept(&self, mut intake: Intake, hops_max: usize) -> Result<Received, Reply> {
        policy::header::check(&Header::read(&intake.message), hops_max)?;
        if let Some(bare) = without_control_headers(&intake.message) {
            intake.message = bare;
        }
        if let [only] = intake.envelope.recipients.as_slice()
            && let Some(returned) = self.returned(&only.address)
        {
            self.take_back(&intake, &returned).await?;
            return Ok(Received::Read);
        }
        let decisions = self.decide(&intake)?;
        self.inward.file(intake, decisions).await.map(Received::Queued)
    }

    /// Asked again, because a reload may have come since RCPT. A recipient who is refused only now was
    /// accepted then: the sender tries again, and hears it at RCPT.
    fn decide(&self, intake: &Intake) -> Result<Vec<Decision>, Reply> {
        let directory = self.ledger.directory.load();
        let resolve = |address| recipient::resolve(&directory, &intake.hop.by, address).map_err(|_| CHANGED);
        intake.envelope.recipients.iter().map(|recipient| resolve(&recipient.address)).collect()
    }
}

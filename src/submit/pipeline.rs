//! What becomes of a message that one of our users submits. The steps, in their order.

use super::{sender, spending};
use crate::base::id::MessageId;
use crate::mail::envelope::{Envelope, ReversePath};
use crate::mail::header::Header;
use crate::model::intake::Intake;
use crate::outward::Outward;
use crate::policy;
use crate::policy::limits::{Amount, Limits, Reservation};
use crate::queue::ledger::Ledger;
use crate::smtp::reply::Reply;
use crate::store::Change;
use std::sync::Arc;

pub struct Submission {
    ledger: Arc<Ledger>,
    outward: Outward,
    limits: Limits,
}

impl Submission {
    pub fn new(ledger: Arc<Ledger>, limits: Limits) -> Self {
        Self { outward: Outward::new(ledger.clone()), ledger, limits }
    }

    /// MAIL: may this login send from there, and now?
    pub fn check_sender(&self, login: &str, sender: &ReversePath) -> Result<(), Reply> {
        let directory = self.ledger.directory.load();
        let credential = sender::credential(&directory, Some(login))?;
        sender::check_path(&directory, credential, sender)?;
        let spenders = spending::spenders(&directory, credential, sender);
        self.limits.check(&spenders, 0).map_err(|over| over.reply())
    }

    /// RCPT: is there room in the limits for one more recipient than it has?
    pub fn check_room(&self, login: &str, envelope: &Envelope) -> Result<(), Reply> {
        let directory = self.ledger.directory.load();
        let credential = sender::credential(&directory, Some(login))?;
        let spenders = spending::spenders(&directory, credential, &envelope.sender);
        self.limits.check(&spenders, recipients(envelope)).map_err(|over| over.reply())
    }

    /// Ok is on disk; after an error nothing of the message is left, and nothing of its limits spent.
    pub async fn accept(&self, intake: Intake, hops_max: usize) -> Result<MessageId, Reply> {
        self.judge(&intake, hops_max)?;
        let reserved = self.reserve(&intake)?;
        let id = self.outward.accept(intake, Change::default()).await?;
        reserved.keep();
        Ok(id)
    }

    fn reserve(&self, intake: &Intake) -> Result<Reservation, Reply> {
        let directory = self.ledger.directory.load();
        let credential = sender::credential(&directory, intake.submitter.as_deref())?;
        let spenders = spending::spenders(&directory, credential, &intake.envelope.sender);
        let amount = Amount { messages: 1, recipients: recipients(&intake.envelope) };
        self.limits.reserve(&spenders, amount).map_err(|over| over.reply())
    }

    fn judge(&self, intake: &Intake, hops_max: usize) -> Result<(), Reply> {
        let directory = self.ledger.directory.load();
        let header = Header::read(&intake.message);
        policy::header::check(&header, hops_max)?;
        let credential = sender::credential(&directory, intake.submitter.as_deref())?;
        // Asked again, because a reload may have come since MAIL.
        sender::check_path(&directory, credential, &intake.envelope.sender)?;
        sender::check_authors(&directory, credential, &header)
    }
}

fn recipients(envelope: &Envelope) -> u32 {
    u32::try_from(envelope.recipients.len()).unwrap_or(u32::MAX)
}

//! What becomes of a message that one of our users submits. The steps, in their order.

use super::control_headers::{self, Right};
use super::{idempotency, sender, spending};
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
use crate::store::idempotency::{Keyed, claim};
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
        let (intake, keyed) = self.take_control_headers(intake)?;
        let Some(keyed) = keyed else { return self.enter(intake, None).await };
        if let Some(answer) = self.first_under(&keyed).await {
            return answer;
        }
        match self.enter(intake, Some(&keyed)).await {
            Ok(id) => Ok(id),
            // Another may have come with this key meanwhile: then it has the answer.
            Err(refusal) => self.first_under(&keyed).await.unwrap_or(Err(refusal)),
        }
    }

    async fn enter(&self, intake: Intake, keyed: Option<&Keyed>) -> Result<MessageId, Reply> {
        let reserved = self.reserve(&intake)?;
        let now = self.ledger.clock.now();
        let key = |id: &MessageId| keyed.map_or_else(Change::default, |keyed| Change::of(claim(keyed, id, now)));
        let id = self.outward.accept_with(intake, key).await?;
        reserved.keep();
        Ok(id)
    }

    /// What the message wishes, and the message without it: nothing of it is stored for sending. Its key stands for
    /// all of it as it came.
    fn take_control_headers(&self, mut intake: Intake) -> Result<(Intake, Option<Keyed>), Reply> {
        let directory = self.ledger.directory.load();
        let credential = sender::credential(&directory, intake.submitter.as_deref())?;
        let right = Right::of(&directory, credential, self.ledger.clock.now());
        let (wishes, bare) = control_headers::take(&intake.message, right).map_err(|refused| refused.reply())?;
        intake.wishes = wishes;
        let keyed = idempotency::keyed(&intake, &credential.tenant);
        intake.message = bare.unwrap_or(intake.message);
        Ok((intake, keyed))
    }

    async fn first_under(&self, keyed: &Keyed) -> Option<Result<MessageId, Reply>> {
        idempotency::first(&self.ledger.store, keyed, self.ledger.clock.now()).await
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

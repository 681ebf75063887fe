//! What becomes of a message that one of our users submits. The steps, in their order.

use super::control_headers::{self, Right};
use super::render::{self, Made};
use super::{idempotency, sender, spending};
use crate::base::id::MessageId;
use crate::content::template;
use crate::mail::envelope::{Envelope, ReversePath};
use crate::mail::header::Header;
use crate::model::intake::Intake;
use crate::model::wishes::Wishes;
use crate::outward::Outward;
use crate::policy;
use crate::policy::limits::{Amount, Limits, Reservation};
use crate::policy::readiness::Footings;
use crate::queue::ledger::Ledger;
use crate::smtp::reply::Reply;
use crate::store::Change;
use crate::store::idempotency::{Answered, Keyed, claim};
use std::sync::Arc;

const NOT_RENDERED: Reply = Reply::new(451, 3, 0, "the template could not be rendered now, try again later");
const NO_RECIPIENTS: Reply = Reply::new(554, 5, 1, "no valid recipients");

pub struct Submission {
    ledger: Arc<Ledger>,
    outward: Outward,
    limits: Limits,
    templates: Arc<template::Handle>,
}

/// What became of a message: one, or a copy for each recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    pub first: MessageId,
    pub more: usize,
}

/// As the reply says it.
impl std::fmt::Display for Taken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.more {
            0 => write!(f, "queued as {}", self.first),
            more => write!(f, "queued as {} and {more} more", self.first),
        }
    }
}

impl Submission {
    pub fn new(ledger: Arc<Ledger>, limits: Limits) -> Self {
        Self { outward: Outward::new(ledger.clone()), ledger, limits, templates: Arc::default() }
    }

    /// With the templates that messages may name.
    pub fn with_templates(self, templates: Arc<template::Handle>) -> Self {
        Self { templates, ..self }
    }

    /// Links are tracked where these say that they lead back here.
    pub fn standing_on(self, footings: Footings) -> Self {
        Self { outward: self.outward.standing_on(footings), ..self }
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
        self.take(intake, hops_max).await.map(|taken| taken.first)
    }

    /// The same, with how many copies were made of it.
    pub async fn take(&self, intake: Intake, hops_max: usize) -> Result<Taken, Reply> {
        self.judge(&intake, hops_max)?;
        let (intake, keyed) = self.take_control_headers(intake)?;
        let Some(keyed) = keyed else { return self.enter(intake, None).await };
        if let Some(answer) = self.first_under(&keyed).await {
            return answer;
        }
        match self.enter(intake, Some(&keyed)).await {
            Ok(taken) => Ok(taken),
            // Another may have come with this key meanwhile: then it has the answer.
            Err(refusal) => self.first_under(&keyed).await.unwrap_or(Err(refusal)),
        }
    }

    async fn enter(&self, intake: Intake, keyed: Option<&Keyed>) -> Result<Taken, Reply> {
        let reserved = self.reserve(&intake)?;
        let made = self.made(intake).await?;
        let (copies, template) = (made.leaving.len(), made.template);
        let now = self.ledger.clock.now();
        let key = |first: &MessageId| {
            keyed.map_or_else(Change::default, |keyed| Change::of(claim(keyed, first, copies.saturating_sub(1), now)))
        };
        let ids = self.outward.accept_all(made.leaving, key).await?;
        if let Some(template) = &template {
            self.templates.count(template, copies as u64);
        }
        // Invariant: a message has recipients, so there is one at least.
        let first = ids.into_iter().next().ok_or(NO_RECIPIENTS)?;
        let taken = Taken { first, more: copies - 1 };
        reserved.keep();
        Ok(taken)
    }

    /// What its template makes of a message; itself, where it names none.
    async fn made(&self, intake: Intake) -> Result<Made, Reply> {
        if intake.wishes.template.is_none() {
            return Ok(Made { leaving: vec![intake.into()], template: None });
        }
        let (tenant, submitter) = {
            let directory = self.ledger.directory.load();
            let credential = sender::credential(&directory, intake.submitter.as_deref())?;
            (credential.tenant.clone(), intake.submitter.clone())
        };
        let (library, random) = (self.templates.load_full(), self.ledger.random.clone());
        let has_copies = intake.wishes.template.as_ref().is_some_and(|wish| wish.by_recipient.is_some());
        let render = move || render::render(&library, &tenant, intake, &random);
        // A thousand copies take a while, which is not other connections'.
        let made = match has_copies {
            true => tokio::task::spawn_blocking(render).await.map_err(|_| NOT_RENDERED)??,
            false => render()?,
        };
        for one in &made.leaving {
            self.judge_authors(submitter.as_deref(), &one.intake)?;
        }
        Ok(made)
    }

    /// A template writes no From and no Sender; asked again all the same, of what will be sent.
    fn judge_authors(&self, submitter: Option<&str>, intake: &Intake) -> Result<(), Reply> {
        let directory = self.ledger.directory.load();
        let credential = sender::credential(&directory, submitter)?;
        sender::check_authors(&directory, credential, &Header::read(&intake.message))
    }

    /// What the message wishes, and the message without it: nothing of it is stored for sending. Its key stands for
    /// all of it as it came.
    fn take_control_headers(&self, mut intake: Intake) -> Result<(Intake, Option<Keyed>), Reply> {
        let directory = self.ledger.directory.load();
        let credential = sender::credential(&directory, intake.submitter.as_deref())?;
        let right = Right::of(&directory, credential, self.ledger.clock.now());
        let (wishes, bare) = control_headers::take(&intake.message, right).map_err(|refused| refused.reply())?;
        // What a door was asked beside the message counts; only where it asked nothing, the message itself does.
        if intake.wishes == Wishes::default() {
            intake.wishes = wishes;
        }
        let keyed = idempotency::keyed(&intake, &credential.tenant);
        intake.message = bare.unwrap_or(intake.message);
        Ok((intake, keyed))
    }

    async fn first_under(&self, keyed: &Keyed) -> Option<Result<Taken, Reply>> {
        let first = idempotency::first(&self.ledger.store, keyed, self.ledger.clock.now()).await?;
        Some(first.map(|Answered { first, more }| Taken { first, more }))
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

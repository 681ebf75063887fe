//! Reports to senders: who is told what became of a message, and the message that tells it. Nothing here
//! writes: `outward` commits a report together with what it reports.
//!
//! Nobody is told about mail from nobody (RFC 5321 4.5.5): a report never begets another.

mod advice;

use super::details::{self, Wishes};
use crate::base::clock::Time;
use crate::base::id::{self, MessageId, TenantId};
use crate::base::random::Random;
use crate::mail::address::Address;
use crate::mail::domain_name::DomainName;
use crate::mail::dsn::{self, Action, Diagnostic, Told};
use crate::mail::envelope::{Envelope, MailParams, Notify, Recipient, Ret, ReversePath};
use crate::mail::received::{Hop, Protocol};
use crate::mail::status::Status;
use crate::model::delivery::Delivery;
use crate::model::directory::Directory;
use crate::model::intake::Intake;
use crate::model::message::{Message, Origin};
use crate::model::outcome::Why;
use crate::model::outcome::category::EXPIRED;
use crate::model::tenant::Bounces;
use std::time::Duration;

/// What became of a delivery, as far as its sender may care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End<'a> {
    /// It is given up.
    Failed(&'a Why),
    /// It is not delivered for so long that its sender may wonder.
    Delayed(&'a Why),
    /// Our own desk or store has it.
    Delivered,
    /// The next host took it, and reports nothing itself (no DSN in its EHLO): RFC 3461 5.2.2.
    Relayed,
    /// The next host took it with the sender's wishes, and reports itself: RFC 3461 5.2.1.
    PassedOn,
}

/// One delivery of a message, and its end.
#[derive(Clone, Copy, Debug)]
pub struct Ended<'a> {
    pub delivery: &'a Delivery,
    pub end: End<'a>,
    /// The host that said so, when one did.
    pub host: Option<&'a str>,
    /// When it was tried last.
    pub at: Time,
}

/// What a report is made in.
#[derive(Clone, Copy)]
pub struct Around<'a> {
    pub directory: &'a Directory,
    pub hostname: &'a DomainName,
    pub random: &'a Random,
    pub now: Time,
}

/// A report, and whose it is.
pub struct Report {
    pub intake: Intake,
    /// The message it is about: its tenant pays for the report, and what the sandbox kept of it stays there.
    pub about: MessageId,
    pub tenant: TenantId,
    pub is_sandboxed: bool,
}

/// Does the sender get a report about this end? Asked before the message's bytes are fetched.
pub fn is_wanted(message: &Message, delivery: &Delivery, end: &End<'_>, directory: &Directory) -> bool {
    if message.sender.address().is_none() || bounces(directory, &message.tenant) == Bounces::Event {
        return false;
    }
    // What cannot be read any more wished for nothing special.
    let notify = details::wishes(&delivery.details).unwrap_or_default().notify;
    match (end, notify) {
        (_, Some(Notify::Never)) | (End::PassedOn, _) => false,
        // RFC 3461 4.1: absent is FAILURE, or FAILURE,DELAY as we like: who waits for an answer should know.
        (End::Failed(_) | End::Delayed(_), None) => true,
        (End::Delivered | End::Relayed, None) => false,
        (End::Failed(_), Some(Notify::On { failure, .. })) => failure,
        (End::Delayed(_), Some(Notify::On { delay, .. })) => delay,
        (End::Delivered | End::Relayed, Some(Notify::On { success, .. })) => success,
    }
}

/// Is it time to tell the sender that it takes long? Once: with the first requeue behind that time. `before`
/// is when the delivery was put off the last time, none for its first.
pub fn is_delay_due(delivery: &Delivery, before: Option<Time>, now: Time, after: Duration) -> bool {
    let told_at = delivery.created_at.plus(after);
    !after.is_zero() && now >= told_at && before.is_none_or(|before| before < told_at)
}

/// One report about all deliveries of a message that ended together, if anyone wants one. `body` is the
/// message as it was prepared; without it the report says what its row knows.
pub fn report(message: &Message, body: Option<&[u8]>, ended: &[Ended<'_>], around: &Around<'_>) -> Option<Report> {
    let to = message.sender.address()?;
    let wanted = ended.iter().filter(|one| is_wanted(message, one.delivery, &one.end, around.directory));
    let told: Vec<_> = wanted.map(told).collect();
    if told.is_empty() {
        return None;
    }
    let from = postmaster(message, to, around);
    let id: MessageId = id::new(around.now, around.random);
    let params = details::params(&message.details).unwrap_or_default();
    let composed = dsn::Report {
        message_id: format!("{id}@{}", from.domain()),
        from,
        to: to.clone(),
        reporting_mta: around.hostname,
        boundary: format!("=_{id}"),
        at: around.now,
        envelope_id: params.envid.as_deref(),
        arrived: message.created_at,
        original_id: &message.header_id,
        subject: &message.subject,
        returned: body.map_or(dsn::Returned::Nothing, |_| returned(message, &params, &told)),
        told: &told,
        message: body.unwrap_or_default(),
        smtputf8: params.smtputf8,
    }
    .compose();
    let params = MailParams { body: composed.body, smtputf8: composed.smtputf8, ..MailParams::default() };
    Some(Report {
        intake: Intake {
            wishes: Default::default(),
            origin: Origin::Generated,
            submitter: None,
            hop: hop(around, composed.smtputf8),
            envelope: Envelope { sender: ReversePath::Null, params, recipients: vec![recipient(to)] },
            message: composed.bytes,
        },
        about: message.id.clone(),
        tenant: message.tenant.clone(),
        is_sandboxed: message.sandboxed_at.is_some(),
    })
}

/// RFC 3461 5.2: nobody reports about a report.
fn recipient(to: &Address) -> Recipient {
    Recipient { address: to.clone(), notify: Some(Notify::Never), original: None }
}

fn hop(around: &Around<'_>, utf8: bool) -> Hop {
    let protocol = Protocol { esmtp: true, tls: false, authenticated: false, utf8 };
    Hop { hello: None, address: None, by: around.hostname.clone(), protocol, tls: None, at: around.now }
}

fn bounces(directory: &Directory, tenant: &TenantId) -> Bounces {
    let limits = directory.tenant_named(tenant).and_then(|name| directory.tenant_limits(name));
    limits.map_or(Bounces::Report, |limits| limits.bounces)
}

/// Who reports: at the domain that sent the message if it is ours, else at the sender's if that is, else at
/// our own name. A domain of ours has a key, and its mail passes where mail from nobody does not.
fn postmaster(message: &Message, to: &Address, around: &Around<'_>) -> Address {
    let ours = |domain: &DomainName| around.directory.domain(domain).is_some();
    let domain = [&message.from_domain, to.domain()].into_iter().find(|domain| ours(domain));
    let domain = domain.unwrap_or(around.hostname);
    // Too long for an address no name is that a host or a domain of ours has: 14 bytes are to spare.
    let address = |domain: &DomainName| format!("MAILER-DAEMON@{domain}").parse().ok();
    address(domain).or_else(|| address(around.hostname)).unwrap_or_else(|| to.clone())
}

/// RFC 3461 4.3: all of it only when something failed, and nobody asked for less.
fn returned(message: &Message, params: &MailParams, told: &[Told]) -> dsn::Returned {
    let failed = told.iter().any(|told| told.action == Action::Failed);
    let is_ours = match message.origin {
        Origin::Submitted | Origin::Api | Origin::Answered | Origin::Generated => true,
        // Whoever pretends to be someone else shall not send him his text through us.
        Origin::Arrived | Origin::Collected => false,
    };
    match params.ret {
        // RFC 8689 5: the report may travel without TLS, so the text stays here.
        _ if params.require_tls || !failed => dsn::Returned::Headers,
        Some(Ret::Headers) => dsn::Returned::Headers,
        Some(Ret::Full) => dsn::Returned::Full,
        None if is_ours => dsn::Returned::Full,
        None => dsn::Returned::Headers,
    }
}

fn told(ended: &Ended<'_>) -> Told {
    let delivery = ended.delivery;
    let Wishes { original, .. } = details::wishes(&delivery.details).unwrap_or_default();
    let (action, status, why) = match ended.end {
        End::Failed(why) => (Action::Failed, given_up(why), Some(why)),
        End::Delayed(why) => (Action::Delayed, why.status.with_class(4), Some(why)),
        End::Delivered => (Action::Delivered, Status::new(2, 1, 5), None),
        End::Relayed | End::PassedOn => (Action::Relayed, Status::new(2, 1, 9), None),
    };
    Told {
        original,
        recipient: delivery.recipient.clone(),
        action,
        status,
        remote: ended.host.map(str::to_owned),
        diagnostic: why.map(diagnostic),
        last_attempt: Some(ended.at),
        retry_until: Some(delivery.expires_at),
        what: why.map(|why| advice::what(why, ended.host)).unwrap_or_default(),
        advice: why.map(|why| advice::next(why, action)).unwrap_or_default().to_owned(),
    }
}

/// RFC 3463 3.5: what expired keeps the class of what was put off.
fn given_up(why: &Why) -> Status {
    if why.category == EXPIRED { why.status } else { why.status.with_class(5) }
}

fn diagnostic(why: &Why) -> Diagnostic {
    match why.code {
        Some(code) => Diagnostic::Smtp(format!("{code} {}", why.text)),
        None => Diagnostic::Found(why.text.clone()),
    }
}

#[cfg(test)]
mod tests;

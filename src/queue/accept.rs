//! The rows of a message that is accepted: message, body, a delivery for each way to each recipient, and
//! the event that says so. Planned here, committed above; nothing here reads the store.

use super::ready::{Mail, Place, Ready, Stream};
use super::{details, schedule};
use crate::base::clock::Time;
use crate::base::id::{self, DeliveryId, MessageId, TenantId};
use crate::base::limits;
use crate::base::random::Random;
use crate::mail::domain_name::DomainName;
use crate::mail::envelope::{MailParams, Recipient};
use crate::mail::header::Header;
use crate::mail::text::readable;
use crate::model::delivery::{Delivery, Lease, NextHop, State};
use crate::model::event::Event;
use crate::model::intake::Intake;
use crate::model::message::{Form, Message, Origin};
use crate::model::wishes::{TemplateWish, Which};
use crate::store::Change;
use crate::store::mail::Body;
use std::sync::Arc;
use std::time::Duration;

/// What was decided about a message.
pub struct Acceptance<'a> {
    pub id: MessageId,
    pub tenant: TenantId,
    pub from_domain: DomainName,
    /// The Message-ID that it has, or is given.
    pub header_id: String,
    pub mode: Mode,
    /// What deliveries send.
    pub prepared: Vec<u8>,
    pub deliveries: Vec<Destined<'a>>,
    /// Recipients whose copy is forgotten.
    pub discarded: Vec<Discarded<'a>>,
    pub now: Time,
    /// How long a delivery is tried.
    pub expire: Duration,
}

/// What happens to what would leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Live,
    /// It is captured.
    Sandbox,
}

/// One way to one recipient.
pub struct Destined<'a> {
    pub recipient: &'a Recipient,
    pub hop: NextHop,
    pub entry: Entry,
    /// What decided, for the operator; none when it goes where its domain's mail goes.
    pub rule: Option<String>,
}

/// One recipient for whom nothing is kept, and the rule that said so.
pub struct Discarded<'a> {
    pub recipient: &'a Recipient,
    pub rule: String,
}

/// How a delivery begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// It is to be sent, at once or when its sender wished.
    Send,
    /// It waits for a human's decision.
    Hold,
    /// With this commit it has arrived.
    Keep,
}

/// What an accepted message becomes: its rows, and what goes on in memory once they are written.
#[derive(Default)]
pub struct Planned {
    pub change: Change,
    pub seated: Vec<Seated>,
    pub left: Vec<Left>,
}

/// A delivery that has a place in memory: its row says that it is leased to us.
pub struct Seated {
    pub delivery: Delivery,
    pub mail: Arc<Mail>,
    pub place: Place,
}

/// A delivery that waits in the store, ready to go.
pub struct Left {
    pub destination: String,
    pub stream: Stream,
}

impl Planned {
    /// With a caller's rows in the same commit.
    pub fn with(mut self, extra: Change) -> Self {
        self.change = self.change.and(extra);
        self
    }

    pub fn and(mut self, other: Self) -> Self {
        self.change = self.change.and(other.change);
        self.seated.extend(other.seated);
        self.left.extend(other.left);
        self
    }
}

/// Who gives places in memory, and under which lease.
pub struct Seating<'a> {
    pub ready: &'a Arc<Ready>,
    pub lease: &'a Lease,
    pub retry: &'a [Duration],
}

/// All rows of an accepted message. When everybody's copy is forgotten, only the events that say so.
pub fn plan(
    acceptance: Acceptance<'_>,
    intake: &Intake,
    header: &Header<'_>,
    seating: &Seating<'_>,
    random: &Random,
) -> Planned {
    let mut events: Vec<_> =
        acceptance.discarded.iter().map(|forgotten| discarded_event(&acceptance, intake, forgotten, random)).collect();
    if acceptance.deliveries.is_empty() {
        return Planned { change: Change { events, ..Change::default() }, ..Planned::default() };
    }
    let mut deliveries: Vec<_> =
        acceptance.deliveries.iter().map(|destined| delivery(&acceptance, intake, destined, random)).collect();
    events.push(event(&acceptance, intake, random));
    events.extend(deliveries.iter().filter(|d| d.state == State::Held).map(|held| held_event(held, random)));
    let message = message(&acceptance, intake, header);
    let prepared = Arc::new(acceptance.prepared);
    let body = Body::new(acceptance.id, Form::Prepared, prepared.clone());
    let (seated, left) = seat(&mut deliveries, (&message, &intake.envelope.params, prepared), seating, random);
    let change = Change { messages: vec![message], bodies: vec![body], deliveries, events, ..Change::default() };
    Planned { change, seated, left }
}

/// Gives places to the deliveries that can go at once: their rows are written as leased, with the time of the
/// next try, so that a crash costs no second write and no receiver a hammering.
fn seat(
    deliveries: &mut [Delivery],
    (message, params, prepared): (&Message, &MailParams, Arc<Vec<u8>>),
    seating: &Seating<'_>,
    random: &Random,
) -> (Vec<Seated>, Vec<Left>) {
    let (mut seated, mut left) = (Vec::new(), Vec::new());
    let mut mail: Option<Arc<Mail>> = None;
    let mut room = seating.ready.room.share();
    let fits = room.grow_to(prepared.len());
    let mut room = Some(room);
    for delivery in deliveries.iter_mut().filter(|delivery| delivery.state == State::Ready) {
        let stream = Stream { tenant: delivery.tenant.clone(), name: delivery.stream.clone() };
        let now = delivery.due_at;
        let place = fits.then(|| seating.ready.direct(&delivery.destination, &stream, now)).flatten();
        let Some(place) = place else {
            left.push(Left { destination: delivery.destination.clone(), stream });
            continue;
        };
        delivery.state = State::Leased;
        delivery.attempts = 1;
        delivery.due_at = schedule::next_try(seating.retry, 1, now, delivery.expires_at, random);
        delivery.lease = Some(seating.lease.clone());
        let mail = mail.get_or_insert_with(|| {
            let room = room.take().unwrap_or_else(|| seating.ready.room.share());
            Arc::new(Mail::new(message.clone(), params.clone(), prepared.clone(), room))
        });
        seated.push(Seated { delivery: delivery.clone(), mail: mail.clone(), place });
    }
    (seated, left)
}

fn message(acceptance: &Acceptance<'_>, intake: &Intake, header: &Header<'_>) -> Message {
    let subject = header.subject.map(|subject| readable(subject.value(), limits::SUBJECT_BYTES_MAX));
    Message {
        id: acceptance.id.clone(),
        tenant: acceptance.tenant.clone(),
        origin: intake.origin,
        submitter: intake.submitter.clone(),
        peer: intake.hop.address.map(|address| address.to_string()),
        sender: intake.envelope.sender.clone(),
        from_domain: acceptance.from_domain.clone(),
        subject: subject.unwrap_or_default(),
        header_id: acceptance.header_id.clone(),
        stream: stream(intake.origin).to_owned(),
        size: acceptance.prepared.len() as u64,
        sandboxed_at: (acceptance.mode == Mode::Sandbox).then_some(acceptance.now),
        template: intake.wishes.template.as_ref().map(label),
        details: details::of_message(&intake.envelope.params),
        created_at: acceptance.now,
    }
}

/// What a message was made of: the version is pinned by then.
fn label(wish: &TemplateWish) -> String {
    match &wish.which {
        Which::Inline => "inline".to_owned(),
        Which::Named { name, version: Some(version) } => format!("{name}@{version}"),
        Which::Named { name, version: None } => name.to_string(),
    }
}

fn is_from_the_world(origin: Origin) -> bool {
    match origin {
        Origin::Arrived | Origin::Collected => true,
        Origin::Submitted | Origin::Api | Origin::Answered | Origin::Generated => false,
    }
}

/// Which stream mail belongs to that names none.
fn stream(origin: Origin) -> &'static str {
    if is_from_the_world(origin) { "inbound" } else { "transactional" }
}

fn delivery(acceptance: &Acceptance<'_>, intake: &Intake, destined: &Destined<'_>, random: &Random) -> Delivery {
    let now = acceptance.now;
    // RFC 4865 4: not before the time that its sender wished.
    let later = intake.envelope.params.hold_until.filter(|until| *until > now);
    let (state, due_at) = match (destined.entry, later) {
        (Entry::Keep, _) => (State::Delivered, now),
        (Entry::Hold, _) => (State::Held, later.unwrap_or(now)),
        (Entry::Send, Some(until)) => (State::Scheduled, until),
        (Entry::Send, None) => (State::Ready, now),
    };
    let id: DeliveryId = id::new(now, random);
    Delivery {
        id,
        message: acceptance.id.clone(),
        tenant: acceptance.tenant.clone(),
        stream: stream(intake.origin).to_owned(),
        recipient: destined.recipient.address.clone(),
        destination: destined.hop.destination(&destined.recipient.address),
        state,
        reason: destined.rule.clone(),
        attempts: 0,
        due_at,
        expires_at: due_at.plus(acceptance.expire),
        lease: None,
        wanted: None,
        warned_at: None,
        details: details::of_delivery(destined.recipient),
        created_at: now,
    }
}

/// One for the message: its deliveries stand beside it with their states.
fn event(acceptance: &Acceptance<'_>, intake: &Intake, random: &Random) -> Event {
    let kind = if is_from_the_world(intake.origin) { "inbound.received" } else { "email.queued" };
    Event {
        id: id::new(acceptance.now, random),
        kind: kind.to_owned(),
        at: acceptance.now,
        tenant: Some(acceptance.tenant.clone()),
        message: Some(acceptance.id.clone()),
        delivery: None,
        data: format!("{{\"recipients\":{}}}", intake.envelope.recipients.len()),
    }
}

fn discarded_event(acceptance: &Acceptance<'_>, intake: &Intake, forgotten: &Discarded<'_>, random: &Random) -> Event {
    let kind = if is_from_the_world(intake.origin) { "inbound.discarded" } else { "email.discarded" };
    let data = serde_json::json!({
        "sender": intake.envelope.sender.to_string(),
        "recipient": forgotten.recipient.address.to_string(),
        "rule": forgotten.rule,
        "bytes": intake.message.len(),
    });
    Event {
        id: id::new(acceptance.now, random),
        kind: kind.to_owned(),
        at: acceptance.now,
        tenant: Some(acceptance.tenant.clone()),
        message: Some(acceptance.id.clone()),
        delivery: None,
        data: data.to_string(),
    }
}

fn held_event(held: &Delivery, random: &Random) -> Event {
    Event {
        id: id::new(held.created_at, random),
        kind: "email.held".to_owned(),
        at: held.created_at,
        tenant: Some(held.tenant.clone()),
        message: Some(held.message.clone()),
        delivery: Some(held.id.clone()),
        data: serde_json::json!({ "reason": held.reason }).to_string(),
    }
}

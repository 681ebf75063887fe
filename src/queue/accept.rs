//! The rows of a message that is accepted: message, body, a delivery for each way to each recipient, and
//! the event that says so. Planned here, committed above; nothing here reads the store.

use super::finish::Finish;
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
use crate::model::wishes::{TemplateWish, Warning, Which};
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
    /// As people read it.
    pub subject: String,
    /// So many bytes came.
    pub bytes: usize,
    pub mode: Mode,
    /// Which kind of mail it is, by its name.
    pub stream: &'a str,
    /// What deliveries send, and what is left to be done to it then.
    pub prepared: Vec<u8>,
    pub finish: Finish,
    /// What became of its links, for people.
    pub links: Option<serde_json::Value>,
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
    /// Its recipient is not written to: it is shown, with the reason, and nothing is sent.
    Suppress,
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
pub fn plan(acceptance: Acceptance<'_>, intake: &Intake, seating: &Seating<'_>, random: &Random) -> Planned {
    let mut events: Vec<_> =
        acceptance.discarded.iter().map(|forgotten| discarded_event(&acceptance, intake, forgotten, random)).collect();
    if acceptance.deliveries.is_empty() {
        return Planned { change: Change { events, ..Change::default() }, ..Planned::default() };
    }
    let mut deliveries: Vec<_> = (acceptance.deliveries.iter().zip(ids_in_order(&acceptance, random)))
        .map(|(destined, id)| delivery(&acceptance, intake, destined, id))
        .collect();
    events.push(event(&acceptance, intake, random));
    events.extend(warned_event(&acceptance, intake, random));
    let at_their_end = deliveries.iter().filter_map(|delivery| at_once_event(delivery, random));
    events.extend(at_their_end);
    let message = message(&acceptance, intake);
    let prepared = Arc::new(acceptance.prepared);
    let body = Body::new(acceptance.id, Form::Prepared, prepared.clone());
    let whole = Whole { message: &message, params: &intake.envelope.params, prepared, finish: acceptance.finish };
    let (seated, left) = seat(&mut deliveries, whole, seating, random);
    let change = Change { messages: vec![message], bodies: vec![body], deliveries, events, ..Change::default() };
    Planned { change, seated, left }
}

/// A message as it goes on in memory.
struct Whole<'a> {
    message: &'a Message,
    params: &'a MailParams,
    prepared: Arc<Vec<u8>>,
    finish: Finish,
}

/// Gives places to the deliveries that can go at once: their rows are written as leased, with the time of the
/// next try, so that a crash costs no second write and no receiver a hammering.
fn seat(
    deliveries: &mut [Delivery],
    whole: Whole<'_>,
    seating: &Seating<'_>,
    random: &Random,
) -> (Vec<Seated>, Vec<Left>) {
    let (mut seated, mut left) = (Vec::new(), Vec::new());
    let mut mail: Option<Arc<Mail>> = None;
    let mut room = seating.ready.room.share();
    let fits = room.grow_to(whole.prepared.len());
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
            let Whole { message, params, prepared, finish } = &whole;
            let mail = Mail::new((*message).clone(), (*params).clone(), prepared.clone(), room);
            Arc::new(mail.to_finish(finish.clone()))
        });
        seated.push(Seated { delivery: delivery.clone(), mail: mail.clone(), place });
    }
    (seated, left)
}

/// The subject of a message as people read it.
pub fn subject(header: &Header<'_>) -> String {
    header.subject.map(|subject| readable(subject.value(), limits::SUBJECT_BYTES_MAX)).unwrap_or_default()
}

fn message(acceptance: &Acceptance<'_>, intake: &Intake) -> Message {
    Message {
        id: acceptance.id.clone(),
        tenant: acceptance.tenant.clone(),
        origin: intake.origin,
        submitter: intake.submitter.clone(),
        peer: intake.hop.address.map(|address| address.to_string()),
        sender: intake.envelope.sender.clone(),
        from_domain: acceptance.from_domain.clone(),
        subject: acceptance.subject.clone(),
        header_id: acceptance.header_id.clone(),
        stream: acceptance.stream.to_owned(),
        size: acceptance.prepared.len() as u64,
        sandboxed_at: (acceptance.mode == Mode::Sandbox).then_some(acceptance.now),
        template: intake.wishes.template.as_ref().map(label),
        details: details::of_message(
            &intake.envelope.params,
            &intake.wishes,
            &acceptance.finish,
            acceptance.links.as_ref(),
        ),
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

/// The store gives deliveries of one moment out by their ids: so recipients keep the order that their sender gave them.
fn ids_in_order(acceptance: &Acceptance<'_>, random: &Random) -> Vec<DeliveryId> {
    let mut ids: Vec<DeliveryId> = acceptance.deliveries.iter().map(|_| id::new(acceptance.now, random)).collect();
    ids.sort_unstable();
    ids
}

fn delivery(acceptance: &Acceptance<'_>, intake: &Intake, destined: &Destined<'_>, id: DeliveryId) -> Delivery {
    let now = acceptance.now;
    // RFC 4865 4: not before the time that its sender wished, in the envelope or in a header: the later of them.
    let later = intake.envelope.params.hold_until.max(intake.wishes.send_at).filter(|until| *until > now);
    let (state, due_at) = match (destined.entry, later) {
        (Entry::Keep, _) => (State::Delivered, now),
        (Entry::Suppress, _) => (State::Suppressed, now),
        (Entry::Hold, _) => (State::Held, later.unwrap_or(now)),
        (Entry::Send, Some(until)) => (State::Scheduled, until),
        (Entry::Send, None) => (State::Ready, now),
    };
    Delivery {
        id,
        message: acceptance.id.clone(),
        tenant: acceptance.tenant.clone(),
        stream: acceptance.stream.to_owned(),
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

/// What its sender asked for in vain.
fn warned_event(acceptance: &Acceptance<'_>, intake: &Intake, random: &Random) -> Option<Event> {
    let warnings = &intake.wishes.warnings;
    if warnings.is_empty() {
        return None;
    }
    let told = |warning: &Warning| serde_json::json!({ "header": warning.header, "reason": warning.why });
    Some(Event {
        id: id::new(acceptance.now, random),
        kind: "email.warned".to_owned(),
        at: acceptance.now,
        tenant: Some(acceptance.tenant.clone()),
        message: Some(acceptance.id.clone()),
        delivery: None,
        data: serde_json::json!({ "warnings": warnings.iter().map(told).collect::<Vec<_>>() }).to_string(),
    })
}

fn discarded_event(acceptance: &Acceptance<'_>, intake: &Intake, forgotten: &Discarded<'_>, random: &Random) -> Event {
    let kind = if is_from_the_world(intake.origin) { "inbound.discarded" } else { "email.discarded" };
    let data = serde_json::json!({
        "sender": intake.envelope.sender.to_string(),
        "recipient": forgotten.recipient.address.to_string(),
        "rule": forgotten.rule,
        "bytes": acceptance.bytes,
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

/// What is told of a delivery that does not go its way at once.
fn at_once_event(delivery: &Delivery, random: &Random) -> Option<Event> {
    let (kind, data) = match delivery.state {
        State::Held => ("email.held", serde_json::json!({ "reason": delivery.reason })),
        State::Suppressed => {
            let recipient = delivery.recipient.to_string();
            ("email.suppressed", serde_json::json!({ "recipient": recipient, "reason": delivery.reason }))
        }
        _ => return None,
    };
    Some(Event {
        id: id::new(delivery.created_at, random),
        kind: kind.to_owned(),
        at: delivery.created_at,
        tenant: Some(delivery.tenant.clone()),
        message: Some(delivery.message.clone()),
        delivery: Some(delivery.id.clone()),
        data: data.to_string(),
    })
}

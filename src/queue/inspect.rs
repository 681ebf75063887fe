//! The queue for people: lists of what waits, the destinations it waits for, and the life of one message,
//! in rows and in sentences. It reads and changes nothing.

use crate::base::clock::Time;
use crate::base::id::{DeliveryId, MessageId, NotAnId};
use crate::base::limits;
use crate::model::delivery::{Attempt, State, Wish};
use crate::model::event::Event;
use crate::model::message::{Message, Origin};
use crate::store::{Store, StoreError};
use std::time::Duration;

pub use crate::store::waiting::{DestinationSummary, Entry, Filter, Page, Which};

/// What somebody asks about: an id says of itself which it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    Message(MessageId),
    Delivery(DeliveryId),
}

impl std::str::FromStr for Subject {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        match text.parse() {
            Ok(delivery) => Ok(Self::Delivery(delivery)),
            Err(_) => text.parse().map(Self::Message),
        }
    }
}

/// Everything that is known of a message, or of one of its deliveries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Life {
    pub message: Message,
    pub deliveries: Vec<Entry>,
    pub attempts: Vec<Attempt>,
    /// In the order in which they happened; the newest when there are too many.
    pub events: Vec<Event>,
    /// There are more than `LIFE_ROWS_MAX` of something.
    pub cut: bool,
}

/// A page of deliveries behind `after` ("" for the first). It may be short, or empty, and still have a next
/// one: a page looks at a bounded number of rows.
pub async fn list(store: &Store, filter: &Filter, after: &str, rows: usize) -> Result<Page<Entry>, StoreError> {
    store.list(filter, after, rows).await
}

/// A page of the destinations that something waits for, by name.
pub async fn destinations(store: &Store, after: &str, rows: usize) -> Result<Page<DestinationSummary>, StoreError> {
    store.destinations(after, rows).await
}

/// The life of a message, or of one delivery of it; none when there is no such thing (any more). Whether
/// the asker may know of it is for the asker's door to say: the message names its tenant.
pub async fn show(store: &Store, subject: &Subject) -> Result<Option<Life>, StoreError> {
    let rows = limits::LIFE_ROWS_MAX as usize;
    let (id, deliveries) = match subject {
        Subject::Message(id) => (id.clone(), store.entries_of(id, "", rows).await?),
        Subject::Delivery(id) => match store.entry(id).await? {
            Some(entry) => (entry.delivery.message.clone(), vec![entry]),
            None => return Ok(None),
        },
    };
    let Some(message) = store.message(&id).await? else { return Ok(None) };
    let (mut attempts, mut events) = match subject {
        Subject::Message(_) => (store.attempts_of_message(&id).await?, store.newest_events_of(&id).await?),
        Subject::Delivery(delivery) => {
            (store.attempts_of(delivery.as_str(), 0).await?, store.newest_events_of(&id).await?)
        }
    };
    let cut = [deliveries.len(), attempts.len(), events.len()].contains(&rows);
    if let Subject::Delivery(delivery) = subject {
        events.retain(|event| event.delivery.as_ref().is_none_or(|of| of == delivery));
        attempts.retain(|attempt| attempt.delivery == *delivery);
    }
    Ok(Some(Life { message, deliveries, attempts, events, cut }))
}

/// The same in sentences: where each copy is, why, since when, and what happens next.
pub fn tell(life: &Life, now: Time) -> Vec<String> {
    let mut sentences = vec![accepted(&life.message)];
    for entry in &life.deliveries {
        let tries = life.attempts.iter().filter(|attempt| attempt.delivery == entry.delivery.id);
        let recovered = life
            .events
            .iter()
            .any(|event| event.kind == "delivery.recovered" && event.delivery.as_ref() == Some(&entry.delivery.id));
        sentences.push(of_delivery(entry, tries.max_by_key(|attempt| attempt.number), recovered, now));
    }
    if life.cut {
        sentences.push(format!("There is more than is shown here: {} rows of each kind are.", limits::LIFE_ROWS_MAX));
    }
    sentences
}

fn accepted(message: &Message) -> String {
    let door = match message.origin {
        Origin::Submitted => "submitted",
        Origin::Api => "given to the API",
        Origin::Arrived => "received from the world",
        Origin::Collected => "collected from a mailbox",
        Origin::Answered => "written at the desk",
        Origin::Generated => "made here",
    };
    let by = message.submitter.as_ref().map_or_else(String::new, |who| format!(" by {who}"));
    let peer = message.peer.as_ref().map_or_else(String::new, |peer| format!(" from {peer}"));
    let sandbox = match message.sandboxed_at {
        Some(_) => " It was taken in the sandbox and never leaves it.",
        None => "",
    };
    format!(
        "{} \"{}\" of {}, {} bytes, was {door}{by}{peer} at {}.{sandbox}",
        message.id, message.subject, message.sender, message.size, message.created_at
    )
}

/// One delivery in one paragraph.
fn of_delivery(entry: &Entry, last: Option<&Attempt>, recovered: bool, now: Time) -> String {
    let delivery = &entry.delivery;
    let mut text = format!("To {} ({}): {}.", delivery.recipient, delivery.id, standing(entry, now));
    if let Some(reason) = delivery.reason.as_deref().filter(|reason| !reason.is_empty()) {
        text.push_str(&format!(" Why: {}.", reason.trim_end_matches('.')));
    }
    if let Some(last) = last {
        text.push_str(&format!(" {}", tried(delivery.attempts, last)));
    }
    if recovered {
        text.push_str(" A node stopped in the middle of a try: it may arrive twice.");
    }
    if let Some(warned) = delivery.warned_at {
        text.push_str(&format!(" Its sender was told of the delay at {warned}."));
    }
    let next = next(entry, now);
    if !next.is_empty() {
        text.push_str(&format!(" Next: {next}."));
    }
    text
}

/// Where it is, and since when.
fn standing(entry: &Entry, now: Time) -> String {
    let place = place(&entry.delivery.destination);
    let since = format!("since {} ({})", entry.since, span(now.since(entry.since)));
    match entry.delivery.state {
        State::Scheduled => format!("scheduled for {place}, as its sender wished, {since}"),
        State::Held => format!("held on its way to {place} {since}"),
        State::Ready => format!("queued for {place} {since}"),
        State::Leased => format!("being sent to {place} {since}, try {}", entry.delivery.attempts),
        State::Deferred => format!("put off on its way to {place} {since}"),
        State::Sent => format!("{place} took it at {}", entry.since),
        State::Delivered => format!("delivered to {place} at {}", entry.since),
        State::Captured => format!("captured in the sandbox at {}", entry.since),
        State::Bounced => format!("bounced by {place} at {}", entry.since),
        State::Failed => format!("given up at {}", entry.since),
        State::Suppressed => format!("not sent because the address is suppressed, at {}", entry.since),
        State::Cancelled => format!("canceled at {}", entry.since),
    }
}

fn place(destination: &str) -> String {
    match destination.split_once(':') {
        Some(("mx", domain)) => format!("the mail servers of {domain}"),
        Some(("relay", name)) => format!("the relay {name}"),
        Some(("local", "store")) => "the store".to_owned(),
        Some(("local", mailbox)) => format!("the mailbox {mailbox}"),
        _ => destination.to_owned(),
    }
}

fn tried(attempts: i64, last: &Attempt) -> String {
    let host = match (&last.host, &last.address) {
        (Some(host), Some(address)) => format!(" at {host} ({address})"),
        (Some(host), None) | (None, Some(host)) => format!(" at {host}"),
        (None, None) => String::new(),
    };
    let said = last.reply.as_ref().map_or_else(String::new, |reply| format!(": {reply}"));
    let of = if attempts > 1 { format!("The last of {attempts} tries") } else { "The try".to_owned() };
    format!("{of}, {}{host}, ended as {}{said}.", last.started_at, last.outcome)
}

/// What happens next; nothing when it is over.
fn next(entry: &Entry, now: Time) -> String {
    let delivery = &entry.delivery;
    let until = format!("it is given up at {} ({})", delivery.expires_at, ahead(delivery.expires_at, now));
    let due = format!("{} ({})", delivery.due_at, ahead(delivery.due_at, now));
    match (delivery.state, delivery.wanted) {
        (State::Scheduled, _) => format!("it is sent at {due}"),
        (State::Held, _) => "nothing, until somebody releases or cancels it".to_owned(),
        (State::Ready, _) => format!("it is tried when the turn of its destination comes; {until}"),
        (State::Leased, Some(Wish::Hold)) => "if this try does not end it, it is held".to_owned(),
        (State::Leased, Some(Wish::Cancel)) => "if this try does not end it, it is canceled".to_owned(),
        (State::Leased, None) => format!("the try ends, or another follows at {due}; {until}"),
        (State::Deferred, _) => format!("it is tried again at {due}; {until}"),
        _ => String::new(),
    }
}

fn ahead(at: Time, now: Time) -> String {
    if at <= now { "now".to_owned() } else { format!("in {}", span(at.since(now))) }
}

/// A time span as people say it: its largest unit.
fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

//! `GET /api/v1/emails/{id}`: the whole life of a message, or of one of its deliveries.

use super::fields::Fields;
use super::queue::{Row, sender};
use super::store_failed;
use crate::http::auth::SuperAdmin;
use crate::http::destinations::Stand;
use crate::http::error::{ApiError, Kind};
use crate::http::router::Context;
use crate::model::delivery::Attempt;
use crate::model::directory::Directory;
use crate::model::event::Event;
use crate::model::name::Name;
use crate::queue::inspect::{self, Life, Subject};
use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use serde_json::Value;

#[derive(Debug, Serialize)]
pub(super) struct Email {
    object: &'static str,
    id: String,
    tenant: Option<String>,
    origin: &'static str,
    submitter: Option<String>,
    peer: Option<String>,
    from: String,
    subject: String,
    /// The Message-ID header field.
    message_id: String,
    stream: String,
    size: u64,
    sandbox: bool,
    created_at: String,
    tags: Value,
    metadata: Value,
    /// What else its sender wished, in the envelope and in control headers; `removed` are those, as they stood there.
    details: Value,
    /// Where it comes from, in a sentence.
    story: String,
    deliveries: Vec<Told>,
    /// What happened, the newest when there is too much.
    timeline: Vec<Happened>,
    /// There are more deliveries, attempts or events than these.
    truncated: bool,
}

/// A delivery with its tries.
#[derive(Debug, Serialize)]
struct Told {
    #[serde(flatten)]
    row: Row,
    /// Where it is, why, since when, and what happens next.
    story: String,
    tries: Vec<Try>,
}

#[derive(Debug, Serialize)]
struct Try {
    number: i64,
    at: String,
    took_ms: u64,
    outcome: String,
    host: Option<String>,
    address: Option<String>,
    tls: Option<String>,
    reply: Option<String>,
    /// What else is known: the dialogue, when it was recorded.
    details: Value,
}

#[derive(Debug, Serialize)]
struct Happened {
    id: String,
    kind: String,
    at: String,
    delivery_id: Option<String>,
    data: Value,
}

pub(super) async fn show(
    _: SuperAdmin,
    State(context): State<Context>,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Json<Email>, ApiError> {
    fields.end()?;
    let queue = context.queue()?;
    let subject: Subject = id.parse().map_err(|_| unknown())?;
    let life = inspect::show(&queue.ledger.store, &subject).await.map_err(store_failed)?.ok_or_else(unknown)?;
    let mut story = inspect::tell(&life, context.clock.now());
    if let Some(stand) = &queue.stand {
        suspended(&life, stand, &mut story);
    }
    Ok(Json(told(&life, story, &queue.ledger.directory.load())))
}

/// What waits for a destination that nothing is sent to now says so: its row cannot know.
fn suspended(life: &Life, stand: &Stand, story: &mut [String]) {
    let names: Vec<_> = life.deliveries.iter().map(|entry| entry.delivery.destination.clone()).collect();
    let standings = stand(&names);
    // The first sentence is the message's.
    for ((entry, standing), told) in life.deliveries.iter().zip(&standings).zip(story.iter_mut().skip(1)) {
        if let Some(suspension) = standing.suspended.as_ref().filter(|_| !entry.delivery.state.is_final()) {
            told.push_str(&format!(" {} is {suspension}.", entry.delivery.destination));
        }
    }
}

pub(super) fn unknown() -> ApiError {
    let message = "there is no message (em_…) or delivery (dl_…) with this id, or it was purged";
    ApiError::new(Kind::NotFound, "unknown_email", message)
}

/// The sentences are one for the message, then one for each delivery in their order.
fn told(life: &Life, story: Vec<String>, directory: &Directory) -> Email {
    let message = &life.message;
    let mut details = json(&message.details);
    let mut story = story.into_iter();
    let of_message = story.next().unwrap_or_default();
    let deliveries = life.deliveries.iter().map(|entry| Told {
        row: Row::of(entry, directory),
        story: story.next().unwrap_or_default(),
        tries: life.attempts.iter().filter(|tried| tried.delivery == entry.delivery.id).map(one_try).collect(),
    });
    Email {
        object: "email",
        id: message.id.to_string(),
        tenant: directory.tenant_named(&message.tenant).map(Name::to_string),
        origin: message.origin.word(),
        submitter: message.submitter.clone(),
        peer: message.peer.clone(),
        from: sender(&message.sender),
        subject: message.subject.clone(),
        message_id: message.header_id.clone(),
        stream: message.stream.clone(),
        size: message.size,
        sandbox: message.sandboxed_at.is_some(),
        created_at: message.created_at.to_string(),
        tags: details.get_mut("tags").map_or_else(|| Value::Array(Vec::new()), Value::take),
        metadata: details.get_mut("metadata").map_or_else(|| Value::Object(Default::default()), Value::take),
        details: without_null(details),
        story: of_message,
        deliveries: deliveries.collect(),
        timeline: life.events.iter().map(happened).collect(),
        truncated: life.cut,
    }
}

/// What was taken out of it is told elsewhere.
fn without_null(mut details: Value) -> Value {
    if let Value::Object(map) = &mut details {
        map.retain(|_, value| !value.is_null());
    }
    details
}

fn one_try(tried: &Attempt) -> Try {
    Try {
        number: tried.number,
        at: tried.started_at.to_string(),
        took_ms: u64::try_from(tried.took.as_millis()).unwrap_or(u64::MAX),
        outcome: tried.outcome.clone(),
        host: tried.host.clone(),
        address: tried.address.clone(),
        tls: tried.tls.clone(),
        reply: tried.reply.clone(),
        details: json(&tried.details),
    }
}

fn happened(event: &Event) -> Happened {
    Happened {
        id: event.id.to_string(),
        kind: event.kind.clone(),
        at: event.at.to_string(),
        delivery_id: event.delivery.as_ref().map(ToString::to_string),
        data: json(&event.data),
    }
}

/// A row's JSON; what cannot be read is shown as the text it is.
fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

//! The end of a stream of mail. To look changes nothing, since programs look at every link; a POST acts, without a
//! login and without a question (RFC 8058 3.2), and asking again changes nothing more.

use super::{Tracking, page};
use crate::base::clock::Time;
use crate::base::id;
use crate::base::observe::Happening;
use crate::base::random::Random;
use crate::content::token::Opened;
use crate::content::unsubscribe::{Asked, asked};
use crate::http::happenings::Followed;
use crate::http::router::Context;
use crate::model::event::Event;
use crate::model::suppression::{Cause, Suppressed, Suppression, Whence};
use crate::store::suppressions::{lift_suppression, suppress};
use crate::store::waiting::Entry;
use crate::store::{Change, Store, StoreError};
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use serde_json::json;
use tokio::sync::Mutex;

/// One at a time: who clicks twice is written down once.
#[derive(Default)]
pub(super) struct Unsubscribing(Mutex<()>);

/// What became of it.
enum Done {
    Stopped,
    Resumed,
    /// There is nothing that the recipient could take back.
    NothingToResume,
}

impl Unsubscribing {
    pub async fn answer(&self, context: &Context, tracking: &Tracking, opened: &Opened, request: Request) -> Response {
        if request.method() != Method::POST {
            Followed { what: "unsubscribe_page" }.record();
            return page::unsubscribe();
        }
        let kind = content_type(request.headers());
        let Ok(body) = Bytes::from_request(request, &()).await else { return page::too_much() };
        let Some(asked) = asked(&kind, &body) else { return page::not_understood() };
        let store = &tracking.store;
        let entry = match store.entry(&opened.delivery).await {
            Ok(Some(entry)) if entry.delivery.message == opened.head.message => entry,
            // Nobody knows any more whom it was sent to.
            Ok(_) => return page::unknown(),
            Err(error) => return page::store_failed(&error),
        };
        let (now, random) = (context.clock.now(), &context.random);
        let _turn = self.0.lock().await;
        let done = match asked {
            Asked::Stop => stop(store, &entry, now, random).await,
            Asked::Resume => resume(store, &entry, now, random).await,
        };
        match done {
            Ok(Done::Stopped) => {
                Followed { what: "unsubscribe" }.record();
                page::unsubscribed(entry.from_domain.as_str())
            }
            Ok(Done::Resumed) => {
                Followed { what: "resubscribe" }.record();
                page::resubscribed(entry.from_domain.as_str())
            }
            Ok(Done::NothingToResume) => page::nothing_changed(),
            Err(error) => page::store_failed(&error),
        }
    }
}

fn content_type(headers: &HeaderMap) -> String {
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

async fn stop(store: &Store, entry: &Entry, now: Time, random: &Random) -> Result<Done, StoreError> {
    let standing = standing(store, entry).await?;
    if standing.is_some_and(|standing| standing.expires_at.is_none()) {
        // It is so already, or for a reason that weighs more.
        return Ok(Done::Stopped);
    }
    let delivery = &entry.delivery;
    let suppression = Suppression {
        id: id::new(now, random),
        tenant: delivery.tenant.clone(),
        domain: entry.from_domain.to_string(),
        stream: delivery.stream.clone(),
        whom: Suppressed::Address(delivery.recipient.clone()),
        reason: Cause::Unsubscribe,
        origin: Whence::Recipient,
        note: format!("unsubscribed from {}", delivery.message),
        created_at: now,
        expires_at: None,
    };
    let change = Change::of(suppress(&suppression)).and(happened("email.unsubscribed", entry, now, random));
    store.write(change).await.map(|_| Done::Stopped)
}

async fn resume(store: &Store, entry: &Entry, now: Time, random: &Random) -> Result<Done, StoreError> {
    let theirs = |standing: &Suppression| standing.reason == Cause::Unsubscribe && standing.origin == Whence::Recipient;
    let Some(standing) = standing(store, entry).await?.filter(theirs) else { return Ok(Done::NothingToResume) };
    let lifted = Change::of(lift_suppression(&standing.tenant, &standing.id));
    match store.write(lifted.and(happened("email.resubscribed", entry, now, random))).await {
        // Another node was faster.
        Ok(_) | Err(StoreError::Conflict { .. }) => Ok(Done::Resumed),
        Err(error) => Err(error),
    }
}

/// What stands for this recipient, in this stream of this domain.
async fn standing(store: &Store, entry: &Entry) -> Result<Option<Suppression>, StoreError> {
    let Entry { delivery, from_domain, .. } = entry;
    let whom = Suppressed::Address(delivery.recipient.clone());
    store.suppression_at(&delivery.tenant, &whom, from_domain.as_str(), &delivery.stream).await
}

fn happened(kind: &str, entry: &Entry, now: Time, random: &Random) -> Change {
    let delivery = &entry.delivery;
    let data = json!({
        "recipient": delivery.recipient.to_string(),
        "domain": entry.from_domain.as_str(),
        "stream": delivery.stream,
    });
    let event = Event {
        id: id::new(now, random),
        kind: kind.to_owned(),
        at: now,
        tenant: Some(delivery.tenant.clone()),
        message: Some(delivery.message.clone()),
        delivery: Some(delivery.id.clone()),
        data: data.to_string(),
    };
    Change { events: vec![event], ..Change::default() }
}

//! `/api/v1/queue/destinations`: what waits for each, and steering one of them.

use super::fields::{Body, Fields, invalid};
use super::list::List;
use super::store_failed;
use crate::base::limits;
use crate::base::settings::Scalar;
use crate::http::auth::SuperAdmin;
use crate::http::destinations::{Asked, Order, Standing, Steer};
use crate::http::error::{ApiError, Kind};
use crate::http::router::Context;
use crate::mail::domain_name::DomainName;
use crate::model::name::Name;
use crate::model::rate::Rate;
use crate::queue::inspect::{self, DestinationSummary};
use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use std::time::Duration;

/// What waits for a destination, and what is done about it.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    object: &'static str,
    id: String,
    waiting: Waiting,
    /// Which of these counts stopped before the end.
    more: More,
    /// When the oldest of what waits was taken.
    oldest_at: Option<String>,
    /// Why the latest of what was put off was put off.
    last_error: Option<String>,
    #[serde(flatten)]
    standing: Standing,
}

#[derive(Debug, Serialize)]
struct Waiting {
    queued: u64,
    sending: u64,
    deferred: u64,
    scheduled: u64,
    held: u64,
}

#[derive(Debug, Serialize)]
struct More {
    queued: bool,
    sending: bool,
    deferred: bool,
    scheduled: bool,
    held: bool,
}

fn row(summary: &DestinationSummary, standing: Standing) -> Row {
    let DestinationSummary { destination, ready, leased, deferred, scheduled, held, oldest, last_error } = summary;
    let is_cut = |count: &u64| i64::try_from(*count).is_ok_and(|count| count >= limits::DESTINATION_COUNTED_MAX);
    Row {
        object: "destination",
        id: destination.clone(),
        waiting: Waiting { queued: *ready, sending: *leased, deferred: *deferred, scheduled: *scheduled, held: *held },
        more: More {
            queued: is_cut(ready),
            sending: false,
            deferred: is_cut(deferred),
            scheduled: is_cut(scheduled),
            held: is_cut(held),
        },
        oldest_at: oldest.map(|at| at.to_string()),
        last_error: last_error.clone(),
        standing,
    }
}

pub(super) async fn list(
    _: SuperAdmin,
    State(context): State<Context>,
    mut fields: Fields,
) -> Result<Json<List<Row>>, ApiError> {
    let queue = context.queue()?;
    let limit = fields.limit()?;
    let after = fields.text("after")?.unwrap_or_default();
    fields.end()?;
    let page = inspect::destinations(&queue.ledger.store, &after, limit).await.map_err(store_failed)?;
    let names: Vec<_> = page.items.iter().map(|summary| summary.destination.clone()).collect();
    let mut standings = queue.stand.as_ref().map(|stand| stand(&names)).unwrap_or_default();
    standings.resize_with(names.len(), Standing::default);
    let rows = page.items.iter().zip(standings).map(|(summary, standing)| row(summary, standing)).collect();
    Ok(Json(List::new(rows, page.next)))
}

/// How one destination stands, after it was steered.
#[derive(Debug, Serialize)]
pub(super) struct Steered {
    object: &'static str,
    id: String,
    #[serde(flatten)]
    standing: Standing,
}

pub(super) async fn suspend(
    admin: SuperAdmin,
    State(context): State<Context>,
    Path(destination): Path<String>,
    Body(mut fields): Body,
) -> Result<Json<Steered>, ApiError> {
    let pause = fields.text("for")?.map(|text| pause(&text)).transpose()?;
    let reason = fields.text("reason")?;
    fields.end()?;
    let until = pause.map(|pause| context.clock.now().plus(pause));
    steer(&context, admin, &destination, Order::Suspend { until, reason }).await
}

pub(super) async fn resume(
    admin: SuperAdmin,
    State(context): State<Context>,
    Path(destination): Path<String>,
    Body(fields): Body,
) -> Result<Json<Steered>, ApiError> {
    fields.end()?;
    steer(&context, admin, &destination, Order::Resume).await
}

pub(super) async fn rate(
    admin: SuperAdmin,
    State(context): State<Context>,
    Path(destination): Path<String>,
    Body(mut fields): Body,
) -> Result<Json<Steered>, ApiError> {
    // Nothing said would lift a rate that somebody set: it has to be null.
    if !fields.is_named("rate") {
        let message = "\"rate\" is missing: a rate like \"100/minute\", or null for what the configuration says";
        return Err(invalid("missing_field", message).with_param("rate"));
    }
    let rate: Option<Rate> = fields.parsed("rate", "a rate like \"100/minute\"")?;
    fields.end()?;
    steer(&context, admin, &destination, Order::Rate(rate)).await
}

async fn steer(
    context: &Context,
    admin: SuperAdmin,
    destination: &str,
    order: Order,
) -> Result<Json<Steered>, ApiError> {
    let id = destination_named("destination", destination)?;
    let steer: &Steer = context.queue()?.steer.as_ref().ok_or_else(nothing_is_delivered)?;
    let standing = steer(Asked { destination: id.clone(), order, by: admin.by }).await?;
    Ok(Json(Steered { object: "destination", id, standing }))
}

fn nothing_is_delivered() -> ApiError {
    let message = "this daemon delivers nothing, so there is nothing to steer";
    ApiError::new(Kind::Unavailable, "not_delivering", message)
}

fn pause(text: &str) -> Result<Duration, ApiError> {
    let max = limits::SUSPENSION_BY_HAND_MAX;
    let pause = <Duration as Scalar>::parse(text).ok().filter(|pause| !pause.is_zero() && *pause <= max);
    pause.ok_or_else(|| {
        let message = format!("\"for\" takes a time like \"30m\" or \"2h\", at most {}", Scalar::write(&max));
        invalid("invalid_field", message).with_param("for")
    })
}

/// `mx:example.net`, `relay:upstream`, `local:support`; a domain alone is meant as `mx:`.
pub(super) fn destination_named(param: &str, text: &str) -> Result<String, ApiError> {
    let wrong = |why: String| {
        let message = format!("\"{param}\" takes mx:example.net, relay:upstream or local:support: {why}");
        invalid("invalid_field", message).with_param(param)
    };
    let domain = |text: &str| text.parse::<DomainName>().map_err(|why| wrong(why.to_string()));
    let name = |text: &str| text.parse::<Name>().map_err(|why| wrong(why.to_string()));
    match text.split_once(':') {
        None => Ok(format!("mx:{}", domain(text)?)),
        Some(("mx", text)) => Ok(format!("mx:{}", domain(text)?)),
        Some((kind @ ("relay" | "local"), text)) => Ok(format!("{kind}:{}", name(text)?)),
        Some(_) => Err(wrong("before the : stands mx, relay or local".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_has_one_name() {
        let named = |text| destination_named("destination", text).map_err(|why| why.message().to_owned());
        for (text, name) in [
            ("gmail.com", "mx:gmail.com"),
            ("mx:GMail.com.", "mx:gmail.com"),
            ("relay:upstream", "relay:upstream"),
            ("local:support", "local:support"),
        ] {
            assert_eq!(named(text).unwrap(), name);
        }
        for wrong in ["", "mx:", "relay:", "relay:a b", "mail:x", "a@b.example", "mx:a/../b", "local:*"] {
            assert!(named(wrong).unwrap_err().starts_with("\"destination\" takes"), "{wrong}");
        }
    }

    #[test]
    fn a_suspension_has_an_end_or_none_at_all() {
        assert_eq!(pause("2h").unwrap().as_secs(), 7_200);
        for wrong in ["", "0s", "2", "never", "366d", "99999999w"] {
            assert!(pause(wrong).is_err(), "{wrong}");
        }
    }
}

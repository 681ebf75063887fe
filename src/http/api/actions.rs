//! `POST /api/v1/queue/actions`: hold, release, retry, cancel or reroute what an id names or a filter finds.
//! Without `confirm` it only says how many that would be. One call does so much and says where to go on.

use super::emails::unknown;
use super::fields::{Body, Fields, invalid};
use super::queue::{filter, status};
use super::store_failed;
use crate::http::auth::SuperAdmin;
use crate::http::error::{ApiError, Kind};
use crate::http::router::Context;
use crate::model::directory::Directory;
use crate::model::domain::Via;
use crate::queue::inspect::{self, Subject};
use crate::queue::steer::{self, Action, Count, Order, Road, SteerError, Steered, Target};
use axum::Json;
use axum::extract::State;
use serde::Serialize;

/// What was done, or would be.
#[derive(Debug, Serialize)]
pub(super) struct Answer {
    object: &'static str,
    action: &'static str,
    confirmed: bool,
    #[serde(flatten)]
    outcome: Outcome,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Outcome {
    Preview {
        /// How many it would change.
        matched: u64,
        /// There are more: counting has an end.
        at_least: bool,
    },
    Done {
        done: u64,
        /// Being tried: it takes effect when the try has ended.
        pending: u64,
        unchanged: u64,
        refused: u64,
        refusals: Vec<Refused>,
        /// Changed so often meanwhile that they were left alone.
        missed: u64,
        /// There is more: send the same with this as `after`.
        next: Option<String>,
    },
}

/// One that stays as it is.
#[derive(Debug, Serialize)]
struct Refused {
    id: String,
    status: &'static str,
    reason: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verb {
    Hold,
    Release,
    Retry,
    Cancel,
    Reroute,
}

const VERBS: [(&str, Verb); 5] = [
    ("hold", Verb::Hold),
    ("release", Verb::Release),
    ("retry", Verb::Retry),
    ("cancel", Verb::Cancel),
    ("reroute", Verb::Reroute),
];

pub(super) async fn act(
    admin: SuperAdmin,
    State(context): State<Context>,
    Body(mut fields): Body,
) -> Result<Json<Answer>, ApiError> {
    let queue = context.queue()?;
    let ledger = &queue.ledger;
    let verb =
        fields.word("action", &VERBS)?.ok_or_else(|| missing("action", "hold, release, retry, cancel or reroute"))?;
    let action = action(verb, &mut fields)?;
    let target = target(&mut fields, &ledger.directory.load())?;
    let note = fields.text("note")?;
    let after = fields.text("after")?.unwrap_or_default();
    let confirmed = fields.flag("confirm")?;
    fields.end()?;
    if let Target::One(subject) = &target {
        // Nothing found would read like nothing to do.
        inspect::show(&ledger.store, subject).await.map_err(store_failed)?.ok_or_else(unknown)?;
    }
    let word = word(verb);
    let outcome = if confirmed {
        let order = Order { action, by: admin.by, note, tenant: None };
        done(steer::steer(ledger, &target, &order, &after).await.map_err(failed)?)
    } else {
        match steer::count(ledger, &target, &action, None).await.map_err(failed)? {
            Count::Exactly(matched) => Outcome::Preview { matched, at_least: false },
            Count::MoreThan(matched) => Outcome::Preview { matched, at_least: true },
        }
    };
    Ok(Json(Answer { object: "queue_action", action: word, confirmed, outcome }))
}

fn word(verb: Verb) -> &'static str {
    match verb {
        Verb::Hold => "hold",
        Verb::Release => "release",
        Verb::Retry => "retry",
        Verb::Cancel => "cancel",
        Verb::Reroute => "reroute",
    }
}

fn action(verb: Verb, fields: &mut Fields) -> Result<Action, ApiError> {
    let to: Option<String> = fields.text("to")?;
    match (verb, to) {
        (Verb::Reroute, None) => Err(missing("to", "direct, or the name of a relay")),
        (Verb::Reroute, Some(to)) => road(&to).map(Action::Reroute),
        (verb, Some(_)) => {
            let message = format!("\"to\" says where to reroute; to {} needs none", word(verb));
            Err(invalid("invalid_field", message).with_param("to"))
        }
        (Verb::Hold, None) => Ok(Action::Hold),
        (Verb::Release, None) => Ok(Action::Release),
        (Verb::Retry, None) => Ok(Action::RetryNow),
        (Verb::Cancel, None) => Ok(Action::Cancel),
    }
}

/// As `[[domain]] relay` says it, but for the sandbox: mail that was to be sent is not made a test.
fn road(to: &str) -> Result<Road, ApiError> {
    let wrong = |why: String| {
        let message = format!("\"to\" takes direct or the name of a relay: {why}");
        invalid("invalid_field", message).with_param("to")
    };
    match <Via as crate::base::settings::Scalar>::parse(to.strip_prefix("relay:").unwrap_or(to)) {
        Ok(Via::Direct) => Ok(Road::Direct),
        Ok(Via::Relay(name)) => Ok(Road::Relay(name)),
        Ok(Via::Sandbox) => Err(wrong("to keep mail from being sent, hold or cancel it".to_owned())),
        Err(why) => Err(wrong(why.why.unwrap_or_default())),
    }
}

fn target(fields: &mut Fields, directory: &Directory) -> Result<Target, ApiError> {
    let id = fields.text("id")?;
    match (id, fields.table("filter")?) {
        (Some(_), Some(_)) => {
            Err(invalid("invalid_field", "\"id\" and \"filter\": give one of them").with_param("filter"))
        }
        (None, None) => {
            // Never the whole queue because somebody forgot a field.
            Err(missing("filter", "what is meant: an \"id\", or a \"filter\", which may be {} for the whole queue"))
        }
        (Some(id), None) => id.parse::<Subject>().map(Target::One).map_err(|_| unknown()),
        (None, Some(mut given)) => {
            let filter = filter(&mut given, directory)?;
            given.end()?;
            Ok(Target::Matching(filter))
        }
    }
}

fn missing(name: &str, what: &str) -> ApiError {
    invalid("missing_field", format!("\"{name}\" is missing: {what}")).with_param(name)
}

fn done(steered: Steered) -> Outcome {
    let refusals = steered.refusals.into_iter().map(|refusal| Refused {
        id: refusal.delivery.to_string(),
        status: status(refusal.state),
        reason: refusal.why,
    });
    Outcome::Done {
        done: steered.done,
        pending: steered.pending,
        unchanged: steered.unchanged,
        refused: steered.refused,
        refusals: refusals.collect(),
        missed: steered.missed,
        next: steered.next,
    }
}

fn failed(error: SteerError) -> ApiError {
    match error {
        SteerError::Store(error) => store_failed(error),
        SteerError::NoSuchRelay(name) => {
            let message = format!("there is no relay \"{name}\", or it is switched off");
            ApiError::new(Kind::NotFound, "unknown_relay", message).with_param("to")
        }
    }
}

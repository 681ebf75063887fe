//! What dispatch knows of destinations, in the words of the API; and an operator's orders, in dispatch's.

use super::keyring::Keys;
use super::way_out::WayOut;
use crate::dispatch::operate::{Figures, NotSteered, Paced, Stand, Suspended};
use crate::http::destinations::{self, Asked, Standing, Steer, Suspension};
use crate::http::error::{ApiError, Kind};
use crate::http::status;
use crate::http::store_failed;
use crate::http::track::{NewKey, Rotate};
use crate::model::steering::ByHand;
use crate::queue::ready::Shut;
use std::sync::Arc;

pub fn stand(way_out: Arc<WayOut>) -> destinations::Stand {
    Arc::new(move |names| way_out.running.stand(names).into_iter().map(standing).collect())
}

pub fn steer(way_out: Arc<WayOut>) -> Steer {
    Arc::new(move |asked| {
        let way_out = way_out.clone();
        Box::pin(async move {
            let Asked { destination, order, by } = asked;
            way_out.running.steer(&destination, &order, &by).await.map(standing).map_err(refusal)
        })
    })
}

pub fn rotate(keys: Arc<Keys>) -> Rotate {
    Arc::new(move |by| {
        let keys = keys.clone();
        Box::pin(async move {
            let made = keys.rotate(&by).await.map_err(store_failed)?;
            Ok(NewKey { number: made.number, mints_at: made.mints_at.to_string() })
        })
    })
}

fn refusal(why: NotSteered) -> ApiError {
    match why {
        NotSteered::Store(error) => {
            tracing::warn!(%error, "an operator's order could not be stored");
            let message = "the order could not be stored, and nothing was changed: ask again in a moment";
            ApiError::new(Kind::Unavailable, "store_unavailable", message)
        }
        NotSteered::TooMany => {
            let message = "there are too many orders about destinations already: resume some, or take rates back";
            ApiError::new(Kind::Conflict, "too_many_orders", message)
        }
    }
}

fn standing(stand: Stand) -> Standing {
    let Stand { suspended, pace, rule, connections, connections_max } = stand;
    let (rate, rate_by, slowed) = match pace {
        None => (None, None, None),
        Some(Paced::ByHand(rate)) => (Some(rate.to_string()), Some("operator"), None),
        Some(Paced::ByRule(rate)) => (Some(rate.to_string()), Some("rule"), None),
        Some(Paced::ByServers(rate, why)) => (Some(per_time(rate)), Some("receiver"), Some(why)),
    };
    Standing {
        suspended: suspended.map(suspension),
        rate,
        rate_by: rate_by.map(str::to_owned),
        slowed,
        rule,
        connections,
        connections_max,
    }
}

fn suspension(suspended: Suspended) -> Suspension {
    match suspended {
        Suspended::ByHand(ByHand { until, reason, .. }) => {
            Suspension { until: until.map(|until| until.to_string()), reason, by: "operator".to_owned() }
        }
        Suspended::ByServers(Shut { until, cause, why }) => {
            Suspension { until: Some(until.to_string()), reason: Some(why), by: cause.word().to_owned() }
        }
    }
}

/// A rate that nobody has written, in the unit in which it is a number to look at.
fn per_time(per_second: f64) -> String {
    match per_second {
        rate if rate >= 1.0 => format!("{rate:.0}/second"),
        rate if rate * 60.0 >= 1.0 => format!("{:.0}/minute", rate * 60.0),
        rate => format!("{:.0}/hour", rate * 3_600.0),
    }
}

impl WayOut {
    pub fn status(&self) -> status::Delivery {
        let Figures { in_memory, in_memory_max, sites, connections, oldest, suspended } = self.running.figures();
        let oldest_due_at = oldest.map(|at| at.to_string());
        status::Delivery { in_memory, in_memory_max, sites, connections, oldest_due_at, suspended }
    }
}

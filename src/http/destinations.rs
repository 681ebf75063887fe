//! What the running node does about destinations beside what waits for them in the store: suspensions, rates,
//! open connections. Dispatch knows; this room asks and serves it.

use super::error::ApiError;
use crate::base::clock::Time;
use crate::model::rate::Rate;
use futures_util::future::BoxFuture;
use serde::Serialize;
use std::sync::Arc;

/// How an operator steers one destination: the answer is how it stands then.
pub type Steer = Arc<dyn Fn(String, Order) -> BoxFuture<'static, Result<Standing, ApiError>> + Send + Sync>;

/// How these destinations stand, in the same order; of one that nothing is known of, the default.
pub type Stand = Arc<dyn Fn(&[String]) -> Vec<Standing> + Send + Sync>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Nothing is sent there until then, or until somebody says so.
    Suspend {
        until: Option<Time>,
        reason: Option<String>,
    },
    Resume,
    /// Instead of what the configuration says; none: what it says again.
    Rate(Option<Rate>),
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Standing {
    pub suspended: Option<Suspension>,
    /// Like `100/minute`; none: as many as are taken.
    pub rate: Option<String>,
    /// The rule of the configuration that holds for it.
    pub rule: Option<String>,
    /// Open connections of this node, and the most there may be.
    pub connections: u32,
    pub connections_max: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Suspension {
    /// RFC 3339; none: until somebody resumes it.
    pub until: Option<String>,
    pub reason: Option<String>,
    /// `operator`, or what the receiver did: `throttled`.
    pub by: String,
}

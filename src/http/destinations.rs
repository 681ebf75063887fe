//! What the running node does about destinations beside what waits for them in the store: suspensions, rates,
//! open connections. Dispatch knows; this room asks and serves it.

use super::error::ApiError;
pub use crate::model::steering::Order;
use futures_util::future::BoxFuture;
use serde::Serialize;
use std::sync::Arc;

/// How an operator steers one destination: the answer is how it stands then.
pub type Steer = Arc<dyn Fn(Asked) -> BoxFuture<'static, Result<Standing, ApiError>> + Send + Sync>;

/// What is asked, of which destination, and by whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub destination: String,
    pub order: Order,
    pub by: String,
}

/// How these destinations stand, in the same order; of one that nothing is known of, the default.
pub type Stand = Arc<dyn Fn(&[String]) -> Vec<Standing> + Send + Sync>;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Standing {
    pub suspended: Option<Suspension>,
    /// Like `100/minute`; none: as many as are taken.
    pub rate: Option<String>,
    /// Who says that rate: `operator`, `receiver`, `rule`.
    pub rate_by: Option<String>,
    /// Why the receiver is sent less than it might be.
    pub slowed: Option<String>,
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
    /// `operator`; or what the receiver did: `throttled` when it asked for a pause, `unreachable` when nobody answered.
    pub by: String,
}

/// `suspended until … by operator: why`.
impl std::fmt::Display for Suspension {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("suspended until ")?;
        f.write_str(self.until.as_deref().unwrap_or("it is resumed"))?;
        write!(f, " by {}", self.by)?;
        match &self.reason {
            Some(why) => write!(f, ": {}", why.trim_end_matches('.')),
            None => Ok(()),
        }
    }
}

//! The resources of the API, one file each. Lists are pages behind an id, fields nobody knows are refused by
//! name, and what has to wait for the store says so.

mod actions;
mod destinations;
mod dkim;
mod emails;
mod explain;
mod fields;
mod list;
mod queue;

use super::destinations::{Stand, Steer};
use super::error::{ApiError, Kind};
use super::explain::Explain;
use super::happenings::StoreRefused;
use super::router::Context;
use crate::base::limits;
use crate::base::observe::Happening;
use crate::queue::ledger::Ledger;
use crate::store::StoreError;
use crate::tend::dkim::Tender;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use std::sync::{Arc, OnceLock};

/// The queue, and those who know and steer what is done with it.
pub struct Queue {
    pub ledger: Arc<Ledger>,
    pub explain: Explain,
    /// What is done about destinations; none while nothing is delivered.
    pub stand: Option<Stand>,
    pub steer: Option<Steer>,
    /// DKIM keys; none where none are kept.
    pub keys: Option<Arc<Tender>>,
}

/// Empty until the store is open: health can be asked for before.
pub type QueueCell = Arc<OnceLock<Queue>>;

impl Context {
    fn queue(&self) -> Result<&Queue, ApiError> {
        self.queue.get().ok_or_else(|| {
            ApiError::new(Kind::Unavailable, "store_opening", "the store is being opened, ask again in a moment")
        })
    }
}

/// What a store that did not answer means to the one who asked. What it said stands in the log: it may name
/// hosts and paths.
fn store_failed(error: StoreError) -> ApiError {
    StoreRefused { error: &error }.record();
    match error {
        StoreError::Unavailable { .. } | StoreError::Full { .. } => {
            ApiError::new(Kind::Unavailable, "store_unavailable", "the store does not answer, ask again in a moment")
        }
        StoreError::Conflict { .. } => {
            ApiError::new(Kind::Conflict, "changed_meanwhile", "somebody else changed this meanwhile, look again")
        }
        StoreError::Damaged { .. } | StoreError::Refused { .. } => ApiError::internal(),
    }
}

pub(super) fn routes() -> Router<Context> {
    Router::new()
        .route("/api/v1/queue", get(queue::list))
        .route("/api/v1/queue/actions", post(actions::act))
        .route("/api/v1/queue/destinations", get(destinations::list))
        .route("/api/v1/emails/{id}", get(emails::show))
        .route("/api/v1/explain", get(explain::explain))
        .route("/api/v1/queue/destinations/{destination}/suspend", post(destinations::suspend))
        .route("/api/v1/queue/destinations/{destination}/resume", post(destinations::resume))
        .route("/api/v1/queue/destinations/{destination}/rate", post(destinations::rate))
        .route("/api/v1/dkim-keys", get(dkim::list))
        .route("/api/v1/domains/{domain}/dkim-keys", get(dkim::list_of).post(dkim::make))
        .route("/api/v1/domains/{domain}/dkim-keys/rotate", post(dkim::rotate))
        .layer(DefaultBodyLimit::max(limits::API_BODY_BYTES_MAX))
}

//! The resources of the API, one file each. Lists are pages behind an id, fields nobody knows are refused by
//! name, and what has to wait for the store says so.

mod actions;
mod destinations;
mod dkim;
mod domains;
mod emails;
mod explain;
mod fields;
mod link_keys;
mod list;
mod queue;
mod suppression_lists;
mod suppressions;
mod templates;

use super::destinations::{Stand, Steer};
use super::domains::Look;
use super::error::{ApiError, Kind};
use super::explain::Explain;
use super::happenings::StoreRefused;
use super::router::Context;
use super::track::Tracking;
use crate::base::limits;
use crate::base::observe::Happening;
use crate::content::template;
use crate::queue::ledger::Ledger;
use crate::store::StoreError;
use crate::tend::dkim::Tender;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{delete, get, post};
use std::sync::{Arc, OnceLock};

/// The queue, and those who know and steer what is done with it.
pub struct Queue {
    pub ledger: Arc<Ledger>,
    pub templates: Arc<template::Handle>,
    pub explain: Explain,
    /// What is done about destinations; none while nothing is delivered.
    pub stand: Option<Stand>,
    pub steer: Option<Steer>,
    /// Looks at the DNS of our domains; none where nobody does.
    pub records: Option<Look>,
    /// DKIM keys; none where none are kept.
    pub keys: Option<Arc<Tender>>,
}

/// Empty until the store is open: health can be asked for before.
pub type QueueCell = Arc<OnceLock<Queue>>;

impl Context {
    fn queue(&self) -> Result<&Queue, ApiError> {
        self.queue.get().ok_or_else(store_opening)
    }

    fn tracking(&self) -> Result<&Tracking, ApiError> {
        self.tracking.get().ok_or_else(store_opening)
    }
}

fn store_opening() -> ApiError {
    ApiError::new(Kind::Unavailable, "store_opening", "the store is being opened, ask again in a moment")
}

/// What a store that did not answer means to the one who asked. What it said stands in the log: it may name
/// hosts and paths.
pub fn store_failed(error: StoreError) -> ApiError {
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
        .route("/api/v1/domains/{name}/records", get(domains::records))
        .route("/api/v1/domains/{name}/verify", post(domains::verify))
        .route("/api/v1/queue/destinations/{destination}/suspend", post(destinations::suspend))
        .route("/api/v1/queue/destinations/{destination}/resume", post(destinations::resume))
        .route("/api/v1/queue/destinations/{destination}/rate", post(destinations::rate))
        .route("/api/v1/suppressions", get(suppressions::list).post(suppressions::add))
        .route("/api/v1/suppressions/{id}", delete(suppressions::lift))
        .route("/api/v1/suppressions/check", get(suppressions::check))
        .route("/api/v1/suppressions/export", get(suppression_lists::export))
        .route("/api/v1/link-keys", post(link_keys::make))
        .route("/api/v1/dkim-keys", get(dkim::list))
        .route("/api/v1/domains/{name}/dkim-keys", get(dkim::list_of).post(dkim::make))
        .route("/api/v1/domains/{name}/dkim-keys/rotate", post(dkim::rotate))
        .layer(DefaultBodyLimit::max(limits::API_BODY_BYTES_MAX))
        // A list may be long.
        .route(
            "/api/v1/suppressions/import",
            post(suppression_lists::import).layer(DefaultBodyLimit::max(limits::IMPORT_BYTES_MAX)),
        )
        .merge(templates::routes())
}

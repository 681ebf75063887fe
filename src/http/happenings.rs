//! What can happen at an HTTP door: each with its line and its number.

use crate::base::metrics::{CONNECTIONS_CUT, HTTP_REQUESTS, HTTP_SECONDS, LINKS_FOLLOWED, SIGHTINGS_LOST};
use crate::base::observe::Happening;
use crate::store::StoreError;
use axum::http::{Method, StatusCode};
use std::time::Duration;

pub(super) struct RequestServed {
    pub method: Method,
    /// The pattern that matched, not the path as asked for: a metric has a label for each.
    pub route: String,
    pub status: StatusCode,
    pub took: Duration,
}

impl Happening for RequestServed {
    fn record(self) {
        let Self { method, route, status, took } = self;
        let labels = [("route", route.clone()), ("status", status.as_u16().to_string())];
        metrics::counter!(HTTP_REQUESTS, &labels).increment(1);
        metrics::histogram!(HTTP_SECONDS, "route" => route.clone()).record(took);
        let (status, took_us) = (status.as_u16(), took.as_micros() as u64);
        tracing::debug!(%method, route, status, took_us, "request served");
    }
}

/// A handler ended by a panic: a fault of ours, and the end of this request alone.
pub(super) struct HandlerBroke {
    pub why: String,
}

impl Happening for HandlerBroke {
    fn record(self) {
        tracing::error!(why = self.why, "a request ended by a fault of ours, please report it");
    }
}

pub(super) struct StrangerRefused {
    pub uid: u32,
}

impl Happening for StrangerRefused {
    fn record(self) {
        tracing::warn!(uid = self.uid, "a user who may not asked on the control socket");
    }
}

/// The store did not do what a request needed.
pub(super) struct StoreRefused<'a> {
    pub error: &'a StoreError,
}

impl Happening for StoreRefused<'_> {
    fn record(self) {
        if self.error.is_temporary() {
            tracing::warn!(error = %self.error, "a request could not be answered");
        } else {
            tracing::error!(error = %self.error, "a request could not be answered");
        }
    }
}

/// A tracked link was asked for. What it says stays out of the log: it is the recipient's.
pub(super) struct Followed {
    pub what: &'static str,
}

impl Happening for Followed {
    fn record(self) {
        metrics::counter!(LINKS_FOLLOWED, "what" => self.what).increment(1);
        tracing::debug!(what = self.what, "tracked link");
    }
}

/// Opens and clicks that were answered and could not be written down.
pub(super) struct SightingsLost<'a> {
    pub count: u64,
    pub why: &'static str,
    pub error: Option<&'a StoreError>,
}

impl Happening for SightingsLost<'_> {
    fn record(self) {
        let Self { count, why, error } = self;
        metrics::counter!(SIGHTINGS_LOST, "why" => why).increment(count);
        match error {
            Some(error) => tracing::warn!(count, why, %error, "opens and clicks were not written down"),
            // Each single one: a flood of them must not become one of lines.
            None => tracing::debug!(count, why, "opens and clicks were not written down"),
        }
    }
}

pub(super) struct ConnectionCut {
    pub why: &'static str,
}

impl Happening for ConnectionCut {
    fn record(self) {
        metrics::counter!(CONNECTIONS_CUT, "door" => "http", "why" => self.why).increment(1);
        tracing::debug!(why = self.why, "connection cut");
    }
}

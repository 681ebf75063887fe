//! What probes and scrapers ask: does it live, can it work, how is it.

use super::router::Context;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;

const NO_STORE: (axum::http::HeaderName, &str) = (CACHE_CONTROL, "no-store");

/// The process answers. Says nothing of its work: a restart cures no store.
pub(super) async fn healthz() -> impl IntoResponse {
    ([NO_STORE], "ok\n")
}

/// All that mail needs holds, or one line for each that does not.
pub(super) async fn readyz(State(context): State<Context>) -> impl IntoResponse {
    let reasons = context.readiness.reasons();
    if reasons.is_empty() {
        (StatusCode::OK, [NO_STORE], "ready\n".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, [NO_STORE], reasons.join("\n") + "\n")
    }
}

pub(super) async fn metrics(State(context): State<Context>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], context.metrics.render())
}

//! `GET /t/ready/<nonce>` on a tracking listener: the answer that only we know, by which `tend::records` sees that
//! a tracking host leads here.

use super::error::ApiError;
use super::router::Context;
use crate::policy::readiness::echo::Nonce;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;

/// Where it stands: `echo::PATH`, then the nonce.
pub(super) const ROUTE: &str = "/t/ready/{nonce}";

pub(super) async fn ready(
    State(context): State<Context>,
    Path(nonce): Path<String>,
) -> Result<impl IntoResponse, ApiError> {
    let nonce = Nonce::parse(&nonce).ok_or_else(ApiError::unknown_path)?;
    // A cache between us must not answer for us.
    let headers = [(CACHE_CONTROL, "no-store"), (CONTENT_TYPE, "text/plain; charset=utf-8")];
    Ok((headers, context.echo.of(&nonce)))
}

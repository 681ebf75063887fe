//! `POST /api/v1/link-keys`: another key for tracked links and return paths. The old ones go on opening what was made
//! with them.

use crate::http::auth::SuperAdmin;
use crate::http::error::ApiError;
use crate::http::router::Context;
use axum::Json;
use axum::extract::State;
use serde::Serialize;

/// The key that was made.
#[derive(Debug, Serialize)]
pub(super) struct Answer {
    object: &'static str,
    number: u16,
    /// From when on links are made with it.
    mints_at: String,
}

pub(super) async fn make(admin: SuperAdmin, State(context): State<Context>) -> Result<Json<Answer>, ApiError> {
    let made = context.tracking()?.rotate(admin.by).await?;
    Ok(Json(Answer { object: "link_key", number: made.number, mints_at: made.mints_at }))
}

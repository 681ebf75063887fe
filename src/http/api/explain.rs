//! `GET /api/v1/explain`.

use super::fields::{Fields, invalid};
use crate::http::auth::SuperAdmin;
use crate::http::error::ApiError;
use crate::http::explain::{Explanation, Question};
use crate::http::router::Context;
use crate::mail::address::Address;
use crate::mail::envelope::ReversePath;
use axum::Json;
use axum::extract::State;

pub(super) async fn explain(
    _: SuperAdmin,
    State(context): State<Context>,
    mut fields: Fields,
) -> Result<Json<Explanation>, ApiError> {
    let from = match fields.text("from")? {
        None => return Err(missing("from")),
        Some(text) if text == "<>" => ReversePath::Null,
        Some(text) => ReversePath::Address(address("from", &text)?),
    };
    let to = match fields.text("to")? {
        None => return Err(missing("to")),
        Some(text) => address("to", &text)?,
    };
    fields.end()?;
    let queue = context.queue()?;
    let mut explanation = (queue.explain)(Question { from, to }).await?;
    if let (Some(destination), Some(stand)) = (&explanation.destination, &queue.stand) {
        let standing = stand(std::slice::from_ref(destination)).into_iter().next().unwrap_or_default();
        explanation.add(&standing);
    }
    Ok(Json(explanation))
}

fn missing(name: &str) -> ApiError {
    invalid("missing_field", format!("\"{name}\" is missing: an address")).with_param(name)
}

fn address(name: &str, text: &str) -> Result<Address, ApiError> {
    text.parse().map_err(|why| {
        invalid("invalid_field", format!("\"{name}\" takes an address like anna@example.com: {why}")).with_param(name)
    })
}

//! `GET /api/v1/domains/{name}/records` and `POST /api/v1/domains/{name}/verify`.

use super::fields::{Body, Fields, invalid};
use crate::http::auth::SuperAdmin;
use crate::http::domains::{Domain, Freshness};
use crate::http::error::{ApiError, Kind};
use crate::http::router::Context;
use crate::mail::domain_name::DomainName;
use axum::Json;
use axum::extract::{Path, State};

/// By what our resolver knows or finds.
pub(super) async fn records(
    _: SuperAdmin,
    State(context): State<Context>,
    Path(name): Path<String>,
    fields: Fields,
) -> Result<Json<Domain>, ApiError> {
    fields.end()?;
    look(&context, &name, Freshness::Recent).await
}

/// Asked anew, and what depends on them looked at now.
pub(super) async fn verify(
    _: SuperAdmin,
    State(context): State<Context>,
    Path(name): Path<String>,
    Body(fields): Body,
) -> Result<Json<Domain>, ApiError> {
    fields.end()?;
    look(&context, &name, Freshness::Now).await
}

async fn look(context: &Context, name: &str, freshness: Freshness) -> Result<Json<Domain>, ApiError> {
    let name: DomainName = name.parse().map_err(|why| {
        invalid("invalid_field", format!("the path takes a domain like example.com: {why}")).with_param("name")
    })?;
    let Some(look) = &context.queue()?.records else {
        return Err(ApiError::new(Kind::Unavailable, "no_records", "nobody here looks at the DNS of domains"));
    };
    let unknown = || ApiError::new(Kind::NotFound, "unknown_domain", format!("{name} is no domain of ours"));
    look(name.clone(), freshness).await?.map(Json).ok_or_else(unknown)
}

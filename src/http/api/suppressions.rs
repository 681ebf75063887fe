//! `/api/v1/suppressions`: who is not written to any more. Lists in the order of addresses, for one tenant; one can
//! be added, asked for and lifted, and lists come and go as CSV.

use super::fields::{Body, Fields, invalid};
use super::list::List;
use super::queue::tenant;
use super::store_failed;
use crate::base::clock::Time;
use crate::base::id::{self, SuppressionId, TenantId};
use crate::base::limits;
use crate::base::random::Random;
use crate::http::auth::SuperAdmin;
use crate::http::error::{ApiError, Kind};
use crate::http::router::Context;
use crate::mail::address::Address;
use crate::mail::domain_name::DomainName;
use crate::model::event::Event;
use crate::model::name::Name;
use crate::model::suppression::{Cause, Suppressed, Suppression, Whence};
use crate::store::suppressions::{lift_suppression, suppress};
use crate::store::{Change, Store};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Serialize;
use std::sync::Arc;

#[derive(Debug, Serialize)]
pub(super) struct Row {
    object: &'static str,
    id: String,
    /// An address, or `*@domain`.
    address: String,
    /// Mail from this domain only; null is all of the tenant's.
    domain: Option<String>,
    /// Mail of this stream only; null is all of them.
    stream: Option<String>,
    reason: &'static str,
    origin: &'static str,
    note: String,
    created_at: String,
    /// Null: for ever.
    expires_at: Option<String>,
}

impl Row {
    fn of(found: &Suppression) -> Self {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Self {
            object: "suppression",
            id: found.id.to_string(),
            address: found.whom.to_string(),
            domain: some(&found.domain),
            stream: some(&found.stream),
            reason: found.reason.word(),
            origin: found.origin.word(),
            note: found.note.clone(),
            created_at: found.created_at.to_string(),
            expires_at: found.expires_at.map(|at| at.to_string()),
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Checked {
    object: &'static str,
    address: String,
    suppressed: bool,
    /// The one that holds.
    suppression: Option<Row>,
}

#[derive(Debug, Serialize)]
pub(super) struct Lifted {
    object: &'static str,
    id: String,
    deleted: bool,
}

pub(super) async fn list(
    _: SuperAdmin,
    State(context): State<Context>,
    mut fields: Fields,
) -> Result<Json<List<Row>>, ApiError> {
    let store = store(&context)?;
    let limit = fields.limit()?;
    let after = fields.text("after")?;
    let whom: Option<Suppressed> = fields.parsed("address", "an address, or *@ and a domain")?;
    let tenant = tenant_named(&context, &mut fields)?;
    fields.end()?;
    if let Some(whom) = whom {
        let found = store.suppressions_at(&tenant, &whom).await.map_err(store_failed)?;
        return Ok(Json(List::new(found.iter().map(Row::of).collect(), None)));
    }
    let behind = after.as_deref().filter(|after| !after.is_empty()).map(place).transpose()?.unwrap_or_default();
    let behind = (behind.0.as_str(), behind.1.as_str(), behind.2.as_str());
    let mut found = store.suppressions_behind(&tenant, behind, limit as i64 + 1).await.map_err(store_failed)?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(cursor);
    Ok(Json(List::new(found.iter().map(Row::of).collect(), next)))
}

/// Where a page ends: the address, its domain and its stream. A slash stands in neither of the last two.
fn cursor(last: &Suppression) -> String {
    format!("{}/{}/{}", last.whom, last.domain, last.stream)
}

fn place(after: &str) -> Result<(String, String, String), ApiError> {
    let mut parts = after.rsplitn(3, '/');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(stream), Some(domain), Some(key)) => Ok((key.to_owned(), domain.to_owned(), stream.to_owned())),
        _ => Err(invalid("invalid_field", "\"after\" takes the \"next\" of a page").with_param("after")),
    }
}

pub(super) async fn add(
    admin: SuperAdmin,
    State(context): State<Context>,
    Body(mut fields): Body,
) -> Result<(StatusCode, Json<Row>), ApiError> {
    let store = store(&context)?;
    let now = context.clock.now();
    let whom: Option<Suppressed> = fields.parsed("address", "an address, or *@ and a domain")?;
    let domain: Option<DomainName> = fields.parsed("domain", "a domain like example.com")?;
    let stream: Option<Name> = fields.parsed("stream", "the name of a stream")?;
    let reason = fields.word("reason", &causes())?.unwrap_or(Cause::Manual);
    let note = fields.text("note")?.unwrap_or_default();
    let expires_at = fields.text("expires_at")?.map(|text| moment(&text, now)).transpose()?;
    let tenant = tenant_named(&context, &mut fields)?;
    fields.end()?;
    let Some(whom) = whom else {
        let message = "\"address\" is missing: an address, or *@ and a domain";
        return Err(invalid("missing_field", message).with_param("address"));
    };
    let wanted = Suppression {
        id: id::new(now, &context.random),
        tenant: tenant.clone(),
        domain: domain.map(|domain| domain.to_string()).unwrap_or_default(),
        stream: stream.map(|stream| stream.to_string()).unwrap_or_default(),
        whom,
        reason,
        origin: Whence::Api,
        note,
        created_at: now,
        expires_at,
    };
    let mut change = Change::of(suppress(&wanted));
    change.events.push(event("suppression.created", &wanted, &admin.by, now, &context.random));
    store.write(change).await.map_err(store_failed)?;
    // What was there keeps its name, and its end if that is later.
    let all = store.suppressions_at(&tenant, &wanted.whom).await.map_err(store_failed)?;
    let kept = all.iter().find(|found| found.domain == wanted.domain && found.stream == wanted.stream);
    Ok((StatusCode::CREATED, Json(Row::of(kept.unwrap_or(&wanted)))))
}

pub(super) async fn lift(
    admin: SuperAdmin,
    State(context): State<Context>,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Json<Lifted>, ApiError> {
    fields.end()?;
    let store = store(&context)?;
    let unknown = || ApiError::new(Kind::NotFound, "unknown_suppression", "there is no suppression with this id");
    let id: SuppressionId = id.parse().map_err(|_| unknown())?;
    let found = store.suppression(&id).await.map_err(store_failed)?.ok_or_else(unknown)?;
    let now = context.clock.now();
    let mut change = Change::of(lift_suppression(&found.tenant, &id));
    change.events.push(event("suppression.deleted", &found, &admin.by, now, &context.random));
    store.write(change).await.map_err(store_failed)?;
    Ok(Json(Lifted { object: "suppression", id: id.to_string(), deleted: true }))
}

pub(super) async fn check(
    _: SuperAdmin,
    State(context): State<Context>,
    mut fields: Fields,
) -> Result<Json<Checked>, ApiError> {
    let store = store(&context)?;
    let address: Option<Address> = fields.parsed("address", "an address")?;
    let domain: Option<DomainName> = fields.parsed("domain", "a domain like example.com")?;
    let stream: Option<Name> = fields.parsed("stream", "the name of a stream")?;
    let tenant = tenant_named(&context, &mut fields)?;
    fields.end()?;
    let Some(address) = address else {
        return Err(invalid("missing_field", "\"address\" is missing: whom to ask for").with_param("address"));
    };
    let domain = domain.as_ref().map_or("", DomainName::as_str);
    // The stream of mail that names none.
    let stream = stream.as_ref().map_or("transactional", Name::as_str);
    let found = store.suppression_of(&tenant, &address, domain, stream, context.clock.now()).await;
    let found = found.map_err(store_failed)?;
    Ok(Json(Checked {
        object: "suppression_check",
        address: address.to_string(),
        suppressed: found.is_some(),
        suppression: found.as_ref().map(Row::of),
    }))
}

pub(super) fn store(context: &Context) -> Result<Arc<Store>, ApiError> {
    Ok(context.queue()?.ledger.store.clone())
}

/// The tenant that is named, or the one of everything that names none.
pub(super) fn tenant_named(context: &Context, fields: &mut Fields) -> Result<TenantId, ApiError> {
    let name = fields.parsed("tenant", "the name of a tenant")?.unwrap_or_else(Name::default_tenant);
    tenant(&context.queue()?.ledger.directory.load(), &name)
}

pub(super) fn causes() -> Vec<(&'static str, Cause)> {
    Cause::ALL.into_iter().map(|cause| (cause.word(), cause)).collect()
}

/// An end lies ahead.
pub(super) fn moment(text: &str, now: Time) -> Result<Time, ApiError> {
    let read = rfc3339(text).filter(|at| *at > now);
    read.ok_or_else(|| {
        let message = "\"expires_at\" takes a time that is to come, like 2030-12-31T00:00:00Z";
        invalid("invalid_field", message).with_param("expires_at")
    })
}

pub(super) fn rfc3339(text: &str) -> Option<Time> {
    use time::format_description::well_known::Rfc3339;
    let at = time::OffsetDateTime::parse(text, &Rfc3339).ok()?;
    i64::try_from(at.unix_timestamp_nanos() / 1_000).ok().map(Time::from_micros)
}

fn event(kind: &str, of: &Suppression, by: &str, now: Time, random: &Random) -> Event {
    let data = serde_json::json!({
        "id": of.id.as_str(),
        "address": of.whom.to_string(),
        "domain": of.domain,
        "stream": of.stream,
        "reason": of.reason.word(),
        "by": by,
    });
    Event {
        id: id::new(now, random),
        kind: kind.to_owned(),
        at: now,
        tenant: Some(of.tenant.clone()),
        message: None,
        delivery: None,
        data: data.to_string(),
    }
}

/// Rows of a page as an export reads them.
pub(super) const EXPORT_ROWS: i64 = limits::QUEUE_ROWS_MAX;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_the_list_is_what_a_page_ended_with() {
        let at = |text: &str| place(text).map_err(|why| why.message().to_owned());
        let parts = |key: &str, domain: &str, stream: &str| Ok((key.to_owned(), domain.to_owned(), stream.to_owned()));
        assert_eq!(at("bob@b.example//"), parts("bob@b.example", "", ""));
        assert_eq!(at("a/b@b.example/example.com/bulk"), parts("a/b@b.example", "example.com", "bulk"));
        assert!(at("bob@b.example").unwrap_err().contains("\"next\""));
    }

    #[test]
    fn an_end_lies_ahead() {
        let now = rfc3339("2026-11-21T12:00:00Z").unwrap();
        assert_eq!(now, Time::from_micros(1_795_262_400_000_000));
        assert!(moment("2026-11-21T12:00:01Z", now).is_ok());
        for wrong in ["2026-11-21T12:00:00Z", "2020-01-01T00:00:00Z", "tomorrow", "", "2030-12-31"] {
            assert!(moment(wrong, now).is_err(), "{wrong}");
        }
    }
}

//! `GET /api/v1/queue`: what waits, page by page. A page may be short and still have a next one: a rare filter
//! is not searched for in a million rows at once. `next` says where to go on.

use super::destinations::destination_named;
use super::fields::{Fields, invalid};
use super::list::List;
use super::store_failed;
use crate::http::auth::SuperAdmin;
use crate::http::error::{ApiError, Kind};
use crate::http::router::Context;
use crate::mail::domain_name::DomainName;
use crate::mail::envelope::ReversePath;
use crate::model::delivery::State as Stage;
use crate::model::directory::Directory;
use crate::model::name::Name;
use crate::queue::inspect::{self, Entry, Filter, Which};
use axum::Json;
use axum::extract::State;
use serde::Serialize;

/// The public word of each state; what the store calls it may differ.
pub(super) fn status(stage: Stage) -> &'static str {
    match stage {
        Stage::Ready => "queued",
        Stage::Leased => "sending",
        Stage::Cancelled => "canceled",
        other => other.word(),
    }
}

/// One delivery, as lists show it.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    object: &'static str,
    id: String,
    email_id: String,
    tenant: Option<String>,
    stream: String,
    status: &'static str,
    /// Since when.
    since: String,
    /// `<>` is nobody: a bounce.
    from: String,
    to: String,
    subject: String,
    tags: Vec<String>,
    destination: String,
    reason: Option<String>,
    attempts: i64,
    /// When it is tried next; null when nothing is planned.
    next_at: Option<String>,
    expires_at: String,
    created_at: String,
    sandbox: bool,
}

impl Row {
    pub fn of(entry: &Entry, directory: &Directory) -> Self {
        let delivery = &entry.delivery;
        let planned = matches!(delivery.state, Stage::Scheduled | Stage::Ready | Stage::Deferred);
        Self {
            object: "delivery",
            id: delivery.id.to_string(),
            email_id: delivery.message.to_string(),
            tenant: directory.tenant_named(&delivery.tenant).map(Name::to_string),
            stream: delivery.stream.clone(),
            status: status(delivery.state),
            since: entry.since.to_string(),
            from: sender(&entry.sender),
            to: delivery.recipient.to_string(),
            subject: entry.subject.clone(),
            tags: entry.tags.clone(),
            destination: delivery.destination.clone(),
            reason: delivery.reason.clone(),
            attempts: delivery.attempts,
            next_at: planned.then(|| delivery.due_at.to_string()),
            expires_at: delivery.expires_at.to_string(),
            created_at: delivery.created_at.to_string(),
            sandbox: entry.sandboxed_at.is_some(),
        }
    }
}

pub(super) fn sender(path: &ReversePath) -> String {
    match path {
        ReversePath::Null => "<>".to_owned(),
        ReversePath::Address(address) => address.to_string(),
    }
}

pub(super) async fn list(
    _: SuperAdmin,
    State(context): State<Context>,
    mut fields: Fields,
) -> Result<Json<List<Row>>, ApiError> {
    let queue = context.queue()?;
    let directory = queue.ledger.directory.load_full();
    let limit = fields.limit()?;
    let after = fields.text("after")?.unwrap_or_default();
    let filter = filter(&mut fields, &directory)?;
    fields.end()?;
    let page = inspect::list(&queue.ledger.store, &filter, &after, limit).await.map_err(store_failed)?;
    let rows = page.items.iter().map(|entry| Row::of(entry, &directory)).collect();
    Ok(Json(List::new(rows, page.next)))
}

/// What deliveries are meant; without a state those that are not finished.
pub(super) fn filter(fields: &mut Fields, directory: &Directory) -> Result<Filter, ApiError> {
    let which = fields.word("state", &states())?.unwrap_or_default();
    let tenant = match fields.parsed::<Name>("tenant", "the name of a tenant")? {
        None => None,
        Some(name) => Some(tenant(directory, &name)?),
    };
    let recipient_domain = fields.parsed("domain", "a domain like gmail.com")?;
    let destination = fields.text("destination")?.map(|text| destination_named("destination", &text)).transpose()?;
    let relay: Option<Name> = fields.parsed("relay", "the name of a relay")?;
    let sender_domain = fields.text("from")?.map(|text| domain_of_sender(&text)).transpose()?;
    let tag = fields.text("tag")?;
    let destination = match (destination, relay) {
        (Some(_), Some(_)) => {
            let message = "\"relay\" and \"destination\" name the same thing: give one of them";
            return Err(invalid("invalid_field", message).with_param("relay"));
        }
        (destination, relay) => destination.or(relay.map(|name| format!("relay:{name}"))),
    };
    Ok(Filter { which, tenant, recipient_domain, destination, sender_domain, tag })
}

fn states() -> Vec<(&'static str, Which)> {
    let named = Stage::ALL.into_iter().map(|stage| (status(stage), Which::In(stage)));
    named.chain([("any", Which::Any)]).collect()
}

pub(super) fn tenant(directory: &Directory, name: &Name) -> Result<crate::base::id::TenantId, ApiError> {
    let tenant = directory.tenant(name).map(|tenant| tenant.id.clone());
    tenant.ok_or_else(|| {
        ApiError::new(Kind::NotFound, "unknown_tenant", format!("there is no tenant \"{name}\"")).with_param("tenant")
    })
}

/// Of the header's From or the envelope: a domain.
fn domain_of_sender(text: &str) -> Result<DomainName, ApiError> {
    text.parse().map_err(|why| {
        let hint = text.rsplit_once('@').map(|(_, domain)| format!("; did you mean \"{domain}\"?")).unwrap_or_default();
        let message = format!("\"from\" takes the sender's domain, like example.com: {why}{hint}");
        invalid("invalid_field", message).with_param("from")
    })
}

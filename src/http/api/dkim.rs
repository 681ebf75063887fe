//! `/api/v1/dkim-keys` and `/api/v1/domains/{domain}/dkim-keys`: keys that sign, the records they need, and what the
//! DNS says of them; new ones, and their rotation.

use super::fields::{Body, Fields, invalid};
use super::list::List;
use super::store_failed;
use crate::base::clock::Time;
use crate::base::limits;
use crate::http::auth::SuperAdmin;
use crate::http::error::{ApiError, Kind};
use crate::http::router::Context;
use crate::mail::domain_name::DomainName;
use crate::model::dkim::{Algorithm, MadeKey, Sight, Stage};
use crate::model::domain::Selector;
use crate::proof::record::owner;
use crate::proof::{PublicKey, Signing, SigningKey};
use crate::tend::dkim::{Looked, NotMade, Tender, Wish};
use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use std::sync::Arc;

#[derive(Debug, Serialize)]
pub(super) struct Row {
    object: &'static str,
    /// None for a key of the file.
    id: Option<String>,
    /// `file` or `store`.
    source: &'static str,
    domain: String,
    selector: String,
    algorithm: &'static str,
    stage: &'static str,
    since: Option<String>,
    /// The key that retires when this one becomes active.
    replaces: Option<String>,
    record: Record,
    /// None where nobody looked.
    dns: Option<Seen>,
    /// What happens next, in a sentence.
    next: String,
}

/// What has to be in the DNS.
#[derive(Debug, Serialize)]
struct Record {
    name: String,
    #[serde(rename = "type")]
    kind: &'static str,
    value: String,
    /// As a line of a zone file.
    zone_line: String,
}

#[derive(Debug, Serialize)]
struct Seen {
    /// `published`, `missing` or `unknown`.
    status: &'static str,
    /// Behind "the DNS has ".
    found: &'static str,
}

/// All keys, page by page, by domain and selector; nobody looks into the DNS for them.
pub(super) async fn list(
    _: SuperAdmin,
    State(context): State<Context>,
    mut fields: Fields,
) -> Result<Json<List<Row>>, ApiError> {
    let tender = tender(&context)?;
    let limit = fields.limit()?;
    let after = fields.text("after")?;
    fields.end()?;
    let made = tender.store.dkim_keys().await.map_err(store_failed)?;
    let mut rows: Vec<Row> = made.iter().map(|key| of_store(key, None)).collect();
    let domains: Vec<DomainName> =
        tender.directory.load().domains().iter().map(|entry| entry.value.name.clone()).collect();
    for domain in domains {
        rows.extend(of_file(tender, &domain, &made));
    }
    let place = |row: &Row| format!("{}/{}", row.domain, row.selector);
    rows.sort_by_cached_key(place);
    let mut page: Vec<Row> =
        rows.into_iter().filter(|row| after.as_ref().is_none_or(|after| place(row) > *after)).collect();
    let more = page.len() > limit;
    page.truncate(limit);
    let next = if more { page.last().map(place) } else { None };
    Ok(Json(List::new(page, next)))
}

/// The keys of a domain, with a look into the DNS that also moves them on.
pub(super) async fn list_of(
    _: SuperAdmin,
    State(context): State<Context>,
    Path(domain): Path<String>,
    fields: Fields,
) -> Result<Json<List<Row>>, ApiError> {
    fields.end()?;
    let tender = tender(&context)?;
    let domain = domain_of_ours(tender, &domain)?;
    let made = tender.store.dkim_keys_of(&domain).await.map_err(store_failed)?;
    let files = of_file(tender, &domain, &made);
    let (gone, living): (Vec<_>, Vec<_>) = made.into_iter().partition(|key| key.stage == Stage::Retired);
    let looked = tender.look(living).await.map_err(store_failed)?;
    let rows = files
        .into_iter()
        .chain(looked.iter().map(|looked| of_store(&looked.key, Some(looked))))
        .chain(gone.iter().map(|key| of_store(key, None)));
    Ok(Json(List::new(rows.collect(), None)))
}

pub(super) async fn make(
    _: SuperAdmin,
    State(context): State<Context>,
    Path(domain): Path<String>,
    Body(mut fields): Body,
) -> Result<Json<List<Row>>, ApiError> {
    let tender = tender(&context)?;
    let domain = domain_of_ours(tender, &domain)?;
    let selector: Option<Selector> = fields.parsed("selector", "a selector like \"gp1\"")?;
    let words: [(&'static str, &[Algorithm]); 3] =
        [("rsa", &[Algorithm::Rsa]), ("ed25519", &[Algorithm::Ed25519]), ("both", &Algorithm::ALL)];
    let algorithms = fields.word("algorithm", &words)?.unwrap_or(&[Algorithm::Rsa]);
    fields.end()?;
    let mut rows = Vec::new();
    for algorithm in algorithms {
        let selector = match &selector {
            // Two keys cannot share a record: the second one's name says what it is.
            Some(given) if algorithms.len() > 1 && *algorithm == Algorithm::Ed25519 => beside(given)?,
            Some(given) => given.clone(),
            None => free_selector(tender, &domain, *algorithm).await?,
        };
        let wish = Wish { domain: domain.clone(), selector, algorithm: *algorithm, replaces: None };
        rows.push(of_store(&tender.make(wish).await.map_err(refusal)?, None));
    }
    Ok(Json(List::new(rows, None)))
}

/// A new key beside each that signs and has no successor yet.
pub(super) async fn rotate(
    _: SuperAdmin,
    State(context): State<Context>,
    Path(domain): Path<String>,
    Body(fields): Body,
) -> Result<Json<List<Row>>, ApiError> {
    fields.end()?;
    let tender = tender(&context)?;
    let domain = domain_of_ours(tender, &domain)?;
    let made = tender.store.dkim_keys_of(&domain).await.map_err(store_failed)?;
    let active: Vec<&MadeKey> = made.iter().filter(|key| key.stage == Stage::Active).collect();
    if active.is_empty() {
        return Err(nothing_to_rotate(tender, &domain));
    }
    let mut rows = Vec::new();
    for old in active {
        if made.iter().any(|other| other.replaces.as_ref() == Some(&old.id)) {
            continue;
        }
        let selector = free_selector(tender, &domain, old.algorithm).await?;
        let wish = Wish { domain: domain.clone(), selector, algorithm: old.algorithm, replaces: Some(old.id.clone()) };
        rows.push(of_store(&tender.make(wish).await.map_err(refusal)?, None));
    }
    if rows.is_empty() {
        let message = format!("the keys of {domain} are being rotated already: see `gatepost dkim show {domain}`");
        return Err(ApiError::new(Kind::Conflict, "rotation_under_way", message));
    }
    Ok(Json(List::new(rows, None)))
}

fn nothing_to_rotate(tender: &Tender, domain: &DomainName) -> ApiError {
    let message = match tender.signing.load().of(domain) {
        Signing::With(_) => format!(
            "the keys of {domain} stand in the configuration: add the new one there beside the old, or make one with \
             `gatepost dkim new`"
        ),
        _ => format!("{domain} has no active key to rotate: make one with `gatepost dkim new`"),
    };
    ApiError::new(Kind::Conflict, "nothing_to_rotate", message)
}

fn tender(context: &Context) -> Result<&Arc<Tender>, ApiError> {
    context
        .queue()?
        .keys
        .as_ref()
        .ok_or_else(|| ApiError::new(Kind::Unavailable, "no_keys", "this daemon keeps no DKIM keys"))
}

fn domain_of_ours(tender: &Tender, text: &str) -> Result<DomainName, ApiError> {
    let domain: DomainName =
        text.parse().map_err(|why| invalid("invalid_field", format!("{text:?}: {why}")).with_param("domain"))?;
    match tender.directory.load().domain(&domain) {
        Some(_) => Ok(domain),
        None => Err(unknown_domain()),
    }
}

fn unknown_domain() -> ApiError {
    let message = "this is no domain of ours: it needs its [[domain]] first";
    ApiError::new(Kind::NotFound, "unknown_domain", message).with_param("domain")
}

fn refusal(why: NotMade) -> ApiError {
    let conflict = |code, message: &str| ApiError::new(Kind::Conflict, code, message);
    match why {
        NotMade::NoSuchDomain => unknown_domain(),
        NotMade::SelectorTaken => conflict(
            "selector_taken",
            "this selector has a key, or had one: its record may still be looked for, so take another",
        )
        .with_param("selector"),
        NotMade::NameTooLong => {
            invalid("invalid_field", "selector and domain together are longer than a name in the DNS may be")
                .with_param("selector")
        }
        NotMade::TooMany => {
            let message = format!("a domain has at most {} keys", limits::DKIM_KEYS_OF_DOMAIN_MAX);
            conflict("too_many_keys", &message)
        }
        NotMade::Key(why) => {
            tracing::error!(%why, "a DKIM key could not be made");
            ApiError::internal()
        }
        NotMade::Store(error) => store_failed(error),
    }
}

fn beside(given: &Selector) -> Result<Selector, ApiError> {
    let text = format!("{given}-ed");
    text.parse().map_err(|why| {
        invalid("invalid_field", format!("\"selector\" needs room for \"-ed\" behind it: {why}")).with_param("selector")
    })
}

/// `gp20261121`, after the day; of Ed25519 `gp20261121-ed`; and with a number when that has a key.
async fn free_selector(tender: &Tender, domain: &DomainName, algorithm: Algorithm) -> Result<Selector, ApiError> {
    let made = tender.store.dkim_keys_of(domain).await.map_err(store_failed)?;
    let directory = tender.directory.load();
    let named = directory.domain(domain).map(|entry| entry.value.dkim.as_slice()).unwrap_or_default();
    let taken: Vec<&str> =
        made.iter().map(|key| key.selector.as_str()).chain(named.iter().map(|key| key.selector.as_str())).collect();
    let kind = if algorithm == Algorithm::Ed25519 { "-ed" } else { "" };
    let base = format!("gp{}{kind}", day(tender.clock.now()));
    let numbered = (2..).map(|n| format!("{base}-{n}"));
    let free = std::iter::once(base.clone()).chain(numbered).find(|name| !taken.contains(&name.as_str()));
    // What is made of digits and hyphens is a selector.
    free.and_then(|name| name.parse().ok()).ok_or_else(ApiError::internal)
}

/// `20261121`.
fn day(now: Time) -> String {
    now.to_string().chars().take(10).filter(char::is_ascii_digit).collect()
}

fn of_file(tender: &Tender, domain: &DomainName, made: &[MadeKey]) -> Vec<Row> {
    let signing = tender.signing.load();
    let Signing::With(keys) = signing.of(domain) else { return Vec::new() };
    let is_made = |key: &SigningKey| made.iter().any(|made| made.domain == *domain && made.selector == *key.selector());
    let files = keys.iter().filter(|key| !is_made(key)).filter_map(|key| {
        let public = key.private().public().ok()?;
        Some(Row {
            object: "dkim_key",
            id: None,
            source: "file",
            domain: domain.to_string(),
            selector: key.selector().to_string(),
            algorithm: key.algorithm().as_str(),
            stage: Stage::Active.as_str(),
            since: None,
            replaces: None,
            record: record(&public, domain, key.selector()),
            dns: None,
            next: "it signs as long as the configuration names it".to_owned(),
        })
    });
    files.collect()
}

fn of_store(key: &MadeKey, looked: Option<&Looked>) -> Row {
    let public = PublicKey::new(key.algorithm, key.public.clone());
    Row {
        object: "dkim_key",
        id: Some(key.id.to_string()),
        source: "store",
        domain: key.domain.to_string(),
        selector: key.selector.to_string(),
        algorithm: key.algorithm.as_str(),
        stage: key.stage.as_str(),
        since: Some(key.since().to_string()),
        replaces: key.replaces.as_ref().map(ToString::to_string),
        record: record(&public, &key.domain, &key.selector),
        dns: looked.map(|looked| Seen { status: status(looked.sight), found: looked.found }),
        next: next(key),
    }
}

fn record(public: &PublicKey, domain: &DomainName, selector: &Selector) -> Record {
    Record {
        name: owner(domain, selector),
        kind: "TXT",
        value: public.record(),
        zone_line: public.zone_line(domain, selector),
    }
}

fn status(sight: Sight) -> &'static str {
    match sight {
        Sight::There => "published",
        Sight::NotThere => "missing",
        Sight::Unknown => "unknown",
    }
}

fn next(key: &MadeKey) -> String {
    let after = |wait| key.since().plus(wait);
    match key.stage {
        Stage::Pending => "publish the record; it is looked for every few minutes".to_owned(),
        Stage::Published => {
            format!("it signs from {} on, when the record is still there", after(limits::DKIM_SPREADS_IN))
        }
        Stage::Active if key.missing_at.is_some() => {
            "it signs, and nobody can verify what it signs: publish the record again".to_owned()
        }
        Stage::Active => "it signs; leave the record where it is".to_owned(),
        Stage::Retiring => {
            format!("leave the record until {}: mail it signed is under way", after(limits::DKIM_RETIRES_IN))
        }
        Stage::Retired => "the record may be taken out of the DNS".to_owned(),
    }
}

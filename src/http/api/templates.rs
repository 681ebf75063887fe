//! `/api/v1/templates`: made, changed, searched and tried. Those of files are shown and not changed here. What is
//! changed is in force on every node within two seconds.

use super::fields::{Body, Fields, invalid};
use super::list::List;
use super::{Queue, store_failed};
use crate::base::id::{self, TemplateId};
use crate::base::limits;
use crate::base::settings::nearest;
use crate::content::template::{Asked, Entry, Kind, Library, Locale, Mistake, Source, Submitted, Values, Wrong};
use crate::http::auth::SuperAdmin;
use crate::http::error::{ApiError, Kind as Fault};
use crate::http::router::Context;
use crate::model::name::Name;
use crate::model::people::Template;
use crate::store::people::{Person, delete};
use crate::store::templates::{
    TemplateRow, VersionRow, activate, heard, new_template_of_words, new_version, rename, words_of,
};
use crate::store::{Change, Store, StoreError};
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

pub(super) fn routes() -> Router<Context> {
    Router::new()
        .route("/api/v1/templates", get(list).post(create))
        .route("/api/v1/templates/render", post(render))
        .route("/api/v1/templates/validate", post(validate))
        .route("/api/v1/templates/{id}", get(show).patch(change).delete(remove))
        .route("/api/v1/templates/{id}/versions", get(versions).post(add_version))
        .route("/api/v1/templates/{id}/versions/{number}", get(version))
        .route("/api/v1/templates/{id}/versions/{number}/activate", post(activate_version))
        .layer(DefaultBodyLimit::max(limits::API_TEMPLATE_BODY_BYTES_MAX))
}

type Answer = Result<Json<Value>, ApiError>;

const TEXTS: [&str; 7] = ["subject", "preheader", "html", "text", "authoritative", "variables", "locales"];

fn kinds() -> [(&'static str, Kind); 3] {
    Kind::ALL.map(|kind| (kind.word(), kind))
}

fn shown(row: &TemplateRow, tenant: Option<&Name>) -> Value {
    let TemplateRow { template, used, updated_at } = row;
    json!({
        "object": "template",
        "id": template.id.as_str(),
        "tenant": tenant.map(Name::as_str),
        "name": template.name,
        "type": template.kind,
        "active": template.active_version.is_some(),
        "active_version": template.active_version,
        "used": used,
        "source": "store",
        "created_at": template.created_at.to_string(),
        "updated_at": updated_at.to_string(),
    })
}

fn shown_file(entry: &Entry) -> Value {
    json!({
        "object": "template",
        "id": format!("file:{}", entry.name),
        "tenant": null,
        "name": entry.name.as_str(),
        "type": entry.kind.word(),
        "active": entry.active.is_some(),
        "active_version": entry.active,
        "source": "file",
    })
}

fn tenant(queue: &Queue, fields: &mut Fields) -> Result<Name, ApiError> {
    let name = fields.parsed::<Name>("tenant", "the name of a tenant")?.unwrap_or_else(Name::default_tenant);
    match queue.ledger.directory.load().tenant(&name) {
        Some(_) => Ok(name),
        None => Err(ApiError::new(Fault::NotFound, "unknown_tenant", format!("there is no tenant \"{name}\""))
            .with_param("tenant")),
    }
}

fn unknown() -> ApiError {
    ApiError::new(Fault::NotFound, "unknown_template", "there is no template of this id")
}

fn of_a_file() -> ApiError {
    let message = "this template is a file: change it there, and reload";
    ApiError::new(Fault::Conflict, "template_is_a_file", message)
}

fn store(queue: &Queue) -> &Store {
    &queue.ledger.store
}

/// What stands in the store under an id, and whose it is.
async fn found(queue: &Queue, id: &str) -> Result<(TemplateRow, Name), ApiError> {
    if id.starts_with("file:") {
        return Err(of_a_file());
    }
    let id: TemplateId = id.parse().map_err(|_| unknown())?;
    let row = store(queue).template(&id).await.map_err(store_failed)?.ok_or_else(unknown)?;
    let tenant = queue.ledger.directory.load().tenant_named(&row.template.tenant).cloned().ok_or_else(unknown)?;
    Ok((row, tenant))
}

async fn list(
    _: SuperAdmin,
    State(context): State<Context>,
    mut fields: Fields,
) -> Result<Json<List<Value>>, ApiError> {
    let queue = context.queue()?;
    let limit = fields.limit()?;
    let tenant = tenant(queue, &mut fields)?;
    let after = fields.text("after")?.unwrap_or_default();
    let kind = fields.word("type", &kinds())?;
    let search = fields.text("q")?;
    fields.end()?;
    let of = queue.ledger.directory.load().tenant(&tenant).map(|tenant| tenant.id.clone()).ok_or_else(unknown)?;
    let is_wanted = |word: &str| kind.is_none_or(|kind| kind.word() == word);
    let mut data = Vec::new();
    if after.is_empty() {
        // Files are few, and stand before everything else.
        let wanted: Vec<_> = search.iter().flat_map(|text| words_of(text)).collect();
        let library = queue.templates.load();
        let files = library.files().filter(|entry| is_wanted(entry.kind.word()) && has_words(entry, &wanted));
        data.extend(files.map(shown_file));
    }
    let most = limit as i64;
    let rows = match &search {
        Some(text) => store(queue).search_templates(&of, text, &after, most).await,
        None => store(queue).template_rows(&of, &after, most).await,
    };
    let rows = rows.map_err(store_failed)?;
    let next = (rows.len() == limit).then(|| rows.last().map(|row| row.template.id.to_string())).flatten();
    data.extend(rows.iter().filter(|row| is_wanted(&row.template.kind)).map(|row| shown(row, Some(&tenant))));
    Ok(Json(List::new(data, next)))
}

fn has_words(entry: &Entry, wanted: &[String]) -> bool {
    if wanted.is_empty() {
        return true;
    }
    let has: BTreeSet<String> =
        entry.source(None).map(|source| words_of(&source.all_text()).collect()).unwrap_or_default();
    wanted.iter().all(|word| has.iter().any(|known| known.starts_with(word.as_str())))
}

/// The texts of a version, out of a request's fields.
fn texts(fields: &mut Fields) -> Map<String, Value> {
    let given = TEXTS.into_iter().filter_map(|name| Some((name.to_owned(), fields.any(name)?)));
    given.collect()
}

fn source(name: Name, kind: Kind, version: u32, texts: &Map<String, Value>) -> Result<Source, ApiError> {
    Source::of_json(name, kind, version, texts)
        .map_err(|Wrong { field, why }| invalid("invalid_field", format!("\"{field}\" {why}")).with_param(field))
}

/// The first mistake is the message; all of them are sentences.
fn refused(mistakes: &[Mistake]) -> ApiError {
    let message =
        mistakes.iter().take(limits::ZONE_MISTAKES_MAX).map(ToString::to_string).collect::<Vec<_>>().join("; ");
    let param = mistakes.first().and_then(|mistake| mistake.variable.as_ref()).map(|name| format!("variables.{name}"));
    let error = invalid("invalid_template", message).with_status(StatusCode::UNPROCESSABLE_ENTITY);
    match param {
        Some(param) => error.with_param(param),
        None => error,
    }
}

fn search_words(source: &Source) -> String {
    let words: BTreeSet<String> = words_of(&source.all_text()).collect();
    let mut text = String::new();
    for word in words {
        if text.len() + word.len() > limits::SEARCH_TEXT_BYTES_MAX {
            break;
        }
        text.push_str(&word);
        text.push(' ');
    }
    text
}

fn rows(source: &Source, id: &TemplateId, author: &str, at: crate::base::clock::Time) -> Vec<VersionRow> {
    let rows = source.to_rows().into_iter().map(|(locale, content)| VersionRow {
        template: id.clone(),
        version: i64::from(source.version),
        locale,
        content,
        author: author.to_owned(),
        created_at: at,
    });
    rows.collect()
}

fn missing(name: &str, what: &str) -> ApiError {
    invalid("missing_field", format!("\"{name}\" is missing: {what}")).with_param(name)
}

fn taken(name: &Name) -> impl FnOnce(StoreError) -> ApiError + use<> {
    let message = format!("there is a template \"{name}\" already");
    move |error| match error {
        StoreError::Conflict { .. } => ApiError::new(Fault::Conflict, "name_taken", message).with_param("name"),
        error => store_failed(error),
    }
}

async fn create(
    admin: SuperAdmin,
    State(context): State<Context>,
    Body(mut fields): Body,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let queue = context.queue()?;
    let tenant = tenant(queue, &mut fields)?;
    let name: Name =
        fields.parsed("name", "a name of one plain word")?.ok_or_else(|| missing("name", "what mail calls it"))?;
    let kind = fields.word("type", &kinds())?.unwrap_or(Kind::Email);
    let texts = texts(&mut fields);
    fields.end()?;
    let source = source(name.clone(), kind, 1, &texts)?;
    let library = queue.templates.load_full();
    if library.files().any(|entry| entry.name == name) {
        let message = format!("there is a file template \"{name}\" already");
        return Err(ApiError::new(Fault::Conflict, "name_taken", message).with_param("name"));
    }
    library.with(&tenant, source.clone()).map_err(|mistakes| refused(&mistakes))?;
    let now = context.clock.now();
    let of = queue.ledger.directory.load().tenant(&tenant).map(|tenant| tenant.id.clone()).ok_or_else(unknown)?;
    let template = Template {
        id: id::new(now, &context.random),
        tenant: of,
        name: name.to_string(),
        kind: kind.word().to_owned(),
        active_version: Some(1),
        created_at: now,
        deleted_at: None,
    };
    let change = Change::of(new_template_of_words(&template, &search_words(&source)));
    let versions = rows(&source, &template.id, &admin.by, now);
    let change = versions.iter().map(new_version).fold(change, Change::with);
    store(queue).write(heard(change, now)).await.map_err(taken(&name))?;
    let row = TemplateRow { template, used: 0, updated_at: now };
    Ok((StatusCode::CREATED, Json(shown(&row, Some(&tenant)))))
}

async fn show(_: SuperAdmin, State(context): State<Context>, Path(id): Path<String>) -> Answer {
    let queue = context.queue()?;
    if let Some(name) = id.strip_prefix("file:") {
        let library = queue.templates.load();
        let entry = library.files().find(|entry| entry.name.as_str() == name).ok_or_else(unknown)?;
        let mut answer = shown_file(entry);
        answer["content"] = entry.source(None).map(|source| Value::Object(source.to_json())).unwrap_or_default();
        return Ok(Json(answer));
    }
    let (row, tenant) = found(queue, &id).await?;
    let mut answer = shown(&row, Some(&tenant));
    answer["content"] = match row.template.active_version {
        Some(number) => content(queue, &row.template, number).await?.map(|(content, _)| content).unwrap_or_default(),
        None => Value::Null,
    };
    Ok(Json(answer))
}

/// What a version says, and its first row.
async fn content(queue: &Queue, template: &Template, number: i64) -> Result<Option<(Value, VersionRow)>, ApiError> {
    let rows = store(queue).template_version(&template.id, number).await.map_err(store_failed)?;
    let Some(first) = rows.first().cloned() else { return Ok(None) };
    let source = read_back(template, &rows)?;
    Ok(Some((Value::Object(source.to_json()), first)))
}

fn read_back(template: &Template, rows: &[VersionRow]) -> Result<Source, ApiError> {
    let texts: Vec<_> = rows.iter().map(|row| (row.locale.as_str(), row.content.as_str())).collect();
    let damaged = |why: String| {
        tracing::error!(template = %template.id, why, "a template's version is damaged");
        ApiError::internal()
    };
    let name: Name = template.name.parse().map_err(|_| damaged("its name is none".to_owned()))?;
    let kind = Kind::of_word(&template.kind).ok_or_else(|| damaged("its kind is none".to_owned()))?;
    let version = rows.first().and_then(|row| u32::try_from(row.version).ok()).unwrap_or(1);
    Source::of_rows(name, kind, version, &texts).map_err(damaged)
}

async fn change(
    _: SuperAdmin,
    State(context): State<Context>,
    Path(id): Path<String>,
    Body(mut fields): Body,
) -> Answer {
    let queue = context.queue()?;
    let (row, tenant) = found(queue, &id).await?;
    let name: Option<Name> = fields.parsed("name", "a name of one plain word")?;
    let active = fields.is_named("active").then(|| fields.flag("active")).transpose()?;
    fields.end()?;
    let now = context.clock.now();
    let template = &row.template;
    let mut change = Change::default();
    if let Some(name) = &name {
        may_go(queue, &tenant, template)?;
        change = change.with(rename(&template.id, name.as_str(), now));
    }
    match active {
        Some(false) => {
            may_go(queue, &tenant, template)?;
            change = change.with(activate(&template.id, None, "", now));
        }
        Some(true) if template.active_version.is_none() => {
            let message = "say which version: POST …/versions/{n}/activate";
            return Err(invalid("invalid_field", message).with_param("active"));
        }
        Some(true) | None => {}
    }
    if !change.steps.is_empty() {
        let written = store(queue).write(heard(change, now)).await;
        written.map_err(|error| match &name {
            Some(name) => taken(name)(error),
            None => store_failed(error),
        })?;
    }
    let (row, tenant) = found(queue, &id).await?;
    Ok(Json(shown(&row, Some(&tenant))))
}

/// Others may extend or include it: then it stays.
fn may_go(queue: &Queue, tenant: &Name, template: &Template) -> Result<(), ApiError> {
    let Ok(name) = template.name.parse::<Name>() else { return Ok(()) };
    let needing = queue.templates.load().needing(tenant, &name);
    match needing.first() {
        None => Ok(()),
        Some(first) => Err(ApiError::new(Fault::Conflict, "template_in_use", format!("others need it: {first}"))),
    }
}

async fn remove(_: SuperAdmin, State(context): State<Context>, Path(id): Path<String>) -> Answer {
    let queue = context.queue()?;
    let (row, tenant) = found(queue, &id).await?;
    may_go(queue, &tenant, &row.template)?;
    let now = context.clock.now();
    let gone = delete(Person::Template, row.template.id.as_str(), now);
    store(queue).write(heard(Change::of(gone), now)).await.map_err(store_failed)?;
    Ok(Json(json!({ "object": "template", "id": row.template.id.as_str(), "deleted": true })))
}

fn shown_version(row: &VersionRow, template: &Template) -> Value {
    json!({
        "object": "template_version",
        "template_id": row.template.as_str(),
        "version": row.version,
        "active": template.active_version == Some(row.version),
        "author": row.author,
        "created_at": row.created_at.to_string(),
    })
}

async fn versions(
    _: SuperAdmin,
    State(context): State<Context>,
    Path(id): Path<String>,
    mut fields: Fields,
) -> Result<Json<List<Value>>, ApiError> {
    let queue = context.queue()?;
    let limit = fields.limit()?;
    let before = fields.parsed::<i64>("after", "the number of a version")?.unwrap_or(i64::MAX);
    fields.end()?;
    let (row, _) = found(queue, &id).await?;
    let rows = store(queue).template_versions(&row.template.id, before, limit as i64).await.map_err(store_failed)?;
    let next = (rows.len() == limit).then(|| rows.last().map(|row| row.version.to_string())).flatten();
    Ok(Json(List::new(rows.iter().map(|version| shown_version(version, &row.template)).collect(), next)))
}

async fn version(_: SuperAdmin, State(context): State<Context>, Path((id, number)): Path<(String, i64)>) -> Answer {
    let queue = context.queue()?;
    let (row, _) = found(queue, &id).await?;
    let (content, first) = content(queue, &row.template, number).await?.ok_or_else(unknown_version)?;
    let mut answer = shown_version(&first, &row.template);
    answer["content"] = content;
    Ok(Json(answer))
}

fn unknown_version() -> ApiError {
    ApiError::new(Fault::NotFound, "unknown_version", "the template has no version of this number")
}

async fn add_version(
    admin: SuperAdmin,
    State(context): State<Context>,
    Path(id): Path<String>,
    Body(mut fields): Body,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let queue = context.queue()?;
    let (row, tenant) = found(queue, &id).await?;
    let template = &row.template;
    let at_once = fields.flag("activate")?;
    let texts = texts(&mut fields);
    fields.end()?;
    let newest = store(queue).template_versions(&template.id, i64::MAX, 1).await.map_err(store_failed)?;
    let number = newest.first().map_or(1, |row| row.version + 1);
    let name: Name = template.name.parse().map_err(|_| unknown())?;
    let kind = Kind::of_word(&template.kind).ok_or_else(unknown)?;
    let source = source(name, kind, u32::try_from(number).map_err(|_| unknown())?, &texts)?;
    queue.templates.load().with(&tenant, source.clone()).map_err(|mistakes| refused(&mistakes))?;
    let now = context.clock.now();
    let versions = rows(&source, &template.id, &admin.by, now);
    let mut change = versions.iter().map(new_version).fold(Change::default(), Change::with);
    if at_once {
        change = change.with(activate(&template.id, Some(number), &search_words(&source), now));
    }
    store(queue).write(heard(change, now)).await.map_err(store_failed)?;
    let (row, _) = found(queue, &id).await?;
    let first = versions.first().ok_or_else(ApiError::internal)?;
    Ok((StatusCode::CREATED, Json(shown_version(first, &row.template))))
}

async fn activate_version(
    _: SuperAdmin,
    State(context): State<Context>,
    Path((id, number)): Path<(String, i64)>,
    Body(fields): Body,
) -> Answer {
    fields.end()?;
    let queue = context.queue()?;
    let (row, tenant) = found(queue, &id).await?;
    let rows = store(queue).template_version(&row.template.id, number).await.map_err(store_failed)?;
    if rows.is_empty() {
        return Err(unknown_version());
    }
    let source = read_back(&row.template, &rows)?;
    // What it names may have changed since it was written.
    queue.templates.load().with(&tenant, source.clone()).map_err(|mistakes| refused(&mistakes))?;
    let now = context.clock.now();
    let change = Change::of(activate(&row.template.id, Some(number), &search_words(&source), now));
    store(queue).write(heard(change, now)).await.map_err(store_failed)?;
    let (row, tenant) = found(queue, &id).await?;
    Ok(Json(shown(&row, Some(&tenant))))
}

/// A template that is there, or one that is only tried: in a library where it stands.
fn tried(queue: &Queue, fields: &mut Fields) -> Result<(std::sync::Arc<Library>, Name, Name, Option<u32>), ApiError> {
    let tenant = tenant(queue, fields)?;
    let named: Option<Name> = fields.parsed("template", "the name of a template")?;
    let version: Option<u32> = match fields.any("version") {
        None => None,
        Some(number) => match number.as_u64().and_then(|number| u32::try_from(number).ok()) {
            Some(number) => Some(number),
            None => return Err(invalid("invalid_field", "\"version\" takes a number").with_param("version")),
        },
    };
    let inline = fields.any("inline");
    match (named, inline) {
        (Some(name), None) => Ok((queue.templates.load_full(), tenant, name, version)),
        (None, Some(Value::Object(texts))) => {
            if let Some(unknown) = texts.keys().find(|key| !TEXTS.contains(&key.as_str()) && *key != "type") {
                let hint = nearest(unknown, TEXTS.into_iter()).map(|near| format!("; did you mean \"{near}\"?"));
                let message = format!("unknown field \"inline.{unknown}\"{}", hint.unwrap_or_default());
                return Err(invalid("unknown_field", message).with_param(format!("inline.{unknown}")));
            }
            // Invariant: a constant that is a name.
            let name: Name = "inline".parse().map_err(|_| ApiError::internal())?;
            let kind = texts.get("type").and_then(Value::as_str).and_then(Kind::of_word).unwrap_or(Kind::Email);
            let source = source(name.clone(), kind, 1, &texts)?;
            let library = queue.templates.load().with(&tenant, source).map_err(|mistakes| refused(&mistakes))?;
            Ok((std::sync::Arc::new(library), tenant, name, None))
        }
        _ => Err(missing("template", "the name of one, or \"inline\" with its texts")),
    }
}

async fn render(_: SuperAdmin, State(context): State<Context>, Body(mut fields): Body) -> Answer {
    let queue = context.queue()?;
    let values = match fields.any("variables") {
        None => Map::new(),
        Some(Value::Object(values)) => values,
        Some(_) => return Err(invalid("invalid_field", "\"variables\" takes an object").with_param("variables")),
    };
    let locale: Option<Locale> = fields.parsed("locale", "a locale like \"de-AT\"")?;
    let body = |value: Option<Value>| value.and_then(|value| value.as_str().map(str::to_owned));
    let submitted =
        Submitted { subject: None, html: body(fields.any("body_html")), text: body(fields.any("body_text")) };
    let (library, tenant, name, version) = tried(queue, &mut fields)?;
    fields.end()?;
    let template = library.find(&tenant, &name, version).map_err(|mistake| refused(&[mistake]))?;
    let values = Values::new(values);
    let account = template.account(locale.as_ref(), &values);
    let asked = Asked { locale: locale.as_ref(), values: &values, submitted: &submitted };
    // Whoever tries a template is told all that it wants, not the first of it.
    let made = match account.missing.as_slice() {
        [] => Some(template.render(&asked).map_err(|mistake| refused(&[mistake]))?),
        _ => None,
    };
    Ok(Json(json!({
        "object": "rendered_template",
        "template": template.source().label(),
        "subject": made.as_ref().map(|made| made.subject.as_str()),
        "preheader": made.as_ref().and_then(|made| made.preheader.as_deref()),
        "html": made.as_ref().and_then(|made| made.html.as_deref()),
        "text": made.as_ref().map(|made| made.text.as_str()),
        "missing": account.missing,
        "unused": account.unused,
    })))
}

/// Is it one that could be used? With examples for all its variables it is tried, too.
async fn validate(_: SuperAdmin, State(context): State<Context>, Body(mut fields): Body) -> Answer {
    let queue = context.queue()?;
    let (library, tenant, name, version) = tried(queue, &mut fields)?;
    fields.end()?;
    let is_email = library.entry(&tenant, &name).is_none_or(|entry| entry.kind == Kind::Email);
    if is_email {
        let template = library.find(&tenant, &name, version).map_err(|mistake| refused(&[mistake]))?;
        let needed = template.account(None, &Values::default()).missing;
        return Ok(Json(json!({ "object": "template_check", "valid": true, "variables": needed })));
    }
    Ok(Json(json!({ "object": "template_check", "valid": true, "variables": [] })))
}

//! Templates that were made through the API, and their versions. A version never changes; which of them is active
//! does, and every node hears of it by the directory's version.

use super::change::{Change, Step};
use super::directory;
use super::error::StoreError;
use super::open::Store;
use super::statement::{Binds, Columns, Statement, fetch_all, fetch_one, statements};
use super::words;
use crate::base::clock::Time;
use crate::base::id::{TemplateId, TenantId};
use crate::base::limits;
use crate::model::people::Template;
use sqlx::any::AnyRow;

statements! {
    NEW_TEMPLATE = "INSERT INTO templates (id, tenant_id, name, kind, active_version, used, created_at, updated_at, words)
        VALUES ($1, $2, $3, $4, $5, 0, $6, $6, $7)";
    TEMPLATES = "SELECT id, tenant_id, name, kind, active_version, created_at, deleted_at, used, updated_at FROM templates
        WHERE tenant_id = $1 AND deleted_at IS NULL AND id > $2 ORDER BY id LIMIT $3";
    ALL_TEMPLATES = "SELECT id, tenant_id, name, kind, active_version, created_at, deleted_at, used, updated_at
        FROM templates WHERE deleted_at IS NULL AND id > $1 ORDER BY id LIMIT $2";
    TEMPLATE = "SELECT id, tenant_id, name, kind, active_version, created_at, deleted_at, used, updated_at FROM templates
        WHERE id = $1 AND deleted_at IS NULL";
    DELETE_TEMPLATE = "UPDATE templates SET deleted_at = $2, updated_at = $2 WHERE id = $1 AND deleted_at IS NULL";
    RESTORE_TEMPLATE = "UPDATE templates SET deleted_at = NULL, updated_at = $2 WHERE id = $1 AND deleted_at IS NOT NULL";
    ACTIVATE_TEMPLATE = "UPDATE templates SET active_version = $2, words = $3, updated_at = $4
        WHERE id = $1 AND deleted_at IS NULL";
    RENAME_TEMPLATE = "UPDATE templates SET name = $2, updated_at = $3 WHERE id = $1 AND deleted_at IS NULL";
    TEMPLATE_USED = "UPDATE templates SET used = used + CAST($2 AS BIGINT) WHERE id = $1";

    NEW_TEMPLATE_VERSION = "INSERT INTO template_versions (template_id, version, locale, content, author, created_at)
        VALUES ($1, $2, $3, $4, $5, $6)";
    TEMPLATE_VERSION = "SELECT template_id, version, locale, content, author, created_at FROM template_versions
        WHERE template_id = $1 AND version = $2 ORDER BY locale";
    // Without the texts: a list shows who made which when.
    TEMPLATE_VERSIONS = "SELECT template_id, version, locale, '' AS content, author, created_at FROM template_versions
        WHERE template_id = $1 AND locale = '' AND version < $2 ORDER BY version DESC LIMIT $3";
    // The newest of each, and the active one.
    READY_VERSIONS = "SELECT v.template_id AS template_id, v.version AS version, v.locale AS locale,
        v.content AS content, v.author AS author, v.created_at AS created_at
        FROM template_versions v JOIN templates t ON t.id = v.template_id
        WHERE t.deleted_at IS NULL AND (v.template_id, v.version, v.locale) > ($1, $2, $3)
        AND (v.version = t.active_version OR v.version > (SELECT MAX(m.version) FROM template_versions m
        WHERE m.template_id = v.template_id) - $4)
        ORDER BY v.template_id, v.version, v.locale LIMIT $5";
}

/// A template as lists show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateRow {
    pub template: Template,
    /// How many messages were made of it, as last written down.
    pub used: i64,
    pub updated_at: Time,
}

/// What a version says in one language; '' is for everybody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionRow {
    pub template: TemplateId,
    pub version: i64,
    pub locale: String,
    /// JSON.
    pub content: String,
    pub author: String,
    pub created_at: Time,
}

pub fn new_template(template: &Template) -> Step {
    new_template_of_words(template, "")
}

/// With what it is found by.
pub fn new_template_of_words(template: &Template, words: &str) -> Step {
    let binds = Binds::default()
        .text(template.id.as_str())
        .text(template.tenant.as_str())
        .text(&template.name)
        .text(&template.kind)
        .maybe_int(template.active_version)
        .int(template.created_at.micros())
        .text(words);
    Step::one(&NEW_TEMPLATE, binds)
}

pub fn new_version(row: &VersionRow) -> Step {
    let binds = Binds::default()
        .text(row.template.as_str())
        .int(row.version)
        .text(&row.locale)
        .text(&row.content)
        .text(&row.author)
        .int(row.created_at.micros());
    Step::one(&NEW_TEMPLATE_VERSION, binds)
}

/// Another version is the active one, or none is.
pub fn activate(id: &TemplateId, version: Option<i64>, words: &str, at: Time) -> Step {
    let binds = Binds::default().text(id.as_str()).maybe_int(version).text(words).int(at.micros());
    Step::one(&ACTIVATE_TEMPLATE, binds)
}

pub fn rename(id: &TemplateId, name: &str, at: Time) -> Step {
    Step::one(&RENAME_TEMPLATE, Binds::default().text(id.as_str()).text(name).int(at.micros()))
}

/// A change of templates is one that all nodes hear of.
pub fn heard(change: Change, at: Time) -> Change {
    change.with(directory::changed(at))
}

/// So many more messages were made of it; one that is gone counts nothing.
pub fn used(id: &TemplateId, messages: u64) -> Step {
    let messages = i64::try_from(messages).unwrap_or(i64::MAX);
    Step::any(&TEMPLATE_USED, Binds::default().text(id.as_str()).int(messages))
}

impl Store {
    pub async fn templates(&self, tenant: &TenantId, after: &str) -> Result<Vec<Template>, StoreError> {
        let rows = self.template_rows(tenant, after, limits::PAGE_ROWS_MAX).await?;
        Ok(rows.into_iter().map(|row| row.template).collect())
    }

    /// A page of an organisation's templates behind `after` ("" for the first).
    pub async fn template_rows(
        &self,
        tenant: &TenantId,
        after: &str,
        limit: i64,
    ) -> Result<Vec<TemplateRow>, StoreError> {
        let binds = Binds::default().text(tenant.as_str()).text(after).int(limit);
        fetch_all(self.reads(), &TEMPLATES, binds).await?.iter().map(read).collect()
    }

    /// Those of them that have all these words, each as it is or as the begin of one.
    pub async fn search_templates(
        &self,
        tenant: &TenantId,
        search: &str,
        after: &str,
        limit: i64,
    ) -> Result<Vec<TemplateRow>, StoreError> {
        let engine = self.location().engine();
        let found: Vec<_> = words_of(search).take(limits::SEARCH_WORDS_MAX).collect();
        if found.is_empty() {
            return Ok(Vec::new());
        }
        let statement: &'static Statement = engine.search_templates();
        let binds = Binds::default().text(tenant.as_str()).text(after).text(&engine.beginnings(&found)).int(limit);
        fetch_all(self.reads(), statement, binds).await?.iter().map(read).collect()
    }

    pub async fn template(&self, id: &TemplateId) -> Result<Option<TemplateRow>, StoreError> {
        let row = fetch_one(self.reads(), &TEMPLATE, Binds::default().text(id.as_str())).await?;
        row.as_ref().map(read).transpose()
    }

    /// One version in all its languages.
    pub async fn template_version(&self, id: &TemplateId, version: i64) -> Result<Vec<VersionRow>, StoreError> {
        let binds = Binds::default().text(id.as_str()).int(version);
        fetch_all(self.reads(), &TEMPLATE_VERSION, binds).await?.iter().map(read_version).collect()
    }

    /// A page of versions without their texts, the newest first, below `before`.
    pub async fn template_versions(
        &self,
        id: &TemplateId,
        before: i64,
        limit: i64,
    ) -> Result<Vec<VersionRow>, StoreError> {
        let binds = Binds::default().text(id.as_str()).int(before).int(limit);
        fetch_all(self.reads(), &TEMPLATE_VERSIONS, binds).await?.iter().map(read_version).collect()
    }

    /// All living templates with the versions that are kept ready.
    pub async fn ready_templates(&self) -> Result<(Vec<Template>, Vec<VersionRow>), StoreError> {
        let (mut templates, mut versions): (Vec<Template>, Vec<VersionRow>) = (Vec::new(), Vec::new());
        loop {
            let after = templates.last().map_or("", |last| last.id.as_str());
            let binds = Binds::default().text(after).int(limits::PAGE_ROWS_MAX);
            let page = fetch_all(self.reads(), &ALL_TEMPLATES, binds).await?;
            for row in &page {
                templates.push(read(row)?.template);
            }
            if (page.len() as i64) < limits::PAGE_ROWS_MAX {
                break;
            }
        }
        loop {
            let after = versions.last();
            let binds = Binds::default()
                .text(after.map_or("", |last| last.template.as_str()))
                .int(after.map_or(0, |last| last.version))
                .text(after.map_or("", |last| last.locale.as_str()))
                .int(limits::TEMPLATE_VERSIONS_READY)
                .int(limits::TEMPLATE_PAGE_ROWS);
            let page = fetch_all(self.reads(), &READY_VERSIONS, binds).await?;
            for row in &page {
                versions.push(read_version(row)?);
            }
            if (page.len() as i64) < limits::TEMPLATE_PAGE_ROWS {
                return Ok((templates, versions));
            }
        }
    }
}

/// Runs of letters and digits, in small letters: what is stored to be found, and what is looked for.
pub fn words_of(text: &str) -> impl Iterator<Item = String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(|word| word.to_lowercase().chars().take(limits::NAME_BYTES_MAX).collect())
}

fn read(row: &AnyRow) -> Result<TemplateRow, StoreError> {
    Ok(TemplateRow {
        template: Template {
            id: words::id(&row.text("id")?)?,
            tenant: words::id(&row.text("tenant_id")?)?,
            name: row.text("name")?,
            kind: row.text("kind")?,
            active_version: row.maybe_int("active_version")?,
            created_at: Time::from_micros(row.int("created_at")?),
            deleted_at: words::time(row.maybe_int("deleted_at")?),
        },
        used: row.int("used")?,
        updated_at: Time::from_micros(row.int("updated_at")?),
    })
}

fn read_version(row: &AnyRow) -> Result<VersionRow, StoreError> {
    Ok(VersionRow {
        template: words::id(&row.text("template_id")?)?,
        version: row.int("version")?,
        locale: row.text("locale")?,
        content: row.text("content")?,
        author: row.text("author")?,
        created_at: Time::from_micros(row.int("created_at")?),
    })
}

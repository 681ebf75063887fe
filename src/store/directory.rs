//! The store's half of the `Directory`: entries and keys that were made through the API, and the version
//! by which every node sees within a second that they changed.

use super::change::{Change, Step};
use super::error::StoreError;
use super::open::Store;
use super::statement::{Binds, Columns, Statement, fetch_all, fetch_one, statements};
use super::words;
use crate::base::clock::Time;
use crate::base::id::KeyId;
use crate::base::limits;
use crate::model::directory::{DirectoryRows, EntryKind, EntryRow, Key};
use sqlx::any::AnyRow;

statements! {
    DIRECTORY_VERSION = "SELECT value FROM settings WHERE name = 'directory_version'";
    BUMP_DIRECTORY = "INSERT INTO settings (name, value, updated_at) VALUES ('directory_version', '1', $1)
        ON CONFLICT (name) DO UPDATE SET value = CAST(CAST(settings.value AS BIGINT) + 1 AS TEXT),
        updated_at = excluded.updated_at";

    NEW_DOMAIN = "INSERT INTO domains (id, tenant_id, name, definition, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $5)";
    NEW_CREDENTIAL = "INSERT INTO credentials (id, tenant_id, name, definition, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $5)";
    NEW_RELAY = "INSERT INTO relays (id, tenant_id, name, definition, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $5)";
    NEW_ROUTE = "INSERT INTO routes (id, tenant_id, name, definition, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $5)";
    NEW_MAILBOX = "INSERT INTO mailboxes (id, tenant_id, name, definition, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $5)";
    NEW_WEBHOOK = "INSERT INTO webhooks (id, tenant_id, name, definition, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $5)";

    DOMAINS = "SELECT id, tenant_id, name, definition, disabled_at FROM domains
        WHERE deleted_at IS NULL AND id > $1 ORDER BY id LIMIT $2";
    CREDENTIALS = "SELECT id, tenant_id, name, definition, disabled_at FROM credentials
        WHERE deleted_at IS NULL AND id > $1 ORDER BY id LIMIT $2";
    RELAYS = "SELECT id, tenant_id, name, definition, disabled_at FROM relays
        WHERE deleted_at IS NULL AND id > $1 ORDER BY id LIMIT $2";
    ROUTES = "SELECT id, tenant_id, name, definition, disabled_at FROM routes
        WHERE deleted_at IS NULL AND id > $1 ORDER BY id LIMIT $2";
    MAILBOXES = "SELECT id, tenant_id, name, definition, disabled_at FROM mailboxes
        WHERE deleted_at IS NULL AND id > $1 ORDER BY id LIMIT $2";
    WEBHOOKS = "SELECT id, tenant_id, name, definition, disabled_at FROM webhooks
        WHERE deleted_at IS NULL AND id > $1 ORDER BY id LIMIT $2";

    DELETE_DOMAIN = "UPDATE domains SET deleted_at = $2, updated_at = $2 WHERE id = $1 AND deleted_at IS NULL";
    DELETE_CREDENTIAL = "UPDATE credentials SET deleted_at = $2, updated_at = $2 WHERE id = $1 AND deleted_at IS NULL";
    DELETE_RELAY = "UPDATE relays SET deleted_at = $2, updated_at = $2 WHERE id = $1 AND deleted_at IS NULL";
    DELETE_ROUTE = "UPDATE routes SET deleted_at = $2, updated_at = $2 WHERE id = $1 AND deleted_at IS NULL";
    DELETE_MAILBOX = "UPDATE mailboxes SET deleted_at = $2, updated_at = $2 WHERE id = $1 AND deleted_at IS NULL";
    DELETE_WEBHOOK = "UPDATE webhooks SET deleted_at = $2, updated_at = $2 WHERE id = $1 AND deleted_at IS NULL";

    NEW_KEY = "INSERT INTO keys (id, tenant_id, name, secret_hash, scopes, domains, networks, created_at, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    KEYS = "SELECT id, tenant_id, name, secret_hash, scopes, domains, networks, created_at, expires_at FROM keys
        WHERE revoked_at IS NULL AND id > $1 ORDER BY id LIMIT $2";
    REVOKE_KEY = "UPDATE keys SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL";
}

/// One kind's three statements: the table's name is all that differs, and SQL cannot bind a name.
struct Table {
    new: &'static Statement,
    page: &'static Statement,
    delete: &'static Statement,
}

fn table(kind: EntryKind) -> Table {
    let (new, page, delete) = match kind {
        EntryKind::Domain => (&NEW_DOMAIN, &DOMAINS, &DELETE_DOMAIN),
        EntryKind::Credential => (&NEW_CREDENTIAL, &CREDENTIALS, &DELETE_CREDENTIAL),
        EntryKind::Relay => (&NEW_RELAY, &RELAYS, &DELETE_RELAY),
        EntryKind::Route => (&NEW_ROUTE, &ROUTES, &DELETE_ROUTE),
        EntryKind::Mailbox => (&NEW_MAILBOX, &MAILBOXES, &DELETE_MAILBOX),
        EntryKind::Webhook => (&NEW_WEBHOOK, &WEBHOOKS, &DELETE_WEBHOOK),
    };
    Table { new, page, delete }
}

/// A change to the directory always moves its version, or no other node would hear of it.
fn heard(step: Step, at: Time) -> Change {
    Change::of(step).with(changed(at))
}

/// The step by which the other nodes hear of a change that is not an entry's or a key's own: a tenant
/// that was made, disabled or deleted.
pub fn changed(at: Time) -> Step {
    Step::one(&BUMP_DIRECTORY, Binds::default().int(at.micros()))
}

pub fn new_entry(entry: &EntryRow, at: Time) -> Change {
    let binds = Binds::default()
        .text(&entry.id)
        .text(entry.tenant.as_str())
        .text(&entry.name)
        .text(&entry.definition)
        .int(at.micros());
    heard(Step::one(table(entry.kind).new, binds), at)
}

pub fn delete_entry(kind: EntryKind, id: &str, at: Time) -> Change {
    heard(Step::one(table(kind).delete, Binds::default().text(id).int(at.micros())), at)
}

pub fn new_key(key: &Key) -> Change {
    let binds = Binds::default()
        .text(key.id.as_str())
        .text(key.tenant.as_str())
        .text(&key.name)
        .text(&key.secret_hash)
        .text(&key.scopes)
        .text(&key.domains)
        .text(&key.networks)
        .int(key.created_at.micros())
        .maybe_int(key.expires_at.map(Time::micros));
    heard(Step::one(&NEW_KEY, binds), key.created_at)
}

pub fn revoke_key(id: &KeyId, at: Time) -> Change {
    heard(Step::one(&REVOKE_KEY, Binds::default().text(id.as_str()).int(at.micros())), at)
}

impl Store {
    /// The version that every node polls.
    pub async fn directory_version(&self) -> Result<i64, StoreError> {
        match fetch_one(self.reads(), &DIRECTORY_VERSION, Binds::default()).await? {
            Some(row) => words::value(&row.text("value")?),
            None => Ok(0),
        }
    }

    /// All tenants, entries and keys. The version is read first: what changes while the rest is read moves it
    /// again, and the next poll reads anew.
    pub async fn directory_rows(&self) -> Result<DirectoryRows, StoreError> {
        let version = self.directory_version().await?;
        let mut rows = DirectoryRows { version, ..Default::default() };
        loop {
            let page = self.tenants(rows.tenants.last().map_or("", |last| last.id.as_str())).await?;
            let is_last = (page.len() as i64) < limits::PAGE_ROWS_MAX;
            rows.tenants.extend(page);
            if is_last {
                break;
            }
        }
        for kind in EntryKind::ALL {
            self.all_pages(table(kind).page, |row| {
                rows.entries.push(read_entry(kind, row)?);
                Ok(())
            })
            .await?;
        }
        self.all_pages(&KEYS, |row| {
            rows.keys.push(read_key(row)?);
            Ok(())
        })
        .await?;
        Ok(rows)
    }

    /// Page by page, so that no read holds a snapshot for long.
    async fn all_pages(
        &self,
        page: &'static Statement,
        mut take: impl FnMut(&AnyRow) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut after = String::new();
        loop {
            let binds = Binds::default().text(&after).int(limits::PAGE_ROWS_MAX);
            let rows = fetch_all(self.reads(), page, binds).await?;
            for row in &rows {
                take(row)?;
            }
            match rows.last() {
                Some(last) if rows.len() as i64 == limits::PAGE_ROWS_MAX => after = last.text("id")?,
                _ => return Ok(()),
            }
        }
    }
}

fn read_entry(kind: EntryKind, row: &AnyRow) -> Result<EntryRow, StoreError> {
    Ok(EntryRow {
        kind,
        id: row.text("id")?,
        tenant: words::id(&row.text("tenant_id")?)?,
        name: row.text("name")?,
        definition: row.text("definition")?,
        disabled_at: words::time(row.maybe_int("disabled_at")?),
    })
}

fn read_key(row: &AnyRow) -> Result<Key, StoreError> {
    Ok(Key {
        id: words::id(&row.text("id")?)?,
        tenant: words::id(&row.text("tenant_id")?)?,
        name: row.text("name")?,
        secret_hash: row.text("secret_hash")?,
        scopes: row.text("scopes")?,
        domains: row.text("domains")?,
        networks: row.text("networks")?,
        created_at: Time::from_micros(row.int("created_at")?),
        expires_at: words::time(row.maybe_int("expires_at")?),
    })
}

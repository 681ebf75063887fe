//! Tenants, users and contacts: made, read, and deleted softly, as templates are. A deleted row keeps its id
//! and its history and gives its name free; it can be brought back while nobody else took the name.

use super::change::Step;
use super::error::StoreError;
use super::open::Store;
use super::statement::{Binds, Columns, Statement, fetch_all, fetch_one, statements};
use super::templates::{DELETE_TEMPLATE, RESTORE_TEMPLATE};
use super::words;
use crate::base::clock::Time;
use crate::base::id::TenantId;
use crate::base::limits;
use crate::model::people::{Contact, Role, Tenant, User};
use sqlx::any::AnyRow;

statements! {
    NEW_TENANT = "INSERT INTO tenants (id, name, created_at, updated_at) VALUES ($1, $2, $3, $3)";
    TENANT = "SELECT id, name, created_at, disabled_at, deleted_at FROM tenants WHERE name = $1 AND deleted_at IS NULL";
    TENANTS = "SELECT id, name, created_at, disabled_at, deleted_at FROM tenants WHERE deleted_at IS NULL AND id > $1
        ORDER BY id LIMIT $2";
    DELETE_TENANT = "UPDATE tenants SET deleted_at = $2, updated_at = $2 WHERE id = $1 AND deleted_at IS NULL";
    RESTORE_TENANT = "UPDATE tenants SET deleted_at = NULL, updated_at = $2 WHERE id = $1 AND deleted_at IS NOT NULL";

    NEW_USER = "INSERT INTO users (id, tenant_id, email, name, role, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $6)";
    USERS = "SELECT id, tenant_id, email, name, role, created_at, disabled_at, deleted_at FROM users
        WHERE tenant_id = $1 AND deleted_at IS NULL AND id > $2 ORDER BY id LIMIT $3";
    DELETE_USER = "UPDATE users SET deleted_at = $2, updated_at = $2 WHERE id = $1 AND deleted_at IS NULL";
    RESTORE_USER = "UPDATE users SET deleted_at = NULL, updated_at = $2 WHERE id = $1 AND deleted_at IS NOT NULL";

    NEW_CONTACT = "INSERT INTO contacts (id, tenant_id, email, name, notes, created_at, updated_at)
        VALUES ($1, $2, $3, $4, '', $5, $5)";
    CONTACTS = "SELECT id, tenant_id, email, name, created_at, deleted_at FROM contacts
        WHERE tenant_id = $1 AND deleted_at IS NULL AND id > $2 ORDER BY id LIMIT $3";
    DELETE_CONTACT = "UPDATE contacts SET deleted_at = $2, updated_at = $2 WHERE id = $1 AND deleted_at IS NULL";
    RESTORE_CONTACT = "UPDATE contacts SET deleted_at = NULL, updated_at = $2 WHERE id = $1 AND deleted_at IS NOT NULL";
}

/// What can be deleted softly, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Person {
    Tenant,
    User,
    Contact,
    Template,
}

impl Person {
    pub const ALL: [Self; 4] = [Self::Tenant, Self::User, Self::Contact, Self::Template];

    fn delete(self) -> &'static Statement {
        match self {
            Self::Tenant => &DELETE_TENANT,
            Self::User => &DELETE_USER,
            Self::Contact => &DELETE_CONTACT,
            Self::Template => &DELETE_TEMPLATE,
        }
    }

    fn restore(self) -> &'static Statement {
        match self {
            Self::Tenant => &RESTORE_TENANT,
            Self::User => &RESTORE_USER,
            Self::Contact => &RESTORE_CONTACT,
            Self::Template => &RESTORE_TEMPLATE,
        }
    }
}

/// The step that deletes softly: gone from every list, kept in the history.
pub fn delete(person: Person, id: &str, at: Time) -> Step {
    Step::one(person.delete(), Binds::default().text(id).int(at.micros()))
}

/// The step that brings back what was deleted; a conflict when its name was taken meanwhile.
pub fn restore(person: Person, id: &str, at: Time) -> Step {
    Step::one(person.restore(), Binds::default().text(id).int(at.micros()))
}

pub fn new_tenant(tenant: &Tenant) -> Step {
    let binds = Binds::default().text(tenant.id.as_str()).text(&tenant.name).int(tenant.created_at.micros());
    Step::one(&NEW_TENANT, binds)
}

pub fn new_user(user: &User) -> Step {
    let binds = Binds::default()
        .text(user.id.as_str())
        .text(user.tenant.as_str())
        .text(&user.email)
        .text(&user.name)
        .text(user.role.word())
        .int(user.created_at.micros());
    Step::one(&NEW_USER, binds)
}

pub fn new_contact(contact: &Contact) -> Step {
    let binds = Binds::default()
        .text(contact.id.as_str())
        .text(contact.tenant.as_str())
        .text(&contact.email)
        .text(&contact.name)
        .int(contact.created_at.micros());
    Step::one(&NEW_CONTACT, binds)
}

impl Store {
    /// The living tenant of this name.
    pub async fn tenant(&self, name: &str) -> Result<Option<Tenant>, StoreError> {
        fetch_one(self.reads(), &TENANT, Binds::default().text(name)).await?.map(read_tenant).transpose()
    }

    /// A page of the living tenants behind `after` ("" for the first).
    pub async fn tenants(&self, after: &str) -> Result<Vec<Tenant>, StoreError> {
        let binds = Binds::default().text(after).int(limits::PAGE_ROWS_MAX);
        fetch_all(self.reads(), &TENANTS, binds).await?.into_iter().map(read_tenant).collect()
    }

    pub async fn users(&self, tenant: &TenantId, after: &str) -> Result<Vec<User>, StoreError> {
        self.page(&USERS, tenant, after, read_user).await
    }

    pub async fn contacts(&self, tenant: &TenantId, after: &str) -> Result<Vec<Contact>, StoreError> {
        self.page(&CONTACTS, tenant, after, read_contact).await
    }

    async fn page<T>(
        &self,
        statement: &'static Statement,
        tenant: &TenantId,
        after: &str,
        read: fn(AnyRow) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let binds = Binds::default().text(tenant.as_str()).text(after).int(limits::PAGE_ROWS_MAX);
        fetch_all(self.reads(), statement, binds).await?.into_iter().map(read).collect()
    }
}

fn read_tenant(row: AnyRow) -> Result<Tenant, StoreError> {
    Ok(Tenant {
        id: words::id(&row.text("id")?)?,
        name: row.text("name")?,
        created_at: Time::from_micros(row.int("created_at")?),
        disabled_at: words::time(row.maybe_int("disabled_at")?),
        deleted_at: words::time(row.maybe_int("deleted_at")?),
    })
}

fn read_user(row: AnyRow) -> Result<User, StoreError> {
    Ok(User {
        id: words::id(&row.text("id")?)?,
        tenant: words::id(&row.text("tenant_id")?)?,
        email: row.text("email")?,
        name: row.text("name")?,
        role: words::parse(&row.text("role")?, Role::ALL, Role::word)?,
        created_at: Time::from_micros(row.int("created_at")?),
        disabled_at: words::time(row.maybe_int("disabled_at")?),
        deleted_at: words::time(row.maybe_int("deleted_at")?),
    })
}

fn read_contact(row: AnyRow) -> Result<Contact, StoreError> {
    Ok(Contact {
        id: words::id(&row.text("id")?)?,
        tenant: words::id(&row.text("tenant_id")?)?,
        email: row.text("email")?,
        name: row.text("name")?,
        created_at: Time::from_micros(row.int("created_at")?),
        deleted_at: words::time(row.maybe_int("deleted_at")?),
    })
}

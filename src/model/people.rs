//! Whose mail it is and who may touch it: tenants, users and contacts. They are deleted softly, so
//! that the history of their mail keeps its names.

use crate::base::clock::Time;
use crate::base::id::{ContactId, TemplateId, TenantId, UserId};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    SuperAdmin,
    Admin,
    Agent,
    Viewer,
}

impl Role {
    pub const ALL: [Self; 4] = [Self::SuperAdmin, Self::Admin, Self::Agent, Self::Viewer];

    pub fn word(self) -> &'static str {
        match self {
            Self::SuperAdmin => "super_admin",
            Self::Admin => "admin",
            Self::Agent => "agent",
            Self::Viewer => "viewer",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    pub id: TenantId,
    pub name: String,
    pub created_at: Time,
    pub disabled_at: Option<Time>,
    pub deleted_at: Option<Time>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub id: UserId,
    pub tenant: TenantId,
    pub email: String,
    pub name: String,
    pub role: Role,
    pub created_at: Time,
    pub disabled_at: Option<Time>,
    pub deleted_at: Option<Time>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    pub id: ContactId,
    pub tenant: TenantId,
    pub email: String,
    pub name: String,
    pub created_at: Time,
    pub deleted_at: Option<Time>,
}

/// A template's identity; its versions hold the content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pub id: TemplateId,
    pub tenant: TenantId,
    pub name: String,
    pub kind: String,
    pub active_version: Option<i64>,
    pub created_at: Time,
    pub deleted_at: Option<Time>,
}

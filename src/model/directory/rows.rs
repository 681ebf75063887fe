//! What a snapshot is made of on the store's side, as it stands there.

use crate::base::clock::Time;
use crate::base::id::{KeyId, TenantId};
use crate::model::people::Tenant;

/// The kinds of entry that may stand in the file or be made through the API, one shape for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntryKind {
    Domain,
    Credential,
    Relay,
    Route,
    Mailbox,
    Webhook,
}

impl EntryKind {
    pub const ALL: [Self; 6] = [Self::Domain, Self::Credential, Self::Relay, Self::Route, Self::Mailbox, Self::Webhook];

    /// The table in the file, and in messages.
    pub fn word(self) -> &'static str {
        match self {
            Self::Domain => "domain",
            Self::Credential => "credential",
            Self::Relay => "relay",
            Self::Route => "route",
            Self::Mailbox => "mailbox",
            Self::Webhook => "webhook",
        }
    }
}

/// An entry of the store: the JSON form of a table in the file, under an id.
#[derive(Clone, PartialEq, Eq)]
pub struct EntryRow {
    pub kind: EntryKind,
    pub id: String,
    pub tenant: TenantId,
    pub name: String,
    pub definition: String,
    pub disabled_at: Option<Time>,
}

/// Without the definition: it may hold a password.
impl std::fmt::Debug for EntryRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {:?} of {}", self.kind.word(), self.id, self.name, self.tenant)
    }
}

/// A key of the API: never the secret, only its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    pub id: KeyId,
    pub tenant: TenantId,
    pub name: String,
    /// SHA-256 of the secret part, in hex.
    pub secret_hash: String,
    /// JSON lists.
    pub scopes: String,
    pub domains: String,
    pub networks: String,
    pub created_at: Time,
    pub expires_at: Option<Time>,
}

/// Everything of a snapshot that comes from the store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DirectoryRows {
    /// Grows with each change: a node whose snapshot is older rebuilds it.
    pub version: i64,
    /// The living ones.
    pub tenants: Vec<Tenant>,
    pub entries: Vec<EntryRow>,
    pub keys: Vec<Key>,
}

//! One entry of a snapshot: where it came from, whose it is, and what it says; and why one is not in it.

use crate::base::clock::Time;
use crate::base::secret::Secret;
use crate::model::name::Name;

/// Where an entry is set up, and so where it can be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// In the configuration: the API shows it, and changes nothing.
    File,
    /// Through the API, under this id.
    Store { id: String },
}

impl Source {
    pub fn is_read_only(&self) -> bool {
        *self == Self::File
    }

    pub fn id(&self) -> Option<&str> {
        match self {
            Self::File => None,
            Self::Store { id } => Some(id),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Entry<T> {
    pub source: Source,
    /// The organisation it belongs to. Relays and routes of the file serve all: theirs is the tenant of
    /// the domain they name, or the default one.
    pub tenant: Name,
    /// Since when it is not to be used, by its own switch or its tenant's. It is still found, so that who
    /// asks for it is told "disabled" and is not passed on to the next best.
    pub disabled_at: Option<Time>,
    pub value: T,
}

/// An endpoint for events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    pub name: String,
    /// A JSON object; it may hold the endpoint's secret.
    pub definition: Secret<String>,
}

/// Something in the store, or between it and the file, that an admin should mend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// The noun: a domain, a credential, a key.
    pub what: &'static str,
    pub name: String,
    /// Its id, when it stands in the store.
    pub id: Option<String>,
    pub consequence: Consequence,
    /// Why, without a full stop. Never holds a secret.
    pub why: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consequence {
    /// It is as if it were not there.
    LeftOut,
    /// It is used, as far as it goes.
    Kept,
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?}", self.what, self.name)?;
        if let Some(id) = &self.id {
            write!(f, " ({id})")?;
        }
        let consequence = match self.consequence {
            Consequence::LeftOut => "is left out",
            Consequence::Kept => "is used, but look at it",
        };
        write!(f, " {consequence}: {}", self.why)
    }
}

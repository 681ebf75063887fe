//! Somebody we know: who logged in, or whose network it is.

use super::Fingerprint;
use crate::model::credential::Credential;
use crate::model::directory::{Directory, Entry};
use std::net::IpAddr;

/// Made by `login` alone. What it may do is asked of the directory each time: a credential changes, and
/// dies, within a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submitter {
    pub(super) login: String,
    pub(super) address: IpAddr,
    pub(super) known_by: KnownBy,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum KnownBy {
    /// What the credential held when the password was right.
    Password {
        stored: Fingerprint,
    },
    Network,
}

impl Submitter {
    /// The name of its credential: a login, or what a network is called.
    pub fn login(&self) -> &str {
        &self.login
    }

    /// Where it sends from.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// Did it log in, and not only come from the right network?
    pub fn is_authenticated(&self) -> bool {
        matches!(self.known_by, KnownBy::Password { .. })
    }

    /// Its credential, as this directory has it. Whether it is still the same, `Logins::still_stands` says.
    pub fn credential<'a>(&self, directory: &'a Directory) -> Option<&'a Entry<Credential>> {
        directory.credential(&self.login)
    }
}

//! What logins need to know of a whole directory: found out once for each, not for each login.

use super::passwords::{Lock, Shape, Work, keys_given, keys_makeable};
use crate::base::secret::Secret;
use crate::model::credential::Credential;
use crate::model::directory::{Directory, Entry};
use std::net::IpAddr;
use std::sync::Arc;

/// Why a login is not to be taken, whatever its password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    /// Nobody has it.
    Unknown,
    /// It, or its tenant, is switched off.
    Disabled,
    /// It is limited to other networks.
    Elsewhere,
}

pub(super) struct View {
    pub directory: Arc<Directory>,
    /// Has every login that can be used SCRAM keys, or a password to make them of?
    pub scram: bool,
    /// What checking each login costs, and how the keys of each look.
    pub works: Vec<Work>,
    pub shapes: Vec<Shape>,
}

impl View {
    pub fn of(directory: Arc<Directory>) -> Self {
        let (mut works, mut shapes, mut scram) = (Vec::new(), Vec::new(), true);
        for entry in logins(&directory) {
            works.extend(Lock::of(&entry.value).map(|lock| lock.work()));
            match (keys_given(&entry.value), keys_makeable(&entry.value)) {
                (Some(keys), _) => {
                    shapes.push(Shape { iterations: keys.iterations, salt_bytes: keys.salt.len() });
                }
                (None, Some(_)) => shapes.push(Shape::default()),
                (None, None) => scram = false,
            }
        }
        Self { directory, scram, works, shapes }
    }

    /// The credential of a login, if it may be used from this address.
    pub fn usable(&self, login: &str, address: IpAddr) -> Result<&Entry<Credential>, Unusable> {
        let entry = self.directory.credential(login).filter(|entry| entry.value.is_login());
        let entry = entry.ok_or(Unusable::Unknown)?;
        if entry.disabled_at.is_some() {
            return Err(Unusable::Disabled);
        }
        if entry.value.may_come_from(address) { Ok(entry) } else { Err(Unusable::Elsewhere) }
    }

    /// The login of a credential that can be used from somewhere.
    pub fn login(&self, login: &str) -> Option<&Credential> {
        let entry = self.directory.credential(login)?;
        (entry.value.is_login() && entry.disabled_at.is_none()).then_some(&entry.value)
    }

    /// Logins whose password stands in plain.
    pub fn plain(&self) -> impl Iterator<Item = (&str, &Secret)> {
        logins(&self.directory).filter_map(|entry| {
            let secret = entry.value.password.as_ref()?;
            let plain = matches!(Lock::of(&entry.value), Some(Lock::Plain { .. }));
            plain.then_some((entry.value.username.as_str(), secret))
        })
    }
}

fn logins(directory: &Directory) -> impl Iterator<Item = &Entry<Credential>> {
    directory.credentials().iter().filter(|entry| entry.value.is_login() && entry.disabled_at.is_none())
}

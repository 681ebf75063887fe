//! Who may send as whom: a credential as its domains, and nobody as another tenant's.

use crate::mail::domain_name::DomainName;
use crate::model::credential::{Covers, Credential};
use crate::model::directory::{Directory, Entry};

/// Why a credential may not send from a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    /// We do not serve it, or another tenant has it.
    Foreign,
    /// It is its tenant's, and not among those that the credential names.
    NotCovered,
    /// It, or its tenant, is switched off for now.
    SwitchedOff,
}

/// May this credential send from addresses of this domain? The local part is the domain's own affair:
/// sub-addresses and new mailboxes need no entry.
pub fn may_send_from(directory: &Directory, credential: &Entry<Credential>, domain: &DomainName) -> Result<(), Denial> {
    let entry = directory.domain(domain).filter(|entry| entry.tenant == credential.tenant).ok_or(Denial::Foreign)?;
    let covers = |covers: &Covers| match covers {
        Covers::Any => true,
        Covers::Domain(name) => name == domain,
    };
    if !credential.value.domains.iter().any(covers) {
        return Err(Denial::NotCovered);
    }
    if entry.disabled_at.is_some() { Err(Denial::SwitchedOff) } else { Ok(()) }
}

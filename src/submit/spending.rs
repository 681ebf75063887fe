//! Whose limits a message spends from: the credential's, its domain's and its tenant's.

use crate::mail::envelope::ReversePath;
use crate::model::credential::Credential;
use crate::model::directory::{Directory, Entry};
use crate::policy::limits::Spenders;

pub(super) fn spenders<'a>(
    directory: &'a Directory,
    credential: &'a Entry<Credential>,
    sender: &ReversePath,
) -> Spenders<'a> {
    let spenders =
        Spenders::default().with_credential(credential).with_tenant(directory.tenant_limits(&credential.tenant));
    match sender.address().and_then(|address| directory.domain(address.domain())) {
        Some(domain) => spenders.with_domain(domain),
        None => spenders,
    }
}

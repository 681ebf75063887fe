//! To whom the world may write: to ours, and to nobody else. Who does not exist is refused here and
//! never by a bounce later, which would go to whomever the sender pretends to be.

use crate::mail::address::Address;
use crate::mail::domain_name::DomainName;
use crate::model::directory::Directory;
use crate::policy::routes::{self, Decision};
use crate::smtp::reply::Reply;

/// RCPT, and again when the message is there: what is done with mail to this address. `hostname` is our
/// own.
pub fn resolve(directory: &Directory, hostname: &DomainName, address: &Address) -> Result<Decision, Reply> {
    routes::resolve(directory, hostname, address).answer()?.ok_or_else(|| {
        // RFC 5321 3.6.2, 7.9: nobody's open relay.
        Reply::with(550, 7, 1, format!("relaying denied: {} is not served here", address.domain()))
    })
}

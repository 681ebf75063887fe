//! To whom a user may send: to the world, and to those of our own who exist, where that is ours to know.

use crate::mail::address::Address;
use crate::mail::domain_name::DomainName;
use crate::model::directory::Directory;
use crate::policy::routes;
use crate::smtp::reply::Reply;

/// RCPT. `hostname` is our own.
pub fn check(directory: &Directory, hostname: &DomainName, address: &Address) -> Result<(), Reply> {
    routes::resolve_outgoing(directory, hostname, address).answer().map(|_| ())
}

//! To whom the world may write: to ours, and to nobody else. Who does not exist is refused here and
//! never by a bounce later, which would go to whomever the sender pretends to be.

use crate::mail::address::Address;
use crate::mail::domain_name::DomainName;
use crate::mail::envelope::ReversePath;
use crate::model::directory::Directory;
use crate::policy::return_path::{Opened, ReturnPaths, Returned};
use crate::policy::routes::{self, Decision};
use crate::smtp::reply::Reply;

const FORGED: Reply = Reply::new(550, 1, 1, "this is no return path of ours");
const NOT_FROM_NOBODY: Reply = Reply::new(550, 7, 1, "a return path takes reports only, from the null sender <>");
/// RFC 5321 4.5.3.1.10: the others are sent again.
pub(super) const ANOTHER_TIME: Reply =
    Reply::new(452, 5, 3, "a return path stands alone: send the others in a mail of theirs");

/// Where a recipient is.
#[derive(Debug)]
pub enum Place {
    Decided(Decision),
    /// Where bounces come back to.
    Return(Returned),
}

/// RCPT: a return path, or one of our recipients.
pub fn place(
    directory: &Directory,
    return_paths: &ReturnPaths,
    hostname: &DomainName,
    address: &Address,
) -> Result<Place, Reply> {
    match return_paths.opened(directory, address) {
        Opened::Returned(returned) => Ok(Place::Return(returned)),
        Opened::Forged => Err(FORGED),
        Opened::Elsewhere => resolve(directory, hostname, address).map(Place::Decided),
    }
}

/// May a return path stand in this envelope? Whatever is no report is nobody's mail (RFC 5321 4.5.5), and a report
/// has one recipient.
pub(super) fn check_return(sender: &ReversePath, is_first: bool) -> Result<(), Reply> {
    match sender {
        ReversePath::Address(_) => Err(NOT_FROM_NOBODY),
        ReversePath::Null if !is_first => Err(ANOTHER_TIME),
        ReversePath::Null => Ok(()),
    }
}

/// RCPT, and again when the message is there: what is done with mail to this address. `hostname` is our
/// own.
pub fn resolve(directory: &Directory, hostname: &DomainName, address: &Address) -> Result<Decision, Reply> {
    routes::resolve(directory, hostname, address).answer()?.ok_or_else(|| {
        // RFC 5321 3.6.2, 7.9: nobody's open relay.
        Reply::with(550, 7, 1, format!("relaying denied: {} is not served here", address.domain()))
    })
}

//! As whom a credential may send: its envelope sender at MAIL, and everybody whom the message names as
//! its author or sender once it is there.

use crate::mail::address::Address;
use crate::mail::envelope::ReversePath;
use crate::mail::header::Header;
use crate::model::credential::Credential;
use crate::model::directory::{Directory, Entry};
use crate::policy::rights::{Denial, may_send_from};
use crate::smtp::reply::Reply;

const NO_LOGIN: Reply = Reply::new(530, 7, 0, "this login is not valid any more");
const SWITCHED_OFF: Reply = Reply::new(450, 7, 1, "this domain is switched off for now, try later");
const NO_AUTHOR: Reply = Reply::new(554, 6, 0, "the message has no From field that names an address");

/// The credential behind a login, as it is now: it may have changed since the client gave its password.
pub fn credential<'a>(directory: &'a Directory, login: Option<&str>) -> Result<&'a Entry<Credential>, Reply> {
    let entry = login.and_then(|login| directory.credential(login));
    entry.filter(|entry| entry.disabled_at.is_none()).ok_or(NO_LOGIN)
}

/// MAIL.
pub fn check(directory: &Directory, login: &str, sender: &ReversePath) -> Result<(), Reply> {
    check_path(directory, credential(directory, Some(login))?, sender)
}

/// The null path is for everybody: who answers a receipt or writes a report sends from nobody (RFC 8098
/// 3, RFC 5321 4.5.5), and From must be theirs all the same.
pub fn check_path(directory: &Directory, credential: &Entry<Credential>, sender: &ReversePath) -> Result<(), Reply> {
    match sender {
        ReversePath::Null => Ok(()),
        ReversePath::Address(address) => own(directory, credential, address, |domain| {
            Reply::with(553, 7, 1, format!("this login may not send from {domain}"))
        }),
    }
}

/// The end of DATA. All of From and Sender must be the credential's own: which of several a reader shows
/// is his choice.
pub fn check_authors(directory: &Directory, credential: &Entry<Credential>, header: &Header<'_>) -> Result<(), Reply> {
    let authors = header.authors().map_err(|why| unreadable("From", why))?;
    if authors.is_empty() {
        return Err(NO_AUTHOR);
    }
    let senders = header.senders().map_err(|why| unreadable("Sender", why))?;
    for (field, address) in authors.iter().map(|a| ("From", a)).chain(senders.iter().map(|s| ("Sender", s))) {
        own(directory, credential, address, |domain| {
            Reply::with(550, 7, 1, format!("{field}: this login may not send from {domain}"))
        })?;
    }
    Ok(())
}

fn unreadable(field: &str, why: impl std::fmt::Display) -> Reply {
    Reply::with(554, 6, 0, format!("{field} cannot be read: {why}"))
}

/// The client is told no more of a domain than that it is not theirs.
fn own(
    directory: &Directory,
    credential: &Entry<Credential>,
    address: &Address,
    refuse: impl FnOnce(&str) -> Reply,
) -> Result<(), Reply> {
    may_send_from(directory, credential, address.domain()).map_err(|denial| match denial {
        Denial::Foreign | Denial::NotCovered => refuse(address.domain().as_str()),
        Denial::SwitchedOff => SWITCHED_OFF,
    })
}

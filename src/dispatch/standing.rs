//! Asked before every try: is there still time, and is what the mail needs still there? What was removed from
//! the configuration stops its mail, with the reason, and never sends it in some other way.

use crate::base::clock::Time;
use crate::deliver::outcome::network;
use crate::model::directory::Directory;
use crate::model::message::Origin;
use crate::model::outcome::Outcome;
use crate::queue::ready::Item;
use crate::queue::schedule;

/// What is to be done with it instead of trying; none when it can be tried.
pub(super) fn check(item: &Item, directory: &Directory, now: Time) -> Option<Outcome> {
    if schedule::is_expired(now, item.delivery.expires_at) {
        return Some(network::expired(None, item.delivery.created_at));
    }
    missing(item, directory).map(|text| Outcome::Later(network::not_configured(&text)))
}

/// What is no longer there. Reports of ours and mail that only passes through lean on nobody's login.
fn missing(item: &Item, directory: &Directory) -> Option<String> {
    let message = &item.mail.message;
    if message.origin != Origin::Submitted {
        return None;
    }
    match directory.domain(&message.from_domain) {
        None => return Some(format!("the domain {} is not configured any more", message.from_domain)),
        Some(domain) if domain.disabled_at.is_some() => {
            return Some(format!("the domain {} is disabled", message.from_domain));
        }
        Some(_) => {}
    }
    let login = message.submitter.as_deref()?;
    match directory.credential(login) {
        None => Some(format!("the credential {login} that sent it is not configured any more")),
        Some(credential) if credential.disabled_at.is_some() => {
            Some(format!("the credential {login} that sent it is disabled"))
        }
        Some(_) => None,
    }
}

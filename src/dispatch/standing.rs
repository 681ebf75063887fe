//! Asked before every try: is there still time, is what the mail needs still there, and is its recipient still
//! written to? What was removed from the configuration stops its mail, with the reason, and never sends it in some
//! other way.

use super::Dispatch;
use super::settle::{End, Settled};
use crate::base::clock::Time;
use crate::base::limits;
use crate::deliver::outcome::network;
use crate::mail::status::Status;
use crate::model::directory::Directory;
use crate::model::message::Origin;
use crate::model::outcome::{Blame, Kind, Outcome, Why};
use crate::policy::suppression::{self, Asked};
use crate::queue::details;
use crate::queue::ready::Item;
use crate::queue::schedule;

/// What is to be done with it instead of trying; none when it can be tried.
fn check(item: &Item, directory: &Directory, now: Time) -> Option<Outcome> {
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

impl Dispatch {
    /// Sorts out what need not be tried: its destination is suspended, its time is over, what it needs is gone, or
    /// its recipient was suppressed since it was accepted.
    pub(super) async fn check(&self, items: Vec<Item>) -> (Vec<Item>, Vec<Settled>) {
        let (mut good, mut over) = (Vec::with_capacity(items.len()), Vec::new());
        let directory = self.ledger.directory.load_full();
        for item in items {
            match check(&item, &directory, self.now()) {
                None if self.is_suspended(&item) => over.push(Settled::new(item, End::GivenBack)),
                None => match self.silenced(&item).await {
                    None => good.push(item),
                    Some(end) => over.push(Settled::new(item, end)),
                },
                Some(outcome) => over.push(Settled::new(item, End::Untried(outcome))),
            }
        }
        (good, over)
    }

    /// Memory answers for nearly everybody.
    async fn silenced(&self, item: &Item) -> Option<End> {
        let (delivery, message) = (&item.delivery, &item.mail.message);
        let index = self.ledger.directory.suppressed();
        let now = self.now();
        let concerned = suppression::applies(message.origin) && delivery.is_away();
        if !concerned || !index.may_hold(&delivery.tenant, &delivery.recipient, now) {
            return None;
        }
        let asked = Asked {
            tenant: &delivery.tenant,
            domain: message.from_domain.as_str(),
            stream: &delivery.stream,
            ignored: details::ignores_suppression(&message.details),
            now,
        };
        match suppression::among(index, &self.ledger.store, asked, &[&delivery.recipient]).await {
            Ok(found) => found.into_iter().flatten().next().map(|found| End::Suppressed(suppression::reason(&found))),
            Err(error) => Some(End::PutOff(now.plus(limits::SUPPRESSIONS_PAUSE), unknown(&error.to_string()))),
        }
    }
}

/// Rather late than to somebody who does not want it.
fn unknown(error: &str) -> Why {
    tracing::warn!(error, "suppressions cannot be looked up");
    let text = "the store does not say whether the recipient may be written to".to_owned();
    Why::found(Blame::Us, Kind::Soft, "store", Status::new(4, 3, 0), text)
}

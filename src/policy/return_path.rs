//! The return path of mail that leaves: `b-<token>@rp.<domain>`, so that a bounce finds what it answers, whatever
//! its text says. A token holds the number of a message or a delivery under a keyed MAC: nobody else can make one,
//! and reading one needs no store. Whose own mail it is that leaves stays as it was: only the wire's MAIL FROM is
//! ours, and reports of our own queue go to whoever sent the message.

use crate::content::token::Keyring;
use crate::mail::address::Address;
use crate::mail::domain_name::DomainName;
use crate::mail::envelope::ReversePath;
use crate::model::delivery::Delivery;
use crate::model::directory::Directory;
use crate::model::domain::ReturnPath;
use crate::model::message::{Message, Origin};
use arc_swap::ArcSwap;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

pub use crate::content::token::Returned;

/// The host below a domain whose MX is ours, and whose SPF lets us send.
const LABEL: &str = "rp";

/// Whether an address is a return path of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// It is somewhere else.
    Elsewhere,
    /// It is where return paths are, and no key of ours made it.
    Forged,
    Returned(Returned),
}

/// May the return paths of a domain be used? Its DNS says so.
pub type IsReady = dyn Fn(&DomainName) -> bool + Send + Sync;

#[derive(Clone)]
pub struct ReturnPaths(Arc<Inner>);

struct Inner {
    keyring: Arc<ArcSwap<Keyring>>,
    is_ready: Box<IsReady>,
    /// What was found of each domain when it was asked about last; as many as are configured.
    found: Mutex<HashMap<DomainName, bool>>,
}

/// What stands in MAIL FROM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wire {
    pub sender: ReversePath,
    /// It names the delivery: nobody else may be in the same transaction.
    pub alone: bool,
    /// The domain's DNS is not as it was.
    pub turned: Option<Turned>,
}

/// The return paths of a domain came into use, or fell out of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turned {
    pub domain: DomainName,
    pub is_ready: bool,
}

impl ReturnPaths {
    pub fn new(keyring: Arc<ArcSwap<Keyring>>, is_ready: impl Fn(&DomainName) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner { keyring, is_ready: Box::new(is_ready), found: Mutex::default() }))
    }

    /// The return path below this domain; none when that would be too long for an address.
    pub fn address(&self, domain: &DomainName, returned: &Returned) -> Option<Address> {
        format!("{}@{LABEL}.{domain}", self.0.keyring.load().return_path(returned)).parse().ok()
    }

    /// What stands behind an address. RFC 5321 2.4 leaves the case of letters to us: some hosts change it.
    pub fn opened(&self, directory: &Directory, address: &Address) -> Opened {
        let domain = address.domain();
        let above = domain.as_str().strip_prefix(LABEL).is_some_and(|rest| rest.starts_with('.'));
        let Some(above) = above.then(|| domain.parents().next()).flatten() else { return Opened::Elsewhere };
        if directory.domain(&above).is_none() {
            return Opened::Elsewhere;
        }
        match self.0.keyring.load().open_return_path(address.local()) {
            Some(returned) => Opened::Returned(returned),
            // Somebody may have made a mail domain of it.
            None if directory.serves(domain) => Opened::Elsewhere,
            None => Opened::Forged,
        }
    }

    /// What a delivery says in MAIL FROM. `forwarded_by` is the domain that forwards it, when one does.
    pub fn wire_sender(
        &self,
        message: &Message,
        delivery: &Delivery,
        forwarded_by: Option<&DomainName>,
        directory: &Directory,
    ) -> Wire {
        let kept = |turned| Wire { sender: message.sender.clone(), alone: false, turned };
        let Some((domain, kind)) = of(message, forwarded_by, directory) else { return kept(None) };
        let (is_ready, turned) = self.asks(domain);
        let returned = match kind {
            _ if !is_ready => return kept(turned),
            ReturnPath::Keep => return kept(turned),
            ReturnPath::Message => Returned::Message(message.id.clone()),
            ReturnPath::Recipient => Returned::Delivery(delivery.id.clone()),
        };
        match self.address(domain, &returned) {
            Some(address) => {
                Wire { sender: ReversePath::Address(address), alone: kind == ReturnPath::Recipient, turned }
            }
            None => kept(turned),
        }
    }

    /// Would it name the delivery?
    pub fn is_alone(&self, message: &Message, forwarded_by: Option<&DomainName>, directory: &Directory) -> bool {
        of(message, forwarded_by, directory)
            .is_some_and(|(domain, kind)| kind == ReturnPath::Recipient && (self.0.is_ready)(domain))
    }

    /// Is the domain ready, and is that news?
    fn asks(&self, domain: &DomainName) -> (bool, Option<Turned>) {
        let is_ready = (self.0.is_ready)(domain);
        let mut found = self.0.found.lock().unwrap_or_else(PoisonError::into_inner);
        let was_ready = found.get(domain).copied();
        if was_ready == Some(is_ready) {
            return (is_ready, None);
        }
        found.insert(domain.clone(), is_ready);
        // That it works from the beginning is no news.
        let is_news = !is_ready || was_ready.is_some();
        (is_ready, is_news.then(|| Turned { domain: domain.clone(), is_ready }))
    }
}

/// Under which domain a message leaves, and how its return path is made.
fn of<'a>(
    message: &'a Message,
    forwarded_by: Option<&'a DomainName>,
    directory: &Directory,
) -> Option<(&'a DomainName, ReturnPath)> {
    // RFC 5321 4.5.5: what comes from nobody goes back to nobody.
    message.sender.address()?;
    match message.origin {
        Origin::Submitted | Origin::Api | Origin::Answered => {
            let domain = directory.domain(&message.from_domain)?;
            Some((&message.from_domain, domain.value.return_path)).filter(|(_, kind)| *kind != ReturnPath::Keep)
        }
        // Nobody could tell our bounces from those of whoever wrote it; and its SPF is not ours.
        Origin::Arrived | Origin::Collected => forwarded_by.map(|by| (by, ReturnPath::Recipient)),
        Origin::Generated => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::secret::Secret;
    use crate::content::token::MacKey;

    fn keyring() -> Arc<ArcSwap<Keyring>> {
        let key = MacKey { number: 1, secret: Secret::new(vec![1; 32]) };
        Arc::new(ArcSwap::from_pointee(Keyring::new(vec![key]).unwrap()))
    }

    #[test]
    fn a_domain_that_is_not_ready_is_told_once_and_so_is_its_return() {
        let is_ready = Arc::new(std::sync::atomic::AtomicBool::new(true));
        let asked = is_ready.clone();
        let paths = ReturnPaths::new(keyring(), move |_| asked.load(std::sync::atomic::Ordering::SeqCst));
        let domain: DomainName = "example.com".parse().unwrap();
        let told = |ready: bool| {
            is_ready.store(ready, std::sync::atomic::Ordering::SeqCst);
            let (found, turned) = paths.asks(&domain);
            assert_eq!(found, ready);
            turned.map(|turned| turned.is_ready)
        };
        let steps = [(true, None), (false, Some(false)), (false, None), (true, Some(true)), (true, None)];
        for (n, (ready, news)) in steps.into_iter().enumerate() {
            assert_eq!(told(ready), news, "{n}");
        }
    }
}

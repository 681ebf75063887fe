//! The return path of mail that leaves: `b-<token>@rp.<domain>`, so that a bounce finds what it answers, whatever
//! its text says. A token holds the number of a message or a delivery under a keyed MAC: nobody else can make one,
//! and reading one needs no store. Whose own mail it is that leaves stays as it was: only the wire's MAIL FROM is
//! ours, and reports of our own queue go to whoever sent the message.

use crate::base::id::{DeliveryId, MessageId};
use crate::base::secret::Secret;
use crate::mail::address::Address;
use crate::mail::domain_name::DomainName;
use crate::mail::envelope::ReversePath;
use crate::model::delivery::Delivery;
use crate::model::directory::Directory;
use crate::model::domain::ReturnPath;
use crate::model::message::{Message, Origin};
use aws_lc_rs::hmac;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The host below a domain whose MX is ours, and whose SPF lets us send.
const LABEL: &str = "rp";
const PREFIX: &str = "b-";

/// What a bounce answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Returned {
    Message(MessageId),
    Delivery(DeliveryId),
}

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
    key: hmac::Key,
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
    pub fn new(key: &Secret<Vec<u8>>, is_ready: impl Fn(&DomainName) -> bool + Send + Sync + 'static) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key.expose());
        Self(Arc::new(Inner { key, is_ready: Box::new(is_ready), found: Mutex::default() }))
    }

    /// The return path below this domain; none when that would be too long for an address.
    pub fn address(&self, domain: &DomainName, returned: &Returned) -> Option<Address> {
        format!("{PREFIX}{}@{LABEL}.{domain}", self.token(returned)).parse().ok()
    }

    /// What stands behind an address. RFC 5321 2.4 leaves the case of letters to us: some hosts change it.
    pub fn opened(&self, directory: &Directory, address: &Address) -> Opened {
        let domain = address.domain();
        let above = domain.as_str().strip_prefix(LABEL).is_some_and(|rest| rest.starts_with('.'));
        let Some(above) = above.then(|| domain.parents().next()).flatten() else { return Opened::Elsewhere };
        if directory.domain(&above).is_none() {
            return Opened::Elsewhere;
        }
        let local = address.local().to_ascii_lowercase();
        match local.strip_prefix(PREFIX).and_then(|token| self.read(token)) {
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

    // --- the one place that knows what a token looks like ----------------------------------------------

    fn token(&self, returned: &Returned) -> String {
        let (kind, id) = match returned {
            Returned::Message(id) => (KIND_MESSAGE, id.to_bytes()),
            Returned::Delivery(id) => (KIND_DELIVERY, id.to_bytes()),
        };
        let mut token = vec![kind];
        token.extend_from_slice(&id);
        token.extend_from_slice(&self.mac(&token));
        base32(&token)
    }

    fn read(&self, token: &str) -> Option<Returned> {
        let bytes = from_base32(token)?;
        let (said, mac) = bytes.split_at_checked(1 + ID_BYTES)?;
        aws_lc_rs::constant_time::verify_slices_are_equal(&self.mac(said), mac).ok()?;
        let (kind, id) = said.split_first()?;
        let id = id.try_into().ok()?;
        match *kind {
            KIND_MESSAGE => Some(Returned::Message(MessageId::from_bytes(id))),
            KIND_DELIVERY => Some(Returned::Delivery(DeliveryId::from_bytes(id))),
            _ => None,
        }
    }

    fn mac(&self, said: &[u8]) -> [u8; MAC_BYTES] {
        let mut context = hmac::Context::with_key(&self.0.key);
        context.update(b"return path\0");
        context.update(said);
        let tag = context.sign();
        std::array::from_fn(|n| tag.as_ref()[n])
    }
}

const KIND_MESSAGE: u8 = 1;
const KIND_DELIVERY: u8 = 2;
const ID_BYTES: usize = 16;
const MAC_BYTES: usize = 16;

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

const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// RFC 4648 6, in small letters and without padding.
fn base32(bytes: &[u8]) -> String {
    let (mut text, mut bits, mut held) = (String::with_capacity(bytes.len() * 8 / 5 + 1), 0_u32, 0);
    for byte in bytes {
        bits = bits << 8 | u32::from(*byte);
        held += 8;
        while held >= 5 {
            held -= 5;
            text.push(LETTERS[(bits >> held) as usize & 31] as char);
        }
        bits &= (1 << held) - 1;
    }
    if held > 0 {
        text.push(LETTERS[(bits << (5 - held)) as usize & 31] as char);
    }
    text
}

/// Only what `base32` writes: no two texts are the same bytes.
fn from_base32(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut bits, mut held) = (Vec::with_capacity(text.len() * 5 / 8), 0_u32, 0);
    for letter in text.bytes() {
        let digit = LETTERS.iter().position(|known| *known == letter)?;
        bits = bits << 5 | digit as u32;
        held += 5;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
        bits &= (1 << held) - 1;
    }
    (held < 5 && bits == 0).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Time;
    use crate::base::id;
    use crate::base::limits;
    use crate::base::random::Random;
    use proptest::prelude::*;

    fn paths(key: u8) -> ReturnPaths {
        ReturnPaths::new(&Secret::new(vec![key; 32]), |_| true)
    }

    fn both() -> [Returned; 2] {
        let now = Time::from_micros(1_800_000_000_000_000);
        [Returned::Message(id::new(now, &Random::System)), Returned::Delivery(id::new(now, &Random::System))]
    }

    #[test]
    fn a_token_is_short_small_and_opened_by_its_key_alone() {
        for returned in both() {
            let token = paths(1).token(&returned);
            assert!(PREFIX.len() + token.len() <= limits::LOCAL_PART_BYTES_MAX, "{token}");
            assert!(token.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()), "{token}");
            assert_eq!(paths(1).read(&token), Some(returned));
            assert_eq!(paths(2).read(&token), None);
        }
    }

    #[test]
    fn any_other_letter_makes_it_a_forgery() {
        for returned in both() {
            let token = paths(1).token(&returned);
            for at in 0..token.len() {
                for letter in ["a", "b", "7", "1", "-"] {
                    let mut other = token.clone();
                    other.replace_range(at..=at, letter);
                    assert_eq!(paths(1).read(&other).is_some(), other == token, "{other}");
                }
                assert_eq!(paths(1).read(&token[..at]), None);
            }
            assert_eq!(paths(1).read(&format!("{token}a")), None);
        }
    }

    #[test]
    fn a_domain_that_is_not_ready_is_told_once_and_so_is_its_return() {
        let is_ready = Arc::new(std::sync::atomic::AtomicBool::new(true));
        let asked = is_ready.clone();
        let paths =
            ReturnPaths::new(&Secret::new(vec![1; 32]), move |_| asked.load(std::sync::atomic::Ordering::SeqCst));
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

    proptest! {
        #[test]
        fn base32_is_read_as_it_was_written(bytes in proptest::collection::vec(any::<u8>(), 0..50)) {
            prop_assert_eq!(from_base32(&base32(&bytes)), Some(bytes));
        }

        #[test]
        fn no_text_is_a_token(text in "\\PC{0,70}|[a-z2-7]{50,56}") {
            prop_assert_eq!(paths(1).read(&text), None);
            if let Some(bytes) = from_base32(&text) {
                prop_assert_eq!(base32(&bytes), text);
            }
        }
    }
}

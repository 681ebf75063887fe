//! May links of a domain be rewritten, and may its return path be ours? Only when the world finds its way back:
//! a link to a host that does not lead here would be a dead one, and a bounce to a name without MX is lost. Who
//! sends asks here for each mail; `tend::records` finds it out by the clock and enters it.
//!
//! A reader takes no lock. What was found is bound to what was looked at: a domain whose tracking host changed is
//! not ready until the new one is.

pub mod echo;

use crate::mail::domain_name::DomainName;
use crate::model::domain::{Domain, ReturnPath, Tracking};
use crate::model::url::Origin;
use arc_swap::ArcSwap;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

/// How something stands that mail may only use when it leads back here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Footing {
    Ready,
    /// Why, without a full stop.
    NotReady(Arc<str>),
}

impl Footing {
    pub fn not_ready(why: impl Into<Arc<str>>) -> Self {
        Self::NotReady(why.into())
    }

    pub fn is_ready(&self) -> bool {
        *self == Self::Ready
    }

    pub fn why_not(&self) -> Option<&str> {
        match self {
            Self::Ready => None,
            Self::NotReady(why) => Some(why),
        }
    }

    fn because(why: &'static LazyLock<Arc<str>>) -> Self {
        Self::NotReady(Arc::clone(why))
    }
}

/// What is tended of a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    Tracking,
    ReturnPath,
}

impl Part {
    pub const ALL: [Self; 2] = [Self::Tracking, Self::ReturnPath];

    /// The word of events and metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::Tracking => "tracking",
            Self::ReturnPath => "return_path",
        }
    }
}

static UNCHECKED: LazyLock<Arc<str>> = LazyLock::new(|| "it has not been checked yet".into());
static UNWANTED: LazyLock<Arc<str>> = LazyLock::new(|| "the domain does not ask for it".into());

/// What was found of a domain, and of which host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Found {
    tracking: Option<(Origin, Footing)>,
    return_path: Option<Footing>,
}

type Grounds = HashMap<DomainName, Found>;

/// The one account of all domains. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Footings(Arc<ArcSwap<Grounds>>);

impl Footings {
    /// Do links in this domain's mail lead here?
    pub fn tracking(&self, domain: &Domain) -> Footing {
        let Some(tracking) = &domain.tracking else { return Footing::because(&UNWANTED) };
        if is_taken_on_trust(tracking) {
            return Footing::Ready;
        }
        tracking_in(&self.0.load(), domain, tracking)
    }

    /// Do bounces to a return path of ours come back here, and may we send from it?
    pub fn return_path(&self, domain: &Domain) -> Footing {
        if domain.return_path == ReturnPath::Keep {
            return Footing::because(&UNWANTED);
        }
        return_path_in(&self.0.load(), domain)
    }

    pub fn of(&self, domain: &Domain, part: Part) -> Footing {
        match part {
            Part::Tracking => self.tracking(domain),
            Part::ReturnPath => self.return_path(domain),
        }
    }

    /// Enters what was found of this domain as it is set up now. Answers how it stood before.
    pub fn enter(&self, domain: &Domain, part: Part, footing: Footing) -> Footing {
        let before = self.of(domain, part);
        if before == footing {
            return before;
        }
        // Of two who enter the same at once, one is told that it was so before.
        let before = self.0.rcu(|now| {
            let mut next = Grounds::clone(now);
            let found = next.entry(domain.name.clone()).or_default();
            match (part, &domain.tracking) {
                (Part::Tracking, Some(tracking)) => found.tracking = Some((tracking.host.clone(), footing.clone())),
                (Part::Tracking, None) => found.tracking = None,
                (Part::ReturnPath, _) => found.return_path = Some(footing.clone()),
            }
            next
        });
        match (part, &domain.tracking) {
            (Part::Tracking, Some(tracking)) => tracking_in(&before, domain, tracking),
            (Part::Tracking, None) => Footing::because(&UNWANTED),
            (Part::ReturnPath, _) => return_path_in(&before, domain),
        }
    }

    /// Forgets the domains of which this is not true.
    pub fn keep(&self, is_ours: impl Fn(&DomainName) -> bool) {
        if self.0.load().keys().all(&is_ours) {
            return;
        }
        self.0.rcu(|now| {
            let kept = now.iter().filter(|(name, _)| is_ours(name));
            kept.map(|(name, found)| (name.clone(), found.clone())).collect::<Grounds>()
        });
    }
}

fn tracking_in(grounds: &Grounds, domain: &Domain, tracking: &Tracking) -> Footing {
    match grounds.get(&domain.name).and_then(|found| found.tracking.as_ref()) {
        Some((host, footing)) if *host == tracking.host => footing.clone(),
        _ => Footing::because(&UNCHECKED),
    }
}

fn return_path_in(grounds: &Grounds, domain: &Domain) -> Footing {
    let found = grounds.get(&domain.name).and_then(|found| found.return_path.clone());
    found.unwrap_or_else(|| Footing::because(&UNCHECKED))
}

/// Does this part of the domain have to be looked at?
pub fn is_checked(domain: &Domain, part: Part) -> bool {
    match part {
        Part::Tracking => domain.tracking.as_ref().is_some_and(|tracking| !is_taken_on_trust(tracking)),
        Part::ReturnPath => domain.return_path != ReturnPath::Keep,
    }
}

/// Whoever says so knows it, and links to this very machine are for its own tests.
fn is_taken_on_trust(tracking: &Tracking) -> bool {
    !tracking.check || (!tracking.host.is_https() && tracking.host.host().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domain(host: &str, return_path: ReturnPath) -> Domain {
        Domain { return_path, tracking: Some(Tracking::of_test(host)), ..Domain::of_test("example.com") }
    }

    #[test]
    fn nothing_is_ready_before_it_was_seen() {
        let (footings, domain) = (Footings::default(), domain("https://t.example.com", ReturnPath::Recipient));
        for part in Part::ALL {
            assert!(is_checked(&domain, part));
            assert_eq!(footings.of(&domain, part).why_not(), Some("it has not been checked yet"));
        }
    }

    #[test]
    fn what_is_entered_is_seen_by_every_clone() {
        let (footings, domain) = (Footings::default(), domain("https://t.example.com", ReturnPath::Message));
        let elsewhere = footings.clone();
        assert!(!footings.enter(&domain, Part::Tracking, Footing::Ready).is_ready());
        assert!(elsewhere.tracking(&domain).is_ready() && !elsewhere.return_path(&domain).is_ready());
        assert!(footings.enter(&domain, Part::Tracking, Footing::not_ready("gone")).is_ready());
        assert_eq!(elsewhere.tracking(&domain).why_not(), Some("gone"));
    }

    #[test]
    fn another_host_is_not_ready_because_the_old_one_was() {
        let footings = Footings::default();
        footings.enter(&domain("https://t.example.com", ReturnPath::Keep), Part::Tracking, Footing::Ready);
        assert!(!footings.tracking(&domain("https://new.example.com", ReturnPath::Keep)).is_ready());
        assert!(!footings.tracking(&domain("https://t.example.com:8443", ReturnPath::Keep)).is_ready());
        assert!(footings.tracking(&domain("https://t.example.com", ReturnPath::Keep)).is_ready());
    }

    #[test]
    fn what_is_taken_on_trust_is_ready_at_once() {
        let footings = Footings::default();
        let mut unchecked = domain("https://t.example.com", ReturnPath::Keep);
        unchecked.tracking = unchecked.tracking.map(|tracking| Tracking { check: false, ..tracking });
        let local = domain("http://127.0.0.1:8025", ReturnPath::Keep);
        for domain in [&unchecked, &local, &domain("http://localhost", ReturnPath::Keep)] {
            assert!(footings.tracking(domain).is_ready() && !is_checked(domain, Part::Tracking));
        }
        // One that says it has a certificate is asked for it, also here.
        assert!(!footings.tracking(&domain("https://localhost", ReturnPath::Keep)).is_ready());
        assert!(!footings.tracking(&domain("http://t.example.com", ReturnPath::Keep)).is_ready());
    }

    #[test]
    fn what_nobody_asks_for_is_not_there() {
        let footings = Footings::default();
        let plain = Domain { tracking: None, ..domain("https://t.example.com", ReturnPath::Keep) };
        for part in Part::ALL {
            assert!(!is_checked(&plain, part) && !footings.of(&plain, part).is_ready());
        }
    }

    #[test]
    fn a_domain_that_left_is_forgotten() {
        let (footings, domain) = (Footings::default(), domain("https://t.example.com", ReturnPath::Recipient));
        footings.enter(&domain, Part::ReturnPath, Footing::Ready);
        footings.keep(|name| *name == domain.name);
        assert!(footings.return_path(&domain).is_ready());
        footings.keep(|_| false);
        assert!(!footings.return_path(&domain).is_ready());
    }
}

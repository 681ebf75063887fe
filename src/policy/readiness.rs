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
pub struct Readiness(Arc<ArcSwap<Grounds>>);

impl Readiness {
    /// Do links in this domain's mail lead here?
    pub fn tracking(&self, domain: &Domain) -> Footing {
        let Some(tracking) = &domain.tracking else { return Footing::because(&UNWANTED) };
        if is_taken_on_trust(tracking) {
            return Footing::Ready;
        }
        let grounds = self.0.load();
        match grounds.get(&domain.name).and_then(|found| found.tracking.as_ref()) {
            Some((host, footing)) if *host == tracking.host => footing.clone(),
            _ => Footing::because(&UNCHECKED),
        }
    }

    /// Do bounces to a return path of ours come back here, and may we send from it?
    pub fn return_path(&self, domain: &Domain) -> Footing {
        if domain.return_path == ReturnPath::Keep {
            return Footing::because(&UNWANTED);
        }
        let grounds = self.0.load();
        let found = grounds.get(&domain.name).and_then(|found| found.return_path.clone());
        found.unwrap_or_else(|| Footing::because(&UNCHECKED))
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
        self.0.rcu(|now| {
            let mut next = Grounds::clone(now);
            let found = next.entry(domain.name.clone()).or_default();
            match (part, &domain.tracking) {
                (Part::Tracking, Some(tracking)) => found.tracking = Some((tracking.host.clone(), footing.clone())),
                (Part::Tracking, None) => found.tracking = None,
                (Part::ReturnPath, _) => found.return_path = Some(footing.clone()),
            }
            next
        });
        before
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
    use crate::base::settings::Scalar;
    use crate::model::domain::{Clicks, Via};
    use crate::model::name::Name;

    fn domain(host: &str, return_path: ReturnPath) -> Domain {
        Domain {
            name: "example.com".parse().unwrap(),
            tenant: Name::default_tenant(),
            relay: Via::Direct,
            source: None,
            return_path,
            limits: vec![],
            recipient_limits: vec![],
            tracking: Some(Tracking {
                host: Origin::parse(host).unwrap(),
                opens: true,
                clicks: Clicks::Html,
                check: true,
            }),
            dkim: vec![],
        }
    }

    #[test]
    fn nothing_is_ready_before_it_was_seen() {
        let (readiness, domain) = (Readiness::default(), domain("https://t.example.com", ReturnPath::Recipient));
        for part in Part::ALL {
            assert!(is_checked(&domain, part));
            assert_eq!(readiness.of(&domain, part).why_not(), Some("it has not been checked yet"));
        }
    }

    #[test]
    fn what_is_entered_is_seen_by_every_clone() {
        let (readiness, domain) = (Readiness::default(), domain("https://t.example.com", ReturnPath::Message));
        let elsewhere = readiness.clone();
        assert!(!readiness.enter(&domain, Part::Tracking, Footing::Ready).is_ready());
        assert!(elsewhere.tracking(&domain).is_ready() && !elsewhere.return_path(&domain).is_ready());
        assert!(readiness.enter(&domain, Part::Tracking, Footing::not_ready("gone")).is_ready());
        assert_eq!(elsewhere.tracking(&domain).why_not(), Some("gone"));
    }

    #[test]
    fn another_host_is_not_ready_because_the_old_one_was() {
        let readiness = Readiness::default();
        readiness.enter(&domain("https://t.example.com", ReturnPath::Keep), Part::Tracking, Footing::Ready);
        assert!(!readiness.tracking(&domain("https://new.example.com", ReturnPath::Keep)).is_ready());
        assert!(!readiness.tracking(&domain("https://t.example.com:8443", ReturnPath::Keep)).is_ready());
        assert!(readiness.tracking(&domain("https://t.example.com", ReturnPath::Keep)).is_ready());
    }

    #[test]
    fn what_is_taken_on_trust_is_ready_at_once() {
        let readiness = Readiness::default();
        let mut unchecked = domain("https://t.example.com", ReturnPath::Keep);
        unchecked.tracking = unchecked.tracking.map(|tracking| Tracking { check: false, ..tracking });
        let local = domain("http://127.0.0.1:8025", ReturnPath::Keep);
        for domain in [&unchecked, &local, &domain("http://localhost", ReturnPath::Keep)] {
            assert!(readiness.tracking(domain).is_ready() && !is_checked(domain, Part::Tracking));
        }
        // One that says it has a certificate is asked for it, also here.
        assert!(!readiness.tracking(&domain("https://localhost", ReturnPath::Keep)).is_ready());
        assert!(!readiness.tracking(&domain("http://t.example.com", ReturnPath::Keep)).is_ready());
    }

    #[test]
    fn what_nobody_asks_for_is_not_there() {
        let readiness = Readiness::default();
        let plain = Domain { tracking: None, ..domain("https://t.example.com", ReturnPath::Keep) };
        for part in Part::ALL {
            assert!(!is_checked(&plain, part) && !readiness.of(&plain, part).is_ready());
        }
    }

    #[test]
    fn a_domain_that_left_is_forgotten() {
        let (readiness, domain) = (Readiness::default(), domain("https://t.example.com", ReturnPath::Recipient));
        readiness.enter(&domain, Part::ReturnPath, Footing::Ready);
        readiness.keep(|name| *name == domain.name);
        assert!(readiness.return_path(&domain).is_ready());
        readiness.keep(|_| false);
        assert!(!readiness.return_path(&domain).is_ready());
    }
}

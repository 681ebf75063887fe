//! The policies that are in force, in memory; bounded in number and bytes.

use super::{InForce, Trouble};
use crate::base::clock::Time;
use crate::base::limits;
use crate::mail::domain_name::DomainName;
use std::collections::HashMap;
use std::sync::Arc;

#[derive(Default)]
pub(super) struct Kept {
    domains: HashMap<DomainName, Slot>,
    /// Of all texts together.
    bytes: usize,
}

#[derive(Default)]
struct Slot {
    policy: Option<Arc<InForce>>,
    /// The last fetch, if it failed.
    failed: Option<(Time, Trouble)>,
    /// Held by whoever fetches.
    turn: Arc<tokio::sync::Mutex<()>>,
    touched: Time,
}

impl Slot {
    fn bytes(&self) -> usize {
        self.policy.as_ref().map_or(0, |policy| policy.text.len())
    }
}

impl Kept {
    pub(super) fn policy(&self, domain: &DomainName, now: Time) -> Option<Arc<InForce>> {
        self.domains.get(domain)?.policy.clone().filter(|policy| now < policy.ends())
    }

    pub(super) fn failed_since(&self, domain: &DomainName, since: Time) -> Option<Trouble> {
        self.domains.get(domain)?.failed.clone().filter(|(at, _)| *at > since).map(|(_, trouble)| trouble)
    }

    pub(super) fn turn(&mut self, domain: &DomainName, now: Time) -> Arc<tokio::sync::Mutex<()>> {
        let slot = self.domains.entry(domain.clone()).or_default();
        slot.touched = now;
        let turn = Arc::clone(&slot.turn);
        self.make_room(now);
        turn
    }

    pub(super) fn keep(&mut self, domain: DomainName, policy: InForce, now: Time) -> Arc<InForce> {
        let policy = Arc::new(policy);
        let slot = self.domains.entry(domain).or_default();
        self.bytes -= slot.bytes();
        (slot.policy, slot.failed, slot.touched) = (Some(Arc::clone(&policy)), None, now);
        self.bytes += slot.bytes();
        self.make_room(now);
        policy
    }

    pub(super) fn fail(&mut self, domain: &DomainName, trouble: Trouble, now: Time) {
        let slot = self.domains.entry(domain.clone()).or_default();
        (slot.failed, slot.touched) = (Some((now, trouble)), now);
        self.make_room(now);
    }

    /// What has ended goes first, then the oldest until a tenth is free: so this is rare.
    fn make_room(&mut self, now: Time) {
        if self.domains.len() <= limits::STS_DOMAINS_MAX && self.bytes <= limits::STS_BYTES_MAX {
            return;
        }
        let ended = |slot: &Slot| slot.policy.as_ref().is_none_or(|policy| now >= policy.ends());
        let mut oldest: Vec<_> =
            self.domains.iter().map(|(domain, slot)| (!ended(slot), slot.touched, domain.clone())).collect();
        oldest.sort();
        for (_, _, domain) in oldest {
            if self.domains.len() <= limits::STS_DOMAINS_MAX / 10 * 9 && self.bytes <= limits::STS_BYTES_MAX / 10 * 9 {
                break;
            }
            self.bytes -= self.domains.remove(&domain).map_or(0, |slot| slot.bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn policy(text: &str, at: Time) -> InForce {
        let policy = "version: STSv1\nmode: testing\nmx: a.example\nmax_age: 100".parse().unwrap();
        InForce { id: "1".to_owned(), policy, fetched_at: at, text: text.to_owned() }
    }

    #[test]
    fn it_is_bounded_in_number_and_in_bytes_and_the_oldest_go() {
        let (mut kept, start) = (Kept::default(), Time::default());
        let text = "x".repeat(limits::STS_POLICY_BYTES_MAX);
        for n in 0..1_000 {
            let now = start.plus(Duration::from_millis(n));
            kept.keep(format!("d{n}.example").parse().unwrap(), policy(&text, now), now);
            assert!(kept.bytes <= limits::STS_BYTES_MAX);
        }
        assert_eq!(kept.bytes, kept.domains.len() * text.len());
        let now = start.plus(Duration::from_secs(1));
        assert!(kept.policy(&"d999.example".parse().unwrap(), now).is_some());
        assert!(kept.policy(&"d0.example".parse().unwrap(), now).is_none());
        for n in 0..=limits::STS_DOMAINS_MAX {
            kept.keep(format!("e{n}.example").parse().unwrap(), policy("", now), now);
        }
        assert!(kept.domains.len() <= limits::STS_DOMAINS_MAX);
    }

    #[test]
    fn a_policy_ends_with_its_age() {
        let (mut kept, start) = (Kept::default(), Time::default());
        let domain: DomainName = "a.example".parse().unwrap();
        kept.keep(domain.clone(), policy("x", start), start);
        assert!(kept.policy(&domain, start.plus(Duration::from_secs(99))).is_some());
        assert!(kept.policy(&domain, start.plus(Duration::from_secs(100))).is_none());
    }
}

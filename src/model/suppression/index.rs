//! Who may be suppressed, as a node has it in memory: eight bytes for each, so that mail to everybody else costs no
//! question to the store. It never says "no" wrongly while it is kept true; whom it may hold is asked for in the
//! store, which knows scope, reason and end. What was lifted or has expired stays here until it is read anew.

use super::Suppressed;
use crate::base::clock::Time;
use crate::base::id::TenantId;
use crate::base::limits;
use crate::mail::address::Address;
use arc_swap::ArcSwap;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::Arc;

#[derive(Debug, Default)]
pub struct Index {
    /// Keyed anew in each process: nobody can choose addresses that look alike here.
    hashing: RandomState,
    known: ArcSwap<Known>,
}

/// One who is suppressed: a tenant and an address, or `*@domain`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(u64);

#[derive(Clone, Debug, Default)]
struct Known {
    /// When it was last seen to be true; none before it was read for the first time.
    at: Option<Time>,
    /// Sorted, without doubles.
    all: Arc<Vec<Mark>>,
    /// The same for those that came since.
    recent: Arc<Vec<Mark>>,
}

impl Index {
    pub fn mark(&self, tenant: &TenantId, key: &str) -> Mark {
        let mut hasher = self.hashing.build_hasher();
        tenant.hash(&mut hasher);
        key.hash(&mut hasher);
        Mark(hasher.finish())
    }

    /// Must the store be asked about this address? Also when what is known here is too old to be believed.
    pub fn may_hold(&self, tenant: &TenantId, address: &Address, now: Time) -> bool {
        let known = self.known.load();
        if known.at.is_none_or(|at| now.since(at) > limits::SUPPRESSIONS_BELIEVED_MAX) {
            return true;
        }
        if known.all.is_empty() && known.recent.is_empty() {
            return false;
        }
        let (address, domain) = Suppressed::both_keys(address);
        [address, domain].iter().any(|key| known.holds(self.mark(tenant, key)))
    }

    /// Is there certainly nobody to be asked about?
    pub fn holds_nobody(&self, now: Time) -> bool {
        let known = self.known.load();
        let is_believed = known.at.is_some_and(|at| now.since(at) <= limits::SUPPRESSIONS_BELIEVED_MAX);
        is_believed && known.all.is_empty() && known.recent.is_empty()
    }

    /// All that there are, as they were read from then on.
    pub fn replace(&self, mut all: Vec<Mark>, at: Time) {
        tidy(&mut all);
        all.shrink_to_fit();
        self.known.store(Arc::new(Known { at: Some(at), all: Arc::new(all), recent: Arc::default() }));
    }

    /// What came since. Only who keeps the index calls this: two at once would lose one's.
    pub fn add(&self, marks: &[Mark], at: Time) {
        let known = self.known.load_full();
        let mut recent: Vec<Mark> = marks.iter().copied().filter(|mark| !known.holds(*mark)).collect();
        let mut next = Known { at: Some(at), ..Known::clone(&known) };
        if !recent.is_empty() {
            recent.extend_from_slice(&known.recent);
            if recent.len() > limits::SUPPRESSIONS_RECENT_MAX {
                recent.extend_from_slice(&known.all);
                tidy(&mut recent);
                (next.all, next.recent) = (Arc::new(recent), Arc::default());
            } else {
                tidy(&mut recent);
                next.recent = Arc::new(recent);
            }
        }
        self.known.store(Arc::new(next));
    }

    /// How many it holds.
    pub fn len(&self) -> usize {
        let known = self.known.load();
        known.all.len() + known.recent.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Was it read at all?
    pub fn is_read(&self) -> bool {
        self.known.load().at.is_some()
    }

    /// Bytes of memory for them.
    pub fn bytes(&self) -> usize {
        let known = self.known.load();
        (known.all.capacity() + known.recent.capacity()) * size_of::<Mark>()
    }
}

impl Known {
    fn holds(&self, mark: Mark) -> bool {
        self.recent.binary_search(&mark).is_ok() || self.all.binary_search(&mark).is_ok()
    }
}

fn tidy(marks: &mut Vec<Mark>) {
    marks.sort_unstable();
    marks.dedup();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id;
    use crate::base::random::Random;
    use std::time::Duration;

    const NOW: Time = Time::from_micros(1_800_000_000_000_000);

    fn tenant() -> TenantId {
        id::new(NOW, &Random::System)
    }

    fn address(text: &str) -> Address {
        text.parse().unwrap()
    }

    #[test]
    fn before_it_was_read_and_when_it_is_old_it_holds_everybody() {
        let (index, ours) = (Index::default(), tenant());
        assert!(index.may_hold(&ours, &address("a@b.example"), NOW));
        index.replace(Vec::new(), NOW);
        assert!(!index.may_hold(&ours, &address("a@b.example"), NOW));
        let later = NOW.plus(limits::SUPPRESSIONS_BELIEVED_MAX + Duration::from_secs(1));
        assert!(index.may_hold(&ours, &address("a@b.example"), later));
        index.add(&[], later);
        assert!(!index.may_hold(&ours, &address("a@b.example"), later));
    }

    #[test]
    fn an_address_is_found_in_any_case_and_by_its_domain_and_for_its_tenant_alone() {
        let (index, ours, theirs) = (Index::default(), tenant(), tenant());
        index.replace(vec![index.mark(&ours, "jane@b.example")], NOW);
        index.add(&[index.mark(&ours, "*@closed.example")], NOW);
        for (who, held) in [
            ("jane@b.example", true),
            ("JANE@B.example", true),
            ("anybody@closed.example", true),
            ("john@b.example", false),
            ("jane@sub.closed.example", false),
        ] {
            assert_eq!(index.may_hold(&ours, &address(who), NOW), held, "{who}");
            assert!(!index.may_hold(&theirs, &address(who), NOW), "{who}");
        }
    }

    #[test]
    fn nothing_is_lost_when_many_come_and_each_takes_a_few_bytes() {
        let (index, ours) = (Index::default(), tenant());
        let mark = |n: usize| index.mark(&ours, &format!("r{n}@b.example"));
        const MANY: usize = 100_000;
        index.replace((0..MANY).map(mark).collect(), NOW);
        for n in 0..limits::SUPPRESSIONS_RECENT_MAX / 4 {
            let marks: Vec<Mark> = (0..10).map(|i| mark(MANY + 10 * n + i)).collect();
            index.add(&[&marks[..], &[mark(n)]].concat(), NOW);
        }
        let all = MANY + limits::SUPPRESSIONS_RECENT_MAX / 4 * 10;
        assert_eq!(index.len(), all);
        for n in (0..all).step_by(97) {
            assert!(index.may_hold(&ours, &address(&format!("r{n}@b.example")), NOW), "{n}");
        }
        assert!(index.bytes() <= 16 * all, "{}", index.bytes());
    }
}

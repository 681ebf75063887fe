//! A budget of memory that many share: who receives a body takes room for it before the bytes come, and
//! gives it back when they are gone. Without locks: two atomics, and whoever comes too late is told so.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Clone, Debug)]
pub struct Budget(Arc<Pot>);

struct Pot {
    /// Bytes that may be taken in all.
    limit: AtomicUsize,
    taken: AtomicUsize,
    gauge: metrics::Gauge,
}

impl std::fmt::Debug for Pot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (taken, limit) = (self.taken.load(Ordering::Relaxed), self.limit.load(Ordering::Relaxed));
        write!(f, "{taken} of {limit} bytes")
    }
}

impl Budget {
    /// What is taken of it is shown under this name.
    pub fn new(bytes: usize, gauge: &'static str) -> Self {
        let gauge = metrics::gauge!(gauge);
        Self(Arc::new(Pot { limit: AtomicUsize::new(bytes), taken: AtomicUsize::new(0), gauge }))
    }

    /// From now on so many bytes. Made smaller than what is taken, it gives out nothing until enough
    /// came back.
    pub fn resize(&self, bytes: usize) {
        self.0.limit.store(bytes, Ordering::Relaxed);
    }

    /// Bytes that may be taken in all.
    pub fn limit(&self) -> usize {
        self.0.limit.load(Ordering::Relaxed)
    }

    /// Bytes taken now.
    pub fn taken(&self) -> usize {
        self.0.taken.load(Ordering::Relaxed)
    }

    /// A share that holds nothing yet.
    pub fn share(&self) -> Share {
        Share { budget: self.clone(), bytes: 0 }
    }

    fn take(&self, bytes: usize) -> bool {
        let limit = self.0.limit.load(Ordering::Relaxed);
        let more = |taken: usize| taken.checked_add(bytes).filter(|sum| *sum <= limit);
        // Relaxed: the number guards no other memory.
        let taken = self.0.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok();
        if taken {
            self.0.gauge.increment(bytes as f64);
        }
        taken
    }

    fn give_back(&self, bytes: usize) {
        self.0.taken.fetch_sub(bytes, Ordering::Relaxed);
        self.0.gauge.decrement(bytes as f64);
    }
}

/// What one body holds of the budget, until it is dropped.
#[derive(Debug)]
pub struct Share {
    budget: Budget,
    bytes: usize,
}

impl Share {
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Holds at least so many bytes from now on; false when the budget has no room for them, and then
    /// it holds what it held.
    #[must_use]
    pub fn grow_to(&mut self, bytes: usize) -> bool {
        let more = bytes.saturating_sub(self.bytes);
        let grown = more == 0 || self.budget.take(more);
        if grown {
            self.bytes += more;
        }
        grown
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.give_back(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_share_grows_while_there_is_room_and_gives_back_at_its_end() {
        let budget = Budget::new(100, "test");
        let (mut one, mut two) = (budget.share(), budget.share());
        assert!(one.grow_to(60) && !two.grow_to(41) && two.grow_to(40));
        assert!(one.grow_to(10), "it holds more than that");
        assert_eq!((one.bytes(), two.bytes(), budget.taken()), (60, 40, 100));
        assert!(!one.grow_to(usize::MAX));
        drop(one);
        assert!(two.grow_to(100) && !budget.share().grow_to(1));
        drop(two);
        assert_eq!(budget.taken(), 0);
    }

    #[test]
    fn a_smaller_budget_takes_nothing_away_and_waits() {
        let budget = Budget::new(100, "test");
        let (mut one, mut two) = (budget.share(), budget.share());
        assert!(one.grow_to(80));
        budget.resize(50);
        assert!(!one.grow_to(81) && !two.grow_to(1));
        drop(one);
        assert!(two.grow_to(50) && !two.grow_to(51));
        budget.resize(51);
        assert!(two.grow_to(51));
    }

    #[test]
    fn many_threads_together_never_take_more_than_there_is() {
        let budget = Budget::new(1_000, "test");
        std::thread::scope(|scope| {
            for seed in 1..=8_usize {
                let budget = budget.clone();
                scope.spawn(move || {
                    for round in 1..5_000_usize {
                        let mut share = budget.share();
                        let mut bytes = 0;
                        while share.grow_to(bytes) && bytes < 900 {
                            assert!(budget.taken() <= 1_000);
                            bytes += (round * seed) % 97 + 1;
                        }
                    }
                });
            }
        });
        assert_eq!(budget.taken(), 0);
    }

    #[derive(Clone, Debug)]
    enum Act {
        Open,
        Grow(prop::sample::Index, usize),
        Drop(prop::sample::Index),
        Resize(usize),
    }

    fn act() -> impl Strategy<Value = Act> {
        prop_oneof![
            2 => Just(Act::Open),
            5 => (any::<prop::sample::Index>(), 0..120_usize).prop_map(|(which, bytes)| Act::Grow(which, bytes)),
            2 => any::<prop::sample::Index>().prop_map(Act::Drop),
            1 => (0..200_usize).prop_map(Act::Resize),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_sum_of_all_shares_is_what_is_taken_and_never_grows_past_the_limit(acts in prop::collection::vec(act(), 1..200)) {
            let (budget, mut limit, mut shares) = (Budget::new(100, "test"), 100, Vec::<Share>::new());
            for act in acts {
                let before = budget.taken();
                match act {
                    Act::Open => shares.push(budget.share()),
                    Act::Resize(bytes) => {
                        limit = bytes;
                        budget.resize(bytes);
                    }
                    Act::Grow(which, bytes) if !shares.is_empty() => {
                        let at = which.index(shares.len());
                        let fits = bytes <= shares[at].bytes() || before - shares[at].bytes() + bytes <= limit;
                        prop_assert_eq!(shares[at].grow_to(bytes), fits);
                    }
                    Act::Drop(which) if !shares.is_empty() => drop(shares.remove(which.index(shares.len()))),
                    Act::Grow(..) | Act::Drop(_) => {}
                }
                prop_assert_eq!(budget.taken(), shares.iter().map(Share::bytes).sum::<usize>());
                prop_assert!(budget.taken() <= limit || budget.taken() <= before);
            }
        }
    }
}

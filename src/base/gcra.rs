//! GCRA: a leaky bucket that remembers one number, the theoretical arrival time of what would come next
//! if everything had come evenly. Pure: time comes in, nothing is kept but what the caller keeps.
//!
//! `count` in `per` may all come at once; after that room returns one by one. So in any window of `per`
//! never more than twice `count` come (the burst, and what leaked meanwhile), and over time never more
//! than `count` in each `per`.

use super::clock::Time;
use super::limits;
use std::time::Duration;

/// A rate, in the terms of the algorithm (microseconds).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gcra {
    /// How much time one unit takes up. Rounded up: never more than the rate, and the error of a
    /// microsecond does not matter below a million a second.
    interval: i64,
    /// How far ahead of now the arrival time may lie.
    capacity: i64,
}

impl Gcra {
    pub const fn new(count: u32, per: Duration) -> Self {
        // As wide as both can be: neither sum nor product below reaches 2^63.
        let count = if count == 0 { 1 } else { count as i64 };
        let per = Time::from_micros(0).plus(per).micros();
        let interval = (per.saturating_add(count - 1) / count).saturating_add((per == 0) as i64);
        Self { interval, capacity: interval.saturating_mul(count) }
    }

    /// The latest arrival time that is believed at this moment. Nodes that spend at once overshoot by a
    /// few windows; beyond that a clock was wrong, and it must not close a bucket for years.
    pub fn ceiling(self, now: Time) -> Time {
        Time::from_micros(now.micros().saturating_add(self.capacity.saturating_mul(limits::LIMIT_WINDOWS_AHEAD_MAX)))
    }
}

/// What was spent: enough to give it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spent {
    cost: i64,
    /// The bucket's high mark just after: arrival time plus everything refunded until then.
    mark: i64,
}

impl Spent {
    /// How far it moved the arrival time, in microseconds.
    pub fn cost(self) -> i64 {
        self.cost
    }
}

/// Why so much does not fit now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// It fits from this moment on.
    Until(Time),
    /// It never fits at once; at this moment the bucket is empty.
    TooMuch { empty: Time },
}

impl Closed {
    pub fn opens(self) -> Time {
        match self {
            Self::Until(at) | Self::TooMuch { empty: at } => at,
        }
    }
}

/// A bucket. The default one is empty, and one that was left alone for a window is as good as that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    /// The theoretical arrival time.
    tat: i64,
    /// Everything that was ever given back: `tat + refunded` never falls.
    refunded: i64,
}

impl Bucket {
    pub fn tat(self) -> Time {
        Time::from_micros(self.tat)
    }

    /// Has everything leaked?
    pub fn is_idle(self, now: Time) -> bool {
        self.tat <= now.micros()
    }

    /// Would so many fit now?
    pub fn check(&mut self, gcra: Gcra, now: Time, units: u32) -> Result<(), Closed> {
        self.after(gcra, now, units).map(|_| ())
    }

    /// Takes so many, or none.
    pub fn spend(&mut self, gcra: Gcra, now: Time, units: u32) -> Result<Spent, Closed> {
        let (tat, cost) = self.after(gcra, now, units)?;
        self.tat = tat;
        Ok(Spent { cost, mark: tat.saturating_add(self.refunded) })
    }

    /// Gives back what has not leaked yet; how much that was. Of what came before and after nothing is
    /// given: the bucket held at least `mark` less all later refunds, until now.
    pub fn refund(&mut self, spent: Spent, now: Time) -> i64 {
        let left = spent.mark.saturating_sub(self.refunded).saturating_sub(now.micros());
        let back = left.clamp(0, spent.cost);
        self.tat = self.tat.saturating_sub(back);
        self.refunded = self.refunded.saturating_add(back);
        back
    }

    /// Takes up what others spent too: they all stand at `tat`, to which `unknown` of ours is still to be
    /// added.
    pub fn learn(&mut self, gcra: Gcra, now: Time, tat: Time, unknown: i64) {
        if tat <= gcra.ceiling(now) {
            self.tat = self.tat.max(tat.micros().saturating_add(unknown));
        }
    }

    /// The arrival time after so many more, and what they cost.
    fn after(&mut self, gcra: Gcra, now: Time, units: u32) -> Result<(i64, i64), Closed> {
        if self.tat > gcra.ceiling(now).micros() {
            self.tat = now.micros().saturating_add(gcra.capacity);
        }
        let from = self.tat.max(now.micros());
        let cost = gcra.interval.saturating_mul(i64::from(units));
        if cost > gcra.capacity {
            return Err(Closed::TooMuch { empty: Time::from_micros(from) });
        }
        let tat = from.saturating_add(cost);
        let opens = Time::from_micros(tat.saturating_sub(gcra.capacity));
        if opens > now { Err(Closed::Until(opens)) } else { Ok((tat, cost)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(micros: i64) -> Time {
        Time::from_micros(1_793_245_479_000_000 + micros)
    }

    fn spend_all(bucket: &mut Bucket, gcra: Gcra, now: Time) -> u32 {
        (0..).take_while(|_| bucket.spend(gcra, now, 1).is_ok()).count() as u32
    }

    #[test]
    fn the_whole_count_comes_at_once_and_then_one_by_one() {
        for count in [1, 3, 7, 20, 1_000] {
            let (gcra, mut bucket) = (Gcra::new(count, SECOND), Bucket::default());
            assert_eq!(spend_all(&mut bucket, gcra, at(0)), count);
            let Err(Closed::Until(opens)) = bucket.check(gcra, at(0), 1) else { panic!("it is full") };
            assert_eq!(bucket.check(gcra, Time::from_micros(opens.micros() - 1), 1), Err(Closed::Until(opens)));
            assert_eq!(spend_all(&mut bucket, gcra, opens), 1);
            let long_after = opens.plus(2 * SECOND);
            assert!(bucket.is_idle(long_after));
            assert_eq!(spend_all(&mut bucket, gcra, long_after), count);
        }
    }

    #[test]
    fn many_fit_together_or_not_at_all() {
        let (gcra, mut bucket) = (Gcra::new(10, SECOND), Bucket::default());
        bucket.spend(gcra, at(0), 8).unwrap();
        assert_eq!(bucket.check(gcra, at(0), 3), Err(Closed::Until(at(100_000))));
        assert!(bucket.check(gcra, at(100_000), 3).is_ok());
        assert_eq!(bucket.check(gcra, at(0), 11), Err(Closed::TooMuch { empty: at(800_000) }));
        assert_eq!(Bucket::default().check(gcra, at(0), 11), Err(Closed::TooMuch { empty: at(0) }));
    }

    #[test]
    fn the_largest_rates_do_not_overflow() {
        for (count, per) in
            [(u32::MAX, SECOND), (1, Duration::from_secs(86_400)), (u32::MAX, Duration::MAX), (0, Duration::ZERO)]
        {
            let (gcra, mut bucket) = (Gcra::new(count, per), Bucket::default());
            bucket.spend(gcra, at(0), 1).unwrap();
            let _ = bucket.check(gcra, at(0), u32::MAX);
            let _ = bucket.check(gcra, Time::from_micros(i64::MAX), u32::MAX);
        }
    }

    #[test]
    fn what_leaked_is_not_given_back() {
        let (gcra, mut bucket) = (Gcra::new(10, SECOND), Bucket::default());
        let first = bucket.spend(gcra, at(0), 5).unwrap();
        bucket.spend(gcra, at(2_000_000), 10).unwrap();
        assert_eq!(bucket.refund(first, at(2_000_000)), 0);
        assert!(bucket.check(gcra, at(2_000_000), 1).is_err());
    }

    #[test]
    fn what_another_refund_gave_back_is_not_given_again() {
        let (gcra, mut bucket) = (Gcra::new(10, SECOND), Bucket::default());
        let (first, second) = (bucket.spend(gcra, at(0), 5).unwrap(), bucket.spend(gcra, at(0), 5).unwrap());
        assert_eq!(bucket.refund(first, at(0)), 500_000);
        // The second has leaked; what comes now is another's.
        bucket.spend(gcra, at(600_000), 5).unwrap();
        assert_eq!(bucket.refund(second, at(700_000)), 0);
        assert_eq!(bucket.tat(), at(1_100_000));
    }

    #[test]
    fn a_clock_that_was_in_the_future_closes_a_bucket_for_one_window() {
        let (gcra, mut bucket) = (Gcra::new(10, SECOND), Bucket::default());
        let years = Duration::from_secs(10 * 365 * 86_400);
        bucket.spend(gcra, at(0).plus(years), 10).unwrap();
        assert_eq!(bucket.check(gcra, at(0), 1), Err(Closed::Until(at(100_000))));
        assert_eq!(spend_all(&mut bucket, gcra, at(1_000_000)), 10);
        let mut other = Bucket::default();
        other.learn(gcra, at(0), at(0).plus(years), 0);
        assert_eq!(other, Bucket::default());
    }

    #[test]
    fn what_others_spent_counts_beside_our_own() {
        let (gcra, mut ours) = (Gcra::new(10, SECOND), Bucket::default());
        let unknown = ours.spend(gcra, at(0), 3).unwrap().cost();
        ours.learn(gcra, at(0), at(600_000), unknown);
        assert_eq!(ours.tat(), at(900_000));
        ours.learn(gcra, at(0), at(100_000), unknown);
        assert_eq!(ours.tat(), at(900_000), "an older answer takes nothing back");
    }

    /// Somebody who spends, and sometimes takes it back a while later.
    #[derive(Clone, Debug)]
    struct Act {
        pause: i64,
        units: u32,
        /// Refunds an earlier one that was not yet, if there is one.
        refund: Option<prop::sample::Index>,
    }

    fn acts() -> impl Strategy<Value = Vec<Act>> {
        let pause = prop_oneof![Just(0_i64), 0..50_000_i64, 0..2_000_000_i64];
        let refund = prop::option::of(any::<prop::sample::Index>());
        let act = (pause, 1..6_u32, refund).prop_map(|(pause, units, refund)| Act { pause, units, refund });
        prop::collection::vec(act, 1..120)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_window_holds_more_than_burst_and_count(count in 1..30_u32, acts in acts()) {
            let (gcra, mut bucket, mut now) = (Gcra::new(count, SECOND), Bucket::default(), 0);
            let mut open: Vec<(i64, u32, Spent)> = Vec::new();
            let mut kept: Vec<(i64, u32)> = Vec::new();
            for act in acts {
                now += act.pause;
                if let Ok(spent) = bucket.spend(gcra, at(now), act.units) {
                    open.push((now, act.units, spent));
                }
                if let Some(which) = act.refund.filter(|_| !open.is_empty()) {
                    let (_, _, spent) = open.remove(which.index(open.len()));
                    bucket.refund(spent, at(now));
                }
            }
            kept.extend(open.iter().map(|(at, units, _)| (*at, *units)));
            for (start, _) in &kept {
                let within = kept.iter().filter(|(at, _)| (*start..*start + 1_000_000).contains(at));
                let sum: u32 = within.map(|(_, units)| units).sum();
                prop_assert!(sum <= 2 * count, "{} in one second at {}/second", sum, count);
            }
        }

        #[test]
        fn a_refund_restores_the_bucket(count in 1..30_u32, acts in acts(), units in 1..6_u32) {
            let (gcra, mut bucket, mut now) = (Gcra::new(count, SECOND), Bucket::default(), 0);
            for act in acts {
                now += act.pause;
                let _ = bucket.spend(gcra, at(now), act.units);
            }
            let mut before = bucket;
            if let Ok(spent) = bucket.spend(gcra, at(now), units) {
                bucket.refund(spent, at(now));
            }
            for units in 1..=count {
                prop_assert_eq!(bucket.check(gcra, at(now), units), before.check(gcra, at(now), units));
            }
        }
    }
}

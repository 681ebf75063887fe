//! When a delivery is tried again, and when it is given up: pure, from the settings, the clock's time and
//! chance. Expiry is judged with every requeue, not only after a try; nothing is ever due behind it.

use crate::base::clock::Time;
use crate::base::limits;
use crate::base::random::Random;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    At(Time),
    /// It is given up: there is no time left for another try.
    Expired,
}

/// Around a pause, in percent: what failed together does not come back together.
const JITTER: u64 = 10;

/// After a try that failed for now. `attempts` counts it; the last pause of the plan repeats.
pub fn after_try(plan: &[Duration], attempts: i64, now: Time, expires_at: Time, random: &Random) -> Next {
    let pause = pause(plan, attempts);
    let due = now.plus(jittered(pause, random));
    let last = last_try(expires_at, pause);
    if due <= last {
        return Next::At(due);
    }
    // RFC 5321 4.5.4.1: it is tried until the end; so near to it that only one more try fits, at its end.
    if last.since(now) >= expires_at.since(last) && now < last { Next::At(last) } else { Next::Expired }
}

/// When a try that begins now would be followed by the next, if nobody came back to say how it ended.
pub fn next_try(plan: &[Duration], attempts: i64, now: Time, expires_at: Time, random: &Random) -> Time {
    match after_try(plan, attempts, now, expires_at, random) {
        Next::At(due) => due,
        Next::Expired => expires_at,
    }
}

/// Put off without a try, by a limit or a suspension: it stays the same attempt, and the plan where it was.
pub fn put_off(until: Time, now: Time, expires_at: Time) -> Next {
    let last = last_try(expires_at, 2 * limits::LAST_TRY_BEFORE);
    match until <= last {
        _ if now >= expires_at => Next::Expired,
        true => Next::At(until),
        // A limit never carries it behind its end: then rather the last try than none.
        false if now < last => Next::At(last),
        false => Next::Expired,
    }
}

/// Asked before a try as well: what waited in memory may have passed its time there.
pub fn is_expired(now: Time, expires_at: Time) -> bool {
    now >= expires_at
}

/// The pause behind the n-th try, counted from 1.
fn pause(plan: &[Duration], attempts: i64) -> Duration {
    let at = usize::try_from(attempts.saturating_sub(1)).unwrap_or(0);
    // The configuration takes no plan without steps.
    let pause = plan.get(at).or(plan.last()).copied().unwrap_or(limits::LAST_TRY_BEFORE);
    pause.max(Duration::from_millis(1))
}

fn jittered(pause: Duration, random: &Random) -> Duration {
    let micros = u64::try_from(pause.as_micros()).unwrap_or(u64::MAX / 4).min(u64::MAX / 4);
    let span = micros / 100 * JITTER;
    Duration::from_micros(micros - span + random.below(2 * span + 1))
}

/// When the last try is due: shortly before the end, and for the short lives of tests shorter.
fn last_try(expires_at: Time, pause: Duration) -> Time {
    expires_at.minus(limits::LAST_TRY_BEFORE.min(pause / 2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn minutes(minutes: &[u64]) -> Vec<Duration> {
        minutes.iter().map(|m| Duration::from_secs(m * 60)).collect()
    }

    fn usual() -> Vec<Duration> {
        minutes(&[1, 5, 15, 60, 120, 240])
    }

    #[test]
    fn pauses_follow_the_plan_and_the_last_one_repeats() {
        let (random, now) = (Random::seeded(1), Time::default());
        for (attempts, minutes) in [(1, 1), (2, 5), (3, 15), (4, 60), (5, 120), (6, 240), (7, 240), (99, 240)] {
            let Next::At(due) = after_try(&usual(), attempts, now, now.plus(5 * DAY), &random) else { panic!() };
            let pause = Duration::from_secs(minutes * 60);
            assert!(due.since(now) >= pause * 9 / 10 && due.since(now) <= pause * 11 / 10, "{attempts}: {due}");
        }
    }

    /// Trap 57.
    #[test]
    fn expiry_is_tested_on_every_requeue_and_not_only_on_attempts() {
        let (start, expires) = (Time::default(), Time::default().plus(DAY));
        assert_eq!(put_off(start.plus(2 * DAY), start.plus(DAY), expires), Next::Expired);
        assert_eq!(put_off(start, start.plus(DAY), expires), Next::Expired);
        assert_eq!(after_try(&usual(), 1, start.plus(DAY), expires, &Random::seeded(1)), Next::Expired);
        assert!(is_expired(expires, expires) && !is_expired(start, expires));
    }

    /// Trap 59.
    #[test]
    fn a_limit_never_delays_past_expiry_and_is_no_attempt() {
        let (start, expires) = (Time::default(), Time::default().plus(DAY));
        let last = expires.minus(limits::LAST_TRY_BEFORE);
        assert_eq!(put_off(start.plus(7 * DAY), start, expires), Next::At(last));
        assert_eq!(put_off(start.plus(7 * DAY), last, expires), Next::Expired);
        assert_eq!(put_off(start.plus(DAY / 2), start, expires), Next::At(start.plus(DAY / 2)));
    }

    #[test]
    fn a_due_time_beyond_expiry_becomes_one_last_try_and_nothing_comes_after_it() {
        let random = Random::seeded(1);
        let expires = Time::default().plus(DAY);
        let now = expires.minus(Duration::from_secs(3_600));
        let Next::At(last) = after_try(&usual(), 9, now, expires, &random) else { panic!() };
        assert_eq!(last, expires.minus(limits::LAST_TRY_BEFORE));
        assert_eq!(after_try(&usual(), 10, last, expires, &random), Next::Expired);
    }

    proptest! {
        /// A week of it: every try before the end, each later than the one before, and then an end.
        #[test]
        fn a_week_of_tries_ends_at_its_end(
            plan in proptest::collection::vec(1_u64..20_000, 1..8),
            life in 1_u64..7 * 86_400,
            tries_take in 0_u64..120,
            put_offs in proptest::collection::vec(0_u64..40_000, 0..6),
            seed: u64,
        ) {
            let plan: Vec<_> = plan.into_iter().map(Duration::from_secs).collect();
            let random = Random::seeded(seed);
            let (mut now, expires) = (Time::default(), Time::default().plus(Duration::from_secs(life)));
            let (mut attempts, mut tries, mut put_offs) = (0, 0, put_offs.into_iter());
            loop {
                if let Some(seconds) = put_offs.next() {
                    match put_off(now.plus(Duration::from_secs(seconds)), now, expires) {
                        Next::At(due) => {
                            prop_assert!(due < expires && due >= now.min(due));
                            now = now.max(due);
                        }
                        Next::Expired => break,
                    }
                }
                prop_assert!(!is_expired(now, expires));
                attempts += 1;
                tries += 1;
                now = now.plus(Duration::from_secs(tries_take));
                match after_try(&plan, attempts, now, expires, &random) {
                    Next::At(due) => {
                        prop_assert!(due > now, "{due} after {now}");
                        prop_assert!(due < expires);
                        now = due;
                    }
                    Next::Expired => break,
                }
                prop_assert!(tries <= 2 * 7 * 86_400);
            }
            // It is not given up while a whole pause was left.
            let longest = plan.iter().max().copied().unwrap_or_default();
            prop_assert!(now.plus(longest * 11 / 10 + limits::LAST_TRY_BEFORE * 2) >= expires, "{now} of {expires}");
        }
    }
}

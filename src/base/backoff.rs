//! How long to wait before asking again something that just failed: doubling between two bounds, with
//! jitter so that many waiters do not come back in one herd.

use super::random::Random;
use std::time::Duration;

#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
    random: Random,
}

impl Backoff {
    pub fn new(first: Duration, longest: Duration, random: Random) -> Self {
        Self { first, longest, next: first, random }
    }

    /// The next pause: between half and the whole of a span that doubles up to the longest.
    pub fn pause(&mut self) -> Duration {
        let span = self.next;
        self.next = (span * 2).min(self.longest);
        let half = span / 2;
        half + Duration::from_micros(self.random.below(half.as_micros() as u64 + 1))
    }

    /// It worked: start from the first pause again.
    pub fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_within_bounds_and_start_again() {
        let (first, longest) = (Duration::from_millis(100), Duration::from_secs(1));
        let mut backoff = Backoff::new(first, longest, Random::seeded(7));
        for span in [100, 200, 400, 800, 1000, 1000] {
            let pause = backoff.pause();
            assert!(pause >= Duration::from_millis(span / 2) && pause <= Duration::from_millis(span), "{pause:?}");
        }
        backoff.reset();
        assert!(backoff.pause() <= first);
    }
}

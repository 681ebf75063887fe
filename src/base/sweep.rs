//! When a table that forgets the idle is to be gone through: when it has doubled since the last time, so
//! that the work is shared by those who made it grow, and never twice in a second, so that a full table
//! does not cost its whole length for each newcomer.

use super::clock::Time;
use super::limits;
use std::time::Duration;

const PAUSE: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug)]
pub struct Sweeps {
    /// The length at which the next one is due.
    at: usize,
    /// When the next one may be.
    not_before: Time,
    /// What a table never outgrows.
    most: usize,
}

impl Sweeps {
    pub fn of_at_most(most: usize) -> Self {
        Self { at: limits::SWEEP_MIN.min(most), not_before: Time::default(), most }
    }

    pub fn is_due(&self, length: usize, now: Time) -> bool {
        // A clock that was set back by more than the pause does not stop it.
        length >= self.at && (now >= self.not_before || now.plus(PAUSE) < self.not_before)
    }

    /// It was done, and so many are left.
    pub fn done(&mut self, left: usize, now: Time) {
        self.at = left.saturating_mul(2).max(limits::SWEEP_MIN).min(self.most);
        self.not_before = now.plus(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_is_due_when_the_table_doubled_and_not_twice_a_second() {
        let (mut sweeps, start) = (Sweeps::of_at_most(5_000), Time::from_micros(1_793_245_479_000_000));
        assert!(!sweeps.is_due(limits::SWEEP_MIN - 1, start) && sweeps.is_due(limits::SWEEP_MIN, start));
        sweeps.done(1_500, start);
        let later = start.plus(PAUSE);
        assert!(!sweeps.is_due(2_999, later) && sweeps.is_due(3_000, later) && !sweeps.is_due(3_000, start));
        sweeps.done(5_000, later);
        assert!(sweeps.is_due(5_000, later.plus(PAUSE)), "a full table is swept again and again");
        assert!(sweeps.is_due(5_000, start.minus(2 * PAUSE)), "a clock that was set back");
    }
}

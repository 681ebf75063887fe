//! Passwords that were right a moment ago. What is kept is a keyed hash over login, password and what the
//! password was checked against: of a credential that changed, nothing is remembered.

use super::Fingerprint;
use super::recent::Recent;
use crate::base::clock::Time;
use crate::base::limits;
use std::sync::{Mutex, MutexGuard, PoisonError};

pub(super) struct Remembered(Mutex<Recent<Fingerprint, Time>>);

impl Default for Remembered {
    fn default() -> Self {
        Self(Mutex::new(Recent::new(limits::LOGINS_REMEMBERED_MAX)))
    }
}

impl Remembered {
    /// From now on, and no longer for being asked.
    pub fn learn(&self, fingerprint: Fingerprint, now: Time) {
        self.kept().put(fingerprint, now);
    }

    pub fn knows(&self, fingerprint: &Fingerprint, now: Time) -> bool {
        let mut kept = self.kept();
        let Some(learnt) = kept.get(fingerprint) else { return false };
        // A clock that was set back must not make it last longer.
        let fresh = *learnt <= now && now.since(*learnt) < limits::LOGIN_REMEMBERED;
        if !fresh {
            kept.remove(fingerprint);
        }
        fresh
    }

    fn kept(&self) -> MutexGuard<'_, Recent<Fingerprint, Time>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn it_lasts_a_minute_and_no_longer_for_being_asked() {
        let (remembered, start) = (Remembered::default(), Time::from_micros(1_000_000_000));
        let at = |seconds| start.plus(Duration::from_secs(seconds));
        remembered.learn([1; 32], start);
        assert!(!remembered.knows(&[2; 32], start));
        assert!(remembered.knows(&[1; 32], at(30)) && remembered.knows(&[1; 32], at(59)));
        assert!(!remembered.knows(&[1; 32], at(60)));
        assert!(!remembered.knows(&[1; 32], at(1)), "it is gone");
        remembered.learn([1; 32], at(100));
        assert!(!remembered.knows(&[1; 32], at(99)), "the clock was set back");
    }
}

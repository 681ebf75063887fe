//! Is this node still what the others take it for? Where several share a store, one that could not say for a
//! while that it lives must take for granted that the others recover what it holds: it ends no delivery any
//! more, so that none is ended twice.

use crate::base::limits;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

#[derive(Clone, Debug)]
pub struct Pulse(Option<Arc<Mutex<Beat>>>);

#[derive(Debug)]
enum Beat {
    /// When the last one that succeeded began.
    Last(Instant),
    /// Another start took our name, or somebody said that we are stopped: for good.
    Over,
}

impl Pulse {
    /// Of a node that has its store to itself: it lives as long as it has it.
    pub fn alone() -> Self {
        Self(None)
    }

    /// Of one that has just been entered among others.
    pub fn among_others() -> Self {
        Self(Some(Arc::new(Mutex::new(Beat::Last(Instant::now())))))
    }

    /// A beat that began then has been written. By its beginning: the row tells of no later time.
    pub fn beat(&self, begun: Instant) {
        self.change(|beat| match beat {
            Beat::Last(last) => *last = begun.max(*last),
            Beat::Over => {}
        });
    }

    /// Our row says that we are not this start of this node any more.
    pub fn end(&self) {
        self.change(|beat| *beat = Beat::Over);
    }

    /// May a final dot be sent?
    pub fn is_alive(&self) -> bool {
        self.silent_for().is_some_and(|silent| silent < limits::BEAT_MISSED_MAX)
    }

    /// How long ago the last beat that succeeded began; none when there will be no other.
    pub fn silent_for(&self) -> Option<Duration> {
        let Some(beat) = &self.0 else { return Some(Duration::ZERO) };
        match *beat.lock().unwrap_or_else(PoisonError::into_inner) {
            Beat::Last(last) => Some(last.elapsed()),
            Beat::Over => None,
        }
    }

    fn change(&self, change: impl FnOnce(&mut Beat)) {
        if let Some(beat) = &self.0 {
            change(&mut beat.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_node_that_cannot_say_that_it_lives_stops_before_others_take_over() {
        let pulse = Pulse::among_others();
        let seen_elsewhere = pulse.clone();
        assert!(pulse.is_alive());
        tokio::time::advance(limits::BEAT_MISSED_MAX - Duration::from_millis(1)).await;
        assert!(pulse.is_alive());
        let begun = Instant::now();
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(!seen_elsewhere.is_alive());
        // The beat comes through after all, but it is as old as its beginning.
        pulse.beat(begun);
        assert!(seen_elsewhere.is_alive());
        assert_eq!(pulse.silent_for(), Some(Duration::from_millis(1)));
        tokio::time::advance(limits::BEAT_MISSED_MAX).await;
        assert!(!pulse.is_alive());
        assert!(limits::BEAT_MISSED_MAX + limits::BEAT_MAX < limits::NODE_SILENT_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn who_was_replaced_never_comes_back_and_who_is_alone_never_dies() {
        let (replaced, alone) = (Pulse::among_others(), Pulse::alone());
        replaced.end();
        replaced.beat(Instant::now());
        alone.end();
        assert!(!replaced.is_alive() && alone.is_alive());
        tokio::time::advance(Duration::from_secs(86_400)).await;
        assert!(!replaced.is_alive() && alone.is_alive());
    }
}

//! The dear part of a check: off the async threads, a few at a time, with a bounded wait; and done once
//! for all who ask the same at the same time.

use super::Fingerprint;
use crate::base::limits;
use crate::base::metrics::LOGIN_CHECKS;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::timeout;

/// Too many wait already, or this one waited too long.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Busy;

type Answer = Arc<OnceCell<bool>>;

pub(super) struct Checks {
    at_once: Arc<Semaphore>,
    waiting: Semaphore,
    running: Mutex<HashMap<Fingerprint, Answer>>,
    #[cfg(test)]
    begun: std::sync::atomic::AtomicUsize,
}

impl Default for Checks {
    /// On half of the cores: mail goes on while somebody guesses.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2));
        Self::new(cores, limits::LOGIN_CHECKS_WAITING_MAX)
    }
}

impl Checks {
    pub(super) fn new(at_once: usize, waiting: usize) -> Self {
        let (at_once, waiting) = (Arc::new(Semaphore::new(at_once)), Semaphore::new(waiting));
        Self {
            at_once,
            waiting,
            running: Mutex::default(),
            #[cfg(test)]
            begun: Default::default(),
        }
    }

    /// How many checks were worked on so far.
    #[cfg(test)]
    pub fn begun(&self) -> usize {
        self.begun.load(std::sync::atomic::Ordering::SeqCst)
    }

    /// What this work says; one of equal fingerprints works for all of them.
    pub async fn run(
        &self,
        fingerprint: Fingerprint,
        work: impl FnOnce() -> bool + Send + 'static,
    ) -> Result<bool, Busy> {
        let seat = Seat::take(self, fingerprint);
        // Who works may hang up: then the next of those who wait begins anew.
        let answer = seat.answer.get_or_try_init(|| self.work(work));
        timeout(limits::LOGIN_CHECK_MAX, answer).await.map_err(|_| Busy)?.copied()
    }

    async fn work(&self, work: impl FnOnce() -> bool + Send + 'static) -> Result<bool, Busy> {
        // Whoever asks the same at this very moment finds a seat before the answer is there.
        tokio::task::yield_now().await;
        let waiting = self.waiting.try_acquire().map_err(|_| Busy)?;
        let permit = self.at_once.clone().acquire_owned().await.map_err(|_| Busy)?;
        drop(waiting);
        metrics::counter!(LOGIN_CHECKS).increment(1);
        #[cfg(test)]
        self.begun.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let done = tokio::task::spawn_blocking(move || {
            let right = work();
            // Held until the core is free again, even when nobody waits for the answer any more.
            drop(permit);
            right
        });
        done.await.map_err(|_| Busy)
    }

    fn running(&self) -> MutexGuard<'_, HashMap<Fingerprint, Answer>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who waits for an answer; the last one to leave takes the answer away.
struct Seat<'a> {
    checks: &'a Checks,
    fingerprint: Fingerprint,
    answer: Answer,
}

impl<'a> Seat<'a> {
    fn take(checks: &'a Checks, fingerprint: Fingerprint) -> Self {
        let answer = checks.running().entry(fingerprint).or_default().clone();
        Self { checks, fingerprint, answer }
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let mut running = self.checks.running();
        if let Entry::Occupied(entry) = running.entry(self.fingerprint)
            // Copies are made under the lock only: the map's and ours are the last two.
            && Arc::strong_count(entry.get()) == 2
        {
            entry.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::join_all;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    #[tokio::test]
    async fn a_thousand_equal_checks_are_one() {
        let (checks, runs) = (Checks::new(2, 4), Arc::new(AtomicUsize::new(0)));
        let check = || {
            let runs = runs.clone();
            checks.run([1; 32], move || runs.fetch_add(1, Ordering::SeqCst) == 0)
        };
        let answers = join_all((0..1000).map(|_| check())).await;
        assert!(answers.iter().all(|answer| *answer == Ok(true)));
        assert_eq!(runs.load(Ordering::SeqCst), 1);
        assert!(checks.running().is_empty(), "nothing is left behind");
        assert_eq!(check().await, Ok(false), "and nothing is remembered here");
    }

    /// A check that ends when the sender is dropped, and has taken its core when this returns.
    async fn stuck(
        checks: &Arc<Checks>,
        fingerprint: u8,
    ) -> (mpsc::Sender<()>, tokio::task::JoinHandle<Result<bool, Busy>>) {
        let (release, held) = mpsc::channel::<()>();
        let (begun, begins) = tokio::sync::oneshot::channel();
        let checks = checks.clone();
        let task = tokio::spawn(async move {
            let work = move || {
                let _ = begun.send(());
                held.recv().is_err()
            };
            checks.run([fingerprint; 32], work).await
        });
        begins.await.unwrap();
        (release, task)
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_too_long_or_behind_too_many_is_told() {
        let checks = Arc::new(Checks::new(1, 1));
        let (release, first) = stuck(&checks, 1).await;
        // One may wait, and only for so long; a second is sent away at once.
        let waits = checks.run([2; 32], || true);
        let refused = async {
            tokio::task::yield_now().await;
            let answer = checks.run([3; 32], || true).await;
            tokio::time::advance(limits::LOGIN_CHECK_MAX).await;
            answer
        };
        assert_eq!(tokio::join!(waits, refused), (Err(Busy), Err(Busy)));
        assert_eq!(first.await.unwrap(), Err(Busy), "its own time is over, too");
        drop(release);
        assert_eq!(checks.run([4; 32], || true).await, Ok(true));
    }

    #[tokio::test]
    async fn who_hangs_up_leaves_the_others_their_answer_and_the_core_its_bound() {
        let checks = Arc::new(Checks::new(1, 4));
        let (release, first) = stuck(&checks, 1).await;
        let second = tokio::spawn({
            let checks = checks.clone();
            async move { checks.run([1; 32], || true).await }
        });
        tokio::task::yield_now().await;
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        assert_eq!(checks.at_once.available_permits(), 0, "the core still works for nobody");
        drop(release);
        assert_eq!(second.await.unwrap(), Ok(true));
        assert!(checks.running().is_empty());
    }

    #[tokio::test]
    async fn a_check_that_panics_is_no_answer() {
        let checks = Checks::new(1, 1);
        assert_eq!(checks.run([1; 32], || panic!("as in a bad library")).await, Err(Busy));
        assert_eq!(checks.run([1; 32], || true).await, Ok(true));
    }
}

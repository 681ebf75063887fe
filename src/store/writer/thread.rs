//! A thread of its own for a lane whose database works in the calling thread, and an eye on it: what
//! hangs in the disk cannot be interrupted, but readiness can say so. (Its callers have their own
//! deadline, see `Writer::submit`.)

use super::lane::Lane;
use super::standing::Standing;
use crate::base::limits;
use crate::base::wake::Bell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// What a lane tells of itself: since when it has been at work on one thing.
#[derive(Clone)]
pub(super) struct Pulse {
    origin: Instant,
    /// Milliseconds after `origin`, plus one; 0: it waits for work.
    busy_since: Arc<AtomicU64>,
    /// It was said to be down for taking too long.
    stalled: Arc<AtomicBool>,
    /// Nobody looks: the lane was idle, and rings when it is not any more.
    unwatched: Arc<AtomicBool>,
    bell: Bell,
}

impl Pulse {
    pub fn new() -> Self {
        Self {
            origin: Instant::now(),
            busy_since: Arc::default(),
            stalled: Arc::default(),
            unwatched: Arc::default(),
            bell: Bell::default(),
        }
    }

    pub fn begins(&self) {
        self.busy_since.store(self.origin.elapsed().as_millis() as u64 + 1, Ordering::SeqCst);
        if self.unwatched.load(Ordering::SeqCst) && self.unwatched.swap(false, Ordering::SeqCst) {
            self.bell.ring();
        }
    }

    /// Returns when the lane is at work: an idle one is not looked at every few seconds.
    async fn is_at_work(&self) {
        self.unwatched.store(true, Ordering::SeqCst);
        // Said before it is looked at: either we see that it works, or it sees that nobody looks.
        while self.busy_since.load(Ordering::SeqCst) == 0 && self.unwatched.load(Ordering::SeqCst) {
            self.bell.rung().await;
        }
        self.unwatched.store(false, Ordering::SeqCst);
    }

    pub fn rests(&self) {
        self.busy_since.store(0, Ordering::Relaxed);
    }

    /// Has it just ended what took too long?
    pub fn came_back(&self) -> bool {
        self.stalled.load(Ordering::Relaxed) && self.stalled.swap(false, Ordering::Relaxed)
    }

    /// How long the work at hand has taken so far.
    fn busy_for(&self) -> Duration {
        match self.busy_since.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            since => self.origin.elapsed().saturating_sub(Duration::from_millis(since - 1)),
        }
    }
}

/// Runs the lane in a thread of its own; the future ends when the lane does.
pub(super) async fn run(lane: Lane, standing: Standing) {
    let pulse = lane.pulse();
    let (ends, mut ended) = oneshot::channel::<()>();
    let runtime = Handle::current();
    let thread = std::thread::Builder::new().name("gatepost-store".to_owned());
    let started = thread.spawn(move || {
        runtime.block_on(lane.run());
        drop(ends);
    });
    if let Err(error) = started {
        tracing::error!(%error, "no thread for the store's writer");
        return;
    }
    loop {
        let look = async {
            pulse.is_at_work().await;
            tokio::time::sleep(limits::STALL_LOOK_EVERY).await;
        };
        tokio::select! {
            _ = &mut ended => return,
            () = look => {}
        }
        if pulse.busy_for() > limits::STORE_WRITE_MAX {
            // The lane itself says "up" again when it has come back.
            let why = format!("the disk has not answered for {} s", limits::STORE_WRITE_MAX.as_secs());
            standing.stalls(why);
            pulse.stalled.store(true, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[tokio::test]
    async fn an_idle_lane_is_left_alone_until_it_works() {
        let pulse = Pulse::new();
        let watched = pulse.clone();
        let watch = tokio::spawn(async move { watched.is_at_work().await });
        tokio::task::yield_now().await;
        assert!(!watch.is_finished());
        // As short as it may be: who was waiting hears of it.
        pulse.begins();
        pulse.rests();
        watch.await.unwrap();
        // And what rang in vain is no work.
        pulse.bell.ring();
        assert!(pulse.is_at_work().now_or_never().is_none());
        pulse.begins();
        assert!(pulse.is_at_work().now_or_never().is_some());
    }

    #[test]
    fn a_lane_is_busy_from_its_begin_to_its_rest() {
        let pulse = Pulse::new();
        assert_eq!(pulse.busy_for(), Duration::ZERO);
        pulse.begins();
        std::thread::sleep(Duration::from_millis(20));
        assert!(pulse.busy_for() >= Duration::from_millis(15));
        pulse.rests();
        assert_eq!(pulse.busy_for(), Duration::ZERO);
    }
}

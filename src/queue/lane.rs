//! A lane: what waits in memory for one way, and the workers that take it from there. A push wakes a worker
//! that rests; when none does, the lane calls for another.

use super::fair::Fair;
use super::ready::Item;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

pub struct Lane {
    state: Mutex<State>,
    wake: Notify,
    calls: Arc<Calls>,
    /// It stands in `calls` already.
    called: AtomicBool,
}

#[derive(Default)]
struct State {
    fair: Fair<Item>,
    /// Workers that rest and were not woken yet.
    resting: usize,
    /// No more is taken in: whoever pushes gets it back.
    closed: bool,
}

/// Lanes that want a worker.
#[derive(Default)]
pub struct Calls {
    lanes: Mutex<VecDeque<Arc<Lane>>>,
    wake: Notify,
}

impl Calls {
    /// The next lane that called. One that calls again meanwhile comes again.
    pub async fn next(&self) -> Arc<Lane> {
        loop {
            let lane = self.lanes.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            if let Some(lane) = lane {
                lane.called.store(false, Ordering::Release);
                return lane;
            }
            self.wake.notified().await;
        }
    }
}

impl Lane {
    pub fn new(calls: &Arc<Calls>) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            wake: Notify::new(),
            calls: calls.clone(),
            called: AtomicBool::new(false),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn len(&self) -> usize {
        self.state().fair.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn is_closed(&self) -> bool {
        self.state().closed
    }

    /// Err gives it back: the lane is closed.
    // Boxing an item to make the error small would cost every push an allocation.
    #[allow(clippy::result_large_err)]
    pub fn push(self: &Arc<Self>, item: Item) -> Result<(), Item> {
        let rests = {
            let mut state = self.state();
            if state.closed {
                return Err(item);
            }
            let tenant = item.delivery.tenant.clone();
            state.fair.push(&tenant, item.rank, item);
            let rests = state.resting > 0;
            state.resting = state.resting.saturating_sub(1);
            rests
        };
        if rests {
            self.wake.notify_one();
        } else {
            self.call();
        }
        Ok(())
    }

    /// Asks for a worker.
    pub fn call(self: &Arc<Self>) {
        if !self.called.swap(true, Ordering::AcqRel) {
            self.calls.lanes.lock().unwrap_or_else(PoisonError::into_inner).push_back(self.clone());
            self.calls.wake.notify_one();
        }
    }

    /// What goes next: deliveries of one message, so many at most, and one when each has a copy of its own. Empty when
    /// nothing waits.
    pub fn try_take(&self, max: usize) -> Vec<Item> {
        self.state().fair.pop(max, |one, next| Arc::ptr_eq(&one.mail, &next.mail) && !one.mail.is_personal())
    }

    /// Returns when something may be there to be taken, or after so long. Whoever comes back takes what there
    /// is before it gives up.
    pub async fn rest(&self, at_most: Duration) {
        {
            let mut state = self.state();
            if !state.fair.is_empty() || state.closed {
                return;
            }
            state.resting += 1;
        }
        if tokio::time::timeout(at_most, self.wake.notified()).await.is_err() {
            // A push may have counted this worker already: too few at rest only costs a call.
            let mut state = self.state();
            state.resting = state.resting.saturating_sub(1);
        }
    }

    /// Wakes whoever rests, to look around.
    pub fn stir(&self) {
        // They are counted no more: a push that still counted on one who left would call nobody.
        self.state().resting = 0;
        self.wake.notify_waiters();
    }

    /// Takes no more, and gives out what waits.
    pub fn close(&self) -> Vec<Item> {
        let items = {
            let mut state = self.state();
            state.closed = true;
            state.resting = 0;
            state.fair.drain()
        };
        self.wake.notify_waiters();
        items
    }

    /// Everything that waits, but the lane stays open.
    pub fn drain(&self) -> Vec<Item> {
        self.state().fair.drain()
    }

    /// What waits and is like this; the rest keeps its order.
    pub fn pull(&self, is_meant: impl Fn(&Item) -> bool) -> Vec<Item> {
        self.state().fair.pull(is_meant)
    }

    /// Closes it if nothing waits.
    pub fn close_if_empty(&self) -> bool {
        let mut state = self.state();
        if state.fair.is_empty() {
            state.closed = true;
        }
        state.closed
    }
}

impl std::fmt::Debug for Lane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.state();
        write!(f, "{} waiting, {} resting", state.fair.len(), state.resting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Who was stirred and left is not waited for: else the next push would wake nobody and call nobody.
    #[tokio::test]
    async fn nobody_is_counted_on_who_was_stirred() {
        let lane = Lane::new(&Arc::default());
        let resting = tokio::spawn({
            let lane = lane.clone();
            async move { lane.rest(Duration::from_secs(60)).await }
        });
        while lane.state().resting == 0 {
            tokio::task::yield_now().await;
        }
        lane.stir();
        resting.await.unwrap();
        assert_eq!(lane.state().resting, 0);
    }
}

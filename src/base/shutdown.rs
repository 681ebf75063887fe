//! The end of the day, in two steps that everyone can await: first `Draining` (take nothing new,
//! end what is begun), then `Stopped` (let go of everything now).

use std::sync::Arc;
use tokio::sync::watch;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    Running,
    Draining,
    Stopped,
}

#[derive(Clone, Debug)]
pub struct Shutdown(Arc<watch::Sender<Phase>>);

impl Default for Shutdown {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Phase::Running)))
    }
}

impl Shutdown {
    pub fn phase(&self) -> Phase {
        *self.0.borrow()
    }

    /// Goes forward to this phase; never back.
    pub fn go_to(&self, phase: Phase) {
        self.0.send_if_modified(|now| {
            let forward = phase > *now;
            if forward {
                *now = phase;
            }
            forward
        });
    }

    /// Returns once this phase or a later one is reached.
    pub async fn reached(&self, phase: Phase) {
        // Invariant: `self` holds the sender, so the channel cannot close while this waits.
        let _ = self.0.subscribe().wait_for(|now| *now >= phase).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn phases_go_forward_only() {
        let shutdown = Shutdown::default();
        let waiter = tokio::spawn({
            let shutdown = shutdown.clone();
            async move { shutdown.reached(Phase::Draining).await }
        });
        shutdown.go_to(Phase::Stopped);
        shutdown.go_to(Phase::Draining);
        waiter.await.unwrap();
        assert_eq!(shutdown.phase(), Phase::Stopped);
    }
}

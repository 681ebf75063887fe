//! A bell: rung by whoever made work, awaited by whoever does it. Ringing is never lost (one ring is
//! kept for a sleeper who comes late) and never counts (ten rings wake once). Lower floors ring
//! bells made here instead of calling upward.

use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

#[derive(Clone, Debug, Default)]
pub struct Bell(Arc<Notify>);

impl Bell {
    pub fn ring(&self) {
        self.0.notify_one();
    }

    pub async fn rung(&self) {
        self.0.notified().await;
    }

    /// Waits for a ring, at most this long; true when it rang.
    pub async fn rung_within(&self, at_most: Duration) -> bool {
        tokio::time::timeout(at_most, self.0.notified()).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_ring_waits_for_a_late_sleeper_and_counts_once() {
        let bell = Bell::default();
        bell.ring();
        bell.ring();
        bell.rung().await;
        assert!(!bell.rung_within(Duration::from_millis(1)).await);
    }
}

//! How the lanes stand together. The store is up while one of them can write: a lane that lost its
//! connection leaves the mail to the others, and only when none is left is mail refused.

use super::Health;
use crate::store::error::StoreError;
use crate::store::happenings::say;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// What the lanes share.
#[derive(Clone)]
pub(super) struct Standing {
    health: watch::Sender<Health>,
    /// Lanes that can write.
    working: Arc<Mutex<usize>>,
    losses: watch::Sender<u64>,
}

impl Standing {
    pub fn new() -> (Self, watch::Receiver<Health>) {
        let (health, seen) = watch::channel(Health::Down { why: "it is being opened".to_owned() });
        (Self { health, working: Arc::default(), losses: watch::Sender::new(0) }, seen)
    }

    /// A place for one lane; it does not work yet.
    pub fn place(&self) -> Place {
        let (health, losses) = (self.health.subscribe(), self.losses.subscribe());
        Place { standing: self.clone(), works: false, health, losses }
    }

    /// A lane hangs in the disk: it cannot say so itself.
    pub fn stalls(&self, why: String) {
        say(&self.health, Health::Down { why });
    }

    fn count(&self, change: impl FnOnce(usize) -> usize, health: impl FnOnce(usize) -> Option<Health>) {
        // Held while it is said: who counts last speaks last.
        let mut working = self.working.lock().unwrap_or_else(PoisonError::into_inner);
        *working = change(*working);
        if let Some(health) = health(*working) {
            say(&self.health, health);
        }
    }
}

/// One lane's place among the others.
pub(super) struct Place {
    standing: Standing,
    works: bool,
    health: watch::Receiver<Health>,
    losses: watch::Receiver<u64>,
}

impl Place {
    pub fn works(&mut self) {
        let before = std::mem::replace(&mut self.works, true);
        self.standing.count(|working| working + usize::from(!before), |_| Some(Health::Up));
    }

    pub fn fails(&mut self, error: &StoreError) {
        let before = std::mem::replace(&mut self.works, false);
        let down = |working| (working == 0).then(|| Health::Down { why: error.to_string() });
        self.standing.count(|working| working - usize::from(before), down);
        if before {
            self.standing.losses.send_modify(|losses| *losses += 1);
        }
        self.losses.mark_unchanged();
    }

    /// Another lane lost its connection: whatever took that one may have taken ours.
    pub async fn another_fails(&mut self) {
        // An error would mean that the sender is gone, and we hold one.
        let _ = self.losses.changed().await;
    }

    /// Asked by a lane that does not work: is there another that does?
    pub fn another_works(&mut self) -> bool {
        *self.health.borrow_and_update() == Health::Up
    }

    /// The answer to `another_works` may be another now.
    pub async fn turns(&mut self) {
        // As above: the sender is ours too.
        let _ = self.health.changed().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.works {
            self.standing.count(|working| working - 1, |_| None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(health: &watch::Receiver<Health>) -> Option<String> {
        match &*health.borrow() {
            Health::Up => None,
            Health::Down { why } => Some(why.clone()),
        }
    }

    #[test]
    fn the_store_is_down_when_no_lane_is_left() {
        let (standing, health) = Standing::new();
        let (mut one, mut two) = (standing.place(), standing.place());
        assert_eq!(why(&health).as_deref(), Some("it is being opened"));
        one.works();
        two.works();
        two.works();
        one.fails(&StoreError::unavailable("cut"));
        assert!(why(&health).is_none() && one.another_works());
        two.fails(&StoreError::unavailable("gone"));
        two.fails(&StoreError::unavailable("still gone"));
        assert!(why(&health).is_some_and(|why| why.contains("still gone")) && !one.another_works());
        one.works();
        assert!(why(&health).is_none());
    }

    #[test]
    fn a_loss_is_news_to_the_others_only() {
        let (standing, _health) = Standing::new();
        let (mut one, mut two) = (standing.place(), standing.place());
        one.works();
        two.works();
        one.fails(&StoreError::unavailable("cut"));
        let now = |place: &mut Place| futures_util::FutureExt::now_or_never(place.another_fails()).is_some();
        assert!(now(&mut two) && !now(&mut two) && !now(&mut one));
    }
}

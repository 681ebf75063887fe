//! The node among its like: it says every few seconds that it lives, and takes over what the dead held.

use super::happenings::{BeatMissed, DeliveriesRecovered, NodeReplaced};
use crate::base::limits;
use crate::base::observe::Happening;
use crate::base::shutdown::{Phase, Shutdown};
use crate::base::wake::Bell;
use crate::model::delivery::Lease;
use crate::queue::pulse::Pulse;
use crate::store::{Store, StoreError};
use std::sync::Arc;
use tokio::time::Instant;

/// The pulse of a node that has just been entered in this store.
pub fn pulse(store: &Store) -> Pulse {
    if store.is_shared() { Pulse::among_others() } else { Pulse::alone() }
}

/// Recovers once, and where there are others, beats and recovers until the daemon has stopped: while it
/// drains it still sends, and must still be known to live. `found` is rung when something was recovered: it has a
/// time of its own, which may be now.
pub async fn heartbeat(store: Arc<Store>, lease: Lease, pulse: Pulse, found: Bell, shutdown: Shutdown) {
    loop {
        if store.is_shared() && beat(&store, &lease, &pulse).await == Beat::Over {
            // Who drains has said goodbye.
            if shutdown.phase() == Phase::Running {
                NodeReplaced { epoch: lease.epoch }.record();
            }
            return;
        }
        let recovered = recover(&store, &lease).await;
        if let Err(error) = &recovered {
            tracing::warn!(%error, "what dead nodes hold could not be recovered; the next round tries again");
        }
        if recovered.as_ref().is_ok_and(|deliveries| *deliveries > 0) {
            found.ring();
        }
        // A file has no others: after the first round nobody can die but we.
        if !store.is_shared() && recovered.is_ok() {
            return;
        }
        tokio::select! {
            () = shutdown.reached(Phase::Stopped) => return,
            () = tokio::time::sleep(limits::BEAT_EVERY) => {}
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Beat {
    /// Said, or to be said again.
    GoesOn,
    /// We are not this start of this node any more.
    Over,
}

/// Says once that we live.
async fn beat(store: &Store, lease: &Lease, pulse: &Pulse) -> Beat {
    let begun = Instant::now();
    match tokio::time::timeout(limits::BEAT_MAX, store.beat(lease)).await {
        Ok(Ok(())) => pulse.beat(begun),
        Ok(Err(StoreError::Conflict { .. })) => {
            pulse.end();
            return Beat::Over;
        }
        Ok(Err(error)) => BeatMissed { why: &error.to_string(), silent: pulse.silent_for() }.record(),
        Err(_) => BeatMissed { why: "the store gave no answer in time", silent: pulse.silent_for() }.record(),
    }
    Beat::GoesOn
}

/// Takes over everything that dead starts hold, slice by slice; how many deliveries those were.
pub async fn recover(store: &Store, lease: &Lease) -> Result<u64, StoreError> {
    let mut recovered = 0;
    loop {
        let slice = store.recover(lease).await?;
        recovered += slice.recovered.len() as u64;
        if !slice.more {
            if recovered > 0 {
                DeliveriesRecovered { deliveries: recovered }.record();
            }
            return Ok(recovered);
        }
    }
}

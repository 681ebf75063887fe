//! Work by the clock, beside the mail: what nobody waits for and somebody has to do.

pub mod dkim;
mod happenings;
pub mod heartbeat;
pub mod records;
mod suppressions;

pub use heartbeat::heartbeat;
pub use suppressions::keep_suppressions;

use crate::base::limits;
use crate::base::shutdown::{Phase, Shutdown};
use crate::policy::limits::Limits;
use crate::store::{Store, StoreError};
use std::sync::Arc;

/// Cleans up until the daemon drains. A round that fails is told and tried again with the next.
pub async fn keep_house(store: Arc<Store>, shutdown: Shutdown) {
    loop {
        tokio::select! {
            () = shutdown.reached(Phase::Draining) => return,
            () = tokio::time::sleep(limits::HOUSEKEEPING_EVERY) => {}
        }
        if let Err(error) = one_round(&store).await {
            tracing::warn!(%error, "housekeeping failed; the next round tries again");
        }
    }
}

/// Saves what was spent of the limits until the daemon drains; the drain saves the rest.
pub async fn save_limits(limits: Limits, store: Arc<Store>, shutdown: Shutdown) {
    loop {
        tokio::select! {
            () = shutdown.reached(Phase::Draining) => return,
            () = tokio::time::sleep(limits::LIMITS_SAVE_EVERY) => limits.save(&store).await,
        }
    }
}

async fn one_round(store: &Store) -> Result<(), StoreError> {
    let marks = store.purge_commits().await?;
    let chunks = store.sweep_chunks().await?;
    if chunks > 0 {
        tracing::info!(chunks, "swept pieces of bodies whose message never came");
    }
    let limits = store.purge_limits().await?;
    let orders = store.purge_steerings().await?;
    let keys = store.purge_keys().await?;
    tracing::debug!(marks, limits, orders, keys, "housekeeping done");
    Ok(())
}

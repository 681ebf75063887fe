//! Keeps what this node knows of suppressed recipients true: whoever was suppressed by any node is not written to
//! two seconds later.

use super::happenings::SuppressionsUnread;
use crate::base::clock::Clock;
use crate::base::limits;
use crate::base::metrics::SUPPRESSIONS;
use crate::base::observe::Happening;
use crate::base::shutdown::{Phase, Shutdown};
use crate::model::directory::DirectoryHandle;
use crate::policy::suppression::Keeper;
use crate::store::Store;
use std::sync::Arc;

/// Until the daemon drains. What cannot be read is asked of the store for each recipient, after a while.
pub async fn keep_suppressions(directory: Arc<DirectoryHandle>, store: Arc<Store>, clock: Clock, shutdown: Shutdown) {
    tokio::select! {
        // A store that does not answer is not waited for.
        () = shutdown.reached(Phase::Draining) => {}
        () = keep(&directory, &store, &clock) => {}
    }
}

async fn keep(directory: &DirectoryHandle, store: &Store, clock: &Clock) {
    let mut keeper = Keeper::default();
    let mut failed = false;
    loop {
        let read = keeper.refresh(directory.suppressed(), store, clock.now()).await;
        if let (Err(error), false) = (&read, failed) {
            SuppressionsUnread { error }.record();
        }
        failed = read.is_err();
        metrics::gauge!(SUPPRESSIONS).set(directory.suppressed().len() as f64);
        tokio::time::sleep(limits::SUPPRESSIONS_POLL).await;
    }
}

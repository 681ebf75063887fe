//! Who hires the workers: one for each lane that calls and has more waiting than workers on their way to it, as
//! far as the site's pace and the connections of the house allow.

use super::Dispatch;
use super::worker::Worker;
use crate::base::shutdown::Phase;
use crate::queue::lane::Lane;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::task::JoinSet;

pub(super) struct Staff {
    dispatch: Arc<Dispatch>,
    workers: JoinSet<()>,
    /// Lanes that wait for a connection of the house to be free.
    starved: VecDeque<Arc<Lane>>,
}

impl Staff {
    pub fn new(dispatch: Arc<Dispatch>) -> Self {
        Self { dispatch, workers: JoinSet::new(), starved: VecDeque::new() }
    }

    /// Hires until the daemon drains, and then waits until the last worker has gone.
    pub async fn run(mut self) {
        let dispatch = self.dispatch.clone();
        loop {
            tokio::select! {
                () = dispatch.shutdown.reached(Phase::Draining) => break,
                lane = dispatch.ledger.ready.calls.next() => self.answer(lane),
                Some(ended) = self.workers.join_next() => {
                    self.note(ended);
                    if let Some(lane) = self.starved.pop_front() {
                        self.answer(lane);
                    }
                }
            }
        }
        while let Some(ended) = self.workers.join_next().await {
            self.note(ended);
        }
    }

    fn answer(&mut self, lane: Arc<Lane>) {
        let Some(site) = self.dispatch.sites.of_lane(&lane) else { return };
        while site.wants_worker(self.dispatch.now()) {
            let Ok(connection) = self.dispatch.connections.clone().try_acquire_owned() else {
                self.starved.push_back(lane);
                return;
            };
            let worker = Worker::new(self.dispatch.clone(), site.hire(), connection);
            self.workers.spawn(worker.run());
        }
    }

    /// A worker that panicked has lost its connection and nothing else: what it held was put off.
    fn note(&self, ended: Result<(), tokio::task::JoinError>) {
        if let Err(error) = ended
            && error.is_panic()
        {
            tracing::error!(%error, "a connection broke in our own code");
        }
    }
}

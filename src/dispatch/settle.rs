//! What came of a try goes into the store: the delivery's state, the attempt, the event, and the report to its
//! sender when there is one, in one commit. Until that commit the delivery keeps its place in memory; and while
//! the store does not answer, the channel to it fills up and nothing more is sent.

mod reports;
mod rows;

use super::Dispatch;
use super::happenings::{NotReported, NotSettled, SettledElsewhere};
use crate::base::backoff::Backoff;
use crate::base::clock::Time;
use crate::base::limits;
use crate::base::observe::Happening;
use crate::base::wake::Bell;
use crate::model::delivery::{Delivery, State};
use crate::model::outcome::{Outcome, Why};
use crate::queue::ready::{Item, Mail, Place};
use crate::store::Change;
use rows::{Plan, Report};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// A delivery, and how the work on it ended for now.
pub(super) struct Settled {
    pub delivery: Delivery,
    /// None when it could not be read.
    pub mail: Option<Arc<Mail>>,
    pub end: End,
    /// It stays in memory until its end is on disk; none when it lost its place already.
    pub place: Option<Place>,
}

pub(super) enum End {
    Tried(Outcome, Box<Try>),
    /// Decided without asking anybody: its time is over, or what it needs is gone. No attempt.
    Untried(Outcome),
    /// Its recipient is not written to any more, and why. No attempt.
    Suppressed(String),
    /// Not before then, by a limit of ours or a wish of theirs. No attempt.
    PutOff(Time, Why),
    /// Somebody else's turn, or a later one of ours. No attempt, and no reason that a sender need know.
    GivenBack,
}

/// How a try went, for its row.
#[derive(Clone)]
pub(super) struct Try {
    pub started_at: Time,
    pub took: Duration,
    /// What the delivery becomes when it was taken.
    pub taken_as: State,
    pub host: Option<String>,
    pub address: Option<String>,
    pub tls: Option<String>,
    pub reply: Option<String>,
    pub dialogue: Option<String>,
    pub sent: Sent,
    /// The next host passes on what the sender wished to be told (RFC 3461 5.2): then we tell nothing.
    pub tells_success: bool,
}

/// What was done to the stored message before it went out: with this it can be shown again as it was.
#[derive(Clone, Debug, Default)]
pub(super) struct Sent {
    pub signature: Option<Arc<str>>,
    pub is_converted: bool,
}

impl Try {
    pub fn begun(at: Time, taken_as: State) -> Self {
        Self {
            started_at: at,
            took: Duration::ZERO,
            taken_as,
            host: None,
            address: None,
            tls: None,
            reply: None,
            dialogue: None,
            sent: Sent::default(),
            tells_success: false,
        }
    }
}

impl Settled {
    pub fn new(item: Item, end: End) -> Self {
        let Item { delivery, mail, place, .. } = item;
        Self { delivery, mail: Some(mail), end, place: Some(place) }
    }
}

/// Where the ends of tries are handed in.
pub(super) struct Settler(mpsc::Sender<Vec<Settled>>);

/// The other end, before its clerk has begun.
pub(super) struct Inbox(mpsc::Receiver<Vec<Settled>>);

impl Settler {
    pub fn new() -> (Self, Inbox) {
        let (send, receive) = mpsc::channel(limits::SETTLE_QUEUE_MAX);
        (Self(send), Inbox(receive))
    }

    /// Hands them in; waits while the store is behind.
    pub async fn settle(&self, settled: Vec<Settled>) {
        if !settled.is_empty() {
            // Invariant: the clerk goes after everybody who could call this.
            let _ = self.0.send(settled).await;
        }
    }
}

impl Inbox {
    /// What was handed in; none when nothing more will be, and all of it was taken.
    async fn next(&mut self, closing: &Bell) -> Option<Vec<Settled>> {
        tokio::select! {
            biased;
            settled = self.0.recv() => settled,
            () = closing.rung() => {
                self.0.close();
                self.0.recv().await
            }
        }
    }
}

/// The clerk: commits what is handed in, until nobody can hand in any more.
pub(super) async fn keep_books(dispatch: Arc<Dispatch>, mut inbox: Inbox) {
    let mut reporting = JoinSet::new();
    while let Some(mut settled) = inbox.next(&dispatch.closing).await {
        while settled.len() < limits::SETTLE_AT_ONCE
            && let Ok(more) = inbox.0.try_recv()
        {
            settled.extend(more);
        }
        let Plan { change, places, reports } = dispatch.plan(settled);
        for report in reports {
            if reporting.len() >= limits::REPORTS_AT_ONCE {
                reporting.join_next().await;
            }
            reporting.spawn(dispatch.clone().send_report(report));
        }
        dispatch.write(change).await;
        drop(places);
        while reporting.try_join_next().is_some() {}
    }
    while reporting.join_next().await.is_some() {}
}

impl Dispatch {
    /// Writes until it is written: what a remote has taken must not be forgotten because our disk is full.
    /// Only the end of the process ends this, and then the leases are found by the next start.
    async fn write(&self, change: Change) {
        if change.settlements.is_empty() {
            return;
        }
        let mut pauses =
            Backoff::new(limits::SETTLE_PAUSE_FIRST, limits::SETTLE_PAUSE_LONGEST, self.ledger.random.clone());
        loop {
            match self.ledger.store.write(change.clone()).await {
                Ok(written) => {
                    for delivery in &written.stale {
                        SettledElsewhere { delivery }.record();
                    }
                    // When the next of them is due is news for whoever waits for that.
                    if change.settlements.iter().any(|settled| !settled.state.is_final()) {
                        self.ledger.ready.space.ring();
                    }
                    return;
                }
                Err(error) => {
                    NotSettled { deliveries: change.settlements.len(), error: &error }.record();
                    tokio::time::sleep(pauses.pause()).await;
                }
            }
        }
    }

    /// The report and the end of the deliveries in one commit. A report that cannot leave does not keep them from
    /// ending.
    async fn send_report(self: Arc<Self>, report: Report) {
        let Report { report, change, places } = report;
        let message = report.about.clone();
        if let Err(reply) = self.outward.report(report, change.clone()).await {
            NotReported { message: &message, why: &reply }.record();
            self.write(change).await;
        }
        drop(places);
    }
}

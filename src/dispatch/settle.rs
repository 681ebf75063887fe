//! What came of a try goes into the store: the delivery's state, the attempt, the event, and the report to its
//! sender when there is one, in one commit. Until that commit the delivery keeps its place in memory; and while
//! the store does not answer, the channel to it fills up and nothing more is sent.

mod reports;
mod rows;

use super::Dispatch;
use super::happenings::{Left, NotReported, NotSettled, Refused, SettledElsewhere};
use crate::base::backoff::Backoff;
use crate::base::clock::Time;
use crate::base::limits;
use crate::base::observe::Happening;
use crate::base::wake::Bell;
use crate::model::delivery::{Delivery, Settlement, State};
use crate::model::message::Message;
use crate::model::outcome::{Outcome, Why};
use crate::queue::bounce;
use crate::queue::ready::{Item, Mail, Place};
use crate::store::{Change, StoreError};
use rows::{Ending, Plan, Report};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// A delivery, and how the work on it ended for now.
pub(super) struct Settled {
    pub delivery: Delivery,
    /// None when not even its message's row could be read.
    pub known: Option<Known>,
    pub end: End,
    /// It stays in memory until its end is on disk; none when it lost its place already.
    pub place: Option<Place>,
}

/// What is known of a delivery's message.
#[derive(Clone)]
pub(super) enum Known {
    Whole(Arc<Mail>),
    /// Its text cannot be read; but whose it is, and whom to tell of its end.
    Row(Arc<Message>),
}

impl Known {
    fn message(&self) -> &Message {
        match self {
            Self::Whole(mail) => &mail.message,
            Self::Row(message) => message,
        }
    }

    fn body(&self) -> Option<&[u8]> {
        match self {
            Self::Whole(mail) => Some(&mail.prepared),
            Self::Row(_) => None,
        }
    }
}

pub(super) enum End {
    Tried(Outcome, Box<Try>),
    /// Decided without asking anybody: its time is over, or what it needs is gone. No attempt.
    Untried(Outcome),
    /// Its recipient is not written to any more, and why. No attempt.
    Suppressed(String),
    /// Not before then, by a limit of ours or a wish of theirs. No attempt.
    PutOff(Time, Why),
    /// Who sent it cannot be read for the moment: until then, and be it behind its time. Nothing ends whose sender
    /// could not be told.
    Unread(Time, Why),
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
        Self { delivery, known: Some(Known::Whole(mail)), end, place: Some(place) }
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
        let Plan { endings, reports } = dispatch.plan(settled);
        for report in reports {
            if reporting.len() >= limits::REPORTS_AT_ONCE {
                reporting.join_next().await;
            }
            reporting.spawn(dispatch.clone().send_report(report));
        }
        dispatch.write(endings).await;
        while reporting.try_join_next().is_some() {}
    }
    while reporting.join_next().await.is_some() {}
}

impl Dispatch {
    /// Writes all of them, together if the store lets them: one that it refuses for good holds up no other. Their
    /// places are free when their ends are on disk.
    async fn write(&self, endings: Vec<Ending>) {
        if self.persist(&together(&endings)).await.is_ok() {
            return;
        }
        for ending in endings {
            self.write_alone(ending).await;
        }
    }

    /// What is refused may be what was said of the delivery (a reply that the store cannot hold), and not its end:
    /// who was given the mail is not to get it again for that. If it is the end itself, the lease stays as it is: the
    /// next start finds it, and an operator before.
    async fn write_alone(&self, ending: Ending) {
        let Err(error) = self.persist(&ending.change).await else { return };
        for settlement in ending.change.settlements {
            let delivery = settlement.delivery.clone();
            let settlements = vec![Settlement { reason: Some(UNTOLD.to_owned()), ..settlement }];
            let left = match self.persist(&Change { settlements, ..Change::default() }).await {
                Ok(()) => Left::WithoutHistory,
                Err(_) => Left::Leased,
            };
            Refused { delivery: &delivery, left, error: &error }.record();
        }
    }

    /// Writes until it is written: what a remote has taken must not be forgotten because our disk is full. Only the
    /// end of the process ends this, and then the leases are found by the next start; or a refusal that will stay one.
    async fn persist(&self, change: &Change) -> Result<(), StoreError> {
        if change.settlements.is_empty() {
            return Ok(());
        }
        let mut pauses = self.pauses();
        loop {
            match self.ledger.store.write(change.clone()).await {
                Ok(written) => {
                    for delivery in &written.stale {
                        SettledElsewhere { delivery }.record();
                    }
                    self.tell_of_next(change);
                    return Ok(());
                }
                Err(error) => {
                    NotSettled { deliveries: change.settlements.len(), error: &error }.record();
                    if !error.is_temporary() {
                        return Err(error);
                    }
                    tokio::time::sleep(pauses.pause()).await;
                }
            }
        }
    }

    fn pauses(&self) -> Backoff {
        Backoff::new(limits::SETTLE_PAUSE_FIRST, limits::SETTLE_PAUSE_LONGEST, self.ledger.random.clone())
    }

    /// When the next of them is due is news for whoever waits for that.
    fn tell_of_next(&self, change: &Change) {
        if change.settlements.iter().any(|settled| !settled.state.is_final()) {
            self.ledger.ready.space.ring();
        }
    }

    /// The report and the end of the deliveries in one commit, however long the store takes. A report that cannot
    /// be stored does not keep them from ending, nor does the end of one of them keep the others' from being told.
    async fn send_report(self: Arc<Self>, report: Report) {
        let Report { report, endings } = report;
        let change = together(&endings);
        match self.enter_report(&report, &change).await {
            Ok(()) => self.tell_of_next(&change),
            Err(_) => {
                self.write(endings).await;
                if let Err(error) = self.enter_report(&report, &Change::default()).await {
                    NotReported { message: &report.about, error: &error }.record();
                }
            }
        }
    }

    async fn enter_report(&self, report: &bounce::Report, with: &Change) -> Result<(), StoreError> {
        let mut pauses = self.pauses();
        loop {
            match self.outward.report(report, with.clone()).await {
                Ok(_) => return Ok(()),
                Err(error) if error.is_temporary() => {
                    NotSettled { deliveries: with.settlements.len(), error: &error }.record();
                    tokio::time::sleep(pauses.pause()).await;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// The reason of a delivery whose history could not be stored.
const UNTOLD: &str = "the store refused the history of this delivery; the log of this server has it";

fn together(endings: &[Ending]) -> Change {
    endings.iter().fold(Change::default(), |change, ending| change.and(ending.change.clone()))
}

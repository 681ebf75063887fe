//! The writer: one queue for everything that is written, and group commit behind it.
//!
//! Callers hand in a `Change` and wait. A lane (one for SQLite, a few for PostgreSQL) takes what is
//! waiting, writes it in one transaction, commits once, and only then answers all of it. While one flush
//! runs the next group gathers by itself, and the busier it gets the cheaper a mail becomes.
//!
//! Promises: an answer `Ok` is on disk; after an answer `Err` nothing of that change is left; one bad
//! change never fails its neighbours; a commit whose outcome is unknown is found out before anyone hears
//! of it; what a caller no longer waits for is taken back.

mod chore;
mod group;
mod lane;
mod standing;
mod thread;

pub use chore::Chore;
pub(in crate::store) use group::STATEMENTS;

use super::change::{Change, Step, Written};
use super::dialect::Location;
use super::error::StoreError;
use super::mail::Body;
use crate::base::clock::Clock;
use crate::base::id::MessageId;
use crate::base::limits;
use crate::base::random::Random;
use crate::model::delivery::Claim;
use standing::Standing;
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio::task::JoinSet;

/// How the writer is doing: what readiness is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    Up,
    Down { why: String },
}

/// A change on its way, and who waits for it.
struct Command {
    change: Change,
    bytes: usize,
    answer: oneshot::Sender<Result<Written, StoreError>>,
}

/// What every lane needs.
#[derive(Clone)]
pub(super) struct Trade {
    pub location: Location,
    pub clock: Clock,
    pub random: Random,
}

/// What one of the lanes does beside the mail.
struct Errands {
    jobs: mpsc::Receiver<chore::Job>,
    /// Whose answer was given and never read.
    unread: mpsc::UnboundedReceiver<Unread>,
}

/// What a caller who went away is not to have.
enum Unread {
    Message(MessageId),
    Claim(Claim),
}

/// An answer on its way. Dropped with an `Ok` in it that nobody read, it takes the change back.
struct Pending {
    answered: oneshot::Receiver<Result<Written, StoreError>>,
    messages: Vec<MessageId>,
    claims: Vec<Claim>,
    unread: mpsc::UnboundedSender<Unread>,
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.answered.close();
        if let Ok(Ok(written)) = self.answered.try_recv() {
            let claims = self.claims.drain(..).filter(|claim| written.claimed.contains(&claim.delivery));
            for unread in self.messages.drain(..).map(Unread::Message).chain(claims.map(Unread::Claim)) {
                let _ = self.unread.send(unread);
            }
        }
    }
}

pub(super) struct Writer {
    /// None once the writer is closed: the lanes end when the last sender is gone.
    senders: RwLock<Option<Senders>>,
    lanes: Mutex<JoinSet<()>>,
    health: watch::Receiver<Health>,
}

#[derive(Clone)]
struct Senders {
    commands: mpsc::Sender<Command>,
    chores: mpsc::Sender<chore::Job>,
    /// Has no bound of its own because a drop cannot wait: it holds what callers gave up in the one turn
    /// between an answer and its reader, and those callers are bounded.
    unread: mpsc::UnboundedSender<Unread>,
}

impl Writer {
    /// Starts the lanes; they open their connections themselves, and again whenever they must.
    pub fn start(trade: Trade, lanes: u32) -> Self {
        let (commands, queue) = mpsc::channel(limits::WRITER_QUEUE_MAX);
        let (chores, jobs) = mpsc::channel(limits::CHORE_QUEUE_MAX);
        let (standing, health) = Standing::new();
        let queue = Arc::new(Mutex::new(queue));
        let (unread, unread_from) = mpsc::unbounded_channel();
        let mut errands = Some(Errands { jobs, unread: unread_from });
        let mut tasks = JoinSet::new();
        for _ in 0..lanes {
            let lane = lane::Lane::new(trade.clone(), queue.clone(), errands.take(), standing.place());
            match trade.location.engine().works_in_the_caller() {
                true => tasks.spawn(thread::run(lane, standing.clone())),
                false => tasks.spawn(lane.run()),
            };
        }
        let senders = RwLock::new(Some(Senders { commands, chores, unread }));
        Self { senders, lanes: Mutex::new(tasks), health }
    }

    /// Takes nothing more, and returns when everything that was handed in is written and answered.
    pub async fn close(&self) {
        self.senders.write().unwrap_or_else(PoisonError::into_inner).take();
        let mut lanes = self.lanes.lock().await;
        while lanes.join_next().await.is_some() {}
    }

    fn senders(&self) -> Result<Senders, StoreError> {
        self.senders.read().unwrap_or_else(PoisonError::into_inner).clone().ok_or_else(closed)
    }

    pub fn health(&self) -> watch::Receiver<Health> {
        self.health.clone()
    }

    /// Writes a change and returns when it is on disk. Dropping this future takes the change back: what
    /// nobody was told of is not kept.
    pub async fn write(&self, change: Change) -> Result<Written, StoreError> {
        for body in change.bodies.iter().filter(|body| body.is_large()) {
            self.write_chunks(body).await?;
        }
        self.submit(change).await
    }

    /// A large body goes ahead of its message, in pieces that share no transaction with other mail. If
    /// the message never follows, housekeeping sweeps them.
    async fn write_chunks(&self, body: &Body) -> Result<(), StoreError> {
        for (seq, chunk) in body.stored.chunks(limits::BODY_CHUNK_BYTES).enumerate() {
            self.submit(Change::of(group::chunk_step(body, seq, chunk.to_vec()))).await?;
        }
        Ok(())
    }

    async fn submit(&self, change: Change) -> Result<Written, StoreError> {
        let (answer, answered) = oneshot::channel();
        let senders = self.senders()?;
        let messages = change.messages.iter().map(|message| message.id.clone()).collect();
        let claims = change.claims.clone();
        let mut pending = Pending { answered, messages, claims, unread: senders.unread };
        let command = Command { bytes: change.bytes(), change, answer };
        senders.commands.send(command).await.map_err(|_| closed())?;
        if let Ok(result) = tokio::time::timeout(limits::STORE_ANSWER_MAX, &mut pending.answered).await {
            return result.map_err(|_| closed())?;
        }
        // From here on an answer finds nobody and the lane takes the change back, unless it came just now.
        pending.answered.close();
        pending.answered.try_recv().unwrap_or_else(|_| Err(StoreError::unavailable("it gave no answer in time")))
    }

    /// Runs a deletion or the like in slices between the groups until nothing is left to do; how many
    /// rows it touched in all.
    pub async fn run_chore(&self, chore: Chore) -> Result<u64, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.senders()?.chores.send(chore::Job::new(chore, answer)).await.map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }
}

fn closed() -> StoreError {
    StoreError::unavailable("it is being closed")
}

impl From<Step> for Change {
    fn from(step: Step) -> Self {
        Change::of(step)
    }
}

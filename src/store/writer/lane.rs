//! A lane of the writer: one connection, the groups it writes, and what it does when the store fails.
//!
//! While no lane can write, changes that wait are refused at once (the caller says "later" to its
//! client); only a group whose outcome is unknown is kept, because nobody may be told anything before it
//! is known.

use super::chore::{Job, Slice};
use super::group::{End, Group, unclaim, withdrawal};
use super::standing::Place;
use super::thread::Pulse;
use super::{Command, Errands, Trade, Unread};
use crate::base::backoff::Backoff;
use crate::base::id::{self, DeliveryId};
use crate::base::limits;
use crate::base::metrics::STORE_LOG_BYTES;
use crate::base::observe::Happening;
use crate::store::change::{Change, Written};
use crate::store::dialect::{Engine, Location, log_of};
use crate::store::error::StoreError;
use crate::store::happenings::{CommitUnknown, GroupWritten};
use crate::store::link::Link;
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, mpsc};

pub(super) struct Lane {
    trade: Trade,
    engine: Engine,
    queue: Arc<Mutex<mpsc::Receiver<Command>>>,
    /// Taken from the queue, but too much for the last group.
    left: VecDeque<Command>,
    errands: Option<Errands>,
    job: Option<Job>,
    /// Messages whose callers went away before they heard of them, to be taken back.
    unwanted: Vec<Change>,
    place: Place,
    pulse: Pulse,
    flush: Flush,
    commits: u64,
}

/// What the last COMMIT that failed left behind.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flush {
    Trusted,
    /// It may have failed at the flush: what the file shows need not be on disk.
    Doubted,
}

enum Errand {
    Job(Job),
    TakeBack(Unread),
}

enum Next {
    Group(Vec<Command>),
    Job(Job),
    /// Another lane lost its connection: is ours still good?
    Doubt,
    Closed,
}

impl Lane {
    pub fn new(
        trade: Trade,
        queue: Arc<Mutex<mpsc::Receiver<Command>>>,
        errands: Option<Errands>,
        place: Place,
    ) -> Self {
        let engine = trade.location.engine();
        let (left, unwanted) = (VecDeque::new(), Vec::new());
        Self {
            trade,
            engine,
            queue,
            left,
            errands,
            job: None,
            unwanted,
            place,
            pulse: Pulse::new(),
            flush: Flush::Trusted,
            commits: 0,
        }
    }

    pub fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }

    /// Works until every sender is gone and what they sent is answered.
    pub async fn run(mut self) {
        let Some(mut connection) = self.open().await else { return };
        loop {
            self.pulse.rests();
            let next = self.next().await;
            self.pulse.begins();
            let went = match next {
                Next::Closed => break,
                Next::Job(job) => {
                    self.job = Some(job);
                    Ok(())
                }
                Next::Doubt => self.prove(&mut connection).await,
                Next::Group(commands) => self.write_group(&mut connection, commands).await,
            };
            let went = match went {
                Ok(()) => self.tidy(&mut connection).await,
                Err(error) => Err(error),
            };
            if let Err(error) = went {
                self.place.fails(&error);
                drop(connection);
                match self.open().await {
                    Some(opened) => connection = opened,
                    None => return,
                }
            } else if self.pulse.came_back() {
                self.place.works();
            }
        }
        connection.close().await;
    }

    /// Waits for something to do. With work of its own under way it only looks whether mail is waiting.
    async fn next(&mut self) -> Next {
        let busy = !self.left.is_empty() || self.job.is_some() || !self.unwanted.is_empty();
        if busy {
            // Another lane may hold the queue and wait at it: then the mail is in good hands.
            let queue = self.queue.clone();
            let mut queue = queue.try_lock().ok();
            return Next::Group(self.gather(queue.as_deref_mut()));
        }
        // Waiting for the queue is part of waiting for mail: another idle lane may hold it for hours, and
        // housekeeping must not wait for that.
        let mail = async {
            let mut queue = self.queue.clone().lock_owned().await;
            let first = queue.recv().await;
            (queue, first)
        };
        let errand = async {
            let Some(Errands { jobs, unread }) = &mut self.errands else { return std::future::pending().await };
            tokio::select! {
                biased;
                Some(unread) = unread.recv() => Errand::TakeBack(unread),
                Some(job) = jobs.recv() => Errand::Job(job),
                else => std::future::pending().await,
            }
        };
        let mut queue = tokio::select! {
            biased;
            errand = errand => match errand {
                Errand::Job(job) => return Next::Job(job),
                Errand::TakeBack(unread) => {
                    self.unwanted.push(taking_back(&unread));
                    return Next::Group(Vec::new());
                }
            },
            () = self.place.another_fails() => return Next::Doubt,
            (queue, first) = mail => match first {
                Some(command) => {
                    self.left.push_back(command);
                    queue
                }
                None => return Next::Closed,
            },
        };
        Next::Group(self.gather(Some(&mut queue)))
    }

    /// Who was just answered comes back at once with the next command: giving a large group this moment
    /// keeps it together, where otherwise the first two would take the flush and leave the rest behind.
    /// A lane on the runtime lets the others run instead; one that was not busy does not wait at all.
    async fn let_return(&self, answered: usize) {
        if !self.engine.works_in_the_caller() {
            return tokio::task::yield_now().await;
        }
        let queue = self.queue.lock().await;
        let expected = answered - answered / 4;
        let patience = Instant::now() + limits::GROUP_RETURN_MAX;
        while answered >= limits::GROUP_RETURN_COMMANDS_MIN && queue.len() < expected && Instant::now() < patience {
            std::thread::sleep(limits::GROUP_RETURN_STEP);
        }
    }

    /// What is waiting, up to the bounds of a group.
    fn gather(&mut self, mut queue: Option<&mut mpsc::Receiver<Command>>) -> Vec<Command> {
        let mut group: Vec<Command> = Vec::new();
        let mut touched: HashSet<DeliveryId> = HashSet::new();
        let mut bytes = 0;
        loop {
            let waiting = self.left.pop_front().or_else(|| queue.as_mut().and_then(|queue| queue.try_recv().ok()));
            let Some(command) = waiting else { break };
            // Nobody waits for it: nothing is written, nothing is left.
            if command.answer.is_closed() {
                continue;
            }
            let full = group.len() >= limits::GROUP_COMMANDS_MAX || bytes + command.bytes > limits::GROUP_BYTES_MAX;
            // One statement changes the deliveries of a whole group and says which, not for whom: who changes
            // one that is changed in this group already has to see what became of it.
            let again = command.change.touched().any(|delivery| touched.contains(delivery));
            // Moves are rare and take rows that others settle or claim: alone they take them in one order.
            let apart = !command.change.moves.is_empty();
            if (full || again || apart) && !group.is_empty() {
                self.left.push_front(command);
                break;
            }
            touched.extend(command.change.touched().cloned());
            bytes += command.bytes;
            group.push(command);
            if apart {
                break;
            }
        }
        group
    }

    /// Writes a group to its end. `Err`: the connection is gone, and every caller was answered.
    async fn write_group(&mut self, connection: &mut Link, commands: Vec<Command>) -> Result<(), StoreError> {
        if commands.is_empty() {
            return Ok(());
        }
        let begun = Instant::now();
        let size = commands.len();
        let result = self.settle_group(connection, commands).await;
        GroupWritten { commands: size, took: begun.elapsed() }.record();
        result
    }

    async fn settle_group(&mut self, connection: &mut Link, commands: Vec<Command>) -> Result<(), StoreError> {
        let (group, size) = (self.new_group(), commands.len());
        let mut retried = Retried::No;
        // What the rows said before a COMMIT whose answer was lost.
        let mut said = None;
        loop {
            let changes: Vec<&Change> = commands.iter().map(|command| &command.change).collect();
            match group.write(connection, self.engine, &changes).await {
                End::Committed(written) => {
                    self.answer_all(commands, written);
                    self.let_return(size).await;
                    return Ok(());
                }
                End::CommittedBefore => {
                    let written = said.unwrap_or_else(|| vec![Written::default(); commands.len()]);
                    self.answer_all(commands, written);
                    return Ok(());
                }
                End::RolledBack(error) => return self.write_singly(connection, commands, error).await,
                // The first try may have met a connection that died while it was idle: one more on a
                // fresh one. A second failure is the store's.
                End::Broken(error) => {
                    // Behind a COMMIT without an answer this is still no answer: ask until there is one.
                    if said.is_some() {
                        self.come_back(connection, error).await?;
                        continue;
                    }
                    if retried == Retried::No
                        && let Ok(opened) = self.reopen().await
                    {
                        *connection = opened;
                        retried = Retried::Yes;
                        continue;
                    }
                    for command in commands {
                        self.answer(command, Err(error.clone()));
                    }
                    return Err(error);
                }
                End::Unknown(error, written) => {
                    said = Some(written);
                    self.flush = Flush::Doubted;
                    CommitUnknown { group: &group.id, error: &error }.record();
                    self.come_back(connection, error).await?;
                    retried = Retried::Yes;
                }
            }
        }
    }

    /// A connection again, however long that takes. `Err`: there will be none any more.
    async fn come_back(&mut self, connection: &mut Link, error: StoreError) -> Result<(), StoreError> {
        self.place.fails(&error);
        *connection = self.open().await.ok_or(error)?;
        Ok(())
    }

    fn answer_all(&mut self, commands: Vec<Command>, written: Vec<Written>) {
        for (command, written) in commands.into_iter().zip(written) {
            self.answer(command, Ok(written));
        }
    }

    /// One change of a group was refused: each goes alone, so that only the culprit hears of it.
    async fn write_singly(
        &mut self,
        connection: &mut Link,
        mut commands: Vec<Command>,
        error: StoreError,
    ) -> Result<(), StoreError> {
        if commands.len() == 1 {
            for command in commands {
                self.answer(command, Err(error.clone()));
            }
            return Ok(());
        }
        while !commands.is_empty() {
            let command = commands.remove(0);
            if let Err(error) = Box::pin(self.settle_group(connection, vec![command])).await {
                for command in commands {
                    self.answer(command, Err(error.clone()));
                }
                return Err(error);
            }
        }
        Ok(())
    }

    /// Between two groups: take back what nobody waited for, a slice of housekeeping, a log grown large.
    async fn tidy(&mut self, connection: &mut Link) -> Result<(), StoreError> {
        if let Some(Errands { unread, .. }) = &mut self.errands {
            while let Ok(unread) = unread.try_recv() {
                self.unwanted.push(taking_back(&unread));
            }
        }
        while let Some(change) = self.unwanted.pop() {
            let group = self.new_group();
            match group.write(connection, self.engine, &[&change]).await {
                End::Committed(_) | End::CommittedBefore => {}
                End::RolledBack(error) => tracing::error!(%error, "a message that was refused could not be taken back"),
                End::Broken(error) | End::Unknown(error, _) => {
                    self.unwanted.push(change);
                    self.flush = Flush::Doubted;
                    return Err(error);
                }
            }
        }
        // Asked here as well: while mail never ceases nobody ever waits for a job.
        if self.job.is_none() {
            self.job = self.errands.as_mut().and_then(|errands| errands.jobs.try_recv().ok());
        }
        if let Some(job) = self.job.take() {
            match job.slice(connection, self.engine).await {
                Slice::More(job) => self.job = Some(job),
                Slice::Over => {}
                Slice::Broken(error) => {
                    self.flush = Flush::Doubted;
                    return Err(error);
                }
            }
        }
        self.commits += 1;
        if self.commits.is_multiple_of(64) {
            self.watch_log(connection).await?;
        }
        Ok(())
    }

    /// SQLite's log is cut by force when readers kept it from being cut by itself.
    async fn watch_log(&self, connection: &mut Link) -> Result<(), StoreError> {
        let Location::File(path) = &self.trade.location else { return Ok(()) };
        let Ok(found) = tokio::fs::metadata(log_of(path)).await else { return Ok(()) };
        metrics::gauge!(STORE_LOG_BYTES).set(found.len() as f64);
        if found.len() > limits::WAL_BYTES_MAX
            && let Err(error) = connection.cut_log()
        {
            tracing::warn!(bytes = found.len(), %error, "the store's log is large and could not be cut yet");
        }
        Ok(())
    }

    fn answer(&mut self, command: Command, result: Result<Written, StoreError>) {
        if let Err(Ok(written)) = command.answer.send(result) {
            // RFC 5321 4.2.5: who was not told 250 keeps the mail, so we must not.
            self.unwanted.extend(command.change.messages.iter().map(|message| withdrawal(&message.id)));
            let claims = command.change.claims.iter().filter(|claim| written.claimed.contains(&claim.delivery));
            self.unwanted.extend(claims.map(unclaim));
        }
    }

    fn new_group(&self) -> Group {
        let at = self.trade.clock.now();
        Group { id: id::new(at, &self.trade.random), at, random: self.trade.random.clone() }
    }

    /// Opens the connection, however long it takes, and refuses meanwhile what comes in. None: there is
    /// nobody left to work for.
    async fn open(&mut self) -> Option<Link> {
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2), self.trade.random.clone());
        loop {
            match self.reopen().await {
                Ok(connection) => {
                    self.place.works();
                    return Some(connection);
                }
                Err(error) => {
                    self.place.fails(&error);
                    if !self.refuse_for(backoff.pause(), &error).await {
                        return None;
                    }
                }
            }
        }
    }

    async fn reopen(&mut self) -> Result<Link, StoreError> {
        let mut connection = Link::open(&self.trade.location).await?;
        // After a failed flush the kernel may show us pages that never reached the disk. Moving the log
        // into the file writes and flushes them anew, so that what we then find committed is on disk.
        if self.flush == Flush::Doubted {
            connection.checkpoint()?;
            self.flush = Flush::Trusted;
        }
        self.prove(&mut connection).await?;
        Ok(connection)
    }

    /// Up means that it can write: what answers a question may still be full, or fail at the flush.
    async fn prove(&mut self, connection: &mut Link) -> Result<(), StoreError> {
        match self.new_group().write(connection, self.engine, &[]).await {
            End::Committed(_) | End::CommittedBefore => Ok(()),
            End::RolledBack(error) | End::Broken(error) => Err(error),
            End::Unknown(error, _) => {
                self.flush = Flush::Doubted;
                Err(error)
            }
        }
    }

    /// Answers everything that waits with "not now" for this long, unless another lane can take it; false
    /// when the queue is closed.
    async fn refuse_for(&mut self, pause: Duration, error: &StoreError) -> bool {
        if let Some(job) = self.job.take() {
            job.refuse(error.clone());
        }
        for command in std::mem::take(&mut self.left) {
            self.answer(command, Err(error.clone()));
        }
        let until = tokio::time::Instant::now() + pause;
        let queue = self.queue.clone();
        loop {
            let in_good_hands = self.place.another_works();
            let mail = async {
                match in_good_hands {
                    true => std::future::pending().await,
                    false => queue.lock().await.recv().await,
                }
            };
            let waiting = tokio::select! {
                biased;
                () = self.place.turns() => continue,
                () = tokio::time::sleep_until(until) => return true,
                waiting = mail => waiting,
            };
            match waiting {
                Some(command) => self.answer(command, Err(error.clone())),
                None => return false,
            }
        }
    }
}

fn taking_back(unread: &Unread) -> Change {
    match unread {
        Unread::Message(message) => withdrawal(message),
        Unread::Claim(claim) => unclaim(claim),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Retried {
    No,
    Yes,
}

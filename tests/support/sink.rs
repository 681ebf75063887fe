//! A mail server that does what its test says: by default it takes everything as a good server would, and at
//! each moment of a session (`At`) a script may have it do something else (`Act`): refuse, be silent until it
//! is released, hang up, keep a message and say nothing, talk without end.
//!
//! It lives in the test's own runtime, writes down every connection byte by byte, and lets the test wait for
//! what happens (`sink.message().await`); nothing here is waited for longer than `PATIENCE`. It also looks
//! at its client with a stern eye: what breaks a rule of SMTP is a fault, and `blameless` shows them all.

#[path = "sink/login.rs"]
mod login;
#[path = "sink/offer.rs"]
mod offer;
#[path = "sink/script.rs"]
mod script;
#[path = "sink/seen.rs"]
mod seen;
#[path = "sink/session.rs"]
mod session;
#[path = "sink/transaction.rs"]
mod transaction;
#[path = "sink/trust.rs"]
mod trust;
#[path = "sink/wire.rs"]
mod wire;

pub use login::Account;
pub use offer::{Offer, Replies};
pub use script::{Act, At, Gate};
pub use seen::{Message, Seen};
pub use trust::{Authority, Showing};

use crate::running::PATIENCE;
use script::Script;
use seen::Book;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

/// A sink at work; it ends, with all its connections, when the test lets go of it.
pub struct Sink {
    pub address: SocketAddr,
    house: Arc<House>,
    listening: JoinHandle<()>,
}

/// What all connections of a sink share.
struct House {
    offer: Offer,
    script: Script,
    book: Book,
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl Sink {
    /// At a port of its own.
    pub async fn start(offer: Offer) -> Self {
        Self::at(crate::ports::loopback(), offer).await
    }

    pub async fn at(address: SocketAddr, offer: Offer) -> Self {
        let listener = TcpListener::bind(address).await.unwrap_or_else(|why| panic!("{address}: {why}"));
        let house = Arc::new(House { offer, script: Script::default(), book: Book::default() });
        let listening = tokio::spawn(listen(listener, house.clone()));
        Self { address, house, listening }
    }

    // --- what it shall do ------------------------------------------------------------------------------

    /// The next time, this.
    pub fn once(&self, at: At, act: Act) {
        self.times(1, at, act);
    }

    /// The next so many times, this. Rules are looked at in the order in which they were given.
    pub fn times(&self, times: usize, at: At, act: Act) {
        self.house.script.add(at, act, Some(times));
    }

    /// Whenever no other rule stands before it.
    pub fn always(&self, at: At, act: Act) {
        self.house.script.add(at, act, None);
    }

    /// It behaves again.
    pub fn relent(&self) {
        self.house.script.clear();
    }

    /// The next time it says nothing, until the gate is opened; then it does what it does by default.
    pub fn hold(&self, at: At) -> Gate {
        let gate = Gate::default();
        self.once(at, Act::Wait(gate.clone()));
        gate
    }

    // --- what it saw -----------------------------------------------------------------------------------

    /// The next message that it kept, each once.
    pub async fn message(&self) -> Message {
        let next = |seen: &Seen| {
            let mut all = seen.messages.iter().enumerate();
            all.find(|(n, one)| one.kept == Some(true) && !seen.taken.contains(n)).map(|(n, one)| (n, one.clone()))
        };
        let (number, message) = self.until("a message", next).await;
        self.house.book.write(|seen| seen.taken.insert(number));
        message
    }

    /// So many messages that it kept, and that were not asked for before.
    pub async fn messages(&self, count: usize) -> Vec<Message> {
        let mut messages = Vec::with_capacity(count);
        for _ in 0..count {
            messages.push(self.message().await);
        }
        messages
    }

    /// All that it kept so far.
    pub fn kept(&self) -> Vec<Message> {
        self.seen(|seen| seen.kept().cloned().collect())
    }

    /// How many connections it has taken.
    pub fn connections(&self) -> usize {
        self.seen(|seen| seen.connections.len())
    }

    /// Waits until it has taken so many.
    pub async fn connected(&self, count: usize) {
        self.until(&format!("{count} connections"), |seen| (seen.connections.len() >= count).then_some(())).await;
    }

    /// Waits until all its connections have ended.
    pub async fn left_alone(&self) {
        self.until("the end of all connections", |seen| seen.connections.iter().all(|one| one.ended).then_some(()))
            .await;
    }

    /// All commands so far that begin so, in their order; any case.
    pub fn commands(&self, begin: &str) -> Vec<String> {
        self.seen(|seen| seen.commands(begin))
    }

    /// Waits until a command that begins so has come so many times in all.
    pub async fn heard(&self, begin: &str, times: usize) -> Vec<String> {
        self.until(&format!("{times} times {begin:?}"), |seen| {
            Some(seen.commands(begin)).filter(|all| all.len() >= times)
        })
        .await
    }

    pub fn seen<T>(&self, look: impl FnOnce(&Seen) -> T) -> T {
        self.house.book.read(look)
    }

    /// Waits until there is an answer; panics with all that was seen when patience ends.
    pub async fn until<T>(&self, what: &str, mut ask: impl FnMut(&Seen) -> Option<T>) -> T {
        let mut changes = self.house.book.changes();
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            if let Some(answer) = self.seen(&mut ask) {
                return answer;
            }
            let changed = tokio::time::timeout_at(deadline, changes.changed()).await;
            assert!(changed.is_ok(), "{}: never {what}:\n{}", self.address, self.transcript());
        }
    }

    /// Every connection, line by line.
    pub fn transcript(&self) -> String {
        self.seen(Seen::transcript)
    }

    /// Its clients have kept every rule that it knows.
    pub fn blameless(&self) {
        let faults = self.seen(|seen| seen.faults.clone());
        assert!(faults.is_empty(), "{}: {}\n{}", self.address, faults.join("\n"), self.transcript());
    }
}

async fn listen(listener: TcpListener, house: Arc<House>) {
    // Its sessions end with it.
    let mut sessions = JoinSet::new();
    while let Ok((stream, peer)) = listener.accept().await {
        let number = house.book.write(|seen| seen.connected(peer));
        let house = house.clone();
        sessions.spawn(async move {
            session::serve(stream, number, house.clone()).await;
            house.book.write(|seen| seen.connections[number].ended = true);
        });
        while sessions.try_join_next().is_some() {}
    }
}

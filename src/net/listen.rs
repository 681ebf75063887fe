//! A listener and the connections it took, as one thing that can be closed, drained and counted.
//! `smtpd` and `http` say what is spoken; here is what every door owes the world: a permit before
//! accept, no spinning and no dying on errors, and an end within a deadline.

use super::happenings::{AcceptFailed, ConnectionBroke, ConnectionRefused, ListenerClosed, ListenerOpened};
pub use super::permits::{Bounds, Refusal};
use super::permits::{Held, Permits};
use super::socket::{Peer, Socket};
use crate::base::backoff::Backoff;
use crate::base::clock::Clock;
use crate::base::id::{self, ConnectionId};
use crate::base::limits;
use crate::base::metrics::{CONNECTIONS, CONNECTIONS_OPENED};
use crate::base::observe::{Happening, connection_span};
use crate::base::random::Random;
use crate::base::shutdown::{Phase, Shutdown};
use crate::base::wake::Bell;
use std::borrow::Cow;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{JoinError, JoinHandle, JoinSet};
use tracing::Instrument;

/// What is spoken behind a door.
pub trait Serve<S>: Send + Sync + 'static {
    /// One connection from its first byte to its last. When `visit.leaving` reaches `Draining` it comes
    /// to its end by itself as soon as politeness allows; at the drain deadline it is dropped.
    fn serve(self: Arc<Self>, stream: S, visit: Visit) -> impl Future<Output = ()> + Send;

    /// What a connection is told that is sent away at once; empty where nothing can be said.
    fn sent_away(&self, why: Refusal) -> Cow<'static, [u8]>;

    /// Does this address speak for many clients, so that it is not counted as one? Whom it speaks for is
    /// counted when it has said so, by `Visit::pass_to`.
    fn speaks_for_many(&self, _address: IpAddr) -> bool {
        false
    }
}

/// One connection's stay: it is counted, and holds its permit, until this is dropped.
pub struct Visit {
    pub id: ConnectionId,
    pub peer: Peer,
    /// The listener's own phases, not the daemon's: one listener drains and the others do not notice.
    pub leaving: Shutdown,
    door: &'static str,
    held: Held,
}

impl Visit {
    /// A proxy has said whose connection this is: from now on it is that client's, and counted as such; one
    /// of its own stays what it is. A refusal, which has been recorded, says that the client has enough: it
    /// is to be sent away.
    pub fn pass_to(&mut self, client: SocketAddr) -> Result<(), Refusal> {
        let itself = address_of(self.peer).is_some_and(|peer| peer.to_canonical() == client.ip().to_canonical());
        self.peer = Peer::Address(client);
        if itself {
            return Ok(());
        }
        let (door, peer) = (self.door, self.peer);
        self.held.recount(client.ip()).inspect_err(|why| ConnectionRefused { door, peer, why: *why }.record())
    }
}

/// What a listener is called in logs and metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// `submission`, `mx`, `http`, `control`.
    pub door: &'static str,
    /// The address or path as bound.
    pub address: String,
}

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that came to their own end within the deadline.
    pub finished: usize,
    /// Connections dropped at the deadline.
    pub cut: usize,
}

/// An open listener. Dropping it closes the door and cuts every connection: `drain` is the polite way.
pub struct Listening {
    name: Name,
    phases: Shutdown,
    /// Rung when the socket is gone.
    closed: Bell,
    permits: Permits,
    task: JoinHandle<Drained>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.phases.go_to(Phase::Stopped);
    }
}

/// Starts taking connections. Must be called inside the runtime.
pub fn open<L: Socket, H: Serve<L::Stream>>(
    socket: L,
    name: Name,
    bounds: Bounds,
    handler: Arc<H>,
    (clock, random): (Clock, Random),
) -> Listening {
    let (phases, closed) = (Shutdown::default(), Bell::default());
    let labels = [("door", name.door.to_owned()), ("address", name.address.clone())];
    let permits = Permits::new(bounds, metrics::gauge!(CONNECTIONS, &labels), clock.clone());
    let door = Door {
        name: name.clone(),
        phases: phases.clone(),
        closed: closed.clone(),
        permits: permits.clone(),
        opened: metrics::counter!(CONNECTIONS_OPENED, &labels),
        handler,
        clock,
        random,
    };
    ListenerOpened { door: name.door, address: &name.address }.record();
    Listening { name, phases, closed, permits, task: tokio::spawn(door.stand_open(socket)) }
}

impl Listening {
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Connections open now.
    pub fn connections(&self) -> usize {
        self.permits.open()
    }

    /// New connections are judged by these bounds; those that stand keep their place.
    pub fn change(&self, bounds: Bounds) {
        self.permits.change(bounds);
    }

    /// Takes no new connection from now on; those that stand are asked to leave.
    pub fn close(&self) {
        self.phases.go_to(Phase::Draining);
    }

    /// Returns when a closed door's socket is gone, a moment later: its address is free then. For one
    /// who waits.
    pub async fn closed(&self) {
        self.closed.rung().await;
    }

    /// Closes, waits for the connections to end, and cuts those that have not by the deadline.
    pub async fn drain(mut self, at_most: Duration) -> Drained {
        self.close();
        let drained = match tokio::time::timeout(at_most, &mut self.task).await {
            Ok(drained) => drained,
            Err(_) => {
                self.phases.go_to(Phase::Stopped);
                (&mut self.task).await
            }
        };
        // The task ends by returning: it awaits nothing that panics, and nobody else could abort it.
        let drained = drained.unwrap_or(Drained { finished: 0, cut: 0 });
        let (door, address) = (self.name.door, self.name.address.as_str());
        ListenerClosed { door, address, finished: drained.finished, cut: drained.cut }.record();
        drained
    }
}

/// What the accept loop works with.
struct Door<H> {
    name: Name,
    phases: Shutdown,
    closed: Bell,
    permits: Permits,
    opened: metrics::Counter,
    handler: Arc<H>,
    clock: Clock,
    random: Random,
}

impl<H> Door<H> {
    async fn stand_open<L: Socket>(self, socket: L) -> Drained
    where
        H: Serve<L::Stream>,
    {
        let mut visits = JoinSet::new();
        let mut pauses = Backoff::new(limits::ACCEPT_PAUSE_FIRST, limits::ACCEPT_PAUSE_LONGEST, self.random.clone());
        loop {
            let next = tokio::select! {
                biased;
                () = self.phases.reached(Phase::Draining) => break,
                Some(ended) = visits.join_next() => {
                    self.note(ended);
                    continue;
                }
                next = self.accept(&socket) => next,
            };
            match next {
                Ok((stream, peer)) => {
                    pauses.reset();
                    self.welcome::<L>(stream, peer, &mut visits);
                }
                Err(why) => self.pause(&why, &mut pauses).await,
            }
        }
        drop(socket);
        self.closed.ring();
        self.see_off(visits).await
    }

    /// Room comes first: without it the client waits in the kernel's backlog, where it costs us nothing,
    /// instead of in a connection that we could not serve.
    async fn accept<L: Socket>(&self, socket: &L) -> io::Result<(L::Stream, Peer)> {
        self.permits.room().await;
        socket.accept().await
    }

    fn welcome<L: Socket>(&self, stream: L::Stream, peer: Peer, visits: &mut JoinSet<()>)
    where
        H: Serve<L::Stream>,
    {
        let client = address_of(peer).filter(|address| !self.handler.speaks_for_many(*address));
        let held = match self.permits.admit(client) {
            Ok(held) => held,
            Err(why) => {
                ConnectionRefused { door: self.name.door, peer, why }.record();
                L::say(&stream, &self.handler.sent_away(why));
                return;
            }
        };
        self.opened.increment(1);
        let visit = Visit {
            id: id::new(self.clock.now(), &self.random),
            peer,
            leaving: self.phases.clone(),
            door: self.name.door,
            held,
        };
        let span = connection_span(&visit.id);
        visits.spawn(self.handler.clone().serve(stream, visit).instrument(span));
    }

    /// An error of one connection (gone before we took it) is no reason to wait; anything else is a
    /// lack of something that others must give back first.
    async fn pause(&self, why: &io::Error, pauses: &mut Backoff) {
        use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, InvalidInput, NotConnected};
        // EINVAL and ENOTCONN come from the options and credentials of a connection that has ended.
        if matches!(why.kind(), ConnectionAborted | ConnectionReset | Interrupted | InvalidInput | NotConnected) {
            return tokio::task::yield_now().await;
        }
        let pause = pauses.pause();
        AcceptFailed { door: self.name.door, address: &self.name.address, why, pause }.record();
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = self.phases.reached(Phase::Draining) => {}
        }
    }

    async fn see_off(&self, mut visits: JoinSet<()>) -> Drained {
        let mut drained = Drained { finished: 0, cut: 0 };
        loop {
            tokio::select! {
                biased;
                ended = visits.join_next() => match ended {
                    None => return drained,
                    Some(ended) => {
                        drained.finished += 1;
                        self.note(ended);
                    }
                },
                () = self.phases.reached(Phase::Stopped) => break,
            }
        }
        drained.cut = visits.len();
        visits.shutdown().await;
        drained
    }

    fn note(&self, ended: Result<(), JoinError>) {
        if let Err(why) = ended {
            ConnectionBroke { door: self.name.door, why }.record();
        }
    }
}

/// Users of this machine have none and are not counted: the socket's own bound is enough for them.
fn address_of(peer: Peer) -> Option<IpAddr> {
    match peer {
        Peer::Address(address) => Some(address.ip()),
        Peer::User(_) => None,
    }
}

#[cfg(test)]
mod tests;

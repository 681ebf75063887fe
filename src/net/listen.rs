//! A listener and the connections it took, as one thing that can be closed, drained and counted.
//! `smtpd` and `http` say what is spoken; here is what every door owes the world: a permit before
//! accept, no spinning and no dying on errors, and an end within a deadline.

use super::happenings::{AcceptFailed, ConnectionBroke, ConnectionRefused, ListenerClosed, ListenerOpened, Refusal};
use super::permits::{Clients, Counted};
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
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinHandle, JoinSet};
use tracing::Instrument;

/// What is spoken behind a door.
pub trait Serve<S>: Send + Sync + 'static {
    /// One connection from its first byte to its last. When `visit.leaving` reaches `Draining` it comes
    /// to its end by itself as soon as politeness allows; at the drain deadline it is dropped.
    fn serve(self: Arc<Self>, stream: S, visit: Visit) -> impl Future<Output = ()> + Send;

    /// What a connection is told that there is no room for; empty where nothing can be said.
    fn no_room(&self) -> &'static [u8];

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
    clients: Clients,
    per_client: usize,
    held: Held,
}

impl Visit {
    /// A proxy has said whose connection this is: from now on it is that client's, and counted as such; one
    /// of its own stays what it is. False when the client holds its share already, which has been recorded.
    pub fn pass_to(&mut self, client: SocketAddr) -> bool {
        let itself = address_of(self.peer).to_canonical() == client.ip().to_canonical();
        self.peer = Peer::Address(client);
        if itself {
            return true;
        }
        let Some(counted) = self.clients.admit(client.ip(), self.per_client) else {
            ConnectionRefused { door: self.door, peer: self.peer, why: Refusal::TooManyOfOneClient }.record();
            return false;
        };
        self.held.of_client = counted;
        true
    }
}

/// What a connection holds as long as it stands.
struct Held {
    open_now: OpenNow,
    of_client: Counted,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.open_now.count.fetch_sub(1, Ordering::Relaxed);
        self.open_now.gauge.decrement(1.0);
    }
}

/// The open connections of one listener: for whoever holds it, and for the page of metrics.
#[derive(Clone)]
struct OpenNow {
    count: Arc<AtomicUsize>,
    gauge: metrics::Gauge,
}

impl OpenNow {
    fn hold(&self, of_client: Counted, permit: OwnedSemaphorePermit) -> Held {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.gauge.increment(1.0);
        Held { open_now: self.clone(), of_client, _permit: permit }
    }
}

/// How many connections one listener holds, and how many of one client.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub connections: usize,
    pub per_client: usize,
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
    count: Arc<AtomicUsize>,
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
    let (phases, closed, count) = (Shutdown::default(), Bell::default(), Arc::new(AtomicUsize::new(0)));
    let labels = [("door", name.door.to_owned()), ("address", name.address.clone())];
    let door = Door {
        name: name.clone(),
        bounds,
        phases: phases.clone(),
        closed: closed.clone(),
        permits: Arc::new(Semaphore::new(bounds.connections)),
        clients: Clients::default(),
        open_now: OpenNow { count: count.clone(), gauge: metrics::gauge!(CONNECTIONS, &labels) },
        opened: metrics::counter!(CONNECTIONS_OPENED, &labels),
        handler,
        clock,
        random,
    };
    ListenerOpened { door: name.door, address: &name.address }.record();
    Listening { name, phases, closed, count, task: tokio::spawn(door.stand_open(socket)) }
}

impl Listening {
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Connections open now.
    pub fn connections(&self) -> usize {
        self.count.load(Ordering::Relaxed)
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
    bounds: Bounds,
    phases: Shutdown,
    closed: Bell,
    permits: Arc<Semaphore>,
    clients: Clients,
    open_now: OpenNow,
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
                Ok((stream, peer, permit)) => {
                    pauses.reset();
                    self.welcome::<L>(stream, peer, permit, &mut visits);
                }
                Err(why) => self.pause(&why, &mut pauses).await,
            }
        }
        drop(socket);
        self.closed.ring();
        self.see_off(visits).await
    }

    /// The permit comes first: without one the client waits in the kernel's backlog, where it costs us
    /// nothing, instead of in a connection that we could not serve.
    async fn accept<L: Socket>(&self, socket: &L) -> io::Result<(L::Stream, Peer, OwnedSemaphorePermit)> {
        // Invariant: nobody closes the semaphore; were it closed, accept would fail and be tried again.
        let permit = self.permits.clone().acquire_owned().await.map_err(io::Error::other)?;
        let (stream, peer) = socket.accept().await?;
        Ok((stream, peer, permit))
    }

    fn welcome<L: Socket>(&self, stream: L::Stream, peer: Peer, permit: OwnedSemaphorePermit, visits: &mut JoinSet<()>)
    where
        H: Serve<L::Stream>,
    {
        let address = address_of(peer);
        let counted = if self.handler.speaks_for_many(address) {
            Some(Counted::not_at_all())
        } else {
            self.clients.admit(address, self.bounds.per_client)
        };
        let Some(of_client) = counted else {
            ConnectionRefused { door: self.name.door, peer, why: Refusal::TooManyOfOneClient }.record();
            L::say(&stream, self.handler.no_room());
            return;
        };
        self.opened.increment(1);
        let visit = Visit {
            id: id::new(self.clock.now(), &self.random),
            peer,
            leaving: self.phases.clone(),
            door: self.name.door,
            clients: self.clients.clone(),
            per_client: self.bounds.per_client,
            held: self.open_now.hold(of_client, permit),
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

/// Users of this machine are not counted: the socket's own bound is enough for them.
fn address_of(peer: Peer) -> IpAddr {
    match peer {
        Peer::Address(address) => address.ip(),
        Peer::User(_) => IpAddr::from([127, 0, 0, 1]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::wake::Bell;
    use std::collections::VecDeque;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::{Mutex, mpsc};

    /// Says hello, then stays until its client closes, or leaves at once when asked to.
    struct Greeter;

    impl Serve<TcpStream> for Greeter {
        async fn serve(self: Arc<Self>, mut stream: TcpStream, visit: Visit) {
            stream.write_all(b"hello").await.unwrap();
            tokio::select! {
                _ = stream.read_u8() => {}
                () = visit.leaving.reached(Phase::Draining) => {}
            }
        }

        fn no_room(&self) -> &'static [u8] {
            b"full!"
        }
    }

    /// Does what one character asks: panics, or stays whatever happens.
    struct Stubborn;

    impl Serve<TcpStream> for Stubborn {
        async fn serve(self: Arc<Self>, mut stream: TcpStream, _visit: Visit) {
            if stream.read_u8().await.unwrap() == b'p' {
                panic!("as the test asked");
            }
            stream.write_all(b"stays").await.unwrap();
            std::future::pending().await
        }

        fn no_room(&self) -> &'static [u8] {
            b""
        }
    }

    async fn opened<H: Serve<TcpStream>>(handler: H, connections: usize) -> (Listening, SocketAddr) {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let name = Name { door: "test", address: address.to_string() };
        let bounds = Bounds { connections, per_client: 1 };
        (open(socket, name, bounds, Arc::new(handler), (Clock::System, Random::System)), address)
    }

    async fn heard(stream: &mut TcpStream) -> String {
        let mut words = [0; 5];
        stream.read_exact(&mut words).await.unwrap();
        String::from_utf8(words.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn beyond_the_bound_a_client_waits_in_the_backlog_until_another_leaves() {
        let (listening, address) = opened(Greeter, 2).await;
        let mut first = TcpStream::connect(address).await.unwrap();
        let mut second = TcpStream::connect(address).await.unwrap();
        assert_eq!((heard(&mut first).await, heard(&mut second).await), ("hello".into(), "hello".into()));
        let mut third = TcpStream::connect(address).await.unwrap();
        tokio::task::yield_now().await;
        assert_eq!(listening.connections(), 2);
        drop(first);
        assert_eq!(heard(&mut third).await, "hello");
        assert_eq!(listening.connections(), 2);
    }

    #[tokio::test]
    async fn a_drain_asks_everyone_to_leave_and_refuses_the_next() {
        let (listening, address) = opened(Greeter, 9).await;
        let mut guest = TcpStream::connect(address).await.unwrap();
        heard(&mut guest).await;
        assert_eq!(listening.drain(Duration::from_secs(30)).await, Drained { finished: 1, cut: 0 });
        assert_eq!(guest.read(&mut [0]).await.unwrap(), 0);
        assert!(TcpStream::connect(address).await.is_err());
    }

    #[tokio::test]
    async fn a_drain_cuts_who_stays_beyond_the_deadline() {
        let (listening, address) = opened(Stubborn, 9).await;
        let mut guest = TcpStream::connect(address).await.unwrap();
        guest.write_all(b"s").await.unwrap();
        assert_eq!(heard(&mut guest).await, "stays");
        assert_eq!(listening.drain(Duration::ZERO).await, Drained { finished: 0, cut: 1 });
        assert!(matches!(guest.read(&mut [0]).await, Ok(0) | Err(_)));
    }

    #[tokio::test]
    async fn a_panic_ends_one_connection_and_gives_its_permit_back() {
        let (_listening, address) = opened(Stubborn, 1).await;
        let mut guest = TcpStream::connect(address).await.unwrap();
        guest.write_all(b"p").await.unwrap();
        assert!(matches!(guest.read(&mut [0]).await, Ok(0) | Err(_)));
        let mut next = TcpStream::connect(address).await.unwrap();
        next.write_all(b"s").await.unwrap();
        assert_eq!(heard(&mut next).await, "stays");
    }

    /// A socket that plays a list: errors, and connections from addresses of our choice.
    struct Played {
        list: Mutex<VecDeque<io::Result<Peer>>>,
        played: Bell,
    }

    impl Socket for Played {
        type Stream = mpsc::UnboundedSender<String>;

        async fn accept(&self) -> io::Result<(Self::Stream, Peer)> {
            let Some(next) = self.list.lock().await.pop_front() else {
                self.played.ring();
                return std::future::pending().await;
            };
            Ok((mpsc::unbounded_channel().0, next?))
        }

        fn say(_: &Self::Stream, words: &[u8]) {
            assert_eq!(words, b"full!");
        }
    }

    struct Patient;

    impl Serve<mpsc::UnboundedSender<String>> for Patient {
        async fn serve(self: Arc<Self>, _stream: mpsc::UnboundedSender<String>, visit: Visit) {
            visit.leaving.reached(Phase::Draining).await;
        }

        fn no_room(&self) -> &'static [u8] {
            b"full!"
        }
    }

    async fn played(list: Vec<io::Result<Peer>>, per_client: usize) -> Drained {
        played_to(Patient, list, per_client).await
    }

    async fn played_to<H>(handler: H, list: Vec<io::Result<Peer>>, per_client: usize) -> Drained
    where
        H: Serve<mpsc::UnboundedSender<String>>,
    {
        let played = Bell::default();
        let socket = Played { list: Mutex::new(list.into()), played: played.clone() };
        let name = Name { door: "test", address: "played".to_owned() };
        let bounds = Bounds { connections: 9, per_client };
        let listening = open(socket, name, bounds, Arc::new(handler), (Clock::System, Random::System));
        played.rung().await;
        listening.drain(Duration::from_secs(30)).await
    }

    fn from(address: &str) -> io::Result<Peer> {
        Ok(Peer::Address(address.parse().unwrap()))
    }

    #[tokio::test(start_paused = true)]
    async fn without_descriptors_it_pauses_and_goes_on() {
        let none_left = || Err(io::Error::from_raw_os_error(nix::libc::EMFILE));
        let started = tokio::time::Instant::now();
        let list = vec![none_left(), none_left(), Err(io::ErrorKind::ConnectionAborted.into()), from("192.0.2.1:1")];
        assert_eq!(played(list, 9).await, Drained { finished: 1, cut: 0 });
        assert!(started.elapsed() >= limits::ACCEPT_PAUSE_FIRST, "{:?}", started.elapsed());
    }

    /// Says after "hello" whether the client, named by its last byte, has room; then stays.
    struct Passing;

    impl Serve<TcpStream> for Passing {
        async fn serve(self: Arc<Self>, mut stream: TcpStream, mut visit: Visit) {
            let last = stream.read_u8().await.unwrap();
            let words: &[u8] = if visit.pass_to(([192, 0, 2, last], 1).into()) { b"hello" } else { b"full!" };
            stream.write_all(words).await.unwrap();
            visit.leaving.reached(Phase::Draining).await;
        }

        fn no_room(&self) -> &'static [u8] {
            b"full!"
        }
    }

    #[tokio::test]
    async fn behind_a_proxy_each_client_gets_its_share() {
        let (_listening, address) = opened(Passing, 9).await;
        let mut guests = Vec::new();
        for (last, words) in [(1, "hello"), (1, "full!"), (2, "hello"), (2, "full!")] {
            let mut guest = TcpStream::connect(address).await.unwrap();
            guest.write_all(&[last]).await.unwrap();
            assert_eq!(heard(&mut guest).await, words, "{last}");
            guests.push(guest);
        }
    }

    /// `Patient`, for whom everyone speaks for many.
    struct Open;

    impl Serve<mpsc::UnboundedSender<String>> for Open {
        async fn serve(self: Arc<Self>, stream: mpsc::UnboundedSender<String>, visit: Visit) {
            Arc::new(Patient).serve(stream, visit).await;
        }

        fn no_room(&self) -> &'static [u8] {
            panic!("there was room")
        }

        fn speaks_for_many(&self, address: IpAddr) -> bool {
            address == IpAddr::from([192, 0, 2, 1])
        }
    }

    #[tokio::test]
    async fn who_speaks_for_many_is_not_counted_as_one() {
        let list = vec![from("192.0.2.1:1"), from("192.0.2.1:2"), from("192.0.2.1:3")];
        assert_eq!(played_to(Open, list, 1).await, Drained { finished: 3, cut: 0 });
    }

    #[tokio::test]
    async fn one_client_gets_its_share_and_others_theirs() {
        let list = vec![from("192.0.2.1:1"), from("192.0.2.1:2"), from("192.0.2.1:3"), from("192.0.2.2:1")];
        assert_eq!(played(list, 2).await, Drained { finished: 3, cut: 0 });
    }
}

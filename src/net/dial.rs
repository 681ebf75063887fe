//! Connections out: to the world, or through pipes in memory to whoever plays it. Several addresses of one
//! host are tried beside each other (RFC 8305), within the bounds that the caller sets.

use crate::base::limits;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// Where connections are made.
#[derive(Clone, Debug)]
pub enum Dialer {
    World,
    Pipes(Pipes),
}

/// One try: where to, and from which address of ours when it is not left to the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destination {
    pub to: SocketAddr,
    pub from: Option<IpAddr>,
}

/// How long trying may take.
#[derive(Clone, Copy, Debug)]
pub struct Haste {
    pub connect: Duration,
    /// RFC 8305 5: after so long without an answer the next address is tried beside.
    pub head_start: Duration,
}

impl Default for Haste {
    fn default() -> Self {
        Self { connect: limits::CONNECT_WAIT, head_start: limits::CONNECT_HEAD_START }
    }
}

/// What came of several tries: a connection perhaps, and what failed before it.
#[derive(Debug)]
pub struct Dialed {
    pub connected: Option<(Stream, Destination)>,
    pub failed: Vec<(Destination, io::Error)>,
}

impl Dialer {
    /// The first of these that answers. They are tried in their order, see `interleaved`.
    pub async fn dial(&self, destinations: &[Destination], haste: Haste) -> Dialed {
        let mut dialed = Dialed { connected: None, failed: Vec::new() };
        let mut waiting = destinations.iter().take(limits::WAY_ADDRESSES_MAX);
        let mut tries = FuturesUnordered::new();
        loop {
            if let Some(destination) = waiting.next() {
                tries.push(self.try_one(*destination, haste.connect));
            } else if tries.is_empty() {
                return dialed;
            }
            // Until one has failed, or had its head start.
            let head_start = if waiting.len() > 0 { haste.head_start } else { haste.connect };
            match timeout(head_start, tries.next()).await {
                Ok(Some((destination, Ok(stream)))) => {
                    dialed.connected = Some((stream, destination));
                    return dialed;
                }
                Ok(Some((destination, Err(why)))) => dialed.failed.push((destination, why)),
                Ok(None) | Err(_) => {}
            }
        }
    }

    async fn try_one(&self, destination: Destination, wait: Duration) -> (Destination, io::Result<Stream>) {
        let connecting = async {
            match self {
                Self::World => connect(destination).await.map(Stream::Tcp),
                Self::Pipes(pipes) => pipes.connect(destination).await.map(Stream::Pipe),
            }
        };
        let too_slow = || Err(io::Error::new(io::ErrorKind::TimedOut, "no answer"));
        (destination, timeout(wait, connecting).await.unwrap_or_else(|_| too_slow()))
    }
}

async fn connect(destination: Destination) -> io::Result<TcpStream> {
    let socket = if destination.to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(from) = destination.from {
        socket.bind(SocketAddr::new(from, 0))?;
    }
    let stream = socket.connect(destination.to).await?;
    // Commands are flushed whole; waiting for more to fill a packet only delays them.
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// RFC 8305 4: addresses of both families in turn, IPv6 first, each family in its order.
pub fn interleaved(addresses: &[IpAddr]) -> Vec<IpAddr> {
    let of = |v6: bool| addresses.iter().copied().filter(move |address| address.is_ipv6() == v6);
    let (mut v6, mut v4) = (of(true), of(false));
    let mut turns = Vec::with_capacity(addresses.len());
    while turns.len() < addresses.len() {
        turns.extend(v6.next());
        turns.extend(v4.next());
    }
    turns
}

/// A network in memory, for simulations: every connection is handed to whoever holds the other side.
#[derive(Clone, Debug)]
pub struct Pipes(mpsc::Sender<Knock>);

/// Somebody connects. Taken, refused, or left alone until they give up; dropped it is a refusal.
#[derive(Debug)]
pub struct Knock {
    pub destination: Destination,
    answer: oneshot::Sender<io::Result<DuplexStream>>,
}

impl Pipes {
    #[allow(clippy::new_ret_no_self)] // There is no network without its other side.
    pub fn new() -> (Dialer, mpsc::Receiver<Knock>) {
        let (knocks, door) = mpsc::channel(limits::PIPES_WAITING_MAX);
        (Dialer::Pipes(Self(knocks)), door)
    }

    async fn connect(&self, destination: Destination) -> io::Result<DuplexStream> {
        let refused = |_| io::Error::from(io::ErrorKind::ConnectionRefused);
        let (answer, answered) = oneshot::channel();
        let unreachable = |_| io::Error::from(io::ErrorKind::NetworkUnreachable);
        self.0.send(Knock { destination, answer }).await.map_err(unreachable)?;
        answered.await.map_err(refused)?
    }
}

impl Knock {
    /// The other end of the connection.
    pub fn accept(self) -> DuplexStream {
        let (theirs, ours) = duplex(limits::PIPE_BYTES);
        // Who knocked may have gone; what is accepted then ends at once.
        let _ = self.answer.send(Ok(ours));
        theirs
    }

    pub fn refuse(self, kind: io::ErrorKind) {
        let _ = self.answer.send(Err(kind.into()));
    }
}

/// A connection that was made.
#[derive(Debug)]
pub enum Stream {
    Tcp(TcpStream),
    Pipe(DuplexStream),
}

macro_rules! each {
    ($self:expr, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            Stream::Tcp($stream) => $call,
            Stream::Pipe($stream) => $call,
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => Pin::new(stream).poll_read(cx, buf))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        each!(self, stream => Pin::new(stream).poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(self, stream => Pin::new(stream).poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(stream) => stream.is_write_vectored(),
            Self::Pipe(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => Pin::new(stream).poll_shutdown(cx))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    const PATIENT: Haste = Haste { connect: Duration::from_secs(30), head_start: Duration::from_millis(250) };

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn to(text: &str) -> Destination {
        Destination { to: SocketAddr::new(ip(text), 25), from: None }
    }

    #[test]
    fn families_take_turns() {
        let addresses = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1"].map(ip);
        let turns = ["2001:db8::1", "192.0.2.1", "192.0.2.2", "192.0.2.3"].map(ip);
        assert_eq!(interleaved(&addresses), turns);
        assert_eq!(interleaved(&[]), Vec::<IpAddr>::new());
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_address_has_a_head_start_and_no_more() {
        let (dialer, mut door) = Pipes::new();
        let (silent, quick) = (to("2001:db8::1"), to("192.0.2.1"));
        let dialing = tokio::spawn(async move { dialer.dial(&[silent, quick], PATIENT).await });
        let first = door.recv().await.unwrap();
        assert_eq!(first.destination, silent);
        let began = tokio::time::Instant::now();
        let second = door.recv().await.unwrap();
        assert_eq!((second.destination, began.elapsed()), (quick, PATIENT.head_start));
        let mut theirs = second.accept();
        let dialed = dialing.await.unwrap();
        let (mut stream, at) = dialed.connected.unwrap();
        assert_eq!((at, dialed.failed.len()), (quick, 0));
        theirs.write_all(b"220").await.unwrap();
        let mut said = [0; 3];
        stream.read_exact(&mut said).await.unwrap();
        assert_eq!(&said, b"220");
        drop(first);
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_refusal_the_next_is_tried_at_once() {
        let (dialer, mut door) = Pipes::new();
        let both = [to("192.0.2.1"), to("192.0.2.2"), to("192.0.2.3")];
        let dialing = tokio::spawn(async move { dialer.dial(&both, PATIENT).await });
        let began = tokio::time::Instant::now();
        door.recv().await.unwrap().refuse(io::ErrorKind::HostUnreachable);
        drop(door.recv().await.unwrap());
        let _theirs = door.recv().await.unwrap().accept();
        let dialed = dialing.await.unwrap();
        assert_eq!(dialed.connected.unwrap().1, both[2]);
        let kinds: Vec<_> = dialed.failed.iter().map(|(_, why)| why.kind()).collect();
        assert_eq!(kinds, [io::ErrorKind::HostUnreachable, io::ErrorKind::ConnectionRefused]);
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_and_so_do_many_addresses() {
        let (dialer, mut door) = Pipes::new();
        let many: Vec<_> = (1..=20).map(|n| to(&format!("192.0.2.{n}"))).collect();
        let dialing = tokio::spawn(async move { dialer.dial(&many, PATIENT).await });
        let mut knocks = Vec::new();
        while knocks.len() < limits::WAY_ADDRESSES_MAX {
            knocks.push(door.recv().await.unwrap());
        }
        let dialed = dialing.await.unwrap();
        assert!(dialed.connected.is_none());
        assert_eq!(dialed.failed.len(), limits::WAY_ADDRESSES_MAX);
        assert!(dialed.failed.iter().all(|(_, why)| why.kind() == io::ErrorKind::TimedOut));
    }

    #[tokio::test]
    async fn the_world_is_reached_from_the_address_that_was_named() {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let destination = Destination { to: listener.local_addr().unwrap(), from: Some(ip("127.0.0.7")) };
        let dialed = Dialer::World.dial(&[destination], Haste::default()).await;
        let (_stream, at) = dialed.connected.unwrap();
        assert_eq!(at, destination);
        assert_eq!(listener.accept().await.unwrap().1.ip(), ip("127.0.0.7"));
        let gone = Destination { from: Some(ip("192.0.2.1")), ..destination };
        assert!(Dialer::World.dial(&[gone], Haste::default()).await.connected.is_none());
    }
}

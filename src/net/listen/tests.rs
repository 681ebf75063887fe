//! Listeners whose clients wait, stay, panic and pass others on; and a socket that plays a list.

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

    fn sent_away(&self, why: Refusal) -> Cow<'static, [u8]> {
        assert_eq!(why, Refusal::TooManyOfAddress);
        Cow::Borrowed(b"full!")
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

    fn sent_away(&self, _: Refusal) -> Cow<'static, [u8]> {
        Cow::Borrowed(b"")
    }
}

async fn opened<H: Serve<TcpStream>>(handler: H, connections: usize) -> (Listening, SocketAddr) {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let name = Name { door: "test", address: address.to_string() };
    let bounds = Bounds { per_address: 1, ..Bounds::in_all(connections) };
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

    fn sent_away(&self, why: Refusal) -> Cow<'static, [u8]> {
        assert_eq!(why, Refusal::TooManyOfAddress);
        Cow::Borrowed(b"full!")
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
    let bounds = Bounds { per_address: per_client, ..Bounds::in_all(9) };
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
        let words: &[u8] = if visit.pass_to(([192, 0, 2, last], 1).into()).is_ok() { b"hello" } else { b"full!" };
        stream.write_all(words).await.unwrap();
        visit.leaving.reached(Phase::Draining).await;
    }

    fn sent_away(&self, why: Refusal) -> Cow<'static, [u8]> {
        assert_eq!(why, Refusal::TooManyOfAddress);
        Cow::Borrowed(b"full!")
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

    fn sent_away(&self, _: Refusal) -> Cow<'static, [u8]> {
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

//! Clients that take up room: 5,000 that send one byte every few seconds, in a command or in a message,
//! beside good ones whose patience is measured; and 10,000 that say nothing more after EHLO.

use crate::accepting::{self, RECIPIENT};
use crate::client::{self, Client, Sessions};
use crate::servers::{Server, Working};
use crate::warden::kilobytes;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep, timeout};
use tokio_rustls::TlsConnector;

const SLOW: usize = 5_000;
const BETWEEN_BYTES: Duration = Duration::from_secs(3);
/// Before one that was cut comes again.
const BEFORE_THE_NEXT: Duration = Duration::from_millis(500);

const IDLE: usize = 10_000;
const IDLE_RSS_MAX: u64 = 300 << 20;

/// Good mail: so many messages, at a steady pace whatever becomes of those before.
const GOOD: u32 = 2_000;
const PACE: Duration = Duration::from_millis(10);
const BYTES: usize = 10 * 1024;
/// Longer, and a message counts as not taken.
const PATIENCE: Duration = Duration::from_secs(30);

/// How many connect at once: fewer than any backlog.
const AT_ONCE: usize = 64;

pub fn run(image: &Path) {
    raise_descriptors();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        slow(image).await;
        idle(image).await;
    });
}

/// As many open files as this process may have, for it and for the servers that it starts.
fn raise_descriptors() {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
    assert!(most >= 15_000, "this process may open {most} files only: raise its hard limit");
}

/// So that no bound for one address or one port range decides.
fn address(n: usize) -> IpAddr {
    Ipv4Addr::new(127, 0, 1 + (n / 200 % 200) as u8, 1 + (n % 200) as u8).into()
}

// --- slow ones beside good ones -------------------------------------------------------------------------

async fn slow(image: &Path) {
    let server = Server::Gatepost.start(image, &accepting::setup());
    let alone = good(server.address).await;
    let seen = Arc::new(Seen::default());
    let mut crowd = JoinSet::new();
    for n in 0..SLOW {
        let (to, seen) = (server.address, seen.clone());
        crowd.spawn(async move {
            loop {
                let _ = one_slow(n, to, &seen).await;
                sleep(BEFORE_THE_NEXT).await;
            }
        });
    }
    while seen.connected.load(Ordering::Relaxed) < SLOW * 98 / 100 {
        sleep(Duration::from_millis(50)).await;
    }
    let beside = good(server.address).await;
    println!("{GOOD} good messages, one every {PACE:?}, on connections of their own");
    println!("  alone                      {alone}");
    println!("  beside {SLOW} slow clients  {beside}");
    println!(
        "  {} of them connected at the end, {} cut meanwhile; {}",
        seen.connected.load(Ordering::Relaxed),
        seen.cut.load(Ordering::Relaxed),
        Room::of(&server)
    );
    crowd.shutdown().await;
    server.stop(accepting::kept);
}

#[derive(Default)]
struct Seen {
    connected: AtomicUsize,
    cut: AtomicUsize,
}

/// One connection of a slow client, until the server has had enough.
async fn one_slow(n: usize, to: SocketAddr, seen: &Seen) -> io::Result<()> {
    let mut client = client::connect(address(n), to).await?;
    seen.connected.fetch_add(1, Ordering::Relaxed);
    let ended = dribble(n, &mut client).await;
    seen.connected.fetch_sub(1, Ordering::Relaxed);
    seen.cut.fetch_add(1, Ordering::Relaxed);
    ended
}

/// Every other one in the middle of a command, the rest in the middle of a message.
async fn dribble(n: usize, client: &mut Client) -> io::Result<()> {
    if n.is_multiple_of(2) {
        client.says(b"EHLO ").await?;
    } else {
        client.hello().await?;
        client.begins(RECIPIENT).await?;
    }
    // Not all in the same moment.
    sleep(BETWEEN_BYTES * (n % 100) as u32 / 100).await;
    loop {
        client.says(b"x").await?;
        if client.is_closed_within(BETWEEN_BYTES).await {
            return Ok(());
        }
    }
}

/// What good clients waited, from the moment they wanted to send.
struct Waited {
    sorted: Vec<Duration>,
    refused: usize,
}

impl std::fmt::Display for Waited {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let at = |share: f64| self.sorted.get((self.sorted.len() as f64 * share) as usize).or(self.sorted.last());
        let ms = |share| at(share).map_or(f64::NAN, |took| took.as_secs_f64() * 1_000.0);
        let refused = self.refused;
        write!(f, "p50 {:.1} ms, p99 {:.1} ms, longest {:.1} ms; {refused} not taken", ms(0.5), ms(0.99), ms(1.0))
    }
}

async fn good(to: SocketAddr) -> Waited {
    let text = Arc::new(client::text(BYTES));
    let (mut ticks, mut sending) = (interval(PACE), JoinSet::new());
    for _ in 0..GOOD {
        let wanted = ticks.tick().await;
        let text = text.clone();
        sending.spawn(async move {
            let sent = timeout(PATIENCE, one_good(to, &text)).await;
            sent.is_ok_and(|sent| sent.is_ok()).then(|| wanted.elapsed())
        });
    }
    let all = sending.join_all().await;
    let mut sorted: Vec<Duration> = all.iter().flatten().copied().collect();
    sorted.sort();
    Waited { refused: all.len() - sorted.len(), sorted }
}

async fn one_good(to: SocketAddr, text: &[u8]) -> io::Result<()> {
    let mut client = client::connect(Ipv4Addr::LOCALHOST.into(), to).await?;
    client.hello().await?;
    client.sends(RECIPIENT, text).await?;
    client.quits().await
}

// --- idle ones ------------------------------------------------------------------------------------------

async fn idle(image: &Path) {
    for (name, tls) in [("plain", None), ("TLS", Some(client::tls(&accepting::ca(), Sessions::New)))] {
        let server = Server::Gatepost.start(image, &accepting::setup());
        println!("{IDLE} idle connections, {name}");
        println!("  before  {}", Room::of(&server));
        let begun = Instant::now();
        let held = hold(server.address, tls).await;
        let room = Room::of(&server);
        let (mb, bar) = (IDLE_RSS_MAX >> 20, if room.rss < IDLE_RSS_MAX { "inside" } else { "OVER" });
        println!("  with    {room}, {bar} {mb} MB; connected in {:.1?}", begun.elapsed());
        println!("  meanwhile {}", good(server.address).await);
        drop(held);
        server.stop(accepting::kept);
    }
}

/// Something that stays connected for as long as it is held.
trait Held: Send {}
impl<S: AsyncRead + AsyncWrite + Send> Held for Client<S> {}

async fn hold(to: SocketAddr, tls: Option<TlsConnector>) -> Vec<Box<dyn Held>> {
    let (mut connecting, mut held) = (JoinSet::new(), Vec::with_capacity(IDLE));
    for n in 0..IDLE {
        let tls = tls.clone();
        connecting.spawn(async move { one_idle(n, to, tls).await.unwrap_or_else(|why| panic!("client {n}: {why}")) });
        if connecting.len() >= AT_ONCE {
            held.extend(connecting.join_next().await.map(Result::unwrap));
        }
    }
    held.extend(connecting.join_all().await);
    held
}

async fn one_idle(n: usize, to: SocketAddr, tls: Option<TlsConnector>) -> io::Result<Box<dyn Held>> {
    let mut client = client::connect(address(n), to).await?;
    client.hello().await?;
    let Some(tls) = tls else {
        return Ok(Box::new(client));
    };
    let mut client = client.starttls(&tls).await?;
    client.hello().await?;
    Ok(Box::new(client))
}

/// What the server takes up.
struct Room {
    rss: u64,
    files: usize,
}

impl Room {
    fn of(server: &Working) -> Self {
        let process = format!("/proc/{}", server.warded.pid);
        let rss = 1024 * kilobytes(&format!("{process}/status"), "VmRSS:");
        Self { rss, files: std::fs::read_dir(format!("{process}/fd")).map_or(0, Iterator::count) }
    }
}

impl std::fmt::Display for Room {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RSS {} MB, {} file descriptors", self.rss >> 20, self.files)
    }
}

//! Accepting mail with the durable commit, beside Postfix: 10 KB, 50 sessions, the two servers in turn on
//! one freshly made ext4 image, both only accepting. The load is smtp-source's, from Debian's postfix, and
//! with TLS, which that has not, our own.
//!
//! Prints accepted messages a second, CPU seconds of the server's processes per 1,000 messages (from
//! their start to their end, less those of a start and an end without mail), and memory under load.
//! Then Gatepost alone with clients that only take up room (beside/crowd.rs). As root, for the image and
//! for Postfix:
//!
//!     cargo bench --bench accept            GATEPOST_BENCH_MAILS=20000 GATEPOST_BENCH_ROUNDS=5 for a longer run
//!     cargo bench --bench accept -- crowd   GATEPOST_BENCH_DIR=/dev/shm for the image elsewhere

#[path = "beside/accepting.rs"]
mod accepting;
#[path = "beside/client.rs"]
mod client;
#[path = "beside/crowd.rs"]
mod crowd;
#[path = "beside/disk.rs"]
mod disk;
#[allow(dead_code, reason = "what is only accepted is not signed")]
#[path = "beside/opendkim.rs"]
mod opendkim;
#[path = "../tests/support/peers.rs"]
mod peers;
#[path = "../tests/support/ports.rs"]
mod ports;
#[path = "beside/servers.rs"]
mod servers;
#[path = "beside/warden.rs"]
mod warden;

use accepting::RECIPIENT;
use client::Sessions;
use disk::Image;
use nix::sys::resource::{UsageWho, getrusage};
use servers::{Server, Working};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio_rustls::TlsConnector;

const SESSIONS: usize = 50;
const BYTES: usize = 10 * 1024;

/// Sent before the clock starts, so that processes, caches and the queue's folders are there.
const WARM_UP: usize = 500;

/// How the mail comes.
#[derive(Clone, Copy)]
enum Load {
    /// smtp-source: each session keeps its connection.
    Kept,
    /// smtp-source: a connection for each message.
    Each,
    /// Ours: STARTTLS on a connection for each message.
    Starttls(Sessions),
}

const LOADS: [(&str, Load); 4] = [
    ("plain, connections kept", Load::Kept),
    ("plain, one connection per message", Load::Each),
    ("STARTTLS, one connection per message, new sessions", Load::Starttls(Sessions::New)),
    ("STARTTLS, one connection per message, resumed", Load::Starttls(Sessions::Resumed)),
];

fn main() {
    warden::serve_if_asked();
    disk::enter_namespace();
    let image = Image::make();
    println!("{}: {} µs a flush; load average {}", image.about, image.flush().as_micros(), load_average());
    if !std::env::args().any(|word| word == "crowd") {
        compare(image.path());
        println!("load average {}\n", load_average());
    }
    crowd::run(image.path());
    println!("load average {}", load_average());
}

fn compare(image: &Path) {
    let (mails, rounds) = (setting("GATEPOST_BENCH_MAILS", 10_000), setting("GATEPOST_BENCH_ROUNDS", 3));
    println!("{mails} mails of {BYTES} bytes by {SESSIONS} sessions, {rounds} rounds in turn; both only accept");
    let idle = [Server::Gatepost, Server::Postfix]
        .map(|server| server.start(image, &accepting::setup()).stop(accepting::kept).0);
    println!("a start and an end without mail: CPU {:.2?} and {:.2?}\n", idle[0], idle[1]);
    for (name, load) in LOADS {
        let mut sums = [Sum::default(), Sum::default()];
        for _ in 0..rounds {
            for (sum, server, idle) in [(0, Server::Gatepost, idle[0]), (1, Server::Postfix, idle[1])] {
                sums[sum].add(&measure(server, load, mails, image), idle);
            }
        }
        print(name, &sums);
    }
}

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

fn load_average() -> String {
    std::fs::read_to_string("/proc/loadavg").unwrap_or_default().split(' ').take(3).collect::<Vec<_>>().join(" ")
}

/// One run of one server.
struct Measured {
    mails: usize,
    took: Duration,
    /// By the server, warm-up, start and end included.
    cpu: Duration,
    /// By whoever sent.
    sender_cpu: Duration,
    memory: u64,
}

fn measure(server: Server, load: Load, mails: usize, image: &Path) -> Measured {
    let working = server.start(image, &accepting::setup());
    send(&working, load, WARM_UP);
    let (begun, before) = (Instant::now(), sender_cpu());
    send(&working, load, mails);
    let (took, sender_cpu) = (begun.elapsed(), sender_cpu() - before);
    let memory = working.memory();
    let (cpu, kept) = working.stop(accepting::kept);
    assert_eq!(kept, WARM_UP + mails, "{server:?} keeps another number of messages than it took");
    Measured { mails, took, cpu, sender_cpu, memory }
}

/// Our own time and that of the programs that have ended; no server ends while this is asked.
fn sender_cpu() -> Duration {
    let used = [UsageWho::RUSAGE_SELF, UsageWho::RUSAGE_CHILDREN].map(|who| getrusage(who).unwrap());
    let time = |t: nix::sys::time::TimeVal| Duration::new(t.tv_sec() as u64, t.tv_usec() as u32 * 1_000);
    used.iter().map(|used| time(used.user_time()) + time(used.system_time())).sum()
}

fn send(working: &Working, load: Load, mails: usize) {
    match load {
        Load::Kept => smtp_source(working, &["-d"], mails),
        Load::Each => smtp_source(working, &[], mails),
        Load::Starttls(sessions) => starttls(working, client::tls(&accepting::ca(), sessions), mails),
    }
}

fn smtp_source(working: &Working, words: &[&str], mails: usize) {
    let mut command = peers::Programs::find().command("smtp-source");
    command.args(words).args(["-s", &SESSIONS.to_string(), "-l", &BYTES.to_string(), "-m", &mails.to_string()]);
    command.args(["-f", "someone@far.example", "-t", RECIPIENT, &working.address.to_string()]);
    let output = command.stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{}", working.log());
}

fn starttls(working: &Working, tls: TlsConnector, mails: usize) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (next, text, to) = (Arc::new(AtomicUsize::new(0)), Arc::new(client::text(BYTES)), working.address);
    runtime.block_on(async {
        let sessions: Vec<_> = (0..SESSIONS)
            .map(|_| {
                let (next, text, tls) = (next.clone(), text.clone(), tls.clone());
                tokio::spawn(async move {
                    while next.fetch_add(1, Ordering::Relaxed) < mails {
                        one_by_starttls(to, &tls, &text).await.unwrap();
                    }
                })
            })
            .collect();
        for session in sessions {
            session.await.unwrap();
        }
    });
}

async fn one_by_starttls(to: SocketAddr, tls: &TlsConnector, text: &[u8]) -> std::io::Result<()> {
    let mut client = client::connect(Ipv4Addr::LOCALHOST.into(), to).await?;
    client.hello().await?;
    let mut client = client.starttls(tls).await?;
    client.hello().await?;
    client.sends(RECIPIENT, text).await?;
    client.quits().await
}

/// All rounds of one server.
#[derive(Default)]
struct Sum {
    rates: Vec<f64>,
    cpu_per_1000: Vec<f64>,
    sender_cpu_per_1000: Vec<f64>,
    memory: u64,
}

impl Sum {
    fn add(&mut self, measured: &Measured, idle: Duration) {
        let thousands = measured.mails as f64 / 1_000.0;
        let thousands_in_all = (measured.mails + WARM_UP) as f64 / 1_000.0;
        self.rates.push(measured.mails as f64 / measured.took.as_secs_f64());
        self.cpu_per_1000.push(measured.cpu.saturating_sub(idle).as_secs_f64() / thousands_in_all);
        self.sender_cpu_per_1000.push(measured.sender_cpu.as_secs_f64() / thousands);
        self.memory = self.memory.max(measured.memory);
    }
}

fn mean(of: &[f64]) -> f64 {
    of.iter().sum::<f64>() / of.len() as f64
}

fn all(of: &[f64], digits: usize) -> String {
    of.iter().map(|one| format!("{one:.digits$}")).collect::<Vec<_>>().join(" ")
}

fn print(name: &str, [gatepost, postfix]: &[Sum; 2]) {
    println!("{name}");
    for (server, sum) in [("Gatepost", gatepost), ("Postfix", postfix)] {
        println!(
            "  {server:<9}{:>7.0} mails/s ({})   CPU {:.3} s per 1,000 ({})   sender {:.3}   {} MB",
            mean(&sum.rates),
            all(&sum.rates, 0),
            mean(&sum.cpu_per_1000),
            all(&sum.cpu_per_1000, 3),
            mean(&sum.sender_cpu_per_1000),
            sum.memory >> 20,
        );
    }
    let faster = mean(&gatepost.rates) / mean(&postfix.rates);
    let cheaper = mean(&postfix.cpu_per_1000) / mean(&gatepost.cpu_per_1000);
    println!("  {faster:.1} times the mails a second (bar: 3), at 1/{cheaper:.1} of the CPU (bar: 1/5)\n");
}

//! The whole way through: submission, durable queue, smarthost; beside Postfix, in turn, on one freshly made
//! ext4 image. 10 KB, 50 sessions that keep their connections, everything in the clear. Generator, server and
//! smarthost share the machine; the generator is Debian's smtp-source, the smarthost our own
//! (beside/taker.rs), and for a cross-check Postfix's smtp-sink.
//!
//! Prints messages a second from the first submission to the last arrival, CPU seconds per 1,000 messages of
//! all processes of the server (from their start to their end, less those of a start and an end without
//! mail) and beside them the generator's and the smarthost's, and memory at its peak. Further rows: flushes
//! that take 1 ms longer, a smarthost 50 ms away, and mail that was put off once. One row has every message
//! signed, Postfix's by OpenDKIM (`sh tests/support/peers.sh opendkim` unpacks it). As root:
//!
//!     cargo bench --bench relay                  GATEPOST_BENCH_MAILS=20000 GATEPOST_BENCH_ROUNDS=5 for a longer run
//!     cargo bench --bench relay -- postfix       one of them alone: postfix, gatepost
//!     cargo bench --bench relay -- near far      some rows alone: near signed chunks slow far deferred smtp-sink

#[path = "beside/disk.rs"]
mod disk;
#[path = "beside/far.rs"]
mod far;
#[path = "beside/flush.rs"]
mod flush;
#[path = "beside/opendkim.rs"]
mod opendkim;
#[path = "../tests/support/peers.rs"]
mod peers;
#[path = "../tests/support/ports.rs"]
mod ports;
#[path = "beside/relaying.rs"]
mod relaying;
#[path = "beside/servers.rs"]
mod servers;
#[path = "beside/taker.rs"]
mod taker;
#[path = "beside/warden.rs"]
mod warden;

use disk::Image;
use far::Far;
use flush::Slow;
use nix::sys::resource::{UsageWho, getrusage};
use opendkim::Signer;
use peers::Programs;
use relaying::{RECIPIENT, SENDER};
use servers::{Server, Setup, Working};
use std::net::SocketAddr;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use taker::{CHUNKING, PIPELINING, Taker, Tally};

const SESSIONS: usize = 50;
const BYTES: usize = 10 * 1024;

/// Sent before the clock starts, so that processes, caches, connections and the queue's folders are there.
const WARM_UP: usize = 500;

const SLOWER_FLUSH: Duration = Duration::from_millis(1);
const FAR: Duration = Duration::from_millis(50);
/// Between two looks at the memory of a server.
const LOOK: Duration = Duration::from_millis(400);

struct Bench {
    image: Image,
    servers: Vec<Server>,
    /// CPU time of a start and an end without mail, of each.
    idle: Vec<Duration>,
    mails: usize,
    rounds: usize,
}

fn main() {
    warden::serve_if_asked();
    taker::serve_if_asked();
    disk::enter_namespace();
    let bench = Bench::new();
    let direct = if wanted("near") { bench.near() } else { Vec::new() };
    for (row, run) in [
        ("signed", Bench::signed as fn(&Bench)),
        ("chunks", Bench::chunks),
        ("slow", Bench::slow_flushes),
        ("far", Bench::far_away),
        ("smtp-sink", Bench::smtp_sink),
    ] {
        if wanted(row) {
            run(&bench);
        }
    }
    if wanted("deferred") {
        bench.deferred(&direct);
    }
    println!("load average {}", load_average());
}

const ROWS: [&str; 7] = ["near", "signed", "chunks", "slow", "far", "deferred", "smtp-sink"];

/// Was this row asked for, or none by name?
fn wanted(row: &str) -> bool {
    let mut named = std::env::args().filter(|word| ROWS.contains(&word.as_str())).peekable();
    named.peek().is_none() || named.any(|word| word == row)
}

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

fn load_average() -> String {
    std::fs::read_to_string("/proc/loadavg").unwrap_or_default().split(' ').take(3).collect::<Vec<_>>().join(" ")
}

// --- the rows ------------------------------------------------------------------------------------------

impl Bench {
    fn new() -> Self {
        let words: Vec<String> = std::env::args().collect();
        let named = |server: &Server| words.contains(&format!("{server:?}").to_lowercase());
        let both = [Server::Gatepost, Server::Postfix];
        let mut servers: Vec<_> = both.into_iter().filter(named).collect();
        if servers.is_empty() {
            servers = both.to_vec();
        }
        let image = Image::make();
        println!("{}: {} µs a flush; load average {}", image.about, image.flush().as_micros(), load_average());
        let nowhere = ports::loopback();
        let stop = |server: &Server| {
            server.start(image.path(), &relaying::setup(nowhere, Vec::new())).stop(relaying::waiting).0
        };
        let idle: Vec<_> = servers.iter().map(stop).collect();
        println!("a start and an end without mail: CPU {idle:.2?} of {servers:?}\n");
        let (mails, rounds) = (setting("GATEPOST_BENCH_MAILS", 10_000), setting("GATEPOST_BENCH_ROUNDS", 3));
        Self { image, servers, idle, mails, rounds }
    }

    /// Rates, in the order of the servers.
    fn near(&self) -> Vec<f64> {
        let sums = self.compare(self.rounds, |server| {
            let mut taker = Taker::start(&[PIPELINING]);
            let setup = relaying::setup(taker.address, Vec::new());
            self.measure(server, &setup, &mut taker, self.mails)
        });
        self.print(&format!("{} mails, smarthost beside", self.mails), &sums);
        sums.iter().map(|sum| mean(&sum.rates)).collect()
    }

    /// RSA-2048; Postfix with OpenDKIM.
    fn signed(&self) {
        let signer = Signer::new(self.image.path(), relaying::DOMAIN);
        let sums = self.compare(self.rounds, |server| {
            let mut taker = Taker::start(&[PIPELINING]);
            let setup = relaying::signing(taker.address, &signer);
            let measured = self.measure(server, &setup, &mut taker, self.mails);
            assert_eq!(measured.tally.signed, self.mails as u64, "{server:?} sends mail that is not signed");
            measured
        });
        self.print(&format!("{} mails, each signed (RSA-2048), smarthost beside", self.mails), &sums);
    }

    fn chunks(&self) {
        let sums = self.compare(self.rounds, |server| {
            let mut taker = Taker::start(&[PIPELINING, CHUNKING]);
            let setup = relaying::setup(taker.address, Vec::new());
            self.measure(server, &setup, &mut taker, self.mails)
        });
        self.print(&format!("{} mails, smarthost beside that knows CHUNKING", self.mails), &sums);
    }

    fn slow_flushes(&self) {
        let slow = Slow::by(SLOWER_FLUSH);
        let mut flushes = vec![0.0; self.servers.len()];
        let sums = self.compare(self.rounds, |server| {
            let mut taker = Taker::start(&[PIPELINING]);
            let setup = relaying::setup(taker.address, slow.environment());
            slow.flushes();
            let measured = self.measure(server, &setup, &mut taker, self.mails);
            let at = self.servers.iter().position(|one| *one == server).unwrap();
            flushes[at] += slow.flushes() as f64 / (self.mails + WARM_UP) as f64 / self.rounds as f64;
            measured
        });
        self.print(&format!("{} mails, every flush {SLOWER_FLUSH:?} longer", self.mails), &sums);
        println!("  flushes a message: {} of {:?}\n", all(&flushes, 3), self.servers);
    }

    fn far_away(&self) {
        let mails = self.mails / 5;
        let mut turns = vec![0.0; self.servers.len()];
        let sums = self.compare(1, |server| {
            let mut taker = Taker::start(&[PIPELINING]);
            let far = Far::from(taker.address, FAR);
            let setup = relaying::setup(far.address, Vec::new());
            let measured = self.measure(server, &setup, &mut taker, mails);
            let at = self.servers.iter().position(|one| *one == server).unwrap();
            turns[at] = measured.tally.turns as f64 / measured.tally.warm as f64;
            measured
        });
        self.print(&format!("{mails} mails, smarthost {FAR:?} away (there and back)"), &sums);
        println!("  round trips a message on a warm connection: {} of {:?}\n", all(&turns, 2), self.servers);
    }

    /// Put off once, then taken: at what rate they drain, against the direct one.
    fn deferred(&self, direct: &[f64]) {
        let mails = setting("GATEPOST_BENCH_DEFERRED", 20_000);
        println!("{mails} mails that were put off, from the first arrival to the last");
        for (at, server) in self.servers.iter().enumerate() {
            let mut taker = Taker::start(&[PIPELINING]);
            let working = server.start(self.image.path(), &relaying::setup(taker.address, Vec::new()));
            taker.defers(true);
            smtp_source(&working, mails);
            taker.deferred(mails);
            taker.forget();
            taker.defers(false);
            let begun = Instant::now();
            let tally = taker.took(mails);
            let rate = mails as f64 / tally.between.as_secs_f64();
            let whole = begun.elapsed();
            let share =
                direct.get(at).map_or(String::new(), |direct| format!(", {:.2} of the direct rate", rate / direct));
            println!("  {:<9}{rate:>7.0} mails/s{share}; {whole:.1?} with the wait before", format!("{server:?}"));
            settled(*server, &working);
            working.stop(|_, _| ());
        }
        println!();
    }

    /// The same with a smarthost that is Postfix's; without warm-up, because it counts and stops by itself.
    fn smtp_sink(&self) {
        println!("{} mails to smtp-sink", self.mails);
        for server in &self.servers {
            let address = ports::loopback();
            let mut sink = spawn_smtp_sink(address, self.mails);
            let working = server.start(self.image.path(), &relaying::setup(address, Vec::new()));
            let begun = Instant::now();
            smtp_source(&working, self.mails);
            let ended = sink.wait().unwrap();
            let rate = self.mails as f64 / begun.elapsed().as_secs_f64();
            println!("  {:<9}{rate:>7.0} mails/s ({ended})", format!("{server:?}"));
            // It goes with the last message, and may leave its answer unsaid: that one is tried again in vain.
            working.stop(|_, _| ());
        }
        println!();
    }

    /// In turn, so many times.
    fn compare(&self, rounds: usize, mut measure: impl FnMut(Server) -> Measured) -> Vec<Sum> {
        let mut sums: Vec<_> = self.servers.iter().map(|_| Sum::default()).collect();
        for _ in 0..rounds {
            for (at, server) in self.servers.iter().enumerate() {
                sums[at].add(&measure(*server), self.idle[at]);
            }
        }
        sums
    }

    fn measure(&self, server: Server, setup: &Setup, taker: &mut Taker, mails: usize) -> Measured {
        let working = server.start(self.image.path(), setup);
        smtp_source(&working, WARM_UP);
        let before = taker.took(WARM_UP);
        taker.forget();
        let (begun, generator) = (Instant::now(), children_cpu());
        let (tally, memory) = watched(&working, || {
            smtp_source(&working, mails);
            taker.took(mails)
        });
        let took = begun.elapsed();
        let generator = children_cpu() - generator;
        settled(server, &working);
        let (cpu, waiting) = working.stop(relaying::waiting);
        assert_eq!(waiting, 0, "{server:?} keeps messages that have arrived");
        assert_eq!(tally.messages, mails as u64, "{server:?} delivered more than it was given");
        Measured { mails, took, cpu, generator, taker: tally.cpu - before.cpu, memory, tally }
    }

    fn print(&self, name: &str, sums: &[Sum]) {
        println!("{name}");
        for (server, sum) in self.servers.iter().zip(sums) {
            println!(
                "  {:<9}{:>7.0} mails/s ({})   CPU {:.3} s per 1,000 ({}); generator {:.3}, smarthost {:.3}   {} MB",
                format!("{server:?}"),
                mean(&sum.rates),
                all(&sum.rates, 0),
                mean(&sum.cpu_per_1000),
                all(&sum.cpu_per_1000, 3),
                mean(&sum.generator_per_1000),
                mean(&sum.taker_per_1000),
                sum.memory >> 20,
            );
        }
        if let [ours, theirs] = sums {
            let faster = mean(&ours.rates) / mean(&theirs.rates);
            let cheaper = mean(&theirs.cpu_per_1000) / mean(&ours.cpu_per_1000);
            println!("  {faster:.1} times the mails a second, at 1/{cheaper:.1} of the CPU");
        }
        println!();
    }
}

// --- one run -------------------------------------------------------------------------------------------

struct Measured {
    mails: usize,
    took: Duration,
    /// By the server, warm-up, start and end included.
    cpu: Duration,
    generator: Duration,
    taker: Duration,
    memory: u64,
    tally: Tally,
}

/// What the largest look at a server's memory saw while this ran.
fn watched<T>(server: &Working, run: impl FnOnce() -> T) -> (T, u64) {
    let (over, most) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                most.fetch_max(server.memory(), Ordering::Relaxed);
                std::thread::sleep(LOOK);
            }
        });
        let ran = run();
        over.store(true, Ordering::Relaxed);
        (ran, most.load(Ordering::Relaxed))
    })
}

/// Waits until the server knows that everything has arrived: a kill before would make it start again.
fn settled(server: Server, working: &Working) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while relaying::waiting(server, &working.folder) > 0 {
        assert!(
            Instant::now() < deadline,
            "{server:?} (process {}) does not come to rest\n{}",
            working.warded.pid,
            working.log()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Of the programs that have ended; no server ends while this is asked.
fn children_cpu() -> Duration {
    let used = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    let time = |t: nix::sys::time::TimeVal| Duration::new(t.tv_sec() as u64, t.tv_usec() as u32 * 1_000);
    time(used.user_time()) + time(used.system_time())
}

fn smtp_source(working: &Working, mails: usize) {
    let mut command = Programs::find().command("smtp-source");
    command.args(["-d", "-s", &SESSIONS.to_string(), "-l", &BYTES.to_string(), "-m", &mails.to_string()]);
    command.args(["-f", SENDER, "-t", RECIPIENT, &working.address.to_string()]);
    let output = command.stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{}", working.log());
}

/// It ends when it has so many.
fn spawn_smtp_sink(address: SocketAddr, mails: usize) -> Child {
    let mut command = Programs::find().command("smtp-sink");
    // As root it insists on becoming somebody else.
    command.args(["-u", "nobody", "-M", &mails.to_string(), &address.to_string(), "1024"]);
    let child = command.stdout(Stdio::null()).spawn().unwrap();
    let listens = || std::net::TcpStream::connect(address).is_ok();
    let deadline = Instant::now() + Duration::from_secs(10);
    while !listens() {
        assert!(Instant::now() < deadline, "smtp-sink does not listen at {address}");
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

/// All rounds of one server.
#[derive(Default)]
struct Sum {
    rates: Vec<f64>,
    cpu_per_1000: Vec<f64>,
    generator_per_1000: Vec<f64>,
    taker_per_1000: Vec<f64>,
    memory: u64,
}

impl Sum {
    fn add(&mut self, measured: &Measured, idle: Duration) {
        let thousands = measured.mails as f64 / 1_000.0;
        let thousands_in_all = (measured.mails + WARM_UP) as f64 / 1_000.0;
        self.rates.push(measured.mails as f64 / measured.took.as_secs_f64());
        self.cpu_per_1000.push(measured.cpu.saturating_sub(idle).as_secs_f64() / thousands_in_all);
        self.generator_per_1000.push(measured.generator.as_secs_f64() / thousands);
        self.taker_per_1000.push(measured.taker.as_secs_f64() / thousands);
        self.memory = self.memory.max(measured.memory);
    }
}

fn mean(of: &[f64]) -> f64 {
    of.iter().sum::<f64>() / of.len() as f64
}

fn all(of: &[f64], digits: usize) -> String {
    of.iter().map(|one| format!("{one:.digits$}")).collect::<Vec<_>>().join(" ")
}

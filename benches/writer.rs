//! What the two commits of a mail's life cost: accept (message, 10 KB body, delivery, event) and settle
//! (state, attempt, event), by 64 writers at once, each waiting for its answer as a connection would.
//!
//! Prints mails/s, CPU per mail over the whole process, and bytes written per mail; on SQLite with every
//! commit flushed, the same while a purge runs, and on PostgreSQL when GATEPOST_BENCH_POSTGRES names one.
//!
//!     cargo bench --bench writer            GATEPOST_BENCH_MAILS=100000 for a longer run

#[path = "../tests/support/mails.rs"]
mod mails;

use gatepost::base::clock::Clock;
use gatepost::base::random::Random;
use gatepost::base::secret::Secret;
use gatepost::model::delivery::State;
use gatepost::store::Store;
use gatepost::store::dialect::Location;
use gatepost::store::open::Opening;
use mails::Mails;
use metrics_exporter_prometheus::PrometheusHandle;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

// As in the daemon: the figures are of the same allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const WRITERS: usize = 64;
const BODY_BYTES: usize = 10 * 1024;

fn main() {
    let mails: u64 = std::env::var("GATEPOST_BENCH_MAILS").ok().and_then(|n| n.parse().ok()).unwrap_or(60_000);
    // As in the daemon, too: the price of keeping count is part of the figures.
    let metrics = metrics_exporter_prometheus::PrometheusBuilder::new().install_recorder().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let dir = tempfile::tempdir_in(std::env::var("GATEPOST_BENCH_DIR").unwrap_or_else(|_| ".".into())).unwrap();
    println!("{WRITERS} writers, {BODY_BYTES} byte bodies, {mails} mails; each mail is two durable commits");
    println!("{:<28} {:>9} {:>12} {:>14} {:>8}", "", "mails/s", "CPU µs/mail", "bytes/mail", "group");
    let sqlite = Location::File(dir.path().join("plain.db"));
    runtime.block_on(run("SQLite, FULL", sqlite, mails, Purge::None, &metrics));
    let sqlite = Location::File(dir.path().join("purge.db"));
    runtime.block_on(run("SQLite, FULL, purging", sqlite, mails, Purge::Running, &metrics));
    match std::env::var("GATEPOST_BENCH_POSTGRES") {
        Ok(url) => {
            let postgres = Location::parse(&url, Path::new(".")).unwrap();
            runtime.block_on(run("PostgreSQL (our side)", postgres, mails, Purge::None, &metrics));
        }
        Err(_) => println!("PostgreSQL: not run; GATEPOST_BENCH_POSTGRES=postgres://… names an empty database"),
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Purge {
    None,
    Running,
}

async fn run(name: &str, location: Location, mails: u64, purge: Purge, metrics: &PrometheusHandle) {
    let opening = Opening {
        location,
        read_connections: 2,
        write_connections: 2,
        master_key: Secret::new(vec![7; 32]),
        clock: Clock::System,
        random: Random::System,
    };
    let store = Arc::new(Store::open(opening).await.unwrap());
    let lease = store.start_node("bench", "0").await.unwrap();
    let mails_of = Arc::new(Mails::new(lease));
    let body = Arc::new(mails::body(&mails_of.random, BODY_BYTES));
    if purge == Purge::Running {
        write_all(&store, &mails_of, &body, mails).await;
    }
    let done = Arc::new(AtomicBool::new(false));
    let purging = (purge == Purge::Running).then(|| tokio::spawn(purge_until(store.clone(), done.clone())));
    let before = Usage::now(metrics);
    let begun = Instant::now();
    write_all(&store, &mails_of, &body, mails).await;
    let took = begun.elapsed();
    let used = Usage::now(metrics).since(&before);
    done.store(true, Ordering::Relaxed);
    let purged = match purging {
        Some(task) => format!("  ({} bodies purged meanwhile)", task.await.unwrap()),
        None => String::new(),
    };
    println!(
        "{name:<28} {:>9.0} {:>12.1} {:>14.0} {:>8.1}{purged}",
        mails as f64 / took.as_secs_f64(),
        used.cpu.as_micros() as f64 / mails as f64,
        used.written as f64 / mails as f64,
        used.commands / used.groups,
    );
}

/// Purges what was delivered so far, again and again: there is a purge at work from the first mail to
/// the last.
async fn purge_until(store: Arc<Store>, done: Arc<AtomicBool>) -> u64 {
    let mut purged = 0;
    while !done.load(Ordering::Relaxed) {
        purged += store.purge_bodies(Clock::System.now()).await.unwrap();
    }
    purged
}

async fn write_all(store: &Arc<Store>, mails_of: &Arc<Mails>, body: &Arc<Vec<u8>>, mails: u64) {
    let next = Arc::new(AtomicU64::new(0));
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| {
            let (store, mails_of, body, next) = (store.clone(), mails_of.clone(), body.clone(), next.clone());
            tokio::spawn(async move {
                while next.fetch_add(1, Ordering::Relaxed) < mails {
                    let mut mail = mails_of.mail(body.to_vec());
                    store.write(std::mem::take(&mut mail.accept)).await.unwrap();
                    store.write(mails_of.settle(&mail, State::Delivered)).await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
}

/// What this process has used so far.
struct Usage {
    cpu: Duration,
    written: u64,
    /// Groups that the writer committed, and the commands in them.
    groups: f64,
    commands: f64,
}

impl Usage {
    fn now(metrics: &PrometheusHandle) -> Self {
        let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF).unwrap();
        let time = |t: nix::sys::time::TimeVal| Duration::new(t.tv_sec() as u64, t.tv_usec() as u32 * 1_000);
        let io = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
        let written = io.lines().find_map(|line| line.strip_prefix("write_bytes: ")).and_then(|n| n.parse().ok());
        let text = metrics.render();
        let metric = |name: &str| {
            let name = format!("gatepost_store_{name} ");
            text.lines().find_map(|line| line.strip_prefix(&name)).and_then(|n| n.parse().ok()).unwrap_or(0.0)
        };
        Self {
            cpu: time(usage.user_time()) + time(usage.system_time()),
            written: written.unwrap_or(0),
            groups: metric("commit_seconds_count"),
            commands: metric("commands_total"),
        }
    }

    fn since(&self, earlier: &Self) -> Self {
        Self {
            cpu: self.cpu - earlier.cpu,
            written: self.written - earlier.written,
            groups: self.groups - earlier.groups,
            commands: self.commands - earlier.commands,
        }
    }
}

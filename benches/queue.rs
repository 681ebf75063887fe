//! A queue of a million waiting deliveries for 50,000 destinations of 20 tenants: how soon a daemon that
//! starts on it takes the first, how long an operator's page takes with each filter, and how fast rows are
//! claimed, made ready and recovered. On SQLite; every commit is flushed.
//!
//!     cargo bench --bench queue             GATEPOST_BENCH_WAITING=100000 for a shorter run

use gatepost::base::clock::Clock;
use gatepost::base::id::{self, DeliveryId, MessageId, TenantId};
use gatepost::base::random::Random;
use gatepost::base::secret::Secret;
use gatepost::model::delivery::{Claim, Delivery, Lease, State};
use gatepost::queue::inspect::{Filter, Which};
use gatepost::store::dialect::Location;
use gatepost::store::open::Opening;
use gatepost::store::queue::Lane;
use gatepost::store::{Change, Store};
use rusqlite::{Connection, params};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

// As in the daemon: the figures are of the same allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const TENANTS: u64 = 20;
const DESTINATIONS: u64 = 50_000;
const CLAIMED: usize = 100_000;
const LEASED: usize = 10_000;

fn main() {
    let waiting: u64 = std::env::var("GATEPOST_BENCH_WAITING").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000_000);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let dir = tempfile::tempdir_in(std::env::var("GATEPOST_BENCH_DIR").unwrap_or_else(|_| ".".into())).unwrap();
    let path = dir.path().join("queue.db");
    runtime.block_on(async { open(&path).await.close().await });
    let begun = Instant::now();
    let tenants = fill(&path, waiting);
    tell("filled", &format!("{waiting} rows in {:.1} s", begun.elapsed().as_secs_f64()), "");
    runtime.block_on(measure(&path, &tenants));
}

async fn open(path: &Path) -> Store {
    let opening = Opening {
        location: Location::File(path.to_owned()),
        read_connections: 2,
        write_connections: 1,
        master_key: Secret::new(vec![7; 32]),
        clock: Clock::System,
        random: Random::System,
    };
    Store::open(opening).await.unwrap()
}

fn tell(what: &str, figure: &str, bar: &str) {
    println!("{what:<44} {figure:>28}   {bar}");
}

/// Behind the store's back and in one transaction: what it measures is not the filling.
fn fill(path: &Path, waiting: u64) -> Vec<TenantId> {
    let (clock, random) = (Clock::System, Random::seeded(1));
    let mut connection = Connection::open(path).unwrap();
    connection.execute_batch("PRAGMA synchronous = OFF; PRAGMA cache_size = -200000").unwrap();
    let tenants: Vec<TenantId> = (0..TENANTS).map(|_| id::new(clock.now(), &random)).collect();
    let all = connection.transaction().unwrap();
    {
        let mut messages = all
            .prepare(
                "INSERT INTO messages (id, tenant_id, origin, sender, from_domain, subject, header_id, stream, size,
                 details, created_at) VALUES (?, ?, 'submitted', ?, ?, 'Your order has been sent', ?, ?, 10000, ?, ?)",
            )
            .unwrap();
        let mut deliveries = all
            .prepare(
                "INSERT INTO deliveries (id, message_id, tenant_id, stream, recipient, destination, state, reason,
                 attempts, due_at, expires_at, details, created_at, updated_at)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '{}', ?, ?)",
            )
            .unwrap();
        let origin = clock.now().minus(Duration::from_secs(86_400));
        for n in 0..waiting {
            let at = origin.plus(Duration::from_micros(n * 86_400_000_000 / waiting));
            let (message, delivery): (MessageId, DeliveryId) = (id::new(at, &random), id::new(at, &random));
            let tenant = tenants[(n % TENANTS) as usize].as_str();
            let domain = format!("d{:05}.example", random.below(DESTINATIONS));
            let sender = format!("s{}.example", n % 100);
            let stream = if n % 3 == 0 { "transactional" } else { "bulk" };
            let tag = if n % 50_000 == 0 { r#"{"tags":["rare"]}"# } else { r#"{"tags":["order"]}"# };
            let (state, reason) = match n % 100 {
                0 => ("held", Some("held by a rule")),
                1..=30 => ("deferred", Some("451 4.7.1 try again later")),
                31 => ("scheduled", None),
                _ => ("ready", None),
            };
            let header = format!("<{message}@{sender}>");
            let micros = at.micros();
            let row = params![message.as_str(), tenant, format!("app@{sender}"), sender, header, stream, tag, micros];
            messages.execute(row).unwrap();
            let recipient = format!("someone{}@{domain}", n % 7);
            let due = if state == "scheduled" { micros + 10 * 86_400_000_000 } else { micros };
            deliveries
                .execute(params![
                    delivery.as_str(),
                    message.as_str(),
                    tenant,
                    stream,
                    recipient,
                    format!("mx:{domain}"),
                    state,
                    reason,
                    i64::from(state == "deferred"),
                    due,
                    micros + 5 * 86_400_000_000,
                    micros,
                    micros
                ])
                .unwrap();
        }
    }
    all.commit().unwrap();
    tenants
}

async fn measure(path: &Path, tenants: &[TenantId]) {
    let begun = Instant::now();
    let store = Arc::new(open(path).await);
    let lease = store.start_node("bench", "0").await.unwrap();
    let lanes = store.ready_lanes(None).await.unwrap();
    let first = store.ready_page(&lanes[0], "", 100).await.unwrap();
    let claimed = store.write(claims(&first, &lease)).await.unwrap().claimed.len();
    tell(
        "open, lanes, first page, first claim",
        &format!("{claimed} in {} ms", begun.elapsed().as_millis()),
        "< 2000 ms",
    );
    pages(&store, tenants).await;
    claim(&store, &lanes, &lease).await;
    promote(&store).await;
    recover(&store, &lease).await;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let of = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("?").trim().to_owned();
    tell("resident, now and at most (with the filling)", &format!("{} / {}", of("VmRSS:"), of("VmHWM:")), "< 400 MB");
    store.close().await;
}

fn claims(found: &[Delivery], lease: &Lease) -> Change {
    let at = Clock::System.now();
    let claims = found.iter().map(|delivery| Claim {
        delivery: delivery.id.clone(),
        lease: lease.clone(),
        attempts: delivery.attempts + 1,
        due_at: at.plus(Duration::from_secs(60)),
        at,
    });
    Change { claims: claims.collect(), ..Change::default() }
}

async fn pages(store: &Store, tenants: &[TenantId]) {
    let none = Filter::default;
    let domain = |text: &str| Some(text.parse().unwrap());
    let filters = [
        ("all that waits", none()),
        ("state held", Filter { which: Which::In(State::Held), ..none() }),
        ("state deferred", Filter { which: Which::In(State::Deferred), ..none() }),
        ("state leased", Filter { which: Which::In(State::Leased), ..none() }),
        ("state bounced (there is none)", Filter { which: Which::In(State::Bounced), ..none() }),
        ("one of 20 tenants", Filter { tenant: Some(tenants[7].clone()), ..none() }),
        ("one of 50,000 recipient domains", Filter { recipient_domain: domain("d00777.example"), ..none() }),
        ("one of 50,000 destinations", Filter { destination: Some("mx:d00777.example".into()), ..none() }),
        ("one of 100 sender domains", Filter { sender_domain: domain("s42.example"), ..none() }),
        ("a tag of 20", Filter { tag: Some("rare".into()), ..none() }),
    ];
    for (name, filter) in filters {
        let (mut after, mut slowest, mut found, mut pages) = (String::new(), Duration::ZERO, 0, 0);
        for _ in 0..30 {
            let begun = Instant::now();
            let page = store.list(&filter, &after, 50).await.unwrap();
            slowest = slowest.max(begun.elapsed());
            (found, pages) = (found + page.items.len(), pages + 1);
            match page.next {
                Some(next) => after = next,
                None => break,
            }
        }
        let figure = format!("{found} in {pages} pages, {:.1} ms", slowest.as_secs_f64() * 1e3);
        tell(&format!("  slowest page: {name}"), &figure, "< 100 ms");
    }
    let (mut after, mut slowest) = (String::new(), Duration::ZERO);
    for _ in 0..30 {
        let begun = Instant::now();
        let page = store.destinations(&after, 50).await.unwrap();
        slowest = slowest.max(begun.elapsed());
        after = page.next.unwrap_or_default();
    }
    tell("  slowest page: destinations", &format!("{:.1} ms", slowest.as_secs_f64() * 1e3), "< 100 ms");
}

/// Four workers, each with lanes of its own, as dispatch would: a page, a claim, the next page.
async fn claim(store: &Arc<Store>, lanes: &[Lane], lease: &Lease) {
    let (begun, claimed) = (Instant::now(), Arc::new(AtomicUsize::new(0)));
    let workers: Vec<_> = (0..4)
        .map(|worker| {
            let lanes: Vec<Lane> = lanes.iter().skip(worker).step_by(4).cloned().collect();
            let (store, lease, claimed) = (store.clone(), lease.clone(), claimed.clone());
            tokio::spawn(async move {
                for lane in lanes {
                    let mut after = String::new();
                    while claimed.load(Ordering::Relaxed) < CLAIMED {
                        let found = store.ready_page(&lane, &after, 250).await.unwrap();
                        let Some(last) = found.last() else { break };
                        after = last.destination.clone();
                        let written = store.write(claims(&found, &lease)).await.unwrap();
                        claimed.fetch_add(written.claimed.len(), Ordering::Relaxed);
                    }
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
    rate("claimed, with their pages", claimed.load(Ordering::Relaxed), begun.elapsed());
}

async fn promote(store: &Store) {
    let begun = Instant::now();
    let promoted = store.promote_due(Clock::System.now()).await.unwrap();
    rate("made ready because due", promoted, begun.elapsed());
    let begun = Instant::now();
    assert_eq!(store.promote_due(Clock::System.now()).await.unwrap(), 0);
    tell("asked again when nothing is due", &format!("{:.1} ms", begun.elapsed().as_secs_f64() * 1e3), "");
}

/// A start under the same name finds what the one before had leased.
async fn recover(store: &Store, lease: &Lease) {
    let held = Connection::open(match store.location() {
        Location::File(path) => path,
        Location::Server(_) => unreachable!("opened as a file"),
    });
    let held = held.unwrap();
    // All but as many as the bar is set for are given back.
    held.execute_batch(&format!(
        "UPDATE deliveries SET state = 'ready', leased_by = NULL, leased_epoch = NULL WHERE id IN
         (SELECT id FROM deliveries WHERE state = 'leased' LIMIT -1 OFFSET {LEASED})"
    ))
    .unwrap();
    drop(held);
    let next = store.start_node("bench", "0").await.unwrap();
    assert_ne!(next, *lease);
    let (begun, mut recovered, mut slices, mut slowest) = (Instant::now(), 0, 0, Duration::ZERO);
    loop {
        let slice_begun = Instant::now();
        let slice = store.recover(&next).await.unwrap();
        slowest = slowest.max(slice_begun.elapsed());
        (recovered, slices) = (recovered + slice.recovered.len(), slices + 1);
        if !slice.more {
            break;
        }
    }
    rate("recovered, each with its event", recovered, begun.elapsed());
    tell("  slowest of its slices", &format!("{slices}, {:.1} ms", slowest.as_secs_f64() * 1e3), "");
}

fn rate(what: &str, rows: usize, took: Duration) {
    tell(what, &format!("{rows}: {:.0} rows/s", rows as f64 / took.as_secs_f64()), "");
}

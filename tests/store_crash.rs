//! kill -9 in the middle of the work: every answer that was heard is true in the store that the next
//! start opens. A few rounds in every `make test`, hundreds by `make crash`.

use crate::postgres::Cluster;
use crate::stores::Fresh;
use crate::worker::{Heard, Worker};
use gatepost::base::random::Random;
use gatepost::store::dialect::{Engine, Location};

const WRITERS: usize = 64;
const BODY_BYTES: usize = 2_000;

/// Kills the worker after this many answers were heard, at a moment of its own choosing.
fn round(fresh: &Fresh, answers: usize) -> Heard {
    let mut worker = Worker::started(&fresh.location, None);
    worker.tell(&format!("mails 10000000 {WRITERS} {BODY_BYTES}"));
    worker.until_accepted(answers);
    let heard = worker.kill();
    heard.check_reopened(fresh);
    assert!(heard.accepted.len() >= answers);
    assert_eq!((heard.refused.len(), heard.unsettled.len()), (0, 0), "nothing failed but the process");
    heard
}

/// Rounds over one store: what a crash left is what the next one works on.
fn rounds(engine: Engine, seed: u64, count: u64, answers_max: u64) -> (usize, usize) {
    let random = Random::seeded(seed);
    let fresh = Fresh::on(engine);
    let (mut accepted, mut settled, mut first) = (0, 0, None);
    for n in 0..count {
        let answers = 1 + random.below(answers_max) as usize;
        println!("crash: {} seed {seed} round {n}: killed after {answers} answers", engine.word());
        let heard = round(&fresh, answers);
        accepted += heard.accepted.len();
        settled += heard.settled.len();
        first.get_or_insert(heard);
    }
    // What was answered first has outlived every crash after it.
    first.expect("a round").check_reopened(&fresh);
    (accepted, settled)
}

#[test]
fn crash_sqlite() {
    rounds(Engine::Sqlite, 1, 4, 300);
}

#[test]
fn crash_postgres_client() {
    rounds(Engine::Postgres, 2, 3, 200);
}

/// The server dies as in a power cut while the client lives: it is told, waits, and goes on.
#[test]
fn crash_postgres_server() {
    let random = Random::seeded(3);
    let cluster = Cluster::private();
    let fresh = Fresh::at(Location::Server(cluster.create_database()));
    server_rounds(&cluster, &fresh, &random, 2);
}

fn server_rounds(cluster: &Cluster, fresh: &Fresh, random: &Random, count: u64) -> (usize, usize) {
    let mut worker = Worker::started(&fresh.location, None);
    worker.until("up", |line| line == "up");
    worker.tell(&format!("mails 10000000 {WRITERS} {BODY_BYTES}"));
    for n in 0..count {
        let answers = 1 + random.below(200) as usize;
        println!("crash: PostgreSQL's server, round {n}: killed after {answers} answers");
        worker.until_accepted(answers);
        cluster.crash();
        worker.until("down", |line| line.starts_with("down "));
        cluster.start();
        worker.until("up", |line| line == "up");
    }
    worker.until_accepted(50);
    let heard = worker.kill();
    heard.check_reopened(fresh);
    (heard.accepted.len(), heard.settled.len())
}

#[test]
#[ignore = "minutes: make crash"]
fn crash_long() {
    let seed = match std::env::var("GATEPOST_CRASH_SEED") {
        Ok(seed) => seed.parse().expect("GATEPOST_CRASH_SEED is a number"),
        Err(_) => Random::System.below(u64::from(u32::MAX)),
    };
    println!("crash: seed {seed} (GATEPOST_CRASH_SEED={seed} repeats it)");
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let (accepted, settled) = rounds(engine, seed, 100, 3_000);
        println!("crash: {}: 100 rounds, {accepted} accepted and {settled} settled mails, none lost", engine.word());
    }
    let cluster = Cluster::private();
    let fresh = Fresh::at(Location::Server(cluster.create_database()));
    let (accepted, settled) = server_rounds(&cluster, &fresh, &Random::seeded(seed), 20);
    println!("crash: PostgreSQL's server: 20 rounds, {accepted} accepted and {settled} settled mails, none lost");
}

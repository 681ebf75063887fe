//! kill -9 in the middle of the work, again and again on one store: whatever was answered is found at the
//! next start, whole. A line of the worker is written only after the answer, so what was heard was promised.

use crate::stores::Fresh;
use crate::worker::Worker;
use gatepost::base::random::Random;
use gatepost::store::dialect::Engine;
use std::time::Instant;

/// 64 writers with 10 KB mails, killed after a chance number of answers; every round reopens the store
/// that the last one left behind.
fn rounds(engine: Engine, rounds: u32, seed: u64, mails_max: u64) {
    let (fresh, random) = (Fresh::on(engine), Random::seeded(seed));
    let (begun, mut accepted, mut settled) = (Instant::now(), 0, 0);
    for round in 1..=rounds {
        let mut worker = Worker::started(&fresh.location, None);
        worker.tell("mails 1000000 64 10240");
        worker.until_accepted(1 + random.below(mails_max) as usize);
        let heard = worker.kill();
        assert!(heard.refused.is_empty() && heard.unsettled.is_empty(), "seed {seed}, round {round}: nothing failed");
        heard.check_reopened(&fresh);
        accepted += heard.accepted.len();
        settled += heard.settled.len();
    }
    println!(
        "{engine:?}: {rounds} rounds of kill -9 in {} s: {accepted} accepted and {settled} settled mails were \
         answered, every one was found (seed {seed})",
        begun.elapsed().as_secs()
    );
}

/// A seed that differs from run to run, printed with the outcome.
fn chance() -> u64 {
    Random::System.below(1 << 32)
}

#[test]
fn what_was_answered_survives_kill_9_on_sqlite() {
    rounds(Engine::Sqlite, 4, chance(), 400);
}

#[test]
fn what_was_answered_survives_kill_9_on_postgres() {
    rounds(Engine::Postgres, 3, chance(), 200);
}

#[test]
#[ignore = "minutes: `make crash`"]
fn crash_long() {
    rounds(Engine::Sqlite, 100, chance(), 4_000);
    rounds(Engine::Postgres, 50, chance(), 1_000);
}

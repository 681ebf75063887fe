//! SQLite on a disk that fails: nobody hears a lie, and the store comes back by itself.

use crate::faults::{CUT, EIO, ENOSPC, FLUSH, Fault, Faults, WRITE};
use crate::stores::{Fresh, PATIENCE};
use crate::worker::{Heard, Worker};
use gatepost::store::dialect::Location;
use std::time::{Duration, Instant};

const LOG: &str = "gatepost.db-wal";
const FILE: &str = "gatepost.db";
const FOR_EVER: i64 = i64::MAX / 2;

fn place(faults: &Faults) -> Fresh {
    Fresh::at(Location::File(faults.database()))
}

fn fault(calls: i64, suffix: &'static str, error: i64, pass: i64, fail: i64) -> Fault {
    Fault { calls, suffix, error, delay_us: 0, pass, fail }
}

#[test]
fn an_answer_waits_for_its_flush() {
    let faults = Faults::new();
    let fresh = place(&faults);
    let mut worker = Worker::started(&fresh.location, Some(&faults));
    let slow = Duration::from_millis(200);
    faults.arm(&Fault { delay_us: slow.as_micros() as i64, ..fault(FLUSH, LOG, 0, 0, FOR_EVER) });
    let begun = Instant::now();
    worker.tell("mails 1 1 100");
    worker.until("the end", |line| line == "done");
    // Accepted and settled: two commits, two flushes.
    assert!(faults.failed() >= 2, "{} flushes", faults.failed());
    assert!(begun.elapsed() >= 2 * slow, "answered after {:?}", begun.elapsed());
    worker.kill().check_reopened(&fresh);
}

#[test]
fn a_failed_flush_is_never_told_as_written() {
    comes_back(FLUSH, EIO, 4);
}

#[test]
fn a_full_disk_is_told_and_survived() {
    comes_back(WRITE | CUT, ENOSPC, FOR_EVER);
}

#[test]
fn a_disk_that_refuses_writes_is_told_and_survived() {
    comes_back(WRITE, EIO, FOR_EVER);
}

#[test]
fn a_disk_that_refuses_every_flush_is_told_and_survived() {
    comes_back(FLUSH, EIO, FOR_EVER);
}

/// A full disk may stay full for hours. Unlike a failed flush it leaves no doubt, so nobody waits for its
/// end to hear "later".
#[test]
fn a_full_disk_is_an_answer() {
    let faults = Faults::new();
    let fresh = place(&faults);
    let mut worker = Worker::started(&fresh.location, Some(&faults));
    worker.until("up", |line| line == "up");
    for pass in [0, 1, 5] {
        faults.arm(&fault(WRITE, LOG, ENOSPC, pass, FOR_EVER));
        worker.tell("mails 1 1 700");
        worker.until("a refusal", |line| line.starts_with("refused "));
        worker.until("down", |line| line.starts_with("down "));
        faults.disarm();
        worker.until("up", |line| line == "up");
    }
    worker.tell("mails 1 1 700");
    worker.until("a settled mail", |line| line.starts_with("settled "));
    worker.kill().check_reopened(&fresh);
}

/// Sixteen writers meet the fault; down is said, up is said again when it is over, and every answer given
/// before, meanwhile and after is true.
fn comes_back(calls: i64, error: i64, fail: i64) {
    let faults = Faults::new();
    let fresh = place(&faults);
    let mut worker = Worker::started(&fresh.location, Some(&faults));
    worker.tell("mails 1000000 16 700");
    worker.until_accepted(50);
    faults.arm(&fault(calls, LOG, error, 3, fail));
    worker.until("down", |line| line.starts_with("down "));
    if fail == FOR_EVER {
        // The first may all wait for a commit whose outcome is unknown; who comes now is refused.
        worker.tell("mails 1000000 4 700");
        for _ in 0..40 {
            worker.until("a refusal", |line| line.starts_with("refused ") || line.starts_with("unsettled "));
        }
        faults.disarm();
    }
    worker.until("up", |line| line == "up");
    assert!(faults.failed() > 0);
    worker.until_accepted(50);
    let heard = worker.kill();
    heard.check_reopened(&fresh);
    assert!(heard.accepted.len() >= 100);
}

/// The n-th write, or flush, fails once, for every n; and, for every n, nothing works from there on.
#[test]
fn whichever_write_fails_every_answer_is_true() {
    for (calls, suffix) in [(WRITE, LOG), (FLUSH, LOG), (CUT, LOG), (WRITE | FLUSH, FILE)] {
        for fail in [1, FOR_EVER] {
            let mut n = 0;
            while fails_at(fault(calls, suffix, EIO, n, fail)) {
                n += 1;
                assert!(n < 200, "one mail in {n} writes");
            }
        }
    }
}

/// One mail with this fault; whether the fault was met.
fn fails_at(fault: Fault) -> bool {
    let faults = Faults::new();
    let fresh = place(&faults);
    let mut worker = Worker::started(&fresh.location, Some(&faults));
    worker.until("up", |line| line == "up");
    faults.arm(&fault);
    worker.tell("mails 1 1 300");
    if fault.fail == 1 {
        worker.until("the end", |line| line == "done");
    } else {
        // A commit whose outcome is unknown is answered when it is known, and here it never will be.
        worker.until("an end", |line| line == "done" || line.starts_with("down "));
    }
    let met = faults.failed() > 0;
    let heard = worker.kill();
    if !met {
        assert_eq!((heard.accepted.len(), heard.settled.len()), (1, 1));
    }
    heard.check_reopened(&fresh);
    met
}

/// A store whose first opening was cut at any write is whole after the second.
#[test]
fn an_opening_that_failed_is_finished_by_the_next() {
    let (mut pass, mut step) = (0, 1);
    loop {
        let faults = Faults::new();
        let fresh = place(&faults);
        faults.arm(&fault(WRITE | FLUSH, LOG, ENOSPC, pass, 1));
        let mut worker = Worker::start(&fresh.location, Some(&faults));
        let word = worker.until("an end", |line| line == "open" || line.starts_with("failed"));
        worker.kill();
        let met = faults.failed() > 0;
        assert!(met || word == "open", "{word}");
        faults.disarm();
        let mut worker = Worker::started(&fresh.location, None);
        worker.tell("mails 3 1 300");
        worker.until("the end", |line| line == "done");
        let heard: Heard = worker.kill();
        assert_eq!((heard.accepted.len(), heard.settled.len()), (3, 3));
        heard.check_reopened(&fresh);
        if !met {
            return;
        }
        (pass, step) = (pass + step, step + step / 2 + 1);
    }
}

/// A purge of thousands of rows takes tens of flushes, however slow each of them is.
#[test]
fn a_slow_flush_does_not_make_a_purge_endless() {
    let faults = Faults::new();
    let fresh = place(&faults);
    let mut worker = Worker::started(&fresh.location, Some(&faults));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(fresh.sql(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
         INSERT INTO bodies (message_id, form, codec, size, chunks, bytes)
         SELECT 'em_00000000000000000000' || CAST(100000 + i AS TEXT), 'prepared', 'plain', 3, 0, x'616263' FROM n",
    ));
    faults.arm(&Fault { delay_us: 10_000, ..fault(FLUSH, LOG, 0, 0, FOR_EVER) });
    let begun = Instant::now();
    worker.tell("purge");
    let purged = worker.until("the purge", |line| line.contains("purged"));
    assert_eq!(purged, "purged 3000");
    assert!(faults.met() < 200, "{} flushes for 3000 rows", faults.met());
    assert!(begun.elapsed() < PATIENCE);
    worker.kill();
}

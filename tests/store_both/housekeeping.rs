//! Cleaning up by the clock: everything that is due goes, nothing else does, and no mail waits for it.

use crate::mails::Mails;
use crate::stores::{Fresh, on_both};
use gatepost::base::clock::Clock;
use gatepost::base::limits::{COMMIT_MARKS_KEPT, ORPHAN_CHUNKS_KEPT};
use gatepost::model::delivery::State;
use gatepost::model::message::Form;
use gatepost::store::Store;
use gatepost::store::change::Written;
use gatepost::store::open::Opening;
use std::cell::Cell;
use std::time::Duration;

on_both! {
    old_commit_marks_are_forgotten
    the_body_of_an_unfinished_message_is_never_purged
    only_bodies_older_than_the_bound_are_purged
    chunks_without_a_message_are_swept_and_others_kept
    the_orphan_of_one_form_does_not_take_the_other_along
    a_large_purge_runs_between_mails
    a_chore_runs_while_nobody_writes
    purges_wait_for_each_other
    a_purge_that_nobody_waits_for_ends
}

const SECOND: Duration = Duration::from_secs(1);

/// A store whose clock is moved by hand.
async fn with_clock(fresh: &Fresh) -> (Store, Mails, Clock) {
    let clock = Clock::set(Clock::System.now());
    let opening = Opening { clock: clock.clone(), write_connections: 1, ..fresh.opening() };
    let store = Store::open(opening).await.unwrap();
    let lease = store.start_node("mail.example.com", "0").await.unwrap();
    let mut mails = Mails::new(lease);
    mails.clock = clock.clone();
    (store, mails, clock)
}

async fn old_commit_marks_are_forgotten(fresh: &Fresh) {
    let (store, mails, clock) = with_clock(fresh).await;
    fresh.sql("DELETE FROM commits").await;
    for _ in 0..120 {
        store.write(mails.mail(b"old".to_vec()).accept).await.unwrap();
    }
    assert_eq!(fresh.count("commits").await, 120);
    clock.advance(COMMIT_MARKS_KEPT - SECOND);
    assert_eq!(store.purge_commits().await, Ok(0), "a mark is kept as long as somebody may ask for it");
    clock.advance(2 * SECOND);
    store.write(mails.mail(b"new".to_vec()).accept).await.unwrap();
    assert_eq!(store.purge_commits().await, Ok(120));
    assert_eq!(fresh.count("commits").await, 1);
}

async fn the_body_of_an_unfinished_message_is_never_purged(fresh: &Fresh) {
    let (store, mails, clock) = with_clock(fresh).await;
    let mut kept = Vec::new();
    for state in State::ALL {
        let mut mail = mails.mail(state.word().as_bytes().to_vec());
        mail.accept.deliveries[0].state = state;
        if !state.is_final() {
            kept.push(mail.message.clone());
        }
        store.write(mail.accept).await.unwrap();
    }
    // Two recipients, one of whom still waits.
    let mut half = mails.mail(b"half".to_vec());
    let mut other = mails.mail(Vec::new()).accept.deliveries.remove(0);
    (other.message, other.state) = (half.message.clone(), State::Deferred);
    half.accept.deliveries[0].state = State::Delivered;
    half.accept.deliveries.push(other);
    kept.push(half.message.clone());
    store.write(half.accept).await.unwrap();

    clock.advance(1000 * SECOND);
    assert_eq!(store.purge_bodies(clock.now()).await, Ok(State::ALL.len() as u64 + 1 - kept.len() as u64));
    assert_eq!(fresh.count("bodies").await, kept.len() as i64);
    for message in kept {
        assert!(store.body(&message, Form::Prepared).await.unwrap().is_some(), "a queued mail lost its body");
    }
    assert_eq!(fresh.count("messages").await, State::ALL.len() as i64 + 1, "what is known of a mail stays");
}

async fn only_bodies_older_than_the_bound_are_purged(fresh: &Fresh) {
    let (store, mails, clock) = with_clock(fresh).await;
    let (mut old, mut new) = (Vec::new(), Vec::new());
    for (mails_of_age, age) in [(&mut old, "old"), (&mut new, "new")] {
        clock.advance(SECOND);
        for _ in 0..60 {
            let mut mail = mails.mail(age.as_bytes().to_vec());
            mail.accept.deliveries[0].state = State::Delivered;
            store.write(mail.accept).await.unwrap();
            mails_of_age.push(mail.message);
        }
    }
    assert_eq!(store.purge_bodies(clock.now()).await, Ok(60));
    for (message, kept) in old.iter().map(|m| (m, false)).chain(new.iter().map(|m| (m, true))) {
        assert_eq!(store.body(message, Form::Prepared).await.unwrap().is_some(), kept);
    }
}

async fn chunks_without_a_message_are_swept_and_others_kept(fresh: &Fresh) {
    let (store, mails, clock) = with_clock(fresh).await;
    let mut noise = vec![0; 2 << 20];
    mails.random.fill(&mut noise);
    let kept = mails.mail(noise.clone());
    store.write(kept.accept).await.unwrap();
    let orphan = mails.mail(noise.clone());
    store.write(orphan.accept).await.unwrap();
    fresh.sql(&format!("DELETE FROM bodies WHERE message_id = '{}'", orphan.message)).await;
    assert_eq!(fresh.count("body_chunks").await, 8);
    clock.advance(ORPHAN_CHUNKS_KEPT - SECOND);
    assert_eq!(store.sweep_chunks().await, Ok(0), "its message may still be on its way");
    clock.advance(2 * SECOND);
    assert_eq!(store.sweep_chunks().await, Ok(4));
    assert!(store.body(&kept.message, Form::Prepared).await.unwrap() == Some(noise));
    assert_eq!(fresh.count("body_chunks").await, 4);
}

async fn the_orphan_of_one_form_does_not_take_the_other_along(fresh: &Fresh) {
    let (store, mails, clock) = with_clock(fresh).await;
    let mut noise = vec![0; 2 << 20];
    mails.random.fill(&mut noise);
    let mail = mails.mail(noise.clone());
    store.write(mail.accept).await.unwrap();
    let orphan = "SELECT message_id, 'submitted', seq, bytes FROM body_chunks";
    fresh.sql(&format!("INSERT INTO body_chunks (message_id, form, seq, bytes) {orphan}")).await;
    clock.advance(ORPHAN_CHUNKS_KEPT + SECOND);
    assert_eq!(store.sweep_chunks().await, Ok(4));
    assert!(store.body(&mail.message, Form::Prepared).await.unwrap() == Some(noise));
}

/// Some ten thousand rows of old mail, made by the database itself.
async fn make_old_bodies(fresh: &Fresh, count: usize) {
    fresh
        .sql(&format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})
             INSERT INTO bodies (message_id, form, codec, size, chunks, bytes)
             SELECT 'em_00000000000000000000' || CAST(100000 + i AS TEXT), 'prepared', 'plain', 3, 0, {} FROM n",
            if fresh.engine() == gatepost::store::dialect::Engine::Sqlite { "x'616263'" } else { "'\\x616263'::bytea" },
        ))
        .await;
}

async fn a_large_purge_runs_between_mails(fresh: &Fresh) {
    const OLD: usize = 20_000;
    let (store, mails) = fresh.with_mails().await;
    make_old_bodies(fresh, OLD).await;
    let purged = Cell::new(false);
    let purge = async {
        assert_eq!(store.purge_bodies(Clock::System.now()).await, Ok(OLD as u64));
        purged.set(true);
    };
    let write = async {
        let mut during = 0;
        while !purged.get() {
            assert_eq!(store.write(mails.mail(b"fresh".to_vec()).accept).await, Ok(Written::default()));
            during += 1;
        }
        during
    };
    let ((), during) = tokio::join!(purge, write);
    // At most 2 000 rows a slice, and a waiting mail goes first: it was answered between the slices.
    assert!(during >= (OLD / 2_000) as i64, "only {during} mails were written during the purge");
    assert_eq!(fresh.count("bodies").await, during);
}

async fn a_chore_runs_while_nobody_writes(fresh: &Fresh) {
    let (store, _mails) = fresh.with_mails().await;
    for _ in 0..20 {
        make_old_bodies(fresh, 500).await;
        let purge = tokio::time::timeout(crate::stores::PATIENCE / 2, store.purge_bodies(Clock::System.now())).await;
        assert_eq!(purge.expect("a purge needs no mail to run"), Ok(500));
    }
}

async fn purges_wait_for_each_other(fresh: &Fresh) {
    let (store, mails, clock) = with_clock(fresh).await;
    make_old_bodies(fresh, 5_000).await;
    let (bodies, again, commits, chunks) = tokio::join!(
        store.purge_bodies(clock.now()),
        store.purge_bodies(clock.now()),
        store.purge_commits(),
        store.sweep_chunks()
    );
    assert_eq!(bodies.unwrap() + again.unwrap(), 5_000);
    assert_eq!((commits, chunks), (Ok(0), Ok(0)));
    store.write(mails.mail(b"after".to_vec()).accept).await.unwrap();
}

async fn a_purge_that_nobody_waits_for_ends(fresh: &Fresh) {
    let (store, mails) = fresh.with_mails().await;
    make_old_bodies(fresh, 20_000).await;
    let mut purge = Box::pin(store.purge_bodies(Clock::System.now()));
    while fresh.count("bodies").await == 20_000 {
        assert!(futures_util::future::poll_immediate(&mut purge).await.is_none());
    }
    drop(purge);
    // Chores have their turns: when the next has had its own, the slice that was under way is over.
    store.purge_commits().await.unwrap();
    let left = fresh.count("bodies").await;
    store.write(mails.mail(b"after".to_vec()).accept).await.unwrap();
    assert_eq!(fresh.count("bodies").await, left + 1);
    assert!(left > 2, "the purge went on to its end");
}

//! A caller that gives up before it hears an answer (its client was cut, its deadline passed) keeps the
//! mail itself: what it handed in must not be there in the end.

use crate::mails::Mail;
use crate::stores::{Fresh, on_both};
use futures_util::future::poll_immediate;
use gatepost::model::delivery::State;
use gatepost::store::Store;
use gatepost::store::idempotency::{Keyed, claim};
use std::sync::Arc;
use std::time::Duration;

on_both! {
    who_gives_up_before_the_writer_looks_leaves_nothing
    who_gives_up_while_the_group_is_written_leaves_nothing
    who_gives_up_after_the_answer_was_given_leaves_nothing
    who_gives_up_at_any_moment_leaves_nothing
    who_gives_up_a_large_body_leaves_only_what_is_swept
    who_gives_up_in_the_same_moment_as_others_harms_no_neighbour
}

const TABLES: [&str; 7] = ["messages", "bodies", "body_chunks", "deliveries", "attempts", "events", "idempotency"];

/// A mail with a row in every table that a mail may have.
fn whole(mails: &crate::mails::Mails) -> Mail {
    let mut mail = mails.mail(b"given up".to_vec());
    mail.accept.attempts = mails.settle(&mail, State::Sent).attempts;
    let keyed = Keyed { scope: "smtp:app".into(), key: mail.message.to_string(), content_hash: "x".into() };
    mail.accept = mail.accept.with(claim(&keyed, &mail.message, 0, mails.clock.now()));
    mail
}

async fn until_nothing_is_left(fresh: &Fresh, store: &Store) {
    for table in TABLES {
        fresh.until_count(table, 0).await;
    }
    // What was on its way in this lane has passed by now; in another one of PostgreSQL's it may still
    // come, and then it goes.
    store.write(gatepost::store::Change::default()).await.unwrap();
    for table in TABLES {
        fresh.until_count(table, 0).await;
    }
}

async fn who_gives_up_before_the_writer_looks_leaves_nothing(fresh: &Fresh) {
    let (store, mails) = fresh.with_mails().await;
    let mail = whole(&mails);
    let mut write = Box::pin(store.write(mail.accept));
    assert!(poll_immediate(&mut write).await.is_none());
    drop(write);
    until_nothing_is_left(fresh, &store).await;
}

async fn who_gives_up_while_the_group_is_written_leaves_nothing(fresh: &Fresh) {
    let (store, mails) = fresh.with_mails().await;
    crate::stores::until_up(&store).await;
    let held = fresh.hold_writes().await;
    let mail = whole(&mails);
    let mut write = Box::pin(store.write(mail.accept));
    assert!(poll_immediate(&mut write).await.is_none());
    // The writer takes it and waits for the lock; on one thread it has done so after a few turns.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    drop(write);
    held.release().await;
    until_nothing_is_left(fresh, &store).await;
}

/// The narrowest moment: the row is on disk and the answer is given, but its caller has not looked yet.
async fn who_gives_up_after_the_answer_was_given_leaves_nothing(fresh: &Fresh) {
    let (store, mails) = fresh.with_mails().await;
    for _ in 0..20 {
        let mail = whole(&mails);
        let mut write = Box::pin(store.write(mail.accept));
        assert!(poll_immediate(&mut write).await.is_none());
        fresh.until_count("messages", 1).await;
        // Whatever the writer does after its commit is done when the next answer comes.
        store.write(gatepost::store::Change::default()).await.unwrap();
        drop(write);
        until_nothing_is_left(fresh, &store).await;
    }
}

async fn who_gives_up_at_any_moment_leaves_nothing(fresh: &Fresh) {
    let (store, mails) = fresh.with_mails().await;
    let store = Arc::new(store);
    let (mut kept, mut given_up) = (Vec::new(), Vec::new());
    for round in 0..150_u64 {
        let mail = whole(&mails);
        let (message, accept, writer) = (mail.message.clone(), mail.accept, store.clone());
        // Cut by a clock (which looks at the answer first) or by force (which does not).
        let answered = if round % 2 == 0 {
            tokio::time::timeout(Duration::from_micros(round * 40), writer.write(accept)).await.ok()
        } else {
            let task = tokio::spawn(async move { writer.write(accept).await });
            for _ in 0..round * 3 {
                tokio::task::yield_now().await;
            }
            task.abort();
            task.await.ok()
        };
        match answered {
            Some(answer) => {
                answer.unwrap();
                kept.push(message);
            }
            None => given_up.push(message),
        }
    }
    assert!(!given_up.is_empty(), "nobody gave up");
    for table in ["messages", "bodies", "deliveries", "attempts", "events"] {
        fresh.until_count(table, kept.len() as i64).await;
    }
    store.write(gatepost::store::Change::default()).await.unwrap();
    assert_eq!(fresh.count("messages").await, kept.len() as i64);
    for message in kept {
        assert!(store.message(&message).await.unwrap().is_some(), "an answered mail was taken back");
    }
    for message in given_up {
        assert_eq!(store.message(&message).await, Ok(None));
    }
}

async fn who_gives_up_a_large_body_leaves_only_what_is_swept(fresh: &Fresh) {
    let mut opening = fresh.opening();
    opening.clock = gatepost::base::clock::Clock::set(gatepost::base::clock::Clock::System.now());
    let clock = opening.clock.clone();
    let store = gatepost::store::Store::open(opening).await.unwrap();
    let mails = crate::mails::Mails::new(store.start_node("mail.example.com", "0").await.unwrap());
    for chunks in 1..=4_i64 {
        let mut noise = vec![0; 3 << 20];
        mails.random.fill(&mut noise);
        let mail = mails.mail(noise);
        let mut write = Box::pin(store.write(mail.accept));
        while fresh.count("body_chunks").await < chunks {
            assert!(poll_immediate(&mut write).await.is_none(), "it is not that fast");
        }
        drop(write);
        store.write(gatepost::store::Change::default()).await.unwrap();
        assert_eq!(fresh.count("messages").await, 0);
        clock.advance(gatepost::base::limits::ORPHAN_CHUNKS_KEPT + Duration::from_secs(60));
        assert!(store.sweep_chunks().await.unwrap() >= chunks as u64);
        until_nothing_is_left(fresh, &store).await;
    }
}

async fn who_gives_up_in_the_same_moment_as_others_harms_no_neighbour(fresh: &Fresh) {
    let (store, mails) = fresh.with_mails().await;
    crate::stores::until_up(&store).await;
    let held = fresh.hold_writes().await;
    let group: Vec<Mail> = (0..64).map(|_| whole(&mails)).collect();
    let mut writes: Vec<_> = group.iter().map(|mail| Some(Box::pin(store.write(mail.accept.clone())))).collect();
    for write in writes.iter_mut().flatten() {
        assert!(poll_immediate(write).await.is_none());
    }
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    for write in writes.iter_mut().step_by(2) {
        *write = None;
    }
    held.release().await;
    for write in writes.into_iter().flatten() {
        write.await.unwrap();
    }
    for table in ["messages", "bodies", "deliveries", "attempts", "events"] {
        fresh.until_count(table, 32).await;
    }
    for (n, mail) in group.iter().enumerate() {
        assert_eq!(store.message(&mail.message).await.unwrap().is_some(), n % 2 == 1, "number {n}");
    }
}

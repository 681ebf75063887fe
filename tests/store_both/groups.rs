//! Many writers share one commit: none waits for another's mistake, and none is counted twice.

use crate::mails::{self, Mail, Mails};
use crate::stores::{Fresh, on_both};
use futures_util::future::{join_all, poll_immediate};
use gatepost::base::id;
use gatepost::model::delivery::State;
use gatepost::model::message::Form;
use gatepost::model::people::Tenant;
use gatepost::store::change::Written;
use gatepost::store::open::Opening;
use gatepost::store::people::new_tenant;
use gatepost::store::{Change, Store, StoreError};
use std::sync::Arc;

on_both! {
    groups_of_every_size_are_written_whole
    one_bad_change_among_many_fails_alone
    a_bad_change_takes_all_of_itself_back
    every_change_of_a_group_may_be_bad
    the_bytes_of_a_group_are_bounded
    sixty_four_writers_are_counted_exactly
    writes_in_flight_are_answered_before_the_store_closes
}

fn tenant(mails: &Mails, name: &str) -> Tenant {
    let now = mails.clock.now();
    Tenant { id: id::new(now, &mails.random), name: name.into(), created_at: now, disabled_at: None, deleted_at: None }
}

fn some(mails: &Mails, count: usize) -> Vec<Mail> {
    (0..count).map(|n| mails.mail(format!("mail {n}").into_bytes())).collect()
}

async fn write_all(store: &Store, mails: &[Mail]) -> Vec<Result<Written, StoreError>> {
    join_all(mails.iter().map(|mail| store.write(mail.accept.clone()))).await
}

/// Writes all these changes at once, in at most one group more than they fill: a lock holds the writer
/// back until every one of them waits.
async fn write_together(fresh: &Fresh, store: &Store, changes: Vec<Change>) -> Vec<Result<Written, StoreError>> {
    let before = fresh.count("commits").await;
    let held = fresh.hold_writes().await;
    let count = changes.len();
    let mut writes: Vec<_> = changes.into_iter().map(|change| Box::pin(store.write(change))).collect();
    for write in &mut writes {
        assert!(poll_immediate(write).await.is_none());
    }
    held.release().await;
    let answers = join_all(writes).await;
    let commits = fresh.count("commits").await - before;
    assert!(commits <= 1 + count.div_ceil(64) as i64, "{count} changes in {commits} commits");
    answers
}

async fn groups_of_every_size_are_written_whole(fresh: &Fresh) {
    let store = Store::open(Opening { write_connections: 1, ..fresh.opening() }).await.unwrap();
    let mails = Mails::new(store.start_node("mail.example.com", "0").await.unwrap());
    let mut total = 0;
    for size in 1..=70 {
        let group = some(&mails, size);
        let accepts = group.iter().map(|mail| mail.accept.clone()).collect();
        for answer in write_together(fresh, &store, accepts).await {
            assert_eq!(answer, Ok(Written::default()), "in a group of {size}");
        }
        let settles = join_all(group.iter().map(|mail| store.write(mails.settle(mail, State::Delivered)))).await;
        for answer in settles {
            assert_eq!(answer, Ok(Written::default()), "settled in a group of {size}");
        }
        total += size as i64;
    }
    for rows in ["messages", "bodies", "deliveries WHERE state = 'delivered'", "attempts"] {
        assert_eq!(fresh.count(rows).await, total, "{rows}");
    }
    assert_eq!(fresh.count("events").await, 2 * total);
}

async fn one_bad_change_among_many_fails_alone(fresh: &Fresh) {
    let (store, mails) = fresh.with_mails().await;
    store.write(new_tenant(&tenant(&mails, "acme"))).await.unwrap();
    for place in [0, 31, 63] {
        let mut group = some(&mails, 64);
        group[place].accept.steps.push(new_tenant(&tenant(&mails, "acme")));
        for (n, answer) in write_all(&store, &group).await.into_iter().enumerate() {
            let message = store.message(&group[n].message).await.unwrap();
            if n == place {
                assert!(matches!(answer, Err(StoreError::Conflict { .. })), "{answer:?}");
                assert_eq!(message, None, "a change that failed left a message behind");
            } else {
                assert_eq!(answer, Ok(Written::default()), "number {n} beside the bad {place}");
                assert!(message.is_some());
            }
        }
    }
    assert_eq!(fresh.count("tenants").await, 1);
    assert_eq!(fresh.count("messages").await, 3 * 63);
}

async fn a_bad_change_takes_all_of_itself_back(fresh: &Fresh) {
    let (store, mails) = fresh.with_mails().await;
    store.write(new_tenant(&tenant(&mails, "acme"))).await.unwrap();
    let done = mails.mail(b"done".to_vec());
    store.write(done.accept.clone()).await.unwrap();
    let mut bad = mails.settle(&done, State::Delivered);
    let mail = mails.mail(b"new".to_vec());
    (bad.messages, bad.bodies) = (mail.accept.messages, mail.accept.bodies);
    (bad.deliveries, bad.events) = (mail.accept.deliveries, mail.accept.events);
    bad.steps = vec![new_tenant(&tenant(&mails, "second")), new_tenant(&tenant(&mails, "acme"))];
    let error = store.write(bad).await.unwrap_err();
    assert!(!error.is_temporary(), "{error}");
    assert_eq!(store.message(&mail.message).await, Ok(None));
    assert_eq!(store.body(&mail.message, Form::Prepared).await, Ok(None));
    assert_eq!(store.tenant("second").await, Ok(None));
    assert_eq!(store.deliveries_of(&done.message, "").await, Ok(done.accept.deliveries));
    for (rows, count) in [("messages", 1), ("deliveries", 1), ("attempts", 0), ("events", 1), ("tenants", 1)] {
        assert_eq!(fresh.count(rows).await, count, "{rows}");
    }
}

async fn every_change_of_a_group_may_be_bad(fresh: &Fresh) {
    let (store, mails) = fresh.with_mails().await;
    // Of twenty who want one name at once, one gets it.
    let wishes = (0..20).map(|_| store.write(new_tenant(&tenant(&mails, "acme"))));
    let answers = join_all(wishes).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    assert!(answers.iter().all(|a| matches!(a, Ok(_) | Err(StoreError::Conflict { .. }))), "{answers:?}");
    assert_eq!(fresh.count("tenants").await, 1);
}

async fn the_bytes_of_a_group_are_bounded(fresh: &Fresh) {
    let (store, mails) = fresh.with_mails().await;
    let bodies: Vec<Mail> = (0..12)
        .map(|_| {
            let mut noise = vec![0; 900 << 10];
            mails.random.fill(&mut noise);
            mails.mail(noise)
        })
        .collect();
    let before = fresh.count("commits").await;
    for answer in write_all(&store, &bodies).await {
        assert_eq!(answer, Ok(Written::default()));
    }
    // 4 MiB hold four of them.
    assert!(fresh.count("commits").await - before >= 3);
    assert_eq!(fresh.count("bodies").await, 12);
}

async fn sixty_four_writers_are_counted_exactly(fresh: &Fresh) {
    const EACH: usize = 8;
    let (store, mails) = fresh.with_mails().await;
    let (store, mails) = (Arc::new(store), Arc::new(mails));
    let writers = (0..64_usize).map(|writer| {
        let (store, mails) = (store.clone(), mails.clone());
        tokio::spawn(async move {
            for n in 0..EACH {
                let mail = mails.mail(mails::body(&mails.random, 100 * writer + n));
                store.write(mail.accept.clone()).await.unwrap();
                let state = if n % 2 == 0 { State::Delivered } else { State::Deferred };
                assert_eq!(store.write(mails.settle(&mail, state)).await, Ok(Written::default()));
            }
        })
    });
    for writer in join_all(writers).await {
        writer.expect("a writer ends well");
    }
    let all = (64 * EACH) as i64;
    for (rows, count) in [
        ("messages", all),
        ("bodies", all),
        ("attempts", all),
        ("events", 2 * all),
        ("deliveries WHERE state = 'delivered' AND finished_at IS NOT NULL", all / 2),
        ("deliveries WHERE state = 'deferred' AND finished_at IS NULL AND leased_by IS NULL", all / 2),
    ] {
        assert_eq!(fresh.count(rows).await, count, "{rows}");
    }
}

async fn writes_in_flight_are_answered_before_the_store_closes(fresh: &Fresh) {
    let (store, mails) = fresh.with_mails().await;
    let group = some(&mails, 100);
    for answer in write_all(&store, &group).await {
        assert_eq!(answer, Ok(Written::default()));
    }
    store.close().await;
    let again = fresh.open().await;
    assert_eq!(again.messages_count().await, Ok(100));
    assert_eq!(again.write(Change::default()).await, Ok(Written::default()), "an empty change is no mistake");
    again.close().await;
}

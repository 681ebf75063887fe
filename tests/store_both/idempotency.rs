//! Keys of senders: one message has each, for a day, on every node.

use crate::mails::Mails;
use crate::stores::{Fresh, on_both};
use gatepost::base::clock::Clock;
use gatepost::base::limits;
use gatepost::store::idempotency::{Keyed, claim};
use gatepost::store::open::Opening;
use gatepost::store::{Store, StoreError};
use std::time::Duration;

on_both! {
    a_key_is_one_messages_until_its_day_is_over
    of_two_nodes_one_has_the_key_and_the_other_finds_it
}

fn keyed(key: &str, hash: &str) -> Keyed {
    Keyed { scope: "smtp:default:app".into(), key: key.into(), content_hash: hash.into() }
}

async fn a_key_is_one_messages_until_its_day_is_over(fresh: &Fresh) {
    let clock = Clock::set(Clock::System.now());
    let store = Store::open(Opening { clock: clock.clone(), ..fresh.opening() }).await.unwrap();
    let mut mails = Mails::new(store.start_node("mail.example.com", "0").await.unwrap());
    mails.clock = clock.clone();
    let (first, second, third) = (mails.mail(vec![]), mails.mail(vec![]), mails.mail(vec![]));
    let ours = keyed("a", "1");
    store.write(first.accept.with(claim(&ours, &first.message, 0, clock.now()))).await.unwrap();
    let lost = store.write(second.accept.with(claim(&keyed("a", "2"), &second.message, 0, clock.now()))).await;
    assert!(matches!(lost, Err(StoreError::Conflict { .. })), "{lost:?}");
    assert_eq!(store.message(&second.message).await, Ok(None), "nothing of it is left");
    let kept = store.kept_by_key(&keyed("a", "2"), clock.now()).await.unwrap().unwrap();
    assert_eq!((kept.content_hash.as_str(), kept.answered.first, kept.at), ("1", first.message.clone(), clock.now()));
    for other in [Keyed { scope: "smtp:acme:app".into(), ..ours.clone() }, keyed("A", "1")] {
        assert_eq!(store.kept_by_key(&other, clock.now()).await, Ok(None));
    }
    clock.advance(limits::IDEMPOTENCY_KEPT);
    assert_eq!(store.purge_keys().await, Ok(0), "its last moment");
    assert!(store.kept_by_key(&ours, clock.now()).await.unwrap().is_some());
    clock.advance(Duration::from_micros(2_000));
    // Not swept yet, and free again all the same.
    assert_eq!(store.kept_by_key(&ours, clock.now()).await, Ok(None));
    store.write(third.accept.with(claim(&ours, &third.message, 0, clock.now()))).await.unwrap();
    assert_eq!(store.kept_by_key(&ours, clock.now()).await.unwrap().unwrap().answered.first, third.message);
    clock.advance(limits::IDEMPOTENCY_KEPT + Duration::from_secs(1));
    assert_eq!(store.purge_keys().await, Ok(1));
    assert_eq!(fresh.count("idempotency").await, 0);
    assert_eq!(fresh.count("messages").await, 2);
}

async fn of_two_nodes_one_has_the_key_and_the_other_finds_it(fresh: &Fresh) {
    let (one, mails) = fresh.with_mails().await;
    let two = fresh.open().await;
    let now = mails.clock.now();
    for round in 0..10 {
        let (a, b) = (mails.mail(vec![]), mails.mail(vec![]));
        let ours = keyed(&round.to_string(), "1");
        let (mine, yours) = tokio::join!(
            one.write(a.accept.with(claim(&ours, &a.message, 0, now))),
            two.write(b.accept.with(claim(&ours, &b.message, 0, now)))
        );
        assert_eq!([mine.is_ok(), yours.is_ok()].iter().filter(|won| **won).count(), 1, "{mine:?} {yours:?}");
        let winner = if mine.is_ok() { a.message } else { b.message };
        for node in [&one, &two] {
            assert_eq!(node.kept_by_key(&ours, now).await.unwrap().unwrap().answered.first, winner);
        }
    }
    assert_eq!(fresh.count("messages").await, 10);
}

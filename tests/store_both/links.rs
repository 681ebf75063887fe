//! Destinations of tracked links: written with their message, read for ever.

use crate::stores::{Fresh, on_both};
use gatepost::base::clock::Clock;
use gatepost::base::id::{self, LinkId};
use gatepost::base::random::Random;
use gatepost::store::links::new_link;
use gatepost::store::{Change, Store};

on_both! {
    a_link_is_kept_with_its_message_and_outlives_it
    a_link_that_was_read_is_known_by_heart
}

fn link() -> LinkId {
    id::new(Clock::System.now(), &Random::System)
}

async fn reads(store: &Store, id: &LinkId) -> Option<String> {
    store.link(id).await.unwrap().map(|found| found.to_string())
}

async fn a_link_is_kept_with_its_message_and_outlives_it(fresh: &Fresh) {
    let (store, mails) = fresh.with_mails().await;
    let long = format!("https://example.com/?q={}#ü", "ab%20'\\\";-- ".repeat(600));
    let (id, mail) = (link(), mails.mail(b"x".to_vec()));
    let step = new_link(&id, &mails.tenant, &long, Clock::System.now());
    // Written twice, as after a lost answer, it is there once.
    store.write(mail.accept.and(Change::of(step.clone())).with(step)).await.unwrap();
    assert_eq!(reads(&store, &id).await, Some(long.clone()));
    assert_eq!(reads(&store, &link()).await, None);
    for table in ["messages", "bodies", "deliveries"] {
        fresh.sql(&format!("DELETE FROM {table}")).await;
    }
    store.purge_bodies(Clock::System.now()).await.unwrap();
    store.close().await;
    assert_eq!(reads(&fresh.open().await, &id).await, Some(long));
}

async fn a_link_that_was_read_is_known_by_heart(fresh: &Fresh) {
    let (store, mails) = fresh.with_mails().await;
    let ids: Vec<LinkId> = (0..1_100).map(|_| link()).collect();
    let steps = ids.iter().map(|id| new_link(id, &mails.tenant, &format!("https://{id}.example/"), mails.clock.now()));
    store.write(steps.fold(Change::default(), Change::with)).await.unwrap();
    // More than are kept: those behind the bound are read again.
    for id in ids.iter().chain(&ids) {
        assert_eq!(reads(&store, id).await, Some(format!("https://{id}.example/")));
    }
    fresh.sql("DELETE FROM links").await;
    assert!(reads(&store, &ids[1_099]).await.is_some(), "no read for what was read just now");
    assert_eq!(reads(&fresh.open().await, &ids[1_099]).await, None);
}

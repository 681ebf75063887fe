//! The daemons that share a store: each start is somebody new.

use crate::stores::{Fresh, on_both};
use futures_util::future::join_all;
use gatepost::base::clock::{Clock, Time};
use gatepost::base::random::Random;
use gatepost::model::delivery::Lease;
use gatepost::store::StoreError;
use std::time::Duration;

on_both! {
    each_start_takes_the_next_epoch
    two_starts_under_one_name_are_told_apart
    a_stopped_node_says_so_and_only_for_itself
    the_clock_is_the_databases
}

async fn each_start_takes_the_next_epoch(fresh: &Fresh) {
    let store = fresh.open().await;
    let first = store.start_node("mail.example.com", "1.0").await.unwrap();
    assert_eq!(first.epoch, 1);
    let other = store.start_node("mx2.example.com", "1.0").await.unwrap();
    assert_eq!(other.epoch, 1);
    assert_ne!(other.node, first.node);
    store.close().await;
    for epoch in 2..=4 {
        let store = fresh.open().await;
        let lease = store.start_node("mail.example.com", "1.1").await.unwrap();
        assert_eq!(lease, Lease { node: first.node.clone(), epoch });
        let nodes = store.nodes().await.unwrap();
        let names: Vec<_> = nodes.iter().map(|node| (node.name.as_str(), node.epoch, node.version.as_str())).collect();
        assert_eq!(names, [("mail.example.com", epoch, "1.1"), ("mx2.example.com", 1, "1.0")]);
        store.close().await;
    }
}

async fn two_starts_under_one_name_are_told_apart(fresh: &Fresh) {
    let (one, two) = (fresh.open().await, fresh.open().await);
    for round in 0..10 {
        let starts = join_all([one.start_node("same", "1"), two.start_node("same", "1")]).await;
        let leases: Vec<&Lease> = starts.iter().flatten().collect();
        // Whoever lost says so by name; nobody has the epoch of another.
        assert!(!leases.is_empty(), "round {round}: {starts:?}");
        if let [a, b] = leases.as_slice() {
            assert_ne!(a.epoch, b.epoch, "round {round}");
        }
        for error in starts.iter().filter_map(|start| start.as_ref().err()) {
            assert!(matches!(error, StoreError::Conflict { .. }), "{error}");
            assert!(error.to_string().contains("server.hostname"), "{error}");
        }
        assert_eq!(one.nodes().await.unwrap()[0].epoch, 2 * (round + 1));
    }
}

async fn a_stopped_node_says_so_and_only_for_itself(fresh: &Fresh) {
    let store = fresh.open().await;
    let old = store.start_node("same", "1").await.unwrap();
    let new = store.start_node("same", "1").await.unwrap();
    store.stop_node(&old).await.unwrap();
    assert_eq!(store.nodes().await.unwrap()[0].stopped_at, None, "an earlier start speaks for itself only");
    store.stop_node(&new).await.unwrap();
    let stopped = store.nodes().await.unwrap().remove(0);
    assert!(stopped.stopped_at.unwrap() >= stopped.started_at);
    store.start_node("same", "1").await.unwrap();
    assert_eq!(store.nodes().await.unwrap()[0].stopped_at, None);
}

async fn the_clock_is_the_databases(fresh: &Fresh) {
    // Our own clock stands at 1970: what nodes compare must not come from it.
    let mut opening = fresh.opening();
    opening.clock = Clock::set(Time::default());
    opening.random = Random::seeded(1);
    let store = gatepost::store::Store::open(opening).await.unwrap();
    let before = Clock::System.now();
    let first = store.now().await.unwrap();
    let second = store.now().await.unwrap();
    let after = Clock::System.now();
    let slack = Duration::from_millis(2);
    assert!(first.plus(slack) >= before && second <= after.plus(slack), "{before} {first} {second} {after}");
    assert!(second >= first);
    store.start_node("same", "1").await.unwrap();
    let node = store.nodes().await.unwrap().remove(0);
    assert!(node.started_at.plus(slack) >= before, "{}", node.started_at);
    assert_eq!(node.started_at, node.seen_at);
}

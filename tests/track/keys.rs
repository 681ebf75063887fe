//! The keys of links, as several nodes of one store make, share and change them.

use super::scene::{Sent, sealed, url};
use crate::stores::{Fresh, on_both};
use arc_swap::ArcSwap;
use futures_util::future::join_all;
use gatepost::base::clock::{Clock, Time};
use gatepost::base::random::Random;
use gatepost::content::token::{Keyring, LeadsTo};
use gatepost::daemon::keyring::Keys;
use gatepost::store::Store;
use gatepost::store::open::Opening;
use std::sync::Arc;
use std::time::Duration;

on_both! {
    two_nodes_make_one_first_key
    a_new_key_is_known_to_all_before_it_mints
}

/// A store whose rows are dated by this clock.
async fn opened(fresh: &Fresh, clock: &Clock) -> Arc<Store> {
    Arc::new(Store::open(Opening { clock: clock.clone(), ..fresh.opening() }).await.unwrap())
}

fn clock() -> Clock {
    Clock::set(Time::from_micros(1_800_000_000_000_000))
}

fn opens(ring: &ArcSwap<Keyring>, token: &str) -> bool {
    ring.load().open(token).is_some()
}

async fn two_nodes_make_one_first_key(fresh: &Fresh) {
    let clock = clock();
    let stores = [opened(fresh, &clock).await, opened(fresh, &clock).await];
    let starts = (0..8).map(|n| Keys::open(stores[n % 2].clone(), clock.clone(), Random::System));
    let nodes = join_all(starts).await;
    let rings: Vec<_> = nodes.into_iter().map(|keys| keys.unwrap().ring()).collect();
    assert_eq!(fresh.count("secrets").await, 1);
    for one in &rings {
        let token = sealed(&one.load(), &Sent::unknown(), url("https://example.com/"));
        assert!(rings.iter().all(|other| opens(other, &token)));
    }
}

async fn a_new_key_is_known_to_all_before_it_mints(fresh: &Fresh) {
    let clock = clock();
    let (here, there) = (opened(fresh, &clock).await, opened(fresh, &clock).await);
    let one = Keys::open(here.clone(), clock.clone(), Random::System).await.unwrap();
    let two = Keys::open(there.clone(), clock.clone(), Random::System).await.unwrap();
    let old = sealed(&one.ring().load(), &Sent::unknown(), LeadsTo::Pixel);
    let version = there.directory_version().await.unwrap();
    clock.advance(Duration::from_secs(60));

    let made = one.rotate("root").await.unwrap();
    assert_eq!((made.number, made.mints_at), (2, clock.now().plus(Duration::from_secs(10))));
    assert!(there.directory_version().await.unwrap() > version, "other nodes hear of it");
    // What follows the version does this.
    two.refresh().await.unwrap();
    for keys in [&one, &two] {
        keys.settle();
        assert_eq!(keys.ring().load().mints_with(), 1, "not yet: somebody may not know it");
    }
    clock.advance(Duration::from_secs(10));
    for keys in [&one, &two] {
        keys.settle();
        assert_eq!(keys.ring().load().mints_with(), 2);
        assert!(opens(&keys.ring(), &old), "links never die");
    }
    let new = sealed(&one.ring().load(), &Sent::unknown(), LeadsTo::Pixel);
    assert!(opens(&two.ring(), &new));

    // Asked at once, again and again: every key has one number, and all know all.
    for made in join_all((0..6).map(|n| if n % 2 == 0 { one.rotate("a") } else { two.rotate("b") })).await {
        made.unwrap();
    }
    one.refresh().await.unwrap();
    two.refresh().await.unwrap();
    clock.advance(Duration::from_secs(10));
    one.settle();
    two.settle();
    let newest = sealed(&two.ring().load(), &Sent::unknown(), LeadsTo::Pixel);
    let three = Keys::open(here, clock.clone(), Random::System).await.unwrap();
    for token in [&old, &new, &newest] {
        assert!(opens(&one.ring(), token) && opens(&two.ring(), token) && opens(&three.ring(), token));
    }
    let numbers: Vec<u16> = three.ring().load().numbers().collect();
    assert_eq!(numbers, (1..=numbers.len() as u16).collect::<Vec<_>>());
    assert_eq!(fresh.count("secrets").await, numbers.len() as i64);
}

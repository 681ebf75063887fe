//! Secrets at rest: readable with the master key only, in their own place only, until they are retired.

use crate::stores::{Fresh, on_both};
use gatepost::base::random::Random;
use gatepost::base::secret::Secret;
use gatepost::store::{Change, Store, StoreError};

on_both! {
    a_secret_is_sealed_and_opened
    the_newest_secret_of_a_name_is_the_live_one
    a_retired_secret_is_kept_but_not_used
    a_secret_moved_to_another_row_does_not_open
    another_master_key_is_refused_at_open
}

async fn a_secret_is_sealed_and_opened(fresh: &Fresh) {
    let store = fresh.open().await;
    let long: Vec<u8> = Random::seeded(1).bytes::<4096>().to_vec();
    for (n, bytes) in [b"hunter2".to_vec(), Vec::new(), vec![0; 3], long].into_iter().enumerate() {
        let name = format!("relay {n}'; --");
        store.write(store.seal_secret("relay_password", &name, &bytes)).await.unwrap();
        assert_eq!(store.secret("relay_password", &name).await.unwrap().unwrap().expose(), &bytes);
    }
    assert!(store.secret("relay_password", "other").await.unwrap().is_none());
    assert!(store.secret("imap_password", "relay 0'; --").await.unwrap().is_none());
    let mut connection = fresh.connect().await;
    let sealed: Vec<Vec<u8>> =
        sqlx::query_scalar("SELECT sealed FROM secrets").fetch_all(&mut connection).await.unwrap();
    assert!(sealed.iter().all(|sealed| !sealed.windows(7).any(|part| part == b"hunter2")), "in the clear");
    // The same key opens it in the next start.
    store.close().await;
    let store = fresh.open().await;
    assert_eq!(store.secret("relay_password", "relay 0'; --").await.unwrap().unwrap().expose(), b"hunter2");
}

async fn live(store: &Store) -> Option<Vec<u8>> {
    store.secret("mac", "links").await.unwrap().map(|secret| secret.expose().to_vec())
}

async fn the_newest_secret_of_a_name_is_the_live_one(fresh: &Fresh) {
    let store = fresh.open().await;
    for n in 0..5_u8 {
        store.write(store.seal_secret("mac", "links", &[n])).await.unwrap();
        assert_eq!(live(&store).await, Some(vec![n]));
    }
    assert_eq!(fresh.count("secrets WHERE retired_at IS NULL").await, 5);
}

async fn a_retired_secret_is_kept_but_not_used(fresh: &Fresh) {
    let store = fresh.open().await;
    store.write(store.seal_secret("mac", "links", b"old")).await.unwrap();
    store.write(store.seal_secret("mac", "opens", b"other")).await.unwrap();
    store.write(store.retire_secrets("mac", "links")).await.unwrap();
    assert_eq!(live(&store).await, None);
    assert_eq!(store.secret("mac", "opens").await.unwrap().unwrap().expose(), b"other");
    // A rotation is one change: there is no moment without a live one.
    for n in 0..3_u8 {
        let rotation = Change::of(store.retire_secrets("mac", "links")).with(store.seal_secret("mac", "links", &[n]));
        store.write(rotation).await.unwrap();
        assert_eq!(live(&store).await, Some(vec![n]));
    }
    assert_eq!(fresh.count("secrets WHERE name = 'links'").await, 4);
    assert_eq!(fresh.count("secrets WHERE name = 'links' AND retired_at IS NULL").await, 1);
}

async fn a_secret_moved_to_another_row_does_not_open(fresh: &Fresh) {
    let store = fresh.open().await;
    store.write(store.seal_secret("mac", "links", b"mine")).await.unwrap();
    store.write(store.seal_secret("mac", "opens", b"yours")).await.unwrap();
    fresh
        .sql("UPDATE secrets SET sealed = (SELECT s.sealed FROM secrets s WHERE s.name = 'opens') WHERE name = 'links'")
        .await;
    assert!(store.secret("mac", "links").await.is_err());
    assert_eq!(store.secret("mac", "opens").await.unwrap().unwrap().expose(), b"yours");
}

async fn another_master_key_is_refused_at_open(fresh: &Fresh) {
    let store = fresh.open().await;
    store.write(store.seal_secret("mac", "links", b"mine")).await.unwrap();
    store.close().await;
    let mut other = fresh.opening();
    other.master_key = Secret::new(vec![8; 32]);
    let error = fresh.refusal(other).await;
    assert!(matches!(error, StoreError::Refused { .. }), "{error}");
    assert!(error.to_string().contains("master key"), "{error}");
    for length in [0, 16, 31, 33, 64] {
        let mut short = fresh.opening();
        short.master_key = Secret::new(vec![7; length]);
        let error = fresh.refusal(short).await;
        assert!(error.to_string().contains("64 hex digits"), "{error}");
    }
    assert_eq!(live(&fresh.open().await).await, Some(b"mine".to_vec()), "the right key still opens it");
}

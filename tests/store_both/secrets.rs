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
    of_several_who_seal_a_secret_once_one_wins
    all_secrets_of_a_purpose_are_read
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

async fn of_several_who_seal_a_secret_once_one_wins(fresh: &Fresh) {
    let (one, two) = (fresh.open().await, fresh.open().await);
    let tries = (0..20_u8).map(|n| {
        let store = if n % 2 == 0 { &one } else { &two };
        store.write(store.seal_once("mac", "1", &[n]))
    });
    for written in futures_util::future::join_all(tries).await {
        written.unwrap();
    }
    assert_eq!(fresh.count("secrets").await, 1);
    let won = live_of(&one, "1").await;
    assert!(won.is_some());
    assert_eq!(live_of(&two, "1").await, won);
    // Another name, or another purpose, is another place.
    one.write(one.seal_once("mac", "2", b"second")).await.unwrap();
    one.write(one.seal_once("other", "1", b"other")).await.unwrap();
    assert_eq!(fresh.count("secrets").await, 3);
    assert_eq!(live_of(&one, "1").await, won);
}

async fn live_of(store: &Store, name: &str) -> Option<Vec<u8>> {
    store.secret("mac", name).await.unwrap().map(|secret| secret.expose().to_vec())
}

async fn all_secrets_of_a_purpose_are_read(fresh: &Fresh) {
    let store = fresh.open().await;
    assert!(store.secrets_of("mac").await.unwrap().is_empty());
    for n in 0..230_u32 {
        store.write(store.seal_once("mac", &n.to_string(), &n.to_be_bytes())).await.unwrap();
    }
    store.write(store.seal_secret("other", "1", b"other")).await.unwrap();
    store.write(store.retire_secrets("mac", "7")).await.unwrap();
    let mut all = store.secrets_of("mac").await.unwrap();
    all.sort_by_key(|kept| kept.name.parse::<u32>().unwrap());
    assert_eq!(all.len(), 230, "the retired one too");
    for (n, kept) in all.iter().enumerate() {
        assert_eq!((kept.name.clone(), kept.secret.expose()), (n.to_string(), &(n as u32).to_be_bytes().to_vec()));
    }
    let another = "(SELECT s.sealed FROM secrets s WHERE s.purpose = 'other')";
    fresh.sql(&format!("UPDATE secrets SET sealed = {another} WHERE name = '9'")).await;
    assert!(matches!(store.secrets_of("mac").await, Err(StoreError::Refused { .. })), "one that does not open is told");
}

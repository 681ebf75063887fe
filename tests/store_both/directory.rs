//! Entries and keys made through the API: every change is heard by all nodes, because it moves the
//! version that they poll.

use crate::stores::{Fresh, on_both};
use futures_util::future::join_all;
use gatepost::base::clock::Clock;
use gatepost::base::id::{self, KeyId, TenantId};
use gatepost::base::random::Random;
use gatepost::model::directory::{EntryKind, EntryRow, Key};
use gatepost::store::StoreError;
use gatepost::store::directory::{delete_entry, new_entry, new_key, revoke_key};

on_both! {
    entries_and_keys_are_read_back
    every_change_moves_the_version
    a_refused_change_moves_nothing
    changes_at_once_are_all_counted
    a_deleted_entry_gives_its_name_free
    more_entries_than_a_page_are_all_read
}

fn entry(kind: EntryKind, name: &str) -> EntryRow {
    let (now, random) = (Clock::System.now(), Random::System);
    let tenant: TenantId = id::new(now, &random);
    // Any id will do: the kinds share one shape.
    let id = id::new::<gatepost::base::id::DomainId>(now, &random).to_string();
    let definition = format!(r#"{{"name":"{name}","odd":"'; DROP TABLE domains; -- ü"}}"#);
    EntryRow { kind, id, tenant, name: name.into(), definition, disabled_at: None }
}

fn key(name: &str) -> Key {
    let (now, random) = (Clock::System.now(), Random::System);
    Key {
        id: id::new(now, &random),
        tenant: id::new(now, &random),
        name: name.into(),
        secret_hash: "ab".repeat(32),
        scopes: r#"["send"]"#.into(),
        domains: "[]".into(),
        networks: r#"["10.0.0.0/8"]"#.into(),
        created_at: now,
        expires_at: Some(now),
    }
}

async fn entries_and_keys_are_read_back(fresh: &Fresh) {
    let store = fresh.open().await;
    let empty = store.directory_rows().await.unwrap();
    assert_eq!((empty.version, empty.entries.len(), empty.keys.len()), (0, 0, 0));
    let entries = EntryKind::ALL.map(|kind| entry(kind, kind.word()));
    for entry in &entries {
        store.write(new_entry(entry, Clock::System.now())).await.unwrap();
    }
    let keys = [key("app"), Key { expires_at: None, ..key("forever") }];
    for key in &keys {
        store.write(new_key(key)).await.unwrap();
    }
    let mut rows = store.directory_rows().await.unwrap();
    rows.keys.sort_by(|a, b| a.name.cmp(&b.name));
    assert_eq!((rows.version, rows.entries, rows.keys), (8, entries.to_vec(), keys.to_vec()));
}

async fn every_change_moves_the_version(fresh: &Fresh) {
    let store = fresh.open().await;
    let now = Clock::System.now();
    let mut version = store.directory_version().await.unwrap();
    for kind in EntryKind::ALL {
        let entry = entry(kind, "example.com");
        for change in [new_entry(&entry, now), delete_entry(kind, &entry.id, now)] {
            store.write(change).await.unwrap();
            version += 1;
            assert_eq!(store.directory_version().await, Ok(version), "{kind:?}");
        }
    }
    let key = key("app");
    store.write(new_key(&key)).await.unwrap();
    assert_eq!(store.directory_rows().await.unwrap().keys, std::slice::from_ref(&key));
    store.write(revoke_key(&key.id, now)).await.unwrap();
    let rows = store.directory_rows().await.unwrap();
    assert_eq!(rows.version, version + 2);
    assert_eq!((rows.entries, rows.keys), (vec![], vec![]), "a revoked key is dead");
}

async fn a_refused_change_moves_nothing(fresh: &Fresh) {
    let store = fresh.open().await;
    let now = Clock::System.now();
    let domain = entry(EntryKind::Domain, "example.com");
    store.write(new_entry(&domain, now)).await.unwrap();
    let before = store.directory_rows().await.unwrap();
    let absent: KeyId = id::new(now, &Random::System);
    let refused = [
        new_entry(&entry(EntryKind::Domain, "example.com"), now),
        delete_entry(EntryKind::Domain, "dom_absent", now),
        delete_entry(EntryKind::Relay, &domain.id, now),
        revoke_key(&absent, now),
    ];
    for change in refused {
        let answer = store.write(change).await;
        assert!(matches!(answer, Err(StoreError::Conflict { .. })), "{answer:?}");
    }
    assert_eq!(store.directory_rows().await, Ok(before));
}

async fn changes_at_once_are_all_counted(fresh: &Fresh) {
    let store = fresh.open().await;
    let entries: Vec<_> = (0..100).map(|n| entry(EntryKind::Credential, &format!("app{n}@example.com"))).collect();
    let answers = join_all(entries.iter().map(|entry| store.write(new_entry(entry, Clock::System.now())))).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    let rows = store.directory_rows().await.unwrap();
    assert_eq!((rows.version, rows.entries.len()), (100, 100));
}

async fn a_deleted_entry_gives_its_name_free(fresh: &Fresh) {
    let store = fresh.open().await;
    let now = Clock::System.now();
    for kind in EntryKind::ALL {
        let first = entry(kind, "same");
        store.write(new_entry(&first, now)).await.unwrap();
        let second = EntryRow { tenant: first.tenant.clone(), ..entry(kind, "same") };
        assert!(matches!(store.write(new_entry(&second, now)).await, Err(StoreError::Conflict { .. })), "{kind:?}");
        store.write(delete_entry(kind, &first.id, now)).await.unwrap();
        store.write(new_entry(&second, now)).await.unwrap();
        let found: Vec<_> = store.directory_rows().await.unwrap().entries;
        assert!(found.contains(&second) && !found.contains(&first), "{kind:?}");
    }
}

async fn more_entries_than_a_page_are_all_read(fresh: &Fresh) {
    let store = fresh.open().await;
    let now = Clock::System.now();
    for (kind, count) in EntryKind::ALL.into_iter().zip([0, 1, 99, 100, 101, 250]) {
        let entries: Vec<_> = (0..count).map(|n| entry(kind, &format!("name{n}"))).collect();
        join_all(entries.iter().map(|entry| store.write(new_entry(entry, now)))).await;
    }
    let keys: Vec<_> = (0..200).map(|n| key(&format!("key{n}"))).collect();
    join_all(keys.iter().map(|key| store.write(new_key(key)))).await;
    let rows = store.directory_rows().await.unwrap();
    for (kind, count) in EntryKind::ALL.into_iter().zip([0, 1, 99, 100, 101, 250]) {
        assert_eq!(rows.entries.iter().filter(|entry| entry.kind == kind).count(), count, "{kind:?}");
    }
    assert_eq!(rows.keys.len(), 200);
    assert_eq!(rows.version, 751);
}

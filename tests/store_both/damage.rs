//! Rows that no Gatepost wrote: each is told as damage of this row, and never a panic, a wrong value,
//! or the store's failure.

use crate::mails::Mail;
use crate::stores::{Fresh, on_both};
use gatepost::model::delivery::State;
use gatepost::model::message::Form;
use gatepost::store::dialect::Engine;
use gatepost::store::people::{new_tenant, new_user};
use gatepost::store::{Store, StoreError};

on_both! {
    a_damaged_message_is_told
    a_damaged_delivery_is_told
    a_damaged_attempt_is_told
    a_damaged_event_is_told
    a_damaged_body_is_told
    a_missing_chunk_is_told
    a_damaged_directory_is_told
    damaged_people_and_nodes_are_told
    a_damaged_secret_is_told
    damage_of_one_row_is_no_trouble_for_others
}

#[track_caller]
fn assert_damaged<T: std::fmt::Debug>(answer: Result<T, StoreError>, by: &str) {
    assert!(matches!(answer, Err(StoreError::Damaged { .. })), "{by}: {answer:?}");
}

/// What SQLite takes in any column, and PostgreSQL in none.
fn wrong_kinds(engine: Engine, texts: &[&str], numbers: &[&str]) -> Vec<String> {
    if engine == Engine::Postgres {
        return Vec::new();
    }
    let texts = texts.iter().flat_map(|c| [format!("{c} = x'ff00'"), format!("{c} = CAST(x'fffe' AS TEXT)")]);
    let numbers = numbers.iter().flat_map(|c| [format!("{c} = 'many'"), format!("{c} = x'00'"), format!("{c} = 1.5")]);
    texts.chain(numbers).collect()
}

/// Runs each damage on a copy of the row's world: the row is put back in between.
async fn each_damage(fresh: &Fresh, table: &str, damages: &[&str], more: Vec<String>, read: impl AsyncFn(&str)) {
    fresh.sql(&format!("CREATE TABLE kept AS SELECT * FROM {table}")).await;
    for damage in damages.iter().map(|damage| (*damage).to_owned()).chain(more) {
        fresh.sql(&format!("UPDATE {table} SET {damage}")).await;
        read(&damage).await;
        fresh.sql(&format!("DELETE FROM {table}")).await;
        fresh.sql(&format!("INSERT INTO {table} SELECT * FROM kept")).await;
    }
    fresh.sql("DROP TABLE kept").await;
}

async fn one_mail(fresh: &Fresh) -> (Store, Mail) {
    let (store, mails) = fresh.with_mails().await;
    let mail = mails.mail(b"sound".to_vec());
    store.write(mail.accept.clone()).await.unwrap();
    store.write(mails.settle(&mail, State::Deferred)).await.unwrap();
    (store, mail)
}

async fn a_damaged_message_is_told(fresh: &Fresh) {
    let (store, mail) = one_mail(fresh).await;
    let damages = [
        "origin = 'nonsense'",
        "origin = ''",
        "tenant_id = 'ten_short'",
        "tenant_id = ''",
        "sender = 'not an address'",
        "sender = ''",
        "from_domain = 'no domain!'",
        "from_domain = ''",
        "size = -1",
    ];
    let kinds = wrong_kinds(fresh.engine(), &["subject", "peer", "sender", "details"], &["size", "created_at"]);
    each_damage(fresh, "messages", &damages, kinds, async |damage| {
        assert_damaged(store.message(&mail.message).await, damage);
    })
    .await;
    assert!(store.message(&mail.message).await.unwrap().is_some());
}

async fn a_damaged_delivery_is_told(fresh: &Fresh) {
    let (store, mail) = one_mail(fresh).await;
    let damages = [
        "state = 'LEASED'",
        "state = ''",
        "recipient = 'nobody'",
        "recipient = ''",
        "tenant_id = 'x'",
        "leased_by = 'me', leased_epoch = 1",
        "id = 'dl_x'",
    ];
    let kinds = wrong_kinds(fresh.engine(), &["reason", "destination"], &["attempts", "due_at", "leased_epoch"]);
    each_damage(fresh, "deliveries", &damages, kinds, async |damage| {
        assert_damaged(store.deliveries_of(&mail.message, "").await, damage);
    })
    .await;
    assert_eq!(store.deliveries_of(&mail.message, "").await.unwrap().len(), 1);
}

async fn a_damaged_attempt_is_told(fresh: &Fresh) {
    let (store, mail) = one_mail(fresh).await;
    let kinds = wrong_kinds(fresh.engine(), &["outcome", "reply", "tls"], &["took_us", "started_at"]);
    each_damage(fresh, "attempts", &["took_us = -1", "node_id = 'nd'", "node_id = ''"], kinds, async |damage| {
        assert_damaged(store.attempts_of(mail.delivery.as_str(), 0).await, damage);
    })
    .await;
}

async fn a_damaged_event_is_told(fresh: &Fresh) {
    let (store, mail) = one_mail(fresh).await;
    let kinds = wrong_kinds(fresh.engine(), &["kind", "data"], &["at"]);
    let damages = ["tenant_id = ''", "delivery_id = 'evt_'"];
    each_damage(fresh, "events", &damages, kinds, async |damage| {
        assert_damaged(store.events_of(&mail.message, "").await, damage);
    })
    .await;
}

async fn a_damaged_body_is_told(fresh: &Fresh) {
    let (store, mails) = fresh.with_mails().await;
    let mail = mails.mail(vec![b'a'; 100_000]);
    store.write(mail.accept).await.unwrap();
    assert_eq!(fresh.count("bodies WHERE codec = 'zstd'").await, 1);
    let (cut, empty) = match fresh.engine() {
        Engine::Sqlite => ("bytes = substr(bytes, 1, 10)", "bytes = x''"),
        Engine::Postgres => ("bytes = substring(bytes from 1 for 10)", "bytes = ''::bytea"),
    };
    let damages = [
        "codec = 'lz4'",
        "codec = 'plain'",
        "codec = ''",
        "size = -1",
        "size = 0",
        "size = 99999",
        "size = 100001",
        "size = 9223372036854775807",
        "chunks = 1",
        "chunks = 9223372036854775807",
        cut,
        empty,
    ];
    let kinds = wrong_kinds(fresh.engine(), &["codec"], &["size", "chunks"]);
    each_damage(fresh, "bodies", &damages, kinds, async |damage| {
        assert_damaged(store.body(&mail.message, Form::Prepared).await, damage);
    })
    .await;
    assert_eq!(store.body(&mail.message, Form::Prepared).await.unwrap().unwrap().len(), 100_000);
}

async fn a_missing_chunk_is_told(fresh: &Fresh) {
    let (store, mails) = fresh.with_mails().await;
    let mut noise = vec![0; 2 << 20];
    mails.random.fill(&mut noise);
    let mail = mails.mail(noise);
    store.write(mail.accept).await.unwrap();
    let cut = match fresh.engine() {
        Engine::Sqlite => "bytes = substr(bytes, 1, 10)",
        Engine::Postgres => "bytes = substring(bytes from 1 for 10)",
    };
    each_damage(fresh, "body_chunks", &[cut, "seq = seq + 100", "form = 'submitted'"], Vec::new(), async |damage| {
        assert_damaged(store.body(&mail.message, Form::Prepared).await, damage);
    })
    .await;
    for seq in 0..4 {
        fresh.sql(&format!("UPDATE body_chunks SET seq = 100 WHERE seq = {seq}")).await;
        assert_damaged(store.body(&mail.message, Form::Prepared).await, &format!("chunk {seq} is missing"));
        fresh.sql(&format!("UPDATE body_chunks SET seq = {seq} WHERE seq = 100")).await;
    }
    assert_eq!(store.body(&mail.message, Form::Prepared).await.unwrap().unwrap().len(), 2 << 20);
}

async fn a_damaged_directory_is_told(fresh: &Fresh) {
    let store = fresh.open().await;
    fresh.sql("INSERT INTO settings (name, value, updated_at) VALUES ('directory_version', 'many', 0)").await;
    assert_damaged(store.directory_version().await, "the version is a word");
    assert_damaged(store.directory_rows().await, "the version is a word");
    fresh.sql("UPDATE settings SET value = '3' WHERE name = 'directory_version'").await;
    assert_eq!(store.directory_version().await, Ok(3));
    fresh
        .sql(
            "INSERT INTO relays (id, tenant_id, name, definition, created_at, updated_at)
             VALUES ('rly_x', 'nobody', 'up', '{}', 0, 0)",
        )
        .await;
    assert_damaged(store.directory_rows().await, "an entry of no tenant");
    fresh.sql("DELETE FROM relays").await;
    fresh
        .sql(
            "INSERT INTO keys (id, tenant_id, name, secret_hash, scopes, domains, networks, created_at)
             VALUES ('key_x', 'nobody', 'app', '', '', '', '', 0)",
        )
        .await;
    assert_damaged(store.directory_rows().await, "a key of no tenant");
}

async fn damaged_people_and_nodes_are_told(fresh: &Fresh) {
    use gatepost::base::{clock::Clock, id, random::Random};
    use gatepost::model::people::{Role, Tenant, User};
    let store = fresh.open().await;
    let now = Clock::System.now();
    let tenant = Tenant {
        id: id::new(now, &Random::System),
        name: "acme".into(),
        created_at: now,
        disabled_at: None,
        deleted_at: None,
    };
    let user = User {
        id: id::new(now, &Random::System),
        tenant: tenant.id.clone(),
        email: "ada@acme.example".into(),
        name: "Ada".into(),
        role: Role::Admin,
        created_at: now,
        disabled_at: None,
        deleted_at: None,
    };
    store.write(gatepost::store::Change::of(new_tenant(&tenant)).with(new_user(&user))).await.unwrap();
    store.start_node("mail.example.com", "1").await.unwrap();
    each_damage(fresh, "users", &["role = 'root'", "role = ''", "id = 'usr'"], Vec::new(), async |damage| {
        assert_damaged(store.users(&tenant.id, "").await, damage);
    })
    .await;
    each_damage(fresh, "tenants", &["id = 'ten'"], Vec::new(), async |damage| {
        assert_damaged(store.tenants("").await, damage);
        assert_damaged(store.tenant("acme").await, damage);
    })
    .await;
    each_damage(fresh, "nodes", &["id = 'nd'"], Vec::new(), async |damage| {
        assert_damaged(store.nodes().await, damage);
        assert_damaged(store.start_node("mail.example.com", "1").await, damage);
    })
    .await;
}

async fn a_damaged_secret_is_told(fresh: &Fresh) {
    let store = fresh.open().await;
    store.write(store.seal_secret("mac", "links", b"mine")).await.unwrap();
    let damages = match fresh.engine() {
        Engine::Sqlite => ["sealed = x''", "sealed = x'01'", "sealed = x'ff' || sealed"],
        Engine::Postgres => ["sealed = ''::bytea", "sealed = '\\x01'::bytea", "sealed = '\\xff'::bytea || sealed"],
    };
    each_damage(fresh, "secrets", &damages, Vec::new(), async |damage| {
        assert_damaged(store.secret("mac", "links").await, damage);
    })
    .await;
    assert_eq!(store.secret("mac", "links").await.unwrap().unwrap().expose(), b"mine");
}

async fn damage_of_one_row_is_no_trouble_for_others(fresh: &Fresh) {
    let (store, mails) = fresh.with_mails().await;
    let (bad, good) = (mails.mail(b"bad".to_vec()), mails.mail(b"good".to_vec()));
    store.write(bad.accept.clone()).await.unwrap();
    store.write(good.accept.clone()).await.unwrap();
    fresh.sql(&format!("UPDATE messages SET origin = 'nonsense' WHERE id = '{}'", bad.message)).await;
    assert_damaged(store.message(&bad.message).await, "its origin");
    assert_eq!(store.message(&good.message).await.unwrap().as_ref(), good.accept.messages.first());
    store.write(mails.settle(&bad, State::Delivered)).await.unwrap();
    crate::stores::until_up(&store).await;
}

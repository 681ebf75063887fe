//! Opening a store: made when it is not there, brought up to date, and refused in words that say what
//! to do.

use crate::stores::{Fresh, on_both, until_up};
use gatepost::store::change::Written;
use gatepost::store::dialect::Engine;
use gatepost::store::{Change, Store, StoreError};

on_both! {
    a_store_is_made_once_and_opened_again
    a_store_of_a_newer_version_is_refused
    a_store_whose_history_was_changed_is_refused
    a_store_that_is_half_made_is_finished
    two_may_open_a_new_store_at_once
    a_damaged_mark_of_the_master_key_is_said
}

async fn a_store_is_made_once_and_opened_again(fresh: &Fresh) {
    for round in 0..3 {
        let (store, mails) = fresh.with_mails().await;
        until_up(&store).await;
        assert_eq!(store.messages_count().await, Ok(round));
        store.write(mails.mail(b"x".to_vec()).accept).await.unwrap();
        store.close().await;
    }
}

async fn a_store_of_a_newer_version_is_refused(fresh: &Fresh) {
    fresh.open().await.close().await;
    let newest = fresh.number("SELECT MAX(version) FROM _sqlx_migrations").await;
    fresh
        .sql(&format!(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             SELECT {}, 'from the future', success, checksum, execution_time FROM _sqlx_migrations WHERE version = 1",
            newest + 1
        ))
        .await;
    let error = fresh.refusal(fresh.opening()).await;
    assert!(matches!(error, StoreError::Refused { .. }), "{error}");
    let said = error.to_string();
    assert!(said.contains("newer Gatepost") && said.contains("start that version"), "{said}");
    assert!(said.contains(&format!("migration {}, this one knows {newest}", newest + 1)), "{said}");
    assert!(said.contains("backup"), "{said}");
}

async fn a_store_whose_history_was_changed_is_refused(fresh: &Fresh) {
    fresh.open().await.close().await;
    let other = "(SELECT m.checksum FROM _sqlx_migrations m WHERE m.version = 2)";
    fresh.sql(&format!("UPDATE _sqlx_migrations SET checksum = {other} WHERE version = 1")).await;
    let error = fresh.refusal(fresh.opening()).await;
    assert!(matches!(error, StoreError::Refused { .. }), "{error}");
    assert!(error.to_string().contains("migration 1"), "{error}");
}

/// What an older version left, or a start that was cut between two migrations.
async fn a_store_that_is_half_made_is_finished(fresh: &Fresh) {
    fresh.open().await.close().await;
    for table in ["contacts", "tickets", "entries", "tags", "ticket_tags"] {
        fresh.sql(&format!("DROP TABLE {table}")).await;
    }
    fresh.sql("DELETE FROM _sqlx_migrations WHERE version = 3").await;
    let store = fresh.open().await;
    store.write(Change::default()).await.unwrap();
    assert_eq!(fresh.count("contacts").await, 0);
}

/// One of two who make the same SQLite file at once may be told to come again; neither harms it.
async fn two_may_open_a_new_store_at_once(fresh: &Fresh) {
    let (one, two) = tokio::join!(Store::open(fresh.opening()), Store::open(fresh.opening()));
    assert!(one.is_ok() || two.is_ok(), "both were refused");
    for opened in [one, two] {
        match opened {
            Ok(store) => assert_eq!(store.write(Change::default()).await, Ok(Written::default())),
            Err(error) => assert!(error.is_temporary() && fresh.engine() == Engine::Sqlite, "{error}"),
        }
    }
    fresh.open().await.write(Change::default()).await.unwrap();
}

async fn a_damaged_mark_of_the_master_key_is_said(fresh: &Fresh) {
    fresh.open().await.close().await;
    for value in ["", "zz", "00", "ff00", "nonsense"] {
        fresh.sql(&format!("UPDATE settings SET value = '{value}' WHERE name = 'master_key_check'")).await;
        let error = fresh.refusal(fresh.opening()).await;
        assert!(matches!(error, StoreError::Damaged { .. }), "{value:?}: {error}");
    }
}

#[test]
fn an_unreachable_store_says_where_and_hides_its_password() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let place = |url: &str| {
            Fresh::at(gatepost::store::dialect::Location::parse(url, std::path::Path::new("/nowhere")).unwrap())
        };
        for url in ["sqlite:/nowhere/at/all.db", "postgres://gatepost:hunter2@127.0.0.1:1/x", "sqlite:/proc/version"] {
            let fresh = place(url);
            let error = fresh.refusal(fresh.opening()).await;
            assert!(!error.to_string().contains("hunter2"), "{error}");
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
    });
}

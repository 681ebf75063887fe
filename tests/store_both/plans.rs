//! Each question of the queue is one walk along its own index: SQLite is asked how it would answer.

use crate::stores::Fresh;
use gatepost::store::dialect::{Engine, Location};
use gatepost::store::open::all_statements;
use sqlx::{AssertSqlSafe, Connection, Executor, Row, SqliteConnection};

/// The statement, the indexes it uses, each of them at least once and no other of `deliveries`.
const PLANS: [(&str, &[&str]); 18] = [
    ("READY_LANES", &["deliveries_ready"]),
    ("READY_PAGE", &["deliveries_ready"]),
    ("READY_OF", &["deliveries_ready"]),
    ("NEXT_DUE", &["deliveries_due"]),
    ("OLDEST_READY", &["deliveries_by_state"]),
    ("DUE_IDS", &["deliveries_due"]),
    ("PROMOTE", &["deliveries_due", "PRIMARY KEY"]),
    ("HOLDERS", &["deliveries_leased"]),
    ("LEASED_BY", &["deliveries_leased"]),
    ("CLAIM", &["PRIMARY KEY"]),
    ("SETTLE", &["PRIMARY KEY"]),
    ("MOVE", &["PRIMARY KEY"]),
    ("WAITING_WINDOW", &["deliveries_by_state", "deliveries_leased"]),
    ("WAITING_WINDOW_AT", &["deliveries_by_destination", "deliveries_leased"]),
    ("WAITING_PAGE", &["deliveries_by_state", "deliveries_leased", "PRIMARY KEY"]),
    ("WAITING_PAGE_AT", &["deliveries_by_destination", "deliveries_leased", "PRIMARY KEY"]),
    ("NEWEST_WINDOW", &["PRIMARY KEY"]),
    ("DESTINATIONS", &["deliveries_by_destination", "deliveries_leased"]),
];

async fn plan(on: &mut SqliteConnection, sql: &str) -> Vec<String> {
    let asked = on.fetch_all(sqlx::raw_sql(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}")))).await;
    asked.unwrap_or_else(|error| panic!("{sql}: {error}")).iter().map(|row| row.get("detail")).collect()
}

#[tokio::test]
async fn each_question_of_the_queue_has_its_index() {
    let fresh = Fresh::on(Engine::Sqlite);
    fresh.open().await.close().await;
    let Location::File(path) = &fresh.location else { unreachable!("SQLite is a file") };
    let mut on = SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.unwrap();
    let statements = all_statements(Engine::Sqlite);
    for (name, indexes) in PLANS {
        let (_, sql) = statements.iter().find(|(listed, _)| *listed == name).unwrap_or_else(|| panic!("{name}?"));
        let plan = plan(&mut on, sql).await;
        // What is looked at beside deliveries is nobody's index here.
        let of_deliveries: Vec<_> = plan
            .iter()
            .filter(|step| step.starts_with("SCAN ") || step.starts_with("SEARCH "))
            .filter(|step| matches!(step.split(' ').nth(1), Some("d" | "deliveries")))
            .collect();
        for index in indexes {
            assert!(of_deliveries.iter().any(|step| step.contains(index)), "{name} does without {index}: {plan:#?}");
        }
        for step in of_deliveries {
            assert!(indexes.iter().any(|index| step.contains(index)), "{name}: {step}\n{plan:#?}");
            // A walk through a whole index is right only where the state alone is asked for, in its order.
            let whole = step.starts_with("SCAN") && !["NEXT_DUE", "HOLDERS", "DESTINATIONS"].contains(&name);
            assert!(!whole || step.contains("deliveries_leased"), "{name}: {step}\n{plan:#?}");
        }
        let sorted = plan.iter().filter(|step| step.contains("TEMP B-TREE FOR ORDER BY")).count();
        // The pages put together by state are sorted, at most a window of them, and so are the leased.
        let may_sort = ["WAITING_WINDOW", "WAITING_WINDOW_AT", "WAITING_PAGE", "WAITING_PAGE_AT", "DESTINATIONS"];
        assert!(sorted == 0 || may_sort.contains(&name), "{name} sorts: {plan:#?}");
    }
}

#[tokio::test]
async fn mail_that_is_sent_at_once_pays_one_index() {
    let fresh = Fresh::on(Engine::Sqlite);
    let (store, mails) = fresh.with_mails().await;
    let entered = crate::store_both::queue::enter(&store, &mails, gatepost::model::delivery::State::Leased, 1).await;
    fresh.sql(&format!("UPDATE deliveries SET leased_by = '{}', leased_epoch = 1", mails.lease.node)).await;
    let standing = async |index: &str, condition: &str| {
        fresh.count(&format!("deliveries INDEXED BY {index} WHERE {condition}")).await
    };
    assert_eq!(standing("deliveries_leased", "state = 'leased'").await, 1);
    for index in ["deliveries_by_state", "deliveries_by_destination"] {
        assert_eq!(standing(index, "finished_at IS NULL AND leased_by IS NULL").await, 0);
    }
    assert_eq!(standing("deliveries_ready", "state = 'ready'").await, 0);
    assert_eq!(standing("deliveries_due", "state IN ('deferred', 'scheduled')").await, 0);
    drop(entered);
}

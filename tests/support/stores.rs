//! Stores for tests: a fresh one on either engine, opened as often as a test likes, and a door behind it
//! (plain SQL) through which a test counts what is there, breaks it, or holds its lock.

use crate::mails::Mails;
use crate::postgres::Cluster;
use arc_swap::ArcSwap;
use gatepost::base::budget::Budget;
use gatepost::base::clock::{Clock, Time};
use gatepost::base::id;
use gatepost::base::random::Random;
use gatepost::base::secret::Secret;
use gatepost::content::token::{Keyring, MacKey};
use gatepost::model::delivery::Lease;
use gatepost::policy::return_path::ReturnPaths;
use gatepost::queue::ready::Ready;
use gatepost::store::dialect::{Engine, Location};
use gatepost::store::open::Opening;
use gatepost::store::writer::Health;
use gatepost::store::{Store, StoreError};
use sqlx::{AnyConnection, AssertSqlSafe, Connection, Executor, Row};
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long anything here may take before the test says what it waited for.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Runs one scenario on a fresh store: what the macro `on_both!` makes a test of.
pub fn run(engine: Engine, scenario: impl AsyncFnOnce(&Fresh)) {
    let fresh = Fresh::on(engine);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(scenario(&fresh));
}

/// One test per engine from each scenario, an `async fn(&Fresh)`.
macro_rules! on_both {
    ($($scenario:ident)*) => {
        mod sqlite {
            $(#[test]
            fn $scenario() {
                crate::stores::run(gatepost::store::dialect::Engine::Sqlite, super::$scenario);
            })*
        }
        mod postgres {
            $(#[test]
            fn $scenario() {
                crate::stores::run(gatepost::store::dialect::Engine::Postgres, super::$scenario);
            })*
        }
    };
}
pub(crate) use on_both;

/// Memory that nobody delivers from: whatever comes in waits in the store.
pub fn ready() -> Arc<Ready> {
    Ready::new(100, Budget::new(1 << 20, "test"))
}

/// Of a house whose domains all have their records.
pub fn return_paths() -> ReturnPaths {
    ReturnPaths::new(keyring(), |_| true)
}

pub fn lease() -> Lease {
    Lease { node: id::new(Time::default(), &Random::System), epoch: 1 }
}

/// One place for a store: an empty folder, or an empty database of its own.
pub struct Fresh {
    pub location: Location,
    _folder: Option<tempfile::TempDir>,
}

impl Fresh {
    pub fn on(engine: Engine) -> Self {
        if engine == Engine::Postgres {
            return Self::at(Location::Server(Cluster::shared().create_database()));
        }
        let folder = tempfile::Builder::new().prefix("gatepost-store-").tempdir().expect("a temporary folder");
        let location = Location::File(folder.path().join("gatepost.db"));
        Self { location, _folder: Some(folder) }
    }

    /// A place that somebody else made and clears up.
    pub fn at(location: Location) -> Self {
        Self { location, _folder: None }
    }

    pub fn engine(&self) -> Engine {
        self.location.engine()
    }

    /// How the tests open a store, unless they want it otherwise.
    pub fn opening(&self) -> Opening {
        Opening {
            location: self.location.clone(),
            read_connections: 2,
            write_connections: 2,
            master_key: Secret::new(vec![7; 32]),
            clock: Clock::System,
            random: Random::System,
        }
    }

    pub async fn open(&self) -> Store {
        Store::open(self.opening()).await.unwrap_or_else(|error| panic!("{}: {error}", self.location))
    }

    /// Why this store is refused.
    pub async fn refusal(&self, opening: Opening) -> StoreError {
        match Store::open(opening).await {
            Ok(_) => panic!("{} was opened", self.location),
            Err(error) => error,
        }
    }

    /// A store, and mails for it under the lease of a node.
    pub async fn with_mails(&self) -> (Store, Mails) {
        let store = self.open().await;
        let lease = store.start_node("mail.example.com", "0").await.expect("a node starts");
        (store, Mails::new(lease))
    }

    /// A connection behind the store's back.
    pub async fn connect(&self) -> AnyConnection {
        sqlx::any::install_default_drivers();
        let url = match &self.location {
            Location::File(path) => file_url(path),
            Location::Server(url) => url.clone(),
        };
        AnyConnection::connect(&url).await.expect("the store's database is reached")
    }

    /// Plain SQL behind the store's back; how many rows it touched.
    pub async fn sql(&self, sql: &str) -> u64 {
        let mut connection = self.connect().await;
        let done = connection.execute(sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))).await;
        let touched = done.unwrap_or_else(|error| panic!("{sql}: {error}")).rows_affected();
        connection.close().await.expect("a connection closes");
        touched
    }

    /// The one number that a query answers.
    pub async fn number(&self, sql: &str) -> i64 {
        let mut connection = self.connect().await;
        let row = connection.fetch_one(sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))).await;
        let number = row.unwrap_or_else(|error| panic!("{sql}: {error}")).get::<i64, _>(0);
        connection.close().await.expect("a connection closes");
        number
    }

    /// The texts that a query answers.
    pub async fn texts(&self, sql: &str) -> HashSet<String> {
        let mut connection = self.connect().await;
        let rows = connection.fetch_all(sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))).await;
        let texts = rows.unwrap_or_else(|error| panic!("{sql}: {error}")).iter().map(|row| row.get(0)).collect();
        connection.close().await.expect("a connection closes");
        texts
    }

    pub async fn count(&self, rows: &str) -> i64 {
        self.number(&format!("SELECT COUNT(*) FROM {rows}")).await
    }

    /// Asks until the count is the expected one. There is nobody who could announce it: a row that a
    /// caller gave up is taken back behind his back.
    pub async fn until_count(&self, rows: &str, expected: i64) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = self.count(rows).await;
            if found == expected {
                return;
            }
            assert!(Instant::now() < deadline, "{rows}: {found} rows are there, and not {expected}");
            tokio::task::yield_now().await;
        }
    }

    /// Takes the lock that every write to messages needs, until it is released.
    pub async fn hold_writes(&self) -> Held {
        let mut connection = self.connect().await;
        let hold = match self.engine() {
            Engine::Sqlite => "BEGIN IMMEDIATE",
            Engine::Postgres => "BEGIN; LOCK TABLE messages IN EXCLUSIVE MODE",
        };
        connection.execute(sqlx::raw_sql(hold)).await.expect("the lock is free");
        Held(connection)
    }
}

pub struct Held(AnyConnection);

impl Held {
    pub async fn release(mut self) {
        self.0.execute(sqlx::raw_sql("ROLLBACK")).await.expect("the lock is ours");
        self.0.close().await.expect("a connection closes");
    }
}

fn file_url(path: &Path) -> String {
    format!("sqlite://{}?mode=rwc", path.display())
}

/// Waits until the store says that it is up.
pub async fn until_up(store: &Store) {
    let mut health = store.health();
    let up = tokio::time::timeout(PATIENCE, health.wait_for(|health| *health == Health::Up)).await;
    up.expect("the store comes up").expect("the store lives");
}

/// Waits until the store says that it is down, and why.
pub async fn until_down(store: &Store) -> String {
    let mut health = store.health();
    let down = tokio::time::timeout(PATIENCE, health.wait_for(|health| *health != Health::Up)).await;
    match down.expect("the store goes down").expect("the store lives").clone() {
        Health::Down { why } => why,
        Health::Up => unreachable!("just seen down"),
    }
}

/// What links and return paths of a test are made with.
#[allow(dead_code, reason = "not every binary that has this file makes any")]
pub fn keyring() -> Arc<ArcSwap<Keyring>> {
    let key = MacKey { number: 1, secret: Secret::new(vec![7; 32]) };
    Arc::new(ArcSwap::from_pointee(Keyring::new(vec![key]).unwrap()))
}

//! A store in use: opened, checked, brought up to date, and closed in order.

use super::change::{Change, Written};
use super::dialect::{Access, Engine, Location};
use super::error::StoreError;
use super::seal::Seal;
use super::statement::{Binds, Columns, Multi, Statement, fetch_one};
use super::writer::{Chore, Health, Trade, Writer};
use super::{
    bodies, directory, dkim_keys, events, housekeeping, idempotency, links, mail, migrate, moves, nodes, people,
    policies, pool, queue, seal, steering, suppressions, templates, waiting, writer,
};
use crate::base::clock::{Clock, Outside, Time};
use crate::base::limits;
use crate::base::random::Random;
use crate::base::secret::Secret;
use sqlx::{AnyPool, Connection};
use tokio::sync::watch;

/// How to open a store.
pub struct Opening {
    pub location: Location,
    pub read_connections: u32,
    pub write_connections: u32,
    /// The key that opens the other secrets in it.
    pub master_key: Secret<Vec<u8>>,
    pub clock: Clock,
    pub random: Random,
}

pub struct Store {
    location: Location,
    writer: Writer,
    reads: AnyPool,
    pub(super) seal: Seal,
    pub(super) links: links::Known,
    pub(super) clock: Clock,
    pub(super) random: Random,
}

impl Store {
    /// Opens a store: makes it if it is not there, migrates it, and refuses one that is not durable, not
    /// ours, or sealed under another key.
    pub async fn open(opening: Opening) -> Result<Self, StoreError> {
        let Opening { location, read_connections, write_connections, master_key, clock, random } = opening;
        let _outside = Outside::hold();
        let engine = location.engine();
        let mut connection = pool::connect(&location, Access::Write).await?;
        pool::demand_durability(&mut connection, engine).await?;
        migrate::migrate(&mut connection, engine).await?;
        let seal = Seal::new(&master_key, random.clone())?;
        seal::demand_own_key(&mut connection, &seal, clock.now()).await?;
        // A clean close: the lane opens its own, and SQLite leaves no log behind.
        connection.close().await?;

        let trade = Trade { location: location.clone(), clock: clock.clone(), random: random.clone() };
        let writer = Writer::start(trade, engine.lanes(write_connections));
        let reads = pool::reads(&location, read_connections)?;
        Ok(Self { location, writer, reads, seal, links: links::Known::default(), clock, random })
    }

    /// Writes a change and returns when it is on disk. Dropping the future takes the change back.
    pub async fn write(&self, change: impl Into<Change>) -> Result<Written, StoreError> {
        self.writer.write(change.into()).await
    }

    /// Repeats a deletion in small slices between the groups until nothing is left of it.
    pub async fn run_chore(&self, chore: Chore) -> Result<u64, StoreError> {
        self.writer.run_chore(chore).await
    }

    /// Up or down, and why: changes as the writer's connections come and go.
    pub fn health(&self) -> watch::Receiver<Health> {
        self.writer.health()
    }

    pub fn location(&self) -> &Location {
        &self.location
    }

    pub fn engine(&self) -> Engine {
        self.location.engine()
    }

    pub(super) fn reads(&self) -> &AnyPool {
        &self.reads
    }

    /// May other nodes use this store too?
    pub fn is_shared(&self) -> bool {
        self.engine().is_shared()
    }

    /// The database's own clock: what nodes compare their leases by.
    pub async fn now(&self) -> Result<Time, StoreError> {
        match fetch_one(self.reads(), self.engine().now(), Binds::default()).await? {
            Some(row) => Ok(Time::from_micros(row.int("now")?)),
            None => Err(StoreError::damaged("the database has no clock")),
        }
    }

    /// Lets everything that was handed in be written and answered, then closes.
    pub async fn close(&self) {
        let _outside = Outside::hold();
        let closed = async {
            // The writer last: whoever closes a SQLite file last, and may write, leaves no log behind.
            self.reads.close().await;
            self.writer.close().await;
        };
        if tokio::time::timeout(limits::STORE_WRITE_MAX, closed).await.is_err() {
            tracing::warn!("the store did not close in time; what was answered is safe");
        }
    }
}

/// Every statement of the store by name, for the test that prepares all of them on both engines.
pub fn all_statements(engine: Engine) -> Vec<(&'static str, &'static str)> {
    let single: [&[&'static Statement]; 19] = [
        bodies::STATEMENTS,
        directory::STATEMENTS,
        dkim_keys::STATEMENTS,
        events::STATEMENTS,
        housekeeping::STATEMENTS,
        idempotency::STATEMENTS,
        super::limits::STATEMENTS,
        links::STATEMENTS,
        mail::STATEMENTS,
        moves::STATEMENTS,
        nodes::STATEMENTS,
        people::STATEMENTS,
        policies::STATEMENTS,
        queue::STATEMENTS,
        seal::STATEMENTS,
        steering::STATEMENTS,
        suppressions::STATEMENTS,
        templates::STATEMENTS,
        waiting::STATEMENTS,
    ];
    let multi: [&[&'static Multi]; 4] = [mail::MULTI, events::MULTI, moves::MULTI, queue::MULTI];
    single
        .into_iter()
        .flatten()
        .chain(writer::STATEMENTS)
        .chain(&engine.own_statements())
        .chain([&&migrate::VERSION])
        .map(|statement| (statement.name, statement.sql))
        .chain(multi.into_iter().flatten().map(|multi| (multi.name, multi.single(engine))))
        .collect()
}

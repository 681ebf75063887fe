//! Connections: one at a time for a lane of the writer, and a pool for reading.

use super::dialect::{Access, Engine, Location};
use super::error::StoreError;
use crate::base::limits;
use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::{AnyConnection, AnyPool, ConnectOptions, Connection, Executor, Row};
use std::str::FromStr;

/// A connection that may write, told all it must know.
pub(super) async fn connect(location: &Location, access: Access) -> Result<AnyConnection, StoreError> {
    let opening = async {
        let mut connection = AnyConnection::connect_with(&options(location, access)?).await?;
        connection.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(location.engine().session(access)))).await?;
        Ok::<_, StoreError>(connection)
    };
    match tokio::time::timeout(limits::STORE_CONNECT_MAX, opening).await {
        Ok(opened) => opened,
        Err(_) => Err(StoreError::unavailable(format!(
            "no connection to {location} within {} s",
            limits::STORE_CONNECT_MAX.as_secs()
        ))),
    }
}

/// The pool for reading: made lazily, so that a store that is down at start is met by its first reader.
pub(super) fn reads(location: &Location, connections: u32) -> Result<AnyPool, StoreError> {
    let session = location.engine().session(Access::Read);
    Ok(AnyPoolOptions::new()
        .max_connections(connections.max(1))
        .min_connections(0)
        .acquire_timeout(limits::STORE_READ_MAX)
        .test_before_acquire(location.engine() == Engine::Postgres)
        .after_connect(move |connection, _| {
            let session = session.clone();
            Box::pin(async move {
                connection.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(session))).await?;
                Ok(())
            })
        })
        .connect_lazy_with(options(location, Access::Read)?))
}

/// Statements are logged by us, by name and never with their values; the driver stays silent.
fn options(location: &Location, access: Access) -> Result<AnyConnectOptions, StoreError> {
    sqlx::any::install_default_drivers();
    let options = AnyConnectOptions::from_str(&location.url(access)).map_err(|_| {
        // The driver's own message may repeat the URL, and the URL may hold a password.
        StoreError::refused(format!("{location} is not a URL of a store"))
    })?;
    Ok(options.disable_statement_logging())
}

/// Refuses a database that would forget what it has promised.
pub(super) async fn demand_durability(connection: &mut AnyConnection, engine: Engine) -> Result<(), StoreError> {
    for vow in engine.vows() {
        let found: String = connection.fetch_one(vow.question).await?.try_get(vow.setting)?;
        vow.demand(engine, &found)?;
    }
    Ok(())
}

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
    for (question, setting, needed) in engine.vows() {
        let answer: String = connection.fetch_one(*question).await?.try_get(*setting)?;
        if answer != *needed {
            return Err(StoreError::refused(format!(
                "{} runs with {setting} = {answer}: accepted mail could be lost in a crash; set {setting} = {needed}",
                engine.word()
            )));
        }
    }
    Ok(())
}

/// Moves SQLite's log into the file; an error when someone still reads from it.
pub(super) async fn checkpoint(connection: &mut AnyConnection, engine: Engine) -> Result<(), StoreError> {
    let Some(statement) = engine.checkpoint() else { return Ok(()) };
    let row = connection.fetch_one(statement).await?;
    match row.try_get::<i64, _>(0)? {
        0 => Ok(()),
        _ => Err(StoreError::unavailable("the log is still being read")),
    }
}

/// Cuts SQLite's log if nobody reads from it just now. Unlike `checkpoint` it does not wait for readers:
/// a backup reads for minutes, and every mail would wait with us.
pub(super) async fn cut_log(connection: &mut AnyConnection, engine: Engine) -> Result<(), StoreError> {
    if engine.checkpoint().is_none() {
        return Ok(());
    }
    connection.execute("PRAGMA busy_timeout = 0").await?;
    let cut = checkpoint(connection, engine).await;
    connection.execute("PRAGMA busy_timeout = 5000").await?;
    cut
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[tokio::test]
    async fn a_log_that_is_being_read_is_left_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let location = Location::File(directory.path().join("a.db"));
        let mut writer = connect(&location, Access::Write).await.unwrap();
        writer.execute("CREATE TABLE t (a)").await.unwrap();
        let mut reader = connect(&location, Access::Copy).await.unwrap();
        reader.execute("BEGIN").await.unwrap();
        reader.fetch_all("SELECT a FROM t").await.unwrap();
        writer.execute("INSERT INTO t VALUES (1)").await.unwrap();
        let begun = Instant::now();
        assert!(cut_log(&mut writer, Engine::Sqlite).await.is_err());
        assert!(begun.elapsed() < Duration::from_secs(4), "it waited for the reader");
        reader.execute("COMMIT").await.unwrap();
        cut_log(&mut writer, Engine::Sqlite).await.unwrap();
        assert_eq!(std::fs::metadata(directory.path().join("a.db-wal")).unwrap().len(), 0);
    }
}

//! SQLite, called in the thread of the lane that writes: nothing here waits for anything but the disk.
//! Values are lent to the library, each statement is prepared once, and a row of a group costs a bind
//! and a step.

use super::dialect::{Access, COMMIT, Engine};
use super::error::{StoreError, Uncommitted};
use super::link::Returned;
use super::statement::{Binds, Multi, Statement, Value, tell_when_slow};
use crate::base::limits;
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, ErrorCode, OpenFlags};
use std::path::Path;
use std::time::{Duration, Instant};

/// Texts that stay prepared: all that the writer knows.
const PREPARED_MAX: usize = 256;

pub(super) struct File {
    connection: Connection,
}

impl File {
    /// Opens the file, tells the connection all it must know, and refuses a file that would forget.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        // One thread calls it at a time: the compiler sees to that, and the library need not.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.set_prepared_statement_cache_capacity(PREPARED_MAX);
        connection.execute_batch(&Engine::Sqlite.session(Access::Write))?;
        for vow in Engine::Sqlite.vows() {
            vow.demand(Engine::Sqlite, &connection.query_row(vow.question, [], |row| row.get::<_, String>(0))?)?;
        }
        Ok(Self { connection })
    }

    pub fn execute(&mut self, statement: &'static Statement, binds: &Binds<'_>) -> Result<u64, StoreError> {
        let begun = Instant::now();
        let mut prepared = self.connection.prepare_cached(statement.sql)?;
        bind(&mut prepared, binds.counted(statement.name, statement.params)?)?;
        let touched = prepared.raw_execute();
        tell_when_slow(statement.name, begun);
        Ok(touched? as u64)
    }

    /// COMMIT. A full disk is met while the log is written, before the mark that ends a transaction there is
    /// whole: this one is surely not in it. After any other failure the mark may be in the log.
    pub fn commit(&mut self) -> Result<(), Uncommitted> {
        let begun = Instant::now();
        let done = self.connection.prepare_cached(COMMIT.sql).and_then(|mut prepared| prepared.raw_execute());
        tell_when_slow(COMMIT.name, begun);
        done.map(|_| ()).map_err(|error| match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Uncommitted::Surely(error.into()),
            _ => Uncommitted::Perhaps(error.into()),
        })
    }

    pub fn execute_rows<'a, R>(
        &mut self,
        multi: &'static Multi,
        rows: &[&'a R],
        bind_row: fn(&'a R, &mut Binds<'a>),
    ) -> Result<Vec<Returned>, StoreError> {
        let begun = Instant::now();
        let mut returned = Vec::new();
        let mut prepared = self.connection.prepare_cached(multi.single(Engine::Sqlite))?;
        let mut binds = Binds::default();
        for row in rows {
            binds.clear();
            bind_row(row, &mut binds);
            bind(&mut prepared, binds.counted(multi.name, multi.width())?)?;
            let mut answers = prepared.raw_query();
            while let Some(answer) = answers.next()? {
                // A state is a word of ours.
                let state = answer.get_ref(1)?.as_str().unwrap_or_default();
                returned.push(Returned::new(answer.get(0)?, state)?);
            }
        }
        tell_when_slow(multi.name, begun);
        Ok(returned)
    }

    /// Moves the log into the file and empties it; an error when someone still reads from it.
    pub fn checkpoint(&mut self) -> Result<(), StoreError> {
        let Some(statement) = Engine::Sqlite.checkpoint() else { return Ok(()) };
        match self.connection.query_row(statement, [], |row| row.get::<_, i64>(0))? {
            0 => Ok(()),
            _ => Err(StoreError::unavailable("the log is still being read")),
        }
    }

    /// Cuts the log if nobody reads from it just now. Unlike `checkpoint` it does not wait for readers: a
    /// backup reads for minutes, and every mail would wait with us.
    pub fn cut_log(&mut self) -> Result<(), StoreError> {
        self.connection.busy_timeout(Duration::ZERO)?;
        let cut = self.checkpoint();
        self.connection.busy_timeout(limits::SQLITE_BUSY_MAX)?;
        cut
    }
}

/// To SQLite `$2` is a name like any other and gets its number where it first stands; nameless ones
/// (`?`) count from one.
fn bind(prepared: &mut CachedStatement<'_>, values: &[Value<'_>]) -> Result<(), StoreError> {
    for index in 1..=prepared.parameter_count() {
        let place = match prepared.parameter_name(index) {
            Some(name) => name.trim_start_matches('$').parse().unwrap_or(0),
            None => index,
        };
        let value = values
            .get(place.wrapping_sub(1))
            .ok_or_else(|| StoreError::damaged(format!("a statement names a parameter {place} that nobody binds")))?;
        prepared.raw_bind_parameter(index, value)?;
    }
    Ok(())
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Int(int) => ValueRef::Integer(*int),
            Self::Double(double) => ValueRef::Real(*double),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
            Self::Absent(_) => ValueRef::Null,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_is_being_read_is_left_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.db");
        let mut writer = File::open(&path).unwrap();
        writer.connection.execute_batch("CREATE TABLE t (a)").unwrap();
        let reader = Connection::open(&path).unwrap();
        reader.execute_batch("BEGIN; SELECT a FROM t").unwrap();
        writer.connection.execute_batch("INSERT INTO t VALUES (1)").unwrap();
        let begun = Instant::now();
        assert!(writer.cut_log().is_err());
        assert!(begun.elapsed() < limits::SQLITE_BUSY_MAX, "it waited for the reader");
        reader.execute_batch("COMMIT").unwrap();
        writer.cut_log().unwrap();
        assert_eq!(std::fs::metadata(directory.path().join("a.db-wal")).unwrap().len(), 0);
    }
}

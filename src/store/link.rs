//! The connection of one of the writer's lanes.
//!
//! To PostgreSQL it is the driver's. SQLite is a library that works in the thread that calls it, so its
//! lane has a thread of its own (`writer/thread.rs`) and calls it there: a driver with a thread behind it
//! costs two wake-ups and three copies of every value for each statement, which was half of a mail's
//! price. The same statements run over both.

use super::dialect::{Access, COMMIT, Location};
use super::error::{StoreError, Uncommitted};
use super::statement::{self, Binds, Columns, Multi, Statement};
use super::{pool, sqlite, words};
use crate::model::delivery::State;
use sqlx::{AnyConnection, Connection};

/// A delivery that a statement changed, and what it is now.
pub(super) struct Returned {
    pub id: String,
    pub state: State,
}

impl Returned {
    pub fn new(id: String, state: &str) -> Result<Self, StoreError> {
        Ok(Self { id, state: words::parse(state, State::ALL, State::word)? })
    }
}

pub(super) enum Link {
    File(sqlite::File),
    Server(AnyConnection),
}

impl Link {
    /// Opens a connection that may write, told all it must know and asked whether it keeps its promises.
    pub async fn open(location: &Location) -> Result<Self, StoreError> {
        match location {
            Location::File(path) => Ok(Self::File(sqlite::File::open(path)?)),
            Location::Server(_) => {
                let mut connection = pool::connect(location, Access::Write).await?;
                pool::demand_durability(&mut connection, location.engine()).await?;
                Ok(Self::Server(connection))
            }
        }
    }

    /// Runs a statement; how many rows it touched.
    pub async fn execute(&mut self, statement: &'static Statement, binds: &Binds<'_>) -> Result<u64, StoreError> {
        match self {
            Self::File(file) => file.execute(statement, binds),
            Self::Server(connection) => Ok(statement::execute(connection, statement, binds.clone()).await?),
        }
    }

    /// COMMIT; when it fails, whether that is certain.
    pub async fn commit(&mut self) -> Result<(), Uncommitted> {
        match self {
            Self::File(file) => file.commit(),
            Self::Server(connection) => match statement::execute(connection, &COMMIT, Binds::default()).await {
                Ok(_) => Ok(()),
                Err(error) => Err(Uncommitted::Perhaps(error.into())),
            },
        }
    }

    /// Writes all these rows; the deliveries that the statement returned.
    pub async fn execute_rows<'a, R>(
        &mut self,
        multi: &'static Multi,
        rows: &[&'a R],
        bind: fn(&'a R, &mut Binds<'a>),
    ) -> Result<Vec<Returned>, StoreError> {
        match self {
            Self::File(file) => file.execute_rows(multi, rows, bind),
            Self::Server(connection) => {
                let returned = statement::execute_rows(connection, multi, rows, bind).await?;
                returned.iter().map(|row| Returned::new(row.text("id")?, &row.text("state")?)).collect()
            }
        }
    }

    /// Moves SQLite's log into the file and empties it. PostgreSQL does this by itself.
    pub fn checkpoint(&mut self) -> Result<(), StoreError> {
        match self {
            Self::File(file) => file.checkpoint(),
            Self::Server(_) => Ok(()),
        }
    }

    /// The same, if nobody reads from the log just now.
    pub fn cut_log(&mut self) -> Result<(), StoreError> {
        match self {
            Self::File(file) => file.cut_log(),
            Self::Server(_) => Ok(()),
        }
    }

    pub async fn close(self) {
        match self {
            Self::File(file) => drop(file),
            Self::Server(connection) => {
                let _ = connection.close().await;
            }
        }
    }
}

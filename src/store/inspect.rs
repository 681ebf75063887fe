//! A look at a store without touching it: for `gatepost check`.

use super::dialect::{Access, Engine, Location};
use super::error::StoreError;
use super::seal::{self, Seal};
use super::{migrate, pool};
use crate::base::random::Random;
use crate::base::secret::Secret;
use sqlx::{AnyConnection, Connection};

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// No file yet.
    Nothing,
    /// A database without our tables.
    Empty,
    Store {
        version: i64,
        newest: i64,
    },
    /// A store of ours, but this key (or none) is not the one that made it.
    SealedByAnother,
}

/// Looks, with the key that `serve` would use, if there is one already.
pub async fn inspect(location: &Location, key: Option<&Secret<Vec<u8>>>) -> Result<Found, StoreError> {
    if let Location::File(path) = location
        && !path.exists()
    {
        return Ok(Found::Nothing);
    }
    let mut connection = pool::connect(location, Access::Look).await?;
    let found = look(&mut connection, location.engine(), key).await;
    let _ = connection.close().await;
    found
}

async fn look(on: &mut AnyConnection, engine: Engine, key: Option<&Secret<Vec<u8>>>) -> Result<Found, StoreError> {
    // A file has no settings of its own: whoever writes to it sets them.
    if engine == Engine::Postgres {
        pool::demand_durability(on, engine).await?;
    }
    let Some(version) = migrate::version(on).await? else { return Ok(Found::Empty) };
    if version > migrate::NEWEST {
        return Err(migrate::made_by_a_newer(version));
    }
    let Some(key) = key else { return Ok(Found::SealedByAnother) };
    let seal = Seal::new(key, Random::System)?;
    match seal::demand_same_key(on, &seal).await {
        Ok(()) => Ok(Found::Store { version, newest: migrate::NEWEST }),
        Err(StoreError::Refused { .. }) => Ok(Found::SealedByAnother),
        Err(error) => Err(error),
    }
}

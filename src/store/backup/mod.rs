//! Backup and restore: a store as one file, and back, whichever engine it came from.
//!
//! A backup is always one SQLite file, readable by its owner only: the store at one moment, and a table
//! `backup` that says what it is. It is made while the daemon runs. So a backup of the one engine restored
//! to the other is how a store moves between SQLite and PostgreSQL.
//!
//! From SQLite it is `VACUUM INTO` on a reading connection: as fast as the disk, and without the store's
//! empty pages. The price: it reads one moment for as long as it takes, which no other reader may
//! (`STORE_READ_MAX`), and what is written meanwhile stays in the log, so the disk needs room for it; the
//! log is cut when the backup ends. From PostgreSQL it is one read-only snapshot, copied in pages.
//!
//! Restoring never writes over anything, and a file never has its final name before all of it is on disk.

mod copy;
mod error;
mod label;
mod part;

pub use error::{BackupError, Whose};

use super::dialect::{Access, Engine, Location};
use super::error::StoreError;
use super::seal::{self, Seal};
use super::statement::{Binds, execute};
use super::{migrate, pool};
use crate::base::clock::{Clock, Time};
use crate::base::random::Random;
use crate::base::secret::Secret;
use label::Label;
use part::Part;
use sqlx::{AnyConnection, Arguments, AssertSqlSafe, Connection, Row};
use std::collections::BTreeMap;
use std::path::Path;

/// What a backup says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    pub made_at: Time,
    /// The version of Gatepost that made it, and of the store's schema.
    pub gatepost: String,
    pub schema: i64,
    /// The engine it was made from.
    pub engine: String,
    /// Rows by table.
    pub rows: BTreeMap<String, i64>,
    pub key: KeyPlace,
}

/// Where the master key is that opens the secrets in a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyPlace {
    Inside,
    Beside,
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rows: i64 = self.rows.values().sum();
        let messages = self.rows.get("messages").copied().unwrap_or(0);
        let Self { made_at, gatepost, schema, engine, .. } = self;
        write!(f, "{messages} messages, {rows} rows, from {engine} at {made_at} by Gatepost {gatepost}, ")?;
        write!(f, "schema {schema}. ")?;
        f.write_str(match self.key {
            KeyPlace::Inside => "It holds the master key: whoever can read the file can read every secret in it.",
            KeyPlace::Beside => {
                "The master key is not in it: keep a copy of it (server.master_key, or master.key in server.data_dir) \
                 beside it, or the secrets in it can never be read again."
            }
        })
    }
}

/// What was restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    pub summary: Summary,
    /// The master key, when the backup brought it and none was configured: to be written into the data
    /// directory, before the daemon starts.
    pub key: Option<Secret<String>>,
}

/// Writes a consistent copy of a store into a new file, while the daemon goes on. Dropping the future
/// leaves nothing. With a key it goes into the file, once it was seen to open the store's secrets.
pub async fn backup(
    from: &Location,
    to: &Path,
    with_key: Option<&Secret<String>>,
    clock: &Clock,
    random: &Random,
) -> Result<Summary, BackupError> {
    let seal = with_key.map(|key| seal_of(key, random, Whose::Configured)).transpose()?;
    let part = Part::create(to, random)?;
    let made_at = clock.now();
    let version = match from {
        Location::File(_) => vacuum_into(from, &part).await?,
        Location::Server(_) => copy_out(from, &part).await?,
    };
    let failed = BackupError::at(from);
    let mut copy = pool::connect(&part.location(), Access::Alone).await.map_err(&failed)?;
    // What was once restored by hand may still have its label on.
    label::take_off(&mut copy).await.map_err(&failed)?;
    let tables = copy::tables(&mut copy, Engine::Sqlite).await.map_err(&failed)?;
    let summary = Summary {
        made_at,
        gatepost: env!("CARGO_PKG_VERSION").to_owned(),
        schema: version,
        engine: from.engine().word().to_owned(),
        rows: label::count_all(&mut copy, &tables).await.map_err(&failed)?,
        key: if with_key.is_some() { KeyPlace::Inside } else { KeyPlace::Beside },
    };
    if let Some(seal) = &seal {
        opens(&mut copy, seal, Whose::Configured, &failed).await?;
    }
    let label = Label { summary, key: with_key.cloned() };
    label.write(&mut copy).await.map_err(&failed)?;
    close(copy, from).await?;
    part::write_sum(&part).await?;
    part.finish().await?;
    Ok(label.summary)
}

/// SQLite copies itself; the schema's version.
async fn vacuum_into(from: &Location, part: &Part) -> Result<i64, BackupError> {
    let failed = BackupError::at(from);
    // mode=rw: it writes into the file that is there. When we are dropped, the driver's thread still runs
    // the statement; it must not make the file anew.
    let to = part.location().url(Access::Alone).replacen("sqlite://", "file:", 1);
    let mut source = pool::connect(from, Access::Copy).await.map_err(&failed)?;
    let version = known_version(&mut source, from).await?;
    let mut name = sqlx::any::AnyArguments::default();
    // Invariant: a text is encoded by moving it.
    name.add(to).expect("a text encodes");
    copy::execute(&mut source, "VACUUM INTO $1".to_owned(), name).await.map_err(&failed)?;
    close(source, from).await?;
    Ok(version)
}

/// One snapshot of a PostgreSQL into a fresh file of the same version.
async fn copy_out(from: &Location, part: &Part) -> Result<i64, BackupError> {
    let failed = BackupError::at(from);
    let mut source = pool::connect(from, Access::Copy).await.map_err(&failed)?;
    let version = known_version(&mut source, from).await?;
    let mut target = pool::connect(&part.location(), Access::Alone).await.map_err(&failed)?;
    migrate::migrate_to(&mut target, Engine::Sqlite, version).await.map_err(&failed)?;
    let begun = execute(&mut source, from.engine().begin_snapshot(), Binds::default()).await;
    begun.map_err(|error| failed(error.into()))?;
    copy_all(&mut source, from.engine(), &mut target, Engine::Sqlite).await.map_err(&failed)?;
    close(target, from).await?;
    close(source, from).await?;
    Ok(version)
}

/// Every table of the target, from the same tables of the source.
async fn copy_all(
    from: &mut AnyConnection,
    from_engine: Engine,
    to: &mut AnyConnection,
    to_engine: Engine,
) -> Result<BTreeMap<String, i64>, StoreError> {
    let theirs = copy::tables(from, from_engine).await?;
    let mut rows = BTreeMap::new();
    for table in copy::tables(to, to_engine).await? {
        if !theirs.contains(&table) {
            return Err(StoreError::refused(format!("its table {} is not as Gatepost makes it", table.name)));
        }
        rows.insert(table.name.clone(), copy::copy_table(from, to, to_engine, &table).await?);
    }
    Ok(rows)
}

/// Makes a store out of a backup, on either engine: all of it, or nothing. The target must be empty. The
/// key in the backup opens it, or else the configured one. The daemon of the target does not run yet.
pub async fn restore(
    from: &Path,
    to: &Location,
    configured: Option<&Secret<String>>,
    random: &Random,
) -> Result<Restored, BackupError> {
    let label = match to {
        Location::File(path) => restore_file(from, path, to, configured, random).await?,
        Location::Server(_) => restore_server(from, to, configured, random).await?,
    };
    let key = if configured.is_none() { label.key } else { None };
    Ok(Restored { summary: label.summary, key })
}

async fn restore_file(
    from: &Path,
    path: &Path,
    to: &Location,
    configured: Option<&Secret<String>>,
    random: &Random,
) -> Result<Label, BackupError> {
    if let Some(found) = part::found_at(path) {
        return Err(BackupError::NotEmpty { place: to.to_string(), what: format!("there is {}", found.display()) });
    }
    let part = Part::create(path, random)?;
    part::copy_bytes(from, &part).await?;
    // The copy is checked and not the file, so that what was checked is what is used.
    part::check_sum(part.path(), from).await?;
    part::take_sum(&part).await?;
    let failed = BackupError::at(to);
    let mut copy = pool::connect(&part.location(), Access::Alone).await.map_err(&failed)?;
    let label = examine(&mut copy, from, configured, random).await?;
    label::take_off(&mut copy).await.map_err(&failed)?;
    migrate::migrate(&mut copy, Engine::Sqlite).await.map_err(&failed)?;
    close(copy, to).await?;
    part.finish().await?;
    Ok(label)
}

async fn restore_server(
    from: &Path,
    to: &Location,
    configured: Option<&Secret<String>>,
    random: &Random,
) -> Result<Label, BackupError> {
    part::check_sum(from, from).await?;
    let file = Location::File(from.to_owned());
    let mut source = pool::connect(&file, Access::Copy).await.map_err(BackupError::at(&file))?;
    let label = examine(&mut source, from, configured, random).await?;

    let failed = BackupError::at(to);
    let engine = to.engine();
    let mut target = pool::connect(to, Access::Alone).await.map_err(&failed)?;
    pool::demand_durability(&mut target, engine).await.map_err(&failed)?;
    let found = migrate::version(&mut target).await.map_err(&failed)?;
    if found.is_some_and(|found| found > label.summary.schema) {
        let what = "its tables were made by a newer Gatepost than the backup".to_owned();
        return Err(BackupError::NotEmpty { place: to.to_string(), what });
    }
    // One transaction, tables and all: after a failure the database is as it was.
    let mut whole = target.begin().await.map_err(|error| failed(error.into()))?;
    if let Some(alone) = engine.be_alone() {
        execute(&mut whole, alone, Binds::default()).await.map_err(|error| failed(error.into()))?;
    }
    for table in copy::tables(&mut whole, engine).await.map_err(&failed)? {
        if label.summary.rows.contains_key(&table.name)
            && !copy::is_empty(&mut whole, &table.name).await.map_err(&failed)?
        {
            let what = format!("there are rows in {}", table.name);
            return Err(BackupError::NotEmpty { place: to.to_string(), what });
        }
    }
    migrate::migrate_to(&mut whole, engine, label.summary.schema).await.map_err(&failed)?;
    let rows = copy_all(&mut source, Engine::Sqlite, &mut whole, engine).await.map_err(&failed)?;
    if rows != label.summary.rows {
        return Err(BackupError::damaged(from, "not every table of it could be read"));
    }
    migrate::migrate(&mut whole, engine).await.map_err(&failed)?;
    copy::within(whole.commit()).await.map_err(|error| BackupError::Store {
        place: to.to_string(),
        error: StoreError::unavailable(format!(
            "the last word of the restore was not answered ({error}): run it again; if it then says that the store is \
             not empty, everything is there"
        )),
    })?;
    Ok(label)
}

/// Is this file a whole backup that we can read, and does a key open it?
async fn examine(
    copy: &mut AnyConnection,
    from: &Path,
    configured: Option<&Secret<String>>,
    random: &Random,
) -> Result<Label, BackupError> {
    let damaged = |why: StoreError| BackupError::damaged(from, why);
    let label = Label::read(copy, from).await?;
    let Summary { schema, rows, .. } = &label.summary;
    if *schema > migrate::NEWEST {
        let place = from.display().to_string();
        return Err(BackupError::TooNew { place, version: *schema, known: migrate::NEWEST });
    }
    let verdict = copy::within(sqlx::query(AssertSqlSafe("PRAGMA integrity_check(1)")).fetch_one(&mut *copy)).await;
    let verdict: String = verdict.map_err(damaged)?.try_get(0).map_err(|why| damaged(why.into()))?;
    if verdict != "ok" {
        return Err(BackupError::damaged(from, verdict));
    }
    if migrate::version(copy).await.map_err(damaged)? != Some(*schema) {
        return Err(BackupError::damaged(from, "its schema is not the one that it names"));
    }
    let tables = copy::tables(copy, Engine::Sqlite).await.map_err(damaged)?;
    if label::count_all(copy, &tables).await.map_err(damaged)? != *rows {
        return Err(BackupError::damaged(from, "its tables do not have the rows that it names"));
    }
    let (key, whose) = match (&label.key, configured) {
        (Some(inside), Some(configured)) if !same_key(inside, configured) => return Err(BackupError::OtherKey),
        (Some(inside), _) => (inside, Whose::Backup),
        (None, Some(configured)) => (configured, Whose::Configured),
        (None, None) => return Err(BackupError::NoKey),
    };
    opens(copy, &seal_of(key, random, whose)?, whose, damaged).await?;
    Ok(label)
}

fn same_key(one: &Secret<String>, other: &Secret<String>) -> bool {
    one.expose().trim().eq_ignore_ascii_case(other.expose().trim())
}

fn seal_of(key: &Secret<String>, random: &Random, whose: Whose) -> Result<Seal, BackupError> {
    let seal = seal::parse_master_key(key.expose()).and_then(|key| Seal::new(&key, random.clone()));
    seal.map_err(|_| BackupError::WrongKey { whose })
}

async fn opens(
    on: &mut AnyConnection,
    seal: &Seal,
    whose: Whose,
    otherwise: impl Fn(StoreError) -> BackupError,
) -> Result<(), BackupError> {
    seal::demand_same_key(on, seal).await.map_err(|error| match error {
        StoreError::Refused { .. } => BackupError::WrongKey { whose },
        other => otherwise(other),
    })
}

async fn known_version(on: &mut AnyConnection, place: &Location) -> Result<i64, BackupError> {
    match migrate::version(on).await.map_err(BackupError::at(place))? {
        None => Err(BackupError::NotAStore { place: place.to_string() }),
        Some(version) if version > migrate::NEWEST => {
            Err(BackupError::TooNew { place: place.to_string(), version, known: migrate::NEWEST })
        }
        Some(version) => Ok(version),
    }
}

/// Waits for the connection's end: only then is a file nobody's.
async fn close(connection: AnyConnection, place: &Location) -> Result<(), BackupError> {
    copy::within(connection.close()).await.map_err(BackupError::at(place))
}

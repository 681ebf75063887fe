//! What a backup says of itself: the table `backup` in it, names and values. Restoring takes it off.

use super::Summary;
use super::copy::{self, Table};
use super::error::BackupError;
use crate::base::clock::Time;
use crate::base::secret::Secret;
use crate::store::error::StoreError;
use crate::store::statement::{Binds, Columns, Statement, execute, fetch_all};
use sqlx::AnyConnection;
use std::collections::BTreeMap;
use std::path::Path;

pub(super) const TABLE: &str = "backup";

static FIND: Statement =
    Statement::new("FIND", "SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'backup'");
static MAKE: Statement =
    Statement::new("MAKE", "CREATE TABLE backup (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID");
static DROP: Statement = Statement::new("DROP", "DROP TABLE IF EXISTS backup");
static PUT: Statement = Statement::new("PUT", "INSERT INTO backup (name, value) VALUES ($1, $2)");
static ALL: Statement = Statement::new("ALL", "SELECT name, value FROM backup ORDER BY name");

const ROWS_OF: &str = "rows of ";

pub(super) struct Label {
    pub summary: Summary,
    pub key: Option<Secret<String>>,
}

impl Label {
    pub async fn write(&self, on: &mut AnyConnection) -> Result<(), StoreError> {
        take_off(on).await?;
        execute(on, &MAKE, Binds::default()).await?;
        let Summary { made_at, gatepost, schema, engine, rows, .. } = &self.summary;
        let mut values = vec![
            ("made_at".to_owned(), made_at.micros().to_string()),
            ("gatepost".to_owned(), gatepost.clone()),
            ("schema".to_owned(), schema.to_string()),
            ("engine".to_owned(), engine.clone()),
        ];
        values.extend(rows.iter().map(|(table, rows)| (format!("{ROWS_OF}{table}"), rows.to_string())));
        for (name, value) in &values {
            execute(on, &PUT, Binds::default().text(name).text(value)).await?;
        }
        if let Some(key) = &self.key {
            execute(on, &PUT, Binds::default().text("master_key").text(key.expose())).await?;
        }
        Ok(())
    }

    /// Reads it from a file of this name.
    pub async fn read(on: &mut AnyConnection, name: &Path) -> Result<Self, BackupError> {
        let damaged = |why: StoreError| BackupError::damaged(name, why);
        if fetch_all(&mut *on, &FIND, Binds::default()).await.map_err(damaged)?.is_empty() {
            return Err(BackupError::NotABackup { path: name.to_owned() });
        }
        let (mut values, mut rows) = (BTreeMap::new(), BTreeMap::new());
        for row in fetch_all(on, &ALL, Binds::default()).await.map_err(damaged)? {
            let (key, value) = (row.text("name").map_err(damaged)?, row.text("value").map_err(damaged)?);
            match key.strip_prefix(ROWS_OF) {
                Some(table) => {
                    let unreadable = |_| BackupError::damaged(name, "its table backup cannot be read");
                    rows.insert(table.to_owned(), value.parse().map_err(unreadable)?);
                }
                None => {
                    values.insert(key, value);
                }
            }
        }
        let key = values.remove("master_key").map(Secret::new);
        let unsaid = |what: &str| BackupError::damaged(name, format!("its table backup does not say {what}"));
        let text = |what: &str| values.get(what).cloned().ok_or_else(|| unsaid(what));
        let int = |what: &str| text(what)?.parse().map_err(|_| unsaid(what));
        let summary = Summary {
            made_at: Time::from_micros(int("made_at")?),
            gatepost: text("gatepost")?,
            schema: int("schema")?,
            engine: text("engine")?,
            rows,
            key: if key.is_some() { super::KeyPlace::Inside } else { super::KeyPlace::Beside },
        };
        Ok(Self { summary, key })
    }
}

pub(super) async fn take_off(on: &mut AnyConnection) -> Result<(), StoreError> {
    execute(on, &DROP, Binds::default()).await.map(|_| ()).map_err(StoreError::from)
}

/// The rows of each table, as they are.
pub(super) async fn count_all(on: &mut AnyConnection, tables: &[Table]) -> Result<BTreeMap<String, i64>, StoreError> {
    let mut rows = BTreeMap::new();
    for table in tables.iter().filter(|table| table.name != TABLE) {
        rows.insert(table.name.clone(), copy::count(on, &table.name).await?);
    }
    Ok(rows)
}

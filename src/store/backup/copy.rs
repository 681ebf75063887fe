//! Rows from one engine into the other, table by table, without knowing any table: the columns are asked
//! of the databases themselves, so that no later migration can be forgotten here.

use crate::base::limits;
use crate::store::dialect::Engine;
use crate::store::error::StoreError;
use crate::store::statement::{Binds, Columns, Kind, fetch_all};
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::{AnyConnection, Arguments, AssertSqlSafe, Row};

/// A table by its columns, in the order of its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Table {
    pub name: String,
    columns: Vec<Column>,
    /// Which columns are the primary key, in its order.
    key: Vec<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Column {
    name: String,
    kind: Kind,
}

/// One value, or none, of each kind that both engines have.
#[derive(Clone)]
enum Cell {
    Text(Option<String>),
    Int(Option<i64>),
    Double(Option<f64>),
    Blob(Option<Vec<u8>>),
}

/// The tables of a store, by name.
pub(super) async fn tables(on: &mut AnyConnection, engine: Engine) -> Result<Vec<Table>, StoreError> {
    let mut tables = Vec::new();
    for row in fetch_all(&mut *on, engine.tables(), Binds::default()).await? {
        tables.push(table(on, engine, row.text("name")?).await?);
    }
    Ok(tables)
}

async fn table(on: &mut AnyConnection, engine: Engine, name: String) -> Result<Table, StoreError> {
    let (mut columns, mut key) = (Vec::new(), Vec::new());
    for row in fetch_all(on, engine.columns(), Binds::default().text(&name)).await? {
        let kind = match row.text("kind")?.as_str() {
            "text" => Kind::Text,
            "bigint" | "integer" => Kind::Int,
            "double precision" | "real" => Kind::Double,
            "blob" | "bytea" => Kind::Blob,
            other => return Err(StoreError::refused(format!("table {name} has a column of kind {other}"))),
        };
        if let part @ 1.. = row.int("key_part")? {
            key.push((part, columns.len()));
        }
        columns.push(Column { name: row.text("name")?, kind });
    }
    key.sort_unstable();
    Ok(Table { name, columns, key: key.into_iter().map(|(_, column)| column).collect() })
}

/// How many rows a table has.
pub(super) async fn count(on: &mut AnyConnection, table: &str) -> Result<i64, StoreError> {
    let text = format!("SELECT COUNT(*) AS n FROM {}", quoted(table));
    match rows(on, text, AnyArguments::default()).await?.first() {
        Some(row) => row.int("n"),
        None => Err(StoreError::damaged(format!("{table} cannot be counted"))),
    }
}

/// Is there anything in it?
pub(super) async fn is_empty(on: &mut AnyConnection, table: &str) -> Result<bool, StoreError> {
    let text = format!("SELECT 1 AS found FROM {} LIMIT 1", quoted(table));
    Ok(rows(on, text, AnyArguments::default()).await?.is_empty())
}

/// Replaces the rows of a table by those of the same table elsewhere; how many there were. The reader is
/// in one snapshot, so that a page is what was weighed before.
pub(super) async fn copy_table(
    from: &mut AnyConnection,
    to: &mut AnyConnection,
    engine: Engine,
    table: &Table,
) -> Result<i64, StoreError> {
    if table.key.is_empty() {
        return Err(StoreError::refused(format!("table {} has no primary key to be copied by", table.name)));
    }
    execute(to, format!("DELETE FROM {}", quoted(&table.name)), AnyArguments::default()).await?;
    let (mut copied, mut after) = (0, None);
    loop {
        let page = table.page(from, after.as_deref()).await?;
        let Some(last) = page.last() else { break };
        after = Some(table.key.iter().map(|column| last[*column].clone()).collect::<Vec<_>>());
        copied += page.len() as i64;
        table.insert(to, engine, &page).await?;
    }
    // Both sides were asked independently: a page that was passed over would show here.
    let (there, here) = (count(from, &table.name).await?, count(to, &table.name).await?);
    if there != copied || here != copied {
        let why = format!("table {} has {there} rows, {copied} were read and {here} are written", table.name);
        return Err(StoreError::damaged(why));
    }
    Ok(copied)
}

impl Table {
    fn names(&self) -> String {
        self.columns.iter().map(|column| quoted(&column.name)).collect::<Vec<_>>().join(", ")
    }

    /// The next rows in the order of the key: as many as stay inside the bounds of a page, but at least
    /// one. They are weighed before they are read, because one row may be a megabyte.
    async fn page(&self, on: &mut AnyConnection, after: Option<&[Cell]>) -> Result<Vec<Vec<Cell>>, StoreError> {
        let mut weight = String::from("0");
        for column in self.columns.iter().filter(|column| matches!(column.kind, Kind::Text | Kind::Blob)) {
            weight.push_str(&format!(" + CAST(COALESCE(octet_length({}), 0) AS BIGINT)", quoted(&column.name)));
        }
        let weigh = self.select(&format!("{weight} AS weight"), after.is_some(), limits::COPY_ROWS_MAX);
        let weights = rows(on, weigh, arguments(after.unwrap_or_default())).await?;
        let (mut take, mut bytes) = (0, 0);
        for row in &weights {
            bytes += row.int("weight")?;
            if take > 0 && bytes > limits::COPY_BYTES_MAX {
                break;
            }
            take += 1;
        }
        if take == 0 {
            return Ok(Vec::new());
        }
        let read = self.select(&self.names(), after.is_some(), take);
        let page = rows(on, read, arguments(after.unwrap_or_default())).await?;
        page.iter().map(|row| self.cells(row)).collect()
    }

    fn select(&self, what: &str, behind: bool, limit: i64) -> String {
        let key: Vec<_> = self.key.iter().map(|column| quoted(&self.columns[*column].name)).collect();
        let parameters: Vec<_> = (1..=key.len()).map(|n| format!("${n}")).collect();
        let behind = match behind {
            true => format!("WHERE ({}) > ({})", key.join(", "), parameters.join(", ")),
            false => String::new(),
        };
        format!("SELECT {what} FROM {} {behind} ORDER BY {} LIMIT {limit}", quoted(&self.name), key.join(", "))
    }

    fn cells(&self, row: &AnyRow) -> Result<Vec<Cell>, StoreError> {
        let cell = |(n, column): (usize, &Column)| {
            let cell = match column.kind {
                Kind::Text => row.try_get(n).map(Cell::Text),
                Kind::Int => row.try_get(n).map(Cell::Int),
                Kind::Double => row.try_get(n).map(Cell::Double),
                Kind::Blob => row.try_get(n).map(Cell::Blob),
            };
            // The driver's message may repeat the value.
            cell.map_err(|_| {
                StoreError::damaged(format!("a value of {}.{} is not of its kind", self.name, column.name))
            })
        };
        self.columns.iter().enumerate().map(cell).collect()
    }

    async fn insert(&self, on: &mut AnyConnection, engine: Engine, page: &[Vec<Cell>]) -> Result<(), StoreError> {
        let mut rest = page;
        while !rest.is_empty() {
            // Few sizes, so that the driver prepares few texts.
            let size = [64, 8, 1].into_iter().find(|size| *size <= rest.len()).unwrap_or(1);
            let (rows, behind) = rest.split_at(size);
            let mut parameter = 0;
            let values: Vec<_> = rows
                .iter()
                .map(|row| {
                    let places: Vec<_> = row
                        .iter()
                        .map(|_| {
                            parameter += 1;
                            engine.parameter(parameter)
                        })
                        .collect();
                    format!("({})", places.join(", "))
                })
                .collect();
            let text = format!("INSERT INTO {} ({}) VALUES {}", quoted(&self.name), self.names(), values.join(", "));
            execute(on, text, arguments(rows.iter().flatten())).await.map_err(|error| named(&self.name, error))?;
            rest = behind;
        }
        Ok(())
    }
}

/// Says which table it was.
fn named(table: &str, error: StoreError) -> StoreError {
    match error {
        StoreError::Conflict { why } => StoreError::Conflict { why: format!("a row of {table} does not fit: {why}") },
        other => other,
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn arguments<'a>(cells: impl IntoIterator<Item = &'a Cell>) -> AnyArguments {
    let mut arguments = AnyArguments::default();
    for cell in cells {
        let added = match cell {
            Cell::Text(value) => arguments.add(value.clone()),
            Cell::Int(value) => arguments.add(*value),
            Cell::Double(value) => arguments.add(*value),
            Cell::Blob(value) => arguments.add(value.clone()),
        };
        // Invariant: encoding these kinds into the driver's neutral form only moves them.
        added.expect("plain values encode");
    }
    arguments
}

/// The statements of a copy are made from the schema, so they have no constant and no five seconds.
async fn rows(on: &mut AnyConnection, text: String, arguments: AnyArguments) -> Result<Vec<AnyRow>, StoreError> {
    within(sqlx::query_with(AssertSqlSafe(text), arguments).fetch_all(on)).await
}

pub(super) async fn execute(on: &mut AnyConnection, text: String, arguments: AnyArguments) -> Result<(), StoreError> {
    within(sqlx::query_with(AssertSqlSafe(text), arguments).execute(on)).await.map(|_| ())
}

pub(super) async fn within<T>(call: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, StoreError> {
    match tokio::time::timeout(limits::COPY_STATEMENT_MAX, call).await {
        Ok(answer) => Ok(answer?),
        Err(_) => {
            let minutes = limits::COPY_STATEMENT_MAX.as_secs() / 60;
            Err(StoreError::unavailable(format!("one statement took longer than {minutes} minutes")))
        }
    }
}

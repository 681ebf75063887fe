//! SQL as named constants, and the one way to run it.
//!
//! Each statement has a name (it is what a slow-call log line and a metric show), its parameters are
//! counted at compile time, and binding a different number is an error and not a silent NULL (SQLite
//! takes a missing parameter for one). Every constant is listed, so that a test can prepare all of them
//! on both databases.

use super::dialect::Engine;
use super::error::StoreError;
use super::happenings::Slow;
use crate::base::clock::Outside;
use crate::base::limits;
use crate::base::observe::Happening;
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::{AnyConnection, Arguments, Row as _};
use std::borrow::Cow;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// One statement: a name, and a text that both databases take.
#[derive(Debug)]
pub struct Statement {
    pub name: &'static str,
    pub sql: &'static str,
    pub(super) params: usize,
}

impl Statement {
    pub const fn new(name: &'static str, sql: &'static str) -> Self {
        Self { name, sql, params: highest_parameter(sql) }
    }
}

/// The highest `$n` of a text, found at compile time.
const fn highest_parameter(sql: &str) -> usize {
    let bytes = sql.as_bytes();
    let (mut i, mut highest) = (0, 0);
    while i < bytes.len() {
        if bytes[i] == b'$' {
            let mut number = 0;
            while i + 1 < bytes.len() && bytes[i + 1].is_ascii_digit() {
                i += 1;
                number = number * 10 + (bytes[i] - b'0') as usize;
            }
            if number > highest {
                highest = number;
            }
        }
        i += 1;
    }
    highest
}

/// Declares a file's statements and the list of them.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $sql:expr;)*) => {
        $($(#[$doc])* pub(in crate::store) static $name: $crate::store::statement::Statement =
            $crate::store::statement::Statement::new(stringify!($name), $sql);)*
        pub(in crate::store) static STATEMENTS: &[&$crate::store::statement::Statement] = &[$(&$name),*];
    };
}
pub(super) use statements;

/// Row counts for which a multi-row text is made. A group is filled up to the next one with rows of
/// NULLs, which the text itself leaves out: one round to the server per table and group, and few enough
/// texts that the driver keeps all of them prepared. SQLite, which is no round away, takes row by row.
const SIZES: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];
const ROWS_MAX: usize = SIZES[SIZES.len() - 1];

/// A statement over many rows, its texts made once per size and engine. The rows stand in a bare VALUES,
/// whose columns are named column1, column2, … on both engines.
#[derive(Debug)]
pub struct Multi {
    pub name: &'static str,
    form: Form,
    texts: [[OnceLock<String>; SIZES.len()]; 2],
}

#[derive(Debug)]
enum Form {
    /// Inserts rows, but not those whose key is there already: ids are made before the transaction, so
    /// that writing a change a second time after a lost answer changes nothing.
    Insert { table: &'static str, columns: &'static [&'static str], key: &'static str },
    /// `change FROM (VALUES …) AS v condition`, with `?` where a parameter stands in a row.
    Update { change: &'static str, row: &'static str, condition: &'static str },
}

impl Multi {
    pub const fn insert(
        name: &'static str,
        table: &'static str,
        columns: &'static [&'static str],
        key: &'static str,
    ) -> Self {
        Self { name, form: Form::Insert { table, columns, key }, texts: no_texts() }
    }

    pub const fn update(name: &'static str, change: &'static str, row: &'static str, condition: &'static str) -> Self {
        Self { name, form: Form::Update { change, row, condition }, texts: no_texts() }
    }

    pub(super) fn width(&self) -> usize {
        match self.form {
            Form::Insert { columns, .. } => columns.len(),
            Form::Update { row, .. } => row.matches('?').count(),
        }
    }

    fn returns_rows(&self) -> bool {
        matches!(self.form, Form::Update { condition, .. } if condition.contains("RETURNING"))
    }

    fn text(&'static self, engine: Engine, size: usize) -> &'static str {
        self.texts[engine as usize][size].get_or_init(|| match self.form {
            Form::Update { change, row, condition } if size == 0 => single_update(change, row, condition),
            Form::Update { change, row, condition } => {
                format!("{change} FROM (VALUES{}) AS v {condition}", rows_text(engine, row, SIZES[size]))
            }
            Form::Insert { table, columns, key } if size == 0 => {
                let row = vec!["?"; columns.len()].join(", ");
                format!(
                    "INSERT INTO {table} ({}) VALUES{} ON CONFLICT ({key}) DO NOTHING",
                    columns.join(", "),
                    rows_text(engine, &row, 1)
                )
            }
            Form::Insert { table, columns, key } => {
                let row = vec!["?"; columns.len()].join(", ");
                let selected: Vec<_> = (1..=columns.len()).map(|n| format!("column{n}")).collect();
                format!(
                    "INSERT INTO {table} ({}) SELECT {} FROM (VALUES{}) AS v WHERE column1 IS NOT NULL \
                     ON CONFLICT ({key}) DO NOTHING",
                    columns.join(", "),
                    selected.join(", "),
                    rows_text(engine, &row, SIZES[size]),
                )
            }
        })
    }

    /// The text for one row.
    pub fn single(&'static self, engine: Engine) -> &'static str {
        self.text(engine, 0)
    }
}

const fn no_texts() -> [[OnceLock<String>; SIZES.len()]; 2] {
    [const { [const { OnceLock::new() }; SIZES.len()] }; 2]
}

/// An update by one row needs no table of rows: each column of `v` becomes the parameter itself.
fn single_update(change: &str, row: &str, condition: &str) -> String {
    let columns: Vec<&str> = row.split(',').map(str::trim).collect();
    // From the last: v.column1 is also how v.column10 begins.
    (1..=columns.len()).rev().fold(format!("{change} {condition}"), |text, n| {
        text.replace(&format!("v.column{n}"), &columns[n - 1].replace('?', &format!("${n}")))
    })
}

/// The rows of a VALUES. SQLite looks a named parameter up by walking all names, which is quadratic in a
/// large statement; it gets nameless ones.
fn rows_text(engine: Engine, row: &str, count: usize) -> String {
    let mut text = String::new();
    let mut parameter = 0;
    for n in 0..count {
        text.push_str(if n == 0 { " (" } else { ", (" });
        for (i, piece) in row.split('?').enumerate() {
            if i > 0 {
                parameter += 1;
                text.push_str(&engine.parameter(parameter));
            }
            text.push_str(piece);
        }
        text.push(')');
    }
    text
}

/// One value of a row: the five kinds that both databases and the driver agree on, and their absence.
#[derive(Clone, Debug)]
pub(super) enum Value<'a> {
    Text(Cow<'a, str>),
    Int(i64),
    Double(f64),
    Blob(Arc<Vec<u8>>),
    Absent(Kind),
}

impl Value<'_> {
    fn kind(&self) -> Kind {
        match self {
            Self::Text(_) => Kind::Text,
            Self::Int(_) => Kind::Int,
            Self::Double(_) => Kind::Double,
            Self::Blob(_) => Kind::Blob,
            Self::Absent(kind) => *kind,
        }
    }
}

/// PostgreSQL wants to know of what kind an absent value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Int,
    Double,
    Blob,
}

/// Values on their way into a statement. One function a type: what is not here cannot be bound. The rows
/// of a group lend their texts (`push_*`), a step that travels owns them.
#[derive(Clone, Debug, Default)]
pub struct Binds<'a>(Vec<Value<'a>>);

impl<'a> Binds<'a> {
    pub fn text(mut self, value: &str) -> Self {
        self.push_text(value.to_owned());
        self
    }

    pub fn int(mut self, value: i64) -> Self {
        self.push_int(value);
        self
    }

    pub fn blob(mut self, value: Arc<Vec<u8>>) -> Self {
        self.push_blob(value);
        self
    }

    pub fn maybe_text(mut self, value: Option<&str>) -> Self {
        self.push_maybe_text(value.map(str::to_owned));
        self
    }

    pub fn maybe_int(mut self, value: Option<i64>) -> Self {
        self.push_maybe_int(value);
        self
    }

    pub fn push_text(&mut self, value: impl Into<Cow<'a, str>>) {
        self.0.push(Value::Text(value.into()));
    }

    pub fn push_int(&mut self, value: i64) {
        self.0.push(Value::Int(value));
    }

    pub fn push_double(&mut self, value: f64) {
        self.0.push(Value::Double(value));
    }

    pub fn push_blob(&mut self, value: Arc<Vec<u8>>) {
        self.0.push(Value::Blob(value));
    }

    pub fn push_maybe_text(&mut self, value: Option<impl Into<Cow<'a, str>>>) {
        self.0.push(value.map_or(Value::Absent(Kind::Text), |text| Value::Text(text.into())));
    }

    pub fn push_maybe_int(&mut self, value: Option<i64>) {
        self.0.push(value.map_or(Value::Absent(Kind::Int), Value::Int));
    }

    pub(super) fn push_absent(&mut self, kind: Kind) {
        self.0.push(Value::Absent(kind));
    }

    /// What the values weigh.
    pub(super) fn bytes(&self) -> usize {
        self.0
            .iter()
            .map(|value| match value {
                Value::Text(text) => text.len(),
                Value::Blob(bytes) => bytes.len(),
                _ => 8,
            })
            .sum()
    }

    /// The values, when they are as many as the statement takes.
    pub(super) fn counted(&self, name: &'static str, params: usize) -> Result<&[Value<'a>], sqlx::Error> {
        if self.0.len() == params {
            return Ok(&self.0);
        }
        Err(sqlx::Error::Encode(format!("{name} takes {params} parameters, {} were bound", self.0.len()).into()))
    }

    /// Room for the next row.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

fn arguments(values: &[Value<'_>]) -> AnyArguments {
    let mut arguments = AnyArguments::default();
    arguments.reserve(values.len(), 0);
    for value in values {
        let added = match value {
            Value::Text(text) => arguments.add(text.as_ref()),
            Value::Int(int) => arguments.add(*int),
            Value::Double(double) => arguments.add(*double),
            Value::Blob(bytes) => arguments.add(bytes.as_slice()),
            Value::Absent(Kind::Text) => arguments.add(None::<String>),
            Value::Absent(Kind::Int) => arguments.add(None::<i64>),
            Value::Absent(Kind::Double) => arguments.add(None::<f64>),
            Value::Absent(Kind::Blob) => arguments.add(None::<Vec<u8>>),
        };
        // Invariant: encoding these kinds into the driver's neutral form only copies them.
        added.expect("plain values encode");
    }
    arguments
}

/// Runs a statement; how many rows it touched.
pub(super) async fn execute(
    on: &mut AnyConnection,
    statement: &'static Statement,
    binds: Binds<'_>,
) -> Result<u64, sqlx::Error> {
    let arguments = arguments(binds.counted(statement.name, statement.params)?);
    let query = sqlx::query_with(statement.sql, arguments);
    Ok(timed(statement.name, limits::STORE_WRITE_MAX, query.execute(on)).await?.rows_affected())
}

/// Runs a multi-row statement over all rows on a server, up to `ROWS_MAX` in one go; what it returned.
pub(super) async fn execute_rows<'a, R>(
    on: &mut AnyConnection,
    multi: &'static Multi,
    rows: &[&'a R],
    bind: fn(&'a R, &mut Binds<'a>),
) -> Result<Vec<AnyRow>, sqlx::Error> {
    let mut returned = Vec::new();
    let width = multi.width();
    for rows in rows.chunks(ROWS_MAX) {
        let size = SIZES.partition_point(|size| *size < rows.len());
        let mut binds = Binds(Vec::with_capacity(SIZES[size] * width));
        for row in rows {
            bind(row, &mut binds);
        }
        while binds.0.len() < SIZES[size] * width {
            let above = binds.0[binds.0.len() - width].kind();
            binds.push_absent(above);
        }
        let arguments = arguments(binds.counted(multi.name, SIZES[size] * width)?);
        let query = sqlx::query_with(multi.text(Engine::Postgres, size), arguments);
        if multi.returns_rows() {
            returned.append(&mut timed(multi.name, limits::STORE_WRITE_MAX, query.fetch_all(&mut *on)).await?);
        } else {
            timed(multi.name, limits::STORE_WRITE_MAX, query.execute(&mut *on)).await?;
        }
    }
    Ok(returned)
}

/// Fetches all rows of a bounded query.
pub(super) async fn fetch_all<'e, E>(
    on: E,
    statement: &'static Statement,
    binds: Binds<'_>,
) -> Result<Vec<AnyRow>, StoreError>
where
    E: sqlx::Executor<'e, Database = sqlx::Any>,
{
    let arguments = arguments(binds.counted(statement.name, statement.params)?);
    let query = sqlx::query_with(statement.sql, arguments);
    Ok(timed(statement.name, limits::STORE_READ_MAX, query.fetch_all(on)).await?)
}

/// Fetches one row, or none.
pub(super) async fn fetch_one<'e, E>(
    on: E,
    statement: &'static Statement,
    binds: Binds<'_>,
) -> Result<Option<AnyRow>, StoreError>
where
    E: sqlx::Executor<'e, Database = sqlx::Any>,
{
    let arguments = arguments(binds.counted(statement.name, statement.params)?);
    let query = sqlx::query_with(statement.sql, arguments);
    Ok(timed(statement.name, limits::STORE_READ_MAX, query.fetch_optional(on)).await?)
}

/// Runs one call under its deadline, and tells of it by name when it was slow.
async fn timed<T>(
    name: &'static str,
    at_most: Duration,
    call: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    let begun = Instant::now();
    let _outside = Outside::hold();
    let answer = match tokio::time::timeout(at_most, call).await {
        Ok(answer) => answer,
        Err(_) => Err(sqlx::Error::Io(std::io::Error::new(
            std::io::ErrorKind::TimedOut,
            format!("{name} gave no answer within {} s", at_most.as_secs()),
        ))),
    };
    tell_when_slow(name, begun);
    answer
}

pub(super) fn tell_when_slow(name: &'static str, begun: Instant) {
    let took = begun.elapsed();
    if took > limits::STORE_SLOW {
        Slow { statement: name, took }.record();
    }
}

/// Columns by name, as the types that the house uses.
pub(super) trait Columns {
    fn text(&self, column: &'static str) -> Result<String, StoreError>;
    fn int(&self, column: &'static str) -> Result<i64, StoreError>;
    fn blob(&self, column: &'static str) -> Result<Vec<u8>, StoreError>;
    fn maybe_text(&self, column: &'static str) -> Result<Option<String>, StoreError>;
    fn maybe_int(&self, column: &'static str) -> Result<Option<i64>, StoreError>;
}

impl Columns for AnyRow {
    fn text(&self, column: &'static str) -> Result<String, StoreError> {
        Ok(self.try_get(column)?)
    }

    fn int(&self, column: &'static str) -> Result<i64, StoreError> {
        Ok(self.try_get(column)?)
    }

    fn blob(&self, column: &'static str) -> Result<Vec<u8>, StoreError> {
        Ok(self.try_get(column)?)
    }

    fn maybe_text(&self, column: &'static str) -> Result<Option<String>, StoreError> {
        Ok(self.try_get(column)?)
    }

    fn maybe_int(&self, column: &'static str) -> Result<Option<i64>, StoreError> {
        Ok(self.try_get(column)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_counted_in_the_text() {
        assert_eq!(highest_parameter("SELECT $1, $12, $3"), 12);
        assert_eq!(highest_parameter("SELECT 1"), 0);
    }

    #[test]
    fn a_multi_row_text_numbers_its_parameters_through() {
        static ROWS: Multi = Multi::insert("rows", "t", &["a", "b"], "a");
        assert_eq!(
            ROWS.text(Engine::Postgres, 1),
            "INSERT INTO t (a, b) SELECT column1, column2 FROM (VALUES ($1, $2), ($3, $4)) AS v \
             WHERE column1 IS NOT NULL ON CONFLICT (a) DO NOTHING"
        );
        assert!(ROWS.text(Engine::Sqlite, 1).contains("(VALUES (?, ?), (?, ?))"));
    }

    #[test]
    fn one_row_needs_no_table_of_rows() {
        static INSERT: Multi = Multi::insert("insert", "t", &["a", "b"], "a");
        assert_eq!(INSERT.single(Engine::Postgres), "INSERT INTO t (a, b) VALUES ($1, $2) ON CONFLICT (a) DO NOTHING");
        static UPDATE: Multi =
            Multi::update("update", "UPDATE t SET b = v.column2", "?, CAST(? AS BIGINT)", "WHERE a = v.column1");
        assert_eq!(UPDATE.single(Engine::Sqlite), "UPDATE t SET b = CAST($2 AS BIGINT) WHERE a = $1");
        assert!(UPDATE.text(Engine::Sqlite, 1).contains(" FROM (VALUES (?, CAST(? AS BIGINT)), (?, "));
    }

    #[test]
    fn a_wrong_number_of_values_is_an_error_and_not_a_null() {
        assert!(Binds::default().int(1).counted("x", 2).is_err());
        assert!(Binds::default().int(1).counted("x", 1).is_ok());
    }
}

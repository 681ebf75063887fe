//! The two engines, and everything in which their SQL differs. Only `link.rs` asks which one it is, to
//! choose how a statement gets there.

use super::error::StoreError;
use super::settings::masked;
use super::statement::Statement;
use crate::base::limits;
use std::path::{Path, PathBuf};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

/// Where a store lives.
#[derive(Clone, PartialEq, Eq)]
pub enum Location {
    File(PathBuf),
    /// The URL, which may hold a password.
    Server(String),
}

impl Location {
    /// Reads `sqlite:path` (relative to `base`) or `postgres://…`.
    pub fn parse(url: &str, base: &Path) -> Result<Self, StoreError> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Self::Server(url.to_owned()));
        }
        let path = url
            .strip_prefix("sqlite://")
            .or_else(|| url.strip_prefix("sqlite:"))
            .ok_or_else(|| StoreError::refused("the store's url starts with sqlite: or postgres://"))?;
        if path.is_empty() || path.contains('?') || path.starts_with(":memory:") {
            return Err(StoreError::refused("the store's url names a file: sqlite:gatepost.db"));
        }
        Ok(Self::File(base.join(path)))
    }

    pub fn engine(&self) -> Engine {
        match self {
            Self::File(_) => Engine::Sqlite,
            Self::Server(_) => Engine::Postgres,
        }
    }

    /// The driver's URL. SQLite files are made only by the writer; readers cannot write.
    pub(super) fn url(&self, access: Access) -> String {
        match self {
            Self::Server(url) => url.clone(),
            Self::File(path) => {
                let mode = match access {
                    Access::Write => "rwc",
                    Access::Alone => "rw",
                    // Without a log nobody writes: then not even the files beside it are made.
                    Access::Look if !log_of(path).exists() => "ro&immutable=1",
                    Access::Look | Access::Read | Access::Copy => "ro",
                };
                let mut url = String::from("sqlite://");
                for byte in path.as_os_str().as_encoded_bytes() {
                    match byte {
                        b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => url.push(*byte as char),
                        _ => url.push_str(&format!("%{byte:02X}")),
                    }
                }
                format!("{url}?mode={mode}")
            }
        }
    }
}

/// SQLite's log beside its file.
pub(super) fn log_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

/// A server's password is nobody's business.
impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => write!(f, "sqlite:{}", path.display()),
            Self::Server(url) => f.write_str(&masked(url)),
        }
    }
}

impl std::fmt::Debug for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Write,
    Read,
    /// Reads, and leaves no trace: a check.
    Look,
    /// Reads all of it, as long as that takes: a backup.
    Copy,
    /// Makes it, and nobody else knows of it yet: a file under another name, a database that was empty.
    Alone,
}

/// A setting without which what was answered could be lost.
pub(super) struct Vow {
    pub question: &'static str,
    pub setting: &'static str,
    needed: &'static str,
}

impl Vow {
    pub fn demand(&self, engine: Engine, found: &str) -> Result<(), StoreError> {
        if found == self.needed {
            return Ok(());
        }
        let Self { setting, needed, .. } = self;
        Err(StoreError::refused(format!(
            "{} runs with {setting} = {found}: accepted mail could be lost in a crash; set {setting} = {needed}",
            engine.word()
        )))
    }
}

pub(super) static BEGIN_SQLITE: Statement = Statement::new("BEGIN", "BEGIN IMMEDIATE");
pub(super) static BEGIN_POSTGRES: Statement = Statement::new("BEGIN", "BEGIN");
pub(super) static COMMIT: Statement = Statement::new("COMMIT", "COMMIT");
pub(super) static ROLLBACK: Statement = Statement::new("ROLLBACK", "ROLLBACK");

static SNAPSHOT_SQLITE: Statement = Statement::new("SNAPSHOT", "BEGIN");
static SNAPSHOT_POSTGRES: Statement = Statement::new("SNAPSHOT", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");

/// Waits for whoever else fills this database, until their transaction is over: also one that was given up and
/// that the server still works on. (The block gives no row of type void, which the driver could not read.)
static ALONE_POSTGRES: Statement =
    Statement::new("ALONE", "DO $$ BEGIN PERFORM pg_advisory_xact_lock(7162053948120); END $$");

static NOW_SQLITE: Statement = Statement::new("NOW", "SELECT CAST(unixepoch('subsec') * 1000000 AS INTEGER) AS now");
static NOW_POSTGRES: Statement =
    Statement::new("NOW", "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT) AS now");

// The search index of templates is filled by the rows that it is about: it is nothing to be copied.
static TABLES_SQLITE: Statement = Statement::new(
    "TABLES",
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE '_sqlx_%'
     AND name NOT LIKE 'template\\_search%' ESCAPE '\\' ORDER BY name",
);
static TABLES_POSTGRES: Statement = Statement::new(
    "TABLES",
    "SELECT CAST(tablename AS TEXT) AS name FROM pg_tables
     WHERE schemaname = current_schema() AND tablename NOT LIKE '\\_sqlx\\_%' ORDER BY tablename",
);

static COLUMNS_SQLITE: Statement = Statement::new(
    "COLUMNS",
    "SELECT name, lower(type) AS kind, pk AS key_part FROM pragma_table_info($1) ORDER BY cid",
);
static COLUMNS_POSTGRES: Statement = Statement::new(
    "COLUMNS",
    "SELECT CAST(c.column_name AS TEXT) AS name, CAST(c.data_type AS TEXT) AS kind,
            CAST(COALESCE(k.ordinal_position, 0) AS BIGINT) AS key_part
     FROM information_schema.columns c
     LEFT JOIN information_schema.table_constraints t
            ON t.table_schema = c.table_schema AND t.table_name = c.table_name AND t.constraint_type = 'PRIMARY KEY'
     LEFT JOIN information_schema.key_column_usage k
            ON k.constraint_name = t.constraint_name AND k.table_schema = t.table_schema
           AND k.table_name = t.table_name AND k.column_name = c.column_name
     WHERE c.table_schema = current_schema() AND c.table_name = $1 ORDER BY c.ordinal_position",
);

/// What is due becomes ready. Another node may be at it too: where several write, each takes what the other
/// has not, and none waits.
static PROMOTE_SQLITE: Statement = Statement::new(
    "PROMOTE",
    "UPDATE deliveries SET state = 'ready', updated_at = $1 WHERE id IN (SELECT id FROM deliveries
     WHERE state IN ('deferred', 'scheduled') AND due_at <= $1 ORDER BY due_at LIMIT $2)",
);
static PROMOTE_POSTGRES: Statement = Statement::new(
    "PROMOTE",
    "UPDATE deliveries SET state = 'ready', updated_at = $1 WHERE id IN (SELECT id FROM deliveries
     WHERE state IN ('deferred', 'scheduled') AND due_at <= $1 ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED)",
);

/// Templates of a tenant with words that begin so.
static SEARCH_TEMPLATES_SQLITE: Statement = Statement::new(
    "SEARCH_TEMPLATES",
    "SELECT id, tenant_id, name, kind, active_version, created_at, deleted_at, used, updated_at FROM templates
     WHERE tenant_id = $1 AND deleted_at IS NULL AND id > $2
     AND id IN (SELECT template_id FROM template_search WHERE template_search MATCH $3) ORDER BY id LIMIT $4",
);
static SEARCH_TEMPLATES_POSTGRES: Statement = Statement::new(
    "SEARCH_TEMPLATES",
    "SELECT id, tenant_id, name, kind, active_version, created_at, deleted_at, used, updated_at FROM templates
     WHERE tenant_id = $1 AND deleted_at IS NULL AND id > $2
     AND to_tsvector('simple', words) @@ to_tsquery('simple', $3) ORDER BY id LIMIT $4",
);

impl Engine {
    pub fn word(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }

    /// BEGIN, taking the write lock at once where there is only one.
    pub(super) fn begin(self) -> &'static Statement {
        match self {
            Self::Sqlite => &BEGIN_SQLITE,
            Self::Postgres => &BEGIN_POSTGRES,
        }
    }

    /// The database's own clock, which all nodes share.
    pub(super) fn now(self) -> &'static Statement {
        match self {
            Self::Sqlite => &NOW_SQLITE,
            Self::Postgres => &NOW_POSTGRES,
        }
    }

    /// What is due at $1 becomes ready, $2 rows at most.
    pub(super) fn promote(self) -> &'static Statement {
        match self {
            Self::Sqlite => &PROMOTE_SQLITE,
            Self::Postgres => &PROMOTE_POSTGRES,
        }
    }

    pub(super) fn search_templates(self) -> &'static Statement {
        match self {
            Self::Sqlite => &SEARCH_TEMPLATES_SQLITE,
            Self::Postgres => &SEARCH_TEMPLATES_POSTGRES,
        }
    }

    /// A search for all of these, each as the begin of a word. They are letters and digits alone.
    pub(super) fn beginnings(self, words: &[String]) -> String {
        match self {
            Self::Sqlite => words.iter().map(|word| format!("\"{word}\"*")).collect::<Vec<_>>().join(" "),
            Self::Postgres => words.iter().map(|word| format!("{word}:*")).collect::<Vec<_>>().join(" & "),
        }
    }

    pub(super) fn tables(self) -> &'static Statement {
        match self {
            Self::Sqlite => &TABLES_SQLITE,
            Self::Postgres => &TABLES_POSTGRES,
        }
    }

    /// A table's columns in order: name, kind, and the place in the primary key (0: none).
    pub(super) fn columns(self) -> &'static Statement {
        match self {
            Self::Sqlite => &COLUMNS_SQLITE,
            Self::Postgres => &COLUMNS_POSTGRES,
        }
    }

    pub(super) fn own_statements(self) -> Vec<&'static Statement> {
        let all = [
            self.begin(),
            self.begin_snapshot(),
            &COMMIT,
            &ROLLBACK,
            self.now(),
            self.promote(),
            self.search_templates(),
            self.tables(),
            self.columns(),
        ];
        all.into_iter().chain(self.be_alone()).collect()
    }

    /// The nth parameter of a statement that is made at run time.
    pub(super) fn parameter(self, n: usize) -> String {
        match self {
            Self::Sqlite => "?".to_owned(),
            Self::Postgres => format!("${n}"),
        }
    }

    /// How many connections write. SQLite has one writer by nature.
    pub(super) fn lanes(self, wished: u32) -> u32 {
        match self {
            Self::Sqlite => 1,
            Self::Postgres => wished.max(1),
        }
    }

    /// What every connection is told first.
    pub(super) fn session(self, access: Access) -> String {
        let read_ms = limits::STORE_READ_MAX.as_millis();
        let write_ms = limits::STORE_WRITE_MAX.as_millis();
        let busy_ms = limits::SQLITE_BUSY_MAX.as_millis();
        let copy_ms = limits::COPY_STATEMENT_MAX.as_millis();
        match (self, access) {
            // FULL: the log is flushed before COMMIT returns, or a 250 would be no promise. The log is
            // moved into the file at 1 000 pages (8 MiB), and as much is kept in memory: with 32 MiB each,
            // every page was out of the processor's cache when it was needed again (3 µs of a mail's 35),
            // and a log four times as long saved only 2 % of the bytes.
            (Self::Sqlite, Access::Write) => {
                format!(
                    "PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
                     PRAGMA wal_autocheckpoint = 1000; PRAGMA cache_size = -8000; PRAGMA temp_store = MEMORY;
                     PRAGMA mmap_size = 0; PRAGMA busy_timeout = {busy_ms}; PRAGMA foreign_keys = OFF"
                )
            }
            (Self::Sqlite, Access::Read | Access::Look) => format!(
                "PRAGMA query_only = ON; PRAGMA cache_size = -8000; PRAGMA busy_timeout = {busy_ms};
                 PRAGMA mmap_size = 0"
            ),
            (Self::Postgres, Access::Write) => format!(
                "SET synchronous_commit = on; SET statement_timeout = {write_ms}; SET lock_timeout = {read_ms};
                 SET idle_in_transaction_session_timeout = {write_ms}; SET client_min_messages = warning"
            ),
            (Self::Postgres, Access::Read | Access::Look) => format!(
                "SET default_transaction_read_only = on; SET statement_timeout = {read_ms};
                 SET client_min_messages = warning"
            ),
            // Not query_only: VACUUM INTO writes, but not here; the file itself is opened for reading.
            (Self::Sqlite, Access::Copy) => {
                format!("PRAGMA cache_size = -8000; PRAGMA busy_timeout = {busy_ms}; PRAGMA mmap_size = 0")
            }
            // No journal and no flush: the file is flushed as a whole before it gets its name, and a half
            // one is thrown away. What is deleted is overwritten: a master key must not stay on a free page.
            (Self::Sqlite, Access::Alone) => {
                "PRAGMA page_size = 8192; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
                 PRAGMA locking_mode = EXCLUSIVE; PRAGMA secure_delete = ON; PRAGMA cache_size = -32000;
                 PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0; PRAGMA foreign_keys = OFF"
                    .to_owned()
            }
            (Self::Postgres, Access::Copy) => format!(
                "SET default_transaction_read_only = on; SET statement_timeout = {copy_ms};
                 SET idle_in_transaction_session_timeout = {copy_ms}; SET client_min_messages = warning"
            ),
            (Self::Postgres, Access::Alone) => format!(
                "SET synchronous_commit = on; SET statement_timeout = {copy_ms}; SET lock_timeout = {read_ms};
                 SET idle_in_transaction_session_timeout = {copy_ms}; SET client_min_messages = warning"
            ),
        }
    }

    /// What must hold before this store may promise anything.
    pub(super) fn vows(self) -> &'static [Vow] {
        match self {
            Self::Sqlite => &[Vow { question: "PRAGMA journal_mode", setting: "journal_mode", needed: "wal" }],
            Self::Postgres => &[
                Vow { question: "SELECT current_setting('fsync') AS fsync", setting: "fsync", needed: "on" },
                Vow {
                    question: "SELECT current_setting('full_page_writes') AS full_page_writes",
                    setting: "full_page_writes",
                    needed: "on",
                },
                Vow {
                    question: "SELECT current_setting('synchronous_commit') AS synchronous_commit",
                    setting: "synchronous_commit",
                    needed: "on",
                },
            ],
        }
    }

    /// Can more than one node use it?
    pub(super) fn is_shared(self) -> bool {
        self == Self::Postgres
    }

    /// Does it work in the thread that calls it? Then it must not be a thread that others need.
    pub(super) fn works_in_the_caller(self) -> bool {
        self == Self::Sqlite
    }

    /// Is this the DDL of our engine? Keeps the marks of this engine and drops the other's.
    pub(super) fn ddl(self, text: &str) -> String {
        let (ours, theirs) = match self {
            Self::Sqlite => ("/*sqlite ", "/*postgres "),
            Self::Postgres => ("/*postgres ", "/*sqlite "),
        };
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find("/*") {
            let (before, mark) = rest.split_at(at);
            out.push_str(before);
            let end = mark.find("*/").map_or(mark.len(), |end| end + 2);
            if let Some(kept) = mark[..end].strip_prefix(ours) {
                out.push_str(kept.strip_suffix("*/").unwrap_or(kept));
            } else if !mark.starts_with(theirs) {
                out.push_str(&mark[..end]);
            }
            rest = &mark[end..];
        }
        out.push_str(rest);
        out
    }

    /// What the transaction says first that fills a whole database; a file has one writer anyway.
    pub(super) fn be_alone(self) -> Option<&'static Statement> {
        match self {
            Self::Sqlite => None,
            Self::Postgres => Some(&ALONE_POSTGRES),
        }
    }

    /// BEGIN of a reader that sees one moment of the store until its end. SQLite's backup is one statement.
    pub(super) fn begin_snapshot(self) -> &'static Statement {
        match self {
            Self::Sqlite => &SNAPSHOT_SQLITE,
            Self::Postgres => &SNAPSHOT_POSTGRES,
        }
    }

    /// Moves SQLite's log into the file and empties it. PostgreSQL does this by itself.
    pub(super) fn checkpoint(self) -> Option<&'static str> {
        match self {
            Self::Sqlite => Some("PRAGMA wal_checkpoint(TRUNCATE)"),
            Self::Postgres => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_engine_keeps_its_own_marks() {
        let text = "a /*sqlite BLOB*//*postgres BYTEA*/ b /* note */ c /*sqlite W*/;";
        assert_eq!(Engine::Sqlite.ddl(text), "a BLOB b /* note */ c W;");
        assert_eq!(Engine::Postgres.ddl(text), "a BYTEA b /* note */ c ;");
    }

    #[test]
    fn a_location_hides_the_password_and_keeps_odd_paths() {
        let server = Location::parse("postgres://u:p%40ss@db:5432/gatepost", Path::new("/x")).unwrap();
        assert_eq!(server.to_string(), "postgres://u:***@db:5432/gatepost");
        assert_eq!(format!("{server:?}"), "postgres://u:***@db:5432/gatepost");
        let server = Location::parse("postgres://u@db/gatepost?password=hunter2", Path::new("/x")).unwrap();
        assert_eq!(server.to_string(), "postgres://u@db/gatepost?password=***");
        let file = Location::parse("sqlite:a b?".trim_end_matches('?'), Path::new("/data")).unwrap();
        assert_eq!(file.url(Access::Read), "sqlite:///data/a%20b?mode=ro");
        assert_eq!(Location::parse("sqlite:///abs.db", Path::new("/data")).unwrap(), Location::File("/abs.db".into()));
        for wrong in ["mysql://x", "sqlite:", "sqlite::memory:", "gatepost.db"] {
            assert!(Location::parse(wrong, Path::new("/")).is_err(), "{wrong}");
        }
    }
}

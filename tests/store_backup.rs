//! Backup and restore, from outside: what comes back is what was there, on either engine; what is
//! damaged, foreign or half is refused in words; and nothing is ever written over.

use crate::mails::{self, Mails};
use crate::postgres::Cluster;
use gatepost::base::clock::{Clock, Time};
use gatepost::base::random::Random;
use gatepost::base::secret::Secret;
use gatepost::model::delivery::State;
use gatepost::store::Store;
use gatepost::store::backup::{BackupError, KeyPlace, Restored, Summary, Whose, backup, restore};
use gatepost::store::dialect::{Engine, Location};
use gatepost::store::open::Opening;
use gatepost::store::seal::parse_master_key;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Column, Connection, Executor, Row};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const OTHER_KEY: &str = "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

fn key(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

async fn open(location: &Location) -> Store {
    let opening = Opening {
        location: location.clone(),
        read_connections: 2,
        write_connections: 2,
        master_key: parse_master_key(KEY).unwrap(),
        clock: Clock::System,
        random: Random::System,
    };
    Store::open(opening).await.unwrap()
}

async fn database() -> Location {
    let url = tokio::task::spawn_blocking(|| Cluster::shared().create_database()).await.unwrap();
    Location::parse(&url, Path::new("/")).unwrap()
}

async fn place(engine: Engine, directory: &Path, name: &str) -> Location {
    match engine {
        Engine::Sqlite => Location::File(directory.join(name)),
        Engine::Postgres => database().await,
    }
}

async fn back_up(from: &Location, to: &Path, with_key: Option<&str>) -> Result<Summary, BackupError> {
    let with_key = with_key.map(key);
    backup(from, to, with_key.as_ref(), &Clock::System, &Random::System).await
}

async fn bring_back(from: &Path, to: &Location, configured: Option<&str>) -> Result<Restored, BackupError> {
    let configured = configured.map(key);
    restore(from, to, configured.as_ref(), &Random::System).await
}

/// A connection of the test's own, past the store.
async fn connect(location: &Location) -> AnyConnection {
    sqlx::any::install_default_drivers();
    let url = match location {
        Location::File(path) => format!("sqlite://{}?mode=rwc", path.display()),
        Location::Server(url) => url.clone(),
    };
    AnyConnection::connect(&url).await.unwrap()
}

async fn run(on: &mut AnyConnection, sql: &str) {
    on.execute(AssertSqlSafe(sql.to_owned())).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

async fn number(on: &mut AnyConnection, sql: &str) -> i64 {
    on.fetch_one(AssertSqlSafe(sql.to_owned())).await.unwrap_or_else(|e| panic!("{sql}: {e}")).get(0)
}

async fn table_names(on: &mut AnyConnection, engine: Engine) -> Vec<String> {
    let sql = match engine {
        Engine::Sqlite => "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
        Engine::Postgres => "SELECT CAST(tablename AS TEXT) FROM pg_tables WHERE schemaname = 'public'",
    };
    let names = on.fetch_all(sql).await.unwrap();
    names.iter().map(|row| row.get::<String, _>(0)).filter(|name| is_copied(name)).collect()
}

/// The migrations are the program's own, and what templates are searched by is made of their rows.
fn is_copied(name: &str) -> bool {
    name != "_sqlx_migrations" && !name.starts_with("template_search")
}

/// One value in a form that is the same for both engines.
fn shown(row: &AnyRow, n: usize) -> String {
    if let Ok(value) = row.try_get::<Option<i64>, _>(n) {
        return value.map_or("NULL".to_owned(), |value| value.to_string());
    }
    if let Ok(value) = row.try_get::<Option<String>, _>(n) {
        return format!("{value:?}");
    }
    if let Ok(value) = row.try_get::<Option<Vec<u8>>, _>(n) {
        return format!("{value:?}");
    }
    format!("{:?}", row.try_get::<f64, _>(n).unwrap())
}

/// Every row of every table, in order, in a form that is the same for both engines.
async fn everything(location: &Location) -> BTreeMap<String, Vec<String>> {
    let mut on = connect(location).await;
    let mut all = BTreeMap::new();
    for table in table_names(&mut on, location.engine()).await {
        let rows = on.fetch_all(AssertSqlSafe(format!("SELECT * FROM {table}"))).await.unwrap();
        let line = |row: &AnyRow| {
            let columns = row.columns().iter();
            let values: Vec<_> = columns.map(|c| format!("{}={}", c.name(), shown(row, c.ordinal()))).collect();
            values.join(" ")
        };
        let mut lines: Vec<_> = rows.iter().map(line).collect();
        lines.sort();
        all.insert(table, lines);
    }
    on.close().await.unwrap();
    all
}

/// Rows in every table, with every kind of value: absent, empty, odd, extreme.
async fn fill(location: &Location) {
    let store = open(location).await;
    let lease = store.start_node("mail.example.com", "0").await.unwrap();
    let mails_of = Mails::new(lease);
    let mut noise = vec![0; 3 << 20];
    Random::System.fill(&mut noise);
    for body in [noise, mails::body(&Random::System, 900_000), mails::body(&Random::System, 10_000), Vec::new()] {
        let mut mail = mails_of.mail(body);
        store.write(std::mem::take(&mut mail.accept)).await.unwrap();
        store.write(mails_of.settle(&mail, State::Delivered)).await.unwrap();
    }
    store.write(store.seal_secret("relay", "upstream", b"hunter2")).await.unwrap();
    store.close().await;

    let mut on = connect(location).await;
    for table in table_names(&mut on, location.engine()).await {
        let columns = columns(&mut on, location.engine(), &table).await;
        let names: Vec<_> = columns.iter().map(|(name, ..)| format!("\"{name}\"")).collect();
        run(&mut on, "BEGIN").await;
        // More rows than a page has.
        for row in 0..if matches!(table.as_str(), "events" | "attempts") { 1_100 } else { 3 } {
            let value = |(at, (_, kind, nullable)): (usize, &(String, String, bool))| match kind.as_str() {
                _ if *nullable && row % 2 == 0 => "NULL".to_owned(),
                "text" if at == 0 => format!("'{table}-{}'", row / 2),
                "text" if row == 1 && *nullable => "''".to_owned(),
                "text" => format!("'ü € '' \" \\ % {at} {row} \u{1f4e7}'"),
                "bigint" if row == 2 => "-9223372036854775808".to_owned(),
                "bigint" => format!("{}", i64::MAX - row),
                "blob" => "x'00ff0027'".to_owned(),
                "bytea" => "'\\x00ff0027'".to_owned(),
                other => panic!("{table} has a column of kind {other}: fill it too"),
            };
            // The first column is the first part of the key; where it is all of it, it must differ.
            let values: Vec<_> = columns.iter().enumerate().map(value).collect();
            let alone = values[0].replace(&format!("-{}'", row / 2), &format!("-{row}'"));
            let two_parts = ["bodies", "body_chunks", "attempts", "template_versions", "ticket_tags"];
            let first = if two_parts.contains(&table.as_str()) { values[0].clone() } else { alone };
            let rest = values[1..].join(", ");
            run(&mut on, &format!("INSERT INTO {table} ({}) VALUES ({first}, {rest})", names.join(", "))).await;
        }
        run(&mut on, "COMMIT").await;
    }
    on.close().await.unwrap();
}

/// Name, kind, and whether it may be absent.
async fn columns(on: &mut AnyConnection, engine: Engine, table: &str) -> Vec<(String, String, bool)> {
    let sql = match engine {
        Engine::Sqlite => format!(
            "SELECT name, lower(type), CASE WHEN \"notnull\" = 0 AND pk = 0 THEN 1 ELSE 0 END
             FROM pragma_table_info('{table}') ORDER BY cid"
        ),
        Engine::Postgres => format!(
            "SELECT CAST(column_name AS TEXT), CAST(data_type AS TEXT), CASE WHEN is_nullable = 'YES' THEN 1 ELSE 0 END
             FROM information_schema.columns WHERE table_schema = 'public' AND table_name = '{table}'
             ORDER BY ordinal_position"
        ),
    };
    let rows = on.fetch_all(AssertSqlSafe(sql)).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1), row.get::<i64, _>(2) == 1)).collect()
}

/// What is in a directory, without the log that a reader leaves beside a closed store.
fn files(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| !["gatepost.db-wal", "gatepost.db-shm"].contains(&name.as_str()));
    names.sort();
    names
}

/// A small store with a mail and a secret.
async fn small_store(directory: &Path) -> Location {
    let location = Location::File(directory.join("gatepost.db"));
    let store = open(&location).await;
    let lease = store.start_node("mail.example.com", "0").await.unwrap();
    let mail = Mails::new(lease).mail(mails::body(&Random::System, 20_000));
    store.write(mail.accept).await.unwrap();
    store.write(store.seal_secret("relay", "upstream", b"hunter2")).await.unwrap();
    store.close().await;
    location
}

// --- all of it comes back -------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn from_sqlite_every_row_comes_back_on_both_engines() {
    every_row_comes_back(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn from_postgres_every_row_comes_back_on_both_engines() {
    every_row_comes_back(Engine::Postgres).await;
}

async fn every_row_comes_back(engine: Engine) {
    let directory = tempfile::tempdir().unwrap();
    let source = place(engine, directory.path(), "source.db").await;
    fill(&source).await;
    let before = everything(&source).await;
    assert!(before.values().all(|rows| rows.len() >= 3), "every table has rows");
    assert!(before.len() >= 30);

    let to = directory.path().join("gatepost.backup");
    let summary = back_up(&source, &to, None).await.unwrap();
    assert_eq!(std::fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!files(directory.path()).iter().any(|name| name.contains(".part")), "{:?}", files(directory.path()));
    for (table, rows) in &before {
        assert_eq!(summary.rows[table], rows.len() as i64, "{table}");
    }
    assert_eq!(summary.engine, engine.word());
    assert!(summary.to_string().contains("The master key is not in it"), "{summary}");

    for onto in [Engine::Sqlite, Engine::Postgres] {
        let target = place(onto, directory.path(), "target.db").await;
        let restored = bring_back(&to, &target, Some(KEY)).await.unwrap();
        assert_eq!((restored.summary, restored.key), (summary.clone(), None));
        let after = everything(&target).await;
        assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
        for (table, rows) in &before {
            assert!(after[table] == *rows, "{table} differs from {engine:?} to {onto:?}");
        }
        let store = open(&target).await;
        let secret = store.secret("relay", "upstream").await.unwrap().unwrap();
        assert_eq!(secret.expose(), b"hunter2");
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_sqlite_under_load_is_one_moment() {
    under_load(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_postgres_under_load_is_one_moment() {
    under_load(Engine::Postgres).await;
}

async fn under_load(engine: Engine) {
    let directory = tempfile::tempdir().unwrap();
    let source = place(engine, directory.path(), "source.db").await;
    let store = Arc::new(open(&source).await);
    let lease = store.start_node("mail.example.com", "0").await.unwrap();
    let mails_of = Arc::new(Mails::new(lease));
    let enough = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..16)
        .map(|_| {
            let (store, mails_of, enough) = (store.clone(), mails_of.clone(), enough.clone());
            tokio::spawn(async move {
                let mut written = 0;
                while !enough.load(Ordering::Relaxed) {
                    let mut mail = mails_of.mail(mails::body(&Random::System, 5_000));
                    store.write(std::mem::take(&mut mail.accept)).await.unwrap();
                    store.write(mails_of.settle(&mail, State::Delivered)).await.unwrap();
                    written += 1;
                }
                written
            })
        })
        .collect();
    let mut seen = 0;
    for n in 0..3 {
        let to = directory.path().join(format!("{n}.backup"));
        let summary = back_up(&source, &to, Some(KEY)).await.unwrap();
        assert!(summary.rows["messages"] >= seen, "time goes forward");
        seen = summary.rows["messages"];
        let target = Location::File(directory.path().join(format!("{n}.db")));
        bring_back(&to, &target, None).await.unwrap();
        let mut on = connect(&target).await;
        for with in ["bodies", "deliveries", "events"] {
            let alone = format!("SELECT COUNT(*) FROM messages WHERE id NOT IN (SELECT message_id FROM {with})");
            assert_eq!(number(&mut on, &alone).await, 0, "messages without {with}");
            let orphans = format!("SELECT COUNT(*) FROM {with} WHERE message_id NOT IN (SELECT id FROM messages)");
            assert_eq!(number(&mut on, &orphans).await, 0, "{with} without a message");
        }
        // A settled delivery has its attempt, and no other has one.
        let settled = number(&mut on, "SELECT COUNT(*) FROM deliveries WHERE finished_at IS NOT NULL").await;
        assert_eq!(settled, number(&mut on, "SELECT COUNT(*) FROM attempts").await);
    }
    enough.store(true, Ordering::Relaxed);
    let mut written = 0;
    for writer in writers {
        written += writer.await.unwrap();
    }
    assert!(written >= seen && seen > 0, "{written} written, {seen} seen");
}

// --- the key --------------------------------------------------------------------------------------

#[tokio::test]
async fn a_backup_with_its_key_brings_it_back() {
    let directory = tempfile::tempdir().unwrap();
    let source = small_store(directory.path()).await;
    let to = directory.path().join("with-key");
    let summary = back_up(&source, &to, Some(KEY)).await.unwrap();
    assert_eq!(summary.key, KeyPlace::Inside);
    assert!(summary.to_string().contains("It holds the master key"), "{summary}");

    let target = directory.path().join("restored.db");
    let restored = bring_back(&to, &Location::File(target.clone()), None).await.unwrap();
    assert_eq!(restored.key.unwrap().expose(), KEY);
    // The key went to the caller; no byte of it stays in the store's file.
    let bytes = std::fs::read(&target).unwrap();
    assert!(!bytes.windows(32).any(|window| window == &KEY.as_bytes()[..32]));
    assert!(std::fs::read(&to).unwrap().windows(32).any(|window| window == &KEY.as_bytes()[..32]));
    open(&Location::File(target)).await.close().await;
}

#[tokio::test]
async fn a_key_that_does_not_fit_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let source = small_store(directory.path()).await;
    let (with, without) = (directory.path().join("with-key"), directory.path().join("without-key"));
    let wrong = BackupError::WrongKey { whose: Whose::Configured };
    for key in [OTHER_KEY, "no key at all"] {
        assert_eq!(back_up(&source, &with, Some(key)).await, Err(wrong.clone()));
    }
    back_up(&source, &with, Some(KEY)).await.unwrap();
    back_up(&source, &without, None).await.unwrap();
    let before = files(directory.path());

    let target = Location::File(directory.path().join("restored.db"));
    assert_eq!(bring_back(&without, &target, None).await, Err(BackupError::NoKey));
    assert_eq!(bring_back(&without, &target, Some(OTHER_KEY)).await, Err(wrong));
    assert_eq!(bring_back(&with, &target, Some(OTHER_KEY)).await, Err(BackupError::OtherKey));
    assert_eq!(files(directory.path()), before, "nothing is left of what was refused");

    let restored = bring_back(&with, &target, Some(&KEY.to_uppercase())).await.unwrap();
    assert_eq!(restored.key, None, "the configured key is the same: there is nothing to write");
}

// --- what is refused ------------------------------------------------------------------------------

#[tokio::test]
async fn a_damaged_backup_is_refused_wherever_the_damage_is() {
    let directory = tempfile::tempdir().unwrap();
    let source = small_store(directory.path()).await;
    let good = directory.path().join("good");
    back_up(&source, &good, Some(KEY)).await.unwrap();
    let bytes = std::fs::read(&good).unwrap();
    let (bad, target) = (directory.path().join("bad"), Location::File(directory.path().join("restored.db")));
    let places = (0..100).chain((100..bytes.len()).step_by(bytes.len() / 40)).chain([bytes.len() - 1]);
    for at in places {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x40;
        std::fs::write(&bad, &damaged).unwrap();
        let refusal = bring_back(&bad, &target, None).await.unwrap_err();
        assert!(
            matches!(refusal, BackupError::Damaged { .. } | BackupError::NotABackup { .. }),
            "byte {at}: {refusal:?}"
        );
    }
    for cut in [0, 1, 99, 100, 4096, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(&bad, &bytes[..cut]).unwrap();
        assert!(bring_back(&bad, &target, None).await.is_err(), "cut at {cut}");
    }
    std::fs::write(&bad, [bytes.as_slice(), b"x"].concat()).unwrap();
    assert!(bring_back(&bad, &target, None).await.is_err(), "grown");
    assert_eq!(files(directory.path()), ["bad", "gatepost.db", "good"]);
}

/// Damage under a right sum: what a careful hand, or a bug of ours, would leave.
#[tokio::test]
async fn a_backup_that_contradicts_itself_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let source = small_store(directory.path()).await;
    let target = Location::File(directory.path().join("restored.db"));
    let cases = [
        ("DELETE FROM events", "do not have the rows"),
        ("DROP TABLE events", "do not have the rows"),
        ("CREATE TABLE more (id TEXT PRIMARY KEY)", "do not have the rows"),
        ("UPDATE backup SET value = '2' WHERE name = 'schema'", "its schema"),
        ("UPDATE backup SET value = '99' WHERE name = 'schema'", "newer Gatepost"),
        ("UPDATE backup SET value = 'x' WHERE name = 'made_at'", "does not say made_at"),
        ("DELETE FROM backup WHERE name = 'engine'", "does not say engine"),
        ("UPDATE backup SET value = 'x' WHERE name LIKE 'rows of %'", "cannot be read"),
        ("DELETE FROM settings WHERE name = 'master_key_check'", "do not have the rows"),
        ("UPDATE settings SET value = 'zz' WHERE name = 'master_key_check'", "mark"),
        ("DROP TABLE backup", "no backup made by"),
    ];
    for (n, (sql, why)) in cases.into_iter().enumerate() {
        let to = directory.path().join(format!("{n}"));
        back_up(&source, &to, Some(KEY)).await.unwrap();
        change(&to, &[sql]).await;
        let refusal = bring_back(&to, &target, None).await.unwrap_err();
        assert!(refusal.to_string().contains(why), "{sql}: {refusal}");
    }
}

/// Changes a backup and gives it the sum of its new bytes.
async fn change(path: &Path, sql: &[&str]) {
    let mut on = connect(&Location::File(path.to_owned())).await;
    for sql in sql {
        run(&mut on, sql).await;
    }
    on.close().await.unwrap();
    let mut bytes = std::fs::read(path).unwrap();
    bytes[60..64].fill(0);
    bytes[68..72].fill(0);
    let sum = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &bytes);
    bytes[60..64].copy_from_slice(&sum.as_ref()[..4]);
    bytes[68..72].copy_from_slice(&sum.as_ref()[4..8]);
    std::fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn what_is_no_backup_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let source = small_store(directory.path()).await;
    let Location::File(store) = &source else { unreachable!() };
    let target = Location::File(directory.path().join("restored.db"));
    let text = directory.path().join("text");
    std::fs::write(&text, "not a database, ".repeat(1_000)).unwrap();
    for path in [store, &text] {
        let refusal = bring_back(path, &target, Some(KEY)).await.unwrap_err();
        assert_eq!(refusal, BackupError::NotABackup { path: path.clone() });
    }
    for path in [directory.path().to_owned(), directory.path().join("absent"), PathBuf::from("/dev/null")] {
        let refusal = bring_back(&path, &target, Some(KEY)).await.unwrap_err();
        assert!(matches!(refusal, BackupError::File { .. }), "{refusal:?}");
    }
}

#[tokio::test]
async fn a_backup_of_what_is_no_store_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let to = directory.path().join("b");
    let absent = Location::File(directory.path().join("absent.db"));
    assert!(matches!(back_up(&absent, &to, None).await, Err(BackupError::Store { .. })));
    let foreign = Location::File(directory.path().join("foreign.db"));
    let mut on = connect(&foreign).await;
    run(&mut on, "CREATE TABLE t (a)").await;
    assert!(matches!(back_up(&foreign, &to, None).await, Err(BackupError::NotAStore { .. })));
    assert!(matches!(back_up(&database().await, &to, None).await, Err(BackupError::NotAStore { .. })));
    assert_eq!(files(directory.path()), ["foreign.db"]);
}

#[tokio::test]
async fn nothing_is_written_over() {
    let directory = tempfile::tempdir().unwrap();
    let source = small_store(directory.path()).await;
    let to = directory.path().join("b");
    back_up(&source, &to, None).await.unwrap();
    let first = std::fs::read(&to).unwrap();
    assert!(matches!(back_up(&source, &to, None).await, Err(BackupError::Exists { .. })));
    assert!(first == std::fs::read(&to).unwrap());

    // A file, or only the log of one that was moved away: SQLite would read it into the new one.
    for name in ["taken.db", "taken.db-wal"] {
        let path = directory.path().join(name);
        std::fs::write(&path, "mine").unwrap();
        let target = Location::File(directory.path().join("taken.db"));
        let refusal = bring_back(&to, &target, Some(KEY)).await.unwrap_err();
        assert!(refusal.to_string().contains(&format!("there is {}", path.display())), "{refusal}");
        assert_eq!(std::fs::read(&path).unwrap(), b"mine");
        std::fs::remove_file(path).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_with_rows_is_refused_and_untouched() {
    let directory = tempfile::tempdir().unwrap();
    let source = small_store(directory.path()).await;
    let to = directory.path().join("b");
    back_up(&source, &to, None).await.unwrap();

    let used = database().await;
    open(&used).await.close().await;
    let before = everything(&used).await;
    let refusal = bring_back(&to, &used, Some(KEY)).await.unwrap_err();
    assert!(refusal.to_string().contains("is not empty (there are rows in "), "{refusal}");
    assert_eq!(everything(&used).await, before);

    // A failure in the middle takes back everything, tables too: the same database can be tried again.
    let taken = database().await;
    let mut on = connect(&taken).await;
    run(&mut on, "CREATE TABLE tickets (mine TEXT)").await;
    assert!(matches!(bring_back(&to, &taken, Some(KEY)).await, Err(BackupError::Store { .. })));
    assert_eq!(table_names(&mut on, Engine::Postgres).await, ["tickets"]);
    run(&mut on, "DROP TABLE tickets").await;
    bring_back(&to, &taken, Some(KEY)).await.unwrap();
}

/// A row that the other engine cannot hold: said with its table, and nothing is left.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_does_not_fit_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let source = small_store(directory.path()).await;
    let mut on = connect(&source).await;
    run(&mut on, "INSERT INTO tags VALUES ('tag_1', 'ten_1', 'a' || char(0) || 'b', 1)").await;
    on.close().await.unwrap();
    let to = directory.path().join("b");
    back_up(&source, &to, None).await.unwrap();
    let target = database().await;
    let refusal = bring_back(&to, &target, Some(KEY)).await.unwrap_err();
    assert!(refusal.to_string().contains("a row of tags does not fit"), "{refusal}");
    assert!(table_names(&mut connect(&target).await, Engine::Postgres).await.is_empty());
}

// --- older ones -----------------------------------------------------------------------------------

/// The table of signing keys before it went by the names of domains.
const OLD_DKIM_KEYS: [&str; 3] = [
    "DROP TABLE dkim_keys",
    "CREATE TABLE dkim_keys (id TEXT PRIMARY KEY, domain_id TEXT NOT NULL, selector TEXT NOT NULL, \
     algorithm TEXT NOT NULL, stage TEXT NOT NULL, public_key TEXT NOT NULL, secret_id TEXT NOT NULL, \
     created_at BIGINT NOT NULL, published_at BIGINT, active_at BIGINT, retiring_at BIGINT, retired_at BIGINT)",
    "CREATE UNIQUE INDEX dkim_keys_by_selector ON dkim_keys (domain_id, selector)",
];

#[tokio::test(flavor = "multi_thread")]
async fn an_older_backup_is_brought_up_to_date() {
    let directory = tempfile::tempdir().unwrap();
    let source = small_store(directory.path()).await;
    let to = directory.path().join("older");
    back_up(&source, &to, None).await.unwrap();
    // As a Gatepost before the desk and the queue would have made it.
    let desk = [
        "contacts",
        "tickets",
        "entries",
        "tags",
        "ticket_tags",
        "sts_policies",
        "tls_results",
        "steerings",
        "idempotency",
    ];
    let mut steps: Vec<String> = desk.iter().map(|table| format!("DROP TABLE {table}")).collect();
    steps.extend(desk.iter().map(|table| format!("DELETE FROM backup WHERE name = 'rows of {table}'")));
    steps.extend(OLD_DKIM_KEYS.map(str::to_owned));
    let queue = ["leased", "due", "ready", "by_state", "by_destination"];
    steps.extend(queue.iter().map(|index| format!("DROP INDEX deliveries_{index}")));
    let columns = ["stream", "wanted", "warned_at"];
    steps.extend(columns.iter().map(|column| format!("ALTER TABLE deliveries DROP COLUMN {column}")));
    steps.extend(["new", "changed"].map(|trigger| format!("DROP TRIGGER template_search_{trigger}")));
    steps.push("DROP INDEX suppressions_by_update".into());
    steps.push("ALTER TABLE suppressions DROP COLUMN updated_at".into());
    steps.push("DROP TABLE template_search".into());
    steps.push("ALTER TABLE templates DROP COLUMN words".into());
    steps.push("CREATE INDEX deliveries_waiting ON deliveries (due_at, destination) WHERE finished_at IS NULL".into());
    steps.push("UPDATE messages SET stream = 'inbound'".into());
    steps.push("DELETE FROM _sqlx_migrations WHERE version > 2".into());
    steps.push("UPDATE backup SET value = '2' WHERE name = 'schema'".into());
    change(&to, &steps.iter().map(String::as_str).collect::<Vec<_>>()).await;

    for engine in [Engine::Sqlite, Engine::Postgres] {
        let target = place(engine, directory.path(), "restored.db").await;
        assert_eq!(bring_back(&to, &target, Some(KEY)).await.unwrap().summary.schema, 2);
        let all = everything(&target).await;
        assert!(desk.iter().all(|table| all[*table].is_empty()));
        assert_eq!(all["messages"].len(), 1);
        let mut on = connect(&target).await;
        let waiting = number(&mut on, "SELECT COUNT(*) FROM deliveries WHERE stream = 'inbound'").await;
        assert_eq!(waiting as usize, all["deliveries"].len(), "a delivery is of its message's stream");
        assert_ne!(waiting, 0);
        open(&target).await.close().await;
    }
}

// --- interruptions --------------------------------------------------------------------------------

/// A store that takes a while to copy.
async fn heavy_store(location: &Location) {
    open(location).await.close().await;
    let mut on = connect(location).await;
    let noise = match location.engine() {
        Engine::Sqlite => "randomblob(1000000)",
        Engine::Postgres => "decode(repeat(md5(random()::text), 31250), 'hex')",
    };
    for n in 0..40 {
        run(&mut on, &format!("INSERT INTO body_chunks VALUES ('em_1', 'prepared', {n}, {noise})")).await;
    }
    on.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_backup_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let sqlite = Location::File(directory.path().join("gatepost.db"));
    let postgres = database().await;
    for source in [sqlite, postgres] {
        heavy_store(&source).await;
        let before = files(directory.path());
        let to = directory.path().join("b");
        let mut patience = Duration::from_micros(500);
        let mut dropped = 0;
        while tokio::time::timeout(patience, back_up(&source, &to, None)).await.is_err() {
            // SQLite's thread ends its statement, and takes its journal away. The last step may be under way
            // in another thread: then the name is given, to a whole file.
            let until = Instant::now() + Duration::from_secs(20);
            while !to.exists() && files(directory.path()) != before {
                assert!(Instant::now() < until, "left: {:?}", files(directory.path()));
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let _ = std::fs::remove_file(&to);
            dropped += 1;
            patience = patience * 3 / 2;
        }
        assert!(dropped > 0);
        bring_back(&to, &Location::File(directory.path().join("restored.db")), Some(KEY)).await.unwrap();
        std::fs::remove_file(directory.path().join("restored.db")).unwrap();
        std::fs::remove_file(&to).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_restore_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let source = Location::File(directory.path().join("gatepost.db"));
    heavy_store(&source).await;
    let to = directory.path().join("b");
    back_up(&source, &to, None).await.unwrap();
    let restored = directory.path().join("restored.db");
    for target in [Location::File(restored.clone()), database().await] {
        let mut patience = Duration::from_micros(500);
        let mut dropped = 0;
        loop {
            match tokio::time::timeout(patience, bring_back(&to, &target, Some(KEY))).await {
                Err(_) => dropped += 1,
                Ok(Ok(_)) => break,
                // The one before was dropped at its last step, which then was done.
                Ok(Err(BackupError::Exists { .. } | BackupError::NotEmpty { .. })) => break,
                Ok(Err(refusal)) => panic!("{refusal}"),
            }
            patience = patience * 3 / 2;
        }
        assert!(dropped > 0);
        assert_eq!(number(&mut connect(&target).await, "SELECT COUNT(*) FROM body_chunks").await, 40);
        open(&target).await.close().await;
        let _ = std::fs::remove_file(&restored);
    }
}

/// The child of the next test: makes backups until it is killed.
#[tokio::test]
#[ignore = "only as a child of a_killed_backup_never_has_its_name"]
async fn backing_up_until_killed() {
    let Ok(directory) = std::env::var("GATEPOST_TEST_BACKUPS") else { return };
    let source = Location::File(Path::new(&directory).join("gatepost.db"));
    for n in 0.. {
        back_up(&source, &Path::new(&directory).join(format!("{n}.backup")), None).await.unwrap();
    }
}

#[tokio::test]
async fn a_killed_backup_never_has_its_name() {
    let directory = tempfile::tempdir().unwrap();
    heavy_store(&Location::File(directory.path().join("gatepost.db"))).await;
    let mut half = 0;
    for round in 0..6_u64 {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["store_backup::backing_up_until_killed", "--exact", "--ignored"])
            .env("GATEPOST_TEST_BACKUPS", directory.path())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let is_part = |name: &String| name.ends_with(".part");
        let until = Instant::now() + Duration::from_secs(30);
        while !files(directory.path()).iter().any(is_part) {
            assert!(Instant::now() < until, "the child made no backup");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(Duration::from_millis(round * 15)).await;
        child.kill().unwrap();
        child.wait().unwrap();
        for name in files(directory.path()) {
            let path = directory.path().join(&name);
            if is_part(&name) {
                half += 1;
                std::fs::remove_file(path).unwrap();
            } else if name.ends_with(".backup") {
                let target = Location::File(directory.path().join("restored.db"));
                bring_back(&path, &target, Some(KEY)).await.unwrap();
                std::fs::remove_file(directory.path().join("restored.db")).unwrap();
                std::fs::remove_file(path).unwrap();
            } else if name.ends_with(".part-journal") {
                std::fs::remove_file(path).unwrap();
            }
        }
    }
    assert!(half > 0, "no backup was met half made");
}

// --- the log and the errors -----------------------------------------------------------------------

#[test]
fn no_error_shows_a_key_or_a_password() {
    let location = Location::parse("postgres://gp:hunter2@127.0.0.1:1/x", Path::new("/")).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let refusal = runtime.block_on(back_up(&location, &directory.path().join("b"), Some(KEY))).unwrap_err();
    let shown = format!("{refusal} {refusal:?}");
    assert!(!shown.contains("hunter2") && !shown.contains(KEY) && shown.contains("127.0.0.1"), "{shown}");
    let restored = Restored {
        summary: Summary {
            made_at: Time::default(),
            gatepost: "0".into(),
            schema: 1,
            engine: "SQLite".into(),
            rows: BTreeMap::new(),
            key: KeyPlace::Inside,
        },
        key: Some(key(KEY)),
    };
    assert!(!format!("{restored:?}").contains(KEY));
}

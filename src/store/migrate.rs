//! Brings a store to the shape that this program knows: the tree in `migrations/`, compiled in.

use super::dialect::Engine;
use super::error::StoreError;
use super::statement::{Binds, Columns, Statement, fetch_one};
use sqlx::AnyConnection;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, SqlSafeStr};

const TREE: &[(i64, &str, &str)] = &[
    (1, "people", include_str!("../../migrations/0001_people.sql")),
    (2, "mail", include_str!("../../migrations/0002_mail.sql")),
    (3, "desk", include_str!("../../migrations/0003_desk.sql")),
    (4, "queue", include_str!("../../migrations/0004_queue.sql")),
    (5, "steering", include_str!("../../migrations/0005_steering.sql")),
    (6, "templates", include_str!("../../migrations/0006_templates.sql")),
    (7, "dkim", include_str!("../../migrations/0007_dkim.sql")),
    (8, "idempotency", include_str!("../../migrations/0008_idempotency.sql")),
    (9, "suppressions", include_str!("../../migrations/0009_suppressions.sql")),
    (10, "copies", include_str!("../../migrations/0010_copies.sql")),
];

/// The newest version this program knows.
pub(super) const NEWEST: i64 = TREE[TREE.len() - 1].0;

pub(super) async fn migrate(connection: &mut AnyConnection, engine: Engine) -> Result<(), StoreError> {
    migrate_to(connection, engine, NEWEST).await
}

/// The shape that a version had: what is copied from an older store is copied into its own shape first.
pub(super) async fn migrate_to(connection: &mut AnyConnection, engine: Engine, version: i64) -> Result<(), StoreError> {
    let tree = TREE
        .iter()
        .map(|(version, name, text)| {
            let sql = AssertSqlSafe(engine.ddl(text)).into_sql_str();
            Migration::new(*version, (*name).into(), MigrationType::Simple, sql, false)
        })
        .collect();
    Migrator::with_migrations(tree).run_direct(Some(version), connection, false).await.map_err(|error| match error {
        sqlx::migrate::MigrateError::VersionMissing(version) => made_by_a_newer(version),
        sqlx::migrate::MigrateError::VersionMismatch(version) => {
            StoreError::refused(format!("its migration {version} is not the one this Gatepost knows"))
        }
        sqlx::migrate::MigrateError::Execute(error) | sqlx::migrate::MigrateError::ExecuteMigration(error, _) => {
            error.into()
        }
        other => StoreError::refused(other),
    })
}

pub(super) fn made_by_a_newer(version: i64) -> StoreError {
    StoreError::refused(format!(
        "it was made by a newer Gatepost (migration {version}, this one knows {NEWEST}): start that version, or restore \
         a backup made before the upgrade"
    ))
}

pub(super) static VERSION: Statement =
    Statement::new("VERSION", "SELECT MAX(version) AS version FROM _sqlx_migrations");

/// The version of a store; none when this is no store of ours. Not inside a transaction: PostgreSQL would
/// end it when there is no such table.
pub(super) async fn version(connection: &mut AnyConnection) -> Result<Option<i64>, StoreError> {
    match fetch_one(connection, &VERSION, Binds::default()).await {
        Ok(Some(row)) => row.maybe_int("version"),
        Ok(None) => Ok(None),
        Err(StoreError::Unavailable { why }) if why.contains("_sqlx_migrations") => Ok(None),
        Err(error) => Err(error),
    }
}

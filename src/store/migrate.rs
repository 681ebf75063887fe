//! Brings a store to the shape that this program knows: the tree in `migrations/`, compiled in.

use super::dialect::Engine;
use super::error::StoreError;
use sqlx::AnyConnection;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, SqlSafeStr};

const TREE: &[(i64, &str, &str)] = &[
    (1, "people", include_str!("../../migrations/0001_people.sql")),
    (2, "mail", include_str!("../../migrations/0002_mail.sql")),
    (3, "desk", include_str!("../../migrations/0003_desk.sql")),
];

/// The newest version this program knows.
pub(super) const NEWEST: i64 = TREE[TREE.len() - 1].0;

pub(super) async fn migrate(connection: &mut AnyConnection, engine: Engine) -> Result<(), StoreError> {
    let tree = TREE
        .iter()
        .map(|(version, name, text)| {
            let sql = AssertSqlSafe(engine.ddl(text)).into_sql_str();
            Migration::new(*version, (*name).into(), MigrationType::Simple, sql, false)
        })
        .collect();
    Migrator::with_migrations(tree).run_direct(None, connection, false).await.map_err(|error| match error {
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

//! Every statement of the store, prepared by both databases: a wrong column or a wrong type is found
//! here and not by the first mail that needs it.

use crate::source::rust_files;
use crate::stores::{Fresh, on_both};
use gatepost::store::dialect::{Engine, Location};
use gatepost::store::open::all_statements;
use regex::Regex;
use sqlx::{Column, Connection, Executor, PgConnection, SqlSafeStr, SqliteConnection, Statement, TypeInfo};
use std::collections::BTreeSet;

on_both! {
    every_statement_is_prepared
}

async fn every_statement_is_prepared(fresh: &Fresh) {
    fresh.open().await.close().await;
    // The engine's own driver: the neutral one would not say what kinds the columns have.
    match &fresh.location {
        Location::File(path) => {
            let mut connection = SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.unwrap();
            for (name, sql) in all_statements(Engine::Sqlite) {
                let prepared = (&mut connection).prepare(sql.into_sql_str()).await;
                prepared.unwrap_or_else(|error| panic!("{name}: {error}\n{sql}"));
            }
        }
        Location::Server(url) => {
            let mut connection = PgConnection::connect(url).await.unwrap();
            // In a bare VALUES only the bound values say of what kind a column is: those statements are run,
            // in every size, by `groups_of_every_size_are_written_whole`.
            let alone = all_statements(Engine::Postgres).into_iter().filter(|(_, sql)| !sql.contains("(VALUES"));
            for (name, sql) in alone {
                let prepared = (&mut connection).prepare(sql.into_sql_str()).await;
                let prepared = prepared.unwrap_or_else(|error| panic!("{name}: {error}\n{sql}"));
                for column in prepared.columns() {
                    let kind = column.type_info().name();
                    let known = ["TEXT", "INT8", "BYTEA", "FLOAT8"].contains(&kind);
                    assert!(known, "{name}: the neutral driver cannot read {} of kind {kind}", column.name());
                }
            }
        }
    }
}

/// The list above is complete: whatever the sources of the store declare by name stands in it.
#[test]
fn every_statement_of_the_sources_is_listed() {
    let single = Regex::new(r#"(?:Statement::new|Multi::insert|Multi::update)\(\s*"([A-Z0-9_]+)""#).unwrap();
    let block = Regex::new(r"(?s)statements! \{\n(.*?)\n\}").unwrap();
    let in_block = Regex::new(r#"(?m)^    ([A-Z0-9_]+) = (?:"|concat!)"#).unwrap();
    let mut declared = BTreeSet::new();
    // A backup's label is a table that only the copy has, and its statements run in each test of one.
    for (_, text) in rust_files("src/store").into_iter().filter(|(path, _)| !path.contains("src/store/backup/")) {
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        declared.extend(single.captures_iter(text).map(|found| found[1].to_owned()));
        for block in block.captures_iter(text) {
            declared.extend(in_block.captures_iter(&block[1]).map(|found| found[1].to_owned()));
        }
    }
    let listed: BTreeSet<String> = [Engine::Sqlite, Engine::Postgres]
        .into_iter()
        .flat_map(all_statements)
        .map(|(name, _)| name.to_owned())
        .collect();
    assert!(declared.len() > 70, "only {} statements were found in the sources", declared.len());
    assert_eq!(declared, listed);
}

//! The store: the only room that speaks SQL. One file of data (SQLite) or one PostgreSQL, one SQL text
//! for both.
//!
//! Writing goes through one queue (`writer`), which shares each commit among all who wait, and answers
//! only after the flush. Reading goes through a pool of its own. Callers see typed rows, typed errors,
//! and never a connection.

pub mod backup;
pub mod bodies;
pub mod change;
pub mod dialect;
pub mod directory;
pub mod dkim_keys;
pub mod error;
pub mod events;
mod happenings;
pub mod housekeeping;
pub mod idempotency;
pub mod inspect;
pub mod limits;
mod link;
pub mod links;
pub mod mail;
mod migrate;
pub mod moves;
pub mod nodes;
pub mod open;
pub mod people;
pub mod policies;
mod pool;
pub mod queue;
pub mod seal;
pub mod settings;
mod sqlite;
pub mod statement;
pub mod steering;
pub mod suppressions;
pub mod templates;
pub mod waiting;
mod words;
pub mod writer;

pub use change::{Change, Step};
pub use error::StoreError;
pub use open::Store;

//! How a setting is described, read and refused; knows no file format and no room.
//!
//! A room describes its settings once with `settings!`: name, type, default, one sentence, and whether
//! a change is live. The plain struct, its reading, its line in `conf/gatepost.toml` and its row in
//! the table of live settings all come from that one description, so they cannot disagree.
//! Reading never stops at the first mistake: every `Finding` is collected, with its place.

mod environment;
mod finding;
mod json;
mod reader;
mod scalar;
mod secret;
mod section;
mod tree;
mod value;
mod words;

pub use environment::Environment;
pub use finding::{Finding, Severity, nearest};
pub use json::read_json;
pub use reader::{Open, Read, Reader};
pub use scalar::{Form, Scalar, Wrong, quoted};
pub(crate) use section::settings;
pub use section::{Change, Field, Given, Shape, Table, ends as section_ends, join as section_join, key as section_key};
pub use tree::{Entry, Found, Kind, Node, Partial, Span};
pub use value::Value;
pub(crate) use words::words;

//! The nouns of the house as plain records: valid once they exist, and without a store, a clock or a
//! network; and the changes of state that are legal, as pure functions.

pub mod credential;
pub mod delivery;
pub mod destination;
pub mod directory;
pub mod dkim;
pub mod domain;
pub mod event;
pub mod forward;
pub mod host;
pub mod intake;
pub mod mailbox;
pub mod message;
pub mod name;
pub mod node;
pub mod outcome;
pub mod people;
pub mod rate;
pub mod relay;
pub mod route;
pub mod source;
pub mod steering;
pub mod stream;
pub mod suppression;
pub mod tenant;
pub mod tls_report;
pub mod url;
pub mod wishes;

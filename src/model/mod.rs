//! Plain records and what they are made of: valid once they exist, and without a store, a clock or a
//! network.

pub mod credential;
pub mod domain;
pub mod host;
pub mod mailbox;
pub mod name;
pub mod rate;
pub mod relay;
pub mod route;
pub mod url;

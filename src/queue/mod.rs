//! The life of a delivery, from acceptance to its end.

pub mod accept;
mod details;
mod happenings;
pub mod ledger;
pub mod settings;

//! The life of a delivery, from acceptance to its end.

pub mod accept;
pub mod bounce;
pub mod details;
mod happenings;
pub mod ledger;
pub mod schedule;
pub mod settings;
pub mod simulator;

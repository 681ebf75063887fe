//! The life of a delivery, from acceptance to its end.

pub mod accept;
pub mod details;
mod happenings;
pub mod inspect;
pub mod ledger;
pub mod schedule;
pub mod settings;
pub mod simulator;
pub mod pulse;
pub mod settings;
pub mod steer;

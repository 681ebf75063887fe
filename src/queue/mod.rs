//! The life of a delivery, from acceptance to its end.

pub mod accept;
mod details;
mod happenings;
pub mod inspect;
pub mod ledger;
pub mod pulse;
pub mod settings;
pub mod steer;

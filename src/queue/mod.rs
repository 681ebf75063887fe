//! The life of a delivery, from acceptance to its end.

pub mod accept;
pub mod bounce;
pub mod course;
pub mod details;
pub mod fair;
pub mod finish;
pub mod happenings;
pub mod inspect;
pub mod lane;
pub mod late_bounce;
pub mod ledger;
pub mod pulse;
pub mod ready;
pub mod schedule;
pub mod settings;
pub mod simulator;
pub mod steer;
pub mod suppress;

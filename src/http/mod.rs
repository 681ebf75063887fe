//! The HTTP doors: health, metrics and the API, on the addresses of `[[http]]` and on the control
//! socket, with one router for both. Who asks decides what is answered.

mod api;
pub mod auth;
pub mod control;
pub mod destinations;
pub mod domains;
pub mod error;
pub mod explain;
mod happenings;
mod health;
mod ready_probe;
mod router;
pub mod server;
pub mod settings;
pub mod status;
pub mod track;

pub use api::{Queue, QueueCell, store_failed};
pub use router::Context;
pub use server::{OpenListener, open};

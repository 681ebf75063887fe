//! The HTTP doors: health, metrics and the API, on the addresses of `[[http]]` and on the control
//! socket, with one router for both. Who asks decides what is answered.

pub mod auth;
pub mod control;
pub mod error;
mod happenings;
mod health;
mod router;
pub mod server;
pub mod settings;
pub mod status;

pub use router::Context;
pub use server::{OpenListener, open};

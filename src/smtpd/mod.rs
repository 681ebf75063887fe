//! The SMTP doors: sockets, TLS, deadlines and permits. What a client says is cut into lines by
//! `line`, answered by `answer`, both without a socket; `connection` moves the bytes between.

mod answer;
mod connection;
mod happenings;
pub mod listener;
pub mod proxy;
pub mod settings;
mod starttls;

pub use listener::{Context, Door, OpenListener, open};

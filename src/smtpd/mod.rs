//! The SMTP doors: sockets, TLS, deadlines and permits. What a client says is answered by
//! `smtp::session`, without a socket; `connection` moves the bytes between, and `decide` puts what the
//! session asks to the rooms that know.

mod connection;
mod decide;
mod happenings;
pub mod listener;
mod patience;
pub mod proxy;
pub mod settings;
mod starttls;
mod transcript;

pub use decide::Deciders;
pub use listener::{Context, Door, OpenListener, open};

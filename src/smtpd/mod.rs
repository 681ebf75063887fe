//! The SMTP doors: sockets, TLS, deadlines and permits. What a client says is answered by
//! `smtp::session`, without a socket; `connection` moves the bytes between, and `decide` puts what the
//! session asks to the rooms that know.

mod connection;
mod decide;
pub mod door;
mod happenings;
pub mod listener;
mod patience;
pub mod proxy;
pub mod settings;
mod starttls;
mod transcript;

pub use door::{Context, Deciders, Door};
pub use listener::{OpenListener, open};

//! SMTP without a socket: what a client may say now, and what is answered. Bytes come in, replies go
//! out, and what only the rooms above can decide is asked for as a value. `smtpd` drives it.

pub mod command;
pub mod data;
pub mod dialogue;
pub mod extension;
pub mod line;
pub mod reply;
pub mod sasl;
pub mod session;
pub mod xtext;

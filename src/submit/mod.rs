//! A transaction from one of our users: who may send, as whom, to whom, and what becomes of the message.

pub mod pipeline;
pub mod recipient;
pub mod sender;

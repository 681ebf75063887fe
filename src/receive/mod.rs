//! A transaction from the world: who may be written to, and what becomes of the message.

pub mod feedback;
mod happenings;
pub mod pipeline;
pub mod recipient;
pub mod sender;

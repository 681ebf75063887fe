//! Sockets as every door and every way out needs them; what is spoken on them is the business of the
//! rooms above.

pub mod bind;
pub mod dial;
pub mod guard;
mod happenings;
pub mod https;
pub mod listen;
mod permits;
pub mod roots;
pub mod socket;
pub mod unix_http;

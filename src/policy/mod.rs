//! What is allowed, and what is done: decisions as pure functions of what a node knows by heart. Limits
//! alone remember something, and save it.

pub mod header;
pub mod limits;
pub mod rights;
pub mod routes;

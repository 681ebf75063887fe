//! What is allowed, and what is done: decisions as pure functions of what a node knows by heart.

pub mod header;
pub mod rights;
pub mod routes;

//! What is allowed, how much of it, and what is done: decisions about what a node knows by heart. Writes
//! nothing but what its own limits have to remember.

pub mod header;
pub mod limits;
pub mod pace;
pub mod readiness;
pub mod records;
pub mod return_path;
pub mod rights;
pub mod routes;
pub mod suppression;

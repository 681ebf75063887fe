//! Mail to other people's servers: where it goes (`find`, `way`), how a connection is opened and what is said on
//! it. Sockets out, no store: what must be remembered of it is returned as a value.

pub mod find;
pub mod report;
pub mod sts;
pub mod way;

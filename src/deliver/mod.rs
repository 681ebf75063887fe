//! Mail to other people's servers: where it goes (`find`, `way`), how a connection is opened and what is said on it
//! (`session`), and what an answer means (`outcome`). Sockets out, no store: what must be remembered of it is
//! returned as a value.

pub mod find;
pub mod outcome;
pub mod report;
pub mod session;
pub mod sts;
pub mod tls;
pub mod way;

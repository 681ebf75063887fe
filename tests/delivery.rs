//! What delivery promises, seen from outside: the real daemon with its store, mail handed to its submission
//! door, and scripted mail servers (support/sink.rs) on addresses of this machine, which a zone file names as
//! the world's. The peers are Debian's Postfix and Exim.
//!
//! A story is told in three steps: what the world is like, what is sent, what the world and the store then
//! show.

#[path = "support/sink.rs"]
mod sink;
#[path = "delivery/sinks.rs"]
mod sinks;

//! What delivery promises, seen from outside: the real daemon with its store, mail handed to its submission
//! door, and scripted mail servers (support/sink.rs) on addresses of this machine, which a zone file names as
//! the world's. The peers are Debian's Postfix and Exim.
//!
//! A story is told in three steps: what the world is like, what is sent, what the world and the store then
//! show.

#[path = "support/sink.rs"]
mod sink;

#[path = "delivery/bounces.rs"]
mod bounces;
#[path = "delivery/crash.rs"]
mod crash;
#[path = "delivery/damage.rs"]
mod damage;
#[path = "delivery/links.rs"]
mod links;
#[path = "delivery/operators.rs"]
mod operators;
#[path = "delivery/peers.rs"]
mod peers;
#[path = "delivery/queue.rs"]
mod queue;
#[path = "delivery/records.rs"]
mod records;
#[path = "delivery/return_paths.rs"]
mod return_paths;
#[path = "delivery/reuse.rs"]
mod reuse;
#[path = "delivery/signing.rs"]
mod signing;
#[path = "delivery/sinks.rs"]
mod sinks;
#[path = "delivery/smarthost.rs"]
mod smarthost;
#[path = "delivery/tls.rs"]
mod tls;
#[path = "delivery/tls_reports.rs"]
mod tls_reports;
#[path = "delivery/transact.rs"]
mod transact;
#[path = "delivery/ways.rs"]
mod ways;
#[path = "delivery/world.rs"]
mod world;

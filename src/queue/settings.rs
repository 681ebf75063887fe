//! How mail is delivered, and tried again.

use crate::base::limits;
use crate::base::settings::{settings, words};
use std::path::PathBuf;
use std::time::Duration;

settings! {
    /// How mail is delivered, and tried again.
    pub struct Settings in "[delivery]" {
        /// The port of the recipients' mail servers; tests point it elsewhere.
        live port: u16 = default(25),
        /// live delivers; sandbox captures everything and sends nothing.
        live mode: Mode = default(Mode::Live),
        /// The pauses between attempts; then the last one repeats.
        live retry: Vec<Duration> = default(retry()),
        /// How long a message is tried before it bounces.
        live expire: Duration = default(Duration::from_secs(5 * 86_400))
            within Duration::from_secs(1)..=limits::EXPIRE_MAX,
        /// After how long without success the sender is told that it is still tried, once; 0s: never.
        live delay_report: Duration = default(Duration::from_secs(4 * 3_600))
            within Duration::ZERO..=limits::EXPIRE_MAX,
        /// What remote servers' answers mean: a table like conf/replies.toml, instead of the one built in.
        live replies: Option<PathBuf> = optional("\"replies.toml\""),
        /// Connections open to one destination at a time, at most.
        live connections_per_destination: u32 = default(20) within 1..=limits::CONNECTIONS_MAX,
        /// Connections open to all destinations together, at most.
        live connections: u32 = default(1_000) within 1..=limits::DELIVERY_CONNECTIONS_MAX,
        /// Recipients of one message that are sent in one transaction, at most.
        live recipients_per_transaction: u32 = default(50) within 1..=limits::TRANSACTION_RECIPIENTS_MAX,
        /// How long a connection is kept open for the next message; "0s" closes it at once.
        live idle: Duration = default(Duration::from_secs(5)) within Duration::ZERO..=limits::CONNECTION_IDLE_MAX,
        /// Messages sent over one connection, at most.
        live connection_messages: u32 = default(100) within 1..=limits::CONNECTION_MESSAGES_MAX,
        /// How long a connection is used, at most: a balancer behind it may have better hosts by then.
        live connection_age: Duration = default(Duration::from_secs(300))
            within Duration::from_secs(1)..=limits::CONNECTION_AGE_MAX,
        /// Deliveries known by heart at a time; what is beyond waits in the store.
        live in_flight: u32 = default(10_000) within 1..=limits::IN_FLIGHT_MAX,
        /// Bytes of messages kept in memory for them; what is beyond is read from the store when its turn comes.
        live memory: u64 = default(64 << 20) within limits::DELIVERY_MEMORY_MIN..=limits::DELIVERY_MEMORY_MAX,
        /// Which dialogues with other servers are kept with their attempts, passwords masked: none, those that
        /// failed, or all.
        live record_dialogues: Dialogues = default(Dialogues::Failures),
    }
}

words! {
    /// Whether mail leaves.
    pub enum Mode {
        Live = "live",
        Sandbox = "sandbox",
    }
}

words! {
    /// Which dialogues with other servers are kept.
    pub enum Dialogues {
        None = "none",
        Failures = "failures",
        All = "all",
    }
}

/// RFC 5321 4.5.4.1: after the first tries the interval should be at least 30 minutes; the first
/// hour is quicker because greylisting lets the second attempt pass.
fn retry() -> Vec<Duration> {
    [1, 5, 15, 60, 120, 240].map(|minutes| Duration::from_secs(minutes * 60)).to_vec()
}

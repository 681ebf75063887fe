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
    }
}

words! {
    /// Whether mail leaves.
    pub enum Mode {
        Live = "live",
        Sandbox = "sandbox",
    }
}

/// RFC 5321 4.5.4.1: after the first tries the interval should be at least 30 minutes; the first
/// hour is quicker because greylisting lets the second attempt pass.
fn retry() -> Vec<Duration> {
    [1, 5, 15, 60, 120, 240].map(|minutes| Duration::from_secs(minutes * 60)).to_vec()
}

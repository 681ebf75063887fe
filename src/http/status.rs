//! The daemon in one page of JSON: `GET /api/v1/status`, on the control socket. The daemon fills it;
//! this room only serves it.

use serde::Serialize;

#[derive(Clone, Debug, Serialize)]
pub struct Status {
    pub version: &'static str,
    pub phase: Phase,
    /// RFC 3339.
    pub started_at: String,
    pub uptime_seconds: u64,
    pub ready: bool,
    /// What keeps it from being ready; empty when it is.
    pub reasons: Vec<String>,
    pub config: Config,
    pub store: Store,
    pub directory: Directory,
    /// None while the store is being opened: nothing is delivered before.
    pub delivery: Option<Delivery>,
    pub listeners: Vec<Listener>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    Running,
    Draining,
}

#[derive(Clone, Debug, Serialize)]
pub struct Config {
    /// The file, or none for the quickstart.
    pub file: Option<String>,
    /// 1 at the start, and one more for every reload that was taken.
    pub generation: u64,
    pub loaded_at: String,
    /// Why the last reload was refused, when it was.
    pub refused: Option<String>,
    /// Listeners that the last reload taken could not open, each with the reason.
    pub left_out: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Store {
    /// `sqlite` or `postgres`: never the URL, which may hold a password.
    pub engine: String,
    /// `up` or `down`.
    pub state: String,
    pub reason: Option<String>,
}

/// What this node knows by heart.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Directory {
    /// Of the store's half; grows with each change made through the API.
    pub version: i64,
    pub domains: usize,
    pub credentials: usize,
    pub relays: usize,
    pub mailboxes: usize,
    pub routes: usize,
}

/// The way out, in a few numbers.
#[derive(Clone, Debug, Serialize)]
pub struct Delivery {
    /// Deliveries that wait in memory or are being tried, and the most there may be.
    pub in_memory: usize,
    pub in_memory_max: usize,
    /// Receiving sites that are being sent to, and the connections to all of them.
    pub sites: usize,
    pub connections: u32,
    /// Since when the oldest mail is due that waits for its turn in the store (RFC 3339); none when nothing does.
    pub oldest_due_at: Option<String>,
    /// Destinations that an operator has suspended.
    pub suspended: usize,
}

#[derive(Clone, Debug, Serialize)]
pub struct Listener {
    pub door: String,
    pub address: String,
    pub connections: usize,
}

/// The configuration in force: `GET /api/v1/settings`, on the control socket.
#[derive(Clone, Debug, Serialize)]
pub struct Settings {
    /// As in `Config`.
    pub generation: u64,
    pub settings: Vec<Setting>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Setting {
    /// Like `listener[0].bind`.
    pub path: String,
    /// As it would be written in the file; of a secret, stars.
    pub value: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Version {
    pub name: &'static str,
    pub version: &'static str,
}

pub(super) const VERSION: Version = Version { name: "gatepost", version: env!("CARGO_PKG_VERSION") };

//! What can happen at a listener: each with its line and its number.

use super::permits::Refusal;
use super::socket::Peer;
use crate::base::metrics::{ACCEPT_FAILURES, CONNECTIONS_CUT, CONNECTIONS_REFUSED};
use crate::base::observe::Happening;
use std::io;
use std::time::Duration;

pub(super) struct ListenerOpened<'a> {
    pub door: &'static str,
    pub address: &'a str,
}

impl Happening for ListenerOpened<'_> {
    fn record(self) {
        tracing::info!(door = self.door, address = self.address, "listening");
    }
}

pub(super) struct ListenerClosed<'a> {
    pub door: &'static str,
    pub address: &'a str,
    pub finished: usize,
    pub cut: usize,
}

impl Happening for ListenerClosed<'_> {
    fn record(self) {
        let Self { door, address, finished, cut } = self;
        metrics::counter!(CONNECTIONS_CUT, "door" => door, "why" => "drain deadline").increment(cut as u64);
        tracing::info!(door, address, finished, cut, "no longer listening");
    }
}

pub(super) struct AcceptFailed<'a> {
    pub door: &'static str,
    pub address: &'a str,
    pub why: &'a io::Error,
    pub pause: Duration,
}

impl Happening for AcceptFailed<'_> {
    fn record(self) {
        metrics::counter!(ACCEPT_FAILURES, "door" => self.door).increment(1);
        let (door, address, why, pause) = (self.door, self.address, self.why, self.pause);
        tracing::warn!(door, address, %why, ?pause, "cannot take connections, trying again after a pause");
    }
}

pub(super) struct ConnectionRefused {
    pub door: &'static str,
    pub peer: Peer,
    pub why: Refusal,
}

impl Happening for ConnectionRefused {
    fn record(self) {
        let why = self.why.in_words();
        metrics::counter!(CONNECTIONS_REFUSED, "door" => self.door, "why" => why).increment(1);
        tracing::info!(door = self.door, peer = %self.peer, why, "connection refused");
    }
}

/// A connection's task ended by a panic: a fault of ours, and the end of this connection alone.
pub(super) struct ConnectionBroke {
    pub door: &'static str,
    pub why: tokio::task::JoinError,
}

impl Happening for ConnectionBroke {
    fn record(self) {
        metrics::counter!(CONNECTIONS_CUT, "door" => self.door, "why" => "our fault").increment(1);
        tracing::error!(door = self.door, why = %self.why, "a connection ended by a fault of ours, please report it");
    }
}

/// The system has no list of certificate authorities that can be read.
pub(super) struct RootsUnread {
    pub why: Option<String>,
}

impl Happening for RootsUnread {
    fn record(self) {
        let why = self.why.unwrap_or_else(|| "it has none".to_owned());
        tracing::warn!(why, "no certificate authorities from the system; those known when this was built are believed");
    }
}

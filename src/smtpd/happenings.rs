//! What can happen at an SMTP door: each with its line and its number.

use super::proxy::Refused;
use crate::base::metrics::{
    CONNECTIONS_CUT, PROXY_REFUSED, SMTP_BOUNDS, SMTP_COMMANDS, SMTP_TRANSCRIPTS, TLS_HANDSHAKES,
};
use crate::base::observe::Happening;
use crate::smtp::session::Close;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

pub(super) struct ConnectionOpened {
    pub door: &'static str,
    pub peer: SocketAddr,
}

impl Happening for ConnectionOpened {
    fn record(self) {
        tracing::debug!(door = self.door, peer = %self.peer, "connection opened");
    }
}

/// How a connection came to its end.
#[derive(Debug)]
pub(super) enum End {
    Closed(Close),
    /// The client went without QUIT.
    Gone,
    Idle,
    Draining,
    /// A handshake failed; it was recorded by itself.
    NoTls,
    Io(io::Error),
}

impl End {
    fn in_words(&self) -> &'static str {
        match self {
            Self::Closed(Close::Quit) => "quit",
            Self::Closed(Close::TooManyErrors) => "too many errors",
            Self::Closed(Close::TooManyCommands) => "too many commands without mail",
            Self::Closed(Close::EndlessData) => "message without end",
            Self::Closed(Close::Decided) => "sent away",
            Self::Closed(Close::BareCrOrLf) => "bare CR or LF",
            Self::Closed(Close::EndlessLine) => "line without end",
            Self::Gone => "client went away",
            Self::Idle => "no command for too long",
            Self::Draining => "we are closing",
            Self::NoTls => "no TLS",
            Self::Io(_) => "connection broke",
        }
    }
}

pub(super) struct ConnectionClosed {
    pub door: &'static str,
    pub peer: SocketAddr,
    pub messages: u32,
    pub commands: u32,
    pub errors: u32,
    pub after: Duration,
    pub end: End,
}

impl Happening for ConnectionClosed {
    fn record(self) {
        let Self { door, peer, messages, commands, errors, after, end } = self;
        let why = end.in_words();
        match &end {
            End::Closed(Close::Quit) | End::Gone | End::Draining | End::NoTls => {}
            End::Closed(_) | End::Idle => metrics::counter!(SMTP_BOUNDS, "bound" => why).increment(1),
            End::Io(_) => metrics::counter!(CONNECTIONS_CUT, "door" => door, "why" => why).increment(1),
        }
        let detail = if let End::Io(error) = &end { Some(tracing::field::display(error)) } else { None };
        let after_ms = after.as_millis() as u64;
        tracing::info!(door, %peer, messages, commands, errors, after_ms, why, detail, "connection closed");
    }
}

/// A command was answered. Counted only: one line per command would be a transcript.
pub(super) struct CommandAnswered {
    /// 2, 4 or 5 (3 once mail is taken).
    pub first_digit: u8,
}

impl Happening for CommandAnswered {
    fn record(self) {
        let reply = match self.first_digit {
            b'2' => "2xx",
            b'3' => "3xx",
            b'4' => "4xx",
            _ => "5xx",
        };
        metrics::counter!(SMTP_COMMANDS, "reply" => reply).increment(1);
    }
}

pub(super) struct HandshakeDone {
    pub version: Option<rustls::ProtocolVersion>,
    pub suite: Option<rustls::CipherSuite>,
}

impl Happening for HandshakeDone {
    fn record(self) {
        let version = match self.version {
            Some(rustls::ProtocolVersion::TLSv1_3) => "1.3",
            _ => "1.2",
        };
        metrics::counter!(TLS_HANDSHAKES, "version" => version).increment(1);
        tracing::debug!(version, suite = ?self.suite, "TLS is on");
    }
}

pub(super) struct HandshakeFailed {
    pub why: io::Error,
}

impl Happening for HandshakeFailed {
    fn record(self) {
        metrics::counter!(TLS_HANDSHAKES, "version" => "failed").increment(1);
        tracing::info!(why = %self.why, "TLS handshake failed");
    }
}

/// Somebody put bytes between STARTTLS and the handshake: a broken client, or one who injects
/// commands into another's connection (CVE-2011-0411).
pub(super) struct PlaintextDropped {
    pub bytes: usize,
}

impl Happening for PlaintextDropped {
    fn record(self) {
        tracing::warn!(bytes = self.bytes, "plaintext behind STARTTLS was thrown away");
    }
}

/// A proxy said whose connection it passes on.
pub(super) struct ClientConveyed {
    pub proxy: SocketAddr,
    pub client: SocketAddr,
}

impl Happening for ClientConveyed {
    fn record(self) {
        tracing::debug!(proxy = %self.proxy, client = %self.client, "connection conveyed by a proxy");
    }
}

/// A listed proxy did not say whose connection it passes on.
pub(super) struct ProxyRefused<'a> {
    pub proxy: SocketAddr,
    pub why: &'a Refused,
}

impl Happening for ProxyRefused<'_> {
    fn record(self) {
        let why = self.why.in_words();
        metrics::counter!(PROXY_REFUSED, "why" => why).increment(1);
        let detail = if let Refused::Broken(error) = self.why { Some(tracing::field::display(error)) } else { None };
        tracing::info!(proxy = %self.proxy, why, detail, "connection of a proxy refused");
    }
}

pub(super) struct TranscriptKept<'a> {
    pub path: &'a Path,
}

impl Happening for TranscriptKept<'_> {
    fn record(self) {
        metrics::counter!(SMTP_TRANSCRIPTS).increment(1);
        tracing::info!(path = %self.path.display(), "the conversation was written down");
    }
}

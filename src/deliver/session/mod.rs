//! A session with another server: opened for a way, greeted, secured and logged in; then transaction by
//! transaction, as long as both want. It belongs to one owner, holds no lock and starts no task.
//!
//! What the remote says comes back raw, with where it was said: what that means for a recipient is decided
//! elsewhere. A lost connection says whether the message may have arrived all the same.

mod happenings;
mod meet;
mod open;
mod transact;
mod wire;

use super::report::ResultType;
use super::tls::{ClientTls, TlsInfo, Verified};
use super::way::Way;
use crate::base::clock::Clock;
use crate::base::limits;
use crate::base::random::Random;
use crate::dns::Resolver;
use crate::mail::domain_name::DomainName;
use crate::mail::envelope::{MailParams, Recipient, ReversePath};
use crate::mail::status::Status;
use crate::model::host::Host;
use crate::model::outcome::{Blame, Kind, Why, category};
use crate::net::dial::{self, Destination, Dialer};
use crate::smtp::dialogue::capabilities::Capabilities;
use crate::smtp::dialogue::transaction::{Lack, Mail, Protocol};
use crate::smtp::dialogue::transcript::Transcript;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use wire::Wire;

pub use crate::smtp::dialogue::Phase;
pub use crate::smtp::dialogue::response::Response;
pub use crate::smtp::dialogue::transaction::{Answer, Unsendable};

/// What every session of the house needs; shared by reference.
#[derive(Clone)]
pub struct Surroundings {
    pub dialer: Dialer,
    pub resolver: Resolver,
    pub clock: Clock,
    pub random: Random,
    /// What we say in EHLO, unless the address that we go out from has a name of its own.
    pub hello: DomainName,
    pub tls: Arc<ClientTls>,
    pub patience: Patience,
}

/// How long a remote may take, each for a whole answer (RFC 5321 4.5.3.2).
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    pub dial: dial::Haste,
    pub greeting: Duration,
    pub handshake: Duration,
    /// EHLO, STARTTLS, AUTH, MAIL and RCPT.
    pub command: Duration,
    pub data: Duration,
    /// For taking a slice of the message, or a flush of commands.
    pub piece: Duration,
    /// After the final dot.
    pub message: Duration,
    pub reset: Duration,
    pub quit: Duration,
    /// Opening, over all hosts.
    pub open: Duration,
    /// A whole transaction, and a second more for each `limits::DELIVERY_BYTES_PER_SECOND_MIN` of its message.
    pub transaction: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            dial: dial::Haste::default(),
            greeting: limits::GREETING_WAIT,
            handshake: limits::TLS_HANDSHAKE_MAX,
            command: limits::COMMAND_WAIT,
            data: limits::DATA_WAIT,
            piece: limits::PIECE_WAIT,
            message: limits::MESSAGE_WAIT,
            reset: limits::RESET_WAIT,
            quit: limits::QUIT_WAIT,
            open: limits::SESSION_OPEN_MAX,
            transaction: limits::TRANSACTION_MAX,
        }
    }
}

impl Patience {
    fn of(&self, phase: Phase) -> Duration {
        match phase {
            Phase::Connect => self.dial.connect,
            Phase::Greeting => self.greeting,
            Phase::Handshake => self.handshake,
            Phase::Hello | Phase::StartTls | Phase::Login | Phase::Mail | Phase::Recipient => self.command,
            Phase::Data => self.data,
            Phase::Message => self.message,
            Phase::Reset => self.reset,
        }
    }
}

/// An open, greeted connection.
#[derive(Debug)]
pub struct Session {
    wire: Wire,
    host: Host,
    at: Destination,
    protocol: Protocol,
    tls: Option<TlsInfo>,
    tls_failure: Option<ResultType>,
    /// What did not do on the way here.
    tried: Vec<TriedHost>,
    capabilities: Capabilities,
    patience: Patience,
    /// How it was opened.
    opening: Transcript,
    opened_at: Instant,
    used_at: Instant,
    transactions: u32,
}

/// No host of the way could be opened.
#[derive(Clone, Debug)]
pub struct Unopened {
    /// The most telling of all reasons, put off: what a remote said is in `tried`, for who classifies it.
    pub why: Why,
    /// In the order they were tried.
    pub tried: Vec<TriedHost>,
    /// Nobody could be connected to at all; false also when nobody was left to be tried.
    pub down: bool,
}

/// A host, or one of its addresses, that did not do.
#[derive(Clone, Debug)]
pub struct TriedHost {
    pub host: Host,
    /// None: it never came to a connection.
    pub address: Option<SocketAddr>,
    pub phase: Phase,
    pub why: Why,
    /// What it said, when it refused.
    pub response: Option<Response>,
    /// What TLS failed with there, for TLS reports.
    pub tls_failure: Option<ResultType>,
}

/// One message for some recipients of one way.
#[derive(Clone, Copy, Debug)]
pub struct Parcel<'a> {
    pub sender: &'a ReversePath,
    pub params: &'a MailParams,
    pub recipients: &'a [&'a Recipient],
    /// Fields on top of it, with CRLF: what signs it.
    pub top: &'a [u8],
    /// As it goes out: complete, with CRLF.
    pub message: &'a [u8],
    pub record: Record,
}

/// Is the dialogue written down?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    Nothing,
    Dialogue,
}

/// What one transaction came to.
#[derive(Debug)]
pub struct Transacted {
    /// One for each recipient, in their order.
    pub answers: Vec<Answer>,
    pub after: After,
    /// In the notation of the transcripts, with the opening of the session.
    pub dialogue: Option<String>,
    pub took: Duration,
}

/// What the session is good for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    Reusable,
    /// Quit it, or drop it.
    Closing,
    /// It was reused, and 421 or its end met the first command: nothing was tried. Open another at once, and
    /// count no attempt; the answers say nothing.
    Stale,
}

impl Session {
    /// Tries the hosts of a way in their order, equal ones in any, without those in `skip`.
    pub async fn open(way: &Way, skip: &[Host], around: &Surroundings) -> Result<Self, Unopened> {
        open::open(way, skip, around).await
    }

    pub fn host(&self) -> &Host {
        &self.host
    }

    pub fn address(&self) -> SocketAddr {
        self.at.to
    }

    /// Ours, when the way names one.
    pub fn source(&self) -> Option<IpAddr> {
        self.at.from
    }

    pub fn tls(&self) -> Option<&TlsInfo> {
        self.tls.as_ref()
    }

    /// Why there is none, where it would have been welcome and nothing forbade to go on without.
    pub fn tls_failure(&self) -> Option<ResultType> {
        self.tls_failure
    }

    /// RFC 8461 5: what a policy in testing mode would have refused, of a session that was held to nothing.
    pub fn failure_by_roots(&self, around: &Surroundings) -> Option<ResultType> {
        around.tls.failure_by_roots(&self.host, self.wire.certificates(), around.clock.now())
    }

    /// Hosts and addresses that were tried before this one, in their order.
    pub fn tried(&self) -> &[TriedHost] {
        &self.tried
    }

    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// How many were begun.
    pub fn transactions(&self) -> u32 {
        self.transactions
    }

    pub fn opened_at(&self) -> Instant {
        self.opened_at
    }

    /// What this host lacks for this parcel: a property of this host, so another form or the next host may do.
    pub fn lacks(&self, parcel: &Parcel<'_>) -> Option<Lack> {
        // RFC 8689 4.2.1: TLS, and a certificate that was verified; a host that offers it without says nothing.
        let is_verified = self.tls.as_ref().is_some_and(|tls| tls.verified != Verified::Nobody);
        match parcel.mail().lacks(&self.capabilities) {
            None if parcel.params.require_tls && !is_verified => Some(Lack::RequireTls),
            lack => lack,
        }
    }

    /// Why a parcel is not for this host.
    pub fn why_not(&self, lack: Lack) -> Why {
        let host = &self.host;
        let (blame, category, status, text) = match lack {
            Lack::Room { bytes, max } => (
                Blame::Remote,
                category::TOO_LARGE,
                Status::new(5, 3, 4),
                format!("{host} takes messages of at most {max} bytes, and this one has {bytes}"),
            ),
            // RFC 6152 3: it cannot be sent there as it is.
            Lack::EightBitMime => (
                Blame::Remote,
                category::EIGHT_BIT,
                Status::new(5, 6, 3),
                format!("{host} takes no 8-bit text (8BITMIME)"),
            ),
            Lack::BinaryMime => (
                Blame::Remote,
                category::EIGHT_BIT,
                Status::new(5, 6, 3),
                format!("{host} takes no binary messages (BINARYMIME)"),
            ),
            // RFC 6531 3.5
            Lack::Smtputf8 => (
                Blame::Remote,
                category::UTF8,
                Status::new(5, 6, 7),
                format!("{host} takes no addresses or headers beyond ASCII (SMTPUTF8)"),
            ),
            // RFC 8689 4.2.1
            Lack::RequireTls => (
                Blame::Policy,
                category::REQUIRETLS,
                Status::new(5, 7, 30),
                format!("{host} does not promise to pass this message on over TLS alone (REQUIRETLS)"),
            ),
        };
        Why::found(blame, Kind::Soft, category, status, text)
    }

    /// Sends one parcel. `may_finish` is asked just before the end of the message goes out, after which nobody
    /// could take it back; false ends the transaction without it.
    pub async fn transact(&mut self, parcel: &Parcel<'_>, may_finish: impl Fn() -> bool) -> Transacted {
        transact::transact(self, parcel, may_finish).await
    }

    /// RFC 5321 4.1.1.10: QUIT, and its answer; nothing depends on it.
    pub async fn quit(mut self) {
        self.wire.quit(self.patience.quit).await;
    }
}

impl<'a> Parcel<'a> {
    fn mail(&self) -> Mail<'a> {
        let Self { sender, params, recipients, top, message, .. } = *self;
        Mail { sender, params, recipients, top, message }
    }
}

#[cfg(test)]
mod tests;

//! The sockets that speak SMTP.

use crate::base::gcra::Gcra;
use crate::base::limits;
use crate::base::settings::{settings, words};
use crate::certs::Tickets;
use crate::model::rate::Rate;
use crate::net::listen::{self, Refusal};
use crate::smtp::reply::Reply;
use ipnet::IpNet;
use std::net::SocketAddr;

settings! {
    /// Sockets that speak SMTP.
    pub struct Listener in "[[listener]]" {
        /// submission is for our own users and applications, mx for the world's mail servers.
        live kind: Kind = required("\"submission\""),
        /// The addresses to listen on.
        live bind: Vec<SocketAddr> = required("[\"0.0.0.0:587\"]"),
        /// How a connection is made private: starttls (offered), implicit (from the first byte), or none.
        live tls: Tls = default(Tls::Starttls),
        /// Where AUTH, or a network credential, may be used without TLS: nowhere (tls), from this
        /// machine (loopback), or from credentials' networks too (networks).
        live plain_auth: PlainAuth = default(PlainAuth::Tls),
        /// Balancers in front of this listener, by network: their connections must begin with a PROXY
        /// header (version 1 or 2) that says whose they are; nobody else's may.
        live proxies: Vec<IpNet> = default(Vec::new(), "[\"10.0.0.5\", \"10.0.0.6\"]"),
        /// Clients whose conversations are written down, passwords as stars, into data_dir/transcripts: for
        /// finding out what a program says. A week later the next one sweeps them away.
        live transcripts: Vec<IpNet> = default(Vec::new(), "[\"192.0.2.7/32\"]"),
        /// A CR or LF that stands alone in a message: refuse it, or normalise it to CRLF; absent: an mx listener
        /// refuses, a submission listener normalises.
        live bare_line_ends: Option<BareLineEnds> = optional("\"refuse\""),
        /// Session tickets after a TLS handshake, with which a client resumes: one; or none, for clients
        /// that cannot take them.
        live session_tickets: Tickets = default(Tickets::One),
    }
}

settings! {
    /// What SMTP clients may take up: connections, and the mail on them. A change holds for new
    /// connections.
    pub struct Smtp in "[smtp]" {
        /// Connections open at once on one address of ours; beyond it clients wait to be accepted.
        live connections: u32 = default(10_000) within 1..=limits::SMTP_CONNECTIONS_MAX,
        /// Of these, from one client: an IPv4 address or a /64 of IPv6. This machine and proxies are
        /// counted in all only.
        live connections_per_address: u32 = default(200) within 1..=limits::SMTP_CONNECTIONS_MAX,
        /// Of these, from one network: a /24 of IPv4 or a /48 of IPv6.
        live connections_per_net: u32 = default(500) within 1..=limits::SMTP_CONNECTIONS_MAX,
        /// How fast one client may connect; absent: as fast as it likes.
        live connection_rate: Option<Rate> = optional("\"600/minute\""),
        /// The largest message, in bytes, as SIZE offers it.
        live message_bytes_max: u32 = default(50 << 20)
            within limits::MESSAGE_BYTES_MIN..=limits::BODY_BYTES_MAX as u32,
        /// Recipients of one message.
        live recipients_max: u32 = default(1_000) within limits::RECIPIENTS_MIN..=limits::RECIPIENTS_MAX,
        /// Recipients on one connection, of all its messages together.
        live recipients_per_connection: u32 = default(100_000) within limits::RECIPIENTS_MIN..=u32::MAX,
        /// Messages on one connection; then the client is asked to come again.
        live messages_per_connection: u32 = default(1_000) within 1..=limits::MESSAGES_PER_CONNECTION_MAX,
        /// Received headers in a message; more of them, and it goes in a circle.
        live received_max: u32 = default(100) within limits::RECEIVED_MIN..=limits::RECEIVED_MAX,
        /// Memory for the bodies that are being received, in bytes, of all connections together; beyond it
        /// clients are told to try again.
        live body_memory: u64 = default(256 << 20) within 1 << 20..=limits::BODY_MEMORY_MAX,
        /// How fast a body has to come, in bytes a second; slower clients are cut.
        live data_rate_min: u32 = default(512) within 1..=limits::DATA_RATE_MAX,
    }
}

impl Smtp {
    /// What one listener lets in.
    pub(super) fn bounds(&self) -> listen::Bounds {
        listen::Bounds {
            connections: self.connections as usize,
            per_address: self.connections_per_address as usize,
            per_net: self.connections_per_net as usize,
            rate: self.connection_rate.map(|rate| Gcra::new(rate.count, rate.per.duration())),
        }
    }

    /// What a connection is told that is sent away. RFC 5321 3.1: 421 instead of a greeting, or at once
    /// where the client is known only later.
    pub fn sent_away(&self, why: Refusal) -> Reply {
        match (why, self.connection_rate) {
            (Refusal::TooFast { opens }, Some(rate)) => {
                let text =
                    format!("too many connections from your address ({rate}), try again after {}", opens.of_day());
                Reply::with(421, 7, 0, text)
            }
            (Refusal::TooManyOfNet, _) => {
                Reply::new(421, 7, 0, "too many connections from your network, come again later")
            }
            (Refusal::TooManyOfAddress | Refusal::TooFast { .. }, _) => {
                Reply::new(421, 7, 0, "too many connections from your address, come again later")
            }
        }
    }
}

words! {
    /// Whom a listener is for.
    pub enum Kind {
        Submission = "submission",
        Mx = "mx",
    }
}

words! {
    /// What becomes of a CR or LF that stands alone in a message.
    pub enum BareLineEnds {
        /// The message is refused.
        Refuse = "refuse",
        /// It becomes CRLF.
        Normalise = "normalise",
    }
}

words! {
    /// How a connection to us is made private.
    pub enum Tls {
        Starttls = "starttls",
        Implicit = "implicit",
        None = "none",
    }
}

words! {
    /// Where AUTH, or a network credential, may be used without TLS.
    pub enum PlainAuth {
        /// Nowhere.
        Tls = "tls",
        /// On connections from this machine.
        Loopback = "loopback",
        /// From the networks of credentials, too.
        Networks = "networks",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Time;
    use crate::base::settings::read_json;

    #[test]
    fn who_is_sent_away_is_told_why_and_when_to_come_again() {
        let smtp: Smtp = read_json(r#"{"connection_rate": "600/minute"}"#, &[]).unwrap();
        let opens = Time::from_micros(1_793_245_479_000_001);
        for (why, said) in [
            (Refusal::TooManyOfAddress, "421 4.7.0 too many connections from your address, come again later"),
            (Refusal::TooManyOfNet, "421 4.7.0 too many connections from your network, come again later"),
            (
                Refusal::TooFast { opens },
                "421 4.7.0 too many connections from your address (600/minute), try again after 03:44:40 UTC",
            ),
        ] {
            assert_eq!(smtp.sent_away(why).to_string(), said);
        }
        assert_eq!(smtp.bounds().rate, Some(Gcra::new(600, std::time::Duration::from_secs(60))));
    }
}

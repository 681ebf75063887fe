//! The sockets that speak SMTP.

use crate::base::settings::{settings, words};
use crate::certs::Tickets;
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
        /// Session tickets after a TLS handshake, with which a client resumes: one; or none, for clients
        /// that cannot take them.
        live session_tickets: Tickets = default(Tickets::One),
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

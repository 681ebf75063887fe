//! An upstream smarthost account.

use super::host::Host;
use super::name::Name;
use super::rate::Rate;
use crate::base::limits;
use crate::base::secret::Secret;
use crate::base::settings::{settings, words};

settings! {
    /// A smarthost: another server that takes our mail, and delivers it to the world or to one place.
    pub struct Relay in "[[relay]]" {
        /// What domains and routes call it.
        live name: Name = required("\"upstream\""),
        /// Its host name or IP address; the certificate is checked against this name.
        live host: Host = required("\"smtp.provider.example\""),
        /// Its port: 587 for submission, 465 with implicit TLS, 25 between servers.
        live port: u16 = default(587),
        /// How the connection is made private; a username needs verified TLS, unless the host is loopback.
        live tls: Tls = default(Tls::Starttls),
        /// The account there.
        live username: Option<String> = optional("\"user\""),
        /// Its password.
        live password: Option<Secret> = optional("{ file = \"secrets/upstream\" }"),
        /// Whether its certificate must be valid for the host name.
        live verify: bool = default(true),
        /// What it speaks; LMTP mostly on port 24 or a port of its own.
        live protocol: Protocol = default(Protocol::Smtp),
        /// How we log in: auto takes the best that it offers; with xoauth2 the password is a token.
        live auth: Auth = default(Auth::Auto),
        /// Connections to it at a time, at most; absent: [delivery] connections_per_destination.
        live connections: Option<u32> = optional("10") within Some(1)..=Some(limits::CONNECTIONS_MAX),
        /// How many messages it is given at most; absent: as many as it takes.
        live rate: Option<Rate> = optional("\"100/minute\""),
    }
}

words! {
    /// What a server speaks that takes our mail.
    pub enum Protocol {
        Smtp = "smtp",
        /// RFC 2033: each recipient is answered after the data.
        Lmtp = "lmtp",
    }
}

words! {
    /// How we log in to a smarthost.
    pub enum Auth {
        /// The best that it offers.
        Auto = "auto",
        Plain = "plain",
        Login = "login",
        CramMd5 = "cram-md5",
        ScramSha256 = "scram-sha-256",
        /// The password is an OAuth token.
        Xoauth2 = "xoauth2",
    }
}

words! {
    /// How a connection to a smarthost is made private.
    pub enum Tls {
        /// Always in clear.
        None = "none",
        /// STARTTLS when it is offered, else in clear.
        Opportunistic = "opportunistic",
        /// STARTTLS, or no mail.
        Starttls = "starttls",
        /// TLS from the first byte.
        Implicit = "implicit",
    }
}

/// How a stranger on the way could read a relay's password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposure {
    Clear,
    Opportunistic,
    Unverified,
}

impl Exposure {
    /// The setting that causes it.
    pub fn key(self) -> &'static str {
        if self == Self::Unverified { "verify" } else { "tls" }
    }

    pub fn why(self) -> &'static str {
        match self {
            Self::Clear => "this sends it in clear",
            Self::Opportunistic => "an attacker who removes STARTTLS gets it in clear",
            Self::Unverified => "anyone with any certificate gets it",
        }
    }

    pub fn remedy(self) -> &'static str {
        match self {
            Self::Clear | Self::Opportunistic => "use tls = \"starttls\" or \"implicit\"",
            Self::Unverified => "leave verify = true",
        }
    }
}

impl Relay {
    /// A username needs verified TLS, unless it never leaves this machine.
    pub fn exposure(&self) -> Option<Exposure> {
        if self.username.is_none() || self.host.is_loopback() {
            return None;
        }
        match self.tls {
            Tls::None => Some(Exposure::Clear),
            Tls::Opportunistic => Some(Exposure::Opportunistic),
            Tls::Starttls | Tls::Implicit => (!self.verify).then_some(Exposure::Unverified),
        }
    }
}

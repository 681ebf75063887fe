//! The Received field that every host writes on top of a message (RFC 5321 4.4).

use crate::base::clock::Time;
use crate::mail::domain_name::DomainName;
use std::net::IpAddr;

/// How a message came into our hands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// What the client called itself in EHLO or HELO, printable; none when it never said.
    pub hello: Option<String>,
    /// Its address, as conveyed by a listed proxy if there is one.
    pub address: Option<IpAddr>,
    pub by: DomainName,
    pub protocol: Protocol,
    /// Version and cipher suite, as in `TLSv1.3` and `TLS13_AES_256_GCM_SHA384`.
    pub tls: Option<(&'static str, String)>,
    pub at: Time,
}

/// RFC 3848, RFC 6531 3.7.3: the word after "with".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protocol {
    pub esmtp: bool,
    pub tls: bool,
    pub authenticated: bool,
    pub utf8: bool,
}

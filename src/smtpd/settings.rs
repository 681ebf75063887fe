//! What an admin sets for an SMTP door, in `[[listener]]`.

use std::net::SocketAddr;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Submission,
    Mx,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    Starttls,
    Implicit,
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlainAuth {
    Tls,
    Loopback,
    Networks,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    pub kind: Kind,
    pub bind: Vec<SocketAddr>,
    pub tls: Tls,
    pub plain_auth: PlainAuth,
}

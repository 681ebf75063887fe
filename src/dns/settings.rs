//! Where names are looked up.

use crate::base::settings::{Scalar, Wrong, quoted, settings};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

settings! {
    /// Where names are looked up.
    pub struct Settings in "[dns]" {
        /// The DNS servers to ask, host:port (port 53 when absent); empty: the system's.
        live servers: Vec<Server> = default(Vec::new(), "[\"127.0.0.1:5353\"]"),
        /// A text zone that answers everything instead of the DNS, for tests and the quickstart; read
        /// again at each reload.
        live zone_file: Option<PathBuf> = optional("\"zone.txt\""),
    }
}

/// A DNS server, by its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Server(pub SocketAddr);

impl Scalar for Server {
    const EXPECTS: &'static str = "the IP address of a DNS server, like \"192.0.2.53\" or \"127.0.0.1:5353\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self(SocketAddr::new(address, 53)));
        }
        text.parse().map(Self).map_err(|_| Wrong::default())
    }

    fn write(&self) -> String {
        quoted(&self.0.to_string())
    }
}

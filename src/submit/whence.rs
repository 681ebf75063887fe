//! From where a login comes, and who is to blame when it fails.

use ipnet::{IpNet, Ipv6Net};
use std::net::IpAddr;

/// At the other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whence {
    /// A client: the address of our peer, or what a listed proxy conveyed.
    Client(IpAddr),
    /// A listed proxy that named nobody: its own address, behind which there may be many.
    Proxy(IpAddr),
}

impl Whence {
    /// An IPv4 client of an IPv6 socket is an IPv4 client.
    pub fn address(self) -> IpAddr {
        let (Self::Client(address) | Self::Proxy(address)) = self;
        address.to_canonical()
    }

    /// The address that failures are counted against. Never a proxy's, and never this machine's: others
    /// speak through them.
    pub(super) fn blamed(self) -> Option<IpAddr> {
        let address = self.address();
        match self {
            Self::Client(_) if !address.is_loopback() => Some(address),
            _ => None,
        }
    }
}

/// RFC 6177 2: the least a site gets, so one person has 2^64 addresses in it. None for IPv4.
pub(super) fn site_of(address: IpAddr) -> Option<IpNet> {
    match address {
        IpAddr::V4(_) => None,
        // Invariant: 64 is a length that a prefix of IPv6 can have.
        IpAddr::V6(v6) => Some(Ipv6Net::new(v6, 64).expect("64 is at most 128").trunc().into()),
    }
}

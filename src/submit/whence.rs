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
    /// What is behind an address, when these are the listener's proxies: one of them, where a client should
    /// be, has named nobody.
    pub fn of(address: IpAddr, proxies: &[IpNet]) -> Self {
        let address = address.to_canonical();
        if proxies.iter().any(|network| network.contains(&address)) {
            Self::Proxy(address)
        } else {
            Self::Client(address)
        }
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_in_a_clients_place_has_named_nobody() {
        let proxies = ["10.0.0.0/24".parse().unwrap()];
        let of = |text: &str| Whence::of(text.parse().unwrap(), &proxies);
        assert_eq!(of("10.0.0.7"), Whence::Proxy("10.0.0.7".parse().unwrap()));
        assert_eq!(of("::ffff:10.0.0.7").blamed(), None);
        assert_eq!(of("::ffff:10.0.1.7"), Whence::Client("10.0.1.7".parse().unwrap()));
        assert_eq!(of("10.0.1.7").blamed(), Some("10.0.1.7".parse().unwrap()));
        assert_eq!(of("127.0.0.1").blamed(), None);
        assert_eq!(site_of("2001:db8::1:2:3:4".parse().unwrap()), Some("2001:db8::/64".parse().unwrap()));
    }
}

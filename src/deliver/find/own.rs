//! What of our own house matters on the way out: our names and sockets, to which no mail for others may go.

use crate::mail::domain_name::DomainName;
use std::net::{IpAddr, SocketAddr};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Own {
    /// Names that we are mail host under.
    pub names: Vec<DomainName>,
    /// Every address and port that we listen on.
    pub listening: Vec<SocketAddr>,
    /// The port of other people's mail servers.
    pub port: u16,
}

impl Own {
    /// A socket on "any address" listens on each that this machine has now; one that it gets later is known at
    /// the next reload.
    pub fn new(names: Vec<DomainName>, sockets: &[SocketAddr], port: u16) -> Self {
        let mut listening = Vec::new();
        for socket in sockets {
            if socket.ip().is_unspecified() {
                listening.extend(machine().into_iter().map(|ip| SocketAddr::new(ip, socket.port())));
            }
            listening.push(SocketAddr::new(socket.ip().to_canonical(), socket.port()));
        }
        listening.sort_unstable();
        listening.dedup();
        Self { names, listening, port }
    }

    pub fn is_named(&self, host: &DomainName) -> bool {
        self.names.contains(host)
    }

    pub fn listens_on(&self, address: IpAddr, port: u16) -> bool {
        self.listening.contains(&SocketAddr::new(address.to_canonical(), port))
    }
}

/// The addresses of this machine's interfaces; loopback at least.
fn machine() -> Vec<IpAddr> {
    let mut found = vec![IpAddr::from([127, 0, 0, 1]), IpAddr::from(std::net::Ipv6Addr::LOCALHOST)];
    let Ok(interfaces) = nix::ifaddrs::getifaddrs() else { return found };
    found.extend(interfaces.filter_map(|interface| {
        let address = interface.address?;
        let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
    }));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_address_means_each_that_we_have() {
        let socket = |text: &str| text.parse::<SocketAddr>().unwrap();
        let own = Own::new(vec![], &[socket("0.0.0.0:25"), socket("192.0.2.1:587")], 25);
        for (address, port, ours) in [
            ("127.0.0.1", 25, true),
            ("::ffff:127.0.0.1", 25, true),
            ("127.0.0.1", 587, false),
            ("192.0.2.1", 587, true),
            ("192.0.2.1", 25, false),
        ] {
            assert_eq!(own.listens_on(address.parse().unwrap(), port), ours, "{address} {port}");
        }
    }
}

//! How many connections one listener holds: in all, and from one client.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// Connections by client. A client is an IPv4 address or a /64 of IPv6 (RFC 6177: the least a site
/// gets, so one person has 2^64 addresses in it).
#[derive(Clone, Debug, Default)]
pub(super) struct Clients(Arc<Mutex<HashMap<IpAddr, usize>>>);

impl Clients {
    /// Counts one more connection of this client, if that leaves it within the bound.
    pub(super) fn admit(&self, address: IpAddr, most: usize) -> Option<Counted> {
        // On a socket of both families IPv4 clients come as ::ffff:a.b.c.d: one /64 holds them all.
        let address = address.to_canonical();
        // Proxies, tests and local applications speak for many from here.
        if address.is_loopback() {
            return Some(Counted::not_at_all());
        }
        let client = client_of(address);
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(client).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Counted(Some((self.clone(), client))))
    }

    fn leave(&self, client: IpAddr) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&client) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&client);
            }
        }
    }
}

fn client_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

/// One connection of a client, counted until it is dropped.
#[derive(Debug)]
pub(super) struct Counted(Option<(Clients, IpAddr)>);

impl Counted {
    /// For whoever speaks for many.
    pub(super) fn not_at_all() -> Self {
        Self(None)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if let Some((clients, client)) = self.0.take() {
            clients.leave(client);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_client_gets_its_share_and_leaves_no_trace() {
        let clients = Clients::default();
        let one = clients.admit(ip("192.0.2.1"), 2).unwrap();
        let two = clients.admit(ip("192.0.2.1"), 2).unwrap();
        assert!(clients.admit(ip("192.0.2.1"), 2).is_none());
        assert!(clients.admit(ip("192.0.2.2"), 2).is_some());
        drop(one);
        assert!(clients.admit(ip("192.0.2.1"), 2).is_some());
        drop(two);
        assert!(clients.0.lock().unwrap().is_empty());
    }

    #[test]
    fn one_site_of_ipv6_is_one_client_and_loopback_is_none() {
        let clients = Clients::default();
        let _one = clients.admit(ip("2001:db8::1"), 1).unwrap();
        assert!(clients.admit(ip("2001:db8::ffff:2"), 1).is_none());
        assert!(clients.admit(ip("2001:db8:0:1::1"), 1).is_some());
        let _mapped = clients.admit(ip("::ffff:192.0.2.1"), 1).unwrap();
        assert!(clients.admit(ip("::ffff:192.0.2.2"), 1).is_some(), "an IPv4 client is one address");
        assert!(clients.admit(ip("192.0.2.1"), 1).is_none());
        let _many: Vec<_> = (0..9).map(|_| clients.admit(ip("127.0.0.1"), 1).unwrap()).collect();
    }
}

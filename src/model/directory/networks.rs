//! Hosts that may send without a login: which network is the narrowest around an address?

use ipnet::IpNet;
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

/// Networks by prefix length, so that ten thousand of them cost one look for each length in use.
#[derive(Debug, Default)]
pub(super) struct Networks {
    owners: HashMap<IpNet, usize>,
    /// Prefix lengths in use, of IPv4 and of IPv6.
    lengths: [BTreeSet<u8>; 2],
}

impl Networks {
    /// Gives a network to its owner; the earlier owner, if it has one already.
    pub fn add(&mut self, network: IpNet, owner: usize) -> Result<(), usize> {
        let network = network.trunc();
        if let Some(earlier) = self.owners.get(&network) {
            return Err(*earlier);
        }
        self.owners.insert(network, owner);
        self.lengths[family(network.addr())].insert(network.prefix_len());
        Ok(())
    }

    /// The owner of the narrowest network that holds this address. An IPv4 client of an IPv6 socket is
    /// an IPv4 client.
    pub fn narrowest(&self, address: IpAddr) -> Option<usize> {
        let address = address.to_canonical();
        self.lengths[family(address)].iter().rev().find_map(|length| {
            let network = IpNet::new(address, *length).ok()?.trunc();
            self.owners.get(&network).copied()
        })
    }
}

fn family(address: IpAddr) -> usize {
    usize::from(address.is_ipv6())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_narrowest_network_wins() {
        let mut networks = Networks::default();
        for (owner, network) in ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.3/32", "2001:db8::/32"].iter().enumerate() {
            networks.add(network.parse().unwrap(), owner).unwrap();
        }
        let narrowest = |address: &str| networks.narrowest(address.parse().unwrap());
        assert_eq!(narrowest("10.1.2.3"), Some(2));
        assert_eq!(narrowest("::ffff:10.1.2.3"), Some(2));
        assert_eq!(narrowest("10.1.2.4"), Some(1));
        assert_eq!(narrowest("10.2.0.1"), Some(0));
        assert_eq!(narrowest("11.0.0.1"), None);
        assert_eq!(narrowest("2001:db8::1"), Some(3));
        assert_eq!(narrowest("2001:db9::1"), None);
        assert_eq!(networks.add("10.1.0.0/16".parse().unwrap(), 9), Err(1));
    }

    proptest! {
        #[test]
        fn it_finds_what_a_search_through_all_would_find(
            nets in proptest::collection::vec((any::<u32>(), 0_u8..=32), 0..40),
            address in any::<u32>(),
        ) {
            let mut networks = Networks::default();
            let mut all: Vec<(IpNet, usize)> = Vec::new();
            for (owner, (bits, length)) in nets.into_iter().enumerate() {
                let network = IpNet::new(IpAddr::V4(bits.into()), length).unwrap().trunc();
                if networks.add(network, owner).is_ok() {
                    all.push((network, owner));
                }
            }
            let address = IpAddr::V4(address.into());
            let around = all.iter().filter(|(network, _)| network.contains(&address));
            let want = around.max_by_key(|(network, _)| network.prefix_len()).map(|(_, owner)| *owner);
            prop_assert_eq!(networks.narrowest(address), want);
        }
    }
}

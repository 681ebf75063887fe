//! Which addresses on the open Internet are: where a stranger's word may send us. A name in somebody's DNS
//! can point at this machine, at its neighbours, or at a cloud's metadata.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Globally reachable, by the registries of special addresses (RFC 6890)? IPv4 inside IPv6 counts as what is
/// inside.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        // RFC 791 "this network"; RFC 1112 reserved, and broadcast.
        || a == 0
        || a >= 240
        // RFC 6598 shared by carriers; RFC 6890 protocol assignments; RFC 2544 benchmarks.
        || (a == 100 && (64..128).contains(&b))
        || (a, b, c) == (192, 0, 0)
        || (a == 198 && (18..20).contains(&b));
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, c, ..] = address.segments();
    let low = |from: usize| {
        let o = address.octets();
        Ipv4Addr::new(o[from], o[from + 1], o[from + 2], o[from + 3])
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, ..] | [0, 0, 0, 0, 0xffff, 0, ..] => is_public_v4(low(12)),
        // RFC 6052, RFC 3056: NAT64 and 6to4 lead to the IPv4 address inside.
        [0x64, 0xff9b, 0, 0, 0, 0, ..] => is_public_v4(low(12)),
        [0x2002, ..] => is_public_v4(low(2)),
        // RFC 8215 NAT64 of a site; RFC 4380 Teredo, whose inside is hidden.
        [0x64, 0xff9b, 1, ..] | [0x2001, 0, ..] => false,
        // RFC 4291 2.4: ::, ::1 and the old compatible form; multicast, link-local, site-local. RFC 4193 unique
        // local. RFC 6666 discard.
        _ => {
            let local = (a & 0xfe00) == 0xfc00 || (a & 0xffc0) == 0xfe80 || (a & 0xffc0) == 0xfec0;
            !(local || a >= 0xff00 || a == 0 || (a == 0x100 && b == 0 && c == 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_cannot_send_us_home_or_next_door() {
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "192.0.0.8",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2002:7f00:1::",
            "2002:a00:1::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
        for address in [
            "1.1.1.1",
            "100.63.0.1",
            "100.128.0.1",
            "172.32.0.1",
            "198.20.0.1",
            "192.0.2.1",
            "223.255.255.1",
            "2001:db8::1",
            "2606:4700::1",
            "::ffff:1.1.1.1",
            "64:ff9b::101:101",
            "2002:101:101::1",
        ] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }
}

//! Listening sockets, made before privileges are dropped.

use crate::base::limits;
use nix::sys::socket::{self, AddressFamily, Backlog, SockFlag, SockType, SockaddrLike, SockaddrStorage, sockopt};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsRawFd;

/// A listening socket on exactly this address.
///
/// SO_REUSEADDR: connections of the last run in TIME_WAIT must not keep the next run from its port.
/// It does not let two daemons share one.
///
/// IPV6_V6ONLY, always: `[::]:25` takes IPv6 alone, whatever the sysctl says, so `0.0.0.0:25` and
/// `[::]:25` stand side by side, each means what it says, and an IPv4 client never appears as
/// `::ffff:192.0.2.1` where networks are compared.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let family = if address.is_ipv6() { AddressFamily::Inet6 } else { AddressFamily::Inet };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let listener = TcpListener::from(socket::socket(family, SockType::Stream, flags, None)?);
    socket::setsockopt(&listener, sockopt::ReuseAddr, &true)?;
    if address.is_ipv6() {
        socket::setsockopt(&listener, sockopt::Ipv6V6Only, &true)?;
    }
    let address = SockaddrStorage::from(address);
    socket::bind(listener.as_raw_fd(), &address as &dyn SockaddrLike)?;
    socket::listen(&listener, Backlog::new(limits::ACCEPT_BACKLOG)?)?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn any(address: &str) -> SocketAddr {
        format!("{address}:0").parse().unwrap()
    }

    #[test]
    fn an_address_is_taken_once() {
        let first = bind(any("127.0.0.1")).unwrap();
        let again = bind(first.local_addr().unwrap()).unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AddrInUse);
        std::net::TcpStream::connect(first.local_addr().unwrap()).unwrap();
    }

    #[test]
    fn both_families_stand_on_one_port_side_by_side() {
        // A port that the system gave for one family may be somebody's in the other: then another is asked for.
        let beside = (0..100).find_map(|_| {
            let v6 = match bind(any("[::]")) {
                Ok(v6) => v6,
                // A machine without IPv6 has nothing to stand beside.
                Err(why) if why.raw_os_error() == Some(nix::libc::EAFNOSUPPORT) => return Some(()),
                Err(why) => panic!("{why}"),
            };
            let port = v6.local_addr().unwrap().port();
            bind(SocketAddr::new("0.0.0.0".parse().unwrap(), port)).ok().map(drop)
        });
        assert!(beside.is_some(), "no port for both families");
    }
}

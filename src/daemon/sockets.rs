//! Where listening sockets come from: from systemd, when it holds that address for us, else bound here.

use crate::net::bind;
use listenfd::ListenFd;
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};

/// The sockets that systemd passed. They are kept as long as the daemon runs, so that a reload may take
/// up one that the last configuration did not use, without any right to bind.
#[derive(Debug, Default)]
pub struct Sockets {
    passed: Vec<(SocketAddr, TcpListener)>,
}

/// Why an address cannot be listened on.
#[derive(Debug)]
pub struct NotBound {
    pub address: SocketAddr,
    why: io::Error,
}

impl Sockets {
    /// Takes over what was passed. Call it before any thread is started: it reads the environment.
    pub fn from_systemd() -> Self {
        let mut descriptors = ListenFd::from_env();
        let passed = (0..descriptors.len())
            .filter_map(|n| descriptors.take_tcp_listener(n).ok().flatten())
            .filter_map(|socket| Some((socket.local_addr().ok()?, socket)))
            .collect();
        Self { passed }
    }

    /// A listening socket on this address.
    pub fn get(&self, address: SocketAddr) -> Result<TcpListener, NotBound> {
        let passed = self.passed.iter().find(|(passed, _)| *passed == address);
        let got = match passed {
            Some((_, socket)) => socket.try_clone(),
            None => bind::bind(address),
        };
        got.map_err(|why| NotBound { address, why })
    }

    /// Addresses that were passed and that nobody asked for.
    pub fn unused(&self, used: &[SocketAddr]) -> Vec<SocketAddr> {
        self.passed.iter().map(|(address, _)| *address).filter(|address| !used.contains(address)).collect()
    }
}

impl NotBound {
    /// A port below 1024 without the right to it: the one thing that a reload may leave out.
    pub fn is_privilege(&self) -> bool {
        self.why.kind() == io::ErrorKind::PermissionDenied
    }

    pub fn is_taken(&self) -> bool {
        self.why.kind() == io::ErrorKind::AddrInUse
    }
}

impl fmt::Display for NotBound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, why } = self;
        match why.kind() {
            io::ErrorKind::PermissionDenied => write!(
                f,
                "cannot listen on {address}: port {} needs a right that this process does not have; give it \
                 CAP_NET_BIND_SERVICE, let systemd pass the socket, or start it as root with server.user",
                address.port()
            ),
            io::ErrorKind::AddrInUse => write!(
                f,
                "cannot listen on {address}: another program holds it (`ss -ltnp` shows which); stop that one or choose \
                 another port"
            ),
            io::ErrorKind::AddrNotAvailable => {
                write!(f, "cannot listen on {address}: this machine does not have that address")
            }
            _ => write!(f, "cannot listen on {address}: {why}"),
        }
    }
}

impl std::error::Error for NotBound {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_explained() {
        let first = bind::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let refused = Sockets::default().get(first.local_addr().unwrap()).unwrap_err();
        assert!(refused.is_taken() && !refused.is_privilege());
        assert!(refused.to_string().contains("another program holds it"), "{refused}");
    }

    #[test]
    fn a_passed_socket_is_used_again_and_again() {
        let socket = bind::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = socket.local_addr().unwrap();
        let sockets = Sockets { passed: vec![(address, socket)] };
        drop(sockets.get(address).unwrap());
        assert_eq!(sockets.get(address).unwrap().local_addr().unwrap(), address);
        assert_eq!(sockets.unused(&[]), [address]);
        assert!(sockets.unused(&[address]).is_empty());
    }
}

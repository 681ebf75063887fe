//! The PROXY protocol, versions 1 and 2: a balancer in front of us says, before anything else, whose
//! connection it passes on (haproxy's proxy-protocol.txt; its sections are cited as PROXY 2.1 and so on).
//!
//! `parse` is pure and takes the header in any pieces; `read_header` takes exactly the header from a
//! socket, so that what follows it, a greeting or a TLS handshake, finds its bytes untouched; `conveyed`
//! is what a connection asks first. Only the networks a listener lists are asked for a header, and they
//! must send one: who may choose an address may choose whose limits, bans and networks apply.

use super::happenings::{ClientConveyed, ProxyRefused};
use crate::base::limits;
use crate::base::observe::Happening;
use ipnet::IpNet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

/// What the first bytes of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// A header so far: all of these bytes belong to it, and at least one is to come.
    NeedMore,
    Header {
        /// How many bytes it has; what follows is not ours to touch.
        consumed: usize,
        /// The client, when the proxy speaks for one we can name. None: the proxy itself (LOCAL), or
        /// it does not know (UNKNOWN, UNSPEC, a Unix socket): the connection's own address counts.
        source: Option<SocketAddr>,
    },
    Bad(Flaw),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// The first bytes are no header at all.
    Missing,
    Malformed,
    TooLong,
}

/// Why a connection from a proxy is closed before a word is said: what cannot be read cannot be answered.
#[derive(Debug)]
pub enum Refused {
    Flawed(Flaw),
    /// The proxy went without a whole header: often one that only asks whether the port is open.
    Gone,
    Late,
    Broken(io::Error),
}

impl Refused {
    pub fn in_words(&self) -> &'static str {
        match self {
            Self::Flawed(Flaw::Missing) => "no PROXY header",
            Self::Flawed(Flaw::Malformed) => "malformed PROXY header",
            Self::Flawed(Flaw::TooLong) => "PROXY header too long",
            Self::Gone => "gone before its PROXY header",
            Self::Late => "PROXY header too late",
            Self::Broken(_) => "connection broke before its PROXY header",
        }
    }
}

/// Whose connection this is: the client that a listed proxy names, else who it came from. An IPv4
/// address in IPv6 clothes comes back as what it is. A refusal has been recorded; close without a word.
pub async fn conveyed(stream: &mut TcpStream, peer: SocketAddr, proxies: &[IpNet]) -> Result<SocketAddr, Refused> {
    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    if !is_proxy(peer.ip(), proxies) {
        return Ok(peer);
    }
    match read_header(stream, Instant::now() + limits::PROXY_HEADER_MAX).await {
        Ok(source) => {
            let client = source.unwrap_or(peer);
            ClientConveyed { proxy: peer, client }.record();
            Ok(client)
        }
        Err(why) => {
            ProxyRefused { proxy: peer, why: &why }.record();
            Err(why)
        }
    }
}

/// May this address speak for others?
pub fn is_proxy(address: IpAddr, proxies: &[IpNet]) -> bool {
    let address = address.to_canonical();
    proxies.iter().any(|network| network.contains(&address))
}

/// Takes a header from the stream and not one byte more: looks first, then takes what is known to be of
/// the header. The whole of it must come before the deadline.
pub async fn read_header(stream: &mut TcpStream, deadline: Instant) -> Result<Option<SocketAddr>, Refused> {
    match timeout_at(deadline, take_header(stream)).await {
        Ok(taken) => taken,
        Err(_) => Err(Refused::Late),
    }
}

async fn take_header(stream: &mut TcpStream) -> Result<Option<SocketAddr>, Refused> {
    // On the heap: it would else be part of every connection's task, proxied or not.
    let (mut bytes, mut taken) = (vec![0; limits::PROXY_V2_BYTES_MAX], 0);
    loop {
        let seen = taken + stream.peek(&mut bytes[taken..]).await.map_err(Refused::Broken)?;
        if seen == taken {
            return Err(Refused::Gone);
        }
        let (end, header) = match parse(&bytes[..seen]) {
            Parsed::NeedMore => (seen, None),
            Parsed::Header { consumed, source } => (consumed, Some(source)),
            Parsed::Bad(flaw) => return Err(Refused::Flawed(flaw)),
        };
        stream.read_exact(&mut bytes[taken..end]).await.map_err(Refused::Broken)?;
        taken = end;
        if let Some(source) = header {
            return Ok(source);
        }
    }
}

/// PROXY 2.1
const WORD: &[u8] = b"PROXY ";

/// PROXY 2.2: bytes that no protocol with a greeting begins with.
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// The signature, version and command, family, and the length of what follows.
const V2_HEAD: usize = SIGNATURE.len() + 4;

/// Reads a header from the first bytes of a connection, however few they are.
pub fn parse(bytes: &[u8]) -> Parsed {
    if begins(bytes, WORD) {
        parse_line(bytes)
    } else if begins(bytes, SIGNATURE) {
        parse_binary(bytes)
    } else {
        Parsed::Bad(Flaw::Missing)
    }
}

/// Is this a beginning of what is expected, or what is expected a beginning of this?
fn begins(bytes: &[u8], expected: &[u8]) -> bool {
    bytes.iter().zip(expected).all(|(byte, expected)| byte == expected)
}

/// PROXY 2.1: one line of at most 107 bytes with its CRLF.
fn parse_line(bytes: &[u8]) -> Parsed {
    let within = &bytes[..bytes.len().min(limits::PROXY_V1_BYTES_MAX)];
    let Some(at) = within.iter().position(|b| matches!(b, b'\r' | b'\n')) else {
        return if within.len() < limits::PROXY_V1_BYTES_MAX { Parsed::NeedMore } else { Parsed::Bad(Flaw::TooLong) };
    };
    match (within[at], within.get(at + 1)) {
        (b'\r', Some(b'\n')) => match source_in_line(&within[..at]) {
            Some(source) => Parsed::Header { consumed: at + 2, source },
            None => Parsed::Bad(Flaw::Malformed),
        },
        (b'\r', None) if within.len() < limits::PROXY_V1_BYTES_MAX => Parsed::NeedMore,
        (b'\r', None) => Parsed::Bad(Flaw::TooLong),
        _ => Parsed::Bad(Flaw::Malformed),
    }
}

/// `PROXY TCP4 source destination port port`: fields one space apart, nothing before, between or behind.
fn source_in_line(line: &[u8]) -> Option<Option<SocketAddr>> {
    let fields: Vec<&str> = std::str::from_utf8(line).ok()?.split(' ').collect();
    match fields[..] {
        // PROXY 2.1: what follows UNKNOWN is to be ignored.
        ["PROXY", "UNKNOWN", ..] => Some(None),
        ["PROXY", family, from, to, from_port, to_port] => {
            let source = match family {
                "TCP4" => source_of::<Ipv4Addr>(from, to)?,
                "TCP6" => source_of::<Ipv6Addr>(from, to)?,
                _ => return None,
            };
            port(to_port)?;
            Some(Some(canonical(source, port(from_port)?)))
        }
        _ => None,
    }
}

/// The destination is our balancer's, and of no use to us; it must be an address all the same.
fn source_of<A: FromStr + Into<IpAddr>>(from: &str, to: &str) -> Option<IpAddr> {
    to.parse::<A>().ok()?;
    Some(from.parse::<A>().ok()?.into())
}

/// PROXY 2.1: decimal, without a sign or leading zeroes.
fn port(text: &str) -> Option<u16> {
    let is_plain = text == "0" || text.starts_with(|first: char| matches!(first, '1'..='9'));
    text.parse().ok().filter(|_| is_plain)
}

/// PROXY 2.2: a fixed head, addresses by family, then fields (TLVs) that say nothing to us.
fn parse_binary(bytes: &[u8]) -> Parsed {
    let command = match bytes.get(SIGNATURE.len()) {
        None => return Parsed::NeedMore,
        Some(0x20) => Command::Local,
        Some(0x21) => Command::Proxy,
        // Another version, or a command that receivers must drop the connection for.
        Some(_) => return Parsed::Bad(Flaw::Malformed),
    };
    let family = match bytes.get(SIGNATURE.len() + 1) {
        None => return Parsed::NeedMore,
        Some(0x11) => Family::Tcp4,
        Some(0x21) => Family::Tcp6,
        // UNSPEC, datagrams and Unix sockets: valid, and of nobody that we could name.
        Some(0x00 | 0x12 | 0x22 | 0x31 | 0x32) => Family::Other,
        // PROXY 2.2: with LOCAL the family is not looked at.
        Some(_) if command == Command::Local => Family::Other,
        Some(_) => return Parsed::Bad(Flaw::Malformed),
    };
    let Some(length) = bytes.get(V2_HEAD - 2..V2_HEAD) else { return Parsed::NeedMore };
    let consumed = V2_HEAD + usize::from(u16::from_be_bytes([length[0], length[1]]));
    if consumed > limits::PROXY_V2_BYTES_MAX {
        return Parsed::Bad(Flaw::TooLong);
    }
    let Some(body) = bytes.get(V2_HEAD..consumed) else { return Parsed::NeedMore };
    match (command, family) {
        (Command::Local, _) | (_, Family::Other) => Parsed::Header { consumed, source: None },
        (Command::Proxy, family) => match source_in_body(family, body) {
            Some(source) => Parsed::Header { consumed, source: Some(source) },
            None => Parsed::Bad(Flaw::Malformed),
        },
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Command {
    Local,
    Proxy,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    Tcp4,
    Tcp6,
    Other,
}

/// Source, destination, source port, destination port. None when they are not all there.
fn source_in_body(family: Family, body: &[u8]) -> Option<SocketAddr> {
    let (address, port): (IpAddr, &[u8]) = match family {
        Family::Tcp4 => (<[u8; 4]>::try_from(body.get(..12)?.get(..4)?).ok()?.into(), &body[8..10]),
        Family::Tcp6 => (<[u8; 16]>::try_from(body.get(..36)?.get(..16)?).ok()?.into(), &body[32..34]),
        Family::Other => return None,
    };
    Some(canonical(address, u16::from_be_bytes([port[0], port[1]])))
}

fn canonical(address: IpAddr, port: u16) -> SocketAddr {
    SocketAddr::new(address.to_canonical(), port)
}

#[cfg(test)]
mod tests;

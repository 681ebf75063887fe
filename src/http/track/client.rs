//! Who follows a link, as little of it as is kept: the network without the host, and what the program calls itself.

use crate::base::limits;
use crate::net::socket::Peer;
use axum::extract::Request;
use axum::http::header::USER_AGENT;
use axum::http::{HeaderName, Method};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Who asks, as far as it is kept.
pub(super) struct Visitor {
    /// It wants the head alone.
    pub is_only_looking: bool,
    pub network: Option<String>,
    pub user_agent: Option<String>,
}

impl Visitor {
    pub fn of(request: &Request) -> Self {
        let is_only_looking = request.method() == Method::HEAD;
        Self { is_only_looking, network: network(request), user_agent: user_agent(request) }
    }
}

/// The client's network: /24, or /48 of IPv6. Whoever asks from this machine or a private network is a reverse
/// proxy, and the last address that it names is the client's; from the world nobody speaks for others.
fn network(request: &Request) -> Option<String> {
    let peer = match request.extensions().get::<Peer>()? {
        Peer::Address(address) => address.ip().to_canonical(),
        Peer::User(_) => return None,
    };
    let named = || {
        let last = request.headers().get_all(X_FORWARDED_FOR).iter().next_back()?.to_str().ok()?;
        last.rsplit(',').next()?.trim().parse::<IpAddr>().ok()
    };
    let client = if is_near(peer) { named().unwrap_or(peer).to_canonical() } else { peer };
    Some(cut(client))
}

fn is_near(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_loopback() || address.is_private(),
        IpAddr::V6(address) => address.is_loopback() || address.is_unique_local(),
    }
}

fn cut(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            format!("{}/24", Ipv4Addr::new(a, b, c, 0))
        }
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            format!("{}/48", Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
        }
    }
}

/// Within its bound, and without control characters.
fn user_agent(request: &Request) -> Option<String> {
    let text = String::from_utf8_lossy(request.headers().get(USER_AGENT)?.as_bytes()).into_owned();
    let mut text: String = text.chars().filter(|c| !c.is_control()).collect();
    text.truncate(text.floor_char_boundary(limits::USER_AGENT_BYTES_MAX));
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    fn request(peer: &str, forwarded: &[&str]) -> Request {
        let mut request = Request::new(Body::empty());
        request.extensions_mut().insert(Peer::Address(peer.parse().unwrap()));
        for value in forwarded {
            request.headers_mut().append(X_FORWARDED_FOR, value.parse().unwrap());
        }
        request
    }

    #[test]
    fn of_an_address_only_the_network_is_kept() {
        for (peer, forwarded, expected) in [
            ("198.51.100.77:1", &[][..], "198.51.100.0/24"),
            ("[2001:db8:aaaa:bbbb::1]:1", &[], "2001:db8:aaaa::/48"),
            ("[::ffff:198.51.100.77]:1", &[], "198.51.100.0/24"),
            ("127.0.0.1:1", &["203.0.113.9"], "203.0.113.0/24"),
            ("127.0.0.1:1", &["10.9.9.9, 203.0.113.9"], "203.0.113.0/24"),
            ("127.0.0.1:1", &["192.0.2.1", "203.0.113.9"], "203.0.113.0/24"),
            ("[::1]:1", &["2001:db8:1:2::3"], "2001:db8:1::/48"),
            ("10.0.0.5:1", &["203.0.113.9"], "203.0.113.0/24"),
            ("198.51.100.77:1", &["203.0.113.9"], "198.51.100.0/24"),
            ("127.0.0.1:1", &["unknown"], "127.0.0.0/24"),
            ("127.0.0.1:1", &[""], "127.0.0.0/24"),
        ] {
            assert_eq!(network(&request(peer, forwarded)).as_deref(), Some(expected), "{peer} {forwarded:?}");
        }
        assert_eq!(network(&Request::new(Body::empty())), None);
    }

    #[test]
    fn a_long_or_strange_user_agent_is_cut_and_cleaned() {
        let mut request = request("127.0.0.1:1", &[]);
        assert_eq!(user_agent(&request), None);
        let set = |request: &mut Request, value: &[u8]| {
            request.headers_mut().insert(USER_AGENT, axum::http::HeaderValue::from_bytes(value).unwrap());
        };
        // A tab is the one control character that HTTP lets through.
        set(&mut request, b"Mozilla/5.0\t(X11) \xff");
        assert_eq!(user_agent(&request).unwrap(), "Mozilla/5.0(X11) \u{fffd}");
        set(&mut request, "ä".repeat(500).as_bytes());
        assert_eq!(user_agent(&request).unwrap().len(), limits::USER_AGENT_BYTES_MAX);
    }
}

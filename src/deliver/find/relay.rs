//! The way to a smarthost, which the operator chose: its name is believed, and what its settings say is done.

use super::Finder;
use super::verdict;
use crate::base::limits;
use crate::deliver::way::{Begin, Login, Mechanism, Protocol, Target, Tls, Trust, Way};
use crate::model::host::Host;
use crate::model::outcome::Why;
use crate::model::relay::{self, Relay};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

impl Finder {
    /// Whatever fails here is put off: settings can be mended while the mail waits.
    pub async fn relay(&self, relay: &Relay) -> Result<Way, Why> {
        let mut addresses = match &relay.host {
            Host::Address(address) => vec![address.to_canonical()],
            // RFC 6761 6.3: no name server is asked for this one.
            Host::Name(_) if relay.host.is_loopback() => {
                vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)]
            }
            Host::Name(name) => match self.resolver.addresses(name).await {
                Ok(found) => found.value,
                Err(why) => return Err(verdict::not_now(format!("the relay {}: {}: {why}", relay.name, relay.host))),
            },
        };
        addresses.truncate(limits::WAY_ADDRESSES_MAX);
        let own = self.own.load();
        if addresses.iter().any(|address| own.listens_on(*address, relay.port)) {
            let text =
                format!("the relay {} loops back to us: {} port {} is ourselves", relay.name, relay.host, relay.port);
            return Err(verdict::relay_loops(text));
        }
        if addresses.is_empty() {
            return Err(verdict::not_now(format!("the relay {}: {} has no address", relay.name, relay.host)));
        }
        let target = Target { host: relay.host.clone(), preference: 0, addresses, tls: tls(relay) };
        Ok(Way {
            hosts: vec![target],
            port: relay.port,
            protocol: match relay.protocol {
                relay::Protocol::Smtp => Protocol::Smtp,
                relay::Protocol::Lmtp => Protocol::Lmtp,
            },
            login: login(relay),
            source: None,
            left_out: Vec::new(),
        })
    }
}

fn tls(relay: &Relay) -> Tls {
    let required = |begin| Tls::Required { begin, trust: if relay.verify { Trust::Roots } else { Trust::Anyone } };
    match relay.tls {
        relay::Tls::None => Tls::Never,
        relay::Tls::Opportunistic => Tls::Opportunistic,
        relay::Tls::Starttls => required(Begin::Starttls),
        relay::Tls::Implicit => required(Begin::Implicit),
    }
}

fn login(relay: &Relay) -> Option<Login> {
    let (username, password) = (relay.username.clone()?, relay.password.clone()?);
    let mechanism = match relay.auth {
        relay::Auth::Auto => None,
        relay::Auth::Plain => Some(Mechanism::Plain),
        relay::Auth::Login => Some(Mechanism::Login),
        relay::Auth::CramMd5 => Some(Mechanism::CramMd5),
        relay::Auth::ScramSha256 => Some(Mechanism::ScramSha256),
        relay::Auth::Xoauth2 => Some(Mechanism::Xoauth2),
    };
    Some(Login { username, password, mechanism })
}

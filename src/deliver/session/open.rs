//! Which host of a way, and which of its addresses (RFC 5321 5.1): one after the other until one is a session.

use super::happenings::{Fault, HostFailed, SessionOpened};
use super::meet::{Meeting, Met, Reason, Unmet};
use super::wire::Trouble;
use super::{Phase, Session, Surroundings, TriedHost, Unopened};
use crate::base::limits;
use crate::base::observe::Happening;
use crate::base::random::Random;
use crate::deliver::report::ResultType;
use crate::deliver::way::{Source, Target, Tls, Way};
use crate::mail::domain_name::DomainName;
use crate::mail::status::Status;
use crate::model::host::Host;
use crate::model::outcome::{Blame, Kind, Why, category};
use crate::net::dial::{Destination, Stream, interleaved};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use tokio::time::{Instant, timeout_at};

/// One opening under way.
struct Opening<'a> {
    way: &'a Way,
    around: &'a Surroundings,
    began: Instant,
    tried: Vec<TriedHost>,
    connected: bool,
}

pub(super) async fn open(way: &Way, skip: &[Host], around: &Surroundings) -> Result<Session, Unopened> {
    let began = Instant::now();
    let mut opening = Opening { way, around, began, tried: Vec::new(), connected: false };
    let hosts = in_order(&way.hosts, skip, &around.random);
    let deadline = began + around.patience.open;
    let opened = timeout_at(deadline, opening.try_all(&hosts)).await;
    match opened {
        Ok(Some(session)) => Ok(session),
        Ok(None) => Err(opening.give_up(None)),
        Err(_) => Err(opening.give_up(Some(Trouble::TooSlow(around.patience.open)))),
    }
}

/// RFC 5321 5.1: the most preferred first, and equal ones in any order, so that they share the load.
pub(super) fn in_order<'a>(hosts: &'a [Target], skip: &[Host], random: &Random) -> Vec<&'a Target> {
    let left = hosts.iter().filter(|target| !skip.contains(&target.host));
    let mut left: Vec<_> = left.map(|target| (target.preference, random.below(u64::MAX), target)).collect();
    left.sort_by_key(|(preference, chance, _)| (*preference, *chance));
    left.into_iter().map(|(_, _, target)| target).take(limits::WAY_HOSTS_MAX).collect()
}

impl Opening<'_> {
    async fn try_all(&mut self, hosts: &[&Target]) -> Option<Session> {
        for target in hosts {
            match self.try_host(target).await {
                Ok(session) => return Some(session),
                Err(Next::Host) => {}
                Err(Next::Nobody) => return None,
            }
        }
        None
    }

    /// All addresses of one host, beside each other until one is connected, one after the other from there.
    async fn try_host(&mut self, target: &Target) -> Result<Session, Next> {
        let mut destinations = match self.destinations(target).await {
            Ok(destinations) => destinations,
            Err(reason) => return Err(self.failed(target, None, Unmet { phase: Phase::Connect, reason }, None)),
        };
        while !destinations.is_empty() {
            let dialed = self.around.dialer.dial(&destinations, self.around.patience.dial).await;
            for (destination, why) in dialed.failed {
                let unmet = Unmet { phase: Phase::Connect, reason: Reason::Unconnected(why) };
                self.failed(target, Some(destination), unmet, None);
                destinations.retain(|other| *other != destination);
            }
            let Some((stream, at)) = dialed.connected else { return Err(Next::Host) };
            self.connected = true;
            match self.meet(target, at, stream).await {
                Ok(session) => return Ok(session),
                Err((unmet, tls_failure)) => {
                    if let Next::Nobody = self.failed(target, Some(at), unmet, tls_failure) {
                        return Err(Next::Nobody);
                    }
                    destinations.retain(|other| *other != at);
                }
            }
        }
        Err(Next::Host)
    }

    /// A session, or why there is none, with what TLS failed with before it was tried without.
    async fn meet(
        &mut self,
        target: &Target,
        at: Destination,
        stream: Stream,
    ) -> Result<Session, (Unmet, Option<ResultType>)> {
        let hello = hello_from(self.way.source.as_ref(), at.from).unwrap_or(&self.around.hello);
        let Self { way, around, .. } = self;
        let (host, address) = (&target.host, at.to.ip());
        let meeting = Meeting { host, address, tls: &target.tls, way, hello, around };
        let (met, tls_failure) = match meeting.meet(stream).await {
            // RFC 7435 3: opportunistic TLS that fails is no TLS, on the same host and address.
            Err(unmet) if unmet.phase == Phase::Handshake && target.tls == Tls::Opportunistic => {
                let failure = unmet.tls_failure();
                let why = unmet.why(host).text;
                HostFailed { host, address: Some(at.to), phase: Phase::Handshake, why: &why }.record();
                let again = around.dialer.dial(&[at], around.patience.dial).await;
                let Some((stream, _)) = again.connected else { return Err((unmet, failure)) };
                (Meeting { tls: &Tls::Never, ..meeting }.meet(stream).await, failure)
            }
            met => (met, None),
        };
        let met = met.map_err(|unmet| (unmet, tls_failure))?;
        let tls_failure = match met.tls {
            None if target.tls == Tls::Opportunistic => tls_failure.or(Some(ResultType::StarttlsNotSupported)),
            _ => None,
        };
        let tried = std::mem::take(&mut self.tried);
        Ok(Session { tls_failure, tried, ..self.session(target, at, met) })
    }

    fn session(&self, target: &Target, at: Destination, met: Met) -> Session {
        let Met { mut wire, capabilities, tls } = met;
        SessionOpened { host: &target.host, address: at.to, tls: tls.as_ref(), took: self.began.elapsed() }.record();
        let now = Instant::now();
        let mut opening = crate::smtp::dialogue::transcript::Transcript::default();
        opening.comment(&format!("to {} at {}", target.host, at.to));
        opening.append(wire.transcript.take());
        Session {
            wire,
            host: target.host.clone(),
            at,
            protocol: self.way.protocol,
            tls,
            tls_failure: None,
            tried: Vec::new(),
            capabilities,
            patience: self.around.patience,
            opening,
            opened_at: now,
            used_at: now,
            transactions: 0,
        }
    }

    /// Where to, in the order to try, each from an address of ours of its family.
    async fn destinations(&self, target: &Target) -> Result<Vec<Destination>, Reason> {
        let addresses = match &target.host {
            _ if !target.addresses.is_empty() => target.addresses.clone(),
            Host::Address(address) => vec![*address],
            // RFC 6761 6.3: without asking anybody.
            Host::Name(_) if target.host.is_loopback() => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
            Host::Name(name) => self.around.resolver.addresses(name).await.map_err(Reason::NotFound)?.value,
        };
        if addresses.is_empty() {
            return Err(Reason::NoAddress);
        }
        let mut destinations: Vec<_> = Vec::new();
        for address in interleaved(&addresses) {
            let from = match &self.way.source {
                None => None,
                Some(source) => match self.source_for(source, address) {
                    None => continue,
                    from => from,
                },
            };
            let destination = Destination { to: SocketAddr::new(address, self.way.port), from };
            if !destinations.contains(&destination) {
                destinations.push(destination);
            }
        }
        destinations.truncate(limits::WAY_ADDRESSES_MAX);
        if destinations.is_empty() { Err(Reason::NoSource) } else { Ok(destinations) }
    }

    /// One of the same family, any of several.
    fn source_for(&self, source: &Source, to: IpAddr) -> Option<IpAddr> {
        let fits: Vec<_> = source.addresses.iter().filter(|own| own.address.is_ipv4() == to.is_ipv4()).collect();
        let chosen = self.around.random.below(fits.len() as u64) as usize;
        fits.get(chosen).map(|own| own.address)
    }

    /// Remembers why, and says whom to try next.
    fn failed(
        &mut self,
        target: &Target,
        at: Option<Destination>,
        unmet: Unmet,
        tls_failure: Option<ResultType>,
    ) -> Next {
        let tls_failure = tls_failure.or(unmet.tls_failure());
        let (host, address, phase) = (target.host.clone(), at.map(|at| at.to), unmet.phase);
        let why = unmet.why(&host);
        if let Reason::Trouble(Trouble::Fault(fault)) = &unmet.reason {
            Fault { host: &host, phase, fault: *fault }.record();
        }
        HostFailed { host: &host, address, phase, why: &why.text }.record();
        let next = if unmet.is_about_us() { Next::Nobody } else { Next::Host };
        let response = if let Reason::Refused(response) = unmet.reason { Some(response) } else { None };
        self.tried.push(TriedHost { host, address, phase, why, response, tls_failure });
        next
    }

    /// What is told of it all: what the most preferred host that spoke has said, or the last reason.
    fn give_up(self, trouble: Option<Trouble>) -> Unopened {
        let Self { tried, connected, .. } = self;
        let down = !connected && !tried.is_empty();
        let said = tried.iter().find(|tried| tried.response.is_some());
        let why = match (said.or(tried.last()), trouble) {
            (Some(tried), _) => tried.why.clone(),
            (None, Some(trouble)) => network(category::TIMEOUT, Status::new(4, 4, 2), trouble.to_string()),
            (None, None) => {
                network(category::NO_HOST, Status::new(4, 4, 4), "no other host is left to be tried".to_owned())
            }
        };
        Unopened { why, tried, down }
    }
}

/// Who is tried after a failure.
enum Next {
    /// Another address, or another host.
    Host,
    Nobody,
}

fn network(category: &str, status: Status, text: String) -> Why {
    Why::found(Blame::Network, Kind::Soft, category, status, text)
}

/// The name that the reverse DNS has for the address we go out from.
fn hello_from(source: Option<&Source>, from: Option<IpAddr>) -> Option<&DomainName> {
    source?.addresses.iter().find(|own| Some(own.address) == from)?.hello.as_ref()
}

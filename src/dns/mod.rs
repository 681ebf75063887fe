//! Questions to the DNS, in the words of mail: where does mail for a domain go, which addresses has a
//! host. Asked of the system's servers, of named ones, or of a text zone that stands in for all of them.
//!
//! Every name is asked for as it is: no search domains, no hosts file. Every answer is bounded and has a
//! deadline. What is not known now (`Temporary`) is never taken for what is not there (`NoSuchName`).
//!
//! Plain questions take the server's word. Those whose answer DANE builds on are asked with `Care::Proven`:
//! then DNSSEC is checked here, by us, from the root down.

mod happenings;
mod located;
mod network;
pub mod settings;
pub mod zone;

use crate::base::limits;
use crate::base::observe::Happening;
use crate::mail::domain_name::DomainName;
use arc_swap::ArcSwap;
use happenings::LookedUp;
pub use located::Located;
use located::either_family;
pub use network::{Anchors, Network};
use settings::Settings;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::time::Instant;
use zone::{BadZone, Zone};

/// What was found, and how far the DNS vouches for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<T> {
    pub value: T,
    pub proof: Proof,
}

/// What DNSSEC proved of an answer. DANE (RFC 7672 2.1) believes nothing less than `Secure`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Proof {
    /// Unsigned, not checked, or from a zone file that does not declare it proven.
    Unproven,
    Secure,
}

/// How an answer is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Care {
    /// The server's word will do.
    Plain,
    /// DNSSEC is checked: a signed answer comes back `Secure`, a forged one not at all. Costs a few more
    /// questions for each name that is not cached.
    Proven,
}

/// RFC 6698 2.1: a TLSA record as it stands on the wire, of any use or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tlsa {
    pub usage: u8,
    pub selector: u8,
    pub matching: u8,
    pub data: Vec<u8>,
}

/// Where mail for a domain goes (RFC 5321 5.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mx {
    /// Mail hosts with their preference, the most preferred first; equal ones in no order. Empty when no
    /// host that is named can be one: such a domain takes no mail, and its own addresses are not tried.
    Hosts(Vec<(u16, DomainName)>),
    /// RFC 7505: the domain says that it takes no mail.
    Null,
    /// No MX records: the domain is its own mail host, if it has an address.
    Implicit,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The DNS says that the name does not exist.
    NoSuchName,
    /// Nobody could say: try again later, and decide nothing by it.
    Temporary { why: String },
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoSuchName => f.write_str("no such name"),
            Self::Temporary { why } => write!(f, "no answer for now: {why}"),
        }
    }
}

impl std::error::Error for Failure {}

/// What is asked for. A host's addresses are two questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Mx,
    A,
    Aaaa,
    Txt,
    Tlsa,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Mx => "MX",
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Txt => "TXT",
            Self::Tlsa => "TLSA",
        }
    }
}

/// One record's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    Mx(u16, MailHost),
    Address(IpAddr),
    /// All its strings in one.
    Text(Vec<u8>),
    Tlsa(Tlsa),
    /// On the way from the name that was asked for to the one that has the addresses (CNAME).
    Alias {
        owner: DomainName,
        target: DomainName,
        proof: Proof,
    },
}

/// Whom an MX record names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MailHost {
    Named(DomainName),
    /// The root: nobody (RFC 7505 3).
    Nobody,
    /// What is no host name, an IP address for example.
    Unusable,
}

/// Why nothing can be looked up there.
#[derive(Debug)]
pub enum BadSource {
    Zone(BadZone),
    /// The library could not be set up.
    Network(String),
}

impl BadSource {
    fn network(why: impl std::fmt::Display) -> Self {
        Self::Network(why.to_string())
    }
}

impl std::fmt::Display for BadSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Zone(bad) => bad.fmt(f),
            Self::Network(why) => write!(f, "names cannot be looked up: {why}"),
        }
    }
}

impl std::error::Error for BadSource {}

type Asked = Result<Answer<Vec<Data>>, Failure>;

/// Where names are looked up.
pub enum Source {
    System(Network),
    Servers(Network),
    Zone(Zone),
}

impl Source {
    /// Everything that can fail, before anything is swapped. Must be called inside the runtime, whose
    /// sockets it will use.
    pub fn open(settings: &Settings) -> Result<Self, BadSource> {
        Ok(match &settings.zone_file {
            Some(file) => Self::Zone(Zone::load(file).map_err(BadSource::Zone)?),
            None if settings.servers.is_empty() => {
                Self::System(Network::of_system(&Anchors::default()).map_err(BadSource::network)?)
            }
            None => Self::Servers(Network::of(&settings.servers, &Anchors::default()).map_err(BadSource::network)?),
        })
    }

    /// These servers, with DNSSEC checked against other keys than those of the root: a private root has its
    /// own.
    pub fn trusting(servers: &[settings::Server], anchors: &Anchors) -> Result<Self, BadSource> {
        Network::of(servers, anchors).map(Self::Servers).map_err(BadSource::network)
    }

    /// Every record of this kind that the name has; none when it exists and has none.
    async fn ask(&self, name: &DomainName, kind: Kind, care: Care) -> Asked {
        match self {
            Self::System(network) | Self::Servers(network) => network.ask(name, kind, care).await,
            Self::Zone(zone) => zone.ask(name, kind).await,
        }
    }
}

/// Answers questions. Clones share one source, and the cache behind it.
#[derive(Clone)]
pub struct Resolver(Arc<ArcSwap<Source>>);

impl Resolver {
    pub fn new(source: Source) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(source)))
    }

    /// Questions from now on go there; those under way end where they were asked. What was cached is
    /// forgotten.
    pub fn swap(&self, source: Source) {
        self.0.store(Arc::new(source));
    }

    pub async fn mx(&self, name: &DomainName) -> Result<Answer<Mx>, Failure> {
        self.mail_hosts(name, Care::Plain).await
    }

    pub async fn mail_hosts(&self, name: &DomainName, care: Care) -> Result<Answer<Mx>, Failure> {
        let Answer { value, proof } = self.ask(name, Kind::Mx, care).await?;
        Ok(Answer { value: mx_of(value), proof })
    }

    /// A host's addresses, its proven name, and what of both is proven.
    pub async fn host(&self, name: &DomainName, care: Care) -> Result<Located, Failure> {
        let (v4, v6) = tokio::join!(self.ask(name, Kind::A, care), self.ask(name, Kind::Aaaa, care));
        either_family(v4, v6).map(|answer| Located::of(name, answer))
    }

    /// RFC 6698 3: what a host's certificate on this port must be; none when it says nothing.
    pub async fn tlsa(&self, host: &DomainName, port: u16) -> Result<Answer<Vec<Tlsa>>, Failure> {
        // A name too long for its prefix can have no such record.
        let Ok(name) = format!("_{port}._tcp.{host}").parse() else { return Err(Failure::NoSuchName) };
        let Answer { value, proof } = self.ask(&name, Kind::Tlsa, Care::Proven).await?;
        let records = value.into_iter().filter_map(|data| if let Data::Tlsa(tlsa) = data { Some(tlsa) } else { None });
        Ok(Answer { value: records.take(limits::DNS_RECORDS_MAX).collect(), proof })
    }

    /// IPv4 addresses, then IPv6; none when the name exists and has none. One family that cannot be asked
    /// for does not spoil the other.
    pub async fn addresses(&self, name: &DomainName) -> Result<Answer<Vec<IpAddr>>, Failure> {
        let located = self.host(name, Care::Plain).await?;
        Ok(Answer { value: located.addresses, proof: located.proof })
    }

    /// Each record's text. Whoever looks for one among them begins with its first words.
    pub async fn txt(&self, name: &DomainName) -> Result<Answer<Vec<Vec<u8>>>, Failure> {
        let Answer { value, proof } = self.ask(name, Kind::Txt, Care::Plain).await?;
        let texts = value.into_iter().filter_map(|data| if let Data::Text(text) = data { Some(text) } else { None });
        Ok(Answer { value: texts.take(limits::DNS_RECORDS_MAX).collect(), proof })
    }

    async fn ask(&self, name: &DomainName, kind: Kind, care: Care) -> Asked {
        let began = Instant::now();
        let source = self.0.load_full();
        let answered = tokio::time::timeout(limits::DNS_LOOKUP_MAX, source.ask(name, kind, care)).await;
        let answered = answered.unwrap_or_else(|_| Err(Failure::Temporary { why: "it took too long".to_owned() }));
        LookedUp { name, kind, took: began.elapsed(), answered: &answered }.record();
        answered
    }
}

fn mx_of(records: Vec<Data>) -> Mx {
    let records =
        records.into_iter().filter_map(|data| if let Data::Mx(p, host) = data { Some((p, host)) } else { None });
    let records: Vec<_> = records.collect();
    if records.is_empty() {
        return Mx::Implicit;
    }
    if records.iter().all(|(_, host)| *host == MailHost::Nobody) {
        return Mx::Null;
    }
    // RFC 7505 3: "." stands alone; beside others it names nobody and says nothing.
    let named = records.into_iter().filter_map(|(preference, host)| match host {
        MailHost::Named(name) => Some((preference, name)),
        MailHost::Nobody | MailHost::Unusable => None,
    });
    let mut hosts: Vec<(u16, DomainName)> = named.collect();
    hosts.sort();
    let mut seen = std::collections::HashSet::new();
    hosts.retain(|(_, name)| seen.insert(name.clone()));
    hosts.truncate(limits::DNS_RECORDS_MAX);
    Mx::Hosts(hosts)
}

#[cfg(test)]
mod tests;

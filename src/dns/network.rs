//! Questions over the network, through hickory: its pool of servers, its retries, its cache. What it
//! says about a name that has no answer is put into our words here.
//!
//! There are two sets of resolvers. One takes the servers' word. The other asks for signatures and checks
//! them from the root down: what DANE builds on. Many servers near by strip signatures, and behind them
//! everything would look forged; so before a broken proof is believed, the root itself must be provable.
//! If it is not, nothing is, and mail goes as it would without DNSSEC.

use super::happenings::{ProofsMissing, SystemUnread};
use super::settings::Server;
use super::{Answer, Asked, Care, Data, Failure, Kind, MailHost, Proof, Tlsa};
use crate::base::limits;
use crate::base::observe::Happening;
use crate::mail::domain_name::DomainName;
use arc_swap::ArcSwap;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::dnssec::{self, TrustAnchors};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::time::{Instant, timeout};

/// The keys that DNSSEC is checked against: those of the root, unless others are given.
#[derive(Clone, Default)]
pub struct Anchors(Arc<TrustAnchors>);

/// DNSKEY records as in a master file, one a line: `. 3600 IN DNSKEY 257 3 13 …`.
impl std::str::FromStr for Anchors {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse()
            .map(|anchors| Self(Arc::new(anchors)))
            .map_err(|why: hickory_resolver::proto::serialize::txt::ParseError| why.to_string())
    }
}

pub struct Network {
    plain: Pool,
    proving: Proving,
    /// Until then the servers count as ones that strip signatures.
    stripping: Mutex<Option<Instant>>,
}

impl Network {
    /// The servers of /etc/resolv.conf; nothing else in it counts for mail. Without one, the server on
    /// this machine, as the C library does (resolv.conf(5)).
    pub(super) fn of_system(anchors: &Anchors) -> Result<Self, NetError> {
        let named = match hickory_resolver::system_conf::read_system_conf() {
            Ok((config, _)) => config.into_parts().2,
            Err(why) => {
                SystemUnread { why: &why }.record();
                Vec::new()
            }
        };
        if named.is_empty() {
            return Self::of(&[Server(SocketAddr::from((Ipv4Addr::LOCALHOST, 53)))], anchors);
        }
        Self::asking(&named, anchors)
    }

    pub(super) fn of(servers: &[Server], anchors: &Anchors) -> Result<Self, NetError> {
        let named = servers.iter().map(|Server(address)| {
            let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
                connection.port = address.port();
                connection
            });
            NameServerConfig::new(address.ip(), true, connections.into())
        });
        Self::asking(&named.collect::<Vec<_>>(), anchors)
    }

    fn asking(servers: &[NameServerConfig], anchors: &Anchors) -> Result<Self, NetError> {
        Ok(Self {
            plain: Pool::asking(servers, None)?,
            proving: Proving::asking(servers, anchors)?,
            stripping: Mutex::new(None),
        })
    }

    pub(super) async fn ask(&self, name: &DomainName, kind: Kind, care: Care) -> Asked {
        // With the root dot it is a full name, asked for as it is.
        let full = Name::from_ascii(format!("{name}."));
        let full = full.map_err(|why| Failure::Temporary { why: why.to_string() })?;
        match care {
            Care::Proven if !self.strip() => self.prove(full, kind).await,
            Care::Plain | Care::Proven => asked(self.plain.lookup(&full, record_type(kind)).await, kind),
        }
    }

    async fn prove(&self, name: Name, kind: Kind) -> Asked {
        let found = timeout(limits::DNS_PROOF_MAX, self.proving.pool().lookup(&name, record_type(kind))).await;
        let failed = match found {
            Ok(found @ Ok(_)) => return asked(found, kind),
            Ok(Err(why)) if says_something(&why) => return asked(Err(why), kind),
            Ok(Err(why)) => why.to_string(),
            Err(_) => "its proof took too long".to_owned(),
        };
        match self.root().await {
            // RFC 7672 2.1.1: what is bogus is no answer, and no reason to go on without DANE.
            Root::Proven => Err(Failure::Temporary { why: failed }),
            Root::Stripped => {
                self.remember_stripping();
                asked(self.plain.lookup(&name, record_type(kind)).await, kind)
            }
            Root::Silent => asked(self.plain.lookup(&name, record_type(kind)).await, kind),
        }
    }

    /// Do proofs come through these servers at all? What the root says of itself is signed since 2010; a
    /// proof of it is kept as long as the root allows.
    async fn root(&self) -> Root {
        match timeout(limits::DNS_PROOF_MAX, self.proving.pool().lookup(&Name::root(), RecordType::SOA)).await {
            Ok(Ok(found)) if found.answers().iter().any(|record| record.proof == dnssec::Proof::Secure) => Root::Proven,
            Ok(Ok(_) | Err(NetError::Dns(_))) => Root::Stripped,
            Ok(Err(_)) | Err(_) => Root::Silent,
        }
    }

    fn strip(&self) -> bool {
        let until = *self.stripping.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }

    fn remember_stripping(&self) {
        let mut until = self.stripping.lock().unwrap_or_else(PoisonError::into_inner);
        *until = Some(Instant::now() + limits::DNS_STRIPPING_KEPT);
        ProofsMissing.record();
    }
}

/// What the root says of itself, by way of our servers.
enum Root {
    Proven,
    /// It answers, without a proof.
    Stripped,
    Silent,
}

/// The pool that proves, made anew from time to time: the library keeps what it proved in a table of a million
/// entries for each resolver, and takes no other bound.
struct Proving {
    servers: Vec<NameServerConfig>,
    anchors: Anchors,
    pool: ArcSwap<Pool>,
    asked: AtomicU64,
}

impl Proving {
    fn asking(servers: &[NameServerConfig], anchors: &Anchors) -> Result<Self, NetError> {
        let pool = ArcSwap::from_pointee(Pool::asking(servers, Some(anchors))?);
        Ok(Self { servers: servers.to_vec(), anchors: anchors.clone(), pool, asked: AtomicU64::new(0) })
    }

    fn pool(&self) -> Arc<Pool> {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
        if asked.is_multiple_of(limits::DNS_PROOFS_MAX) {
            // One that cannot be made leaves the old one for another round.
            if let Ok(fresh) = Pool::asking(&self.servers, Some(&self.anchors)) {
                self.pool.store(Arc::new(fresh));
            }
        }
        self.pool.load_full()
    }
}

/// The same question to the same servers, one way.
struct Pool {
    /// All servers as one: hickory asks the quickest, and another when one is silent.
    all: TokioResolver,
    /// Each by itself, when there are several, for what `all` takes as final: an error of one server.
    each: Vec<TokioResolver>,
}

impl Pool {
    fn asking(servers: &[NameServerConfig], anchors: Option<&Anchors>) -> Result<Self, NetError> {
        let several = if servers.len() > 1 { servers } else { &[] };
        let each =
            several.iter().map(|server| resolver(vec![server.clone()], limits::DNS_CACHE_OF_ONE_MAX, 0, anchors));
        let each = each.collect::<Result<_, _>>()?;
        let all = resolver(servers.to_vec(), limits::DNS_CACHE_ANSWERS_MAX, limits::DNS_REPEATS_MAX, anchors)?;
        Ok(Self { all, each })
    }

    async fn lookup(&self, name: &Name, wanted: RecordType) -> Result<Lookup, NetError> {
        let mut found = self.all.lookup(name.clone(), wanted).await;
        // One server that is broken, does not serve us, or strips signatures as its neighbours do not, is no
        // reason to give up; the C library asks the next one too.
        if matches!(found, Err(NetError::Dns(DnsError::ResponseCode(_) | DnsError::DnssecBogus))) {
            for one in &self.each {
                found = one.lookup(name.clone(), wanted).await;
                if found.is_ok() || found.as_ref().is_err_and(says_something) {
                    break;
                }
            }
        }
        found
    }
}

fn resolver(
    servers: Vec<NameServerConfig>,
    cache: u64,
    repeats: usize,
    anchors: Option<&Anchors>,
) -> Result<TokioResolver, NetError> {
    // No domain of our own and no search list: what mail names is a full name.
    let config = ResolverConfig::from_parts(None, Vec::new(), servers);
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    *builder.options_mut() = options(cache, repeats);
    if let Some(Anchors(keys)) = anchors {
        // Turns validation on.
        builder = builder.with_trust_anchor(keys.clone());
    }
    builder.build()
}

fn options(cache: u64, repeats: usize) -> ResolverOpts {
    let mut options = ResolverOpts::default();
    options.use_hosts_file = ResolveHosts::Never;
    options.timeout = limits::DNS_TRY_MAX;
    options.attempts = repeats;
    options.cache_size = cache;
    options.positive_max_ttl = Some(limits::DNS_TTL_MAX);
    options.negative_max_ttl = Some(limits::DNS_NEGATIVE_TTL_MAX);
    options.edns0 = true;
    options
}

fn record_type(kind: Kind) -> RecordType {
    match kind {
        Kind::Mx => RecordType::MX,
        Kind::A => RecordType::A,
        Kind::Aaaa => RecordType::AAAA,
        Kind::Txt => RecordType::TXT,
        Kind::Tlsa => RecordType::TLSA,
    }
}

fn asked(found: Result<Lookup, NetError>, kind: Kind) -> Asked {
    match found {
        Ok(found) => Ok(answer_of(found.answers(), kind)),
        Err(why) => without_records(&why),
    }
}

/// The records of this kind. Aliases on the way to them are records too, and have to be proven as well.
fn answer_of(records: &[Record], kind: Kind) -> Answer<Vec<Data>> {
    let counts =
        |record: &&Record| record.record_type() == record_type(kind) || record.record_type() == RecordType::CNAME;
    let records: Vec<_> = records.iter().filter(counts).collect();
    let proven = !records.is_empty() && records.iter().all(|record| record.proof == dnssec::Proof::Secure);
    let value = records.into_iter().filter_map(|record| match &record.data {
        RData::CNAME(target) if matches!(kind, Kind::A | Kind::Aaaa) => alias_of(record, target),
        data => data_of(data),
    });
    Answer { value: value.collect(), proof: proof_of(proven) }
}

fn proof_of(proven: bool) -> Proof {
    if proven { Proof::Secure } else { Proof::Unproven }
}

fn alias_of(record: &Record, target: &Name) -> Option<Data> {
    let (owner, target) = (record.name.to_ascii().parse().ok()?, target.to_ascii().parse().ok()?);
    Some(Data::Alias { owner, target, proof: proof_of(record.proof == dnssec::Proof::Secure) })
}

fn data_of(data: &RData) -> Option<Data> {
    Some(match data {
        RData::MX(mx) => Data::Mx(mx.preference, mail_host(&mx.exchange)),
        RData::A(a) => Data::Address(IpAddr::V4(a.0)),
        RData::AAAA(aaaa) => Data::Address(IpAddr::V6(aaaa.0)),
        RData::TXT(txt) => Data::Text(txt.txt_data.concat()),
        RData::TLSA(tlsa) => Data::Tlsa(Tlsa {
            usage: tlsa.cert_usage.into(),
            selector: tlsa.selector.into(),
            matching: tlsa.matching.into(),
            data: tlsa.cert_data.clone(),
        }),
        _ => return None,
    })
}

fn mail_host(name: &Name) -> MailHost {
    if name.is_root() {
        return MailHost::Nobody;
    }
    name.to_ascii().parse().map_or(MailHost::Unusable, MailHost::Named)
}

/// Does this say what the name has, or has not?
fn says_something(why: &NetError) -> bool {
    match why {
        NetError::Dns(DnsError::NoRecordsFound(_)) => true,
        // Nothing there, and nothing that proves it because nothing has to (RFC 5155 6, opt-out).
        NetError::Dns(DnsError::Nsec { proof, .. }) => *proof == dnssec::Proof::Insecure,
        _ => false,
    }
}

/// RFC 2308 2: NXDOMAIN says that the name does not exist, an empty answer that it has no such records.
/// Everything else says nothing about the name: a referral, SERVFAIL, REFUSED, silence, a broken proof.
fn without_records(why: &NetError) -> Asked {
    let temporary = |why: String| Err(Failure::Temporary { why });
    let (code, referral, proven) = match why {
        NetError::Dns(DnsError::NoRecordsFound(none)) => {
            let proven = none.soa.as_ref().is_some_and(|soa| soa.proof == dnssec::Proof::Secure);
            (none.response_code, none.soa.is_none() && none.ns.is_some(), proven)
        }
        NetError::Dns(DnsError::Nsec { response, .. }) if says_something(why) => (response.response_code, false, false),
        _ => return temporary(why.to_string()),
    };
    match code {
        ResponseCode::NXDomain => Err(Failure::NoSuchName),
        ResponseCode::NoError if referral => temporary("the server does not look names up for us".to_owned()),
        ResponseCode::NoError => Ok(Answer { value: Vec::new(), proof: proof_of(proven) }),
        code => temporary(format!("the server answered {code}")),
    }
}

//! Questions over the network, through hickory: its pool of servers, its retries, its cache. What it
//! says about a name that has no answer is put into our words here.

use super::happenings::SystemUnread;
use super::settings::Server;
use super::{Answer, Data, Failure, Kind, MailHost, Proof};
use crate::base::limits;
use crate::base::observe::Happening;
use crate::mail::domain_name::DomainName;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::dnssec;
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

pub struct Network {
    /// All servers as one: hickory asks the quickest, and another when one is silent.
    all: TokioResolver,
    /// Each by itself, when there are several, for what `all` takes as final: an error of one server.
    each: Vec<TokioResolver>,
}

impl Network {
    /// The servers of /etc/resolv.conf; nothing else in it counts for mail. Without one, the server on
    /// this machine, as the C library does (resolv.conf(5)).
    pub(super) fn of_system() -> Result<Self, NetError> {
        let named = match hickory_resolver::system_conf::read_system_conf() {
            Ok((config, _)) => config.into_parts().2,
            Err(why) => {
                SystemUnread { why: &why }.record();
                Vec::new()
            }
        };
        if named.is_empty() {
            return Self::of(&[Server(SocketAddr::from((Ipv4Addr::LOCALHOST, 53)))]);
        }
        Self::asking(named)
    }

    pub(super) fn of(servers: &[Server]) -> Result<Self, NetError> {
        let named = servers.iter().map(|Server(address)| {
            let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
                connection.port = address.port();
                connection
            });
            NameServerConfig::new(address.ip(), true, connections.into())
        });
        Self::asking(named.collect())
    }

    fn asking(servers: Vec<NameServerConfig>) -> Result<Self, NetError> {
        let several = if servers.len() > 1 { &servers[..] } else { &[] };
        let each = several.iter().map(|server| resolver(vec![server.clone()], limits::DNS_CACHE_OF_ONE_MAX, 0));
        let each = each.collect::<Result<_, _>>()?;
        Ok(Self { each, all: resolver(servers, limits::DNS_CACHE_ANSWERS_MAX, limits::DNS_REPEATS_MAX)? })
    }

    pub(super) async fn ask(&self, name: &DomainName, kind: Kind) -> Result<Answer<Vec<Data>>, Failure> {
        // With the root dot it is a full name, asked for as it is.
        let full = Name::from_ascii(format!("{name}."));
        let full = full.map_err(|why| Failure::Temporary { why: why.to_string() })?;
        let mut found = self.all.lookup(full.clone(), record_type(kind)).await;
        // One server that is broken, or does not serve us, is no reason to give up; the C library asks the
        // next one too.
        if matches!(found, Err(NetError::Dns(DnsError::ResponseCode(_)))) {
            for one in &self.each {
                found = one.lookup(full.clone(), record_type(kind)).await;
                if matches!(found, Ok(_) | Err(NetError::Dns(DnsError::NoRecordsFound(_)))) {
                    break;
                }
            }
        }
        match found {
            Ok(found) => Ok(answer_of(found.answers(), record_type(kind))),
            Err(why) => without_records(&why),
        }
    }
}

fn resolver(servers: Vec<NameServerConfig>, cache: u64, repeats: usize) -> Result<TokioResolver, NetError> {
    // No domain of our own and no search list: what mail names is a full name.
    let config = ResolverConfig::from_parts(None, Vec::new(), servers);
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    *builder.options_mut() = options(cache, repeats);
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
    }
}

/// The records of this type. Aliases on the way to them are records too, and have to be proven as well.
fn answer_of(records: &[Record], wanted: RecordType) -> Answer<Vec<Data>> {
    let proven = !records.is_empty() && records.iter().all(|record| record.proof == dnssec::Proof::Secure);
    let wanted = records.iter().filter(|record| record.record_type() == wanted);
    Answer {
        value: wanted.filter_map(|record| data_of(&record.data)).collect(),
        proof: if proven { Proof::Secure } else { Proof::Unproven },
    }
}

fn data_of(data: &RData) -> Option<Data> {
    Some(match data {
        RData::MX(mx) => Data::Mx(mx.preference, mail_host(&mx.exchange)),
        RData::A(a) => Data::Address(IpAddr::V4(a.0)),
        RData::AAAA(aaaa) => Data::Address(IpAddr::V6(aaaa.0)),
        RData::TXT(txt) => Data::Text(txt.txt_data.concat()),
        _ => return None,
    })
}

fn mail_host(name: &Name) -> MailHost {
    if name.is_root() {
        return MailHost::Nobody;
    }
    name.to_ascii().parse().map_or(MailHost::Unusable, MailHost::Named)
}

/// RFC 2308 2: NXDOMAIN says that the name does not exist, an empty answer that it has no such records.
/// Everything else says nothing about the name: a referral, SERVFAIL, REFUSED, silence, a broken proof.
fn without_records(why: &NetError) -> Result<Answer<Vec<Data>>, Failure> {
    let temporary = |why: String| Err(Failure::Temporary { why });
    let NetError::Dns(DnsError::NoRecordsFound(none)) = why else { return temporary(why.to_string()) };
    match none.response_code {
        ResponseCode::NXDomain => Err(Failure::NoSuchName),
        ResponseCode::NoError if none.soa.is_none() && none.ns.is_some() => {
            temporary("the server does not look names up for us".to_owned())
        }
        ResponseCode::NoError => Ok(Answer { value: Vec::new(), proof: Proof::Unproven }),
        code => temporary(format!("the server answered {code}")),
    }
}

//! One mail host: where it is, and what DANE says of it.

use super::own::Own;
use crate::base::limits;
use crate::deliver::report::ResultType;
use crate::deliver::way::Tlsa;
use crate::dns::{self, Care, Failure, Located, Proof, Resolver};
use crate::mail::domain_name::DomainName;
use std::net::IpAddr;

/// A host that the DNS names for a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub preference: u16,
    pub name: DomainName,
}

/// A host that can be connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reached {
    pub addresses: Vec<IpAddr>,
    pub dane: Dane,
}

/// What the DNS demands under DNSSEC (RFC 7672 2.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Dane {
    /// Nothing, or nothing that is proven.
    Absent,
    /// There are records, and none that can be used: TLS, with anybody.
    Unusable,
    Usable {
        records: Vec<Tlsa>,
        /// Where they were found first.
        names: Vec<DomainName>,
    },
}

/// Why a host is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LeftOut {
    pub why: String,
    pub weight: Weight,
}

/// What it means for the destination when no other host is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    /// It may be there another time.
    Transient,
    /// A demand on TLS cannot be met now; with its word for reports.
    Insecure(ResultType),
    /// A demand on TLS that this host will not meet.
    Refused,
    /// It is not there.
    Lasting,
    /// It is ourselves.
    Ours,
}

impl LeftOut {
    pub(super) fn because(weight: Weight, why: impl Into<String>) -> Self {
        Self { why: why.into(), weight }
    }
}

/// Finds out about a host. `proof` is that of whoever named it: without it DANE is not asked for (RFC 7672 2.2.1).
pub(super) async fn look(
    resolver: &Resolver,
    own: &Own,
    domain: &DomainName,
    name: &DomainName,
    proof: Proof,
) -> Result<Reached, LeftOut> {
    let care = if proof == Proof::Secure { Care::Proven } else { Care::Plain };
    let located = match resolver.host(name, care).await {
        Ok(located) => located,
        Err(Failure::NoSuchName) => return Err(LeftOut::because(Weight::Lasting, "there is no such host")),
        Err(failure) => return Err(LeftOut::because(Weight::Transient, failure.to_string())),
    };
    let addresses = usable(&located.addresses, own)?;
    let dane =
        if proof == Proof::Secure { dane(resolver, own.port, domain, name, &located).await? } else { Dane::Absent };
    Ok(Reached { addresses, dane })
}

/// The addresses that mail may be brought to.
pub(super) fn usable(found: &[IpAddr], own: &Own) -> Result<Vec<IpAddr>, LeftOut> {
    let found: Vec<IpAddr> = found.iter().map(IpAddr::to_canonical).collect();
    if let Some(ours) = found.iter().find(|address| own.listens_on(**address, own.port)) {
        return Err(LeftOut::because(Weight::Ours, format!("{ours} port {} is ourselves", own.port)));
    }
    let (mut addresses, mut dropped) = (Vec::new(), None);
    for address in found {
        match forbidden(address, own.port) {
            Some(why) => dropped = Some(format!("{address} is {why}")),
            None if !addresses.contains(&address) => addresses.push(address),
            None => {}
        }
    }
    addresses.truncate(limits::WAY_ADDRESSES_MAX);
    if addresses.is_empty() {
        return Err(LeftOut::because(Weight::Lasting, dropped.unwrap_or_else(|| "it has no address".to_owned())));
    }
    Ok(addresses)
}

/// What no stranger's DNS may point us at. On another port than 25 loopback is a test's own doing.
fn forbidden(address: IpAddr, port: u16) -> Option<&'static str> {
    match address {
        _ if address.is_unspecified() => Some("no address of a host"),
        _ if address.is_multicast() => Some("no address of one host"),
        IpAddr::V4(v4) if v4.is_broadcast() => Some("no address of one host"),
        _ if address.is_loopback() && port == 25 => Some("this machine, and not its mail server for others"),
        _ => None,
    }
}

/// RFC 7672 2.2: asked only where the address is proven, or at least the alias that leads to it.
async fn dane(
    resolver: &Resolver,
    port: u16,
    domain: &DomainName,
    name: &DomainName,
    located: &Located,
) -> Result<Dane, LeftOut> {
    let mut bases = Vec::new();
    if located.proof == Proof::Secure {
        // RFC 7672 2.2.2: the name behind the aliases first, then the one that was given.
        bases.push(&located.canonical);
    }
    if (located.proof == Proof::Secure || located.alias == Some(Proof::Secure)) && !bases.contains(&name) {
        bases.push(name);
    }
    for base in bases {
        match resolver.tlsa(base, port).await {
            Ok(found) if found.proof == Proof::Secure && !found.value.is_empty() => {
                return Ok(dane_of(found.value, base, name, domain));
            }
            Ok(_) | Err(Failure::NoSuchName) => {}
            Err(Failure::Temporary { why }) => {
                // RFC 7672 2.1.1: who can make this question fail must not get mail without an answer to it.
                let why = format!("what DANE demands of it could not be found out ({why})");
                return Err(LeftOut::because(Weight::Insecure(ResultType::DnssecInvalid), why));
            }
        }
    }
    Ok(Dane::Absent)
}

fn dane_of(found: Vec<dns::Tlsa>, base: &DomainName, name: &DomainName, domain: &DomainName) -> Dane {
    let mut records: Vec<Tlsa> = found.into_iter().filter_map(usable_record).collect();
    records.sort();
    records.dedup();
    records.truncate(limits::WAY_TLSA_MAX);
    if records.is_empty() {
        return Dane::Unusable;
    }
    // RFC 7672 3.1.1: with usage 3 the name in the certificate does not matter, so it sets no ways apart.
    let mut names = vec![base.clone()];
    if records.iter().any(|record| record.usage == 2) {
        // RFC 7672 3.2.2: the name of the records, of the host, and of the destination.
        for other in [name, domain] {
            if !names.contains(other) {
                names.push(other.clone());
            }
        }
    }
    Dane::Usable { records, names }
}

/// RFC 7672 3.1.3: usages 0 and 1 are of no use in SMTP. RFC 6698 2.1: and the data is of the length that its
/// kind has.
fn usable_record(record: dns::Tlsa) -> Option<Tlsa> {
    let dns::Tlsa { usage, selector, matching, data } = record;
    let fits = match matching {
        0 => !data.is_empty(),
        1 => data.len() == 32,
        2 => data.len() == 64,
        _ => false,
    };
    (matches!(usage, 2 | 3) && selector <= 1 && fits).then_some(Tlsa { usage, selector, matching, data })
}

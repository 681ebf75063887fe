//! From a domain's settings to the records it needs. Pure: nothing is asked here.

use super::{Key, Kind, Leaving, Needs, Ours, Purpose, Record, Required, Stage, Taking};
use crate::mail::domain_name::DomainName;
use crate::model::directory::{Directory, Entry};
use crate::model::domain::{Domain, ReturnPath, Tracking, Via};
use crate::model::host::Host;
use crate::net::guard::is_public;
use std::net::IpAddr;

/// The name below a domain that our return paths are of, and its reports come back to.
const RETURN_PATH: &str = "rp";

impl Leaving {
    /// As the directory has it. Rules for destinations may send any domain's mail from other sources, so theirs
    /// are among the addresses.
    pub fn of(directory: &Directory, entry: &Entry<Domain>) -> Self {
        let domain = &entry.value;
        match &domain.relay {
            Via::Relay(name) => {
                let host = directory.relay(&entry.tenant, name).map(|relay| relay.value.host.to_string());
                return Self::Relay { name: name.clone(), host: host.unwrap_or_else(|| name.to_string()) };
            }
            Via::Sandbox => return Self::Nowhere,
            Via::Direct => {}
        }
        let rules = directory.destinations().all().iter().filter_map(|rule| rule.source.as_ref());
        let sources = domain.source.iter().chain(rules).filter_map(|name| directory.source(name));
        let addresses = sources.flat_map(|source| &source.addresses).map(|from| from.address.to_canonical());
        Self::from(addresses, domain.source.is_none())
    }

    /// An address that is not on the open Internet is translated on its way: what the world sees of it is what our
    /// hostname has.
    fn from(given: impl Iterator<Item = IpAddr>, mut by_name: bool) -> Self {
        let mut addresses = Vec::new();
        for address in given {
            if !is_public(address) {
                by_name = true;
            } else if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        Self::Here { by_name: by_name || addresses.is_empty(), addresses }
    }

    /// The terms of an SPF record by which our mail passes; none when they are not ours to know.
    pub(super) fn terms(&self, hostname: &DomainName) -> Vec<String> {
        let name = || format!("a:{hostname}");
        match self {
            Self::Relay { .. } => Vec::new(),
            Self::Nowhere => vec![name()],
            Self::Here { by_name, addresses } => {
                let literal = addresses.iter().map(|address| match address {
                    IpAddr::V4(v4) => format!("ip4:{v4}"),
                    IpAddr::V6(v6) => format!("ip6:{v6}"),
                });
                by_name.then(name).into_iter().chain(literal).collect()
            }
        }
    }
}

impl<'a> Ours<'a> {
    /// Of a domain in the directory.
    pub fn of(directory: &Directory, entry: &'a Entry<Domain>, hostname: &'a DomainName, keys: &'a [Key]) -> Self {
        let domain = &entry.value;
        let taking = if directory.takes_mail(&domain.name) { Taking::Here } else { Taking::Elsewhere };
        Self { domain, hostname, leaving: Leaving::of(directory, entry), taking, keys }
    }
}

/// Every record that the domain needs or would be better with.
pub fn needs(ours: &Ours<'_>) -> Needs {
    let mut making = Making { ours, needs: Needs::default() };
    making.spf(Purpose::Spf, Some(ours.domain.name.clone()));
    ours.keys.iter().for_each(|key| making.dkim(key));
    making.dmarc();
    if ours.taking == Taking::Here {
        making.mx(Purpose::Mx, Some(ours.domain.name.clone()));
    }
    if ours.domain.return_path != ReturnPath::Keep {
        let host = making.below(RETURN_PATH);
        making.mx(Purpose::ReturnPathMx, host.clone());
        making.spf(Purpose::ReturnPathSpf, host);
    }
    if let Some(tracking) = &ours.domain.tracking {
        making.tracking(tracking);
    }
    if ours.taking == Taking::Here {
        making.transport_security();
    }
    making.needs
}

struct Making<'a> {
    ours: &'a Ours<'a>,
    needs: Needs,
}

impl Making<'_> {
    /// A name below the domain. One that would be too long can have no record.
    fn below(&mut self, label: &str) -> Option<DomainName> {
        let name = format!("{label}.{}", self.ours.domain.name);
        let parsed = name.parse();
        if let Err(why) = &parsed {
            self.needs.notes.push(format!("there can be no record at {name}: {why}"));
        }
        parsed.ok()
    }

    fn add(&mut self, purpose: Purpose, kind: Kind, host: Option<DomainName>, value: String, required: Required) {
        let Some(host) = host else { return };
        self.needs.records.push(Record { purpose, kind, host, value, required, first: None });
    }

    fn add_open(&mut self, purpose: Purpose, kind: Kind, host: Option<DomainName>, value: &str, first: String) {
        let Some(host) = host else { return };
        let (value, first) = (value.to_owned(), Some(first));
        let required = Required::Recommended;
        self.needs.records.push(Record { purpose, kind, host, value, required, first });
    }

    fn spf(&mut self, purpose: Purpose, host: Option<DomainName>) {
        let ours = self.ours;
        match &ours.leaving {
            Leaving::Relay { name, host: relay } => {
                let first =
                    format!("put in what the provider of relay {name} ({relay}) tells its customers to include");
                self.add_open(purpose, Kind::Txt, host, "v=spf1 include:… ~all", first);
            }
            leaving => {
                let required = if *leaving == Leaving::Nowhere { Required::Recommended } else { Required::Required };
                let terms = leaving.terms(ours.hostname).join(" ");
                self.add(purpose, Kind::Txt, host, format!("v=spf1 {terms} ~all"), required);
            }
        }
    }

    fn dkim(&mut self, key: &Key) {
        let host = self.below(&format!("{}._domainkey", key.selector));
        // A key that waits for its record, and one whose mail is mostly read, break nothing by its absence.
        let required = if key.stage == Stage::Active { Required::Required } else { Required::Recommended };
        self.add(Purpose::Dkim, Kind::Txt, host, key.record.clone(), required);
    }

    /// Asks receivers for nothing that could lose mail: a stricter policy is the admin's decision.
    fn dmarc(&mut self) {
        let host = self.below("_dmarc");
        self.add(Purpose::Dmarc, Kind::Txt, host, "v=DMARC1; p=none".to_owned(), Required::Recommended);
    }

    fn mx(&mut self, purpose: Purpose, host: Option<DomainName>) {
        self.add(purpose, Kind::Mx, host, format!("10 {}", self.ours.hostname), Required::Required);
    }

    fn tracking(&mut self, tracking: &Tracking) {
        let Host::Name(name) = tracking.host.host() else { return };
        // Our own name needs no other, and nobody but this machine asks for a loopback one.
        if name == *self.ours.hostname || tracking.host.host().is_loopback() {
            return;
        }
        if name == self.ours.domain.name {
            // RFC 1034 3.6.2: a name with other records can be no alias.
            let hostname = self.ours.hostname;
            self.needs.notes.push(format!("{name} must have the addresses of {hostname}: it is tracked by itself"));
            return;
        }
        let required = if tracking.check { Required::Required } else { Required::Recommended };
        self.add(Purpose::Tracking, Kind::Cname, Some(name), self.ours.hostname.to_string(), required);
    }

    /// RFC 8461 3.1, RFC 8460 3: how others are to encrypt mail to us, and where they tell how that went.
    fn transport_security(&mut self) {
        let domain = &self.ours.domain.name;
        let policy = format!("publish the policy at https://mta-sts.{domain}/.well-known/mta-sts.txt");
        let host = self.below("_mta-sts");
        self.add_open(Purpose::MtaSts, Kind::Txt, host, "v=STSv1; id=1", policy);
        let host = self.below("mta-sts");
        let server = "put in the web server that has the policy".to_owned();
        self.add_open(Purpose::MtaStsHost, Kind::Cname, host, "…", server);
        let host = self.below("_smtp._tls");
        let value = format!("v=TLSRPTv1; rua=mailto:postmaster@{domain}");
        self.add(Purpose::TlsReports, Kind::Txt, host, value, Required::Recommended);
    }
}

#[cfg(test)]
mod tests;

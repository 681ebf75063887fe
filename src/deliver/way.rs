//! A way: where mail for a destination goes and what its connections have to be. Two destinations whose ways
//! have the same key share connections; nothing else may (RFC 8461 5: a policy belongs to a recipient domain).

use crate::base::secret::Secret;
use crate::mail::domain_name::DomainName;
use crate::model::host::Host;
pub use crate::smtp::dialogue::login::Mechanism;
pub use crate::smtp::dialogue::transaction::Protocol;
use std::net::IpAddr;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// The most preferred first, equal ones by name, so that a key stays the same; never empty. Who connects
    /// takes equal ones in random order (RFC 5321 5.1).
    pub hosts: Vec<Target>,
    pub port: u16,
    pub protocol: Protocol,
    /// Who we are there.
    pub login: Option<Login>,
    /// From where we go out; none: wherever the system sends it from.
    pub source: Option<Source>,
    /// Hosts that were left out, and why: for `gatepost explain` and for a reason when none is left.
    pub left_out: Vec<(String, String)>,
}

/// One host of a way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub host: Host,
    pub preference: u16,
    /// Looked up already, in no order; empty: to be looked up when it is connected to.
    pub addresses: Vec<IpAddr>,
    pub tls: Tls,
}

/// What TLS has to be on the way to a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tls {
    /// Not even when it is offered.
    Never,
    /// RFC 7435: with any certificate when it is offered, in the clear when not or when it fails.
    Opportunistic,
    /// Or no mail.
    Required { begin: Begin, trust: Trust },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Begin {
    Starttls,
    /// From the first byte.
    Implicit,
}

/// Which certificate will do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Any: encrypted, and nobody knows to whom.
    Anyone,
    /// A chain to a trusted root, for this host's name.
    Roots,
    /// RFC 7672: what the DNS says under DNSSEC. At least one of these must match; with usage 2 the certificate
    /// must be for one of these names (3.2.2). The first is where the records were found: it is sent as SNI (8.1).
    Dane { records: Vec<Tlsa>, names: Vec<DomainName> },
}

/// RFC 6698 2.1: one usable TLSA record (usage 2 or 3; selector 0 or 1; matching 0, 1 or 2).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tlsa {
    pub usage: u8,
    pub selector: u8,
    pub matching: u8,
    pub data: Vec<u8>,
}

/// An account at a smarthost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    pub username: String,
    pub password: Secret,
    /// The only mechanism to be used, when the operator says which.
    pub mechanism: Option<Mechanism>,
}

/// Addresses of ours to go out from, each with the name that its reverse DNS has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub name: String,
    pub addresses: Vec<SourceAddress>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceAddress {
    pub address: IpAddr,
    /// What we say in EHLO from there; none: our host name.
    pub hello: Option<DomainName>,
}

impl Way {
    /// What connections are shared by: hosts, port, TLS, who we are, and where from. Not the addresses, which
    /// servers of names hand out in turn; never the password.
    pub fn key(&self) -> String {
        let mut key = format!("{:?}:{}", self.protocol, self.port);
        for target in &self.hosts {
            key.push_str(&format!("|{} {} {}", target.preference, target.host, target.tls.key()));
        }
        if let Some(login) = &self.login {
            key.push_str(&format!("|login {}", login.username));
        }
        if let Some(source) = &self.source {
            key.push_str(&format!("|from {}", source.name));
        }
        key
    }
}

impl Tls {
    fn key(&self) -> String {
        match self {
            Self::Required { begin, trust: Trust::Dane { records, names } } => {
                let records: Vec<_> = records
                    .iter()
                    .map(|r| {
                        let data: String = r.data.iter().map(|b| format!("{b:02x}")).collect();
                        format!("{}-{}-{}-{data}", r.usage, r.selector, r.matching)
                    })
                    .collect();
                let names: Vec<_> = names.iter().map(DomainName::as_str).collect();
                format!("{begin:?} dane {} {}", records.join(","), names.join(","))
            }
            other => format!("{other:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(tls: Tls) -> Way {
        let host = Host::Name("mx.example.net".parse().unwrap());
        Way {
            hosts: vec![Target { host, preference: 10, addresses: Vec::new(), tls }],
            port: 25,
            protocol: Protocol::Smtp,
            login: None,
            source: None,
            left_out: Vec::new(),
        }
    }

    #[test]
    fn what_may_share_a_connection_has_the_same_key() {
        let mut one = way(Tls::Opportunistic);
        let other = way(Tls::Opportunistic);
        one.hosts[0].addresses = vec!["192.0.2.1".parse().unwrap()];
        assert_eq!(one.key(), other.key());
    }

    #[test]
    fn what_may_not_differs_in_it() {
        let dane = |data: &[u8]| Tls::Required {
            begin: Begin::Starttls,
            trust: Trust::Dane {
                records: vec![Tlsa { usage: 3, selector: 1, matching: 1, data: data.to_vec() }],
                names: Vec::new(),
            },
        };
        let roots = Tls::Required { begin: Begin::Starttls, trust: Trust::Roots };
        let mut login = way(roots.clone());
        let password = Secret::new("hunter2".to_owned());
        login.login = Some(Login { username: "us".into(), password, mechanism: None });
        let mut source = way(roots.clone());
        source.source = Some(Source { name: "pool".into(), addresses: Vec::new() });
        let ways =
            [way(Tls::Never), way(Tls::Opportunistic), way(roots), way(dane(&[1])), way(dane(&[2])), login, source];
        let keys: std::collections::BTreeSet<_> = ways.iter().map(Way::key).collect();
        assert_eq!(keys.len(), ways.len());
        assert!(!keys.iter().any(|key| key.contains("hunter2")));
    }
}

//! What a receiver finds for mail from an address (RFC 7208 4, check_host), by our own resolver: a zone file
//! answers it as well as the world. Macros are of the mail, which there is none of: a term with one that would have
//! to be asked ends the answer with "unknown".

use super::record::{Mechanism, Qualifier, Spec, SpfRecord, Width, is_spf};
use crate::base::limits;
use crate::dns::{Failure, Mx, Resolver};
use crate::mail::domain_name::DomainName;
use futures_util::future::BoxFuture;
use std::net::IpAddr;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Pass(By),
    Fail,
    SoftFail,
    /// `?`, or no term matched.
    Neutral,
    /// There is no record.
    None,
    /// permerror: no receiver can use the record. Why, without a full stop.
    Broken(String),
    /// temperror, or only a receiver can say.
    Unknown(String),
}

/// What let it pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    Term,
    /// `+all`: everybody passes.
    All,
}

/// One evaluation, with what it has spent.
pub struct Evaluation<'a> {
    resolver: &'a Resolver,
    address: IpAddr,
    lookups: usize,
    void: usize,
}

/// Why an evaluation ends before a term decided.
type End = Verdict;

impl<'a> Evaluation<'a> {
    pub fn of(address: IpAddr, resolver: &'a Resolver) -> Self {
        Self { resolver, address: address.to_canonical(), lookups: 0, void: 0 }
    }

    /// By this record of this domain.
    pub async fn by(&mut self, domain: &DomainName, record: &SpfRecord) -> Verdict {
        self.check(domain, record).await.unwrap_or_else(|end| end)
    }

    fn check<'b>(&'b mut self, domain: &'b DomainName, record: &'b SpfRecord) -> BoxFuture<'b, Result<Verdict, End>> {
        Box::pin(async move {
            for directive in &record.directives {
                let Some(by) = self.matches(domain, &directive.mechanism).await? else { continue };
                return Ok(match directive.qualifier {
                    Qualifier::Pass => Verdict::Pass(by),
                    Qualifier::Fail => Verdict::Fail,
                    Qualifier::SoftFail => Verdict::SoftFail,
                    Qualifier::Neutral => Verdict::Neutral,
                });
            }
            // RFC 7208 6.1: only where no term matched.
            let Some(redirect) = &record.redirect else { return Ok(Verdict::Neutral) };
            self.spend()?;
            match self.other(redirect).await? {
                Verdict::None => Err(Verdict::Broken(format!("it redirects to {}, which has no SPF", shown(redirect)))),
                verdict => Ok(verdict),
            }
        })
    }

    async fn matches(&mut self, domain: &DomainName, mechanism: &Mechanism) -> Result<Option<By>, End> {
        let matched = match mechanism {
            Mechanism::All => return Ok(Some(By::All)),
            Mechanism::Ip4(network) => matches!(self.address, IpAddr::V4(v4) if network.contains(&v4)),
            Mechanism::Ip6(network) => matches!(self.address, IpAddr::V6(v6) if network.contains(&v6)),
            Mechanism::Include(spec) => return self.include(spec).await,
            Mechanism::A(spec, width) => {
                self.spend()?;
                match name_of(spec.as_ref(), domain)? {
                    Some(name) => self.has(&name, *width).await?,
                    None => false,
                }
            }
            Mechanism::Mx(spec, width) => {
                self.spend()?;
                match name_of(spec.as_ref(), domain)? {
                    Some(name) => self.mail_hosts(&name, *width).await?,
                    None => false,
                }
            }
            Mechanism::Exists(spec) => {
                self.spend()?;
                match name_of(Some(spec), domain)? {
                    Some(name) => self.exists(&name).await?,
                    None => false,
                }
            }
            // RFC 7208 5.5: not to be used, slow, and what it depends on is not in the hands of who publishes it.
            Mechanism::Ptr => {
                self.spend()?;
                false
            }
        };
        Ok(matched.then_some(By::Term))
    }

    /// RFC 7208 5.2: a pass there is a match here; no record there breaks ours.
    async fn include(&mut self, spec: &Spec) -> Result<Option<By>, End> {
        self.spend()?;
        match self.other(spec).await? {
            Verdict::Pass(by) => Ok(Some(by)),
            Verdict::Fail | Verdict::SoftFail | Verdict::Neutral => Ok(None),
            Verdict::None => Err(Verdict::Broken(format!("it includes {}, which has no SPF", shown(spec)))),
            end @ (Verdict::Broken(_) | Verdict::Unknown(_)) => Err(end),
        }
    }

    /// What another domain's record says.
    async fn other(&mut self, spec: &Spec) -> Result<Verdict, End> {
        let name = match spec {
            Spec::Name(name) => name,
            Spec::Macro(_) => return Err(macros(spec)),
            Spec::Malformed(_) => return Ok(Verdict::None),
        };
        let texts = match self.resolver.txt(name).await {
            Ok(answer) => answer.value,
            Err(Failure::NoSuchName) => Vec::new(),
            Err(Failure::Temporary { why }) => return Err(Verdict::Unknown(format!("{name}: {why}"))),
        };
        let texts = texts.iter().map(|text| String::from_utf8_lossy(text));
        let records: Vec<_> = texts.filter(|text| is_spf(text)).collect();
        match &records[..] {
            [] => Ok(Verdict::None),
            [one] => match SpfRecord::parse(one) {
                Ok(record) => self.check(name, &record).await,
                Err(why) => Err(Verdict::Broken(format!("the record of {name} is broken: {why}"))),
            },
            // RFC 7208 4.5.
            _ => Err(Verdict::Broken(format!("{name} has {} SPF records", records.len()))),
        }
    }

    async fn has(&mut self, name: &DomainName, width: Width) -> Result<bool, End> {
        let addresses = self.addresses(name).await?;
        let of_family: Vec<_> = addresses.iter().filter(|found| found.is_ipv4() == self.address.is_ipv4()).collect();
        if of_family.is_empty() {
            self.nothing_found()?;
        }
        Ok(of_family.into_iter().any(|found| width.covers(*found, self.address)))
    }

    async fn mail_hosts(&mut self, name: &DomainName, width: Width) -> Result<bool, End> {
        let hosts = match self.resolver.mx(name).await {
            Ok(answer) => match answer.value {
                Mx::Hosts(hosts) => hosts,
                Mx::Null => return Ok(false),
                Mx::Implicit => Vec::new(),
            },
            Err(Failure::NoSuchName) => Vec::new(),
            Err(Failure::Temporary { why }) => return Err(Verdict::Unknown(format!("{name}: {why}"))),
        };
        if hosts.is_empty() {
            self.nothing_found()?;
        }
        // RFC 7208 4.6.4.
        if hosts.len() > limits::SPF_MAIL_HOSTS_MAX {
            return Err(Verdict::Broken(format!("{name} has more than {} mail hosts", limits::SPF_MAIL_HOSTS_MAX)));
        }
        for (_, host) in hosts {
            if self.addresses(&host).await?.into_iter().any(|found| width.covers(found, self.address)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// RFC 7208 5.7: an IPv4 address, whatever it is and however mail came. A name that does not exist is an answer.
    async fn exists(&mut self, name: &DomainName) -> Result<bool, End> {
        let found = self.addresses(name).await?.iter().any(IpAddr::is_ipv4);
        if !found {
            self.nothing_found()?;
        }
        Ok(found)
    }

    async fn addresses(&self, name: &DomainName) -> Result<Vec<IpAddr>, End> {
        match self.resolver.addresses(name).await {
            Ok(answer) => Ok(answer.value),
            Err(Failure::NoSuchName) => Ok(Vec::new()),
            Err(Failure::Temporary { why }) => Err(Verdict::Unknown(format!("{name}: {why}"))),
        }
    }

    /// RFC 7208 4.6.4: terms that ask the DNS are counted, wherever they stand.
    fn spend(&mut self) -> Result<(), End> {
        self.lookups += 1;
        if self.lookups > limits::SPF_LOOKUPS_MAX {
            let why = format!("it takes more than {} lookups, and receivers give up there", limits::SPF_LOOKUPS_MAX);
            return Err(Verdict::Broken(why));
        }
        Ok(())
    }

    /// RFC 7208 4.6.4: and so are questions that find nothing.
    fn nothing_found(&mut self) -> Result<(), End> {
        self.void += 1;
        if self.void > limits::SPF_VOID_LOOKUPS_MAX {
            let why = format!("more than {} of its names lead nowhere", limits::SPF_VOID_LOOKUPS_MAX);
            return Err(Verdict::Broken(why));
        }
        Ok(())
    }
}

/// The name that a term means; none when the DNS can have none such.
fn name_of(spec: Option<&Spec>, domain: &DomainName) -> Result<Option<DomainName>, End> {
    match spec {
        None => Ok(Some(domain.clone())),
        Some(Spec::Name(name)) => Ok(Some(name.clone())),
        Some(Spec::Malformed(_)) => Ok(None),
        Some(spec @ Spec::Macro(_)) => Err(macros(spec)),
    }
}

fn macros(spec: &Spec) -> Verdict {
    Verdict::Unknown(format!("{} is made by receivers from each mail", shown(spec)))
}

fn shown(spec: &Spec) -> String {
    match spec {
        Spec::Name(name) => name.to_string(),
        Spec::Macro(text) | Spec::Malformed(text) => text.escape_debug().to_string(),
    }
}

#[cfg(test)]
mod tests;

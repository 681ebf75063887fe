//! Asks the DNS for the records that a domain needs, beside each other, and judges what comes back. Everything has a
//! deadline: what is not known by then is unknown.

use super::spf::{By, Evaluation, Mechanism, Qualifier, SpfRecord, Verdict, amended, is_spf};
use super::{Checked, Found, Leaving, Ours, Purpose, Record, judge};
use crate::base::limits;
use crate::dns::{Care, Failure, Located, Mx, Resolver};
use crate::mail::domain_name::DomainName;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use std::net::IpAddr;
use tokio::time::timeout;

/// Looks at these records; the answers are in their order.
pub async fn look(ours: &Ours<'_>, records: &[Record], resolver: &Resolver) -> Vec<Checked> {
    let us = timeout(limits::RECORDS_LOOK_MAX, resolver.host(ours.hostname, Care::Plain)).await;
    let us = us.unwrap_or_else(|_| Err(too_slow()));
    let looking = Looking { ours, us, resolver };
    let checks: Vec<BoxFuture<'_, Checked>> = records.iter().map(|record| looking.check(record).boxed()).collect();
    futures_util::stream::iter(checks).buffered(limits::RECORDS_AT_ONCE).collect().await
}

fn too_slow() -> Failure {
    Failure::Temporary { why: format!("it took more than {} s", limits::RECORDS_LOOK_MAX.as_secs()) }
}

struct Looking<'a> {
    ours: &'a Ours<'a>,
    /// Our hostname, as the DNS has it.
    us: Result<Located, Failure>,
    resolver: &'a Resolver,
}

type Seen = (Vec<String>, Found);

impl Looking<'_> {
    async fn check(&self, record: &Record) -> Checked {
        let seen = timeout(limits::RECORDS_LOOK_MAX, self.see(record)).await;
        let (observed, found) = seen.unwrap_or_else(|_| (Vec::new(), Found::unknown(why_not(&too_slow()))));
        Checked { record: record.clone(), observed, found }
    }

    async fn see(&self, record: &Record) -> Seen {
        let host = &record.host;
        match record.purpose {
            Purpose::Spf | Purpose::ReturnPathSpf => self.spf(host).await,
            Purpose::Dkim => self.text(host, |texts| judge::dkim(&record.value, texts)).await,
            Purpose::Dmarc => self.dmarc(host).await,
            Purpose::Mx | Purpose::ReturnPathMx => self.mx(host).await,
            Purpose::Tracking => self.alias(host).await,
            Purpose::MtaSts => self.text(host, judge::mta_sts).await,
            Purpose::MtaStsHost => self.somewhere(host).await,
            Purpose::TlsReports => self.text(host, judge::tls_reports).await,
        }
    }

    async fn texts(&self, host: &DomainName) -> Result<Vec<String>, Failure> {
        match self.resolver.txt(host).await {
            Ok(answer) => Ok(answer.value.iter().map(|text| String::from_utf8_lossy(text).into_owned()).collect()),
            Err(Failure::NoSuchName) => Ok(Vec::new()),
            Err(failure) => Err(failure),
        }
    }

    async fn text(&self, host: &DomainName, judged: impl Fn(&[String]) -> Found) -> Seen {
        match self.texts(host).await {
            Ok(texts) => {
                let found = judged(&texts);
                (texts, found)
            }
            Err(failure) => (Vec::new(), Found::unknown(why_not(&failure))),
        }
    }

    /// RFC 7489 6.6.3: without a record of its own a domain goes by that of the organisation above it.
    async fn dmarc(&self, host: &DomainName) -> Seen {
        let (texts, found) = self.text(host, judge::dmarc).await;
        if found != Found::Missing {
            return (texts, found);
        }
        let parents = self.ours.domain.name.parents().filter(|name| name.as_str().contains('.'));
        for parent in parents.take(limits::DMARC_PARENTS_MAX) {
            let Ok(above) = format!("_dmarc.{parent}").parse() else { continue };
            match self.text(&above, judge::dmarc).await {
                (_, Found::Missing) => {}
                (texts, Found::Right { .. }) => {
                    return (texts, Found::noted(format!("the policy of {parent} counts for it")));
                }
                (texts, Found::Wrong { why, .. }) => {
                    return (texts, Found::wrong(format!("the policy of {parent} counts for it, and {why}")));
                }
                unknown => return unknown,
            }
        }
        (Vec::new(), Found::Missing)
    }

    async fn spf(&self, host: &DomainName) -> Seen {
        let mut texts = match self.texts(host).await {
            Ok(texts) => texts,
            Err(failure) => return (Vec::new(), Found::unknown(why_not(&failure))),
        };
        texts.retain(|text| is_spf(text));
        let found = self.spf_of(host, &texts).await;
        (texts, found)
    }

    async fn spf_of(&self, host: &DomainName, texts: &[String]) -> Found {
        let terms = self.ours.leaving.terms(self.ours.hostname);
        let wrong = |why: String| Found::Wrong { why, instead: Some(amended(texts, &terms)) };
        let text = match texts {
            [] => return Found::Missing,
            [one] => one,
            // RFC 7208 4.5.
            _ => return wrong(format!("there are {} SPF records, and receivers use none of several", texts.len())),
        };
        let record = match SpfRecord::parse(text) {
            Ok(record) => record,
            Err(why) => return wrong(format!("receivers cannot use it: {why}")),
        };
        let all = |q: Qualifier, m: &Mechanism| q == Qualifier::Pass && *m == Mechanism::All;
        if record.directives.iter().any(|directive| all(directive.qualifier, &directive.mechanism)) {
            return wrong("+all lets anybody send in its name".to_owned());
        }
        if let Leaving::Relay { name, .. } = &self.ours.leaving {
            return by_relay(&record, name.as_str());
        }
        match self.senders() {
            Ok(senders) => self.passes(host, &record, &senders, wrong).await,
            Err(found) => found,
        }
    }

    /// The addresses that our mail comes from.
    fn senders(&self) -> Result<Vec<IpAddr>, Found> {
        let (by_name, literal) = match &self.ours.leaving {
            Leaving::Here { by_name, addresses } => (*by_name, addresses.clone()),
            Leaving::Relay { .. } | Leaving::Nowhere => (true, Vec::new()),
        };
        if !by_name {
            return Ok(literal);
        }
        let hostname = self.ours.hostname;
        match &self.us {
            Ok(us) if !us.addresses.is_empty() => Ok(us.addresses.iter().copied().chain(literal).collect()),
            Err(failure @ Failure::Temporary { .. }) => {
                Err(Found::unknown(format!("{hostname}: {}", why_not(failure))))
            }
            Ok(_) | Err(Failure::NoSuchName) => Err(Found::wrong(no_address(hostname))),
        }
    }

    async fn passes(
        &self,
        host: &DomainName,
        record: &SpfRecord,
        senders: &[IpAddr],
        wrong: impl Fn(String) -> Found,
    ) -> Found {
        for sender in senders {
            let why = match Evaluation::of(*sender, self.resolver).by(host, record).await {
                Verdict::Pass(By::Term) => continue,
                Verdict::Pass(By::All) => "by what it includes, anybody may send in its name".to_owned(),
                Verdict::Fail => format!("it forbids {sender}, which our mail comes from (fail)"),
                Verdict::SoftFail => format!("it does not name {sender}, which our mail comes from (softfail)"),
                Verdict::Neutral | Verdict::None => {
                    format!("it says nothing of {sender}, which our mail comes from (neutral)")
                }
                Verdict::Broken(why) => format!("receivers cannot use it: {why}"),
                Verdict::Unknown(why) => return Found::unknown(why),
            };
            return wrong(why);
        }
        Found::RIGHT
    }

    async fn mx(&self, host: &DomainName) -> Seen {
        let hosts = match self.resolver.mx(host).await {
            Ok(answer) => match answer.value {
                Mx::Hosts(hosts) => hosts,
                // RFC 7505 3.
                Mx::Null => return (vec!["0 .".to_owned()], Found::wrong("it says that no mail is taken there")),
                Mx::Implicit => return (Vec::new(), Found::Missing),
            },
            Err(Failure::NoSuchName) => return (Vec::new(), Found::Missing),
            Err(failure) => return (Vec::new(), Found::unknown(why_not(&failure))),
        };
        let observed = hosts.iter().map(|(preference, host)| format!("{preference} {host}")).collect();
        (observed, self.mx_of(&hosts).await)
    }

    async fn mx_of(&self, hosts: &[(u16, DomainName)]) -> Found {
        let mut doubt = None;
        for (preference, host) in hosts.iter().take(limits::RECORDS_MAIL_HOSTS_MAX) {
            match self.is_us(host).await {
                Ok(false) => {}
                Err(found) => doubt = Some(found),
                Ok(true) => {
                    let before = hosts.iter().filter(|(other, _)| other < preference).map(|(_, host)| host.as_str());
                    let before: Vec<_> = before.collect();
                    return match before.is_empty() {
                        true => Found::RIGHT,
                        false => Found::noted(format!("others are asked before us: {}", before.join(", "))),
                    };
                }
            }
        }
        doubt.unwrap_or_else(|| {
            Found::wrong(format!("mail goes elsewhere: none of its hosts is {} or has its address", self.ours.hostname))
        })
    }

    /// By its name, or by an address that it shares with us.
    async fn is_us(&self, host: &DomainName) -> Result<bool, Found> {
        let us = match &self.us {
            Ok(us) => &us.addresses[..],
            Err(Failure::NoSuchName) => &[],
            Err(failure) if host == self.ours.hostname => return Err(Found::unknown(why_not(failure))),
            Err(failure) => return Err(Found::unknown(format!("{}: {}", self.ours.hostname, why_not(failure)))),
        };
        if host == self.ours.hostname {
            return if us.is_empty() { Err(Found::wrong(no_address(host))) } else { Ok(true) };
        }
        match self.resolver.addresses(host).await {
            Ok(answer) => Ok(answer.value.iter().any(|address| us.contains(address))),
            Err(Failure::NoSuchName) => Ok(false),
            Err(failure) => Err(Found::unknown(format!("{host}: {}", why_not(&failure)))),
        }
    }

    async fn alias(&self, host: &DomainName) -> Seen {
        let located = match self.resolver.host(host, Care::Plain).await {
            Ok(located) => located,
            Err(Failure::NoSuchName) => return (Vec::new(), Found::Missing),
            Err(failure) => return (Vec::new(), Found::unknown(why_not(&failure))),
        };
        let (mut observed, hostname) = (Vec::new(), self.ours.hostname);
        if located.canonical != *host {
            observed.push(located.canonical.to_string());
        }
        observed.extend(located.addresses.iter().map(ToString::to_string));
        if observed.is_empty() {
            return (observed, Found::Missing);
        }
        let found = match &self.us {
            _ if located.canonical == *hostname && !located.addresses.is_empty() => Found::RIGHT,
            Ok(us) if us.canonical == located.canonical && !located.addresses.is_empty() => Found::RIGHT,
            Ok(us) if located.addresses.iter().any(|address| us.addresses.contains(address)) => Found::RIGHT,
            Err(failure @ Failure::Temporary { .. }) => Found::unknown(format!("{hostname}: {}", why_not(failure))),
            _ => Found::wrong(format!(
                "it leads elsewhere than {hostname}: right only where a proxy there passes on to us"
            )),
        };
        (observed, found)
    }

    async fn somewhere(&self, host: &DomainName) -> Seen {
        match self.resolver.addresses(host).await {
            Ok(answer) if answer.value.is_empty() => (Vec::new(), Found::Missing),
            Ok(answer) => (answer.value.iter().map(ToString::to_string).collect(), Found::RIGHT),
            Err(Failure::NoSuchName) => (Vec::new(), Found::Missing),
            Err(failure) => (Vec::new(), Found::unknown(why_not(&failure))),
        }
    }
}

/// What can be said of a record that names a provider's servers without knowing them.
fn by_relay(record: &SpfRecord, relay: &str) -> Found {
    let names_somebody = record.redirect.is_some()
        || record.directives.iter().any(|d| d.mechanism != Mechanism::All && d.qualifier == Qualifier::Pass);
    if !names_somebody {
        return Found::wrong("it lets nobody send");
    }
    Found::noted(format!("whether it names the servers of relay {relay} only its provider can say"))
}

fn no_address(hostname: &DomainName) -> String {
    format!("{hostname}, which is server.hostname, has no address in the DNS")
}

fn why_not(failure: &Failure) -> String {
    match failure {
        Failure::NoSuchName => "no such name".to_owned(),
        Failure::Temporary { why } => why.clone(),
    }
}

#[cfg(test)]
mod tests;

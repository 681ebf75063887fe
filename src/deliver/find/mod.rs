//! How a destination becomes a way: the mail hosts that the DNS names (RFC 5321 5.1), without those that are
//! ourselves or nobody, each with the TLS that DANE (RFC 7672), MTA-STS (RFC 8461) or the sender (RFC 8689)
//! demands. What was found and which rule decided is told in sentences; what was not found is never a refusal
//! unless the DNS itself says so.

mod demand;
mod look;
pub mod own;
mod relay;
mod verdict;

use super::report::{PolicyType, ResultType, Rule};
use super::sts::policy::{Mode, Policy};
use super::sts::{Consulted, Learned, Sts};
use super::way::{Protocol, Target, Tls, Trust, Way};
use crate::base::limits;
use crate::dns::{Answer, Care, Failure, Mx, Proof, Resolver};
use crate::mail::domain_name::DomainName;
use crate::model::host::Host;
use crate::model::outcome::Why;
use arc_swap::ArcSwap;
use demand::Said;
use look::{Dane, LeftOut, Listed, Reached, Weight};
pub use own::Own;
use std::sync::Arc;
use std::time::Duration;

/// Clones share what it knows.
#[derive(Clone)]
pub struct Finder {
    pub resolver: Resolver,
    pub sts: Sts,
    /// Swapped at a reload.
    pub own: Arc<ArcSwap<Own>>,
}

/// What the sender demands of the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Demand {
    Ordinary,
    /// RFC 8689: a host that is vouched for, with TLS and a certificate that proves it.
    RequireTls,
}

#[derive(Clone, Debug)]
pub struct Found {
    pub way: Way,
    pub policy: PolicyUsed,
    pub trail: Trail,
    /// How long it may be used without asking again.
    pub good_for: Duration,
}

/// No way, with what was learnt all the same.
#[derive(Clone, Debug)]
pub struct Lost {
    /// Its status says whether for now (4) or for good (5).
    pub why: Why,
    pub policy: PolicyUsed,
    pub trail: Trail,
}

/// What is worth keeping of a search, whatever its end.
#[derive(Clone, Debug, Default)]
pub struct Trail {
    /// For `gatepost explain`: what was found, and which rule decided.
    pub notes: Vec<String>,
    /// A policy to be kept over a restart.
    pub learned: Option<Learned>,
    /// For TLS reports: what went wrong before any session, with the host if it was about one.
    pub failures: Vec<(Option<DomainName>, ResultType)>,
    /// For them, too: what a session with each host is held to.
    pub rules: Vec<(Host, Rule)>,
}

/// Which policy of the domain decided about TLS; single hosts can have DANE instead (`Found::rule_at`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyUsed {
    None,
    /// At every host.
    Dane,
    Sts {
        mode: Mode,
        id: String,
        lines: Vec<String>,
    },
}

impl From<Lost> for Why {
    fn from(lost: Lost) -> Self {
        lost.why
    }
}

impl Found {
    /// What a session with this host is held to, for its report.
    pub fn rule_at(&self, target: &Target) -> Rule {
        match (&target.tls, &self.policy) {
            (Tls::Required { trust: Trust::Dane { records, .. }, .. }, _) => {
                let text = records.iter().map(|record| {
                    let data: String = record.data.iter().map(|byte| format!("{byte:02x}")).collect();
                    format!("{} {} {} {data}", record.usage, record.selector, record.matching)
                });
                Rule { policy: PolicyType::Tlsa, text: text.collect() }
            }
            (Tls::Required { trust: Trust::Anyone, .. }, _) => Rule { policy: PolicyType::Tlsa, text: Vec::new() },
            (_, PolicyUsed::Sts { lines, .. }) => Rule { policy: PolicyType::Sts, text: lines.clone() },
            (_, PolicyUsed::None | PolicyUsed::Dane) => Rule { policy: PolicyType::NoPolicyFound, text: Vec::new() },
        }
    }
}

/// The hosts that the DNS names for a domain, in their order.
struct Named {
    hosts: Vec<Listed>,
    proof: Proof,
}

impl Finder {
    pub fn new(resolver: Resolver, sts: Sts, own: Own) -> Self {
        Self { resolver, sts, own: Arc::new(ArcSwap::from_pointee(own)) }
    }

    pub async fn find(&self, domain: &DomainName, demand: Demand) -> Result<Found, Box<Lost>> {
        let found = tokio::time::timeout(limits::WAY_FIND_MAX, self.search(domain, demand)).await;
        found.unwrap_or_else(|_| {
            let why = verdict::not_now(format!("looking for the mail hosts of {domain} took too long"));
            Err(Box::new(Lost { why, policy: PolicyUsed::None, trail: Trail::default() }))
        })
    }

    async fn search(&self, domain: &DomainName, demand: Demand) -> Result<Found, Box<Lost>> {
        let own = self.own.load_full();
        let (mx, sts) = tokio::join!(self.resolver.mail_hosts(domain, Care::Proven), self.sts.consult(domain));
        let mut trail = Trail { notes: vec![sts.note.clone()], ..Trail::default() };
        trail.failures.extend(sts.trouble.as_ref().map(|trouble| (None, trouble.result)));
        trail.learned.clone_from(&sts.learned);
        let policy = policy_used(&sts);
        let lost = |why, trail| Box::new(Lost { why, policy: policy.clone(), trail });
        let named = match named(domain, mx, &mut trail.notes) {
            Ok(named) => named,
            Err(why) => return Err(lost(why, trail)),
        };
        let (named, mut left_out) = before_us(named, &own);
        let looked = self.look_at(domain, &own, &named).await;
        let rules = sts.policy.as_ref().map(|policy| &policy.policy);
        let hosts = choose(named.proof, looked, rules, demand, &mut left_out, &mut trail);
        if hosts.is_empty() {
            return Err(lost(verdict::nobody_left(domain, &left_out), trail));
        }
        let policy = if hosts.iter().all(by_dane) { PolicyUsed::Dane } else { policy };
        let left_out = left_out.into_iter().map(|(name, left)| (name.to_string(), left.why)).collect();
        let way = Way { hosts, port: own.port, protocol: Protocol::Smtp, login: None, source: None, left_out };
        let mut found = Found { way, policy, trail, good_for: limits::WAY_GOOD_FOR };
        found.trail.rules = found.way.hosts.iter().map(|target| (target.host.clone(), found.rule_at(target))).collect();
        Ok(found)
    }

    async fn look_at(&self, domain: &DomainName, own: &Own, named: &Named) -> Vec<(Listed, Result<Reached, LeftOut>)> {
        let looks = named.hosts.iter().take(limits::WAY_HOSTS_MAX).map(async |listed| {
            (listed.clone(), look::look(&self.resolver, own, domain, &listed.name, named.proof).await)
        });
        futures_util::future::join_all(looks).await
    }
}

fn by_dane(target: &Target) -> bool {
    matches!(target.tls, Tls::Required { trust: Trust::Dane { .. }, .. })
}

fn policy_used(sts: &Consulted) -> PolicyUsed {
    match &sts.policy {
        Some(policy) if policy.policy.mode != Mode::None => PolicyUsed::Sts {
            mode: policy.policy.mode,
            id: policy.id.clone(),
            lines: policy.text.lines().map(|line| line.trim_end().to_owned()).collect(),
        },
        _ => PolicyUsed::None,
    }
}

/// RFC 5321 5.1, RFC 7505.
fn named(domain: &DomainName, mx: Result<Answer<Mx>, Failure>, notes: &mut Vec<String>) -> Result<Named, Why> {
    let Answer { value, proof } = match mx {
        Ok(answer) => answer,
        Err(Failure::NoSuchName) => return Err(verdict::no_such_domain(domain)),
        Err(failure) => return Err(verdict::not_now(format!("the mail hosts of {domain}: {failure}"))),
    };
    let proven = if proof == Proof::Secure { ", proven by DNSSEC" } else { "" };
    let hosts = match value {
        Mx::Null => return Err(verdict::takes_no_mail(domain)),
        // RFC 5321 5.1: with MX records the domain's own address is no way, however useless they are.
        Mx::Hosts(hosts) if hosts.is_empty() => return Err(verdict::no_usable_mx(domain)),
        Mx::Hosts(hosts) => {
            let list: Vec<_> = hosts.iter().map(|(preference, name)| format!("{preference} {name}")).collect();
            notes.push(format!("{domain} has the mail hosts {}{proven}", list.join(", ")));
            hosts.into_iter().map(|(preference, name)| Listed { preference, name }).collect()
        }
        Mx::Implicit => {
            notes.push(format!("{domain} names no mail host and is its own (RFC 5321 5.1){proven}"));
            vec![Listed { preference: 0, name: domain.clone() }]
        }
    };
    Ok(Named { hosts, proof })
}

type Left = Vec<(DomainName, LeftOut)>;

/// RFC 5321 5.1: when we are one of them, only those that are preferred to us may have it.
fn before_us(mut named: Named, own: &Own) -> (Named, Left) {
    let ours = named.hosts.iter().filter(|listed| own.is_named(&listed.name)).map(|listed| listed.preference).min();
    let Some(ours) = ours else { return (named, Vec::new()) };
    let (before, rest) = named.hosts.into_iter().partition(|listed| listed.preference < ours);
    named.hosts = before;
    let rest: Vec<Listed> = rest;
    let left = rest.into_iter().map(|listed| {
        let why = if own.is_named(&listed.name) { "it is ourselves" } else { "it is not preferred to us" };
        (listed.name, LeftOut::because(Weight::Ours, why))
    });
    (named, left.collect())
}

/// The hosts that mail may be brought to, each with its TLS; the others with their reasons.
fn choose(
    proof: Proof,
    looked: Vec<(Listed, Result<Reached, LeftOut>)>,
    policy: Option<&Policy>,
    demand: Demand,
    left_out: &mut Left,
    trail: &mut Trail,
) -> Vec<Target> {
    let is_ours = |looked: &Result<Reached, LeftOut>| looked.as_ref().is_err_and(|left| left.weight == Weight::Ours);
    let ours = looked.iter().filter(|(_, looked)| is_ours(looked)).map(|(listed, _)| listed.preference).min();
    let mut hosts = Vec::new();
    for (listed, looked) in looked {
        // RFC 5321 5.1: whatever there is to say of those that are not preferred to us.
        let reached = match (ours, looked) {
            (Some(ours), Ok(_) | Err(LeftOut { weight: Weight::Transient | Weight::Insecure(_), .. }))
                if listed.preference >= ours =>
            {
                Err(LeftOut::because(Weight::Ours, "it is not preferred to us"))
            }
            (_, looked) => looked,
        };
        let chosen = reached.and_then(|Reached { addresses, dane }| {
            let unusable = dane == Dane::Unusable;
            let said = Said { name: &listed.name, proof, dane, policy, demand };
            demand::tls(said).map(|(tls, rule)| (addresses, tls, rule, unusable))
        });
        match chosen {
            Ok((addresses, tls, rule, unusable)) => {
                if unusable {
                    trail.failures.push((Some(listed.name.clone()), ResultType::TlsaInvalid));
                }
                if policy.is_some_and(|policy| policy.mode == Mode::Testing && !policy.allows(&listed.name)) {
                    trail.failures.push((Some(listed.name.clone()), ResultType::ValidationFailure));
                }
                trail.notes.push(format!("{}: {rule}", listed.name));
                let host = Host::Name(listed.name);
                hosts.push(Target { host, preference: listed.preference, addresses, tls });
            }
            Err(left) => {
                if let Weight::Insecure(result) = left.weight {
                    trail.failures.push((Some(listed.name.clone()), result));
                }
                trail.notes.push(format!("{} is left out: {}", listed.name, left.why));
                left_out.push((listed.name, left));
            }
        }
    }
    hosts
}

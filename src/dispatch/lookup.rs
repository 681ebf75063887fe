//! What really decides about a course: its way, by the rules of the configuration and by what the DNS says. Asked
//! before mail is sent, and by `gatepost explain`: what is explained is what happens.

use crate::base::limits;
use crate::deliver::find::{Demand, Finder, Found, Trail};
use crate::deliver::outcome::network;
use crate::deliver::way::{Begin, Protocol, Source, SourceAddress, Target, Tls, Trust, Way};
use crate::mail::domain_name::DomainName;
use crate::model::destination::{self, Destination};
use crate::model::directory::Directory;
use crate::model::name::Name;
use crate::model::outcome::Why;
use crate::model::rate::Rate;
use crate::model::relay;
use crate::policy::pace::Bounds;
use crate::queue::course::{Course, End, Security};
use crate::queue::settings::Settings;
use std::time::Duration;

/// Who looks up: the configuration in force, and who asks the DNS.
pub struct Lookup<'a> {
    pub directory: &'a Directory,
    pub settings: &'a Settings,
    pub finder: &'a Finder,
}

/// What was found, whatever its end.
#[derive(Clone, Debug)]
pub struct Looked {
    pub routed: Result<Routed, Why>,
    /// How the mail servers of a domain were found; of what nobody was asked about, nothing.
    pub trail: Trail,
}

/// A way, and by which rules it is used.
#[derive(Clone, Debug)]
pub struct Routed {
    pub way: Way,
    pub takes: Takes,
    /// For people: the domain or relay that it was looked up for.
    pub name: String,
    pub terms: Terms,
    /// The rule that says where from it goes out; none: the sender's domain does, or nobody.
    pub source_rule: Option<String>,
    pub good_for: Duration,
}

/// What it means when such a place has taken a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// It will send it on: `Sent`.
    Over,
    /// It is the recipient's own: `Delivered`.
    For,
}

/// How much is sent there, and who says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    pub rate: Option<Rate>,
    /// At a time, at most.
    pub connections: u32,
    /// Of one message in one transaction, at most.
    pub recipients: u32,
    /// As the configuration has it: `[[destination]] *.example.net`; none where none of its rules matches.
    pub rule: Option<String>,
}

impl Terms {
    /// Of what stays in the house.
    pub(super) fn local() -> Self {
        Self { rate: None, connections: limits::LOCAL_WORKERS, recipients: 1, rule: None }
    }

    pub(super) fn bounds(&self) -> Bounds {
        let rate_max = self.rate.map_or(limits::SITE_RATE_MAX, Rate::per_second);
        Bounds {
            rate_max,
            rate_min: limits::SITE_RATE_MIN.min(rate_max),
            connections_max: self.connections,
            recovery: limits::SITE_RECOVERY,
        }
    }
}

impl Lookup<'_> {
    pub async fn look(&self, course: &Course) -> Looked {
        let unsearched = |routed| Looked { routed, trail: Trail::default() };
        match &course.end {
            End::Mx(domain) => self.look_for_mx(domain, course).await,
            End::Relay(tenant, name) => {
                let Some(relay) = self.directory.relay_of(tenant, name) else {
                    return unsearched(Err(network::not_configured(&format!(
                        "the relay {name} is not configured any more"
                    ))));
                };
                if relay.disabled_at.is_some() {
                    return unsearched(Err(network::not_configured(&format!("the relay {name} is disabled"))));
                }
                unsearched(self.look_for_relay(&relay.value, course).await)
            }
            End::Mailbox(..) | End::Store | End::Sandbox => {
                unsearched(Err(network::not_configured("it is no way out")))
            }
        }
    }

    async fn look_for_mx(&self, domain: &DomainName, course: &Course) -> Looked {
        let rules = self.directory.destinations();
        if let Some(rule) = rules.for_domain(domain).filter(|rule| rule.has_own_host()) {
            let routed = self.routed(fixed(rule, self.settings.port), Some(rule), course, domain.to_string());
            return Looked { routed, trail: Trail::default() };
        }
        let demand = match course.security {
            Security::Ordinary => Demand::Ordinary,
            Security::RequireTls => Demand::RequireTls,
        };
        let Found { mut way, good_for, mut trail, .. } = match self.finder.find(domain, demand).await {
            Ok(found) => found,
            Err(lost) => return Looked { routed: Err(lost.why), trail: lost.trail },
        };
        let hosts: Vec<_> = way.hosts.iter().filter_map(|target| target.host.name().cloned()).collect();
        let rule = rules.for_hosts(domain, &hosts);
        if let Some(rule) = rule.filter(|rule| rule.tls != destination::Tls::Opportunistic) {
            harden(&mut way, rule.tls);
            let what = rule.tls.as_str();
            trail.notes.push(format!("{}: TLS is {what} where the host's own policy says nothing", called(rule)));
        }
        let routed = self.routed(way, rule, course, domain.to_string());
        Looked { routed: routed.map(|routed| Routed { good_for, ..routed }), trail }
    }

    async fn look_for_relay(&self, relay: &relay::Relay, course: &Course) -> Result<Routed, Why> {
        let way = self.finder.relay(relay).await?;
        let rule = self.directory.destinations().for_relay(&relay.name);
        let mut routed = self.routed(way, rule, course, format!("relay {}", relay.name))?;
        routed.takes = Takes::Over;
        if rule.is_none() {
            routed.terms.rate = relay.rate;
            routed.terms.connections = relay.connections.unwrap_or(routed.terms.connections);
            routed.terms.rule = Some(format!("[[relay]] {}", relay.name));
        }
        Ok(routed)
    }

    fn routed(&self, mut way: Way, rule: Option<&Destination>, course: &Course, name: String) -> Result<Routed, Why> {
        let of_rule = rule.and_then(|rule| rule.source.as_ref());
        let source_rule = rule.filter(|_| of_rule.is_some()).map(called);
        let source = of_rule.or(course.source.as_ref());
        way.source = source.map(|name| source_of(self.directory, name)).transpose()?;
        let connections = rule.and_then(|rule| rule.connections);
        let recipients = rule.and_then(|rule| rule.recipients_per_transaction);
        let terms = Terms {
            rate: rule.and_then(|rule| rule.rate),
            connections: connections.unwrap_or(self.settings.connections_per_destination),
            recipients: recipients.unwrap_or(self.settings.recipients_per_transaction),
            rule: rule.map(called),
        };
        Ok(Routed { way, takes: Takes::For, name, terms, source_rule, good_for: limits::ROUTE_KEPT_MAX })
    }
}

/// What the rule is called where it is spoken of.
fn called(rule: &Destination) -> String {
    format!("[[destination]] {}", rule.label())
}

/// A rule's own host instead of the domain's servers.
fn fixed(rule: &Destination, port: u16) -> Way {
    let (protocol, usual_port) = match rule.protocol {
        relay::Protocol::Smtp => (Protocol::Smtp, port),
        relay::Protocol::Lmtp => (Protocol::Lmtp, destination::LMTP_PORT),
    };
    let hosts = rule.host.iter().map(|host| Target {
        host: host.clone(),
        preference: 0,
        addresses: Vec::new(),
        tls: tls(rule.tls),
    });
    let port = rule.port.unwrap_or(usual_port);
    Way { hosts: hosts.collect(), port, protocol, login: None, source: None, left_out: Vec::new() }
}

fn tls(least: destination::Tls) -> Tls {
    let required = |trust| Tls::Required { begin: Begin::Starttls, trust };
    match least {
        destination::Tls::None => Tls::Never,
        destination::Tls::Opportunistic => Tls::Opportunistic,
        destination::Tls::Required => required(Trust::Anyone),
        destination::Tls::Verified => required(Trust::Roots),
    }
}

/// What a rule asks at least. A policy of the place itself is kept: it stands on every host that has one.
fn harden(way: &mut Way, least: destination::Tls) {
    for target in way.hosts.iter_mut().filter(|target| target.tls == Tls::Opportunistic) {
        target.tls = tls(least);
    }
}

fn source_of(directory: &Directory, name: &Name) -> Result<Source, Why> {
    let source = directory.source(name);
    let source =
        source.ok_or_else(|| network::not_configured(&format!("the source {name} is not configured any more")))?;
    let addresses = source.addresses.iter();
    let addresses = addresses.map(|from| SourceAddress { address: from.address, hello: from.hello.clone() }).collect();
    Ok(Source { name: name.to_string(), addresses })
}

//! From a course to its site: the way is looked up once, its site found by what connections are shared by, and
//! whatever waited for it goes onto the site's lane.

use super::Dispatch;
use super::settle::{End, Settled, Try};
use super::site::{Away, Kind, Site, Takes};
use crate::base::clock::Time;
use crate::base::limits;
use crate::base::shutdown::Phase;
use crate::deliver::find::{Demand, Found};
use crate::deliver::outcome::network;
use crate::deliver::way::{Begin, Protocol, Source, SourceAddress, Target, Tls, Trust, Way};
use crate::mail::domain_name::DomainName;
use crate::model::delivery::State;
use crate::model::destination::{self, Destination};
use crate::model::directory::Directory;
use crate::model::name::Name;
use crate::model::outcome::{Outcome, Why};
use crate::model::rate::Rate;
use crate::model::relay;
use crate::policy::pace::Bounds;
use crate::queue::course::{Course, End as Goal, Security};
use crate::queue::ready::Item;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// A way, and by which rules it is used.
pub(super) struct Routed {
    pub way: Way,
    pub takes: Takes,
    pub name: String,
    pub bounds: Bounds,
    pub recipients_max: usize,
    pub good_for: Duration,
}

/// Looks up what is not routed yet, side by side, until the daemon drains.
pub(super) async fn look_up(dispatch: Arc<Dispatch>) {
    let mut asking = JoinSet::new();
    loop {
        tokio::select! {
            () = dispatch.shutdown.reached(Phase::Draining) => return,
            () = dispatch.ledger.ready.unrouted.rung() => {
                for course in dispatch.ledger.ready.take_unrouted() {
                    asking.spawn(dispatch.clone().route(course));
                }
            }
            Some(_) = asking.join_next() => {}
        }
    }
}

impl Dispatch {
    async fn route(self: Arc<Self>, course: Course) {
        let local = match &course.end {
            Goal::Mailbox(..) | Goal::Store => Some(("desk", Kind::Desk)),
            Goal::Sandbox => Some(("sandbox", Kind::Sandbox)),
            Goal::Mx(_) | Goal::Relay(..) => None,
        };
        let now = self.now();
        if let Some((key, kind)) = local {
            let site = self.sites.get_or_make(key, || {
                let bounds = bounds(None, limits::LOCAL_WORKERS);
                Site::new(key.to_owned(), kind, &self.ledger.ready.calls, bounds, 1, now)
            });
            return self.lead(&course, &site, limits::ROUTE_KEPT_MAX);
        }
        // Invariant: the semaphore is never closed.
        let Ok(_turn) = self.lookups.acquire().await else { return };
        match self.find(&course).await {
            Ok(routed) => {
                let key = routed.way.key();
                let good_for = routed.good_for.clamp(limits::ROUTE_KEPT_MIN, limits::ROUTE_KEPT_MAX);
                let site = self.sites.get_or_make(&key, || {
                    let kind = Kind::Away(Away { way: routed.way, takes: routed.takes });
                    let calls = &self.ledger.ready.calls;
                    Site::new(routed.name, kind, calls, routed.bounds, routed.recipients_max, now)
                });
                self.lead(&course, &site, good_for);
            }
            Err(why) => {
                let began = now;
                let settled =
                    self.ledger.ready.give_up(&course).into_iter().map(|item| lost(item, &why, began, self.now()));
                self.settler.settle(settled.collect()).await;
            }
        }
    }

    fn lead(&self, course: &Course, site: &Arc<Site>, good_for: Duration) {
        site.serves(&course.destination());
        self.ledger.ready.route(course, &site.lane, self.now().plus(good_for));
    }

    pub(super) async fn find(&self, course: &Course) -> Result<Routed, Why> {
        let directory = self.ledger.directory.load_full();
        let routed = match &course.end {
            Goal::Mx(domain) => self.find_mx(&directory, domain, course).await?,
            Goal::Relay(tenant, name) => {
                let Some(relay) = directory.relay_of(tenant, name) else {
                    let text = format!("the relay {name} is not configured any more");
                    return Err(not_configured(&text));
                };
                if relay.disabled_at.is_some() {
                    return Err(not_configured(&format!("the relay {name} is disabled")));
                }
                self.find_relay(&directory, &relay.value, course).await?
            }
            Goal::Mailbox(..) | Goal::Store | Goal::Sandbox => return Err(not_configured("it is no way out")),
        };
        Ok(routed)
    }

    async fn find_mx(&self, directory: &Directory, domain: &DomainName, course: &Course) -> Result<Routed, Why> {
        let rules = directory.destinations();
        let by_domain = rules.for_domain(domain);
        if let Some(rule) = by_domain.filter(|rule| rule.has_own_host()) {
            return self.routed(directory, fixed(rule, self.settings().port), Some(rule), course, domain.to_string());
        }
        let demand = match course.security {
            Security::Ordinary => Demand::Ordinary,
            Security::RequireTls => Demand::RequireTls,
        };
        let found = self.finder.find(domain, demand).await;
        let trail = match &found {
            Ok(found) => &found.trail,
            Err(lost) => &lost.trail,
        };
        self.keep(domain, trail).await;
        let Found { mut way, good_for, .. } = found.map_err(|lost| lost.why)?;
        let hosts: Vec<_> = way.hosts.iter().filter_map(|target| target.host.name().cloned()).collect();
        let rule = rules.for_hosts(domain, &hosts);
        if let Some(rule) = rule {
            harden(&mut way, rule.tls);
        }
        let routed = self.routed(directory, way, rule, course, domain.to_string())?;
        Ok(Routed { good_for, ..routed })
    }

    async fn find_relay(&self, directory: &Directory, relay: &relay::Relay, course: &Course) -> Result<Routed, Why> {
        let way = self.finder.relay(relay).await?;
        let rule = directory.destinations().for_relay(&relay.name);
        let mut routed = self.routed(directory, way, rule, course, format!("relay {}", relay.name))?;
        routed.takes = Takes::Over;
        if rule.is_none() {
            let connections = relay.connections.unwrap_or(routed.bounds.connections_max);
            routed.bounds = bounds(relay.rate.as_ref(), connections);
        }
        Ok(routed)
    }

    fn routed(
        &self,
        directory: &Directory,
        mut way: Way,
        rule: Option<&Destination>,
        course: &Course,
        name: String,
    ) -> Result<Routed, Why> {
        let settings = self.settings();
        let source = rule.and_then(|rule| rule.source.as_ref()).or(course.source.as_ref());
        way.source = source.map(|name| source_of(directory, name)).transpose()?;
        let connections = rule.and_then(|rule| rule.connections).unwrap_or(settings.connections_per_destination);
        let recipients = rule.and_then(|rule| rule.recipients_per_transaction);
        Ok(Routed {
            way,
            takes: Takes::For,
            name,
            bounds: bounds(rule.and_then(|rule| rule.rate.as_ref()), connections),
            recipients_max: recipients.unwrap_or(settings.recipients_per_transaction) as usize,
            good_for: limits::ROUTE_KEPT_MAX,
        })
    }
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
    let source = source.ok_or_else(|| not_configured(&format!("the source {name} is not configured any more")))?;
    let addresses = source.addresses.iter();
    let addresses = addresses.map(|from| SourceAddress { address: from.address, hello: from.hello.clone() }).collect();
    Ok(Source { name: name.to_string(), addresses })
}

fn bounds(rate: Option<&Rate>, connections: u32) -> Bounds {
    let per_second = |rate: &Rate| f64::from(rate.count) / rate.per.duration().as_secs_f64();
    let rate_max = rate.map_or(limits::SITE_RATE_MAX, per_second);
    Bounds {
        rate_max,
        rate_min: limits::SITE_RATE_MIN.min(rate_max),
        connections_max: connections,
        recovery: limits::SITE_RECOVERY,
    }
}

fn not_configured(text: &str) -> Why {
    let judged = network::not_configured(text);
    // Invariant: it is never Done.
    judged.outcome.why().cloned().unwrap_or_else(|| unreachable!("a failure has a reason"))
}

/// A try that ended before there was anybody to ask.
fn lost(item: Item, why: &Why, began: Time, now: Time) -> Settled {
    let outcome = match why.status.class() {
        5 => Outcome::Never(why.clone()),
        _ => Outcome::Later(why.clone()),
    };
    let told = Try { took: now.since(began), ..Try::begun(began, State::Delivered) };
    Settled::new(item, End::Tried(outcome, Box::new(told)))
}

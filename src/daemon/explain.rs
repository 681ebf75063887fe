//! What would become of a message, found with what decides about real ones: the directory, the routes, and
//! dispatch's own lookup of the way. Says each decision with the rule that made it.

use super::house::House;
use super::way_out::WayOut;
use crate::deliver::find::Finder;
use crate::deliver::way::{Target, Tls, Trust, Way};
use crate::dispatch::{Looked, Lookup, Routed, Takes, Terms};
use crate::http::explain::{About, Explain, Explained, Explanation, Host, Outcome, Question, Step};
use crate::mail::address::Address;
use crate::mail::domain_name::DomainName;
use crate::mail::envelope::ReversePath;
use crate::model::delivery::NextHop;
use crate::model::directory::{Directory, Entry};
use crate::model::domain::{Domain, ReturnPath, Via};
use crate::model::name::Name;
use crate::model::suppression::Suppression;
use crate::policy::readiness::Footing;
use crate::policy::routes;
use crate::queue::course::{Course, End, Security};
use crate::queue::settings::{Mode, Settings};
use crate::queue::simulator::{self, Script};
use std::sync::Arc;

/// Answers for the house as it is when it is asked.
pub fn explainer(house: Arc<House>, way_out: Arc<WayOut>) -> Explain {
    Arc::new(move |question| {
        let (directory, settings) = (house.directory.load_full(), house.delivery.load_full());
        let hostname = house.running.load().config.server.hostname.clone();
        let (way_out, house) = (way_out.clone(), house.clone());
        Box::pin(async move {
            let finder = &way_out.finder;
            let known = Known { directory: &directory, settings: &settings, hostname: &hostname, finder };
            let mut explanation = known.explain(&question).await;
            if let Some(suppression) = suppression(&way_out, &directory, &question).await {
                // Only what leaves is kept back.
                let leaves = matches!(explanation.outcome, Outcome::Sent | Outcome::Waits);
                explanation.steps.push(suppressed(&suppression));
                if leaves && explanation.destination.as_ref().is_some_and(|queue| !queue.starts_with("local:")) {
                    explanation.outcome = Outcome::Suppressed;
                }
            }
            explanation.steps.extend(leading_back(&house, &directory, &question));
            Ok(explanation)
        })
    })
}

/// Is the recipient one that the sender's organisation is not to write to? A store that does not answer leaves
/// that out, and has said so in the log.
async fn suppression(way_out: &WayOut, directory: &Directory, question: &Question) -> Option<Suppression> {
    let domain = directory.domain(question.from.address()?.domain())?;
    let tenant = &directory.tenant(&domain.tenant)?.id;
    let ledger = &way_out.ledger;
    let (name, now) = (domain.value.name.as_str(), ledger.clock.now());
    ledger.store.suppression_of(tenant, &question.to, name, STREAM, now).await.ok().flatten()
}

/// What of its mail leads back here, where the sender's domain asks for that.
fn leading_back(house: &House, directory: &Directory, question: &Question) -> Vec<Step> {
    let entry = question.from.address().and_then(|from| directory.domain(from.domain()));
    let Some(domain) = entry.map(|entry| &entry.value) else { return Vec::new() };
    let rule = format!("[[domain]] {}", domain.name);
    let stands = |footing: Footing, used: String, without: &str| match footing {
        Footing::Ready => used,
        Footing::NotReady(why) => format!("{without}: {why}"),
    };
    let tracking = domain.tracking.as_ref().map(|tracking| {
        let used = format!("links and opens are tracked by {}", tracking.host.as_str());
        Step::new(About::Tracking, stands(house.footings.tracking(domain), used, "it would leave untracked"))
    });
    let return_path = (domain.return_path != ReturnPath::Keep).then(|| {
        let (used, without) = (format!("bounces come back to rp.{}", domain.name), "it would keep the sender's own");
        Step::new(About::ReturnPath, stands(house.footings.return_path(domain), used, without))
    });
    tracking.into_iter().chain(return_path).map(|step| step.by(rule.clone())).collect()
}

/// What is not said to be something else is of this stream.
const STREAM: &str = "transactional";

fn suppressed(suppression: &Suppression) -> Step {
    let until = suppression.expires_at.map(|until| format!(" until {until}")).unwrap_or_default();
    let (since, reason, note) = (suppression.created_at, suppression.reason.word(), &suppression.note);
    let text = format!("the address is on the list of suppressed ones since {since}{until} ({reason}): {note}");
    Step::new(About::Suppression, text)
}

/// What an answer is found by.
struct Known<'a> {
    directory: &'a Directory,
    settings: &'a Settings,
    hostname: &'a DomainName,
    finder: &'a Finder,
}

/// An explanation while it is being found.
#[derive(Default)]
struct Found {
    steps: Vec<Step>,
    destination: Option<String>,
    hosts: Vec<Host>,
}

impl Found {
    fn say(&mut self, about: About, text: impl Into<String>) {
        self.steps.push(Step::new(about, text));
    }

    fn say_by(&mut self, about: About, text: impl Into<String>, rule: impl Into<String>) {
        self.steps.push(Step::new(about, text).by(rule));
    }
}

type Sender<'a> = Option<&'a Entry<Domain>>;

impl Known<'_> {
    async fn explain(&self, question: &Question) -> Explanation {
        let mut found = Found::default();
        let outcome = self.find(question, &mut found).await;
        let from = match &question.from {
            ReversePath::Null => "<>".to_owned(),
            ReversePath::Address(address) => address.to_string(),
        };
        let Found { steps, destination, hosts } = found;
        Explanation {
            object: Explained::Explanation,
            from,
            to: question.to.to_string(),
            outcome,
            steps,
            destination,
            hosts,
        }
    }

    async fn find(&self, question: &Question, found: &mut Found) -> Outcome {
        let (sender, to) = (self.sender(&question.from, found), &question.to);
        if sender.is_some_and(|domain| domain.disabled_at.is_some()) {
            found.say(About::Sender, "the domain is switched off: nothing is taken from it for now");
            return Outcome::Refused;
        }
        let resolved = match sender {
            Some(_) => routes::resolve_outgoing(self.directory, self.hostname, to),
            None => routes::resolve(self.directory, self.hostname, to),
        };
        match resolved.answer() {
            Err(reply) => {
                found.say(About::Recipient, format!("RCPT is answered {reply}"));
                Outcome::Refused
            }
            Ok(Some(decision)) => {
                found.say_by(About::Route, "it is mail to one of our own recipients", decision.rule.to_string());
                self.home(&decision, to, sender, found).await
            }
            Ok(None) => match sender {
                Some(domain) => self.away(domain, to, found).await,
                None => {
                    let text = format!("{} is no domain of ours, and mail from elsewhere is not relayed", to.domain());
                    found.say(About::Recipient, text);
                    Outcome::Refused
                }
            },
        }
    }

    fn sender(&self, from: &ReversePath, found: &mut Found) -> Sender<'_> {
        let Some(address) = from.address() else {
            found.say(About::Sender, "a bounce: it comes from nobody");
            return None;
        };
        match self.directory.domain(address.domain()) {
            Some(entry) => {
                let text = format!("{} is a domain of ours, of tenant {}", entry.value.name, entry.tenant);
                found.say_by(About::Sender, text, format!("[[domain]] {}", entry.value.name));
                Some(entry)
            }
            None => {
                found.say(About::Sender, format!("{} is no domain of ours: mail from the world", address.domain()));
                None
            }
        }
    }

    async fn home(&self, decision: &routes::Decision, to: &Address, sender: Sender<'_>, found: &mut Found) -> Outcome {
        let hops = decision.hops();
        found.destination = hops.first().map(|hop| hop.destination(to));
        if decision.is_held() {
            found.say(About::Route, "it waits until an operator releases it");
            return Outcome::Held;
        }
        for hop in &hops {
            match hop {
                NextHop::Relay(name) if self.is_captured(sender, found) => {
                    found.say(About::Relay, format!("else it would leave by relay {name}"));
                    found.destination = None;
                    return Outcome::Captured;
                }
                NextHop::Relay(name) => return self.by_relay(&decision.tenant, name, sender, found).await,
                NextHop::Mailbox(name) => found.say(About::Route, format!("it goes to mailbox {name}")),
                NextHop::Store => found.say(About::Route, "it is kept in the store"),
                NextHop::Mx => {}
            }
        }
        if hops.is_empty() {
            found.say(About::Route, "it is taken and forgotten");
            return Outcome::Discarded;
        }
        Outcome::Kept
    }

    async fn away(&self, domain: &Entry<Domain>, to: &Address, found: &mut Found) -> Outcome {
        if let Some(script) = simulator::script(to) {
            found.say(About::Sandbox, format!("nobody is behind this address: {}", played(&script)));
            return Outcome::Captured;
        }
        if self.is_captured(Some(domain), found) {
            return Outcome::Captured;
        }
        if self.directory.domain(to.domain()).is_some() {
            let text =
                format!("{} is a domain of ours that takes no mail in here: it leaves like any other", to.domain());
            found.say_by(About::Recipient, text, format!("[[domain]] {}", to.domain()));
        }
        match &domain.value.relay {
            Via::Relay(name) => {
                let named = format!("[[domain]] {}", domain.value.name);
                found.say_by(About::Relay, format!("mail from this domain leaves by relay {name}"), named);
                found.destination = Some(NextHop::Relay(name.clone()).destination(to));
                self.by_relay(&domain.tenant, name, Some(domain), found).await
            }
            Via::Direct | Via::Sandbox => {
                found.destination = Some(NextHop::Mx.destination(to));
                self.look(End::Mx(to.domain().clone()), Some(domain), found).await
            }
        }
    }

    /// Whatever its way would be: does the sandbox take it?
    fn is_captured(&self, sender: Sender<'_>, found: &mut Found) -> bool {
        if self.settings.mode == Mode::Sandbox {
            found.say_by(About::Sandbox, "everything is captured, and nothing is sent", "[delivery] mode");
            return true;
        }
        let Some(domain) = sender.filter(|domain| domain.value.relay == Via::Sandbox) else { return false };
        let named = format!("[[domain]] {}", domain.value.name);
        found.say_by(About::Sandbox, "mail from this domain is captured, and never sent", named);
        true
    }

    async fn by_relay(&self, tenant: &Name, name: &Name, sender: Sender<'_>, found: &mut Found) -> Outcome {
        let Some(tenant) = self.directory.tenant(tenant) else {
            found.say(About::Sender, format!("the tenant {tenant} is not known to the store yet: RCPT says later"));
            return Outcome::Refused;
        };
        self.look(End::Relay(tenant.id.clone(), name.clone()), sender, found).await
    }

    /// Asks what a worker would ask before it connects.
    async fn look(&self, end: End, sender: Sender<'_>, found: &mut Found) -> Outcome {
        let source = sender.and_then(|domain| domain.value.source.clone());
        let course = Course { end, security: Security::Ordinary, source };
        let lookup = Lookup { directory: self.directory, settings: self.settings, finder: self.finder };
        let Looked { routed, trail } = lookup.look(&course).await;
        let is_listed = !trail.notes.is_empty();
        for note in trail.notes {
            found.say(About::Destination, note);
        }
        match routed {
            Ok(routed) => {
                tell(&routed, sender, is_listed, found);
                Outcome::Sent
            }
            Err(why) if why.status.class() == 5 => {
                found.say(About::Destination, format!("it would bounce: {}", why.text));
                Outcome::Refused
            }
            Err(why) => {
                found.say(About::Destination, format!("mail for it waits: {}", why.text));
                Outcome::Waits
            }
        }
    }
}

fn tell(routed: &Routed, sender: Sender<'_>, is_listed: bool, found: &mut Found) {
    let Routed { way, terms, source_rule, .. } = routed;
    let left_out = way.left_out.iter().map(|(host, why)| left_out(way, host, why));
    found.hosts = way.hosts.iter().map(|target| host(way, target, is_listed)).chain(left_out).collect();
    if !is_listed
        && routed.takes == Takes::For
        && let Some(rule) = &terms.rule
    {
        found.say_by(About::Destination, "mail for this domain goes to a host of its own", rule);
    }
    let Terms { rate, connections, recipients, rule } = terms;
    let rate = rate.map_or_else(String::new, |rate| format!("at most {rate}, "));
    let bounds = format!("{rate}{connections} connections, {recipients} recipients a transaction");
    found.say_by(About::Destination, bounds, rule.as_deref().unwrap_or("[delivery]"));
    if let Some(source) = &way.source {
        let addresses: Vec<_> = source.addresses.iter().map(|from| from.address.to_string()).collect();
        let of_domain = || sender.map(|domain| format!("[[domain]] {}", domain.value.name)).unwrap_or_default();
        let text = format!("it leaves from {}: {}", source.name, addresses.join(", "));
        found.say_by(About::Source, text, source_rule.clone().unwrap_or_else(of_domain));
    }
}

fn host(way: &Way, target: &Target, is_listed: bool) -> Host {
    let mut addresses: Vec<_> = target.addresses.iter().map(ToString::to_string).collect();
    addresses.sort();
    Host {
        host: target.host.to_string(),
        preference: is_listed.then_some(target.preference),
        port: way.port,
        tls: Some(tls(&target.tls)),
        addresses,
        left_out: None,
    }
}

fn left_out(way: &Way, host: &str, why: &str) -> Host {
    let (host, left_out) = (host.to_owned(), Some(why.to_owned()));
    Host { host, preference: None, port: way.port, tls: None, addresses: Vec::new(), left_out }
}

fn tls(tls: &Tls) -> &'static str {
    match tls {
        Tls::Never => "none",
        Tls::Opportunistic => "opportunistic",
        Tls::Required { trust: Trust::Anyone, .. } => "required",
        Tls::Required { trust: Trust::Roots, .. } => "verified",
        Tls::Required { trust: Trust::Dane { .. }, .. } => "dane",
    }
}

fn played(script: &Script) -> String {
    match script {
        Script::Take { after } if after.is_zero() => "the mail is taken, and never leaves this machine".to_owned(),
        Script::Take { after } => {
            format!("the mail is taken after {} s, and never leaves this machine", after.as_secs())
        }
        Script::Complain => "the mail is taken, and somebody complains".to_owned(),
        Script::Refuse(refusal) => {
            let answer = refusal.answer();
            let status = answer.status.map(|status| format!("{status} ")).unwrap_or_default();
            format!("it answers {} {status}{}", answer.code, answer.text)
        }
    }
}

#[cfg(test)]
mod tests;

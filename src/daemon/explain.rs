//! What would become of a message, found with what decides about real ones: the directory, the routes, the
//! rules for destinations, and the DNS. Says each decision with the rule that made it.

use super::house::House;
use crate::base::limits;
use crate::dns::{Failure, Mx, Resolver};
use crate::http::explain::{About, Explain, Explained, Explanation, Host, Outcome, Question, Step};
use crate::mail::address::Address;
use crate::mail::domain_name::DomainName;
use crate::mail::envelope::ReversePath;
use crate::model::delivery::NextHop;
use crate::model::destination::{Destination, LMTP_PORT, Tls};
use crate::model::directory::{Directory, Entry};
use crate::model::domain::{Domain, Via};
use crate::model::name::Name;
use crate::model::relay::{self, Protocol, Relay};
use crate::policy::routes;
use crate::queue::settings::{Mode, Settings};
use std::sync::Arc;

/// Answers for the house as it is when it is asked.
pub fn explainer(house: Arc<House>, resolver: Resolver) -> Explain {
    Arc::new(move |question| {
        let (directory, delivery) = (house.directory.load_full(), house.delivery.load_full());
        let hostname = house.running.load().config.server.hostname.clone();
        let resolver = resolver.clone();
        Box::pin(async move {
            let known = Known { directory: &directory, delivery: &delivery, hostname: &hostname, resolver: &resolver };
            Ok(known.explain(question).await)
        })
    })
}

/// What an answer is found by.
struct Known<'a> {
    directory: &'a Directory,
    delivery: &'a Settings,
    hostname: &'a DomainName,
    resolver: &'a Resolver,
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

impl Known<'_> {
    async fn explain(&self, question: Question) -> Explanation {
        let mut found = Found::default();
        let outcome = self.find(&question, &mut found).await;
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
        let sender = self.sender(&question.from, found);
        match routes::resolve(self.directory, self.hostname, &question.to).answer() {
            Err(reply) => {
                found.say(About::Recipient, format!("RCPT is answered {reply}"));
                Outcome::Refused
            }
            Ok(Some(decision)) => {
                found.say_by(About::Route, "it is mail to one of our own recipients", decision.rule.to_string());
                self.home(&decision, &question.to, found)
            }
            Ok(None) => match sender {
                Some(domain) if domain.disabled_at.is_some() => {
                    found.say(About::Sender, "the domain is switched off: nothing is taken from it for now");
                    Outcome::Refused
                }
                Some(domain) => self.away(domain, &question.to, found).await,
                None => {
                    let text = format!(
                        "{} is no domain of ours, and mail from elsewhere is not relayed",
                        question.to.domain()
                    );
                    found.say(About::Recipient, text);
                    Outcome::Refused
                }
            },
        }
    }

    fn sender(&self, from: &ReversePath, found: &mut Found) -> Option<&Entry<Domain>> {
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

    fn home(&self, decision: &routes::Decision, to: &Address, found: &mut Found) -> Outcome {
        let hops = decision.hops();
        found.destination = hops.first().map(|hop| hop.destination(to));
        if decision.is_held() {
            found.say(About::Route, "it waits until an operator releases it");
            return Outcome::Held;
        }
        for hop in &hops {
            match hop {
                NextHop::Relay(name) => return self.by_relay(&decision.tenant, name, found),
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
        let named = format!("[[domain]] {}", domain.value.name);
        if self.delivery.mode == Mode::Sandbox {
            found.say_by(About::Sandbox, "everything is captured, and nothing is sent", "[delivery] mode");
            return Outcome::Captured;
        }
        match &domain.value.relay {
            Via::Sandbox => {
                found.say_by(About::Sandbox, "mail from this domain is captured, and never sent", named);
                Outcome::Captured
            }
            Via::Relay(name) => {
                found.say_by(About::Relay, format!("mail from this domain leaves by relay {name}"), named);
                found.destination = Some(NextHop::Relay(name.clone()).destination(to));
                let outcome = self.by_relay(&domain.tenant, name, found);
                let rule = self.directory.destinations().for_relay(name);
                if self.has_source(rule, &domain.value, found) { outcome } else { Outcome::Waits }
            }
            Via::Direct => {
                found.destination = Some(NextHop::Mx.destination(to));
                let (rule, mut outcome) = self.by_names(to.domain(), found).await;
                if !self.has_source(rule, &domain.value, found) {
                    outcome = Outcome::Waits;
                }
                outcome
            }
        }
    }

    fn by_relay(&self, tenant: &Name, name: &Name, found: &mut Found) -> Outcome {
        let Some(entry) = self.directory.relay(tenant, name) else {
            found.say(About::Relay, format!("there is no relay {name} (any more): mail for it waits"));
            return Outcome::Waits;
        };
        found.hosts.push(host_of(&entry.value));
        if let Some(rate) = entry.value.rate {
            found.say_by(
                About::Relay,
                format!("at most {}/{}", rate.count, rate.per.as_str()),
                format!("[[relay]] {name}"),
            );
        }
        if let Some(rule) = self.directory.destinations().for_relay(name) {
            self.bounds(rule, found);
        }
        if entry.disabled_at.is_some() {
            found.say(About::Relay, "the relay is switched off: mail for it waits");
            return Outcome::Waits;
        }
        Outcome::Sent
    }

    /// The mail servers of a domain, or the host that a rule names instead.
    async fn by_names(&self, domain: &DomainName, found: &mut Found) -> (Option<&Destination>, Outcome) {
        let rules = self.directory.destinations();
        if let Some(rule) = rules.for_domain(domain).filter(|rule| rule.has_own_host()) {
            let mut hosts = Vec::new();
            hosts.extend(rule.host.as_ref().map(|host| self.host(host.to_string(), None, Some(rule))));
            found.hosts = hosts;
            found.say_by(About::Destination, "mail for this domain goes to a host of its own", name_of(rule));
            self.bounds(rule, found);
            return (Some(rule), Outcome::Sent);
        }
        match self.mail_hosts(domain, found).await {
            Ok(hosts) => {
                let rule = rules.for_hosts(domain, hosts.iter().map(|(_, host)| host));
                let most = hosts.into_iter().take(limits::DNS_RECORDS_MAX);
                found.hosts = most.map(|(at, host)| self.host(host.to_string(), Some(at), rule)).collect();
                if let Some(rule) = rule {
                    self.bounds(rule, found);
                }
                (rule, Outcome::Sent)
            }
            Err(outcome) => (rules.for_domain(domain), outcome),
        }
    }

    async fn mail_hosts(&self, domain: &DomainName, found: &mut Found) -> Result<Vec<(u16, DomainName)>, Outcome> {
        match self.resolver.mx(domain).await.map(|answer| answer.value) {
            Ok(Mx::Hosts(hosts)) if hosts.is_empty() => {
                found.say(About::Destination, format!("{domain} names no mail server that can be one"));
                Err(Outcome::Refused)
            }
            Ok(Mx::Hosts(hosts)) => Ok(hosts),
            Ok(Mx::Implicit) => {
                found.say(About::Destination, format!("{domain} has no MX record, and is its own mail server"));
                Ok(vec![(0, domain.clone())])
            }
            // RFC 7505 3: it takes no mail, and no host is tried.
            Ok(Mx::Null) => {
                found.say(About::Destination, format!("{domain} says that it takes no mail: it would bounce"));
                Err(Outcome::Refused)
            }
            Err(Failure::NoSuchName) => {
                found.say(About::Destination, format!("there is no domain {domain}: it would bounce"));
                Err(Outcome::Refused)
            }
            Err(Failure::Temporary { why }) => {
                found.say(About::Destination, format!("the mail servers of {domain} cannot be asked for: {why}"));
                Err(Outcome::Waits)
            }
        }
    }

    fn bounds(&self, rule: &Destination, found: &mut Found) {
        let mut bounds = Vec::new();
        if let Some(rate) = rule.rate {
            bounds.push(format!("at most {}/{}", rate.count, rate.per.as_str()));
        }
        let connections = rule.connections.unwrap_or(self.delivery.connections_per_destination);
        bounds.push(format!("{connections} connections"));
        let recipients = rule.recipients_per_transaction.unwrap_or(self.delivery.recipients_per_transaction);
        bounds.push(format!("{recipients} recipients a transaction"));
        found.say_by(About::Destination, bounds.join(", "), name_of(rule));
    }

    /// Says where it leaves from; false when the source that it should leave from is gone.
    fn has_source(&self, rule: Option<&Destination>, domain: &Domain, found: &mut Found) -> bool {
        let of_rule = rule.and_then(|rule| Some((rule.source.as_ref()?, name_of(rule))));
        let of_domain = domain.source.as_ref().map(|source| (source, format!("[[domain]] {}", domain.name)));
        let Some((name, by)) = of_rule.or(of_domain) else { return true };
        match self.directory.source(name) {
            Some(source) => {
                let addresses: Vec<_> = source.addresses.iter().map(|from| from.address.to_string()).collect();
                found.say_by(About::Source, format!("it leaves from {name}: {}", addresses.join(", ")), by);
                true
            }
            None => {
                found.say_by(About::Source, format!("there is no source {name} (any more): mail for it waits"), by);
                false
            }
        }
    }

    fn host(&self, host: String, preference: Option<u16>, rule: Option<&Destination>) -> Host {
        let lmtp = rule.is_some_and(|rule| rule.protocol == Protocol::Lmtp);
        let usual = if lmtp { LMTP_PORT } else { self.delivery.port };
        let port = rule.and_then(|rule| rule.port).unwrap_or(usual);
        let tls = rule.map_or(Tls::Opportunistic, |rule| rule.tls).as_str().to_owned();
        Host { host, preference, port, tls, addresses: Vec::new(), left_out: None }
    }
}

fn host_of(relay: &Relay) -> Host {
    let tls = match (relay.tls, relay.verify) {
        (relay::Tls::None, _) => "none",
        (relay::Tls::Opportunistic, _) => "opportunistic",
        (relay::Tls::Starttls | relay::Tls::Implicit, true) => "verified",
        (relay::Tls::Starttls | relay::Tls::Implicit, false) => "required",
    };
    let (host, port) = (relay.host.to_string(), relay.port);
    Host { host, preference: None, port, tls: tls.to_owned(), addresses: Vec::new(), left_out: None }
}

fn name_of(rule: &Destination) -> String {
    format!("[[destination]] {}", rule.label())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;
    use crate::config::load::load_text;
    use crate::dns::{Source, zone::Zone};
    use crate::model::directory::{DirectoryRows, Parts};
    use std::path::Path;

    const FILE: &str = r#"
        [[relay]]
        name = "upstream"
        host = "smtp.provider.example"
        rate = "10/second"

        [[source]]
        name = "pool"
        addresses = [{ address = "192.0.2.1" }]

        [[domain]]
        name = "example.com"

        [[domain]]
        name = "news.example.com"
        relay = "upstream"
        source = "pool"

        [[domain]]
        name = "test.example.com"
        relay = "sandbox"

        [[mailbox]]
        name = "support"
        address = "support@example.com"

        [[route]]
        recipient = "audit@example.com"
        actions = [{ hold = true }]

        [[route]]
        recipient = "void@example.com"
        actions = [{ discard = true }]

        [[destination]]
        match = ["lists.example.net"]
        host = "10.0.0.7"
        protocol = "lmtp"

        [[destination]]
        match = ["mx:*.google.example"]
        rate = "100/minute"
        connections = 5
        tls = "verified"
        source = "pool"
    "#;

    const ZONE: &str = "\
shop.example.net. 300 IN MX 10 mx1.google.example.
shop.example.net. 300 IN MX 20 mx.shop.example.net.
plain.example.net. 300 IN A 192.0.2.9
null.example.net. 300 IN MX 0 .
";

    async fn explained(from: &str, to: &str) -> Explanation {
        let environment = Environment::default().on_machine("mail.example.com");
        let config = load_text("test.toml", FILE.to_owned(), Path::new(""), &environment).config.unwrap();
        let parts = Parts {
            relays: &config.relay,
            sources: &config.source,
            destinations: &config.destination,
            domains: &config.domain,
            mailboxes: &config.mailbox,
            routes: &config.route,
            ..Parts::default()
        };
        let directory = Directory::assemble(&parts, &DirectoryRows::default()).0;
        let resolver = Resolver::new(Source::Zone(Zone::parse(ZONE).unwrap()));
        let known = Known {
            directory: &directory,
            delivery: &config.delivery,
            hostname: &config.server.hostname,
            resolver: &resolver,
        };
        let from = if from.is_empty() { ReversePath::Null } else { ReversePath::Address(from.parse().unwrap()) };
        known.explain(Question { from, to: to.parse().unwrap() }).await
    }

    fn rules(explanation: &Explanation) -> Vec<&str> {
        explanation.steps.iter().filter_map(|step| step.rule.as_deref()).collect()
    }

    #[tokio::test]
    async fn each_way_that_a_mail_can_take_has_its_word() {
        for (from, to, outcome, destination) in [
            ("a@example.com", "b@plain.example.net", Outcome::Sent, Some("mx:plain.example.net")),
            ("a@news.example.com", "b@plain.example.net", Outcome::Sent, Some("relay:upstream")),
            ("a@test.example.com", "b@plain.example.net", Outcome::Captured, None),
            ("a@example.com", "support@example.com", Outcome::Kept, Some("local:support")),
            ("", "support@example.com", Outcome::Kept, Some("local:support")),
            ("x@elsewhere.example", "audit@example.com", Outcome::Held, Some("local:store")),
            ("x@elsewhere.example", "void@example.com", Outcome::Discarded, None),
            ("x@elsewhere.example", "nobody@example.com", Outcome::Refused, None),
            ("x@elsewhere.example", "b@plain.example.net", Outcome::Refused, None),
            ("a@example.com", "b@null.example.net", Outcome::Refused, Some("mx:null.example.net")),
            ("a@example.com", "b@none.example.net", Outcome::Refused, Some("mx:none.example.net")),
        ] {
            let explanation = explained(from, to).await;
            assert_eq!(
                (explanation.outcome, explanation.destination.as_deref()),
                (outcome, destination),
                "{from} {to}"
            );
            assert!(!explanation.steps.is_empty());
        }
    }

    #[tokio::test]
    async fn the_mail_servers_choose_the_rule_and_it_is_named() {
        let explanation = explained("a@example.com", "b@shop.example.net").await;
        let rule = "[[destination]] mx:*.google.example";
        assert_eq!(rules(&explanation), ["[[domain]] example.com", rule, rule]);
        let hosts: Vec<_> = explanation.hosts.iter().map(|h| (h.host.as_str(), h.preference, &*h.tls)).collect();
        let expected = [("mx1.google.example", Some(10), "verified"), ("mx.shop.example.net", Some(20), "verified")];
        assert_eq!(hosts, expected);
        assert!(
            explanation
                .steps
                .iter()
                .any(|step| step.text == "at most 100/minute, 5 connections, 50 recipients a transaction")
        );
    }

    #[tokio::test]
    async fn a_rule_with_a_host_asks_no_mail_server() {
        let explanation = explained("a@example.com", "b@lists.example.net").await;
        assert_eq!((explanation.hosts[0].host.as_str(), explanation.hosts[0].port), ("10.0.0.7", LMTP_PORT));
    }

    #[tokio::test]
    async fn a_relay_says_its_own_bounds_and_the_domain_its_source() {
        let explanation = explained("a@news.example.com", "b@plain.example.net").await;
        assert_eq!(
            rules(&explanation)[1..],
            ["[[domain]] news.example.com", "[[relay]] upstream", "[[domain]] news.example.com"]
        );
        assert_eq!((explanation.hosts[0].port, &*explanation.hosts[0].tls), (587, "verified"));
    }
}

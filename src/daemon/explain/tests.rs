use super::*;
use crate::base::clock::{Clock, Time};
use crate::base::id;
use crate::base::random::Random;
use crate::config::Environment;
use crate::config::load::load_text;
use crate::deliver::find::Own;
use crate::deliver::sts::Sts;
use crate::dns::{Resolver, Source, zone::Zone};
use crate::model::destination::LMTP_PORT;
use crate::model::directory::{DirectoryRows, Parts};
use crate::model::people::Tenant;
use crate::net::https::{Https, Reach};
use crate::net::roots;
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
shop.example.net. 300 IN MX 30 gone.shop.example.net.
mx1.google.example. 300 IN A 192.0.2.8
mx.shop.example.net. 300 IN A 192.0.2.7
mx.shop.example.net. 300 IN AAAA 2001:db8::7
smtp.provider.example. 300 IN A 192.0.2.6
mx.example.com. 300 IN A 192.0.2.5
news.example.com. 300 IN MX 10 mx.example.com.
sure.example.org. 300 IN MX 10 mx.sure.example.org.
mx.sure.example.org. 300 IN A 192.0.2.4
_25._tcp.mx.sure.example.org. 300 IN TLSA 3 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
$PROVEN sure.example.org.
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
    let tenant = Tenant {
        id: id::new(Time::default(), &Random::seeded(1)),
        name: "default".into(),
        created_at: Time::default(),
        disabled_at: None,
        deleted_at: None,
    };
    let rows = DirectoryRows { tenants: vec![tenant], ..DirectoryRows::default() };
    let directory = Directory::assemble(&parts, &rows).0;
    let resolver = Resolver::new(Source::Zone(Zone::parse(ZONE).unwrap()));
    let https = Https::trusting(roots::trusted(), Reach::default());
    let own = Own::new(vec![config.server.hostname.clone()], &[], config.delivery.port);
    let finder = Finder::new(resolver.clone(), Sts::new(resolver, https, Clock::System), own);
    let known =
        Known { directory: &directory, settings: &config.delivery, hostname: &config.server.hostname, finder: &finder };
    let from = if from.is_empty() { ReversePath::Null } else { ReversePath::Address(from.parse().unwrap()) };
    known.explain(&Question { from, to: to.parse().unwrap() }).await
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
        ("a@example.com", "colleague@news.example.com", Outcome::Sent, Some("mx:news.example.com")),
        ("x@elsewhere.example", "colleague@news.example.com", Outcome::Refused, None),
        ("a@example.com", "bounce+7@simulator.gatepost.test", Outcome::Captured, None),
        ("a@example.com", "b@null.example.net", Outcome::Refused, Some("mx:null.example.net")),
        ("a@example.com", "b@none.example.net", Outcome::Refused, Some("mx:none.example.net")),
    ] {
        let explanation = explained(from, to).await;
        assert_eq!((explanation.outcome, explanation.destination.as_deref()), (outcome, destination), "{from} {to}");
        assert!(!explanation.steps.is_empty());
    }
}

fn hosts(explanation: &Explanation) -> Vec<(&str, Option<u16>, &str)> {
    let hosts = explanation.hosts.iter();
    hosts.map(|host| (host.host.as_str(), host.preference, host.tls.unwrap_or("-"))).collect()
}

fn says(explanation: &Explanation, words: &str) -> bool {
    explanation.steps.iter().any(|step| step.text.contains(words))
}

#[tokio::test]
async fn the_mail_servers_choose_the_rule_and_it_is_named() {
    let explanation = explained("a@example.com", "b@shop.example.net").await;
    let rule = "[[destination]] mx:*.google.example";
    assert_eq!(rules(&explanation), ["[[domain]] example.com", rule, rule], "{explanation:#?}");
    let expected = [
        ("mx1.google.example", Some(10), "verified"),
        ("mx.shop.example.net", Some(20), "verified"),
        ("gone.shop.example.net", None, "-"),
    ];
    assert_eq!(hosts(&explanation), expected);
    assert_eq!(explanation.hosts[1].addresses, ["192.0.2.7", "2001:db8::7"]);
    assert_eq!(explanation.hosts[2].left_out.as_deref(), Some("there is no such host"));
    for words in [
        "at most 100/minute, 5 connections, 50 recipients a transaction",
        "has the mail hosts 10 mx1.google.example, 20 mx.shop.example.net",
        "gone.shop.example.net is left out: there is no such host",
        "TLS is verified where the host's own policy says nothing",
        "it leaves from pool: 192.0.2.1",
    ] {
        assert!(says(&explanation, words), "{words}: {explanation:#?}");
    }
}

#[tokio::test]
async fn dane_is_found_and_shown() {
    let explanation = explained("a@example.com", "b@sure.example.org").await;
    assert_eq!(hosts(&explanation), [("mx.sure.example.org", Some(10), "dane")], "{explanation:#?}");
    assert!(says(&explanation, "proven by DNSSEC"));
}

#[tokio::test]
async fn a_rule_with_a_host_asks_no_mail_server() {
    let explanation = explained("a@example.com", "b@lists.example.net").await;
    assert_eq!((explanation.hosts[0].host.as_str(), explanation.hosts[0].port), ("10.0.0.7", LMTP_PORT));
    assert!(says(&explanation, "goes to a host of its own"));
}

#[tokio::test]
async fn a_relay_says_its_own_bounds_and_the_domain_its_source() {
    let explanation = explained("a@news.example.com", "b@plain.example.net").await;
    assert_eq!(
        rules(&explanation)[1..],
        ["[[domain]] news.example.com", "[[relay]] upstream", "[[domain]] news.example.com"]
    );
    assert_eq!((explanation.hosts[0].port, hosts(&explanation)[0].2), (587, "verified"));
    assert!(says(&explanation, "at most 10/second, "));
}

/// Where nobody takes mail in for one of our domains, its users write to each other by its MX.
#[tokio::test]
async fn a_domain_that_is_only_sent_from_is_written_to_like_any_other() {
    let explanation = explained("a@example.com", "colleague@news.example.com").await;
    assert!(says(&explanation, "a domain of ours that takes no mail in here"), "{explanation:#?}");
    assert_eq!(hosts(&explanation)[0].0, "mx.example.com");
}

#[tokio::test]
async fn an_address_that_plays_a_server_says_what_it_plays() {
    let explanation = explained("a@news.example.com", "bounce+7@simulator.gatepost.test").await;
    assert!(says(&explanation, "it answers 550 5.1.1"), "{explanation:#?}");
    assert!(explanation.hosts.is_empty());
}

#[tokio::test]
async fn a_domain_that_does_not_exist_would_bounce() {
    let explanation = explained("a@example.com", "b@nowhere.example.net").await;
    assert!(says(&explanation, "it would bounce: "), "{explanation:#?}");
}

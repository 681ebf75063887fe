//! DNSSEC as the resolver checks it: real zones, real signatures, a root of the test's own.

use crate::signed::{Dns, Fate, Signed};
use gatepost::dns::{Care, Failure, Mx, Proof, Resolver};
use gatepost::mail::domain_name::DomainName;
use hickory_server::proto::rr::RecordType;

fn name(text: &str) -> DomainName {
    text.parse().unwrap()
}

const HOSTS: &str = "\
@ MX 10 mx
mx A 192.0.2.1
_25._tcp.mx TLSA 3 1 1 0000000000000000000000000000000000000000000000000000000000000001
alias CNAME mx
out CNAME mx.plain.test.
*.wild A 192.0.2.9
";

async fn dns() -> Dns {
    Dns::with(&[
        ("good.test.", Signed::Yes, HOSTS),
        ("hashed.test.", Signed::Hashed, HOSTS),
        ("plain.test.", Signed::No, HOSTS),
    ])
    .await
}

async fn proof_of_mx(resolver: &Resolver, domain: &str) -> Result<Proof, Failure> {
    resolver.mail_hosts(&name(domain), Care::Proven).await.map(|answer| answer.proof)
}

fn is_temporary<T: std::fmt::Debug>(found: Result<T, Failure>) -> bool {
    matches!(found, Err(Failure::Temporary { .. }))
}

#[tokio::test]
async fn what_is_signed_is_proven_and_what_is_not_is_not() {
    let dns = dns().await;
    let resolver = dns.resolver();
    for (zone, proof) in [("good.test", Proof::Secure), ("hashed.test", Proof::Secure), ("plain.test", Proof::Unproven)]
    {
        assert_eq!(proof_of_mx(&resolver, zone).await, Ok(proof), "{zone}");
        let host = resolver.host(&name(&format!("mx.{zone}")), Care::Proven).await.unwrap();
        assert_eq!((host.proof, host.addresses.len(), host.alias), (proof, 1, None), "{zone}");
        let tlsa = resolver.tlsa(&name(&format!("mx.{zone}")), 25).await.unwrap();
        assert_eq!((tlsa.proof, tlsa.value[0].usage, tlsa.value[0].data.len()), (proof, 3, 32), "{zone}");
        let absent = resolver.tlsa(&name(&format!("alias.{zone}")), 25).await;
        assert_eq!(absent, Err(Failure::NoSuchName), "{zone}");
        assert_eq!(resolver.mail_hosts(&name(&format!("mx.{zone}")), Care::Proven).await.unwrap().value, Mx::Implicit);
        assert_eq!(resolver.mail_hosts(&name(&format!("no.{zone}")), Care::Proven).await, Err(Failure::NoSuchName));
    }
    let wild = resolver.host(&name("a.wild.hashed.test"), Care::Proven).await.unwrap();
    assert_eq!(wild.proof, Proof::Secure, "a wildcard is proven too");
    // Asked plainly, nothing is proven, and nothing is asked twice.
    assert_eq!(dns.resolver().mx(&name("good.test")).await.unwrap().proof, Proof::Unproven);
}

#[tokio::test]
async fn an_alias_is_proven_by_itself_and_leads_to_the_name_that_counts() {
    let dns = dns().await;
    let alias = dns.resolver().host(&name("alias.good.test"), Care::Proven).await.unwrap();
    assert_eq!((alias.canonical, alias.proof, alias.alias), (name("mx.good.test"), Proof::Secure, Some(Proof::Secure)));
    let out = dns.resolver().host(&name("out.good.test"), Care::Proven).await.unwrap();
    assert_eq!((out.canonical, out.proof, out.alias), (name("mx.plain.test"), Proof::Unproven, Some(Proof::Secure)));
    let plain = dns.resolver().host(&name("alias.plain.test"), Care::Proven).await.unwrap();
    assert_eq!((plain.proof, plain.alias), (Proof::Unproven, Some(Proof::Unproven)));
}

#[tokio::test]
async fn a_forged_or_stripped_answer_from_a_signed_zone_is_no_answer() {
    for fate in [Fate::Forged, Fate::Stripped] {
        let dns = dns().await;
        dns.fate(move |asked, kind| {
            let about = matches!(kind, RecordType::MX | RecordType::A | RecordType::TLSA);
            if about && asked.ends_with("good.test.") { fate } else { Fate::Untouched }
        });
        let resolver = dns.resolver();
        assert!(is_temporary(proof_of_mx(&resolver, "good.test").await), "{fate:?}");
        assert!(is_temporary(resolver.tlsa(&name("mx.good.test"), 25).await), "{fate:?}");
        // Others are not touched by it, and the plain question takes the server's word.
        assert_eq!(proof_of_mx(&resolver, "hashed.test").await, Ok(Proof::Secure));
        assert!(resolver.mx(&name("good.test")).await.is_ok());
    }
}

#[tokio::test]
async fn a_server_that_strips_signatures_delays_no_mail() {
    let dns = dns().await;
    dns.fate(|_, _| Fate::Stripped);
    let resolver = dns.resolver();
    for zone in ["good.test", "plain.test"] {
        assert_eq!(proof_of_mx(&resolver, zone).await, Ok(Proof::Unproven), "{zone}");
        let before = dns.questions();
        let mx = resolver.host(&name(&format!("mx.{zone}")), Care::Proven).await.unwrap();
        assert_eq!((mx.addresses.len(), mx.proof), (1, Proof::Unproven));
        assert_eq!(dns.questions() - before, 2, "known to strip, it is asked as plainly as before");
    }
}

#[tokio::test]
async fn one_server_of_two_that_strips_signatures_does_no_harm() {
    let dns = dns().await;
    let strips = dns.beside(|_, _| Fate::Stripped).await;
    for servers in [[strips, dns.at], [dns.at, strips]] {
        let resolver = dns.resolver_of(&servers);
        for _ in 0..3 {
            assert_eq!(proof_of_mx(&resolver, "good.test").await, Ok(Proof::Secure));
            assert_eq!(proof_of_mx(&resolver, "plain.test").await, Ok(Proof::Unproven));
            let mx = resolver.host(&name("mx.good.test"), Care::Proven).await.unwrap();
            assert_eq!((mx.addresses.len(), mx.proof), (1, Proof::Secure));
        }
    }
}

#[tokio::test]
async fn trouble_on_the_way_to_a_proof_is_trouble_and_not_a_lack_of_it() {
    let dns = dns().await;
    dns.fate(|asked, kind| match kind {
        RecordType::DNSKEY if asked == "good.test." => Fate::Servfail,
        _ => Fate::Untouched,
    });
    assert!(is_temporary(proof_of_mx(&dns.resolver(), "good.test").await));
    assert_eq!(proof_of_mx(&dns.resolver(), "plain.test").await, Ok(Proof::Unproven));
}

#[tokio::test]
async fn a_server_that_is_silent_when_asked_for_signatures_is_asked_without() {
    let dns = dns().await;
    // As firewalls do that know no large answers.
    dns.fate(|_, kind| if kind.is_dnssec() || kind == RecordType::SOA { Fate::Lost } else { Fate::Stripped });
    tokio::time::pause();
    assert_eq!(proof_of_mx(&dns.resolver(), "good.test").await, Ok(Proof::Unproven));
}

#[tokio::test]
async fn what_a_proof_costs() {
    let dns = dns().await;
    let resolver = dns.resolver();
    let mut cost = Vec::new();
    for zone in ["plain.test", "good.test", "mx.plain.test", "mx.good.test", "plain.test"] {
        let (before, began) = (dns.questions(), std::time::Instant::now());
        resolver.mail_hosts(&name(zone), Care::Proven).await.unwrap();
        cost.push((zone, dns.questions() - before, began.elapsed()));
    }
    println!("{cost:?} {:?}", dns.asked.lock().unwrap());
    assert!(cost.iter().all(|(_, questions, _)| *questions <= 16), "{cost:?}");
    assert_eq!(cost[4].1, 0, "what is cached is asked for once, proof and all");
}

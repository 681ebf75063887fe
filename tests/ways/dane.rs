//! DANE (RFC 7672): by a zone that is declared proven, and by one that really is.

use super::scene::{all_tls, finder, found, hosts, in_zone, lost, name};
use crate::signed::{Dns, Fate, Signed};
use gatepost::deliver::find::{Demand, PolicyUsed};
use gatepost::deliver::report::{PolicyType, ResultType};
use gatepost::deliver::way::{Tls, Tlsa, Trust};
use hickory_server::proto::rr::RecordType;

const KEY: &str = "0000000000000000000000000000000000000000000000000000000000000001";

fn dane(tls: &Tls) -> (&[Tlsa], Vec<&str>) {
    let Tls::Required { trust: Trust::Dane { records, names }, .. } = tls else { panic!("{tls:?}") };
    (records, names.iter().map(|name| name.as_str()).collect())
}

/// A zone of one mail host with these TLSA records, all of it proven.
fn proven(tlsa: &[&str]) -> String {
    let mut zone = "$PROVEN example\na.example MX 10 mx.example\nmx.example A 192.0.2.1\n".to_owned();
    for record in tlsa {
        zone.push_str(&format!("_25._tcp.mx.example TLSA {record}\n"));
    }
    zone
}

#[tokio::test]
async fn trap_45_usable_records_must_match() {
    let way = found(&in_zone(&proven(&[&format!("3 1 1 {KEY}")])), "a.example").await;
    let (records, names) = dane(&way.way.hosts[0].tls);
    assert_eq!((records.len(), names), (1, vec!["mx.example"]));
    assert_eq!(way.policy, PolicyUsed::Dane);
    let rule = way.rule_at(&way.way.hosts[0]);
    assert_eq!((rule.policy, rule.text), (PolicyType::Tlsa, vec![format!("3 1 1 {KEY}")]));
}

#[tokio::test]
async fn trap_45_nothing_is_asked_of_an_unproven_host_and_nothing_believed() {
    let zone = proven(&[&format!("3 1 1 {KEY}")]);
    for unproven in [
        zone.replace("$PROVEN example", ""),
        // The MX alone is not enough, and neither is the address alone.
        zone.replace("$PROVEN example", "$PROVEN a.example"),
        zone.replace("$PROVEN example", "$PROVEN mx.example"),
        zone.replace("$PROVEN example", "$PROVEN a.example\n_25._tcp.mx.example SERVFAIL")
            .replace("_25._tcp.mx.example TLSA", "x.example TLSA"),
    ] {
        assert_eq!(all_tls(&found(&in_zone(&unproven), "a.example").await), ["opportunistic"], "{unproven}");
    }
}

#[tokio::test(start_paused = true)]
async fn trap_45_when_tlsa_cannot_be_asked_for_the_host_is_skipped_and_mail_waits() {
    for trouble in ["SERVFAIL", "TIMEOUT"] {
        let zone = format!("{}_25._tcp.mx.example {trouble}\n", proven(&[]));
        let none = lost(&in_zone(&zone), "a.example").await;
        assert_eq!(none.why.status.to_string(), "4.7.5", "{trouble}");
        assert_eq!(none.trail.failures, [(Some(name("mx.example")), ResultType::DnssecInvalid)]);
        let other = format!("{zone}a.example MX 20 other.example\nother.example A 192.0.2.2\n");
        assert_eq!(hosts(&found(&in_zone(&other), "a.example").await), ["20 other.example"]);
    }
}

#[tokio::test]
async fn trap_45_records_of_no_use_ask_for_tls_with_anybody() {
    for records in [
        vec!["0 0 1 0000000000000000000000000000000000000000000000000000000000000001"],
        vec!["1 1 1 0000000000000000000000000000000000000000000000000000000000000001"],
        vec!["3 1 1 00"],
        vec!["3 1 2 0000000000000000000000000000000000000000000000000000000000000001"],
        vec!["3 2 1 0000000000000000000000000000000000000000000000000000000000000001"],
        vec!["3 1 3 0000000000000000000000000000000000000000000000000000000000000001"],
        vec!["9 1 1 0000000000000000000000000000000000000000000000000000000000000001", "255 255 255 00"],
    ] {
        let way = found(&in_zone(&proven(&records)), "a.example").await;
        assert_eq!(all_tls(&way), ["anyone"], "{records:?}");
        assert_eq!(way.trail.failures, [(Some(name("mx.example")), ResultType::TlsaInvalid)]);
    }
}

#[tokio::test]
async fn trap_45_what_is_securely_absent_leaves_things_as_they_are() {
    assert_eq!(all_tls(&found(&in_zone(&proven(&[])), "a.example").await), ["opportunistic"]);
}

#[tokio::test]
async fn trap_46_old_and_new_key_stand_side_by_side_and_bad_ones_beside_them_do_not_count() {
    let other = KEY.replace('1', "2");
    let (old, new) = (format!("3 1 1 {KEY}"), format!("3 1 1 {other}"));
    let way = found(&in_zone(&proven(&[&new, &old, &old, "1 0 1 00", &format!("0 0 1 {KEY}")])), "a.example").await;
    let (records, _) = dane(&way.way.hosts[0].tls);
    let usages: Vec<_> = records.iter().map(|record| (record.usage, record.data[31])).collect();
    assert_eq!(usages, [(3, 1), (3, 2)], "in an order that stays, so that a key of a way stays");
}

#[tokio::test]
async fn trap_46_an_authority_vouches_for_the_host_or_the_domain() {
    let way = found(&in_zone(&proven(&[&format!("2 0 1 {KEY}")])), "a.example").await;
    assert_eq!(dane(&way.way.hosts[0].tls).1, ["mx.example", "a.example"]);
}

#[tokio::test]
async fn behind_an_alias_the_name_that_counts_is_the_proven_one() {
    let zone = format!(
        "$PROVEN example\na.example MX 10 alias.example\nalias.example CNAME real.example\nreal.example A 192.0.2.1\n\
         _25._tcp.real.example TLSA 2 1 1 {KEY}\n\
         b.example MX 10 alias2.example\nalias2.example CNAME real2.example\nreal2.example A 192.0.2.1\n\
         _25._tcp.alias2.example TLSA 3 1 1 {KEY}\n\
         c.example MX 10 out.example\nout.example CNAME mx.elsewhere\nmx.elsewhere A 192.0.2.1\n\
         _25._tcp.out.example TLSA 3 1 1 {KEY}\n_25._tcp.mx.elsewhere TLSA 3 1 1 {KEY}\n"
    );
    let finder = in_zone(&zone);
    for (domain, names) in [
        ("a.example", vec!["real.example", "alias.example", "a.example"]),
        // RFC 7672 2.2.2: nothing at the end of the aliases, so at their beginning.
        ("b.example", vec!["alias2.example"]),
        // RFC 7672 2.1.3: what it leads to is unproven, and the alias itself is not.
        ("c.example", vec!["out.example"]),
    ] {
        let way = found(&finder, domain).await;
        assert_eq!(dane(&way.way.hosts[0].tls).1, names, "{domain}");
    }
}

// --- under real signatures ----------------------------------------------------------------------------

async fn dns() -> Dns {
    let hosts = format!("@ MX 10 mx\nmx A 192.0.2.1\n_25._tcp.mx TLSA 3 1 1 {KEY}\n");
    let far = "@ MX 10 mx.good.test.\n";
    Dns::with(&[
        ("good.test.", Signed::Yes, &hosts),
        ("plain.test.", Signed::No, &hosts),
        ("far.test.", Signed::Hashed, far),
        ("insecure.test.", Signed::No, far),
    ])
    .await
}

#[tokio::test]
async fn trap_45_signed_zones_give_dane_and_unsigned_ones_do_not() {
    let dns = dns().await;
    let finder = finder(dns.resolver());
    for (domain, tls) in [
        ("good.test", "dane"),
        ("mx.good.test", "dane"),
        ("plain.test", "opportunistic"),
        ("far.test", "dane"),
        ("insecure.test", "opportunistic"),
    ] {
        assert_eq!(all_tls(&found(&finder, domain).await), [tls], "{domain}");
    }
    let asked = dns.asked.lock().unwrap();
    let about_plain = asked.iter().filter(|(name, kind)| name.ends_with("plain.test.") && *kind == RecordType::TLSA);
    assert_eq!(about_plain.count(), 0, "RFC 7672 2.2.1: unsigned domains are not asked for TLSA");
}

#[tokio::test]
async fn trap_42_forged_and_withheld_answers_delay_mail_and_never_weaken_it() {
    for (kind, fate, status) in [
        (RecordType::MX, Fate::Forged, "4.4.3"),
        (RecordType::MX, Fate::Servfail, "4.4.3"),
        (RecordType::MX, Fate::Stripped, "4.4.3"),
        (RecordType::A, Fate::Forged, "4.4.3"),
        (RecordType::A, Fate::Stripped, "4.4.3"),
        (RecordType::TLSA, Fate::Forged, "4.7.5"),
        (RecordType::TLSA, Fate::Stripped, "4.7.5"),
        (RecordType::TLSA, Fate::Servfail, "4.7.5"),
    ] {
        let dns = dns().await;
        dns.fate(
            move |asked, about| if about == kind && asked.ends_with("good.test.") { fate } else { Fate::Untouched },
        );
        let finder = finder(dns.resolver());
        let why = lost(&finder, "good.test").await.why;
        assert_eq!(why.status.to_string(), status, "{kind} {fate:?}: {why:?}");
        assert_eq!(all_tls(&found(&finder, "plain.test").await), ["opportunistic"]);
    }
}

#[tokio::test]
async fn whoever_silences_the_other_family_does_not_talk_us_out_of_dane() {
    let dns = dns().await;
    dns.fate(|_, about| if about == RecordType::AAAA { Fate::Servfail } else { Fate::Untouched });
    assert_eq!(all_tls(&found(&finder(dns.resolver()), "good.test").await), ["dane"]);
}

#[tokio::test]
async fn behind_a_server_that_strips_signatures_mail_goes_without_dane() {
    let dns = dns().await;
    dns.fate(|_, _| Fate::Stripped);
    let finder = finder(dns.resolver());
    for domain in ["good.test", "plain.test", "far.test"] {
        assert_eq!(all_tls(&found(&finder, domain).await), ["opportunistic"], "{domain}");
    }
}

#[tokio::test]
async fn trap_42_tlsa_records_of_no_and_of_three_bytes_do_no_harm() {
    for (digits, end) in [("", "4.7.5"), ("03", "4.7.5"), ("0301", "4.7.5"), ("030101", "anyone"), ("000000", "anyone")]
    {
        let hosts = format!("@ MX 10 mx\nmx A 192.0.2.1\n!_25._tcp.mx.good.test. {digits}\n");
        let dns = Dns::with(&[("good.test.", Signed::Yes, &hosts)]).await;
        let end_of = match finder(dns.resolver()).find(&name("good.test"), Demand::Ordinary).await {
            Ok(found) => all_tls(&found)[0].to_owned(),
            Err(lost) => lost.why.status.to_string(),
        };
        assert_eq!(end_of, end, "{digits}");
    }
}

//! What many records mean together, whoever answered them.

use super::*;

fn name(text: &str) -> DomainName {
    text.parse().unwrap()
}

fn named(preference: u16, host: &str) -> Data {
    Data::Mx(preference, MailHost::Named(name(host)))
}

fn hosts(list: &[(u16, &str)]) -> Mx {
    Mx::Hosts(list.iter().map(|(preference, host)| (*preference, name(host))).collect())
}

#[test]
fn records_become_mail_hosts() {
    let null = Data::Mx(0, MailHost::Nobody);
    let unusable = Data::Mx(5, MailHost::Unusable);
    for (records, mx) in [
        (vec![], Mx::Implicit),
        (vec![null.clone()], Mx::Null),
        (vec![null.clone(), null.clone()], Mx::Null),
        (vec![null.clone(), named(10, "a.example")], hosts(&[(10, "a.example")])),
        (vec![unusable.clone()], hosts(&[])),
        (vec![unusable.clone(), null], hosts(&[])),
        (vec![unusable, named(10, "a.example")], hosts(&[(10, "a.example")])),
        (
            vec![named(20, "b.example"), named(10, "c.example"), named(30, "c.example"), named(10, "a.example")],
            hosts(&[(10, "a.example"), (10, "c.example"), (20, "b.example")]),
        ),
    ] {
        assert_eq!(mx_of(records.clone()), mx, "{records:?}");
    }
    let many = (0..1_000).rev().map(|n| named(n, &format!("mx{n}.example"))).collect();
    let Mx::Hosts(hosts) = mx_of(many) else { panic!() };
    assert_eq!((hosts.len(), hosts[0].0, hosts[99].0), (limits::DNS_RECORDS_MAX, 0, 99), "the most preferred stay");
}

#[test]
fn one_family_that_fails_does_not_spoil_the_other() {
    let v4: IpAddr = "192.0.2.1".parse().unwrap();
    let v6: IpAddr = "2001:db8::1".parse().unwrap();
    let found = |ip: IpAddr, proof| Ok(Answer { value: vec![Data::Address(ip)], proof });
    let none = || Ok(Answer { value: vec![], proof: Proof::Secure });
    let late = || Failure::Temporary { why: "late".to_owned() };
    let answer =
        |value: &[IpAddr], proof| Ok(Answer { value: value.iter().map(|ip| Data::Address(*ip)).collect(), proof });
    for (first, second, both) in [
        (found(v4, Proof::Secure), found(v6, Proof::Secure), answer(&[v4, v6], Proof::Secure)),
        (found(v4, Proof::Secure), found(v6, Proof::Unproven), answer(&[v4, v6], Proof::Unproven)),
        (found(v4, Proof::Secure), none(), answer(&[v4], Proof::Secure)),
        (found(v4, Proof::Secure), Err(late()), answer(&[v4], Proof::Secure)),
        (Err(Failure::NoSuchName), found(v6, Proof::Secure), answer(&[v6], Proof::Secure)),
        (none(), none(), answer(&[], Proof::Secure)),
        (none(), Err(Failure::NoSuchName), answer(&[], Proof::Unproven)),
        (none(), Err(late()), Err(late())),
        (Err(late()), Err(Failure::NoSuchName), Err(late())),
        (Err(Failure::NoSuchName), Err(Failure::NoSuchName), Err(Failure::NoSuchName)),
    ] {
        assert_eq!(either_family(first, second), both);
    }
    let many = || Ok(Answer { value: vec![Data::Address(v4); 500], proof: Proof::Unproven });
    assert_eq!(either_family(many(), many()).unwrap().value.len(), 2 * limits::DNS_RECORDS_MAX);
}

#[tokio::test]
async fn a_zone_answers_and_a_swap_changes_who_answers() {
    let zone = |text: &str| Source::Zone(Zone::parse(text).unwrap());
    let resolver =
        Resolver::new(zone("a.example MX 10 mx.a.example\nmx.a.example A 192.0.2.1\na.example TXT \"x\" \"y\"\n"));
    let shared = resolver.clone();
    assert_eq!(shared.mx(&name("a.example")).await.unwrap().value, hosts(&[(10, "mx.a.example")]));
    assert_eq!(shared.mx(&name("mx.a.example")).await.unwrap().value, Mx::Implicit);
    assert_eq!(shared.mx(&name("b.example")).await, Err(Failure::NoSuchName));
    assert_eq!(shared.addresses(&name("mx.a.example")).await.unwrap().value, ["192.0.2.1".parse::<IpAddr>().unwrap()]);
    assert_eq!(shared.addresses(&name("a.example")).await.unwrap().value, [] as [IpAddr; 0]);
    assert_eq!(shared.txt(&name("a.example")).await.unwrap().value, [b"xy"]);
    resolver.swap(zone("b.example MX 0 .\n"));
    assert_eq!(shared.mx(&name("b.example")).await.unwrap().value, Mx::Null);
    assert_eq!(shared.mx(&name("a.example")).await, Err(Failure::NoSuchName));
}

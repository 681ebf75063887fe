//! Which hosts a destination has, and what it means that it has none.

use super::scene::{found, hosts, in_zone, lost, name, own};
use gatepost::base::limits;
use gatepost::base::settings::Scalar;
use gatepost::deliver::find::{Demand, Own};
use gatepost::deliver::way::{Begin, Tls, Trust};
use gatepost::model::host::Host;
use gatepost::model::outcome::{Blame, Why};
use gatepost::model::relay::{self, Relay};
use std::sync::Arc;

fn said(why: &Why) -> (String, &str) {
    (why.status.to_string(), &why.text)
}

#[tokio::test]
async fn trap_41_mail_hosts_come_by_preference_and_equal_ones_in_an_order_that_stays() {
    let finder = in_zone(
        "a.example MX 20 c.example\na.example MX 10 b.example\na.example MX 10 a.example\n\
         a.example A 192.0.2.1\nb.example A 192.0.2.2\nb.example AAAA 2001:db8::2\nc.example A 192.0.2.3\n",
    );
    let way = found(&finder, "a.example").await;
    assert_eq!(hosts(&way), ["10 a.example", "10 b.example", "20 c.example"]);
    assert_eq!(way.way.hosts[1].addresses.len(), 2);
    assert_eq!((way.way.port, way.way.left_out.len()), (25, 0));
    assert!(
        way.trail.notes.iter().any(|note| note.contains("10 a.example, 10 b.example, 20 c.example")),
        "{:?}",
        way.trail
    );
}

#[tokio::test]
async fn trap_41_without_mx_records_the_domain_is_its_own_mail_host() {
    let finder = in_zone("a.example A 192.0.2.1\nempty.example TXT x\n");
    assert_eq!(hosts(&found(&finder, "a.example").await), ["0 a.example"]);
    let none = lost(&finder, "empty.example").await.why;
    assert_eq!(none.status.to_string(), "5.4.4", "{none:?}");
}

#[tokio::test]
async fn trap_41_an_mx_that_is_of_no_use_is_no_reason_to_try_the_domains_own_address() {
    let finder = in_zone("a.example MX 10 gone.example\na.example A 192.0.2.1\n");
    let (status, text) =
        (lost(&finder, "a.example").await.why.status.to_string(), lost(&finder, "a.example").await.why.text);
    assert_eq!(status, "5.4.4");
    assert!(text.contains("gone.example: there is no such host"), "{text}");
}

#[tokio::test]
async fn trap_41_a_domain_that_takes_no_mail_says_so_for_good() {
    let why = lost(&in_zone("a.example MX 0 .\na.example A 192.0.2.1\n"), "a.example").await.why;
    assert_eq!((said(&why).0.as_str(), why.code, why.blame), ("5.1.10", Some(556), Blame::Remote));
}

#[tokio::test]
async fn trap_41_when_we_are_a_mail_host_only_the_better_ones_may_have_it() {
    let finder = in_zone(
        "a.example MX 5 first.example\na.example MX 10 Mail.US.example\na.example MX 10 equal.example\n\
         a.example MX 20 worse.example\nfirst.example A 192.0.2.1\nmail.us.example A 192.0.2.250\n\
         equal.example A 192.0.2.2\nworse.example A 192.0.2.3\n\
         only.example MX 10 mail.us.example\nonly.example MX 20 worse.example\n",
    );
    let way = found(&finder, "a.example").await;
    assert_eq!(hosts(&way), ["5 first.example"]);
    assert_eq!(way.way.left_out.len(), 3);
    let why = lost(&finder, "only.example").await.why;
    assert_eq!((said(&why).0.as_str(), why.blame), ("5.4.6", Blame::Us));
    assert!(why.text.starts_with("mail for only.example loops back to us"), "{why:?}");
}

#[tokio::test]
async fn trap_18_ourselves_under_another_name_are_still_ourselves() {
    let finder = in_zone(
        "a.example MX 10 other.example\na.example MX 20 worse.example\na.example MX 20 fails.example\n\
         other.example A 192.0.2.250\nworse.example A 192.0.2.3\nfails.example SERVFAIL\n\
         b.example MX 10 worse.example\nb.example MX 20 other.example\n",
    );
    assert_eq!(said(&lost(&finder, "a.example").await.why).0, "5.4.6");
    assert_eq!(hosts(&found(&finder, "b.example").await), ["10 worse.example"]);
    // The same machine on another port is somebody else.
    finder.own.store(Arc::new(Own { port: 2525, ..own() }));
    assert_eq!(found(&finder, "a.example").await.way.hosts.len(), 2);
}

#[tokio::test]
async fn trap_18_nobodys_dns_points_us_at_this_machine() {
    let finder = in_zone(
        "a.example MX 10 localhost\nb.example MX 10 x.b.example\nx.b.example A 127.0.0.1\nx.b.example AAAA ::1\n\
         c.example MX 10 x.c.example\nx.c.example A 0.0.0.0\nx.c.example AAAA ::\n\
         d.example MX 10 x.d.example\nx.d.example AAAA ::ffff:127.0.0.1\nx.d.example A 255.255.255.255\n\
         e.example MX 10 x.e.example\nx.e.example A 127.0.0.1\nx.e.example A 192.0.2.1\n\
         localhost A 127.0.0.1\nf.example A 224.0.0.1\n",
    );
    for domain in ["a.example", "b.example", "c.example", "d.example", "f.example"] {
        let why = lost(&finder, domain).await.why;
        assert_eq!(said(&why).0, "5.4.4", "{domain}: {why:?}");
    }
    let mixed = found(&finder, "e.example").await;
    assert_eq!(mixed.way.hosts[0].addresses, ["192.0.2.1".parse::<std::net::IpAddr>().unwrap()]);
    // A test that delivers to another port means it; nobody means "any address".
    finder.own.store(Arc::new(Own { port: 2525, ..own() }));
    assert_eq!(hosts(&found(&finder, "b.example").await), ["10 x.b.example"]);
    assert_eq!(said(&lost(&finder, "c.example").await.why).0, "5.4.4");
    // Unless it is our own door.
    finder.own.store(Arc::new(Own::new(vec![], &["0.0.0.0:2525".parse().unwrap()], 2525)));
    assert_eq!(said(&lost(&finder, "b.example").await.why).0, "5.4.6");
}

#[tokio::test(start_paused = true)]
async fn trap_42_what_is_not_known_is_put_off_and_what_is_not_there_is_not() {
    let finder = in_zone("fails.example SERVFAIL\nsilent.example TIMEOUT\nthere.example A 192.0.2.1\n");
    assert_eq!(said(&lost(&finder, "gone.example").await.why).0, "5.1.2");
    for domain in ["fails.example", "silent.example"] {
        let why = lost(&finder, domain).await.why;
        assert_eq!((said(&why).0.as_str(), why.blame), ("4.4.3", Blame::Network), "{domain}");
    }
}

#[tokio::test(start_paused = true)]
async fn trap_42_one_bad_mx_name_does_not_spoil_the_domain() {
    let finder = in_zone(
        "a.example MX 5 fails.example\na.example MX 6 silent.example\na.example MX 7 gone.example\n\
         a.example MX 8 noaddress.example\na.example MX 9 good.example\nfails.example SERVFAIL\n\
         silent.example TIMEOUT\nnoaddress.example TXT x\ngood.example A 192.0.2.1\n",
    );
    let way = found(&finder, "a.example").await;
    assert_eq!(hosts(&way), ["9 good.example"]);
    let names: Vec<_> = way.way.left_out.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["fails.example", "silent.example", "gone.example", "noaddress.example"]);
}

#[tokio::test]
async fn trap_42_a_flood_of_mail_hosts_is_bounded_and_the_most_preferred_are_looked_at() {
    let mut text = String::new();
    for n in 0..150 {
        text.push_str(&format!("a.example MX {n} h{n}.example\nh{n}.example A 192.0.2.1\n"));
        text.push_str(&format!("b.example A 198.51.100.{n}\n"));
    }
    let finder = in_zone(&text);
    let way = found(&finder, "a.example").await;
    assert_eq!((way.way.hosts.len(), way.way.hosts[0].preference), (limits::WAY_HOSTS_MAX, 0));
    assert_eq!(found(&finder, "b.example").await.way.hosts[0].addresses.len(), limits::WAY_ADDRESSES_MAX);
}

#[tokio::test]
async fn trap_43_a_list_that_is_empty_for_a_passing_reason_is_put_off() {
    let finder = in_zone(
        "a.example MX 10 fails.example\na.example MX 20 gone.example\na.example MX 30 local.example\n\
         fails.example SERVFAIL\nlocal.example A 127.0.0.1\n\
         b.example MX 5 fails.example\nb.example MX 10 mail.us.example\nmail.us.example A 192.0.2.250\n",
    );
    assert_eq!(said(&lost(&finder, "a.example").await.why).0, "4.4.3");
    assert_eq!(said(&lost(&finder, "b.example").await.why).0, "4.4.3", "a better host than us may come back");
}

#[tokio::test]
async fn trap_32_a_domain_is_the_same_in_both_its_forms() {
    let finder = in_zone("Bücher.example MX 10 MX.Bücher.example\nmx.xn--bcher-kva.example A 192.0.2.1\n");
    for domain in ["bücher.example", "XN--BCHER-KVA.Example."] {
        assert_eq!(hosts(&found(&finder, domain).await), ["10 mx.xn--bcher-kva.example"], "{domain}");
    }
}

// --- relays -------------------------------------------------------------------------------------------

fn relay(host: &str, tls: relay::Tls) -> Relay {
    Relay {
        name: "upstream".parse().unwrap(),
        host: Host::parse(host).unwrap(),
        port: 587,
        tls,
        username: Some("us".to_owned()),
        password: Some(gatepost::base::secret::Secret::new("hunter2".to_owned())),
        verify: true,
        protocol: relay::Protocol::Smtp,
        auth: relay::Auth::Auto,
        connections: None,
        rate: None,
    }
}

#[tokio::test]
async fn a_relay_is_what_its_settings_say() {
    let finder = in_zone("smtp.example A 192.0.2.1\nfails.example SERVFAIL\n");
    let required = |begin, trust| Tls::Required { begin, trust };
    for (tls, verify, want) in [
        (relay::Tls::None, true, Tls::Never),
        (relay::Tls::Opportunistic, true, Tls::Opportunistic),
        (relay::Tls::Starttls, true, required(Begin::Starttls, Trust::Roots)),
        (relay::Tls::Starttls, false, required(Begin::Starttls, Trust::Anyone)),
        (relay::Tls::Implicit, true, required(Begin::Implicit, Trust::Roots)),
    ] {
        let way = finder.relay(&Relay { verify, ..relay("smtp.example", tls) }).await.unwrap();
        assert_eq!((&way.hosts[0].tls, way.port), (&want, 587));
        assert_eq!(way.login.unwrap().username, "us");
    }
    assert_eq!(finder.relay(&relay("localhost", relay::Tls::None)).await.unwrap().hosts[0].addresses.len(), 2);
    assert!(finder.relay(&relay("10.0.0.1", relay::Tls::None)).await.is_ok(), "the operator may mean a neighbour");
}

#[tokio::test]
async fn a_relay_that_cannot_be_found_or_is_ourselves_only_delays() {
    let finder = in_zone("fails.example SERVFAIL\nempty.example TXT x\n");
    for host in ["fails.example", "gone.example", "empty.example"] {
        let why = finder.relay(&relay(host, relay::Tls::Starttls)).await.unwrap_err();
        assert_eq!(said(&why).0, "4.4.3", "{host}");
    }
    finder.own.store(Arc::new(Own::new(vec![], &["0.0.0.0:587".parse().unwrap()], 25)));
    let why = finder.relay(&relay("localhost", relay::Tls::None)).await.unwrap_err();
    assert_eq!((said(&why).0.as_str(), why.blame), ("4.4.6", Blame::Us));
}

#[tokio::test]
async fn requiretls_takes_only_hosts_that_somebody_vouches_for() {
    let finder = in_zone(
        "$PROVEN good.example\ngood.example MX 10 mx.good.example\nmx.good.example A 192.0.2.1\n\
         bad.example MX 10 mx.bad.example\nmx.bad.example A 192.0.2.2\n",
    );
    let good = finder.find(&name("good.example"), Demand::RequireTls).await.unwrap();
    assert_eq!(good.way.hosts[0].tls, Tls::Required { begin: Begin::Starttls, trust: Trust::Roots });
    let bad = finder.find(&name("bad.example"), Demand::RequireTls).await.unwrap_err();
    assert_eq!((bad.why.status.to_string().as_str(), bad.why.blame), ("5.7.10", Blame::Policy));
}

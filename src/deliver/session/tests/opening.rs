//! Which host, which address, and how far it came.

use super::*;
use crate::deliver::way::{Source, SourceAddress};

const GREETED: &str = "
    S: 220 mx
    C: EHLO us.example
    S: 250-mx
    S: 250 PIPELINING
";

#[tokio::test]
async fn a_host_is_looked_up_greeted_and_asked_what_it_can() {
    let mut world = World::new();
    let there = world.serve(&[&format!("{GREETED}\nC: QUIT\nS: 221 bye\nC closes")]);
    let session = world.open(&way(Tls::Opportunistic)).await.unwrap();
    assert!(session.capabilities().pipelining && !session.capabilities().chunking);
    assert_eq!((session.host().to_string(), session.tls(), session.transactions()), (HOST.into(), None, 0));
    session.quit().await;
    assert_eq!(there.await.unwrap(), ["192.0.2.1:25".parse().unwrap()]);
}

#[tokio::test]
async fn a_host_that_knows_no_ehlo_hears_helo() {
    let mut world = World::new();
    let script = "S: 220 mx\nC: EHLO us.example\nS: 502 what?\nC: HELO us.example\nS: 250 mx PIPELINING\nS: 999\n";
    let there = world.serve(&[&script.replace("S: 999\n", "C closes")]);
    let session = world.open(&way(Tls::Opportunistic)).await.unwrap();
    assert_eq!(*session.capabilities(), Capabilities::default());
    drop(session);
    there.await.unwrap();
}

#[tokio::test]
async fn hosts_are_tried_by_preference_and_the_failed_are_named() {
    let mut world = World::new();
    let mut way = way(Tls::Never);
    way.hosts = vec![
        target("mx2.there.example", 30, Tls::Never),
        target(HOST, 10, Tls::Never),
        target("empty.there.example", 20, Tls::Never),
        target("nowhere.example", 15, Tls::Never),
    ];
    let there = world.serve(&["S: 554 5.3.2 no\nC: QUIT\nS: 221 bye\nC closes", GREETED]);
    let session = world.open(&way).await.unwrap();
    assert_eq!(session.address(), "192.0.2.2:25".parse().unwrap());
    drop(session);
    assert_eq!(there.await.unwrap().len(), 2);

    // The same again, and nobody is there: the remote's word is what is told.
    let mut world = World::new();
    let there = world.serve(&["S: 554 5.3.2 no\nC: QUIT\nS: 221 bye\nC closes", "refused"]);
    let unopened = world.open(&way).await.unwrap_err();
    there.await.unwrap();
    let phases: Vec<_> = unopened.tried.iter().map(|tried| (tried.host.to_string(), tried.phase)).collect();
    assert_eq!(
        phases,
        [
            (HOST.to_owned(), Phase::Greeting),
            ("nowhere.example".to_owned(), Phase::Connect),
            ("empty.there.example".to_owned(), Phase::Connect),
            ("mx2.there.example".to_owned(), Phase::Connect)
        ]
    );
    assert_eq!((unopened.why.code, unopened.why.status.to_string()), (Some(554), "4.3.2".into()));
    assert_eq!(unopened.tried[0].response.as_ref().map(|said| said.code), Some(554));
    assert!(!unopened.down, "somebody was there");
}

#[tokio::test]
async fn equal_hosts_share_the_load_and_skipped_ones_are_not_tried() {
    let world = World::new();
    let hosts: Vec<_> = [(HOST, 10), ("mx2.there.example", 10), ("both.there.example", 5)]
        .map(|(host, preference)| target(host, preference, Tls::Never))
        .into();
    let firsts = |skip: &[Host]| -> std::collections::BTreeSet<String> {
        let order = |_| super::super::open::in_order(&hosts, skip, &world.around.random)[0].host.to_string();
        (0..64).map(order).collect()
    };
    assert_eq!(firsts(&[]).len(), 1);
    let skip = [hosts[2].host.clone()];
    assert_eq!(firsts(&skip).into_iter().collect::<Vec<_>>(), ["mx.there.example", "mx2.there.example"]);

    let unopened = Session::open(&way(Tls::Never), &[hosts[0].host.clone()], &world.around).await.unwrap_err();
    assert!(unopened.tried.is_empty() && !unopened.down && unopened.why.category == "no_host");
}

#[tokio::test]
async fn the_next_address_of_a_host_is_tried_when_one_does_not_do() {
    let mut world = World::new();
    let mut way = way(Tls::Never);
    way.hosts = vec![target("both.there.example", 10, Tls::Never)];
    let there = world.serve(&["S: 421 busy\nC closes", GREETED]);
    let session = world.open(&way).await.unwrap();
    assert_eq!(session.address(), "192.0.2.3:25".parse().unwrap());
    drop(session);
    assert_eq!(there.await.unwrap()[0], "[2001:db8::3]:25".parse().unwrap());
}

#[tokio::test]
async fn a_way_out_from_addresses_of_ours_uses_no_other_and_its_name() {
    let mut world = World::new();
    let mut way = way(Tls::Never);
    way.hosts = vec![target("both.there.example", 10, Tls::Never)];
    let own = SourceAddress { address: "198.51.100.7".parse().unwrap(), hello: "out7.us.example".parse().ok() };
    way.source = Some(Source { name: "pool".into(), addresses: vec![own] });
    let there = world.serve(&[&GREETED.replace("EHLO us.example", "EHLO out7.us.example")]);
    let session = world.open(&way).await.unwrap();
    assert_eq!(session.address().ip(), "192.0.2.3".parse::<IpAddr>().unwrap(), "IPv6 is not reached from IPv4");
    assert_eq!(session.source(), Some("198.51.100.7".parse().unwrap()));
    drop(session);
    there.await.unwrap();

    way.hosts[0].addresses = vec!["2001:db8::3".parse().unwrap()];
    let unopened = world.open(&way).await.unwrap_err();
    assert_eq!((unopened.why.category.as_str(), unopened.why.blame), ("misconfigured", Blame::Us));
}

#[tokio::test(start_paused = true)]
async fn nobody_there_is_down_and_silence_has_an_end() {
    let mut world = World::new();
    let there = world.serve(&["refused"]);
    let unopened = world.open(&way(Tls::Never)).await.unwrap_err();
    there.await.unwrap();
    assert!(unopened.down && unopened.why.category == "connection" && unopened.why.blame == Blame::Network);

    // One who takes connections and says nothing.
    let mut world = World::new();
    world.around.patience.greeting = Duration::from_secs(7);
    let _there = world.serve(&["C closes"]);
    let began = Instant::now();
    let unopened = world.open(&way(Tls::Never)).await.unwrap_err();
    assert_eq!((began.elapsed(), unopened.tried[0].phase), (Duration::from_secs(7), Phase::Greeting));
    assert!(!unopened.down);

    // A whole answer has its time, however often a byte of it comes.
    let mut world = World::new();
    world.around.patience.open = Duration::from_secs(20);
    let knocked = world.door;
    let (_, closed) = mpsc::channel(1);
    world.door = closed;
    let held = tokio::spawn(async move {
        let mut knocked = knocked;
        let knock = knocked.recv().await.unwrap();
        std::future::pending::<()>().await;
        drop((knock, knocked));
    });
    let began = Instant::now();
    let unopened = world.open(&way(Tls::Never)).await.unwrap_err();
    assert_eq!((began.elapsed(), unopened.tried.len()), (Duration::from_secs(20), 0));
    held.abort();
}

#[tokio::test]
async fn garbage_and_endless_replies_end_the_connection() {
    for (script, category) in [
        ("S: HTTP/1.1 400 Bad Request", "protocol"),
        ("S| 220 mx\\n", "protocol"),
        ("S: 220-mx\nS: 421 mx", "protocol"),
        ("S: 354 mx", "protocol"),
        ("S: 250 mx", "protocol"),
        ("S closes", "connection"),
        ("S| 220 m\nS closes", "connection"),
        (&format!("S| 220-{}", "x".repeat(60_000)), "protocol"),
        (&"S: 220-mx\n".repeat(limits::RESPONSE_LINES_MAX + 2), "protocol"),
    ] {
        let mut world = World::new();
        let there = world.serve(&[script]);
        let unopened = world.open(&way(Tls::Never)).await.unwrap_err();
        assert_eq!(unopened.why.category, category, "{script:.30}");
        there.abort();
    }
}

#[tokio::test]
async fn lmtp_begins_with_lhlo_and_knows_no_helo() {
    let mut world = World::new();
    let mut way = way(Tls::Never);
    way.protocol = Protocol::Lmtp;
    let there = world.serve(&[&GREETED.replace("EHLO", "LHLO")]);
    drop(world.open(&way).await.unwrap());
    there.await.unwrap();

    let mut world = World::new();
    let there = world.serve(&["S: 220 mx\nC: LHLO us.example\nS: 500 what?\nC: QUIT\nS: 221 bye\nC closes"]);
    assert_eq!(world.open(&way).await.unwrap_err().why.code, Some(500));
    there.await.unwrap();
}

//! A database that goes and comes, before the start and under the daemon.

use crate::postgres::Cluster;
use crate::running::{DOORS, Smtp, Yard, eventually, get};
use nix::sys::signal::Signal;
use std::net::SocketAddr;

fn becomes(http: SocketAddr, code: u16) -> String {
    let answer = eventually(|| Some(get(http, "/readyz")).filter(|(now, _)| *now == code));
    answer.unwrap_or_else(|| panic!("/readyz never says {code}: {:?}", get(http, "/readyz"))).1
}

#[test]
fn a_database_that_is_down_is_waited_for_and_missed_when_it_goes() {
    let cluster = Cluster::private();
    let store = format!("[store]\nurl = \"{}\"\n", cluster.create_database());
    cluster.stop();
    let yard = Yard::with(&format!("{store}{DOORS}"));
    let mut daemon = yard.launch();
    daemon.said("the store cannot be opened yet");
    let http = daemon.address("http");
    assert_eq!(get(http, "/healthz"), (200, "ok\n".to_owned()));
    let (code, why) = get(http, "/readyz");
    assert!(code == 503 && why.contains("store: the store is being opened"), "{code} {why}");
    assert!(!why.contains("127.0.0.1"), "anyone may ask: {why}");

    // What is asked of it meanwhile is done once there is a store.
    yard.write(
        "gatepost.toml",
        &format!("[server]\nhostname = \"mx2.example.com\"\ndata_dir = \"data\"\n{store}{DOORS}"),
    );
    daemon.signal(Signal::SIGHUP);
    cluster.start();
    daemon.said("ready");
    daemon.said("configuration reloaded");
    becomes(http, 200);
    let mx = daemon.address("mx");
    assert_eq!(Smtp::at(mx).reply(), "220 mx2.example.com ESMTP Gatepost\r\n");
    assert_eq!(daemon.status()["store"]["state"], "up");

    let mut guest = Smtp::greeted(mx);
    cluster.stop();
    assert_eq!(becomes(http, 503), "store: the store is down\n");
    assert_eq!(get(http, "/healthz").0, 200);
    let store = daemon.status()["store"].clone();
    assert!(store["state"] == "down" && store["reason"].is_string(), "{store}");
    assert_eq!(guest.ask("NOOP"), "250 2.0.0 OK\r\n");
    cluster.start();
    assert_eq!(becomes(http, 200), "ready\n");

    // To stop without it is no reason to hang, or to call it an error.
    cluster.stop();
    drop(guest);
    daemon.stops();
}

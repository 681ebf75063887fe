//! The end: politely at SIGTERM, at once when asked again, and what SIGUSR1 tells before.

use crate::running::{DOORS, Smtp, Yard, eventually, try_get};
use nix::sys::signal::Signal;
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

fn is_closed(address: std::net::SocketAddr) {
    eventually(|| TcpStream::connect(address).is_err().then_some(())).unwrap_or_else(|| panic!("{address} is open"));
}

#[test]
fn at_sigterm_nobody_new_comes_in_and_those_inside_are_told() {
    let yard = Yard::with(DOORS);
    let mut daemon = yard.start();
    let (submission, mx) = (daemon.address("submission"), daemon.address("mx"));
    let (mut one, mut two) = (Smtp::greeted(submission), Smtp::greeted(mx));
    one.ask("EHLO client.example");
    daemon.signal(Signal::SIGTERM);
    for client in [&mut one, &mut two] {
        let word = client.reply();
        assert!(word.starts_with("421 4.3.2 ") || word.starts_with("421 "), "{word}");
        assert_eq!(client.reply(), "");
    }
    // The two clients still hold their ends: it has not just gone.
    is_closed(submission);
    is_closed(mx);
    assert_eq!(daemon.ended(), Some(0));
    let stopped = daemon.log().into_iter().find(|line| line.contains("stopped")).unwrap();
    assert!(stopped.contains("finished=2 cut=0"), "{stopped}");
}

/// A client in the middle of a handshake cannot be told anything, and need not come to an end.
fn one_who_never_ends(address: std::net::SocketAddr) -> TcpStream {
    let mut client = Smtp::greeted(address);
    client.ask("EHLO client.example");
    assert!(client.ask("STARTTLS").starts_with("220 "));
    client.into_stream()
}

#[test]
fn who_never_ends_is_cut_at_the_drain_deadline() {
    let yard = Yard::empty();
    yard.configure_server("drain = \"200ms\"", DOORS);
    let mut daemon = yard.start();
    let _stubborn = one_who_never_ends(daemon.address("submission"));
    let asked = Instant::now();
    daemon.stops();
    assert!(asked.elapsed() >= Duration::from_millis(200), "{:?}", asked.elapsed());
    assert!(daemon.log().iter().any(|line| line.contains("stopped") && line.contains("cut=1")), "{}", daemon.all());
}

#[test]
fn asked_again_it_ends_at_once() {
    let yard = Yard::with(DOORS);
    let mut daemon = yard.start();
    let _stubborn = one_who_never_ends(daemon.address("submission"));
    let http = daemon.address("http");
    daemon.signal(Signal::SIGTERM);
    daemon.said("stopping: nothing new is taken");
    // While it drains, health is answered and readiness is gone.
    assert_eq!(try_get(http, "/healthz").unwrap().0, 200);
    let (code, why) = try_get(http, "/readyz").unwrap();
    assert!(code == 503 && why.contains("stopping"), "{code} {why}");
    let asked = Instant::now();
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.ended(), Some(0));
    // Far below the 30 s that the stubborn one would have had.
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    daemon.said("asked again");
}

#[test]
fn sigint_stops_as_sigterm_does() {
    let yard = Yard::with(DOORS);
    let mut daemon = yard.start();
    daemon.signal(Signal::SIGINT);
    assert_eq!(daemon.ended(), Some(0));
    daemon.said("stopped");
}

#[test]
fn sigusr1_logs_the_state() {
    let yard = Yard::with(DOORS);
    let daemon = yard.start();
    let mx = daemon.address("mx");
    let _guest = Smtp::greeted(mx);
    daemon.signal(Signal::SIGUSR1);
    let line = daemon.said(" state ");
    assert!(line.contains(&mx.to_string()) && line.contains("connections") && line.contains("generation"), "{line}");
    assert_eq!(daemon.status()["ready"], true);
}

// --- while the store is being opened --------------------------------------------------------------------

/// A database that takes connections and never says a word.
fn silent_database() -> (TcpListener, String) {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("[store]\nurl = \"postgres://gatepost@{}/gatepost\"\n{DOORS}", silent.local_addr().unwrap());
    (silent, url)
}

#[test]
fn signals_are_heard_while_the_store_is_silent() {
    let (silent, configuration) = silent_database();
    let yard = Yard::with(&configuration);
    let mut daemon = yard.launch();
    // It has begun to wait for the database.
    let _connection = silent.accept().unwrap();
    let status = eventually(|| yard.path("data/control.sock").exists().then(|| daemon.status())).unwrap();
    assert_eq!((&status["ready"], &status["store"]["state"]), (&false.into(), &"down".into()));
    let http = daemon.address("http");
    assert_eq!((try_get(http, "/healthz").unwrap().0, try_get(http, "/readyz").unwrap().0), (200, 503));
    daemon.signal(Signal::SIGHUP);
    daemon.signal(Signal::SIGUSR1);
    daemon.said(" state ");
    let asked = Instant::now();
    daemon.stops();
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
}

//! SIGHUP: all of a new configuration or nothing of it, and whoever is not concerned does not notice.

use super::tls::{Made, handshake, secured, secured_asking};
use crate::ports;
use crate::running::{DOORS, Daemon, PATIENCE, Smtp, Yard, eventually, get, try_get};
use nix::sys::signal::Signal;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

fn listener(kind: &str, bind: SocketAddr, more: &str) -> String {
    format!("[[listener]]\nkind = \"{kind}\"\nbind = [\"{bind}\"]\n{more}\n")
}

fn http(bind: SocketAddr) -> String {
    format!("[[http]]\nbind = [\"{bind}\"]\n")
}

fn is_alive(client: &mut Smtp) {
    assert_eq!(client.ask("NOOP"), "250 2.0.0 OK\r\n");
}

/// A client that is told that the door closes, and then led out.
fn is_sent_away(client: &mut Smtp) {
    let word = client.reply();
    assert!(word.starts_with("421 4.3.2 "), "{word:?}");
    assert_eq!(client.reply(), "");
}

fn is_closed(address: SocketAddr) {
    eventually(|| TcpStream::connect(address).is_err().then_some(())).unwrap_or_else(|| panic!("{address} is open"));
}

#[test]
fn a_broken_file_changes_nothing_and_a_mended_one_is_taken() {
    let yard = Yard::with(DOORS);
    let daemon = yard.start();
    let mx = daemon.address("mx");
    let mut guest = Smtp::greeted(mx);

    yard.configure(&format!("{DOORS}\n[delivery]\nexpire = \"soon\"\nprot = 26\n"));
    let said = daemon.refuses();
    assert!(said.contains("gatepost.toml:18:10: error:") && said.contains("gatepost.toml:19:1: error:"), "{said}");
    assert!(said.contains("did you mean \\\"port\\\"?"), "{said}");
    let status = daemon.status();
    assert_eq!(status["config"]["generation"], 1);
    let refused = status["config"]["refused"].as_str().unwrap();
    assert!(refused.contains("gatepost.toml:19:1: error:"), "{refused}");
    // The file as it is now has mistakes, and the daemon can be asked all the same.
    let shown = yard.run(&["status"]);
    assert!(shown.code == Some(0) && shown.err.contains("prot"), "{shown:?}");
    assert!(
        shown.out.contains("the last reload was refused:\n  /") && shown.out.contains(":19:1: error:"),
        "{shown:?}"
    );
    assert!(yard.run(&["settings"]).out.contains("delivery.expire = \"5d\"\n"));
    is_alive(&mut guest);
    Smtp::greeted(mx);

    yard.configure(&format!("{DOORS}\n[delivery]\nexpire = \"4d\"\n"));
    let taken = daemon.reloads();
    assert!(taken.contains("generation=2 opened=0 changed=0 closed=0"), "{taken}");
    let status = daemon.status();
    assert_eq!((&status["config"]["generation"], &status["config"]["refused"]), (&2.into(), &None::<u8>.into()));
    is_alive(&mut guest);
    assert_eq!(daemon.address("mx"), mx);

    // A file that is gone, or not ours to read, is refused like a broken one.
    std::fs::remove_file(yard.path("gatepost.toml")).unwrap();
    assert!(daemon.refuses().contains("cannot be read"));
    is_alive(&mut guest);
}

#[test]
fn listeners_come_and_go_and_the_others_do_not_notice() {
    let [stays, goes, comes, web] = [(); 4].map(|()| ports::loopback());
    let yard = Yard::with(&[listener("mx", stays, ""), listener("mx", goes, ""), http(web)].concat());
    let mut daemon = yard.start();
    let (mut on_stays, mut on_goes) = (Smtp::greeted(stays), Smtp::greeted(goes));

    yard.configure(&[listener("submission", comes, ""), listener("mx", stays, ""), http(web)].concat());
    let said = daemon.reloads();
    assert!(said.contains("opened=1 changed=0 closed=1"), "{said}");
    is_alive(&mut on_stays);
    is_sent_away(&mut on_goes);
    is_closed(goes);
    Smtp::greeted(comes);
    Smtp::greeted(stays);
    daemon.said(&format!("no longer listening door=mx address={goes}"));
    assert_eq!((daemon.addresses("mx"), daemon.addresses("submission")), (vec![stays], vec![comes]));
    daemon.stops();
}

#[test]
fn new_bounds_hold_for_listeners_that_stand() {
    let mx = ports::loopback();
    let with = |connections: u32| format!("[smtp]\nconnections = {connections}\n{}", listener("mx", mx, ""));
    let yard = Yard::with(&with(1));
    let daemon = yard.start();
    let mut first = Smtp::greeted(mx);
    let mut waiting = Smtp::at(mx);
    yard.configure(&with(2));
    let said = daemon.reloads();
    assert!(said.contains("opened=0 changed=1 closed=0"), "{said}");
    assert!(waiting.reply().starts_with("220 "));
    is_alive(&mut first);
}

#[test]
fn a_vanished_listener_cuts_who_never_ends_and_only_them() {
    let [stays, goes] = [(); 2].map(|()| ports::loopback());
    let both = [listener("mx", stays, ""), listener("mx", goes, "")].concat();
    let yard = Yard::with(&both);
    let daemon = yard.start();
    let mut guest = Smtp::greeted(stays);
    let mut stubborn = Smtp::greeted(goes);
    stubborn.ask("EHLO client.example");
    stubborn.ask("STARTTLS");
    yard.configure_server("drain = \"100ms\"", &listener("mx", stays, ""));
    daemon.reloads();
    let said = daemon.said("no longer listening");
    assert!(said.contains("finished=0 cut=1"), "{said}");
    assert_eq!(stubborn.reply(), "");
    is_alive(&mut guest);
}

#[test]
fn what_stands_behind_an_address_changes_for_those_who_come_then() {
    let (changes, web) = (ports::loopback(), ports::loopback());
    let pair = Made::new("mail.example.com");
    let yard = Yard::empty();
    pair.write(&yard, "server");
    let with = |kind: &str, tls: &str| {
        let more = format!("tls = \"{tls}\"");
        [
            listener(kind, changes, &more),
            http(web),
            "[tls]\ncertificate = \"server.pem\"\nkey = \"server.key\"\n".into(),
        ]
        .concat()
    };
    yard.configure(&with("submission", "none"));
    let daemon = yard.start();
    let mut early = Smtp::greeted(changes);
    assert!(!early.ask("EHLO client.example").contains("STARTTLS"));

    yard.configure(&with("submission", "starttls"));
    assert!(daemon.reloads().contains("opened=0 changed=1 closed=0"));
    assert!(!early.ask("EHLO client.example").contains("STARTTLS"), "who stands keeps what he found");
    assert!(Smtp::greeted(changes).ask("EHLO client.example").contains("STARTTLS"));
    assert!(secured(changes, &pair).is_ok());

    yard.configure(&with("mx", "implicit"));
    daemon.reloads();
    let mut late = Smtp::on(handshake(TcpStream::connect(changes).unwrap(), &pair).unwrap());
    assert!(late.reply().starts_with("220 "));
    assert_eq!(daemon.addresses("mx"), [changes]);
    is_alive(&mut early);

    // SMTP gives way to HTTP on the same port, and comes back.
    yard.configure(&http(changes));
    daemon.reloads();
    assert_eq!(get(changes, "/healthz").0, 200);
    is_sent_away(&mut early);
    yard.configure(&with("mx", "starttls"));
    daemon.reloads();
    Smtp::greeted(changes);
}

#[test]
fn an_address_narrows_and_widens_on_its_own_port() {
    let port = ports::known();
    let (all, one) = (SocketAddr::from(([0, 0, 0, 0], port)), SocketAddr::from(([127, 0, 0, 1], port)));
    let other = ports::loopback();
    let yard = Yard::with(&[listener("mx", all, ""), listener("mx", other, "")].concat());
    let daemon = yard.start();
    for wanted in [one, all] {
        let (mut moved, mut untouched) = (Smtp::greeted(one), Smtp::greeted(other));
        yard.configure(&[listener("mx", wanted, ""), listener("mx", other, "")].concat());
        let said = daemon.reloads();
        assert!(said.contains("opened=1 changed=0 closed=1"), "{said}");
        is_sent_away(&mut moved);
        is_alive(&mut untouched);
        Smtp::greeted(one);
        assert!(daemon.addresses("mx").contains(&wanted));
    }
}

#[test]
fn a_port_that_another_program_has_refuses_the_whole_reload() {
    let (mine, new) = (ports::loopback(), ports::loopback());
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let holder = std::net::TcpListener::bind(taken).unwrap();
    let yard = Yard::with(&listener("mx", mine, ""));
    let daemon = yard.start();
    yard.configure(&[listener("mx", new, ""), listener("mx", taken, "")].concat());
    let said = daemon.refuses();
    assert!(said.contains(&format!("cannot listen on {taken}: another program holds it")), "{said}");
    assert_eq!(daemon.addresses("mx"), [mine]);
    Smtp::greeted(mine);
    is_closed(new);
    drop(holder);
    daemon.reloads();
    assert_eq!(daemon.addresses("mx"), [new, taken]);
}

// --- certificates ---------------------------------------------------------------------------------------

const PAIR: &str = "[tls]\ncertificate = \"server.pem\"\nkey = \"server.key\"\n";

#[test]
fn a_renewed_certificate_meets_new_handshakes_and_a_broken_one_refuses_the_reload() {
    let (old, new) = (Made::new("mail.example.com"), Made::new("mail.example.com"));
    let yard = Yard::empty();
    old.write(&yard, "server");
    yard.configure(&format!("{PAIR}{DOORS}"));
    let daemon = yard.start();
    let mx = daemon.address("mx");
    let mut standing = secured(mx, &old).unwrap();

    new.write(&yard, "server");
    assert!(secured(mx, &old).is_ok(), "files are read at a reload, not before");
    daemon.reloads();
    assert!(secured(mx, &new).is_ok() && secured(mx, &old).is_err());
    assert_eq!(standing.ask("NOOP"), "250 2.0.0 OK\r\n");

    // A renewal that put only one of the two files in place, or half of one.
    std::fs::write(yard.path("server.key"), &old.key).unwrap();
    yard.configure(&format!("{PAIR}{DOORS}[delivery]\nexpire = \"4d\"\n"));
    let said = daemon.refuses();
    assert!(said.contains("server.key: this key does not belong to the certificate in"), "{said}");
    std::fs::write(yard.path("server.pem"), &new.certificate[..new.certificate.len() / 2]).unwrap();
    let said = daemon.refuses();
    assert!(said.contains("server.pem: ") && said.contains("damaged PEM"), "{said}");
    assert!(secured(mx, &new).is_ok(), "the last good pair goes on");
    assert_eq!(daemon.status()["config"]["generation"], 2, "and nothing else of that file was taken");
    assert_eq!(standing.ask("NOOP"), "250 2.0.0 OK\r\n");
}

#[test]
fn a_certificate_for_another_name_comes_and_goes_with_a_reload() {
    let (main, net, renewed) =
        (Made::new("mail.example.com"), Made::new("mail.example.net"), Made::new("mail.example.net"));
    let yard = Yard::empty();
    main.write(&yard, "server");
    yard.configure(&format!("{PAIR}{DOORS}"));
    let daemon = yard.start();
    let mx = daemon.address("mx");
    let shows = |made: &Made| secured_asking(mx, made, "mail.example.net").is_ok();
    assert!(!shows(&net) && secured(mx, &main).is_ok());

    let with_both = format!("{PAIR}{DOORS}[[certificate]]\ncertificate = \"net.pem\"\nkey = \"net.key\"\n");
    net.write(&yard, "net");
    yard.configure(&with_both);
    daemon.reloads();
    assert!(shows(&net) && secured(mx, &main).is_ok());

    // One bad file of many keeps all of them as they were.
    main.write(&yard, "net");
    std::fs::write(yard.path("net.key"), &net.key).unwrap();
    let said = daemon.refuses();
    assert!(said.contains("net.key: this key does not belong to the certificate in"), "{said}");
    assert!(shows(&net));

    renewed.write(&yard, "net");
    daemon.reloads();
    assert!(shows(&renewed) && !shows(&net) && secured(mx, &main).is_ok());

    yard.configure(&format!("{PAIR}{DOORS}"));
    daemon.reloads();
    assert!(!shows(&renewed) && secured(mx, &main).is_ok());
}

#[test]
fn without_a_certificate_the_one_of_our_own_follows_the_hostname() {
    let yard = Yard::with(DOORS);
    let daemon = yard.start();
    let mx = daemon.address("mx");
    let own = || Made::read(&yard.path("data/tls/self-signed.pem"));
    let first = own();
    assert!(secured(mx, &first).is_ok());
    let other = "[server]\nhostname = \"mx2.example.com\"\ndata_dir = \"data\"\n";
    yard.write("gatepost.toml", &format!("{other}{DOORS}"));
    daemon.reloads();
    let mut client = Smtp::at(mx);
    assert_eq!(client.reply(), "220 mx2.example.com ESMTP Gatepost\r\n");
    assert_ne!(own().certificate, first.certificate);
}

// --- names ----------------------------------------------------------------------------------------------

#[test]
fn a_zone_that_cannot_be_read_is_not_taken_over() {
    let yard = Yard::empty();
    yard.write("zone.txt", "example.com A 192.0.2.1\n");
    yard.configure(&format!("[dns]\nzone_file = \"zone.txt\"\n{DOORS}"));
    let daemon = yard.start();
    yard.write("zone.txt", "example.com A 192.0.2\n");
    let said = daemon.refuses();
    assert!(said.contains("zone.txt:1: A takes an IPv4 address"), "{said}");
    yard.write("zone.txt", "example.com A 192.0.2.2\n");
    daemon.reloads();
}

// --- answers of other servers ---------------------------------------------------------------------------

#[test]
fn a_table_of_replies_that_is_broken_is_not_taken_over() {
    let yard = Yard::empty();
    yard.write("replies.toml", "[[reply]]\ncode = \"4xx\"\nkind = \"soft\"\ncategory = \"theirs\"\n");
    yard.configure(&format!("[delivery]\nreplies = \"replies.toml\"\n{DOORS}"));
    let daemon = yard.start();
    yard.write("replies.toml", "[[reply]]\ncode = \"4xx\"\nkind = \"soft\"\ncategory = \"Theirs\"\n");
    let said = daemon.refuses();
    assert!(said.contains("replies.toml cannot be used: line 4: ") && said.contains("is no category"), "{said}");
    yard.write("replies.toml", "");
    daemon.reloads();
}

// --- the log file ---------------------------------------------------------------------------------------

#[test]
fn the_log_file_is_rotated_and_no_line_is_lost() {
    let yard = Yard::empty();
    yard.configure_server("log_file = \"gatepost.log\"", DOORS);
    let mut daemon = yard.start();
    let (log, other) = (yard.path("gatepost.log"), yard.path("other.log"));
    let mx = daemon.address("mx");
    let talk = || assert!(Smtp::greeted(mx).ask("QUIT").starts_with("221 "));
    for n in 0..3 {
        talk();
        // logrotate: away with it, then the signal.
        let moved = yard.path(&format!("gatepost.log.{n}"));
        std::fs::rename(&log, moved).unwrap();
        talk();
        daemon.reloads();
        assert!(log.exists());
    }
    // Also when the configuration is broken: logrotate does not care.
    std::fs::rename(&log, yard.path("gatepost.log.3")).unwrap();
    yard.configure_server("log_file = \"gatepost.log\"\nnonsense = 1", DOORS);
    daemon.refuses();
    assert!(log.exists());
    // Another file, and one that cannot be opened.
    yard.configure_server("log_file = \"other.log\"", DOORS);
    daemon.reloads();
    talk();
    yard.configure_server("log_file = \"nowhere/gatepost.log\"", DOORS);
    assert!(daemon.refuses().contains("server.log_file cannot be opened"));
    talk();
    daemon.stops();
    let read = |path: &std::path::Path| std::fs::read_to_string(path).unwrap();
    let mut pages: Vec<_> = (0..4).map(|n| read(&yard.path(&format!("gatepost.log.{n}")))).collect();
    pages.extend([read(&log), read(&other)]);
    assert!(pages.iter().all(|page| !page.is_empty()), "{pages:?}");
    // What went to stderr is what the files hold together. Each line gets its time twice, and lines of
    // two threads may come the other way round.
    let without_time = |line: &str| line.split_once(' ').unwrap().1.to_owned();
    let mut filed: Vec<_> = pages.concat().lines().map(without_time).collect();
    let mut told: Vec<_> = daemon.log().iter().map(|line| without_time(line)).collect();
    assert_eq!(told.iter().filter(|line| line.contains("connection closed")).count(), 8);
    filed.sort();
    told.sort();
    assert_eq!(filed, told);
    assert_eq!(log.metadata().unwrap().permissions().mode() & 0o777, 0o640);
}

// --- many at once ---------------------------------------------------------------------------------------

/// Clients come and go while the signals rain: none is refused at a door that stays.
#[test]
fn signals_in_a_row_refuse_no_connection_at_doors_that_stay() {
    const ROUNDS: usize = 30;
    let [stays, web, one, two] = [(); 4].map(|()| ports::loopback());
    let with = |extra| [listener("mx", stays, ""), http(web), listener("submission", extra, "")].concat();
    let yard = Yard::with(&with(one));
    let mut daemon = yard.start();
    let mut standing = Smtp::greeted(stays);
    let over = AtomicBool::new(false);
    let served = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut served = 0;
                    while !over.load(Ordering::Relaxed) {
                        let mut client = Smtp::greeted(stays);
                        assert!(client.ask("QUIT").starts_with("221 "));
                        assert_eq!(try_get(web, "/healthz").unwrap().0, 200);
                        served += 1;
                    }
                    served
                })
            })
            .collect();
        for round in 0..ROUNDS {
            yard.configure(&with(if round % 2 == 0 { two } else { one }));
            // Two signals may become one; what counts is that the last file is in force in the end.
            daemon.signal(Signal::SIGHUP);
            daemon.signal(Signal::SIGHUP);
        }
        in_force(&daemon, one);
        over.store(true, Ordering::Relaxed);
        clients.into_iter().map(|client| client.join().unwrap()).sum::<usize>()
    });
    assert!(served > 0);
    is_alive(&mut standing);
    Smtp::greeted(one);
    is_closed(two);
    let all = daemon.all();
    assert!(!all.contains("not reloaded") && !all.contains("left out"), "{all}");
    daemon.stops();
}

fn in_force(daemon: &Daemon, submission: SocketAddr) {
    let begun = Instant::now();
    while daemon.addresses("submission") != [submission] {
        assert!(begun.elapsed() < PATIENCE, "{}", daemon.all());
        std::thread::yield_now();
    }
}

//! Mail at the doors of the real program: what a reload, a limit and a kill mean for who is in the middle of
//! it.

use crate::running::{Smtp, Yard, eventually};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const MAIL: &str = r#"
[delivery]
mode = "sandbox"

[[listener]]
kind = "submission"
bind = ["127.0.0.1:0"]
plain_auth = "loopback"

[[listener]]
kind = "mx"
bind = ["127.0.0.1:0"]

[[http]]
bind = ["127.0.0.1:0"]

[[domain]]
name = "example.com"

[[route]]
recipient = "*@example.com"
actions = [{ store = true }]
"#;

fn credential(more: &str) -> String {
    format!(
        "{MAIL}\n[[credential]]\nusername = \"app\"\npassword = \"open sesame\"\ndomains = [\"example.com\"]\n{more}\n"
    )
}

/// AUTH PLAIN with `app` and its password.
const LOGIN: &str = "AUTH PLAIN AGFwcABvcGVuIHNlc2FtZQ==";

fn logged_in(yard_says: std::net::SocketAddr) -> Smtp<TcpStream> {
    let mut client = Smtp::greeted(yard_says);
    assert!(client.ask("EHLO client.example").contains("AUTH PLAIN LOGIN"));
    let reply = client.ask(LOGIN);
    assert!(reply.starts_with("235 2.7.0 "), "{reply}");
    client
}

fn sends(client: &mut Smtp<TcpStream>) -> String {
    for (command, code) in
        [("MAIL FROM:<app@example.com>", "250"), ("RCPT TO:<someone@elsewhere.example>", "250"), ("DATA", "354")]
    {
        let reply = client.ask(command);
        if !reply.starts_with(code) {
            return reply;
        }
    }
    client.ask("From: app@example.com\r\nSubject: hello\r\n\r\ntext\r\n.")
}

#[test]
fn a_login_dies_by_reload_within_its_connection_and_comes_back_with_its_password() {
    let yard = Yard::with(&credential(""));
    let daemon = yard.start();
    let mut client = logged_in(daemon.address("submission"));
    assert!(sends(&mut client).starts_with("250 2.0.0 queued as em_"));
    yard.configure(MAIL);
    daemon.reloads();
    let reply = client.ask("MAIL FROM:<app@example.com>");
    assert!(reply.starts_with("530 5.7.0 "), "{reply}");
    yard.configure(&credential("").replace("open sesame", "another"));
    daemon.reloads();
    let reply = client.ask("MAIL FROM:<app@example.com>");
    assert!(reply.starts_with("530 5.7.0 "), "another password is another login: {reply}");
    yard.configure(&credential(""));
    daemon.reloads();
    assert!(sends(&mut client).starts_with("250 2.0.0 queued as em_"));
}

#[test]
fn a_limit_is_told_at_mail_with_the_time_when_it_opens_and_outlives_a_restart() {
    let yard = Yard::with(&credential("limits = [\"2/day\"]"));
    let mut daemon = yard.start();
    let mut client = logged_in(daemon.address("submission"));
    for _ in 0..2 {
        assert!(sends(&mut client).starts_with("250 2.0.0 queued as em_"));
    }
    let over = "450 4.7.1 too many messages for app (2/day), try again after ";
    let reply = sends(&mut client);
    assert!(reply.starts_with(over) && reply.trim_end().ends_with("UTC"), "{reply}");
    daemon.stops();
    let daemon = yard.start();
    let reply = sends(&mut logged_in(daemon.address("submission")));
    assert!(reply.starts_with(over), "{reply}");
}

/// RFC 5321 4.1.1.4, 6.1: who heard 250 finds the mail after the crash.
#[test]
fn every_250_outlives_a_kill() {
    let yard = Yard::with(&credential(""));
    let mut daemon = yard.start();
    let (address, over) = (daemon.address("submission"), Arc::new(AtomicBool::new(false)));
    let writers: Vec<_> = (0..8)
        .map(|_| {
            let over = over.clone();
            std::thread::spawn(move || {
                let mut kept = Vec::new();
                let mut client = logged_in(address);
                while !over.load(Ordering::Relaxed) {
                    // The daemon dies in the middle of some of these: a broken dialogue is no promise.
                    let Ok(reply) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| sends(&mut client)))
                    else {
                        break;
                    };
                    match reply.strip_prefix("250 2.0.0 queued as ") {
                        Some(id) => kept.push(id.trim_end().to_owned()),
                        None => break,
                    }
                }
                kept
            })
        })
        .collect();
    daemon.said("message accepted");
    let heard = eventually(|| (daemon.all().matches("message accepted").count() > 200).then_some(()));
    heard.expect("mail flows");
    daemon.crash();
    over.store(true, Ordering::Relaxed);
    let kept: Vec<String> = writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect();
    assert!(kept.len() > 100, "{} mails were answered", kept.len());
    let daemon = yard.start();
    let found = yard.path("data/gatepost.db");
    let stored = ids(&found);
    let lost: Vec<_> = kept.iter().filter(|id| !stored.contains(*id)).collect();
    assert!(lost.is_empty(), "{} of {} are lost: {lost:?}", lost.len(), kept.len());
    drop(daemon);
}

/// The ids of all messages, read beside the running daemon.
fn ids(path: &std::path::Path) -> std::collections::HashSet<String> {
    let connection = rusqlite::Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut ids = connection.prepare("SELECT id FROM messages").unwrap();
    ids.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

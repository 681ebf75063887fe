//! Tracked links under a running daemon: its own keys, its own listener, through a restart and a new key.

use crate::running::{Daemon, PATIENCE, Smtp, Yard, eventually, get};
use gatepost::base::clock::Clock;
use gatepost::base::id::{DeliveryId, MessageId};
use gatepost::base::random::Random;
use gatepost::content::token::{Head, Keyring, LeadsTo, MacKey};
use gatepost::store::dialect::Location;
use gatepost::store::open::Opening;
use gatepost::store::{Store, seal};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

const MAIL: &str = r#"
[[http]]
bind = ["127.0.0.1:0"]
serves = ["api", "metrics"]

[[http]]
bind = ["127.0.0.1:0"]
serves = ["tracking"]

[[listener]]
kind = "submission"
bind = ["127.0.0.1:0"]
plain_auth = "loopback"

[[domain]]
name = "example.com"

[[credential]]
username = "app"
password = "open sesame"
domains = ["example.com"]
"#;

/// The keys that the daemon made, read behind its back.
fn keyring(yard: &Yard) -> Keyring {
    let key = seal::parse_master_key(&std::fs::read_to_string(yard.path("data/master.key")).unwrap()).unwrap();
    let opening = Opening {
        location: Location::File(yard.path("data/gatepost.db")),
        read_connections: 1,
        write_connections: 1,
        master_key: key,
        clock: Clock::System,
        random: Random::System,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Store::open(opening).await.unwrap();
        let kept = store.secrets_of("mac").await.unwrap();
        store.close().await;
        let keys = kept.into_iter().map(|kept| MacKey { number: kept.name.parse().unwrap(), secret: kept.secret });
        Keyring::new(keys.collect()).unwrap()
    })
}

/// A message that waits for its time, and its delivery.
fn sends(daemon: &Daemon) -> (MessageId, DeliveryId) {
    let mut client = Smtp::greeted(daemon.address("submission"));
    client.ask("EHLO client.example");
    client.ask("AUTH PLAIN AGFwcABvcGVuIHNlc2FtZQ==");
    client.ask("MAIL FROM:<app@example.com> HOLDFOR=3600");
    client.ask("RCPT TO:<anna@gmail.example>");
    client.ask("DATA");
    let reply = client.ask("From: app@example.com\r\nSubject: hello\r\n\r\ntext\r\n.");
    let (_, id) = reply.trim_end().rsplit_once("queued as ").unwrap_or_else(|| panic!("{reply}"));
    let life = life(daemon, id);
    (id.parse().unwrap(), life["deliveries"][0]["id"].as_str().unwrap().parse().unwrap())
}

fn life(daemon: &Daemon, id: &str) -> Value {
    serde_json::from_str(&daemon.control(&format!("/api/v1/emails/{id}")).1).unwrap()
}

fn follows(address: SocketAddr, method: &str, token: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(
        stream,
        "{method} /t/{token} HTTP/1.1\r\nHost: t.example.com\r\nX-Forwarded-For: 203.0.113.99\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn token(ring: &Keyring, (message, delivery): &(MessageId, DeliveryId), leads_to: LeadsTo) -> String {
    let mut token = ring.draft(&Head { message: message.clone(), link: 0, leads_to }.saying()).unwrap().into_bytes();
    ring.seal(&mut token, delivery).unwrap();
    String::from_utf8(token).unwrap()
}

#[test]
fn links_work_from_the_first_start_through_restarts_and_new_keys() {
    let yard = Yard::with(MAIL);
    let mut daemon = yard.start();
    let sent = sends(&daemon);
    let first = keyring(&yard);
    assert_eq!(first.mints_with(), 1);
    let click = token(&first, &sent, LeadsTo::Url("https://example.com/a?b#c".into()));
    let goes = |daemon: &Daemon, token: &str| {
        let answer = follows(daemon.addresses("http")[1], "GET", token, "");
        assert!(answer.starts_with("HTTP/1.1 302 "), "{answer}");
        assert!(answer.contains("\r\nlocation: https://example.com/a?b#c\r\n"), "{answer}");
    };
    goes(&daemon, &click);
    assert_eq!(get(daemon.addresses("http")[0], &format!("/t/{click}")).0, 404, "not where it is not served");

    let ran = yard.run(&["key", "rotate-links"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.out.starts_with("Key 2 was made; links are made with it from "), "{}", ran.out);
    daemon.said("a new key for tracked links was made");
    let both = keyring(&yard);
    assert_eq!(both.numbers().collect::<Vec<_>>(), [1, 2]);
    let newer = token(&both, &sent, LeadsTo::Url("https://example.com/a?b#c".into()));
    assert_ne!(newer, click);
    goes(&daemon, &click);
    goes(&daemon, &newer);

    // What was seen is written before it ends.
    daemon.stops();
    let mut daemon = yard.start();
    goes(&daemon, &click);
    goes(&daemon, &newer);
    let stop = token(&both, &sent, LeadsTo::Unsubscribe);
    let answer = follows(daemon.addresses("http")[1], "POST", &stop, "List-Unsubscribe=One-Click");
    assert!(answer.starts_with("HTTP/1.1 200 ") && !answer.to_lowercase().contains("set-cookie"), "{answer}");
    let timeline = |kind: &str| {
        let life = life(&daemon, sent.0.as_str());
        let events = life["timeline"].as_array().unwrap().clone();
        events.into_iter().filter(|event| event["kind"] == kind).collect::<Vec<_>>()
    };
    let clicked = eventually(|| Some(timeline("email.clicked")).filter(|clicked| clicked.len() == 5)).unwrap();
    assert_eq!(clicked[0]["data"]["ip"], "203.0.113.0/24", "{clicked:?}");
    assert_eq!(clicked[0]["data"]["recipient"], "anna@gmail.example");
    assert_eq!(timeline("email.unsubscribed").len(), 1);
    daemon.stops();
}

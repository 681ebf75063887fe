//! Mail leaves signed: the keys of the configuration, each host's form of the message, what happens without a key
//! that can sign. Whether the signatures are right, dkimpy says, which knows nothing of ours.

use super::sink::{Act, At, Message, Offer};
use super::world::{SENDER, TEXT, World};
use base64::prelude::{BASE64_STANDARD, Engine};
use gatepost::model::dkim::Algorithm;
use gatepost::proof::PrivateKey;
use std::io::Write;
use std::process::{Command, Stdio};

/// A new key: its file's text, and its record.
pub struct Key {
    pem: String,
    record: String,
}

impl Key {
    fn new(algorithm: Algorithm) -> Self {
        let key = PrivateKey::generate(algorithm).unwrap();
        let text = BASE64_STANDARD.encode(key.to_pkcs8().unwrap().expose());
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n");
        Self { pem, record: key.public().unwrap().record() }
    }
}

/// What dkimpy says of each signature of a message, in their order.
pub fn verified(message: &Message, records: &[(&str, String)]) -> Vec<bool> {
    let script = crate::source::root().join("tests/clients/dkim_verify.py");
    let mut command = Command::new("/usr/bin/python3");
    // Debian's own, which has Debian's packages.
    command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped());
    for (selector, record) in records {
        command.arg(format!("{selector}._domainkey.example.com.={record}"));
    }
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(&message.bytes).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().split_whitespace().map(|word| word == "True").collect()
}

pub fn with_both_keys(world: &World) -> [(&'static str, String); 2] {
    let (rsa, ed25519) = (Key::new(Algorithm::Rsa), Key::new(Algorithm::Ed25519));
    world.yard.write("rsa.pem", &rsa.pem);
    world.yard.write("ed.pem", &ed25519.pem);
    world.domain(r#"dkim = [{ selector = "gp1", key = "rsa.pem" }, { selector = "gp2", key = "ed.pem" }]"#);
    [("gp1", rsa.record), ("gp2", ed25519.record)]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_key_of_the_domain_signs_and_recipients_share_the_signatures() {
    let world = World::new();
    let records = with_both_keys(&world);
    let near = world.mx("near.example", Offer::usual()).await;
    let far = world.mx("far.example", Offer::usual()).await;
    let house = world.open();
    house.sends(&["one@near.example", "two@far.example"]);
    let (one, two) = (near.message().await, far.message().await);
    assert_eq!(verified(&one, &records), [true, true], "{}", one.text());
    assert_eq!(one.bytes, two.bytes, "one signature for both");
    let text = one.text();
    assert!(text.starts_with("DKIM-Signature: "), "{text}");
    assert!(text.ends_with(TEXT), "{text}");
    // It is kept with the try, so that what was sent can be shown again.
    house.comes_to("one@near.example", "delivered");
    assert!(house.tries("one@near.example")[0].details.contains("DKIM-Signature: "));
}

/// RFC 6376 5.3: converted first, then signed.
#[tokio::test(flavor = "multi_thread")]
async fn a_host_without_8bitmime_gets_a_signature_over_what_it_is_given() {
    let world = World::new();
    let records = with_both_keys(&world);
    let old = world.mx("old.example", Offer::usual().without("8BITMIME")).await;
    let new = world.mx("new.example", Offer::usual()).await;
    let house = world.open();
    let text = TEXT.replace("and the end", "und das Ende, f\u{fc}r heute").replace(
        "Subject: hello\r\n",
        "Subject: hello\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n",
    );
    house.submits(&format!("<{SENDER}> BODY=8BITMIME"), &["<a@old.example>", "<b@new.example>"], &text);
    let (old, new) = (old.message().await, new.message().await);
    assert!(old.bytes.is_ascii() && !new.bytes.is_ascii());
    assert_eq!(verified(&old, &records), [true, true], "{}", old.text());
    assert_eq!(verified(&new, &records), [true, true], "{}", new.text());
}

/// Mail that was taken while its domain had keys never leaves unsigned, and says why it waits.
#[tokio::test(flavor = "multi_thread")]
async fn mail_waits_for_a_key_that_can_sign() {
    let world = World::new();
    let records = with_both_keys(&world);
    let sink = world.mx("far.example", Offer::usual()).await;
    sink.always(At::Mail, Act::say("451 4.7.1 later"));
    let house = world.open();
    house.sends(&["one@far.example"]);
    house.tried("one@far.example", 1);
    let configured = std::fs::read_to_string(world.yard.path("gatepost.toml")).unwrap();
    world.yard.write("gatepost.toml", &configured.replace("dkim = [", "# dkim = ["));
    house.daemon.reloads();
    house.event_comes("email.deferred", "4.7.5");
    sink.relent();
    let row = house.row("one@far.example").unwrap();
    assert!(row.reason.as_ref().is_some_and(|why| why.contains("DKIM keys")), "{row:?}");
    // What comes in from now on is of a domain that signs nothing.
    house.sends(&["two@far.example"]);
    assert_eq!(sink.message().await.recipients(), ["two@far.example"]);
    assert!(verified(&sink.kept()[0], &records).is_empty());
    world.yard.write("gatepost.toml", &configured);
    house.daemon.reloads();
    let message = sink.message().await;
    assert_eq!(message.recipients(), ["one@far.example"]);
    assert_eq!(verified(&message, &records), [true, true]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_key_signs_what_was_put_off() {
    let world = World::new();
    let records = with_both_keys(&world);
    let sink = world.mx("far.example", Offer::usual()).await;
    sink.once(At::Mail, Act::say("451 4.7.1 later"));
    world.delivery("retry = [\"1s\"]");
    let house = world.open();
    house.sends(&["one@far.example"]);
    house.tried("one@far.example", 1);
    let rotated = Key::new(Algorithm::Rsa);
    world.yard.write("rsa.pem", &rotated.pem);
    house.daemon.reloads();
    let message = sink.message().await;
    let of = |rsa: &String| verified(&message, &[("gp1", rsa.clone()), ("gp2", records[1].1.clone())]);
    // The reload may have come before or behind the second try: one of the two keys it is.
    assert!(of(&rotated.record) == [true, true] || of(&records[0].1) == [true, true], "{}", message.text());
}

/// RFC 6376 3.4.4: no body is an empty one. Scripts send such mail.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_all_header_is_signed() {
    let world = World::new();
    let records = with_both_keys(&world);
    let sink = world.mx("far.example", Offer::usual()).await;
    let house = world.open();
    house.submits(&format!("<{SENDER}>"), &["<a@far.example>"], "From: app@example.com\r\nSubject: disk is full\r\n");
    let message = sink.message().await;
    assert_eq!(verified(&message, &records), [true, true], "{}", message.text());
}

/// Reports of ours are mail like any other.
#[tokio::test(flavor = "multi_thread")]
async fn reports_are_signed_too() {
    let world = World::new();
    let records = with_both_keys(&world);
    let home = world.home().await;
    let sink = world.mx("far.example", Offer::usual()).await;
    sink.always(At::Rcpt(""), Act::say("550 5.1.1 nobody"));
    let house = world.open();
    house.sends(&["gone@far.example"]);
    let report = home.message().await;
    assert_eq!(verified(&report, &records), [true, true], "{}", report.text());
}

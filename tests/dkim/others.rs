//! Messages as nobody would write them, signed by us and judged by others.

use super::{keys, signed};
use crate::verifier::Verifier;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gatepost::base::random::Random;
use std::io::Write;
use std::process::{Command, Stdio};

const NAMES: [&str; 16] = [
    "To",
    "Cc",
    "subject",
    "SUBJECT",
    "Date",
    "Reply-To",
    "MIME-Version",
    "Content-Type",
    "List-Unsubscribe",
    "Resent-To",
    "List-Id",
    "References",
    "X-Odd",
    "Received",
    "Feedback-ID",
    "Sender",
];
/// What values and bodies are made of.
const BITS: [&[u8]; 16] = [
    b"a",
    b"word",
    b"=20",
    b".",
    b";b=c",
    b":",
    b" ",
    b"  ",
    b"\t",
    b" \t ",
    b"\xc3\xbc",
    b"\xff",
    b"\"",
    b"x@y.z",
    b"~",
    b"long-long-long-long-long-long-long-long-long-long-long-long-long-long-long-long-long-long",
];

fn bit(random: &Random) -> &'static [u8] {
    BITS[random.below(16) as usize]
}

/// A field with odd white space, folded anywhere that still is a fold.
fn field(random: &Random, name: &str) -> Vec<u8> {
    let mut field = format!("{name}:").into_bytes();
    for _ in 0..random.below(6) {
        field.extend_from_slice(bit(random));
        if random.below(3) == 0 {
            let white: &[u8] = if random.below(2) == 0 { b"\r\n " } else { b"\r\n\t \t" };
            field.extend_from_slice(white);
            // A line of white space alone is obsolete, and not every reader takes it for a fold.
            field.extend_from_slice(b"w");
        }
    }
    field.extend_from_slice(b"\r\n");
    field
}

fn message(random: &Random) -> Vec<u8> {
    let mut fields: Vec<Vec<u8>> = vec![b"From: Joe <joe@example.com>\r\n".to_vec()];
    for _ in 0..random.below(10) {
        let at = random.below(fields.len() as u64 + 1) as usize;
        fields.insert(at, field(random, NAMES[random.below(16) as usize]));
    }
    let mut message = fields.concat();
    message.extend_from_slice(b"\r\n");
    for _ in 0..random.below(8) {
        for _ in 0..random.below(7) {
            message.extend_from_slice(bit(random));
        }
        message.extend_from_slice(b"\r\n");
    }
    for _ in 0..random.below(4) {
        message.extend_from_slice([&b"\r\n"[..], b" \r\n", b"\t\t \r\n"][random.below(3) as usize]);
    }
    message
}

fn messages(seed: u64, count: usize) -> Vec<Vec<u8>> {
    let random = Random::seeded(seed);
    (0..count).map(|_| message(&random)).collect()
}

#[test]
fn mail_auth_accepts_whatever_we_sign() {
    let keys = keys();
    let verifier = Verifier::new(keys.iter().map(|key| &**key));
    for message in messages(1, 2_000) {
        let whole = signed(&message, &keys);
        assert_eq!(verifier.judge(&whole), [Ok(()), Ok(())], "{}", whole.escape_ascii());
    }
}

#[test]
fn dkimpy_accepts_whatever_we_sign() {
    let keys = keys();
    let messages: Vec<_> = messages(2, 500).iter().map(|message| signed(message, &keys)).collect();
    let said = dkimpy(&messages);
    assert_eq!(said.len(), messages.len());
    for (said, message) in said.iter().zip(&messages) {
        assert_eq!(said, "ok ok", "{}", message.escape_ascii());
    }
    // It would say so if they were bad.
    let mut changed = messages[0].clone();
    changed.extend_from_slice(b"more\r\n");
    assert!(dkimpy(&[changed]).iter().all(|said| !said.contains("ok")));
}

/// A line for each message, in one process.
fn dkimpy(messages: &[Vec<u8>]) -> Vec<String> {
    let record = |key: &gatepost::proof::SigningKey| {
        let owner = format!("{}.", gatepost::proof::record::owner(key.domain(), key.selector()));
        (owner, serde_json::Value::from(key.private().public().unwrap().record()))
    };
    let records: serde_json::Map<_, _> = keys().iter().map(|key| record(key)).collect();
    let messages: Vec<_> = messages.iter().map(|message| STANDARD.encode(message)).collect();
    let told = serde_json::json!({"records": records, "messages": messages, "signatures": 2}).to_string();
    let script = crate::source::root().join("tests/dkim/judge.py");
    // Debian's own, which has Debian's packages.
    let mut command = Command::new("/usr/bin/python3");
    let piped = command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().expect("Debian's python3 is installed: `make packages`");
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(told.as_bytes()));
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "`make packages` installs python3-dkim and python3-nacl: {errors}");
    writer.join().unwrap().unwrap();
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

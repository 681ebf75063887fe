//! msmtp, what cron jobs and mutt send with: SCRAM-SHA-256 by GNU SASL, and no trust without a chain.

use super::{House, LOGIN, MESSAGE, PASSWORD, ca};
use crate::running::Ran;
use std::fs::File;
use std::net::SocketAddr;
use std::process::Command;

fn msmtp(house: &House, door: SocketAddr, words: &[&str]) -> Command {
    // It reads lines as Unix has them, and writes them as SMTP has them.
    let message = house.file(&MESSAGE.replace("\r\n", "\n"));
    let port = format!("--port={}", door.port());
    let password = format!("--passwordeval=printf %s '{PASSWORD}'");
    let mut command = Command::new("msmtp");
    command.args(["--file=/dev/null", "--host=127.0.0.1", &port, "--tls=on", &format!("--tls-trust-file={}", ca())]);
    command.args(["--domain=client.example", "--timeout=20", "--from", LOGIN, "--user", LOGIN, &password]);
    command.args(words).arg("--").args(["one@elsewhere.example", "two@elsewhere.example"]);
    command.stdin(File::open(message).unwrap());
    command
}

fn submits(door: impl Fn(&House) -> SocketAddr, words: &[&str]) {
    let house = House::open();
    let mut command = msmtp(&house, door(&house), words);
    house.runs("msmtp", &mut command);
    let one = house.stored_one(MESSAGE, "ESMTPSA");
    assert_eq!(one.recipients, ["one@elsewhere.example", "two@elsewhere.example"]);
}

#[test]
fn auth_plain() {
    submits(|house| house.starttls, &["--auth=plain"]);
}

#[test]
fn auth_scram() {
    submits(|house| house.starttls, &["--auth=scram-sha-256"]);
}

#[test]
fn auth_login_with_tls_from_the_first_byte() {
    submits(|house| house.implicit, &["--auth=login", "--tls-starttls=off"]);
}

/// It takes the best that we offer.
#[test]
fn auth_as_it_chooses() {
    submits(|house| house.starttls, &["--auth=on"]);
}

/// RFC 3461, as its options have it.
#[test]
fn delivery_status_options() {
    let house = House::open();
    let words = ["--auth=on", "--dsn-notify=failure,delay", "--dsn-return=headers"];
    let mut command = msmtp(&house, house.starttls, &words);
    house.runs("msmtp", &mut command);
    let one = house.stored_one(MESSAGE, "ESMTPSA");
    for wish in ["hdrs", "failure", "delay"] {
        assert!(one.wishes.contains(wish), "{wish}? {}", one.wishes);
    }
}

/// 77 is EX_NOPERM: a login that failed; 69 is EX_UNAVAILABLE.
#[test]
fn a_wrong_password() {
    let house = House::open();
    for auth in ["--auth=plain", "--auth=scram-sha-256"] {
        let mut command = msmtp(&house, house.starttls, &[auth, "--passwordeval=echo guessed"]);
        let Ran { code, out, err } = house.tries("msmtp", &mut command);
        assert!(matches!(code, Some(69 | 77)), "{code:?}\n{out}\n{err}");
        assert!(err.contains("535"), "{err}");
    }
    assert_eq!(house.stored().len(), 0);
}

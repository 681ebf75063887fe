//! swaks, the admin's own: each way to log in that it has, and everything in one flight.

use super::{House, LOGIN, MESSAGE, PASSWORD, ca};
use std::process::Command;

fn swaks(house: &House, words: &[&str]) -> Command {
    // It reads lines as Unix has them, quotes the dots, and ends the last line itself.
    let message = MESSAGE.replace("\r\n", "\n");
    let message = house.file(message.strip_suffix('\n').unwrap());
    let mut command = Command::new("swaks");
    command.args(["--server", "127.0.0.1", "--protocol", "ESMTP", "--helo", "client.example", "--timeout", "20"]);
    command.args(["--tls-verify", "--tls-ca-path", &ca()]).args(words);
    command.arg("--data").arg(format!("@{}", message.display()));
    command
}

fn submits(words: &[&str]) {
    let house = House::open();
    let port = house.starttls.port().to_string();
    let mut command = swaks(&house, &["--port", &port, "--tls", "--from", LOGIN, "--to", "one@elsewhere.example"]);
    house.runs("swaks", command.args(["--auth-user", LOGIN, "--auth-password", PASSWORD]).args(words));
    let one = house.stored_one(MESSAGE, "ESMTPSA");
    assert_eq!(one.recipients, ["one@elsewhere.example"]);
}

#[test]
fn auth_plain() {
    submits(&["--auth", "PLAIN"]);
}

#[test]
fn auth_login() {
    submits(&["--auth", "LOGIN"]);
}

#[test]
fn auth_plain_in_one_flight() {
    submits(&["--auth", "PLAIN", "--pipeline"]);
}

#[test]
fn tls_from_the_first_byte() {
    let house = House::open();
    let port = house.implicit.port().to_string();
    let words = ["--port", &port, "--tls-on-connect", "--auth", "PLAIN", "--from", LOGIN, "--to", "a@b.example"];
    house.runs("swaks", swaks(&house, &words).args(["--auth-user", LOGIN, "--auth-password", PASSWORD]));
    house.stored_one(MESSAGE, "ESMTPSA");
}

/// RFC 2920: MAIL, three RCPT and DATA in one packet, one of them refused.
#[test]
fn a_pipeline_to_the_mx() {
    let house = House::open();
    let port = house.mx.port().to_string();
    let to = "one@example.com,stranger@elsewhere.example,two@example.com";
    let ran = house.runs("swaks", &mut swaks(&house, &["--port", &port, "--pipeline", "--from", "<>", "--to", to]));
    assert!(ran.out.contains("<** 550 5.7.1 "), "{}", ran.out);
    let one = house.stored_one(MESSAGE, "ESMTP");
    assert_eq!(one.sender, None);
    assert_eq!(one.recipients, ["one@example.com", "two@example.com"]);
}

/// 28 is swaks' own number for a login that failed.
#[test]
fn a_wrong_password() {
    let house = House::open();
    let port = house.starttls.port().to_string();
    let words = ["--port", &port, "--tls", "--auth", "LOGIN", "--from", LOGIN, "--to", "a@b.example"];
    let mut command = swaks(&house, &words);
    let ran = house.tries("swaks", command.args(["--auth-user", LOGIN, "--auth-password", "guessed"]));
    assert_eq!(ran.code, Some(28), "{}\n{}", ran.out, ran.err);
    assert!(ran.out.contains("<~* 535 5.7.8 "), "{}", ran.out);
    assert_eq!(house.stored().len(), 0);
}

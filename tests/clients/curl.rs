//! curl, what scripts send with: an initial response only when told to, and one connection for several
//! messages.

use super::{House, LOGIN, MESSAGE, PASSWORD, ca};
use std::process::Command;

const TO: [&str; 2] = ["one@elsewhere.example", "two@elsewhere.example"];

fn curl(house: &House, url: &str, words: &[&str]) -> Command {
    let message = house.file(MESSAGE);
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--max-time", "20", "--cacert", &ca(), "--url", url]);
    command.args(["--mail-from", LOGIN, "--user", &format!("{LOGIN}:{PASSWORD}")]);
    command.args(TO.iter().flat_map(|to| ["--mail-rcpt", to])).args(words).arg("--upload-file").arg(message);
    command
}

fn submits(url: impl Fn(&House) -> String, words: &[&str]) {
    let house = House::open();
    let mut command = curl(&house, &url(&house), words);
    house.runs("curl", &mut command);
    let one = house.stored_one(MESSAGE, "ESMTPSA");
    assert_eq!(one.recipients, TO);
}

fn starttls(house: &House) -> String {
    format!("smtp://127.0.0.1:{}/client.example", house.starttls.port())
}

fn implicit(house: &House) -> String {
    format!("smtps://127.0.0.1:{}/client.example", house.implicit.port())
}

#[test]
fn tls_from_the_first_byte() {
    submits(implicit, &[]);
}

#[test]
fn starttls_before_all_else() {
    submits(starttls, &["--ssl-reqd"]);
}

#[test]
fn starttls_and_an_initial_response() {
    submits(starttls, &["--ssl-reqd", "--sasl-ir"]);
}

#[test]
fn auth_plain_by_name() {
    submits(starttls, &["--ssl-reqd", "--login-options", "AUTH=PLAIN"]);
}

#[test]
fn auth_login_by_name() {
    submits(implicit, &["--login-options", "AUTH=LOGIN"]);
}

#[test]
fn auth_login_with_an_initial_response() {
    submits(implicit, &["--login-options", "AUTH=LOGIN", "--sasl-ir"]);
}

/// The second transaction comes over the connection of the first, without another login.
#[test]
fn two_messages_over_one_connection() {
    let house = House::open();
    let (url, message) = (starttls(&house), house.file(MESSAGE));
    let mut command = curl(&house, &url, &["--ssl-reqd"]);
    command.args(["--next", "--silent", "--show-error", "--cacert", &ca(), "--ssl-reqd", "--url", &url]);
    command.args(["--mail-from", LOGIN, "--user", &format!("{LOGIN}:{PASSWORD}"), "--mail-rcpt", TO[0]]);
    command.arg("--upload-file").arg(message);
    house.runs("curl", &mut command);
    let stored = house.stored();
    let recipients: Vec<_> = stored.iter().map(|one| one.recipients.len()).collect();
    assert_eq!(recipients, [2, 1]);
    stored.iter().for_each(|one| one.is(MESSAGE, "ESMTPSA"));
}

/// 67 is CURLE_LOGIN_DENIED.
#[test]
fn a_wrong_password() {
    let house = House::open();
    let mut command = curl(&house, &implicit(&house), &["--user", "app@example.com:guessed"]);
    let ran = house.tries("curl", &mut command);
    assert_eq!(ran.code, Some(67), "{}", ran.err);
    assert_eq!(house.stored().len(), 0);
}

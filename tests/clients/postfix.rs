//! Postfix as our client: as the relay of a host that logs in at our submission door, and as one of the
//! world's mail servers at our MX.

use super::watched::Watched;
use super::{House, LOGIN, MESSAGE, PASSWORD, STRANGER, ca};
use crate::peers::{Postfix, Programs};
use crate::running::Smtp;
use std::net::SocketAddr;

/// A Postfix that sends all mail through this door, and where it takes mail from us.
fn postfix(house: &House, door: SocketAddr, main: &str) -> (Watched, SocketAddr) {
    let folder = house.yard.path("postfix");
    std::fs::create_dir(&folder).unwrap();
    let takes = crate::ports::loopback();
    let main = format!(
        "relayhost = [127.0.0.1]:{}\nsmtp_tls_CAfile = {}\nsmtp_tls_secure_cert_match = localhost\n{main}",
        door.port(),
        ca()
    );
    (Watched::start(&Postfix::below(&folder, takes, &main)), takes)
}

/// Gives it a message for these, and waits until it says that it was taken from it.
fn sends(postfix: &Watched, takes: SocketAddr, from: &str, to: &[&str]) -> String {
    let mut smtp = Smtp::greeted(takes);
    assert!(smtp.ask("EHLO client.example").starts_with("250"));
    assert!(smtp.ask(&format!("MAIL FROM:<{from}> BODY=8BITMIME")).starts_with("250"));
    for address in to {
        assert!(smtp.ask(&format!("RCPT TO:<{address}>")).starts_with("250"));
    }
    assert!(smtp.ask("DATA").starts_with("354"));
    let stuffed = MESSAGE.replace("\r\n.", "\r\n..");
    let taken = smtp.ask(&format!("{stuffed}."));
    let (_, id) = taken.trim_end().rsplit_once(' ').unwrap();
    assert!(taken.starts_with("250"), "{taken}");
    // The queue manager's last word about it.
    postfix.says(&format!("{id}: removed"), 1)
}

fn password(house: &House, door: SocketAddr) -> String {
    let map = house.yard.write("sasl_passwords", &format!("[127.0.0.1]:{} {LOGIN}:{PASSWORD}\n", door.port()));
    format!(
        "smtp_sasl_auth_enable = yes\nsmtp_sasl_password_maps = texthash:{}\nsmtp_sasl_security_options = noanonymous\n",
        map.display()
    )
}

/// Its own Received, then what it was given.
fn ends_with_the_message(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let own = text.strip_suffix(MESSAGE).unwrap_or_else(|| panic!("{text}"));
    assert!(own.starts_with("Received: from client.example") && own.matches("\r\nReceived").count() == 0, "{own}");
}

fn relays(mechanism: &str) {
    let house = House::open();
    let login = password(&house, house.starttls);
    let main = format!("smtp_tls_security_level = secure\nsmtp_sasl_mechanism_filter = {mechanism}\n{login}");
    let (postfix, takes) = postfix(&house, house.starttls, &main);
    let log = sends(&postfix, takes, LOGIN, &["one@elsewhere.example", "two@elsewhere.example"]);
    assert_eq!(log.matches("status=sent (250 2.0.0 ").count(), 2, "{log}");
    drop(postfix);
    let mut stored = house.stored();
    assert_eq!(stored.len(), 1, "{log}");
    let one = stored.remove(0);
    assert_eq!(one.recipients, ["one@elsewhere.example", "two@elsewhere.example"]);
    let (trace, rest) = one.below_received();
    assert!(trace.contains(" with ESMTPSA "), "{trace}");
    ends_with_the_message(rest);
}

#[test]
fn relays_with_starttls_and_auth_plain() {
    relays("plain");
}

#[test]
fn relays_with_starttls_and_auth_login() {
    relays("login");
}

#[test]
fn relays_with_starttls_and_auth_scram() {
    relays("scram-sha-256");
}

/// RFC 8314: TLS from the first byte.
#[test]
fn relays_with_tls_from_the_first_byte() {
    let house = House::open();
    let login = password(&house, house.implicit);
    let main = format!("smtp_tls_security_level = secure\nsmtp_tls_wrappermode = yes\n{login}");
    let (postfix, takes) = postfix(&house, house.implicit, &main);
    let log = sends(&postfix, takes, LOGIN, &["one@elsewhere.example"]);
    assert!(log.contains("status=sent (250 2.0.0 "), "{log}");
    drop(postfix);
    assert_eq!(house.stored().len(), 1, "{log}");
}

/// RFC 2920: MAIL, every RCPT and DATA in one flight; the one refused is bounced there, the others arrive.
#[test]
fn delivers_to_the_mx_in_one_flight() {
    let house = House::open();
    let (postfix, takes) = postfix(&house, house.mx, "smtp_tls_security_level = may\nsoft_bounce = no\n");
    let to = ["one@example.com", "two@example.com", "stranger@elsewhere.example", "three@example.com"];
    let log = sends(&postfix, takes, "", &to);
    assert_eq!(log.matches("status=sent (250 2.0.0 ").count(), 3, "{log}");
    let refused = log.lines().find(|line| line.contains("to=<stranger@elsewhere.example>")).unwrap_or_default();
    assert!(refused.contains("status=bounced") && refused.contains("550 5.7.1"), "{log}");
    drop(postfix);
    let mut stored = house.stored();
    assert_eq!(stored.len(), 1, "{log}");
    let one = stored.remove(0);
    assert_eq!(one.sender, None);
    assert_eq!(one.recipients, ["one@example.com", "three@example.com", "two@example.com"]);
    let (trace, rest) = one.below_received();
    assert!(trace.contains(" with ESMTPS "), "{trace}");
    ends_with_the_message(rest);
}

/// Several messages over one connection, kept open between them.
#[test]
fn a_burst_to_the_mx() {
    let house = House::open();
    let (postfix, takes) = postfix(&house, house.mx, "smtp_tls_security_level = may\n");
    let at = takes.to_string();
    let words = ["-s", "5", "-m", "50", "-l", "10240", "-f", STRANGER, "-t", "one@example.com", &at];
    house.runs("postfix", Programs::find().command("smtp-source").args(words));
    postfix.says("status=sent (250 2.0.0 ", 50);
    drop(postfix);
    assert_eq!(house.stored().len(), 50);
}

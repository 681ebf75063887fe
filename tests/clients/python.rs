//! Python's smtplib, told what to do by clients/python.py: one function there for each test here.

use super::{House, LOGIN, MESSAGE, PASSWORD, ca};
use std::net::SocketAddr;
use std::process::Command;

/// Runs one function of the script against a door.
fn python(house: &House, does: &str, door: SocketAddr) {
    let script = crate::source::root().join("tests/clients/python.py");
    let message = house.file(MESSAGE);
    let mut command = Command::new("python3");
    command.arg(script).args([does, &door.port().to_string(), &ca(), LOGIN, PASSWORD]).arg(message);
    house.runs("python3", &mut command);
}

#[test]
fn starttls_and_every_way_to_log_in() {
    let house = House::open();
    python(&house, "starttls_and_every_way_to_log_in", house.starttls);
    let stored = house.stored();
    assert_eq!(stored.len(), 4);
    for one in stored {
        one.is(MESSAGE, "ESMTPSA");
        assert_eq!(one.sender.as_deref(), Some("app@example.com"));
        assert_eq!(one.recipients, ["one@elsewhere.example", "two@elsewhere.example"]);
    }
}

#[test]
fn tls_from_the_first_byte() {
    let house = House::open();
    python(&house, "tls_from_the_first_byte", house.implicit);
    house.stored_one(MESSAGE, "ESMTPSA");
}

/// RFC 6531: non-ASCII addresses on both sides and a header in UTF-8, by `send_message`.
#[test]
fn international_addresses() {
    let house = House::open();
    python(&house, "international_addresses", house.starttls);
    let one = house.stored().remove(0);
    assert_eq!(one.sender.as_deref(), Some("jörg@example.com"));
    assert_eq!(one.recipients, ["größe@elsewhere.example"]);
    let (trace, rest) = one.below_received();
    assert!(trace.contains(" with UTF8SMTPSA "), "{trace}");
    let text = std::str::from_utf8(rest).unwrap();
    assert!(text.contains("Subject: Grüße aus Köln\r\n") && text.ends_with("\r\n\r\nschön\r\n"), "{text}");
}

/// RFC 3461: what the reports need is kept.
#[test]
fn delivery_status_options() {
    let house = House::open();
    python(&house, "delivery_status_options", house.starttls);
    let one = house.stored_one(MESSAGE, "ESMTPSA");
    for wish in ["QQ+314159", "hdrs", "success", "failure", "rfc822;origin+al@example.net"] {
        assert!(one.wishes.contains(wish), "{wish}? {}", one.wishes);
    }
}

/// What a message wishes beside its envelope, as the library folds and encodes it.
#[test]
fn control_headers() {
    let house = House::open();
    python(&house, "control_headers", house.starttls);
    let stored = house.stored();
    assert_eq!(stored.len(), 1);
    for wish in [
        r#""tags":["welcome","spring-2026"]"#,
        "\"customer\":\"J\u{fc}rgen Gr\u{f6}\u{df}e\"",
        "\"note\":\"long long ",
        "\"opens\":false",
        "X-Gatepost-Variables",
    ] {
        assert!(stored[0].wishes.contains(wish), "{wish}? {}", stored[0].wishes);
    }
    let (_, rest) = stored[0].below_received();
    let text = std::str::from_utf8(rest).unwrap();
    assert!(text.ends_with("\r\n\r\nhello\r\n") && !text.contains("Gatepost-"), "{text}");
}

#[test]
fn refusals_are_understood_and_leave_nothing() {
    let house = House::open();
    python(&house, "refusals_are_understood", house.starttls);
    assert_eq!(house.stored().len(), 0);
}

/// Strangers may write to us, and to nobody else.
#[test]
fn strangers_on_the_mx() {
    let house = House::open();
    python(&house, "strangers_on_the_mx", house.mx);
    let one = house.stored_one(MESSAGE, "ESMTPS");
    assert_eq!(one.recipients, ["one@example.com", "two@example.com"]);
}

use super::*;
use crate::mail::header::Header;
use proptest::prelude::*;

fn told(what: &str, diagnostic: &str, remote: &str) -> Told {
    Told {
        original: Some(OriginalRecipient { kind: "rfc822".into(), address: what.into() }),
        recipient: "bob@example.net".parse().unwrap(),
        action: Action::Failed,
        status: Status::new(5, 1, 1),
        remote: Some(remote.into()),
        diagnostic: Some(Diagnostic::Smtp(diagnostic.into())),
        last_attempt: Some(Time::default()),
        retry_until: Some(Time::default()),
        what: what.into(),
        advice: String::new(),
    }
}

fn composed(told: &[Told], message: &[u8], subject: &str, envid: &str, smtputf8: bool) -> Composed {
    Report {
        from: "MAILER-DAEMON@example.com".parse().unwrap(),
        to: "app@example.com".parse().unwrap(),
        reporting_mta: &"mail.example.com".parse().unwrap(),
        message_id: "1@example.com".into(),
        boundary: "=_em_7".into(),
        at: Time::default(),
        envelope_id: Some(envid),
        arrived: Time::default(),
        original_id: subject,
        subject,
        told,
        message,
        returned: Returned::Full,
        smtputf8,
    }
    .compose()
}

const TRICK: &str = "550 no\r\nX-Evil: yes\r\n\r\n--=_em_7\r\nContent-Type: text/html\r\n\u{0}\u{85}\u{2028}\tb";

#[test]
fn no_text_of_others_makes_a_field_or_a_part() {
    for utf8 in [false, true] {
        let report = composed(&[told(TRICK, TRICK, TRICK)], b"A: b\r\n\r\nc\r\n", TRICK, TRICK, utf8);
        let text = String::from_utf8(report.bytes).unwrap();
        assert!(!text.contains("\r\nX-Evil") && !text.contains("\r\nContent-Type: text/html"), "{text}");
        assert_eq!(text.matches("\r\n--=_em_7\r\n").count(), 3, "{text}");
        assert!(!text.chars().any(|c| c.is_control() && c != '\r' && c != '\n'), "{text:?}");
    }
}

/// Trap 26.
#[test]
fn no_line_is_longer_than_mail_may_have() {
    let long = "x".repeat(5_000);
    let words = "word ".repeat(2_000);
    let report = composed(&[told(&long, &words, &long)], b"A: b\r\n\r\nc\r\n", &long, &long, false);
    let text = String::from_utf8(report.bytes).unwrap();
    assert!(text.split("\r\n").all(|line| line.len() <= 998), "{text}");
    assert!(text.contains("\r\n word word word"), "folded at its spaces: {text}");
}

#[test]
fn what_cannot_stand_in_a_message_is_reduced_to_its_header() {
    let of =
        |message: &[u8]| String::from_utf8(composed(&[told("a", "b", "c")], message, "s", "e", false).bytes).unwrap();
    let whole = of(b"A: b\r\n\r\nbody\r\n");
    assert!(whole.contains("Content-Type: message/rfc822\r\n") && whole.contains("body"));
    for body in [&b"a\rb"[..], b"a\nb", b"nul \0", &[b'x'; 999], &vec![b'\n'; limits_bytes()]] {
        let text = of(&[b"A: b\r\n\r\nbody ", body].concat());
        assert!(text.contains("Content-Type: text/rfc822-headers\r\n") && !text.contains("body "), "{text}");
        assert!(text.contains("\r\n\r\nA: b\r\n"), "{text}");
    }
    // A field that is no text is left out, and the others stay.
    let text = of(b"A: b\r\nBad: x\rFrom: evil\r\nC: d\r\n\r\nbody\rx");
    assert!(text.contains("\r\nA: b\r\nC: d\r\n") && !text.contains("evil"), "{text}");
}

fn limits_bytes() -> usize {
    crate::base::limits::REPORT_RETURNED_BYTES_MAX
}

#[test]
fn an_address_beyond_ascii_is_escaped_in_a_report_of_the_old_kind() {
    let mut one = told("a", "550 \u{e9}", "c");
    one.recipient = "j\u{f6}rg+x@example.net".parse().unwrap();
    let old = composed(std::slice::from_ref(&one), b"A: b\r\n\r\n", "s", "e", false);
    assert_eq!((old.body, old.smtputf8), (BodyType::EightBitMime, false));
    let text = String::from_utf8(old.bytes).unwrap();
    assert!(text.contains("Final-Recipient: utf-8; j\\x{F6}rg\\x{2B}x@example.net\r\n"), "{text}");
    assert!(text.contains("Diagnostic-Code: smtp; 550 ?\r\n"), "{text}");
    let new = composed(&[one], b"A: b\r\n\r\n", "s", "e", true);
    assert_eq!((new.body, new.smtputf8), (BodyType::EightBitMime, true));
    let text = String::from_utf8(new.bytes).unwrap();
    assert!(text.contains("Content-Type: message/global-delivery-status\r\n"), "{text}");
    assert!(text.contains("Final-Recipient: utf-8; j\u{f6}rg+x@example.net\r\n"), "{text}");
}

#[test]
fn the_conversation_is_named_when_its_name_can_be_repeated() {
    let of = |id: &str| String::from_utf8(composed(&[told("a", "b", "c")], b"", id, "e", false).bytes).unwrap();
    assert!(of("<1@example.com>").contains("\r\nIn-Reply-To: <1@example.com>\r\nReferences: <1@example.com>\r\n"));
    for odd in ["", "1@example.com", "<a b@c>", "<a@b> <c@d>", "<a@b\u{e9}>", "<nothing>"] {
        assert!(!of(odd).contains("In-Reply-To"), "{odd}");
    }
}

// The boundary is made of chance, and nobody who is quoted can know it.
proptest! {
    #[test]
    fn whatever_was_said_a_report_is_one_message_of_three_parts(
        what in "\\PC{0,200}|([\r\n\t\u{0} :=_-]|em_8|--){0,40}",
        diagnostic in "\\PC{0,200}|([\r\n\t\u{0} :=_-]|em_8|--){0,40}",
        subject in "\\PC{0,100}|([\r\n<>@: ]|a){0,40}",
        message in "((A|B|From): [a-z\u{e9}]{0,20}\r\n){0,5}(\r\n([a-z\u{e9}]{0,30}\r\n){0,5})?",
        utf8: bool,
    ) {
        let report = composed(&[told(&what, &diagnostic, &what)], message.as_bytes(), &subject, &what, utf8);
        let text = String::from_utf8(report.bytes.clone()).unwrap();
        prop_assert!(text.split("\r\n").all(|line| line.len() <= 998 && !line.contains(['\r', '\n', '\0'])));
        prop_assert_eq!(text.matches("\r\n--=_em_7\r\n").count(), 3);
        prop_assert!(text.ends_with("\r\n--=_em_7--\r\n"));
        prop_assert_eq!(Header::read(&report.bytes).from.len(), 1);
        let head = &report.bytes[..Header::read(&report.bytes).bytes];
        prop_assert!(head.is_ascii());
        // RFC 2046 5.1.1: a delimiter begins a line; this parser finds one in the middle of a line too. A real one
        // has the report's own id, which nobody knows before.
        if text.matches("--=_em_7").count() == 4 {
            let parsed = mail_parser::MessageParser::default().parse(&report.bytes).unwrap();
            prop_assert_eq!(parsed.parts.len(), 4);
        }
        prop_assert_eq!(report.body == BodyType::SevenBit, text.is_ascii());
    }
}

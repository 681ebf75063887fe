//! Reports to senders as they look: each case is a file under golden/reports, read back by two readers of
//! mail that are not ours. `GATEPOST_BLESS=1` writes the files anew.

use gatepost::base::clock::Time;
use gatepost::base::id;
use gatepost::base::random::Random;
use gatepost::config::load::load_text;
use gatepost::config::{Config, Environment};
use gatepost::mail::domain_name::DomainName;
use gatepost::mail::envelope::{BodyType, ReversePath};
use gatepost::mail::status::Status;
use gatepost::model::delivery::{Delivery, State};
use gatepost::model::directory::{Directory, DirectoryRows, Parts};
use gatepost::model::message::{Message, Origin};
use gatepost::model::outcome::{Blame, Kind, Why};
use gatepost::queue::bounce::{self, Around, End, Ended, Report};
use mail_parser::{MessageParser, MimeHeaders, PartType};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Sat, 21 Nov 2026 12:00:00 UTC
const NOW: Time = Time::from_micros(1_795_262_400_000_000);

const ORIGINAL: &str = "Received: by mail.example.com id em_1; Sat, 21 Nov 2026 08:00:00 +0000\r\n\
    From: App <app@example.com>\r\nTo: bob@example.net\r\nSubject: Your order\r\n\
    Date: Sat, 21 Nov 2026 08:00:00 +0000\r\nMessage-ID: <order-7@example.com>\r\n\r\nHello Bob,\r\n.\r\nbye\r\n";

/// What was sent, and what became of it.
struct Case {
    name: &'static str,
    details: &'static str,
    /// Nothing when it cannot be read any more.
    original: Vec<u8>,
    deliveries: Vec<(Delivery, Became)>,
}

enum Became {
    Failed(Why),
    Delayed(Why),
    Delivered,
    Relayed,
}

fn directory() -> Directory {
    let text = "[server]\nhostname = \"mail.example.com\"\n\n[[domain]]\nname = \"example.com\"\n";
    let environment = Environment::default().on_machine("mail.example.com");
    let config: Config = load_text("gatepost.toml", text.into(), Path::new(""), &environment).config.unwrap();
    let parts = Parts { domains: &config.domain, ..Parts::default() };
    Directory::assemble(&parts, &DirectoryRows::default()).0
}

fn delivery(recipient: &str, details: &str) -> Delivery {
    let random = Random::seeded(7);
    Delivery {
        id: id::new(NOW, &random),
        message: id::new(NOW, &random),
        tenant: id::new(NOW, &random),
        stream: "transactional".into(),
        recipient: recipient.parse().unwrap(),
        destination: "mx:example.net".into(),
        state: State::Leased,
        reason: None,
        attempts: 1,
        due_at: NOW,
        expires_at: NOW.plus(Duration::from_secs(5 * 86_400)),
        lease: None,
        wanted: None,
        warned_at: None,
        details: details.into(),
        created_at: NOW.minus(Duration::from_secs(4 * 3_600)),
    }
}

fn why(category: &str, kind: Kind, status: Status, code: Option<u16>, text: &str) -> Why {
    Why { blame: Blame::Remote, kind, category: category.into(), status, code, text: text.into() }
}

fn unknown_user() -> Why {
    let text = "5.1.1 <bob@example.net>: Recipient address rejected: User unknown in virtual mailbox table";
    why("unknown_user", Kind::Hard, Status::new(5, 1, 1), Some(550), text)
}

fn unreachable() -> Why {
    let text = "mx.example.net did not answer in time";
    Why { blame: Blame::Network, ..why("timeout", Kind::Soft, Status::new(4, 4, 1), None, text) }
}

fn report(case: &Case) -> Report {
    let sent = NOW.minus(Duration::from_secs(4 * 3_600));
    let ids = Random::seeded(8);
    let utf8 = case.details.contains("smtputf8");
    let message = Message {
        id: id::new(sent, &ids),
        tenant: id::new(sent, &ids),
        origin: Origin::Submitted,
        submitter: Some("app".into()),
        peer: None,
        sender: ReversePath::Address((if utf8 { "jörg@example.com" } else { "app@example.com" }).parse().unwrap()),
        from_domain: "example.com".parse().unwrap(),
        subject: if utf8 { "Größe".into() } else { "Your order".into() },
        header_id: "<order-7@example.com>".into(),
        stream: "transactional".into(),
        size: case.original.len() as u64,
        sandboxed_at: None,
        template: None,
        details: case.details.into(),
        created_at: sent,
    };
    let ended: Vec<_> = case
        .deliveries
        .iter()
        .map(|(delivery, became)| Ended {
            delivery,
            end: match became {
                Became::Failed(why) => End::Failed(why),
                Became::Delayed(why) => End::Delayed(why),
                Became::Delivered => End::Delivered,
                Became::Relayed => End::Relayed,
            },
            host: matches!(became, Became::Failed(why) if why.code.is_some()).then_some("mx.example.net"),
            at: NOW,
        })
        .collect();
    let hostname: DomainName = "mail.example.com".parse().unwrap();
    let (directory, random) = (directory(), Random::seeded(9));
    let around = Around { directory: &directory, hostname: &hostname, random: &random, now: NOW };
    let body = (!case.original.is_empty()).then_some(case.original.as_slice());
    bounce::report(&message, body, &ended, &around).expect("somebody wants a report")
}

fn cases() -> Vec<Case> {
    let success = r#"{"notify":["success"]}"#;
    let all = r#"{"notify":["success","failure","delay"],"orcpt":"rfc822;list+all@example.com"}"#;
    let too_large = "message has 9 bytes too many";
    let case =
        |name, details, original: &str, deliveries| Case { name, details, original: original.into(), deliveries };
    vec![
        case(
            "failed",
            r#"{"ret":"full","envid":"QQ+314159 x"}"#,
            ORIGINAL,
            vec![(delivery("bob@example.net", all), Became::Failed(unknown_user()))],
        ),
        case(
            "expired",
            "{}",
            ORIGINAL,
            vec![(
                delivery("bob@example.net", "{}"),
                Became::Failed(Why {
                    status: Status::new(5, 4, 7),
                    category: "expired".into(),
                    text: "it could not be delivered since Sat; last: mx.example.net did not answer in time".into(),
                    ..unreachable()
                }),
            )],
        ),
        case("delayed", "{}", ORIGINAL, vec![(delivery("bob@example.net", "{}"), Became::Delayed(unreachable()))]),
        case(
            "delivered",
            r#"{"ret":"full"}"#,
            ORIGINAL,
            vec![
                (delivery("support@example.com", success), Became::Delivered),
                (delivery("bob@example.net", success), Became::Relayed),
            ],
        ),
        case(
            "mixed",
            "{}",
            ORIGINAL,
            vec![
                (delivery("bob@example.net", all), Became::Failed(unknown_user())),
                (
                    delivery("eve@example.net", "{}"),
                    Became::Failed(why("too_large", Kind::Soft, Status::new(5, 3, 4), Some(552), too_large)),
                ),
                (delivery("slow@example.org", all), Became::Delayed(unreachable())),
                (delivery("support@example.com", all), Became::Delivered),
                (delivery("quiet@example.net", r#"{"notify":[]}"#), Became::Failed(unknown_user())),
            ],
        ),
        case(
            "utf8",
            r#"{"body":"8bitmime","smtputf8":true}"#,
            &ORIGINAL.replace("Your order", "Größe").replace("App <app@", "Jörg <jörg@").replace("Hello", "Grüß dich,"),
            vec![(
                delivery("größe@example.net", r#"{"orcpt":"utf-8;größe@example.net"}"#),
                Became::Failed(why(
                    "unknown_user",
                    Kind::Hard,
                    Status::new(5, 1, 1),
                    Some(550),
                    "5.1.1 wer ist größe?",
                )),
            )],
        ),
        Case {
            name: "eight_bit",
            details: r#"{"body":"8bitmime"}"#,
            // Latin-1, in a header where it never should be, and in a body where it may.
            original: [&ORIGINAL.as_bytes()[..ORIGINAL.len() - 5], b"sch\xf6n\r\n"].concat(),
            deliveries: vec![(delivery("bob@example.net", "{}"), Became::Failed(unknown_user()))],
        },
        case(
            "unreadable",
            r#"{"envid":"QQ314159"}"#,
            "",
            vec![(
                delivery("bob@example.net", all),
                Became::Failed(Why {
                    blame: Blame::Us,
                    ..why("store", Kind::Soft, Status::new(5, 3, 0), None, "its message is not there any more")
                }),
            )],
        ),
        case(
            "requiretls",
            r#"{"requiretls":true,"ret":"full"}"#,
            ORIGINAL,
            vec![(
                delivery("bob@example.net", "{}"),
                Became::Failed(Why {
                    blame: Blame::Policy,
                    ..why(
                        "requiretls",
                        Kind::Soft,
                        Status::new(5, 7, 30),
                        None,
                        "mx.example.net does not promise to pass the message on with TLS only (REQUIRETLS)",
                    )
                }),
            )],
        ),
    ]
}

fn folder() -> PathBuf {
    crate::source::root().join("tests/golden/reports")
}

#[test]
fn reports_look_as_they_should() {
    let mut wrong = Vec::new();
    for case in cases() {
        let file = folder().join(format!("{}.eml", case.name));
        let made = report(&case).intake.message;
        if std::env::var_os("GATEPOST_BLESS").is_some() {
            std::fs::write(&file, &made).unwrap();
        } else if std::fs::read(&file).unwrap_or_default() != made {
            wrong.push(format!("{}:\n{}", file.display(), String::from_utf8_lossy(&made)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// RFC 6522 3: three parts, the second for programs, the third of the message, unless it is gone.
#[test]
fn another_reader_finds_every_part() {
    for case in cases() {
        let report = report(&case);
        let bytes = &report.intake.message;
        let parsed = MessageParser::default().parse(bytes).unwrap();
        let kind = parsed.content_type().unwrap();
        assert_eq!((kind.ctype(), kind.subtype()), ("multipart", Some("report")), "{}", case.name);
        assert_eq!(kind.attribute("report-type"), Some("delivery-status"));
        let subtypes: Vec<_> = parsed.parts[1..].iter().map(|p| p.content_type().unwrap().subtype().unwrap()).collect();
        let wanted: &[&str] = match case.name {
            "failed" | "expired" | "eight_bit" | "mixed" => &["plain", "delivery-status", "rfc822"],
            "delayed" | "delivered" | "requiretls" => &["plain", "delivery-status", "rfc822-headers"],
            "utf8" => &["plain", "global-delivery-status", "global"],
            "unreadable" => &["plain", "delivery-status"],
            other => panic!("{other}"),
        };
        assert_eq!(subtypes, wanted, "{}", case.name);
        for header in ["Auto-Submitted", "From", "To", "Date", "Message-ID", "Subject"] {
            assert!(parsed.header(header).is_some(), "{}: {header}", case.name);
        }
        assert_eq!(report.intake.envelope.sender, ReversePath::Null);
        assert_eq!(report.intake.envelope.params.body == BodyType::SevenBit, bytes.is_ascii(), "{}", case.name);
        assert_eq!(report.intake.envelope.params.smtputf8, case.name == "utf8");
        if let Some(PartType::Message(inner)) = parsed.parts.get(3).map(|part| &part.body) {
            assert_eq!(inner.message_id(), Some("order-7@example.com"));
        }
    }
}

/// Trap 55: what may only travel with TLS does not come back without it.
#[test]
fn of_a_requiretls_message_only_the_header_comes_back() {
    let case = cases().into_iter().find(|case| case.name == "requiretls").unwrap();
    let text = String::from_utf8(report(&case).intake.message).unwrap();
    assert!(!text.contains("Hello Bob") && text.contains("Subject: Your order\r\n"), "{text}");
}

/// Trap 54: an action that is "delayed" is no failure, in no field and no word of it.
#[test]
fn a_delay_is_no_bounce() {
    let case = cases().into_iter().find(|case| case.name == "delayed").unwrap();
    let text = String::from_utf8(report(&case).intake.message).unwrap();
    assert!(text.contains("\r\nAction: delayed\r\nStatus: 4.4.1\r\n"), "{text}");
    assert!(text.contains("\r\nWill-Retry-Until: Thu, 26 Nov 2026 12:00:00 +0000\r\n"), "{text}");
    assert!(text.contains("need not send it") && !text.contains("5.4.1") && !text.contains("failed"), "{text}");
}

/// Python's email package reads each golden, and finds what each report must say.
#[test]
fn python_reads_every_report() {
    let script = crate::source::root().join("tests/reports/read.py");
    let files = cases().into_iter().map(|case| folder().join(format!("{}.eml", case.name)));
    let output = Command::new("python3").arg(script).args(files).output().expect("python3 is installed");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let read = String::from_utf8(output.stdout).unwrap();
    let want = "\
failed: failed 5.1.1 rfc822; bob@example.net from rfc822; list+all@example.com by dns; mx.example.net envelope QQ+314159 x
expired: failed 5.4.7 rfc822; bob@example.net
delayed: delayed 4.4.1 rfc822; bob@example.net until Thu, 26 Nov 2026 12:00:00 +0000
delivered: delivered 2.1.5 rfc822; support@example.com
delivered: relayed 2.1.9 rfc822; bob@example.net
mixed: failed 5.1.1 rfc822; bob@example.net from rfc822; list+all@example.com by dns; mx.example.net
mixed: failed 5.3.4 rfc822; eve@example.net by dns; mx.example.net
mixed: delayed 4.4.1 rfc822; slow@example.org from rfc822; list+all@example.com until Thu, 26 Nov 2026 12:00:00 +0000
mixed: delivered 2.1.5 rfc822; support@example.com from rfc822; list+all@example.com
utf8: failed 5.1.1 utf-8; größe@example.net from utf-8; größe@example.net by dns; mx.example.net
eight_bit: failed 5.1.1 rfc822; bob@example.net by dns; mx.example.net
unreadable: failed 5.3.0 rfc822; bob@example.net from rfc822; list+all@example.com envelope QQ314159
requiretls: failed 5.7.30 rfc822; bob@example.net
";
    assert_eq!(read, want);
}

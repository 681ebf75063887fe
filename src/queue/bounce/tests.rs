use super::*;
use crate::base::id::{self, DeliveryId};
use crate::model::delivery::State;
use crate::model::directory::{DirectoryRows, Parts};
use crate::model::outcome::{Blame, Kind};

const NOW: Time = Time::from_micros(1_795_262_400_000_000);

fn why() -> Why {
    Why {
        blame: Blame::Remote,
        kind: Kind::Hard,
        category: "unknown_user".into(),
        status: Status::new(5, 1, 1),
        code: Some(550),
        text: "5.1.1 nobody".into(),
    }
}

fn message(sender: &str) -> Message {
    let random = Random::seeded(1);
    Message {
        id: id::new(NOW, &random),
        tenant: id::new(NOW, &random),
        origin: Origin::Submitted,
        submitter: Some("app".into()),
        peer: None,
        sender: if sender.is_empty() { ReversePath::Null } else { ReversePath::Address(sender.parse().unwrap()) },
        from_domain: "example.com".parse().unwrap(),
        subject: "Hello".into(),
        header_id: "<1@example.com>".into(),
        stream: "transactional".into(),
        size: 10,
        sandboxed_at: None,
        template: None,
        details: "{}".into(),
        created_at: NOW,
    }
}

fn delivery(details: &str) -> Delivery {
    let random = Random::seeded(2);
    let id: DeliveryId = id::new(NOW, &random);
    Delivery {
        id,
        message: id::new(NOW, &random),
        tenant: id::new(NOW, &random),
        recipient: "bob@example.net".parse().unwrap(),
        destination: "mx:example.net".into(),
        stream: "transactional".into(),
        state: State::Leased,
        reason: None,
        attempts: 1,
        due_at: NOW,
        expires_at: NOW.plus(Duration::from_secs(5 * 86_400)),
        lease: None,
        wanted: None,
        warned_at: None,
        details: details.into(),
        created_at: NOW,
    }
}

/// Trap 53, RFC 3461 4.1: what each NOTIFY asks for, and what its absence does.
#[test]
fn who_asked_for_a_report_gets_it_and_nobody_else() {
    let (directory, why) = (Directory::default(), why());
    let (failed, delayed) = (End::Failed(&why), End::Delayed(&why));
    let wanted = |details: &str| {
        [failed, delayed, End::Delivered, End::Relayed, End::PassedOn]
            .map(|end| is_wanted(&message("app@example.com"), &delivery(details), &end, &directory))
    };
    assert_eq!(wanted("{}"), [true, true, false, false, false]);
    assert_eq!(wanted(r#"{"notify":[]}"#), [false; 5]);
    assert_eq!(wanted(r#"{"notify":["failure"]}"#), [true, false, false, false, false]);
    assert_eq!(wanted(r#"{"notify":["delay"]}"#), [false, true, false, false, false]);
    assert_eq!(wanted(r#"{"notify":["success"]}"#), [false, false, true, true, false]);
    assert_eq!(wanted(r#"{"notify":["success","failure","delay"]}"#), [true, true, true, true, false]);
    // A row that is damaged costs nobody his report.
    assert_eq!(wanted("?"), [true, true, false, false, false]);
}

/// Trap 53: RFC 5321 4.5.5.
#[test]
fn no_report_for_the_null_reverse_path() {
    let (directory, why, hostname) = (Directory::default(), why(), "mail.example.com".parse().unwrap());
    let random = Random::seeded(3);
    let around = Around { directory: &directory, hostname: &hostname, random: &random, now: NOW };
    let delivery = delivery(r#"{"notify":["success","failure","delay"]}"#);
    let ended = [Ended { delivery: &delivery, end: End::Failed(&why), host: None, at: NOW }];
    assert!(report(&message(""), Some(b""), &ended, &around).is_none());
    let made = report(&message("app@example.com"), Some(b"A: b\r\n\r\n"), &ended, &around).unwrap();
    // And the report itself begets none.
    assert_eq!(made.intake.envelope.sender, ReversePath::Null);
    assert_eq!(made.intake.envelope.recipients[0].notify, Some(Notify::Never));
    assert_eq!(made.intake.origin, Origin::Generated);
}

#[test]
fn a_report_comes_from_a_domain_of_ours_or_from_our_host() {
    let domains: Vec<_> = ["example.com", "else.example"].map(domain).into();
    let parts = Parts { domains: &domains, ..Parts::default() };
    let (directory, _) = Directory::assemble(&parts, &DirectoryRows::default());
    let (hostname, random) = ("mail.example.com".parse().unwrap(), Random::seeded(1));
    let around = Around { directory: &directory, hostname: &hostname, random: &random, now: NOW };
    for (from_domain, to, from) in [
        ("example.com", "a@far.example", "example.com"),
        ("far.example", "a@else.example", "else.example"),
        ("sub.example.com", "a@far.example", "mail.example.com"),
    ] {
        let message = Message { from_domain: from_domain.parse().unwrap(), ..message(to) };
        let made = postmaster(&message, &to.parse().unwrap(), &around);
        assert_eq!(made.to_string(), format!("MAILER-DAEMON@{from}"));
    }
}

fn domain(name: &str) -> crate::model::domain::Domain {
    let json = format!(r#"{{"name": "{name}"}}"#);
    crate::base::settings::read_json(&json, &[]).unwrap()
}

/// RFC 3461 4.3, RFC 8689 5 (trap 55).
#[test]
fn how_much_of_a_message_comes_back() {
    let failed = Told {
        original: None,
        recipient: "bob@example.net".parse().unwrap(),
        action: Action::Failed,
        status: Status::new(5, 1, 1),
        remote: None,
        diagnostic: None,
        last_attempt: None,
        retry_until: None,
        what: String::new(),
        advice: String::new(),
    };
    let delayed = Told { action: Action::Delayed, ..failed.clone() };
    let of = |origin, ret, require_tls, told: &[Told]| {
        let params = MailParams { ret, require_tls, ..MailParams::default() };
        returned(&Message { origin, ..message("app@example.com") }, &params, told)
    };
    use dsn::Returned::{Full, Headers};
    let both = [delayed.clone(), failed.clone()];
    assert_eq!(of(Origin::Submitted, None, false, &both), Full);
    assert_eq!(of(Origin::Submitted, None, false, std::slice::from_ref(&delayed)), Headers);
    assert_eq!(of(Origin::Submitted, Some(Ret::Full), false, &[delayed]), Headers);
    assert_eq!(of(Origin::Submitted, Some(Ret::Headers), false, &both), Headers);
    assert_eq!(of(Origin::Submitted, Some(Ret::Full), true, &both), Headers);
    assert_eq!(of(Origin::Arrived, None, false, &both), Headers);
    assert_eq!(of(Origin::Arrived, Some(Ret::Full), false, &both), Full);
}

#[test]
fn a_sender_hears_once_that_it_takes_long() {
    let (delivery, four) = (delivery("{}"), Duration::from_secs(4 * 3_600));
    let at = |hours: u64| NOW.plus(Duration::from_secs(hours * 3_600));
    assert!(!is_delay_due(&delivery, None, at(3), four));
    assert!(!is_delay_due(&delivery, Some(at(1)), at(3), four));
    assert!(is_delay_due(&delivery, Some(at(3)), at(5), four));
    assert!(is_delay_due(&delivery, None, at(5), four));
    assert!(!is_delay_due(&delivery, Some(at(5)), at(9), four));
    assert!(!is_delay_due(&delivery, Some(at(3)), at(5), Duration::ZERO));
}

#[test]
fn advice_has_a_word_for_every_fault() {
    for blame in Blame::ALL {
        for kind in Kind::ALL {
            let why = Why {
                blame,
                kind,
                category: "other".into(),
                code: None,
                text: "mx.example.net is mute".into(),
                ..why()
            };
            for action in [Action::Failed, Action::Delayed] {
                assert!(advice::next(&why, action).ends_with('.'));
            }
            assert_eq!(advice::what(&why, None), "mx.example.net is mute.");
        }
    }
    assert_eq!(advice::what(&why(), Some("mx.example.net")), "mx.example.net said: 550 5.1.1 nobody");
}

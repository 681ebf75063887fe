use super::*;
use crate::base::clock::Time;
use crate::base::id;
use crate::base::random::Random;
use crate::mail::envelope::{Envelope, MailParams, ReversePath};
use crate::mail::received::{Hop, Protocol};
use crate::model::wishes::Wishes;
use proptest::prelude::*;

const URL: &str = "https://t.example.com/t/AAAABBBBCCCC";

fn intake(message: &str, wishes: Wishes) -> Intake {
    Intake {
        origin: Origin::Submitted,
        submitter: Some("app".into()),
        hop: Hop {
            hello: Some("pc-of-jane.local".into()),
            address: Some("192.0.2.1".parse().unwrap()),
            by: "mail.example.com".parse().unwrap(),
            protocol: Protocol { esmtp: true, tls: true, authenticated: true, utf8: false },
            tls: None,
            at: Time::from_micros(1_795_262_400_000_000),
        },
        envelope: Envelope { sender: ReversePath::Null, params: MailParams::default(), recipients: Vec::new() },
        wishes,
        message: message.into(),
    }
}

fn stream(kind: Kind) -> Stream {
    let name = if kind == Kind::Bulk { "bulk" } else { "transactional" };
    Stream::built_in(&Name::default_tenant(), &name.parse().unwrap()).unwrap()
}

struct Case {
    stream: Stream,
    client: Client,
    leaves: Leaves,
    url: Option<&'static str>,
    wishes: Wishes,
}

impl Case {
    fn of(kind: Kind) -> Self {
        let (client, leaves) = (Client::Named, Leaves::ToRecipients);
        Self { stream: stream(kind), client, leaves, url: Some(URL), wishes: Wishes::default() }
    }

    fn complete(&self, message: &str) -> (String, Completed) {
        let intake = intake(message, self.wishes.clone());
        let id: MessageId = id::new(Time::from_micros(1), &Random::seeded(1));
        let given = Given {
            id: &id,
            domain: &"example.com".parse().unwrap(),
            tenant: &Name::default_tenant(),
            client: self.client,
            stream: Some(&self.stream),
            leaves: self.leaves,
            unsubscribe: self.url,
        };
        let made = complete(intake.message.clone(), &Lacking::of(&Header::read(&intake.message)), &intake, &given);
        (String::from_utf8(made.message.clone()).unwrap(), made)
    }
}

const MESSAGE: &str = "From: a@example.com\r\nDate: x\r\nMessage-ID: <1@x>\r\n\r\nHi\r\n";

#[test]
fn a_mailing_says_how_it_is_ended_and_where_the_token_stands() {
    let (text, made) = Case::of(Kind::Bulk).complete(MESSAGE);
    assert!(text.contains("\r\nList-Id: <bulk.example.com>\r\n"), "{text}");
    assert!(text.contains("\r\nFeedback-ID: none:bulk:default:gatepost\r\n"));
    assert!(
        text.contains(&format!(
            "\r\nList-Unsubscribe: <{URL}>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
        ))
    );
    assert_eq!(&made.message[made.token.unwrap()], b"AAAABBBBCCCC");
    assert!(text.ends_with(MESSAGE) && !text.contains("Precedence"));

    let mut own = Case::of(Kind::Bulk);
    own.stream.list_id = Some("news.example.com".parse().unwrap());
    own.wishes.tags = vec!["spring".into()];
    let (text, _) = own.complete(MESSAGE);
    assert!(text.contains("\r\nList-Id: <news.example.com>\r\n"));
    assert!(text.contains("\r\nFeedback-ID: spring:bulk:default:gatepost\r\n"));
}

#[test]
fn nobody_is_offered_what_is_not_wished_or_there_already() {
    let offers = |case: &Case, message: &str| {
        let (text, made) = case.complete(message);
        let offered = text.contains("List-Unsubscribe: <https://t.");
        assert_eq!(offered, made.token.is_some());
        assert_eq!(offered, text.contains("List-Unsubscribe-Post: List-Unsubscribe=One-Click"));
        offered
    };
    let own = format!("List-Unsubscribe: <mailto:x@example.com>\r\nlist-id: <a.b>\r\nFEEDBACK-ID: a:b\r\n{MESSAGE}");
    let (text, _) = Case::of(Kind::Bulk).complete(&own);
    assert!(text.ends_with(&own) && text.matches("List-").count() == 1 && !text.contains("gatepost\r\n"), "{text}");
    assert!(!offers(&Case::of(Kind::Bulk), &own));
    assert!(!offers(&Case::of(Kind::Transactional), MESSAGE));
    let wish = |kind, unsubscribe| Case { wishes: Wishes { unsubscribe, ..Wishes::default() }, ..Case::of(kind) };
    assert!(!offers(&wish(Kind::Bulk, Unsubscribe::None), MESSAGE));
    assert!(offers(&wish(Kind::Transactional, Unsubscribe::Group("a".parse().unwrap())), MESSAGE));
    let mut never = Case::of(Kind::Bulk);
    never.stream.unsubscribe = Offer::None;
    assert!(!offers(&never, MESSAGE));
    for url in [
        None,
        Some("http://t.example.com/t/A"),
        Some("https://t.example.com/t/A>\r\nBcc: x"),
        Some("https://t.example.com/t/A B"),
        Some("https://t.example.com/t/A,B"),
    ] {
        assert!(!offers(&Case { url, ..Case::of(Kind::Bulk) }, MESSAGE), "{url:?}");
    }
    let (text, _) = Case::of(Kind::Transactional).complete(MESSAGE);
    assert!(!text.contains("List-") && !text.contains("Feedback"), "{text}");
}

#[test]
fn a_client_can_stay_unnamed() {
    let (named, _) = Case::of(Kind::Transactional).complete(MESSAGE);
    assert!(named.contains("pc-of-jane") && named.contains("192.0.2.1"));
    let (hidden, _) = Case { client: Client::Hidden, ..Case::of(Kind::Transactional) }.complete(MESSAGE);
    assert!(hidden.starts_with("Received: by mail.example.com with ESMTPSA"), "{hidden}");
    assert!(!hidden.contains("pc-of-jane") && !hidden.contains("192.0.2.1"));
}

#[test]
fn mime_fields_say_that_they_are_mime() {
    let case = Case::of(Kind::Transactional);
    let version = |message: &str| case.complete(message).0.matches("MIME-Version: 1.0\r\n").count();
    assert_eq!(version(MESSAGE), 0);
    assert_eq!(version(&format!("Content-Type: text/html\r\n{MESSAGE}")), 1);
    assert_eq!(version(&format!("content-transfer-encoding: 8bit\r\n{MESSAGE}")), 1);
    assert_eq!(version(&format!("MIME-Version: 1.0\r\nContent-Type: text/html\r\n{MESSAGE}")), 1);
}

#[test]
fn nobody_steers_an_account_that_others_use() {
    let orders = "X-SMTPAPI: {}\r\nX-PM-Tag: a\r\nX-Mailgun-Tag:\r\n b\r\nBcc: c\r\nX-Mailer: d\r\nAuto-Submitted: auto-generated\r\n";
    let message = format!("{orders}{MESSAGE}");
    let (direct, _) = Case::of(Kind::Transactional).complete(&message);
    assert!(direct.contains("X-SMTPAPI") && direct.contains("X-PM-Tag") && !direct.contains("Bcc"));
    let (relayed, _) = Case { leaves: Leaves::BySharedRelay, ..Case::of(Kind::Transactional) }.complete(&message);
    assert!(relayed.ends_with(&format!("\r\nX-Mailer: d\r\nAuto-Submitted: auto-generated\r\n{MESSAGE}")), "{relayed}");
    assert!(!relayed.contains("X-PM-") && !relayed.contains("X-SMTPAPI") && !relayed.contains("X-Mailgun"));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_value_breaks_out_of_its_field(tag in any::<String>(), url in "https://[ -~\r\n]{0,40}") {
        let mut case = Case::of(Kind::Bulk);
        case.wishes.tags = vec![tag];
        let url: &'static str = Box::leak(url.into_boxed_str());
        case.url = Some(url);
        let (text, made) = case.complete(MESSAGE);
        let names: Vec<_> = Fields::of(&made.message).map(|field| field.name()).collect();
        let offered: &[&str] = if made.token.is_some() { &["List-Unsubscribe", "List-Unsubscribe-Post"] } else { &[] };
        let want = [&["Received", "List-Id", "Feedback-ID"], offered, &["From", "Date", "Message-ID"]].concat();
        prop_assert_eq!(names, want);
        prop_assert!(text.is_ascii() && text.ends_with(MESSAGE));
    }
}

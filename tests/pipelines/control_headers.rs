//! What a message wishes in its header: what is stored of it, what is sent, and what is refused.

use super::{HOUSE, House, NOW, arrived, submitted};
use gatepost::base::clock::Time;
use gatepost::base::id::MessageId;
use gatepost::base::limits;
use gatepost::mail::envelope::BodyType;
use gatepost::model::delivery::State;
use gatepost::model::intake::Intake;
use gatepost::model::message::Form;
use gatepost::queue::fair::Rank;
use gatepost::smtp::reply::Reply;
use gatepost::store::dialect::Engine;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3_600);

const MORE: &str = r#"
[[stream]]
name = "news"
kind = "bulk"
list_id = "list.example.com"

[[stream]]
name = "alerts"
kind = "transactional"

[[credential]]
username = "mailer"
password = "hunter2"
domains = ["*"]
stream = "news"
compatible = ["postmark", "sendgrid"]
ignore_suppression = true

[[domain]]
name = "quiet.example"
hide_client = true
"#;

async fn house() -> House {
    House::with(&format!("{MORE}{HOUSE}")).await
}

fn message(headers: &str) -> String {
    format!(
        "From: app@example.com\r\n{headers}Date: Sat, 21 Nov 2026 11:59:00 +0000\r\nMessage-ID: <1@example.com>\r\n\r\nHi\r\n"
    )
}

fn from(login: &str, headers: &str) -> Intake {
    submitted(login, "app@example.com", &["a@example.net"], &message(headers))
}

async fn accepted(house: &House, login: &str, headers: &str) -> MessageId {
    house.submit(from(login, headers)).await.unwrap_or_else(|reply| panic!("{headers}: {reply}"))
}

async fn refused(house: &House, login: &str, headers: &str) -> String {
    house.submit(from(login, headers)).await.map(|id| id.to_string()).expect_err(headers).to_string()
}

#[tokio::test]
async fn what_is_wished_is_kept_and_none_of_it_is_sent() {
    let house = house().await;
    let headers = "X-Gatepost-Tag: welcome\r\nX-gatepost-METADATA-order: 7\r\nBcc: hidden@example.net\r\n\
        X-Gatepost-Track-Opens:\r\n no\r\nX-Gatepost-Track-Opens: yes\r\n";
    let id = accepted(&house, "app", headers).await;
    let body = house.body(&id).await;
    assert!(body.ends_with(&message("")) && !body.to_lowercase().contains("gatepost-"), "{body}");
    let details: serde_json::Value = serde_json::from_str(&house.message(&id).await.details).unwrap();
    assert_eq!(
        details,
        serde_json::json!({
            "tags": ["welcome"], "metadata": {"order": "7"}, "opens": false,
            "removed": [
                {"name": "X-Gatepost-Tag", "value": "welcome"}, {"name": "X-gatepost-METADATA-order", "value": "7"},
                {"name": "X-Gatepost-Track-Opens", "value": "no"}, {"name": "X-Gatepost-Track-Opens", "value": "yes"},
            ],
        })
    );
    assert_eq!(house.store.body(&id, Form::Submitted).await.unwrap(), None);
    let events = house.store.events_of(&id, "").await.unwrap();
    let warned = events.iter().find(|event| event.kind == "email.warned").expect("the second is noted");
    assert!(warned.data.contains("is there twice, and the first one counts"), "{}", warned.data);
}

#[tokio::test]
async fn what_is_refused_leaves_nothing() {
    let house = house().await;
    for (headers, reply) in [
        (
            "X-Gatepost-Tga: x\r\n",
            "554 5.6.0 X-Gatepost-Tga: there is no such control header; did you mean X-Gatepost-Tag?",
        ),
        ("X-Gatepost-Stream: none\r\n", "554 5.6.0 X-Gatepost-Stream: there is no stream \"none\""),
        ("X-Gatepost-Relay: none\r\n", "554 5.6.0 X-Gatepost-Relay: there is no relay \"none\""),
        (
            "X-Gatepost-Ignore-Suppression: yes\r\n",
            "554 5.6.0 X-Gatepost-Ignore-Suppression: this login has not the right to ignore suppressions",
        ),
    ] {
        assert_eq!(refused(&house, "app", headers).await, reply);
    }
    house.assert_empty().await;
    assert_eq!(house.fresh.count("idempotency").await, 0);
    accepted(&house, "mailer", "X-Gatepost-Ignore-Suppression: yes\r\n").await;
}

#[tokio::test]
async fn a_message_waits_for_its_time_and_no_longer_than_it_may() {
    let house = house().await;
    let delivery = async |intake: Intake| {
        let id = house.submit(intake).await.unwrap();
        let [delivery] = house.deliveries(&id).await.try_into().unwrap();
        delivery
    };
    let later = Time::from_micros(NOW.micros() - 500_000).plus(HOUR);
    let wished =
        delivery(from("app", "X-Gatepost-Send-At: 2026-11-21T13:00:00Z\r\nX-Gatepost-Expire-After: 2h\r\n")).await;
    assert_eq!((wished.state, wished.due_at, wished.expires_at), (State::Scheduled, later, later.plus(HOUR * 2)));
    let past = delivery(from("app", "X-Gatepost-Send-At: 2020-01-01T00:00:00Z\r\n")).await;
    assert_eq!((past.state, past.due_at), (State::Ready, NOW));
    // RFC 4865 beside it: of the two the later.
    for hold in [later.plus(HOUR), later.minus(HOUR / 2)] {
        let mut intake = from("app", "X-Gatepost-Send-At: 2026-11-21T13:00:00Z\r\n");
        intake.envelope.params.hold_until = Some(hold);
        assert_eq!(delivery(intake).await.due_at, hold.max(later));
    }
}

#[tokio::test]
async fn a_message_is_of_the_stream_that_it_names_or_its_credentials() {
    let house = house().await;
    for (login, headers, stream, rank) in [
        ("app", "", "transactional", Rank::First),
        ("app", "X-Gatepost-Stream: bulk\r\n", "bulk", Rank::Later),
        ("app", "X-Gatepost-Stream: alerts\r\n", "alerts", Rank::First),
        ("mailer", "", "news", Rank::Later),
        ("mailer", "X-Gatepost-Stream: transactional\r\n", "transactional", Rank::First),
        ("mailer", "X-PM-Message-Stream: broadcast\r\n", "bulk", Rank::Later),
    ] {
        let id = accepted(&house, login, headers).await;
        let [delivery] = house.deliveries(&id).await.try_into().unwrap();
        assert_eq!((house.message(&id).await.stream.as_str(), delivery.stream.as_str()), (stream, stream), "{headers}");
        assert_eq!(house.ledger.rank(&delivery), rank, "{stream}");
        let is_mailing = rank == Rank::Later;
        assert_eq!(house.body(&id).await.contains("\r\nList-Id: <"), is_mailing, "{stream}");
    }
    let id = accepted(&house, "mailer", "X-Gatepost-Tag: spring\r\n").await;
    let body = house.body(&id).await;
    assert!(
        body.contains("\r\nList-Id: <list.example.com>\r\nFeedback-ID: spring:news:default:gatepost\r\n"),
        "{body}"
    );
    let id = house.receive(arrived("x@far.example", &["support@example.com"], &message(""))).await.unwrap();
    assert_eq!(house.message(&id).await.stream, "inbound");
    // A stream that is gone is waited for by nobody, and its mail goes all the same.
    let id = accepted(&house, "app", "X-Gatepost-Stream: alerts\r\n").await;
    let [delivery] = house.deliveries(&id).await.try_into().unwrap();
    house.reload(HOUSE).await;
    assert_eq!(house.ledger.rank(&delivery), Rank::Later);
}

#[tokio::test]
async fn a_message_may_choose_its_way_but_not_out_of_a_sandbox() {
    let house = house().await;
    let id = accepted(&house, "app", "X-Gatepost-Relay: upstream\r\n").await;
    assert_eq!(house.waiting(&id).await, [("relay:upstream".to_owned(), State::Ready)]);
    let news = |headers: &str| {
        let text = message(headers).replace("app@example.com", "x@news.example.com");
        submitted("app", "app@example.com", &["a@example.net"], &text)
    };
    let id = house.submit(news("X-Gatepost-Relay: direct\r\n")).await.unwrap();
    assert_eq!(house.waiting(&id).await, [("mx:example.net".to_owned(), State::Ready)]);
    for headers in ["X-Gatepost-Relay: sandbox\r\n", "X-Gatepost-Sandbox: yes\r\n"] {
        let id = accepted(&house, "app", headers).await;
        assert!(house.stays_here(&id).await, "{headers}");
    }
    let boxed = message("X-Gatepost-Relay: direct\r\nX-Gatepost-Sandbox: no\r\n")
        .replace("app@example.com", "x@test.example.com");
    let id = house.submit(submitted("app", "app@example.com", &["a@example.net"], &boxed)).await.unwrap();
    assert!(house.stays_here(&id).await, "its domain is a sandbox");
}

#[tokio::test]
async fn nobody_outside_gives_orders() {
    let house = house().await;
    let headers = "X-Gatepost-Sandbox: yes\r\nX-Gatepost-Nonsense: 1\r\nX-GATEPOST-Tag:\r\n a\r\nX-PM-Tag: kept\r\n";
    for to in ["support@example.com", "sales@example.com"] {
        let id = house.receive(arrived("x@far.example", &[to], &message(headers))).await.unwrap();
        let (row, body) = (house.message(&id).await, house.body(&id).await);
        assert!(
            body.ends_with(&message("X-PM-Tag: kept\r\n")) && !body.to_lowercase().contains("x-gatepost"),
            "{body}"
        );
        assert_eq!((row.details.as_str(), row.sandboxed_at), ("{}", None));
    }
}

#[tokio::test]
async fn others_headers_are_heard_where_a_credential_lists_them() {
    let house = house().await;
    let headers = "X-PM-Tag: a b\r\nX-SMTPAPI: {\"category\": \"c\"}\r\nX-Mailgun-Tag: d\r\n";
    let heard = accepted(&house, "mailer", headers).await;
    assert!(house.body(&heard).await.ends_with(&message("X-Mailgun-Tag: d\r\n")));
    assert!(house.message(&heard).await.details.starts_with("{\"tags\":[\"a-b\",\"c\"],\"removed\":"));
    let left = accepted(&house, "app", headers).await;
    assert!(house.body(&left).await.ends_with(&message(headers)));
    // An account that others use too takes no orders from one of them.
    let relayed = accepted(&house, "app", &format!("X-Gatepost-Relay: upstream\r\n{headers}")).await;
    assert!(house.body(&relayed).await.ends_with(&message("")));
}

#[tokio::test]
async fn the_same_key_and_mail_is_one_mail() {
    let house = house().await;
    let keyed = "X-Gatepost-Idempotency-Key: order-7\r\nX-Gatepost-Tag: a\r\n";
    let first = accepted(&house, "app", keyed).await;
    assert_eq!(accepted(&house, "app", keyed).await, first);
    // What a program makes anew with each try is no other mail; neither is the order of its recipients.
    let anew = message(keyed).replace("<1@example.com>", "<2@example.com>").replace("11:59:00", "11:59:30");
    let again = house.submit(submitted("app", "app@example.com", &["a@example.net"], &anew)).await;
    assert_eq!(again, Ok(first.clone()));
    assert_eq!(house.fresh.count("messages").await, 1);
    let reused = "554 5.6.0 X-Gatepost-Idempotency-Key: this key stands for another message since less than a day";
    assert_eq!(refused(&house, "app", &format!("{keyed}Subject: other\r\n")).await, reused);
    assert_eq!(refused(&house, "app", &keyed.replace("Tag: a", "Tag: b")).await, reused);
    let other = house.submit(submitted("app", "app@example.com", &["b@example.net"], &message(keyed))).await;
    assert_eq!(other.map_err(|reply: Reply| reply.to_string()), Err(reused.to_owned()));
    // Somebody else's key is another.
    assert_ne!(accepted(&house, "all", keyed).await, first);
    assert_eq!(house.fresh.count("messages").await, 2);
    // It has its day.
    house.ledger.clock.advance(limits::IDEMPOTENCY_KEPT + Duration::from_secs(1));
    assert_ne!(accepted(&house, "app", keyed).await, first);
}

/// Of many who come with one key at the same moment one is taken, and all hear of it.
#[tokio::test]
async fn a_race_for_a_key_has_one_winner_and_no_loser() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let house = House::on(engine, &format!("{MORE}{HOUSE}")).await;
        let keyed = "X-Gatepost-Idempotency-Key: k\r\n";
        let all = futures_util::future::join_all((0..20).map(|_| house.submit(from("app", keyed)))).await;
        let first = all[0].clone().unwrap();
        assert!(all.iter().all(|answer| *answer == Ok(first.clone())), "{all:?}");
        for (rows, count) in [("messages", 1), ("deliveries", 1), ("bodies", 1), ("idempotency", 1)] {
            assert_eq!(house.fresh.count(rows).await, count, "{rows}");
        }
        let other = house.submit(from("app", &format!("{keyed}Subject: x\r\n"))).await;
        assert_eq!(other.unwrap_err().code(), 554);
    }
}

#[tokio::test]
async fn what_programs_write_wrong_is_mended_before_it_is_kept() {
    let house = house().await;
    let long = "w\u{f6}rter ".repeat(300);
    let text = format!(
        "From: J\u{f6}rg <app@example.com>\r\nSubject: Gr\u{fc}\u{df}e\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: 8bit\r\n\r\n{long}\r\n"
    );
    let intake = |text: &str| {
        let mut intake = submitted("app", "app@example.com", &["a@example.net"], text);
        intake.envelope.params.body = BodyType::EightBitMime;
        intake
    };
    let id = house.submit(intake(&text)).await.unwrap();
    let body = house.body(&id).await;
    assert!(
        body.contains("\r\nFrom: =?utf-8?q?J=C3=B6rg?= <app@example.com>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n")
    );
    assert!(
        body.contains("\r\nMIME-Version: 1.0\r\n") && body.contains("Content-Transfer-Encoding: quoted-printable\r\n")
    );
    assert!(body.is_ascii() && body.lines().all(|line| line.len() <= 998), "{body}");
    assert_eq!(house.message(&id).await.subject, "Gr\u{fc}\u{df}e");
    // What its program signed stays as it is, and so does what the transaction allowed.
    let id = house.submit(intake(&format!("DKIM-Signature: v=1\r\n{text}"))).await.unwrap();
    assert!(house.body(&id).await.ends_with(&text));
    let short = text.replace(&long, "kurz");
    let mut utf8 = intake(&short);
    utf8.envelope.params.smtputf8 = true;
    let id = house.submit(utf8).await.unwrap();
    assert!(house.body(&id).await.ends_with(&short));
}

#[tokio::test]
async fn a_domain_may_hide_its_clients() {
    let house = house().await;
    let text = message("").replace("app@example.com", "x@quiet.example");
    let id = house.submit(submitted("all", "x@quiet.example", &["a@example.net"], &text)).await.unwrap();
    let body = house.body(&id).await;
    assert!(!body.contains("client.example") && !body.contains("192.0.2.1"), "{body}");
    assert_eq!(house.message(&id).await.peer.as_deref(), Some("192.0.2.1"), "the operator still knows");
}

//! Reports to senders on their way out: whose they are, where they go, and that they stand in the store
//! together with what they report, or not at all.

use super::{HOUSE, House, NOW, address, hostname, submitted};
use gatepost::base::id::{self, MessageId};
use gatepost::base::random::Random;
use gatepost::mail::envelope::ReversePath;
use gatepost::mail::status::Status;
use gatepost::model::delivery::State;
use gatepost::model::event::Event;
use gatepost::model::message::{Message, Origin};
use gatepost::model::outcome::{Blame, Kind, Why};
use gatepost::outward::Outward;
use gatepost::queue::bounce::{self, Around, End, Ended, Report};
use gatepost::store::Change;

const MESSAGE: &str = "From: app@example.com\r\nSubject: Hi\r\n\r\nHello\r\n";

pub(super) fn refused() -> Why {
    Why {
        blame: Blame::Remote,
        kind: Kind::Hard,
        category: "unknown_user".into(),
        status: Status::new(5, 1, 1),
        code: Some(550),
        text: "5.1.1 nobody".into(),
    }
}

/// The report that a sender in the world gets when nothing of his message was delivered, as of mail that was
/// passed on.
async fn report(house: &House, id: &MessageId, change: impl FnOnce(&mut Message)) -> Option<Report> {
    let mut message = house.message(id).await;
    message.sender = ReversePath::Address(address("someone@far.example"));
    change(&mut message);
    let (body, deliveries, why) = (house.body(id).await, house.deliveries(id).await, refused());
    let ended: Vec<_> = deliveries
        .iter()
        .map(|delivery| Ended { delivery, end: End::Failed(&why), host: Some("mx.example.net"), at: NOW })
        .collect();
    let (directory, hostname) = (house.ledger.directory.load(), hostname());
    let around = Around { directory: &directory, hostname: &hostname, random: &Random::System, now: NOW };
    bounce::report(&message, Some(body.as_bytes()), &ended, &around)
}

/// What stands for the settlement of the delivery that failed.
fn settled(id: &MessageId) -> Change {
    let event = Event {
        id: id::new(NOW, &Random::System),
        kind: "email.bounced".into(),
        at: NOW,
        tenant: None,
        message: Some(id.clone()),
        delivery: None,
        data: "{}".into(),
    };
    Change { events: vec![event], ..Change::default() }
}

async fn send(house: &House, report: Report, extra: Change) -> Option<MessageId> {
    Outward::new(house.ledger.clone()).report(&report, extra).await.unwrap()
}

/// Trap 56: the report and the end of the delivery are one commit.
#[tokio::test]
async fn a_report_and_what_it_reports_are_one_commit() {
    let house = House::new().await;
    let about =
        house.submit(submitted("app", "app@example.com", &["a@far.example", "b@far.example"], MESSAGE)).await.unwrap();
    let made = report(&house, &about, |_| ()).await.unwrap();
    let id = send(&house, made, settled(&about)).await.unwrap();
    let kept = house.message(&id).await;
    assert_eq!((kept.origin, kept.sender), (Origin::Generated, ReversePath::Null));
    assert_eq!(
        (kept.from_domain.as_str(), kept.subject.as_str()),
        ("example.com", "Your message could not be delivered")
    );
    assert_eq!(kept.tenant, house.message(&about).await.tenant);
    // One report for both recipients, and nobody is asked to report about it (trap 53).
    let [delivery] = house.deliveries(&id).await.try_into().unwrap();
    assert_eq!((delivery.recipient, delivery.state), (address("someone@far.example"), State::Ready));
    assert_eq!((delivery.destination.as_str(), delivery.details.as_str()), ("mx:far.example", r#"{"notify":[]}"#));
    // Of one moment: in no order.
    let mut events = house.events(&about).await;
    events.sort();
    assert_eq!(events, ["email.bounced", "email.queued"]);
    let body = house.body(&id).await;
    // Trap 19: it can be seen to loop.
    assert!(
        body.starts_with(&format!("Received: by mail.example.com id {id}\r\n\tfor <someone@far.example>;")),
        "{body}"
    );
    assert!(body.contains("a@far.example") && body.contains("b@far.example") && body.contains("Auto-Submitted:"));
}

#[tokio::test]
async fn a_store_that_takes_nothing_takes_neither() {
    let house = House::new().await;
    let about = house.submit(submitted("app", "app@example.com", &["a@far.example"], MESSAGE)).await.unwrap();
    let made = report(&house, &about, |_| ()).await.unwrap();
    house.store.close().await;
    let refused = Outward::new(house.ledger.clone()).report(&made, settled(&about)).await.unwrap_err();
    assert!(refused.is_temporary(), "{refused}");
    let count = house.fresh.count("messages").await;
    assert_eq!((count, house.fresh.count("events").await), (1, 1));
}

/// Trap 53: RFC 5321 6.1.
#[tokio::test]
async fn a_report_that_nobody_reads_is_dropped_with_an_event_and_never_bounced() {
    let house = House::new().await;
    for nobody in ["nobody@example.com", "gone@example.com", "away@example.com", "any@news.example.com"] {
        let about = house.submit(submitted("all", "app@example.com", &["a@far.example"], MESSAGE)).await.unwrap();
        let made = report(&house, &about, |message| message.sender = ReversePath::Address(address(nobody))).await;
        assert_eq!(send(&house, made.unwrap(), settled(&about)).await, None, "{nobody}");
        let mut events = house.events(&about).await;
        events.sort();
        assert_eq!(events, ["email.bounced", "email.queued", "report.dropped"], "{nobody}");
    }
    assert_eq!(house.fresh.count("messages").await, 4);
}

#[tokio::test]
async fn a_report_to_a_mailbox_of_ours_goes_there() {
    let house = House::new().await;
    let about = house.submit(submitted("app", "support@example.com", &["a@far.example"], MESSAGE)).await.unwrap();
    let made = report(&house, &about, |message| message.sender = ReversePath::Address(address("support@example.com")));
    let id = send(&house, made.await.unwrap(), settled(&about)).await.unwrap();
    assert_eq!(house.waiting(&id).await, [("local:support".to_owned(), State::Ready)]);
}

#[tokio::test]
async fn a_report_of_what_the_sandbox_kept_stays_there() {
    let house = House::new().await;
    let message = MESSAGE.replace("app@example.com", "app@test.example.com");
    let about = house.submit(submitted("app", "app@example.com", &["a@far.example"], &message)).await.unwrap();
    assert!(house.stays_here(&about).await);
    // Also when its domain is meanwhile live, and when the report comes from a domain that is.
    let made = report(&house, &about, |message| message.from_domain = "example.com".parse().unwrap()).await.unwrap();
    assert!(made.is_sandboxed);
    let id = send(&house, made, settled(&about)).await.unwrap();
    assert!(house.stays_here(&id).await);
}

/// What plays a server answers in the sandbox too, and no relay ever sees it.
#[tokio::test]
async fn the_simulator_is_asked_in_the_sandbox_and_through_no_relay() {
    let house = House::new().await;
    let played = "bounce+1@simulator.gatepost.test";
    for author in ["test.example.com", "news.example.com", "example.com"] {
        let message = MESSAGE.replace("example.com", author);
        let id = house.submit(submitted("app", "app@example.com", &[played], &message)).await.unwrap();
        assert_eq!(house.waiting(&id).await, [("mx:simulator.gatepost.test".to_owned(), State::Ready)], "{author}");
    }
}

/// A domain that is only our host's name has no table of its own: its reports leave all the same.
#[tokio::test]
async fn a_report_about_mail_that_is_not_ours_comes_from_our_host() {
    let house = House::new().await;
    let about = house.submit(submitted("app", "app@example.com", &["a@far.example"], MESSAGE)).await.unwrap();
    let made = report(&house, &about, |message| message.from_domain = "elsewhere.example".parse().unwrap()).await;
    let id = send(&house, made.unwrap(), settled(&about)).await.unwrap();
    let kept = house.message(&id).await;
    assert_eq!(kept.from_domain, hostname());
    assert!(kept.header_id.ends_with("@mail.example.com>"), "{}", kept.header_id);
    assert_eq!(house.waiting(&id).await, [("mx:far.example".to_owned(), State::Ready)]);
}

#[tokio::test]
async fn a_tenant_that_prefers_events_gets_no_reports() {
    let house = House::with(&format!("{HOUSE}\n[[tenant]]\nname = \"default\"\nbounces = \"event\"\n")).await;
    let about = house.submit(submitted("app", "app@example.com", &["a@far.example"], MESSAGE)).await.unwrap();
    assert!(report(&house, &about, |_| ()).await.is_none());
    house.reload(HOUSE).await;
    assert!(report(&house, &about, |_| ()).await.is_some());
}

//! Who is not written to any more: shown among the deliveries, and nothing is sent.

use super::{HOUSE, House, NOW, address, arrived, hostname, submitted};
use gatepost::base::id;
use gatepost::base::random::Random;
use gatepost::model::delivery::State;
use gatepost::model::intake::Intake;
use gatepost::model::suppression::{Cause, Suppression, Whence};
use gatepost::outward::Outward;
use gatepost::policy::suppression::Keeper;
use gatepost::queue::bounce::{self, Around, End, Ended};
use gatepost::store::Change;
use gatepost::store::suppressions::suppress;
use std::time::Duration;

const MESSAGE: &str = "From: app@example.com\r\nSubject: Hi\r\n\r\nHello\r\n";

async fn suppressed(house: &House, whom: &str, change: impl FnOnce(&mut Suppression)) {
    let tenant = house.ledger.directory.load().tenant(&"default".parse().unwrap()).unwrap().id.clone();
    let mut row = Suppression {
        id: id::new(NOW, &Random::System),
        tenant,
        domain: String::new(),
        stream: String::new(),
        whom: whom.parse().unwrap(),
        reason: Cause::HardBounce,
        origin: Whence::System,
        note: "5.1.1 nobody".into(),
        created_at: NOW,
        expires_at: None,
    };
    change(&mut row);
    house.store.write(suppress(&row)).await.unwrap();
}

/// What this node knows is read anew.
async fn learns(house: &House) {
    let index = house.ledger.directory.suppressed();
    Keeper::default().refresh(index, &house.store, house.ledger.clock.now()).await.unwrap();
}

fn to(recipients: &[&str]) -> Intake {
    submitted("app", "app@example.com", recipients, MESSAGE)
}

/// The state of each delivery, by recipient.
async fn states(house: &House, intake: Intake) -> Vec<(String, State, Option<String>)> {
    let id = house.submit(intake).await.unwrap();
    let mut states: Vec<_> = house
        .deliveries(&id)
        .await
        .into_iter()
        .map(|delivery| (delivery.recipient.to_string(), delivery.state, delivery.reason))
        .collect();
    states.sort_by(|a, b| a.0.cmp(&b.0));
    states
}

async fn is_suppressed(house: &House, intake: Intake) -> bool {
    states(house, intake).await.iter().all(|(_, state, _)| *state == State::Suppressed)
}

#[tokio::test]
async fn a_suppressed_recipient_is_shown_with_its_reason_and_the_rest_is_sent() {
    for is_known in [false, true] {
        let house = House::new().await;
        suppressed(&house, "Gone@far.example", |_| ()).await;
        if is_known {
            learns(&house).await;
        }
        let id = house.submit(to(&["gone@far.example", "bob@far.example"])).await.unwrap();
        assert_eq!(house.kinds(&id).await, ["email.queued", "email.suppressed"]);
        let deliveries = house.deliveries(&id).await;
        let gone = deliveries.iter().find(|d| d.recipient.local() == "gone").unwrap();
        let reason = gone.reason.as_deref().unwrap();
        assert_eq!((gone.state, gone.attempts, gone.destination.as_str()), (State::Suppressed, 0, "mx:far.example"));
        for word in ["gone@far.example", "hard_bounce", "5.1.1 nobody", &NOW.to_string()] {
            assert!(reason.contains(word), "{word}: {reason}");
        }
        let bob = deliveries.iter().find(|d| d.recipient.local() == "bob").unwrap();
        assert_ne!(bob.state, State::Suppressed);
        assert!(house.fresh.number("SELECT finished_at FROM deliveries WHERE state = 'suppressed'").await > 0);
    }
}

#[tokio::test]
async fn when_all_are_suppressed_the_message_is_accepted_and_shows_so() {
    let house = House::new().await;
    suppressed(&house, "*@far.example", |_| ()).await;
    learns(&house).await;
    let id = house.submit(to(&["a@far.example", "b@far.example"])).await.unwrap();
    assert_eq!(house.waiting(&id).await, vec![("mx:far.example".to_owned(), State::Suppressed); 2]);
    assert_eq!(house.kinds(&id).await, ["email.queued", "email.suppressed", "email.suppressed"]);
    assert!(house.body(&id).await.contains("Hello"));
}

#[tokio::test]
async fn only_the_scope_and_the_time_of_a_suppression_count() {
    let house = House::new().await;
    suppressed(&house, "a@far.example", |s| s.domain = "news.example.com".into()).await;
    suppressed(&house, "b@far.example", |s| s.stream = "bulk".into()).await;
    suppressed(&house, "c@far.example", |s| s.expires_at = Some(NOW.plus(Duration::from_secs(5)))).await;
    learns(&house).await;
    assert!(!is_suppressed(&house, to(&["a@far.example"])).await);
    let news = "From: app@news.example.com\r\nSubject: Hi\r\n\r\nHello\r\n";
    assert!(is_suppressed(&house, submitted("app", "app@news.example.com", &["a@far.example"], news)).await);
    assert!(!is_suppressed(&house, to(&["b@far.example"])).await);
    let mut mailing = to(&["b@far.example"]);
    mailing.wishes.stream = Some("bulk".parse().unwrap());
    assert!(is_suppressed(&house, mailing).await);
    assert!(is_suppressed(&house, to(&["c@far.example"])).await);
    house.ledger.clock.advance(Duration::from_secs(6));
    assert!(!is_suppressed(&house, to(&["c@far.example"])).await);
    // Another organisation's list is its own.
    let acme = "From: boss@acme.example\r\nSubject: Hi\r\n\r\nHello\r\n";
    suppressed(&house, "d@far.example", |_| ()).await;
    learns(&house).await;
    assert!(is_suppressed(&house, to(&["d@far.example"])).await);
    let theirs =
        Intake { submitter: Some("all".into()), ..submitted("all", "boss@acme.example", &["d@far.example"], acme) };
    if let Ok(id) = house.submit(theirs).await {
        assert!(house.waiting(&id).await.iter().all(|(_, state)| *state != State::Suppressed));
    }
}

#[tokio::test]
async fn who_may_ignore_it_still_writes_to_nobody_who_complained() {
    let house = House::new().await;
    suppressed(&house, "gone@far.example", |_| ()).await;
    suppressed(&house, "angry@far.example", |s| s.reason = Cause::Complaint).await;
    // A bounce behind a complaint does not soften it.
    suppressed(&house, "angry@far.example", |_| ()).await;
    learns(&house).await;
    let mut intake = to(&["angry@far.example", "gone@far.example"]);
    intake.wishes.ignore_suppression = true;
    let states: Vec<State> = states(&house, intake).await.into_iter().map(|(_, state, _)| state).collect();
    assert_eq!((states[0], states[1] == State::Suppressed), (State::Suppressed, false));
}

#[tokio::test]
async fn our_own_recipients_reports_and_mail_of_others_go_where_they_have_to() {
    let house = House::new().await;
    for whom in ["kept@example.com", "sales@example.com", "app@far.example", "*@example.com"] {
        suppressed(&house, whom, |_| ()).await;
    }
    learns(&house).await;
    assert!(!is_suppressed(&house, to(&["kept@example.com"])).await);
    // What only passes through.
    let passed = house.receive(arrived("a@far.example", &["sales@example.com"], MESSAGE)).await.unwrap();
    assert!(house.waiting(&passed).await.iter().all(|(_, state)| *state != State::Suppressed));
    // A report to somebody who is suppressed.
    let about = house.submit(to(&["bob@near.example"])).await.unwrap();
    let mut message = house.message(&about).await;
    message.sender = gatepost::mail::envelope::ReversePath::Address(address("app@far.example"));
    let (directory, hostname, why) = (house.ledger.directory.load_full(), hostname(), super::reports::refused());
    let deliveries = house.deliveries(&about).await;
    let ended = [Ended { delivery: &deliveries[0], end: End::Failed(&why), host: None, at: NOW }];
    let around = Around { directory: &directory, hostname: &hostname, random: &Random::System, now: NOW };
    let report = bounce::report(&message, Some(b""), &ended, &around).unwrap();
    let id = Outward::new(house.ledger.clone()).report(&report, Change::default()).await.unwrap().unwrap();
    assert!(house.waiting(&id).await.iter().all(|(_, state)| *state != State::Suppressed));
}

#[tokio::test]
async fn the_sandbox_shows_it_too() {
    let house = House::new().await;
    suppressed(&house, "gone@far.example", |_| ()).await;
    let text = "From: app@test.example.com\r\nSubject: Hi\r\n\r\nHello\r\n";
    assert!(is_suppressed(&house, submitted("app", "app@test.example.com", &["gone@far.example"], text)).await);
}

/// No read on the path of a message that memory can answer.
#[tokio::test]
async fn nobody_else_costs_a_question_to_the_store_and_doubt_costs_no_mail() {
    let house = House::new().await;
    suppressed(&house, "gone@far.example", |_| ()).await;
    learns(&house).await;
    house.fresh.sql("ALTER TABLE suppressions RENAME TO elsewhere").await;
    house.submit(to(&["bob@far.example"])).await.unwrap();
    let before = house.fresh.count("messages").await;
    let refused = house.submit(to(&["gone@far.example", "bob@far.example"])).await.unwrap_err();
    assert_eq!(refused.code(), 451);
    // What is too old is not believed.
    house.ledger.clock.advance(Duration::from_secs(60));
    assert_eq!(house.submit(to(&["bob@far.example"])).await.unwrap_err().code(), 451);
    assert_eq!(house.fresh.count("messages").await, before);
}

/// A directory that a reload replaces keeps what is known.
#[tokio::test]
async fn a_reload_forgets_nobody() {
    let house = House::new().await;
    suppressed(&house, "gone@far.example", |_| ()).await;
    learns(&house).await;
    house.reload(HOUSE).await;
    house.fresh.sql("ALTER TABLE suppressions RENAME TO elsewhere").await;
    house.submit(to(&["bob@far.example"])).await.unwrap();
}

//! The end of a stream of mail: by one click of a mail program, or by the button of the page.

use super::scene::{FORM, House, ONE_CLICK, data};
use crate::stores::{Fresh, on_both};
use futures_util::future::join_all;
use gatepost::base::clock::{Clock, Time};
use gatepost::base::id;
use gatepost::base::random::Random;
use gatepost::content::token::LeadsTo;
use gatepost::model::suppression::{Cause, Suppressed, Suppression, Whence};
use gatepost::store::suppressions::suppress;
use std::time::Duration;

on_both! {
    to_look_at_the_page_changes_nothing
    one_click_unsubscribes_once
    it_can_be_taken_back
    what_others_decided_is_not_the_recipients
    a_pause_becomes_an_end
    what_is_not_asked_for_is_not_done
}

const UNDO: &str = "List-Unsubscribe=Undo";

async fn to_look_at_the_page_changes_nothing(fresh: &Fresh) {
    let house = House::on(fresh).await;
    let sent = house.mail().await;
    let token = house.token(&sent, LeadsTo::Unsubscribe);
    for path in [token.clone(), format!("{token}?{ONE_CLICK}")] {
        let answer = house.get(&path).await;
        assert_eq!((answer.status, answer.field("Content-Type")), (200, Some("text/html; charset=utf-8")));
        answer.is_private();
        assert!(answer.field("Content-Security-Policy").unwrap().starts_with("default-src 'none'"));
        let page = answer.text();
        for part in
            ["<form method=\"post\">", "name=\"List-Unsubscribe\" value=\"One-Click\"", "<button type=\"submit\">"]
        {
            assert!(page.contains(part), "{part} in {page}");
        }
        assert!(!page.contains("example.net"), "whoever it was forwarded to learns no address: {page}");
    }
    assert_eq!((house.events(&sent).await, house.suppressions().await), (vec![], vec![]));
}

async fn one_click_unsubscribes_once(fresh: &Fresh) {
    let house = House::on(fresh).await;
    let (sent, other) = (house.mail().await, house.mail().await);
    let token = house.token(&sent, LeadsTo::Unsubscribe);
    // As mail programs do it: many at once, then again, by the other kind of form.
    let answers = join_all((0..20).map(|_| house.posts(&token, ONE_CLICK))).await;
    let multipart = "Content-Type: multipart/form-data; boundary=\"x y\"";
    let part = "--x y\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--x y--\r\n";
    let again = house.asks(&format!("POST /t/{token} HTTP/1.1\r\nHost: t.example.com\r\n{multipart}"), part).await;
    for answer in answers.iter().chain([&again]) {
        assert_eq!((answer.status, answer.field("Location")), (200, None), "{}", answer.text());
        answer.is_private();
        assert!(answer.text().contains("No more mail of this kind from example.com"));
    }
    let [suppression] = house.suppressions().await.try_into().expect("one");
    assert_eq!(suppression.whom, "someone@example.net".parse::<Suppressed>().unwrap());
    assert_eq!((suppression.domain.as_str(), suppression.stream.as_str()), ("example.com", "transactional"));
    assert_eq!((suppression.reason, suppression.origin), (Cause::Unsubscribe, Whence::Recipient));
    assert_eq!(suppression.expires_at, None);
    let [event] = house.happened(&sent).await.try_into().expect("one");
    assert_eq!((event.kind.as_str(), &event.tenant), ("email.unsubscribed", &Some(house.mails.tenant.clone())));
    let told = data(&event);
    let told = [&told["recipient"], &told["domain"], &told["stream"]].map(|value| value.as_str().unwrap());
    assert_eq!(told, ["someone@example.net", "example.com", "transactional"]);
    // Another mail of the same stream to the same recipient says nothing new.
    let answer = house.posts(&house.token(&other, LeadsTo::Unsubscribe), ONE_CLICK).await;
    assert_eq!((answer.status, house.happened(&other).await.len()), (200, 0));
}

async fn it_can_be_taken_back(fresh: &Fresh) {
    let house = House::on(fresh).await;
    let sent = house.mail().await;
    let token = house.token(&sent, LeadsTo::Unsubscribe);
    assert!(house.posts(&token, UNDO).await.text().contains("Nothing was changed"));
    assert!(house.posts(&token, ONE_CLICK).await.text().contains("value=\"Undo\""));
    let answer = house.posts(&token, UNDO).await;
    assert!(answer.status == 200 && answer.text().contains("will be sent to you again"), "{}", answer.text());
    assert_eq!(house.suppressions().await, []);
    assert!(house.posts(&token, UNDO).await.text().contains("Nothing was changed"));
    let kinds: Vec<_> = house.happened(&sent).await.into_iter().map(|event| event.kind).collect();
    assert_eq!(kinds.len(), 2);
    assert!(["email.unsubscribed", "email.resubscribed"].iter().all(|kind| kinds.iter().any(|found| found == kind)));
}

fn standing(house: &House, (reason, origin): (Cause, Whence), expires_at: Option<Time>) -> Suppression {
    let now = Clock::System.now();
    Suppression {
        id: id::new(now, &Random::System),
        tenant: house.mails.tenant.clone(),
        domain: "example.com".into(),
        stream: "transactional".into(),
        whom: "someone@example.net".parse().unwrap(),
        reason,
        origin,
        note: "stays".into(),
        created_at: now,
        expires_at,
    }
}

async fn what_others_decided_is_not_the_recipients(fresh: &Fresh) {
    let house = House::on(fresh).await;
    let token = house.token(&house.mail().await, LeadsTo::Unsubscribe);
    for why in [(Cause::Complaint, Whence::System), (Cause::Manual, Whence::Api), (Cause::Unsubscribe, Whence::Api)] {
        house.store.write(suppress(&standing(&house, why, None))).await.unwrap();
        for body in [ONE_CLICK, UNDO] {
            assert_eq!(house.posts(&token, body).await.status, 200);
            let [left] = house.suppressions().await.try_into().expect("one");
            assert_eq!(((left.reason, left.origin), left.note.as_str()), (why, "stays"), "{body}");
        }
        fresh.sql("DELETE FROM suppressions").await;
    }
}

async fn a_pause_becomes_an_end(fresh: &Fresh) {
    let house = House::on(fresh).await;
    let token = house.token(&house.mail().await, LeadsTo::Unsubscribe);
    let end = Clock::System.now().plus(Duration::from_secs(3_600));
    let soft = standing(&house, (Cause::SoftBounce, Whence::System), Some(end));
    house.store.write(suppress(&soft)).await.unwrap();
    assert_eq!(house.posts(&token, ONE_CLICK).await.status, 200);
    let [left] = house.suppressions().await.try_into().expect("one");
    assert_eq!((left.reason, left.expires_at), (Cause::Unsubscribe, None));
}

async fn what_is_not_asked_for_is_not_done(fresh: &Fresh) {
    let house = House::on(fresh).await;
    let sent = house.mail().await;
    let token = house.token(&sent, LeadsTo::Unsubscribe);
    for (kind, body, status) in [
        (FORM, String::new(), 400),
        (FORM, "List-Unsubscribe=No".to_owned(), 400),
        ("Content-Type: application/json", "{\"List-Unsubscribe\": \"One-Click\"}".to_owned(), 400),
        ("Content-Type: text/plain", ONE_CLICK.to_owned(), 400),
        (FORM, format!("{ONE_CLICK}&x={}", "y".repeat(9_000)), 413),
    ] {
        let answer = house.asks(&format!("POST /t/{token} HTTP/1.1\r\nHost: t.example.com\r\n{kind}"), &body).await;
        assert_eq!((answer.status, answer.field("Content-Type")), (status, Some("text/html; charset=utf-8")), "{kind}");
        answer.is_private();
    }
    assert_eq!((house.events(&sent).await, house.suppressions().await), (vec![], vec![]));
}

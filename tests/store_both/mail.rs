//! A mail's life as rows: what was written is what is read, to the last byte.

use crate::mails::{Mail, Mails};
use crate::stores::{Fresh, on_both};
use gatepost::base::id;
use gatepost::mail::envelope::ReversePath;
use gatepost::model::delivery::{Delivery, Lease, State};
use gatepost::model::event::Event;
use gatepost::model::message::{Form, Origin};
use gatepost::store::change::Written;
use gatepost::store::mail::Body;
use gatepost::store::{Change, Store, StoreError};

on_both! {
    what_was_accepted_is_read_back
    the_null_reverse_path_stays_null
    every_column_that_may_be_empty_is_read_back_empty
    every_origin_and_every_state_is_read_back
    texts_are_values_and_never_sql
    the_holder_of_a_lease_settles
    a_stale_lease_changes_nothing_but_its_attempt_is_kept
    a_stale_lease_is_told_so_beside_the_right_one
    writing_a_change_twice_changes_nothing
    a_delivery_may_be_settled_again_after_a_new_lease
    more_rows_than_a_page_are_paged
    a_mail_to_a_thousand_recipients_is_one_change
}

/// What is stored of a mail equals what its change said.
async fn assert_stored(store: &Store, change: &Change) {
    for message in &change.messages {
        assert_eq!(store.message(&message.id).await.unwrap().as_ref(), Some(message));
        let deliveries: Vec<_> = change.deliveries.iter().filter(|d| d.message == message.id).cloned().collect();
        assert_eq!(store.deliveries_of(&message.id, "").await.unwrap(), deliveries);
        let events: Vec<_> = change.events.iter().filter(|e| e.message == Some(message.id.clone())).cloned().collect();
        assert_eq!(store.events_of(&message.id, "").await.unwrap(), events);
    }
}

async fn state_of(store: &Store, mail: &Mail) -> Delivery {
    let [delivery] = store.deliveries_of(&mail.message, "").await.unwrap().try_into().expect("one delivery");
    delivery
}

async fn what_was_accepted_is_read_back(fresh: &Fresh) {
    let (store, mails) = fresh.with_mails().await;
    let mut mail = mails.mail(b"Subject: what is sent\r\n\r\nprepared\r\n".to_vec());
    let submitted = b"Subject: what was given\r\n\r\nsubmitted\r\n".to_vec();
    mail.accept.bodies.push(Body::new(mail.message.clone(), Form::Submitted, submitted.clone()));
    store.write(mail.accept.clone()).await.unwrap();
    assert_stored(&store, &mail.accept).await;
    let prepared = store.body(&mail.message, Form::Prepared).await.unwrap();
    assert_eq!(prepared.as_deref(), Some(&b"Subject: what is sent\r\n\r\nprepared\r\n"[..]));
    assert_eq!(store.body(&mail.message, Form::Submitted).await.unwrap(), Some(submitted));

    let other = mails.mail(Vec::new());
    assert_eq!(store.message(&other.message).await.unwrap(), None);
    assert_eq!(store.body(&other.message, Form::Prepared).await.unwrap(), None);
    assert_eq!(store.deliveries_of(&other.message, "").await.unwrap(), []);
}

async fn the_null_reverse_path_stays_null(fresh: &Fresh) {
    let (store, mails) = fresh.with_mails().await;
    let mut mail = mails.mail(b"a bounce".to_vec());
    mail.accept.messages[0].sender = ReversePath::Null;
    store.write(mail.accept.clone()).await.unwrap();
    assert_stored(&store, &mail.accept).await;
    assert_eq!(fresh.count("messages WHERE sender IS NULL").await, 1);
}

async fn every_column_that_may_be_empty_is_read_back_empty(fresh: &Fresh) {
    let (store, mails) = fresh.with_mails().await;
    let mut mail = mails.mail(b"bare".to_vec());
    let message = &mut mail.accept.messages[0];
    (message.submitter, message.peer, message.sender) = (None, None, ReversePath::Null);
    (message.sandboxed_at, message.template) = (None, None);
    let delivery = &mut mail.accept.deliveries[0];
    (delivery.reason, delivery.lease, delivery.state) = (None, None, State::Ready);
    mail.accept.events.push(Event {
        id: id::new(mails.clock.now(), &mails.random),
        kind: "node.recovered".into(),
        at: mails.clock.now(),
        tenant: None,
        message: None,
        delivery: None,
        data: "{}".into(),
    });
    let mut attempts = mails.settle(&mail, State::Delivered).attempts;
    (attempts[0].host, attempts[0].address, attempts[0].tls, attempts[0].reply) = (None, None, None, None);
    mail.accept.attempts = attempts.clone();

    // Beside a full one, before and after it: a value of one row must not decide what another's absence is.
    let mut full = mails.mail(b"full".to_vec());
    full.accept.messages[0].sandboxed_at = Some(mails.clock.now());
    full.accept.messages[0].template = Some("order/3".into());
    full.accept.deliveries[0].reason = Some("released by an operator".into());
    let last = Mail { message: mail.message.clone(), delivery: mail.delivery.clone(), accept: mail.accept.clone() };
    let change = together([full.accept, last.accept]);
    store.write(change.clone()).await.unwrap();
    assert_stored(&store, &change).await;
    assert_eq!(store.attempts_of(mail.delivery.as_str(), 0).await.unwrap(), attempts);
    let nobodys = "events WHERE tenant_id IS NULL AND message_id IS NULL AND delivery_id IS NULL";
    assert_eq!(fresh.count(nobodys).await, 1);
    // And alone, when nothing else says of what kind the absent values are.
    let mut alone = mails.mail(b"alone".to_vec());
    alone.accept.messages[0].sender = ReversePath::Null;
    alone.accept.messages[0].submitter = None;
    alone.accept.deliveries[0].lease = None;
    store.write(alone.accept.clone()).await.unwrap();
    assert_stored(&store, &alone.accept).await;
}

fn together(changes: impl IntoIterator<Item = Change>) -> Change {
    changes.into_iter().fold(Change::default(), |mut all, one| {
        all.messages.extend(one.messages);
        all.bodies.extend(one.bodies);
        all.deliveries.extend(one.deliveries);
        all.settlements.extend(one.settlements);
        all.attempts.extend(one.attempts);
        all.events.extend(one.events);
        all.steps.extend(one.steps);
        all
    })
}

async fn every_origin_and_every_state_is_read_back(fresh: &Fresh) {
    let (store, mails) = fresh.with_mails().await;
    for origin in Origin::ALL {
        let mut mail = mails.mail(b"x".to_vec());
        mail.accept.messages[0].origin = origin;
        store.write(mail.accept.clone()).await.unwrap();
        assert_stored(&store, &mail.accept).await;
    }
    for state in State::ALL {
        let mut mail = mails.mail(b"x".to_vec());
        mail.accept.deliveries[0].state = state;
        store.write(mail.accept.clone()).await.unwrap();
        assert_stored(&store, &mail.accept).await;
        let finished = format!("deliveries WHERE id = '{}' AND finished_at IS NOT NULL", mail.delivery);
        assert_eq!(fresh.count(&finished).await == 1, state.is_final(), "{state:?}");
    }
}

const HOSTILE: [&str; 12] = [
    "'; DROP TABLE messages; --",
    "\"; DROP TABLE messages; --",
    "$1 $2 ? ?1 :name @name",
    "%s %d {} {0} \\ \\n \\'",
    "/*sqlite x*/ -- /* /*postgres",
    "E'\\x27' U&'\\0027' $$ $tag$",
    "\r\n.\r\nQUIT\r\n",
    "Grüße aus Köln, 東京から, مرحبا, 🦀🏳️‍🌈",
    "\u{202e}txt.exe \u{feff}\u{200b}\u{fffd}\u{10ffff}",
    "e\u{301} \u{e9} İıſ",
    "\t\u{1}\u{7f}\u{85}\u{2028}",
    "NULL",
];

async fn texts_are_values_and_never_sql(fresh: &Fresh) {
    let (store, mails) = fresh.with_mails().await;
    let long = "ä'".repeat(50_000);
    for text in HOSTILE.into_iter().chain(["", " ", long.as_str()]) {
        let mut mail = mails.mail(text.as_bytes().to_vec());
        let message = &mut mail.accept.messages[0];
        (message.subject, message.header_id, message.stream) = (text.into(), text.into(), text.into());
        (message.submitter, message.peer) = (Some(text.into()), Some(text.into()));
        (message.template, message.details) = (Some(text.into()), text.into());
        let delivery = &mut mail.accept.deliveries[0];
        (delivery.destination, delivery.reason, delivery.details) = (text.into(), Some(text.into()), text.into());
        let event = &mut mail.accept.events[0];
        (event.kind, event.data) = (text.into(), text.into());
        store.write(mail.accept.clone()).await.unwrap();
        assert_stored(&store, &mail.accept).await;
        let mut settled = mails.settle(&mail, State::Deferred);
        settled.settlements[0].reason = Some(text.into());
        let attempt = &mut settled.attempts[0];
        (attempt.reply, attempt.outcome, attempt.details) = (Some(text.into()), text.into(), text.into());
        (attempt.host, attempt.address, attempt.tls) = (Some(text.into()), Some(text.into()), Some(text.into()));
        let attempts = settled.attempts.clone();
        store.write(settled).await.unwrap();
        assert_eq!(state_of(&store, &mail).await.reason.as_deref(), Some(text));
        assert_eq!(store.attempts_of(mail.delivery.as_str(), 0).await.unwrap(), attempts);
    }
    // PostgreSQL has no character U+0000: its refusal is about this text, and not the store's failure.
    let mut zero = mails.mail(b"zero".to_vec());
    zero.accept.messages[0].subject = "a\0b".into();
    match store.write(zero.accept.clone()).await {
        Ok(_) => assert_stored(&store, &zero.accept).await,
        Err(error) => assert!(matches!(error, StoreError::Conflict { .. }), "{error}"),
    }
}

async fn the_holder_of_a_lease_settles(fresh: &Fresh) {
    let (store, mails) = fresh.with_mails().await;
    for state in State::ALL.into_iter().filter(|state| State::Leased.may_become(*state)) {
        let mail = mails.mail(b"x".to_vec());
        store.write(mail.accept.clone()).await.unwrap();
        let mut settle = mails.settle(&mail, state);
        settle.settlements[0].reason = Some("the peer said so".into());
        settle.settlements[0].attempts = 7;
        assert_eq!(store.write(settle.clone()).await, Ok(Written::default()));
        let settlement = &settle.settlements[0];
        let mut expected = mail.accept.deliveries[0].clone();
        (expected.state, expected.reason, expected.attempts) = (state, settlement.reason.clone(), 7);
        (expected.due_at, expected.lease) = (settlement.due_at, None);
        assert_eq!(state_of(&store, &mail).await, expected);
        assert_eq!(store.attempts_of(mail.delivery.as_str(), 0).await.unwrap(), settle.attempts);
        let events: Vec<_> = store.events_of(&mail.message, "").await.unwrap().into_iter().map(|e| e.kind).collect();
        assert!(events.contains(&"email.delivered".to_owned()), "{events:?}");
        let finished = format!("deliveries WHERE id = '{}' AND finished_at IS NOT NULL", mail.delivery);
        assert_eq!(fresh.count(&finished).await == 1, state.is_final(), "{state:?}");
    }
}

async fn a_stale_lease_changes_nothing_but_its_attempt_is_kept(fresh: &Fresh) {
    let (store, mails) = fresh.with_mails().await;
    let older = Lease { node: mails.lease.node.clone(), epoch: mails.lease.epoch - 1 };
    let newer = Lease { node: mails.lease.node.clone(), epoch: mails.lease.epoch + 1 };
    let other = Lease { node: id::new(mails.clock.now(), &mails.random), epoch: mails.lease.epoch };
    for lease in [older, newer, other] {
        let mail = mails.mail(b"x".to_vec());
        store.write(mail.accept.clone()).await.unwrap();
        let mut settle = mails.settle(&mail, State::Delivered);
        settle.settlements[0].lease = lease;
        let written = store.write(settle.clone()).await.unwrap();
        assert_eq!(written.stale, std::slice::from_ref(&mail.delivery));
        assert_eq!(state_of(&store, &mail).await, mail.accept.deliveries[0]);
        // The try took place, whoever owns the delivery now: it is told.
        assert_eq!(store.attempts_of(mail.delivery.as_str(), 0).await.unwrap(), settle.attempts);
        assert_eq!(store.events_of(&mail.message, "").await.unwrap().len(), 2);
    }
    // What is not there cannot be settled either.
    let never = mails.mail(b"x".to_vec());
    assert_eq!(store.write(mails.settle(&never, State::Sent)).await.unwrap().stale, [never.delivery]);
}

/// Both in one group, in either order: the answer is about this lease and not about this delivery.
async fn a_stale_lease_is_told_so_beside_the_right_one(fresh: &Fresh) {
    let (store, mails) = fresh.with_mails().await;
    let older = Lease { node: mails.lease.node.clone(), epoch: mails.lease.epoch - 1 };
    for stale_first in [true, false] {
        let mail = mails.mail(b"x".to_vec());
        store.write(mail.accept.clone()).await.unwrap();
        let right = mails.settle(&mail, State::Delivered);
        let mut stale = mails.settle(&mail, State::Deferred);
        stale.settlements[0].lease = older.clone();
        let (right, stale) = if stale_first {
            let (stale, right) = tokio::join!(store.write(stale), store.write(right));
            (right, stale)
        } else {
            tokio::join!(store.write(right), store.write(stale))
        };
        assert_eq!(right.unwrap().stale, []);
        assert_eq!(stale.unwrap().stale, std::slice::from_ref(&mail.delivery), "stale first: {stale_first}");
        assert_eq!(state_of(&store, &mail).await.state, State::Delivered);
    }
    // And the same lease twice at once: one of them was first.
    let mail = mails.mail(b"x".to_vec());
    store.write(mail.accept.clone()).await.unwrap();
    let (one, two) = tokio::join!(
        store.write(mails.settle(&mail, State::Delivered)),
        store.write(mails.settle(&mail, State::Deferred))
    );
    let stale = [one.unwrap().stale, two.unwrap().stale].concat();
    assert_eq!(stale, std::slice::from_ref(&mail.delivery));
}

async fn writing_a_change_twice_changes_nothing(fresh: &Fresh) {
    let (store, mails) = fresh.with_mails().await;
    let mail = mails.mail(crate::mails::body(&mails.random, 3_000));
    let big = mails.mail(noise(&mails, 3 << 20));
    for change in [&mail.accept, &big.accept] {
        store.write(change.clone()).await.unwrap();
        store.write(change.clone()).await.unwrap();
        assert_stored(&store, change).await;
    }
    let settle = mails.settle(&mail, State::Delivered);
    store.write(settle.clone()).await.unwrap();
    let before = state_of(&store, &mail).await;
    // The lease ended with the first; the rest is there already.
    assert_eq!(store.write(settle.clone()).await.unwrap().stale, std::slice::from_ref(&mail.delivery));
    // Accepting once more does not bring a settled delivery back to life.
    store.write(mail.accept.clone()).await.unwrap();
    assert_eq!(state_of(&store, &mail).await, before);
    assert_eq!(store.attempts_of(mail.delivery.as_str(), 0).await.unwrap(), settle.attempts);
    assert_eq!(store.events_of(&mail.message, "").await.unwrap().len(), 2);
    assert_eq!(fresh.count("messages").await, 2);
    assert_eq!(store.messages_count().await, Ok(2));
    assert_eq!(fresh.count("bodies").await, 2);
    assert_eq!(fresh.count("body_chunks").await, 6);
}

fn noise(mails: &Mails, bytes: usize) -> Vec<u8> {
    let mut noise = vec![0; bytes];
    mails.random.fill(&mut noise);
    noise
}

async fn a_delivery_may_be_settled_again_after_a_new_lease(fresh: &Fresh) {
    let (store, mails) = fresh.with_mails().await;
    let mail = mails.mail(b"x".to_vec());
    store.write(mail.accept.clone()).await.unwrap();
    store.write(mails.settle(&mail, State::Deferred)).await.unwrap();
    let node = mails.lease.node.as_str();
    let epoch = mails.lease.epoch;
    fresh
        .sql(&format!(
            "UPDATE deliveries SET state = 'leased', leased_by = '{node}', leased_epoch = {epoch} WHERE id = '{}'",
            mail.delivery
        ))
        .await;
    let mut second = mails.settle(&mail, State::Sent);
    second.attempts[0].number = 2;
    second.settlements[0].attempts = 2;
    assert_eq!(store.write(second).await, Ok(Written::default()));
    let delivery = state_of(&store, &mail).await;
    assert_eq!((delivery.state, delivery.attempts), (State::Sent, 2));
    let numbers = store.attempts_of(mail.delivery.as_str(), 0).await.unwrap();
    assert_eq!(numbers.iter().map(|attempt| attempt.number).collect::<Vec<_>>(), [1, 2]);
}

async fn more_rows_than_a_page_are_paged(fresh: &Fresh) {
    let (store, mails) = fresh.with_mails().await;
    let mut mail = mails.mail(b"x".to_vec());
    let attempt = mails.settle(&mail, State::Sent).attempts.remove(0);
    for number in 1..=250 {
        let (mut delivery, mut event) = (mail.accept.deliveries[0].clone(), mail.accept.events[0].clone());
        delivery.id = id::new(mails.clock.now(), &mails.random);
        event.id = id::new(mails.clock.now(), &mails.random);
        mail.accept.deliveries.push(delivery);
        mail.accept.events.push(event);
        let mut attempt = attempt.clone();
        attempt.number = number;
        mail.accept.attempts.push(attempt);
    }
    store.write(mail.accept.clone()).await.unwrap();
    mail.accept.deliveries.sort_by(|a, b| a.id.cmp(&b.id));
    mail.accept.events.sort_by(|a, b| a.id.cmp(&b.id));

    let (mut deliveries, mut events, mut attempts, mut pages) = (Vec::new(), Vec::new(), Vec::new(), 0);
    loop {
        let after = deliveries.last().map_or("", |d: &Delivery| d.id.as_str()).to_owned();
        let page = store.deliveries_of(&mail.message, &after).await.unwrap();
        let after = events.last().map_or("", |e: &Event| e.id.as_str()).to_owned();
        let more = store.events_of(&mail.message, &after).await.unwrap();
        let after = attempts.last().map_or(0, |a: &gatepost::model::delivery::Attempt| a.number);
        let tries = store.attempts_of(mail.delivery.as_str(), after).await.unwrap();
        assert!(page.len() <= 100 && more.len() <= 100 && tries.len() <= 100, "a page has a bound");
        if page.is_empty() && more.is_empty() && tries.is_empty() {
            break;
        }
        pages += 1;
        deliveries.extend(page);
        events.extend(more);
        attempts.extend(tries);
    }
    assert_eq!(pages, 3);
    assert_eq!(deliveries, mail.accept.deliveries);
    assert_eq!(events, mail.accept.events);
    assert_eq!(attempts, mail.accept.attempts);
}

async fn a_mail_to_a_thousand_recipients_is_one_change(fresh: &Fresh) {
    let (store, mails) = fresh.with_mails().await;
    let mut mail = mails.mail(b"news".to_vec());
    mail.accept.deliveries = (0..1_000)
        .map(|n| Delivery {
            id: id::new(mails.clock.now(), &mails.random),
            recipient: format!("reader{n}@example.net").parse().unwrap(),
            ..mail.accept.deliveries[0].clone()
        })
        .collect();
    store.write(mail.accept.clone()).await.unwrap();
    assert_eq!(fresh.count("deliveries").await, 1_000);
    assert_eq!(fresh.number("SELECT COUNT(DISTINCT recipient) FROM deliveries").await, 1_000);
    // And settled in one change, but for the two that somebody else owns by now.
    let lost: Vec<_> = [0, 999].map(|n: usize| mail.accept.deliveries[n].id.clone()).into();
    let template = mails.settle(&mail, State::Delivered).settlements.remove(0);
    let settle = Change {
        settlements: (mail.accept.deliveries.iter())
            .map(|delivery| {
                let mut settlement = template.clone();
                settlement.delivery = delivery.id.clone();
                settlement.lease.epoch += i64::from(lost.contains(&delivery.id));
                settlement
            })
            .collect(),
        ..Change::default()
    };
    assert_eq!(store.write(settle).await.unwrap().stale, lost);
    assert_eq!(fresh.count("deliveries WHERE state = 'delivered'").await, 998);
}

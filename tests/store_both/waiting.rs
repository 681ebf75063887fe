//! The queue as an operator sees it: every page is whole while rows move, and every filter finds its own.

use super::queue::{enter, waiting};
use crate::mails::Mails;
use crate::stores::{Fresh, on_both};
use gatepost::base::id;
use gatepost::base::limits;
use gatepost::model::delivery::State;
use gatepost::store::waiting::{Entry, Filter, Which};
use gatepost::store::{Change, Store};
use std::collections::{BTreeSet, HashMap};

on_both! {
    paging_misses_nothing_and_repeats_nothing_while_rows_move
    each_filter_finds_its_own
    a_rare_filter_gives_short_pages_and_finds_in_the_end
    what_is_finished_comes_newest_first
    destinations_are_summed_up
}

async fn all(store: &Store, filter: &Filter, rows: usize) -> Vec<Entry> {
    let (mut found, mut after) = (Vec::new(), String::new());
    loop {
        let page = store.list(filter, &after, rows).await.unwrap();
        found.extend(page.items);
        match page.next {
            Some(next) => after = next,
            None => return found,
        }
    }
}

async fn paging_misses_nothing_and_repeats_nothing_while_rows_move(fresh: &Fresh) {
    let (store, mails) = fresh.with_mails().await;
    let states = [State::Ready, State::Deferred, State::Held, State::Scheduled, State::Leased];
    let mut entered = BTreeSet::new();
    for n in 0..120 {
        entered.extend(enter(&store, &mails, states[n % 5], 1).await.into_iter().map(|mail| mail.delivery.to_string()));
    }
    fresh
        .sql(&format!(
            "UPDATE deliveries SET leased_by = '{}', leased_epoch = 1 WHERE state = 'leased'",
            mails.lease.node
        ))
        .await;
    let (mut seen, mut after, mut round) = (Vec::new(), String::new(), 0);
    loop {
        let page = store.list(&Filter::default(), &after, 7).await.unwrap();
        seen.extend(page.items.iter().map(|entry| entry.delivery.id.to_string()));
        let Some(next) = page.next else { break };
        after = next;
        // Every row goes to another state between two pages: none finishes.
        let lease = format!("leased_by = '{}', leased_epoch = 1", mails.lease.node);
        let turns = [
            &format!("UPDATE deliveries SET state = 'leased', {lease} WHERE state = 'ready'"),
            "UPDATE deliveries SET state = 'deferred', leased_by = NULL, leased_epoch = NULL WHERE state = 'leased'",
            "UPDATE deliveries SET state = 'ready' WHERE state IN ('deferred', 'scheduled')",
            "UPDATE deliveries SET state = 'held' WHERE state = 'ready' AND attempts = 0 AND due_at > 0",
            "UPDATE deliveries SET state = 'ready' WHERE state = 'held'",
        ];
        fresh.sql(turns[round % turns.len()]).await;
        round += 1;
    }
    assert_eq!(seen.len(), entered.len());
    assert!(seen.is_sorted() && seen.into_iter().collect::<BTreeSet<_>>() == entered);
}

/// Fifteen mails, of which each filter should find some.
async fn a_mixed_queue(store: &Store, mails: &Mails) {
    for n in 0..15 {
        let mut mail = waiting(mails, [State::Ready, State::Deferred, State::Held][n % 3]);
        let message = &mut mail.accept.messages[0];
        message.from_domain = ["a.example", "b.example"][n % 2].parse().unwrap();
        message.sender = gatepost::mail::envelope::ReversePath::Address("x@under_score.example".parse().unwrap());
        if n == 4 {
            message.sender = gatepost::mail::envelope::ReversePath::Null;
        }
        message.details =
            [r#"{"tags":["50%","ord\"er"]}"#, r#"{"tags":["50%x"],"note":"\"50%\""}"#, "{}"][n % 3].into();
        let delivery = &mut mail.accept.deliveries[0];
        if n % 5 == 0 {
            delivery.tenant = "ten_00000000000000000000000000".parse().unwrap();
        }
        delivery.recipient = ["r@one.example", "r@two.example", "r@sub.one.example"][n % 3].parse().unwrap();
        delivery.destination = ["mx:one.example", "relay:up"][usize::from(n > 9)].into();
        store.write(mail.accept).await.unwrap();
    }
}

async fn each_filter_finds_its_own(fresh: &Fresh) {
    let (store, mails) = fresh.with_mails().await;
    a_mixed_queue(&store, &mails).await;
    let count = async |filter: Filter| {
        let found = all(&store, &filter, 4).await;
        assert!(found.iter().is_sorted_by_key(|entry| entry.delivery.id.clone()), "{filter:?}");
        found.len()
    };
    let none = Filter::default;
    let domain = |text: &str| Some(text.parse().unwrap());
    assert_eq!(count(none()).await, 15);
    assert_eq!(count(Filter { which: Which::In(State::Held), ..none() }).await, 5);
    assert_eq!(count(Filter { which: Which::In(State::Leased), ..none() }).await, 0);
    assert_eq!(count(Filter { tenant: Some("ten_00000000000000000000000000".parse().unwrap()), ..none() }).await, 3);
    assert_eq!(count(Filter { recipient_domain: domain("one.example"), ..none() }).await, 5);
    assert_eq!(count(Filter { recipient_domain: domain("example"), ..none() }).await, 0);
    assert_eq!(count(Filter { destination: Some("relay:up".into()), ..none() }).await, 5);
    let held_there = Filter { which: Which::In(State::Held), destination: Some("relay:up".into()), ..none() };
    assert_eq!(count(held_there).await, 2);
    assert_eq!(count(Filter { sender_domain: domain("b.example"), ..none() }).await, 7);
    assert_eq!(count(Filter { sender_domain: domain("under_score.example"), ..none() }).await, 14);
    // `_` is a letter, not any letter.
    assert_eq!(count(Filter { sender_domain: domain("underxscore.example"), ..none() }).await, 0);
    assert_eq!(count(Filter { tag: Some("50%".into()), ..none() }).await, 5);
    assert_eq!(count(Filter { tag: Some("ord\"er".into()), ..none() }).await, 5);
    assert_eq!(count(Filter { tag: Some("50".into()), ..none() }).await, 0);
    let several = Filter { tag: Some("50%".into()), recipient_domain: domain("one.example"), ..none() };
    assert_eq!(count(Filter { sender_domain: domain("a.example"), ..several }).await, 3);
    let found = all(&store, &none(), 4).await;
    let entry = found.iter().find(|entry| entry.tags == ["50%", "ord\"er"]).unwrap_or_else(|| panic!("{found:?}"));
    assert_eq!(entry.subject, "Your order has been sent");
    assert_eq!(store.entry(&entry.delivery.id).await.unwrap().as_ref(), Some(entry));
    assert_eq!(store.entries_of(&entry.delivery.message, "", 10).await.unwrap(), std::slice::from_ref(entry));
}

async fn a_rare_filter_gives_short_pages_and_finds_in_the_end(fresh: &Fresh) {
    let (store, mails) = fresh.with_mails().await;
    let many = limits::LIST_EXAMINED_MAX as usize + 300;
    let mut mail = waiting(&mails, State::Ready);
    let one = mail.accept.deliveries[0].clone();
    mail.accept.deliveries.clear();
    for n in 0..many {
        let mut delivery = one.clone();
        delivery.id = id::new(mails.clock.now(), &mails.random);
        if n == many - 1 {
            delivery.recipient = "last@rare.example".parse().unwrap();
            delivery.id = id::earliest(mails.clock.now().plus(std::time::Duration::from_secs(3_600)));
        }
        mail.accept.deliveries.push(delivery);
    }
    for rows in mail.accept.deliveries.chunks(500) {
        store.write(Change { deliveries: rows.to_vec(), ..Change::default() }).await.unwrap();
    }
    mail.accept.deliveries.clear();
    store.write(mail.accept).await.unwrap();
    let rare = Filter { recipient_domain: Some("rare.example".parse().unwrap()), ..Filter::default() };
    let first = store.list(&rare, "", 50).await.unwrap();
    assert!(first.items.is_empty() && first.next.is_some(), "it looked at no more than its window");
    assert_eq!(all(&store, &rare, 50).await.len(), 1);
    assert_eq!(all(&store, &Filter::default(), 1_000).await.len(), many);
    // By its state it is found at once, however much waits in the others.
    fresh.sql("UPDATE deliveries SET state = 'held' WHERE recipient = 'last@rare.example'").await;
    let held = store.list(&Filter { which: Which::In(State::Held), ..Filter::default() }, "", 50).await.unwrap();
    assert_eq!((held.items.len(), held.next), (1, None));
}

async fn what_is_finished_comes_newest_first(fresh: &Fresh) {
    let (store, mails) = fresh.with_mails().await;
    for state in [State::Bounced, State::Delivered, State::Bounced, State::Ready] {
        enter(&store, &mails, state, 3).await;
    }
    let ids = |found: Vec<Entry>| found.into_iter().map(|entry| entry.delivery.id).collect::<Vec<_>>();
    let bounced = ids(all(&store, &Filter { which: Which::In(State::Bounced), ..Filter::default() }, 2).await);
    assert!(bounced.len() == 6 && bounced.iter().rev().is_sorted());
    let any = ids(all(&store, &Filter { which: Which::Any, ..Filter::default() }, 5).await);
    assert!(any.len() == 12 && any.iter().rev().is_sorted());
    let nowhere = Filter { which: Which::Any, destination: Some("mx:nowhere.example".into()), ..Filter::default() };
    assert_eq!(all(&store, &nowhere, 5).await, []);
}

async fn destinations_are_summed_up(fresh: &Fresh) {
    let (store, mails) = fresh.with_mails().await;
    let states = [State::Ready, State::Deferred, State::Held, State::Scheduled, State::Leased, State::Delivered];
    let mut oldest = HashMap::new();
    for n in 0..30 {
        for (m, state) in states.into_iter().enumerate().filter(|(m, _)| n % 5 != *m) {
            let mut mail = waiting(&mails, state);
            let delivery = &mut mail.accept.deliveries[0];
            delivery.destination = format!("mx:d{:02}.example", n % 15);
            delivery.reason = (state == State::Deferred).then(|| format!("451 {n}"));
            delivery.lease = (state == State::Leased).then(|| mails.lease.clone());
            if m < 4 {
                oldest.entry(delivery.destination.clone()).or_insert(delivery.created_at);
            }
            store.write(mail.accept).await.unwrap();
        }
    }
    // One that is only being sent to just now.
    let mut alone = mails.mail(b"x".to_vec());
    alone.accept.deliveries[0].destination = "relay:busy".into();
    store.write(alone.accept).await.unwrap();
    let (mut found, mut after) = (Vec::new(), String::new());
    loop {
        let page = store.destinations(&after, 4).await.unwrap();
        found.extend(page.items);
        match page.next {
            Some(next) => after = next,
            None => break,
        }
    }
    let names: Vec<_> = found.iter().map(|summary| summary.destination.clone()).collect();
    let expected: Vec<_> = (0..15).map(|n| format!("mx:d{n:02}.example")).chain(["relay:busy".to_owned()]).collect();
    assert_eq!(names, expected);
    for (n, summary) in found.iter().take(15).enumerate() {
        let two = |m: usize| if n % 5 == m { 0 } else { 2 };
        let counts = [summary.ready, summary.deferred, summary.held, summary.scheduled, summary.leased];
        assert_eq!(counts, [two(0), two(1), two(2), two(3), two(4)], "{}", summary.destination);
        assert_eq!(summary.oldest, oldest.get(&summary.destination).copied());
        let last = (n % 5 != 1).then(|| format!("451 {}", n + 15));
        assert_eq!(summary.last_error, last);
    }
    assert_eq!((found[15].leased, found[15].ready, found[15].oldest), (1, 0, None));
}

//! The queue: several nodes take from it and none takes the same twice, what is due becomes ready, what a
//! dead node held is taken over once, and an operator's wish comes before the next try.

use crate::mails::{Mail, Mails};
use crate::stores::{Fresh, on_both};
use futures_util::FutureExt;
use futures_util::future::join_all;
use gatepost::base::clock::Time;
use gatepost::base::id::{self, DeliveryId};
use gatepost::base::limits;
use gatepost::model::delivery::{Claim, Delivery, Lease, State, Wish};
use gatepost::store::moves::Move;
use gatepost::store::queue::{Lane, warned};
use gatepost::store::{Change, Store};
use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

on_both! {
    two_nodes_never_take_the_same_delivery
    a_claim_needs_a_ready_row_and_the_right_count
    a_claim_that_nobody_waits_for_is_given_back
    a_wish_comes_before_the_next_try_and_after_the_last
    a_wish_of_what_is_given_back_is_granted_too
    what_is_due_becomes_ready_and_nothing_else
    lanes_and_destinations_come_in_turns
    a_dead_nodes_deliveries_are_taken_over_once
    a_living_nodes_deliveries_are_left_alone
    recovery_comes_in_slices
    recovery_obeys_a_wish
    a_move_that_comes_too_late_leaves_no_event
    a_beat_is_for_the_start_that_lives
    mails_are_read_whole_in_one_go
    a_warning_is_noted_once
}

const MINUTE: Duration = Duration::from_secs(60);

/// A mail that waits in this state.
pub fn waiting(mails: &Mails, state: State) -> Mail {
    let mut mail = mails.mail(b"Subject: queued\r\n\r\nx\r\n".to_vec());
    let delivery = &mut mail.accept.deliveries[0];
    (delivery.state, delivery.lease, delivery.attempts) = (state, None, 0);
    delivery.due_at = mails.clock.now();
    mail
}

pub async fn enter(store: &Store, mails: &Mails, state: State, n: usize) -> Vec<Mail> {
    let mut entered = Vec::new();
    for _ in 0..n {
        let mail = waiting(mails, state);
        store.write(mail.accept.clone()).await.unwrap();
        entered.push(mail);
    }
    entered
}

fn claim(mails: &Mails, lease: &Lease, delivery: &DeliveryId, attempts: i64) -> Claim {
    let at = mails.clock.now();
    Claim { delivery: delivery.clone(), lease: lease.clone(), attempts, due_at: at.plus(MINUTE), at }
}

fn claims(claims: Vec<Claim>) -> Change {
    Change { claims, ..Change::default() }
}

pub async fn delivery(store: &Store, mail: &Mail) -> Delivery {
    let [delivery] = store.deliveries_of(&mail.message, "").await.unwrap().try_into().expect("one delivery");
    delivery
}

fn lane(mails: &Mails) -> Lane {
    Lane { tenant: mails.tenant.clone(), stream: "transactional".into() }
}

async fn kinds(store: &Store, mail: &Mail) -> Vec<String> {
    store.events_of(&mail.message, "").await.unwrap().into_iter().map(|event| event.kind).collect()
}

async fn two_nodes_never_take_the_same_delivery(fresh: &Fresh) {
    let (store, mails) = fresh.with_mails().await;
    let other = fresh.open().await;
    let others = other.start_node("mx2.example.com", "0").await.unwrap();
    let entered = enter(&store, &mails, State::Ready, 150).await;
    let mut owners: BTreeMap<DeliveryId, Vec<Lease>> = BTreeMap::new();
    let ready = store.ready_page(&lane(&mails), "", 500).await.unwrap();
    assert_eq!(ready.len(), entered.len());
    // Both want all of them, in pieces that overlap, and the second in the opposite order.
    let pieces = |lease: &Lease, size: usize, backwards: bool| {
        let mut all: Vec<_> = ready.iter().map(|d| claim(&mails, lease, &d.id, d.attempts + 1)).collect();
        if backwards {
            all.reverse();
        }
        all.chunks(size).map(|piece| claims(piece.to_vec())).collect::<Vec<_>>()
    };
    let ours = pieces(&mails.lease, 30, false).into_iter().map(|piece| (&store, mails.lease.clone(), piece));
    let theirs = pieces(&others, 25, true).into_iter().map(|piece| (&other, others.clone(), piece));
    let written = join_all(
        ours.chain(theirs).map(async |(store, lease, piece)| (lease, store.write(piece).await.unwrap().claimed)),
    );
    for (lease, claimed) in written.await {
        for delivery in claimed {
            owners.entry(delivery).or_default().push(lease.clone());
        }
    }
    assert_eq!(owners.len(), entered.len(), "each was taken");
    for mail in &entered {
        let [owner] = owners[&mail.delivery].as_slice() else { panic!("{}: {:?}", mail.delivery, owners) };
        let found = delivery(&store, mail).await;
        assert_eq!((found.state, found.lease.as_ref(), found.attempts), (State::Leased, Some(owner), 1));
    }
    assert_eq!(store.ready_page(&lane(&mails), "", 500).await.unwrap(), []);
}

async fn a_claim_needs_a_ready_row_and_the_right_count(fresh: &Fresh) {
    let (store, mails) = fresh.with_mails().await;
    for state in State::ALL.into_iter().filter(|state| *state != State::Ready) {
        let [mail] = enter(&store, &mails, state, 1).await.try_into().ok().expect("one");
        let written = store.write(claims(vec![claim(&mails, &mails.lease, &mail.delivery, 1)])).await.unwrap();
        assert_eq!((written.claimed, delivery(&store, &mail).await.state), (vec![], state));
    }
    let [mail] = enter(&store, &mails, State::Ready, 1).await.try_into().ok().expect("one");
    for attempts in [0, 2] {
        let written = store.write(claims(vec![claim(&mails, &mails.lease, &mail.delivery, attempts)])).await.unwrap();
        assert_eq!(written.claimed, []);
    }
    let granted = claim(&mails, &mails.lease, &mail.delivery, 1);
    // Twice at once: two workers of one node.
    let both = join_all([store.write(claims(vec![granted.clone()])), store.write(claims(vec![granted.clone()]))]).await;
    let claimed: Vec<_> = both.into_iter().flat_map(|written| written.unwrap().claimed).collect();
    assert_eq!(claimed, std::slice::from_ref(&mail.delivery));
    let found = delivery(&store, &mail).await;
    assert_eq!((found.due_at, found.lease, found.attempts), (granted.due_at, Some(granted.lease), 1));
}

async fn a_claim_that_nobody_waits_for_is_given_back(fresh: &Fresh) {
    let (store, mails) = fresh.with_mails().await;
    let [mail] = enter(&store, &mails, State::Ready, 1).await.try_into().ok().expect("one");
    for _ in 0..5 {
        let held = fresh.hold_writes().await;
        let wanted = claim(&mails, &mails.lease, &mail.delivery, 1);
        // Handed in and given up: the lane may be about to write it, or have written it.
        assert!(store.write(claims(vec![wanted])).now_or_never().is_none());
        held.release().await;
        store.write(Change::default()).await.unwrap();
        fresh.until_count("deliveries WHERE state = 'ready' AND attempts = 0 AND leased_by IS NULL", 1).await;
    }
}

/// What an operator wishes of a delivery that is being tried.
fn wish(mails: &Mails, mail: &Mail, wish: Option<Wish>) -> Change {
    let mut moved = moving(mails, mail, State::Leased, State::Leased, "email.hold_requested");
    moved.wanted = wish;
    Change { moves: vec![moved], ..Change::default() }
}

fn moving(mails: &Mails, mail: &Mail, from: State, to: State, kind: &str) -> Move {
    let at = mails.clock.now();
    let mut event = mail.accept.events[0].clone();
    (event.id, event.kind, event.at) = (id::new(at, &mails.random), kind.into(), at);
    let (delivery, held_by, wanted, reason) = (mail.delivery.clone(), None, None, None);
    Move { delivery, from, held_by, to, wanted, reason, due_at: None, destination: None, at, event }
}

async fn a_wish_comes_before_the_next_try_and_after_the_last(fresh: &Fresh) {
    let (store, mails) = fresh.with_mails().await;
    let cases = [
        (Some(Wish::Hold), State::Deferred, State::Held, Some("email.held")),
        (Some(Wish::Cancel), State::Deferred, State::Cancelled, Some("email.canceled")),
        (Some(Wish::Hold), State::Delivered, State::Delivered, None),
        (Some(Wish::Cancel), State::Sent, State::Sent, None),
        (Some(Wish::Cancel), State::Bounced, State::Bounced, None),
        (Some(Wish::Hold), State::Failed, State::Failed, None),
        (None, State::Deferred, State::Deferred, None),
    ];
    for (wanted, settled, becomes, told) in cases {
        let (mail, neighbour) = (mails.mail(b"x".to_vec()), mails.mail(b"x".to_vec()));
        store.write(mail.accept.clone().and(neighbour.accept.clone())).await.unwrap();
        assert_eq!(
            store.write(wish(&mails, &mail, wanted)).await.unwrap().moved,
            [(mail.delivery.clone(), State::Leased)]
        );
        let found = delivery(&store, &mail).await;
        assert_eq!((found.wanted, found.lease.as_ref()), (wanted, Some(&mails.lease)));
        let mut settle = mails.settle(&mail, settled).and(mails.settle(&neighbour, settled));
        settle.settlements[0].reason = Some("451 later".into());
        let written = store.write(settle).await.unwrap();
        let turned = (becomes != settled).then(|| (mail.delivery.clone(), becomes));
        assert_eq!(written.turned, turned.into_iter().collect::<Vec<_>>(), "{wanted:?} {settled:?}");
        let found = delivery(&store, &mail).await;
        assert_eq!((found.state, found.wanted, found.lease), (becomes, None, None), "{wanted:?} {settled:?}");
        assert_eq!(delivery(&store, &neighbour).await.state, settled, "nobody wished anything of the other");
        let finished = format!("deliveries WHERE id = '{}' AND finished_at IS NOT NULL", mail.delivery);
        assert_eq!(fresh.count(&finished).await == 1, becomes.is_final(), "{wanted:?} {settled:?}");
        let kinds = kinds(&store, &mail).await;
        let of_turn: Vec<_> =
            kinds.iter().filter(|kind| ["email.held", "email.canceled"].contains(&&***kind)).collect();
        assert_eq!(of_turn, told.iter().collect::<Vec<_>>(), "{kinds:?}");
    }
}

async fn a_wish_of_what_is_given_back_is_granted_too(fresh: &Fresh) {
    let (store, mails) = fresh.with_mails().await;
    let mail = mails.mail(b"x".to_vec());
    store.write(mail.accept.clone()).await.unwrap();
    store.write(wish(&mails, &mail, Some(Wish::Hold))).await.unwrap();
    store.write(wish(&mails, &mail, Some(Wish::Cancel))).await.unwrap();
    let mut settle = mails.settle(&mail, State::Ready);
    settle.attempts.clear();
    assert_eq!(store.write(settle).await.unwrap().turned, [(mail.delivery.clone(), State::Cancelled)]);
    // A wish that was withdrawn is none.
    let mail = mails.mail(b"x".to_vec());
    store.write(mail.accept.clone()).await.unwrap();
    store.write(wish(&mails, &mail, Some(Wish::Hold))).await.unwrap();
    store.write(wish(&mails, &mail, None)).await.unwrap();
    assert_eq!(store.write(mails.settle(&mail, State::Ready)).await.unwrap().turned, []);
    assert_eq!(delivery(&store, &mail).await.state, State::Ready);
}

async fn what_is_due_becomes_ready_and_nothing_else(fresh: &Fresh) {
    let (store, mails) = fresh.with_mails().await;
    let now = mails.clock.now();
    assert_eq!((store.next_due().await.unwrap(), store.promote_due(now).await.unwrap()), (None, 0));
    let due = |minutes: i64| Time::from_micros(now.micros() + minutes * 60_000_000);
    let mut expected = BTreeMap::new();
    for state in State::ALL.into_iter().filter(|state| *state != State::Leased) {
        for minutes in [-5, 0, 5] {
            let mut mail = waiting(&mails, state);
            mail.accept.deliveries[0].due_at = due(minutes);
            store.write(mail.accept.clone()).await.unwrap();
            let rises = matches!(state, State::Deferred | State::Scheduled) && minutes <= 0;
            expected.insert(mail.delivery.clone(), (mail, if rises { State::Ready } else { state }, minutes));
        }
    }
    assert_eq!(store.next_due().await.unwrap(), Some(due(-5)));
    assert_eq!(store.due_ids(now, 100).await.unwrap().len(), 4);
    assert_eq!(store.due_ids(now, 3).await.unwrap().len(), 3);
    assert_eq!(store.promote_due(now).await.unwrap(), 4);
    for (mail, state, minutes) in expected.values() {
        let found = delivery(&store, mail).await;
        assert_eq!((found.state, found.due_at), (*state, due(*minutes)));
    }
    assert_eq!(store.next_due().await.unwrap(), Some(due(5)));
    // More than a slice, by two nodes at once.
    let all = limits::PROMOTE_ROWS + 20;
    let mut many = waiting(&mails, State::Deferred).accept;
    let one = many.deliveries[0].clone();
    many.deliveries = (0..all).map(|_| Delivery { id: id::new(now, &mails.random), ..one.clone() }).collect();
    store.write(many).await.unwrap();
    let ready = fresh.count("deliveries WHERE state = 'ready'").await;
    join_all([store.promote_due(due(1)), store.promote_due(due(1))])
        .await
        .into_iter()
        .for_each(|promoted| assert!(promoted.is_ok()));
    assert_eq!(fresh.count("deliveries WHERE state = 'ready'").await, ready + all as i64);
}

async fn lanes_and_destinations_come_in_turns(fresh: &Fresh) {
    let (store, mails) = fresh.with_mails().await;
    let mut tenants: Vec<id::TenantId> = (0..3).map(|_| id::new(mails.clock.now(), &mails.random)).collect();
    tenants.sort();
    let mut lanes = Vec::new();
    for tenant in &tenants {
        for stream in ["bulk", "inbound", "transactional"] {
            lanes.push(Lane { tenant: tenant.clone(), stream: stream.into() });
            for n in 0..6 {
                let mut mail = waiting(&mails, if n == 5 { State::Deferred } else { State::Ready });
                let delivery = &mut mail.accept.deliveries[0];
                (delivery.tenant, delivery.stream) = (tenant.clone(), stream.into());
                delivery.destination = format!("mx:{}.example", ["c", "a", "b", "a", "a", "d"][n]);
                delivery.due_at = mails.clock.now().minus(Duration::from_secs(n as u64));
                store.write(mail.accept).await.unwrap();
            }
        }
    }
    assert_eq!(store.ready_lanes(None).await.unwrap(), lanes);
    assert_eq!(store.ready_lanes(Some(&lanes[3])).await.unwrap(), lanes[4..]);
    assert_eq!(store.ready_lanes(lanes.last()).await.unwrap(), []);
    let shown = |page: Vec<Delivery>| page.into_iter().map(|d| (d.destination, d.due_at)).collect::<Vec<_>>();
    let page = shown(store.ready_page(&lanes[4], "", 100).await.unwrap());
    let names: Vec<_> = page.iter().map(|(destination, _)| destination.as_str()).collect();
    assert_eq!(names, ["mx:a.example", "mx:a.example", "mx:a.example", "mx:b.example", "mx:c.example"]);
    assert!(page.is_sorted(), "the longest due first: {page:?}");
    assert_eq!(shown(store.ready_page(&lanes[4], "mx:a.example", 100).await.unwrap()), page[3..]);
    assert_eq!(shown(store.ready_page(&lanes[4], "", 2).await.unwrap()), page[..2]);
    assert_eq!(shown(store.ready_of(&lanes[4], "mx:a.example", 2).await.unwrap()), page[..2]);
    assert_eq!(store.ready_of(&lanes[4], "mx:d.example", 2).await.unwrap(), []);
}

/// Makes a node silent for so long, by the database's clock.
async fn silence(fresh: &Fresh, lease: &Lease, silent: Duration) {
    let by = silent.as_micros();
    fresh.sql(&format!("UPDATE nodes SET seen_at = seen_at - {by} WHERE id = '{}'", lease.node)).await;
}

async fn recover_all(store: &Store, lease: &Lease) -> Vec<DeliveryId> {
    let mut recovered = Vec::new();
    loop {
        let slice = store.recover(lease).await.unwrap();
        recovered.extend(slice.recovered.into_iter().map(|found| found.delivery));
        if !slice.more {
            return recovered;
        }
    }
}

async fn a_dead_nodes_deliveries_are_taken_over_once(fresh: &Fresh) {
    let (store, mails) = fresh.with_mails().await;
    let leased: Vec<Mail> = (0..40).map(|_| mails.mail(b"x".to_vec())).collect();
    for mail in &leased {
        store.write(mail.accept.clone()).await.unwrap();
    }
    silence(fresh, &mails.lease, limits::NODE_SILENT_MAX + Duration::from_secs(1)).await;
    let (one, two) = (fresh.open().await, fresh.open().await);
    let (first, second) =
        (one.start_node("mx2.example.com", "0").await.unwrap(), two.start_node("mx3.example.com", "0").await.unwrap());
    let both = join_all([recover_all(&one, &first), recover_all(&two, &second)]).await.concat();
    assert_eq!(both.len(), leased.len());
    assert_eq!(both.iter().collect::<HashSet<_>>().len(), leased.len(), "each once");
    for mail in &leased {
        let found = delivery(&store, mail).await;
        let was = &mail.accept.deliveries[0];
        assert_eq!((found.state, found.lease, found.attempts), (State::Deferred, None, 1));
        assert_eq!(found.due_at, was.due_at, "it is tried when its next try was planned");
        let events = store.events_of(&mail.message, "").await.unwrap();
        let told: Vec<_> = events.iter().filter(|event| event.kind == "delivery.recovered").collect();
        assert!(told.len() == 1 && told[0].data.contains("possible duplicate"), "{events:?}");
        // Who was dead and comes back settles nothing.
        assert_eq!(store.write(mails.settle(mail, State::Delivered)).await.unwrap().stale.len(), 1);
    }
    assert_eq!(recover_all(&one, &first).await, []);
}

async fn a_living_nodes_deliveries_are_left_alone(fresh: &Fresh) {
    let (store, mails) = fresh.with_mails().await;
    let mail = mails.mail(b"x".to_vec());
    store.write(mail.accept.clone()).await.unwrap();
    assert_eq!(recover_all(&store, &mails.lease).await, [], "our own");
    let other = fresh.open().await;
    let others = other.start_node("mx2.example.com", "0").await.unwrap();
    if other.is_shared() {
        silence(fresh, &mails.lease, limits::NODE_SILENT_MAX - Duration::from_secs(5)).await;
        assert_eq!(recover_all(&other, &others).await, [], "it may be slow");
        silence(fresh, &mails.lease, Duration::from_secs(60)).await;
        store.beat(&mails.lease).await.unwrap();
        assert_eq!(recover_all(&other, &others).await, [], "it came back");
        store.stop_node(&mails.lease).await.unwrap();
    }
    // Stopped, or on a file of which we are the one daemon.
    assert_eq!(recover_all(&other, &others).await, [mail.delivery]);
    // A new start under the same name knows that the old one is nobody.
    let mail = mails.mail(b"x".to_vec());
    store.write(mail.accept.clone()).await.unwrap();
    let again = store.start_node("mail.example.com", "0").await.unwrap();
    assert_eq!(recover_all(&store, &again).await, [mail.delivery]);
}

async fn recovery_comes_in_slices(fresh: &Fresh) {
    let (store, mails) = fresh.with_mails().await;
    let all = limits::RECOVER_ROWS as usize + 30;
    let mut mail = mails.mail(b"x".to_vec());
    let one = mail.accept.deliveries[0].clone();
    let more = |_| Delivery { id: id::new(mails.clock.now(), &mails.random), ..one.clone() };
    mail.accept.deliveries = (0..all).map(more).collect();
    store.write(mail.accept).await.unwrap();
    let again = store.start_node("mail.example.com", "0").await.unwrap();
    let first = store.recover(&again).await.unwrap();
    assert_eq!((first.recovered.len() as i64, first.more), (limits::RECOVER_ROWS, true));
    assert_eq!(recover_all(&store, &again).await.len(), 30);
    assert_eq!(fresh.count("events WHERE kind = 'delivery.recovered'").await, all as i64);
    assert_eq!(
        fresh.number("SELECT COUNT(DISTINCT delivery_id) FROM events WHERE kind = 'delivery.recovered'").await,
        all as i64
    );
}

async fn recovery_obeys_a_wish(fresh: &Fresh) {
    let (store, mails) = fresh.with_mails().await;
    for (wanted, becomes) in [(Wish::Hold, State::Held), (Wish::Cancel, State::Cancelled)] {
        let mail = mails.mail(b"x".to_vec());
        store.write(mail.accept.clone()).await.unwrap();
        store.write(wish(&mails, &mail, Some(wanted))).await.unwrap();
        let again = store.start_node("mail.example.com", "0").await.unwrap();
        assert_eq!(recover_all(&store, &again).await, std::slice::from_ref(&mail.delivery));
        let found = delivery(&store, &mail).await;
        assert_eq!((found.state, found.wanted, found.lease), (becomes, None, None));
        let kinds = kinds(&store, &mail).await;
        assert!(kinds.contains(&"delivery.recovered".to_owned()), "{kinds:?}");
        assert!(
            kinds.contains(&if wanted == Wish::Hold { "email.held" } else { "email.canceled" }.to_owned()),
            "{kinds:?}"
        );
        let finished = format!("deliveries WHERE id = '{}' AND finished_at IS NOT NULL", mail.delivery);
        assert_eq!(fresh.count(&finished).await == 1, becomes.is_final());
        fresh.sql(&format!("UPDATE nodes SET epoch = {} WHERE id = '{}'", mails.lease.epoch, mails.lease.node)).await;
    }
}

async fn a_move_that_comes_too_late_leaves_no_event(fresh: &Fresh) {
    let (store, mails) = fresh.with_mails().await;
    let [mail] = enter(&store, &mails, State::Ready, 1).await.try_into().ok().expect("one");
    let moves = vec![moving(&mails, &mail, State::Deferred, State::Held, "email.held")];
    assert_eq!(store.write(Change { moves, ..Change::default() }).await.unwrap().moved, []);
    assert_eq!((kinds(&store, &mail).await.len(), delivery(&store, &mail).await.state), (1, State::Ready));
    let mut moved = moving(&mails, &mail, State::Ready, State::Held, "email.held");
    (moved.reason, moved.destination) = (Some("because".into()), Some("relay:other".into()));
    let written = store.write(Change { moves: vec![moved], ..Change::default() }).await.unwrap();
    assert_eq!(written.moved, [(mail.delivery.clone(), State::Held)]);
    let found = delivery(&store, &mail).await;
    assert_eq!((found.reason.as_deref(), &*found.destination), (Some("because"), "relay:other"));
    assert_eq!(found.due_at, mail.accept.deliveries[0].due_at);
    assert_eq!(kinds(&store, &mail).await.len(), 2);
}

async fn a_beat_is_for_the_start_that_lives(fresh: &Fresh) {
    let (store, mails) = fresh.with_mails().await;
    silence(fresh, &mails.lease, MINUTE).await;
    let before = store.nodes().await.unwrap()[0].seen_at;
    store.beat(&mails.lease).await.unwrap();
    assert!(store.nodes().await.unwrap()[0].seen_at >= before.plus(MINUTE));
    let newer = store.start_node("mail.example.com", "0").await.unwrap();
    let conflict = store.beat(&mails.lease).await.unwrap_err();
    assert!(!conflict.is_temporary(), "{conflict}");
    store.beat(&newer).await.unwrap();
    store.stop_node(&newer).await.unwrap();
    assert!(store.beat(&newer).await.is_err());
}

async fn mails_are_read_whole_in_one_go(fresh: &Fresh) {
    let (store, mails) = fresh.with_mails().await;
    let sizes = [0, 1, 20_000, 100_000, limits::BODY_INLINE_BYTES_MAX + 70_000];
    let mut written = Vec::new();
    for n in 0..40 {
        let mut body = vec![b'a'; sizes[n % sizes.len()]];
        if n % sizes.len() == sizes.len() - 1 {
            mails.random.fill(&mut body);
        }
        let mail = mails.mail(body.clone());
        store.write(mail.accept.clone()).await.unwrap();
        assert_eq!(store.mail(&mail.message).await.unwrap(), Some((mail.accept.messages[0].clone(), body.clone())));
        written.push((mail, body));
    }
    let absent = mails.mail(Vec::new()).message;
    assert_eq!(store.mail(&absent).await.unwrap(), None);
    let mut ids: Vec<_> = written.iter().map(|(mail, _)| mail.message.clone()).collect();
    ids.insert(3, absent);
    let mut found = store.mails(&ids).await.unwrap();
    found.sort_by(|(a, _), (b, _)| a.id.cmp(&b.id));
    written.sort_by(|(a, _), (b, _)| a.message.cmp(&b.message));
    assert_eq!(found.len(), written.len());
    for ((message, bytes), (mail, body)) in found.iter().zip(&written) {
        assert!(*message == mail.accept.messages[0] && bytes == body, "{}", mail.message);
    }
    assert_eq!(store.mails(&[]).await.unwrap(), []);
}

async fn a_warning_is_noted_once(fresh: &Fresh) {
    let (store, mails) = fresh.with_mails().await;
    let [mail] = enter(&store, &mails, State::Deferred, 1).await.try_into().ok().expect("one");
    let at = mails.clock.now();
    store.write(warned(&mail.delivery, at)).await.unwrap();
    store.write(warned(&mail.delivery, at.plus(MINUTE))).await.unwrap();
    assert_eq!(delivery(&store, &mail).await.warned_at, Some(at));
}

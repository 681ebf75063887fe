//! What operators do to the queue and see of it, over a real store of either engine: each action in each
//! state, one delivery or many, and the life of a message in sentences.

use crate::mails::{Mail, Mails};
use crate::stores::{Fresh, on_both};
use arc_swap::ArcSwap;
use gatepost::base::clock::Clock;
use gatepost::base::id;
use gatepost::base::random::Random;
use gatepost::base::shutdown::{Phase, Shutdown};
use gatepost::base::wake::Bell;
use gatepost::config::Environment;
use gatepost::config::load::load_text;
use gatepost::model::delivery::{Delivery, Lease, State, Wish};
use gatepost::model::directory::{Directory, DirectoryHandle, Parts};
use gatepost::queue::inspect::{self, Filter, Subject, Which};
use gatepost::queue::ledger::Ledger;
use gatepost::queue::steer::{Action, Count, Order, Road, SteerError, Steered, Target, count, steer};
use gatepost::store::{Change, Store};
use gatepost::tend;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

on_both! {
    each_action_in_each_state
    what_the_sandbox_holds_is_released_into_the_sandbox
    what_is_held_before_its_time_waits_for_it
    a_wish_for_what_is_being_tried
    another_road
    a_message_and_a_filter_and_only_ones_own
    many_are_moved_in_calls_that_go_on
    what_moves_meanwhile_is_looked_at_again
    a_life_is_told_in_sentences
    a_node_takes_over_at_its_start_and_stops_when_replaced
}

const HOUSE: &str = r#"
[server]
hostname = "mail.example.com"

[[relay]]
name = "upstream"
host = "smtp.provider.example"
"#;

struct House {
    ledger: Ledger,
    mails: Mails,
}

impl House {
    async fn new(fresh: &Fresh) -> Self {
        let (store, mails) = fresh.with_mails().await;
        let environment = Environment::default().on_machine("mail.example.com");
        let config =
            load_text("gatepost.toml", HOUSE.to_owned(), Path::new(""), &environment).config.expect("a config");
        let parts = Parts {
            tenants: &config.tenant,
            relays: &config.relay,
            sources: &config.source,
            destinations: &config.destination,
            domains: &config.domain,
            streams: &config.stream,
            credentials: &config.credential,
            mailboxes: &config.mailbox,
            routes: &config.route,
        };
        let (directory, _) = Directory::assemble(&parts, &store.directory_rows().await.unwrap());
        let ledger = Ledger {
            keyring: crate::stores::keyring(),
            keys: Default::default(),
            store: Arc::new(store),
            directory: Arc::new(DirectoryHandle::new(directory)),
            settings: Arc::new(ArcSwap::from_pointee(config.delivery)),
            ready: crate::stores::ready(),
            lease: crate::stores::lease(),
            clock: Clock::System,
            random: mails.random.clone(),
        };
        Self { ledger, mails }
    }

    fn store(&self) -> &Store {
        &self.ledger.store
    }

    /// A mail whose delivery is in this state, tried so often.
    async fn mail(&self, state: State, change: impl FnOnce(&mut Mail)) -> Mail {
        let mut mail = self.mails.mail(b"Subject: x\r\n\r\nx\r\n".to_vec());
        let delivery = &mut mail.accept.deliveries[0];
        delivery.state = state;
        if state != State::Leased {
            (delivery.lease, delivery.attempts) = (None, i64::from(state == State::Deferred));
        }
        change(&mut mail);
        self.store().write(mail.accept.clone()).await.unwrap();
        mail
    }

    async fn delivery(&self, mail: &Mail) -> Delivery {
        self.store().entry(&mail.delivery).await.unwrap().expect("it is there").delivery
    }

    async fn kinds(&self, mail: &Mail) -> Vec<String> {
        self.store().events_of(&mail.message, "").await.unwrap().into_iter().map(|event| event.kind).collect()
    }

    async fn one(&self, mail: &Mail, action: Action) -> Steered {
        let target = Target::One(Subject::Delivery(mail.delivery.clone()));
        let counted = count(&self.ledger, &target, &action, None).await.unwrap();
        let steered = steer(&self.ledger, &target, &order(action), "").await.unwrap();
        assert_eq!(counted, Count::Exactly(steered.done + steered.pending), "the preview says what then happens");
        steered
    }
}

fn order(action: Action) -> Order {
    Order { action, by: "ann".into(), note: None, tenant: None }
}

/// What an action makes of each state; none where it is refused.
fn expected(action: &Action, state: State) -> Option<State> {
    use State::*;
    match (action, state) {
        (Action::Hold, Scheduled | Ready | Deferred | Held) => Some(Held),
        (Action::Hold | Action::Cancel, Leased) => Some(Leased),
        (Action::Cancel, Scheduled | Ready | Deferred | Held | Cancelled) => Some(Cancelled),
        (Action::Release, Held) => Some(Ready),
        (Action::Release, Scheduled | Ready | Deferred | Leased) => Some(state),
        (Action::RetryNow, Deferred) => Some(Ready),
        (Action::RetryNow, Ready | Leased) => Some(state),
        (Action::Reroute(_), Scheduled | Held | Ready) => Some(state),
        (Action::Reroute(_), Deferred) => Some(Ready),
        _ => None,
    }
}

async fn each_action_in_each_state(fresh: &Fresh) {
    let house = House::new(fresh).await;
    let relay = Action::Reroute(Road::Relay("upstream".parse().unwrap()));
    for action in [Action::Hold, Action::Release, Action::RetryNow, Action::Cancel, relay] {
        for state in State::ALL {
            let mail = house.mail(state, |mail| mail.accept.deliveries[0].due_at = Clock::System.now()).await;
            let before = house.delivery(&mail).await;
            let steered = house.one(&mail, action.clone()).await;
            let after = house.delivery(&mail).await;
            let what = format!("{action:?} of {state:?}: {steered:?}");
            let Some(to) = expected(&action, state) else {
                assert_eq!((steered.refused, steered.refusals.len(), &after), (1, 1, &before), "{what}");
                assert_eq!((house.kinds(&mail).await.len(), steered.refusals[0].state), (1, state), "{what}");
                continue;
            };
            assert_eq!((after.state, steered.refused), (to, 0), "{what}");
            assert!(after.state == state || state.may_become(after.state), "{what}");
            let acted = steered.done + steered.pending;
            assert_eq!(acted + steered.unchanged, 1, "{what}");
            assert_eq!(house.kinds(&mail).await.len() as u64, 1 + acted, "{what}");
            assert_eq!(steered.pending == 1, state == State::Leased && acted == 1, "{what}");
            assert_eq!(after.lease.is_some(), to == State::Leased, "{what}");
            // Doing it again changes nothing more.
            let again = house.one(&mail, action.clone()).await;
            assert_eq!((again.done, again.pending), (0, 0), "{what} {again:?}");
            assert_eq!(house.delivery(&mail).await, after, "{what}");
        }
    }
    assert_eq!(fresh.count("deliveries WHERE state = 'cancelled' AND finished_at IS NULL").await, 0);
    assert_eq!(fresh.count("deliveries WHERE state = 'held' AND finished_at IS NOT NULL").await, 0);
    let by = fresh.count("events WHERE kind = 'email.held' AND data LIKE '%\"by\":\"ann\"%'").await;
    assert_eq!(by, 3);
}

async fn what_the_sandbox_holds_is_released_into_the_sandbox(fresh: &Fresh) {
    let house = House::new(fresh).await;
    let sandboxed = |mail: &mut Mail| mail.accept.messages[0].sandboxed_at = Some(Clock::System.now());
    let mail = house.mail(State::Held, sandboxed).await;
    let refused = house.one(&mail, Action::Reroute(Road::Relay("upstream".parse().unwrap()))).await;
    assert!(refused.refusals[0].why.contains("sandbox"), "{refused:?}");
    assert_eq!(house.one(&mail, Action::RetryNow).await.refused, 1);
    assert_eq!(house.one(&mail, Action::Release).await.done, 1);
    assert_eq!(house.delivery(&mail).await.state, State::Captured);
    assert_eq!(fresh.count("deliveries WHERE finished_at IS NOT NULL").await, 1);
    let cancelled = house.mail(State::Held, sandboxed).await;
    assert_eq!(house.one(&cancelled, Action::Cancel).await.done, 1);
}

async fn what_is_held_before_its_time_waits_for_it(fresh: &Fresh) {
    let house = House::new(fresh).await;
    let later = Clock::System.now().plus(Duration::from_secs(3_600));
    let mail = house.mail(State::Scheduled, |mail| mail.accept.deliveries[0].due_at = later).await;
    assert_eq!(house.one(&mail, Action::RetryNow).await.refused, 1, "its sender wished that time");
    assert_eq!(house.one(&mail, Action::Hold).await.done, 1);
    assert_eq!(house.one(&mail, Action::Release).await.done, 1);
    let found = house.delivery(&mail).await;
    assert_eq!((found.state, found.due_at), (State::Scheduled, later));
    // What was tried before is tried now: its due time was only a pause.
    let mail = house.mail(State::Deferred, |mail| mail.accept.deliveries[0].due_at = later).await;
    house.one(&mail, Action::Hold).await;
    house.one(&mail, Action::Release).await;
    let found = house.delivery(&mail).await;
    assert!(found.state == State::Ready && found.due_at < later, "{found:?}");
}

async fn a_wish_for_what_is_being_tried(fresh: &Fresh) {
    let house = House::new(fresh).await;
    let mail = house.mail(State::Leased, |_| {}).await;
    assert_eq!(house.one(&mail, Action::Hold).await.pending, 1);
    assert_eq!(house.delivery(&mail).await.wanted, Some(Wish::Hold));
    assert_eq!(house.one(&mail, Action::Release).await.pending, 1, "withdrawn");
    assert_eq!(house.delivery(&mail).await.wanted, None);
    assert_eq!(house.one(&mail, Action::Cancel).await.pending, 1);
    let turned = house.store().write(house.mails.settle(&mail, State::Deferred)).await.unwrap().turned;
    assert_eq!(turned, [(mail.delivery.clone(), State::Cancelled)]);
    let kinds = house.kinds(&mail).await;
    let mut told: Vec<_> = kinds.iter().filter(|kind| kind.starts_with("email.") && !kind.contains("queued")).collect();
    told.sort();
    let all = ["email.cancel_requested", "email.canceled", "email.delivered", "email.hold_requested", "email.released"];
    assert_eq!(told, all);
}

async fn another_road(fresh: &Fresh) {
    let house = House::new(fresh).await;
    let relay = |name: &str| Action::Reroute(Road::Relay(name.parse().unwrap()));
    let mail = house.mail(State::Held, |_| {}).await;
    house.one(&mail, relay("upstream")).await;
    assert_eq!(house.delivery(&mail).await.destination, "relay:upstream");
    house.one(&mail, Action::Reroute(Road::Direct)).await;
    assert_eq!(house.delivery(&mail).await.destination, "mx:example.net");
    let target = Target::One(Subject::Delivery(mail.delivery.clone()));
    let unknown = steer(&house.ledger, &target, &order(relay("nowhere")), "").await.unwrap_err();
    assert_eq!(unknown, SteerError::NoSuchRelay("nowhere".parse().unwrap()));
    let local = house.mail(State::Ready, |mail| mail.accept.deliveries[0].destination = "local:support".into()).await;
    assert_eq!(house.one(&local, relay("upstream")).await.refused, 1, "out of the house and in again");
}

async fn a_message_and_a_filter_and_only_ones_own(fresh: &Fresh) {
    let house = House::new(fresh).await;
    let several = |mail: &mut Mail| {
        let one = mail.accept.deliveries[0].clone();
        for n in 0..4 {
            let mut more = one.clone();
            (more.id, more.recipient) =
                (id::new(Clock::System.now(), &Random::System), format!("r{n}@example.net").parse().unwrap());
            mail.accept.deliveries.push(more);
        }
        mail.accept.deliveries[2].state = State::Delivered;
    };
    let mail = house.mail(State::Deferred, several).await;
    let whole = Target::One(Subject::Message(mail.message.clone()));
    let stranger = Order { tenant: Some(id::new(Clock::System.now(), &Random::System)), ..order(Action::Cancel) };
    assert_eq!(steer(&house.ledger, &whole, &stranger, "").await.unwrap(), Steered::default());
    assert_eq!(
        count(&house.ledger, &whole, &Action::Cancel, stranger.tenant.as_ref()).await.unwrap(),
        Count::Exactly(0)
    );
    let owner =
        Order { tenant: Some(house.mails.tenant.clone()), note: Some("wrong list".into()), ..order(Action::Hold) };
    let steered = steer(&house.ledger, &whole, &owner, "").await.unwrap();
    assert_eq!((steered.done, steered.refused, steered.next), (4, 1, None));
    assert_eq!(fresh.count("deliveries WHERE reason = 'held by ann: wrong list'").await, 4);
    house.mail(State::Held, |mail| mail.accept.deliveries[0].destination = "relay:other".into()).await;
    let there =
        Filter { which: Which::In(State::Held), destination: Some("mx:example.net".into()), ..Filter::default() };
    let released = steer(&house.ledger, &Target::Matching(there), &order(Action::Release), "").await.unwrap();
    assert_eq!((released.done, released.refused), (4, 0));
    assert_eq!(fresh.count("deliveries WHERE state = 'held'").await, 1);
}

async fn many_are_moved_in_calls_that_go_on(fresh: &Fresh) {
    let house = House::new(fresh).await;
    let all = 10_600;
    let mut mail = house.mails.mail(b"x".to_vec());
    let mut one = mail.accept.deliveries.remove(0);
    (one.state, one.lease) = (State::Ready, None);
    house.store().write(mail.accept).await.unwrap();
    let rows: Vec<Delivery> =
        (0..all).map(|_| Delivery { id: id::new(Clock::System.now(), &house.mails.random), ..one.clone() }).collect();
    for rows in rows.chunks(1_000) {
        house.store().write(Change { deliveries: rows.to_vec(), ..Change::default() }).await.unwrap();
    }
    let target = Target::Matching(Filter::default());
    let counted = count(&house.ledger, &target, &Action::Hold, None).await.unwrap();
    assert_eq!(counted, Count::MoreThan(10_000));
    assert_eq!(count(&house.ledger, &target, &Action::Release, None).await.unwrap(), Count::Exactly(0));
    let (mut done, mut calls, mut after) = (0, 0, String::new());
    loop {
        let steered = steer(&house.ledger, &target, &order(Action::Hold), &after).await.unwrap();
        (done, calls) = (done + steered.done, calls + 1);
        match steered.next {
            Some(next) => after = next,
            None => break,
        }
    }
    assert!(done == all && calls > 1, "{done} in {calls} calls");
    assert_eq!(fresh.count("deliveries WHERE state = 'held'").await, all as i64);
    assert_eq!(fresh.count("events WHERE kind = 'email.held'").await, all as i64);
}

async fn what_moves_meanwhile_is_looked_at_again(fresh: &Fresh) {
    let house = House::new(fresh).await;
    let mails = [house.mail(State::Ready, |_| {}).await, house.mail(State::Ready, |_| {}).await];
    // Beside it somebody claims and gives back all the time: whatever the two do, nothing is lost.
    let claiming = async {
        for _ in 0..60 {
            for mail in &mails {
                let found = house.delivery(mail).await;
                let at = Clock::System.now();
                let claim = gatepost::model::delivery::Claim {
                    delivery: mail.delivery.clone(),
                    lease: house.mails.lease.clone(),
                    attempts: found.attempts + 1,
                    due_at: at,
                    at,
                };
                let claims = Change { claims: vec![claim], ..Change::default() };
                if !house.store().write(claims).await.unwrap().claimed.is_empty() {
                    let mut back = house.mails.settle(mail, State::Ready);
                    (back.attempts, back.settlements[0].attempts) = (Vec::new(), found.attempts);
                    house.store().write(back).await.unwrap();
                }
            }
        }
    };
    let steering = async {
        let mut totals = Vec::new();
        for action in [Action::Hold, Action::Release].into_iter().cycle().take(20) {
            totals.push(steer(&house.ledger, &Target::Matching(Filter::default()), &order(action), "").await.unwrap());
        }
        totals
    };
    let ((), totals) = tokio::join!(claiming, steering);
    for steered in totals {
        let of_all = steered.done + steered.pending + steered.unchanged + steered.missed;
        assert_eq!((of_all, steered.refused), (2, 0), "{steered:?}");
    }
    steer(&house.ledger, &Target::Matching(Filter::default()), &order(Action::Hold), "").await.unwrap();
    assert_eq!(fresh.count("deliveries WHERE state = 'held' AND leased_by IS NULL AND wanted IS NULL").await, 2);
}

async fn a_life_is_told_in_sentences(fresh: &Fresh) {
    let house = House::new(fresh).await;
    let mail = house.mail(State::Leased, |_| {}).await;
    let mut settle = house.mails.settle(&mail, State::Deferred);
    settle.settlements[0].reason = Some("the mailbox is full".into());
    settle.settlements[0].due_at = Clock::System.now().plus(Duration::from_secs(300));
    settle.attempts[0].outcome = "later:remote".into();
    settle.attempts[0].reply = Some("452 4.2.2 mailbox full".into());
    house.store().write(settle).await.unwrap();
    let now = Clock::System.now();
    for subject in [Subject::Message(mail.message.clone()), Subject::Delivery(mail.delivery.clone())] {
        let life = inspect::show(house.store(), &subject).await.unwrap().expect("it is known");
        assert_eq!((life.deliveries.len(), life.attempts.len(), life.events.len(), life.cut), (1, 1, 2, false));
        let told = inspect::tell(&life, now).join("\n");
        for part in [
            "\"Your order has been sent\" of bounce@example.com",
            "was submitted by app@example.com from 192.0.2.1",
            "To someone@example.net (dl_",
            "put off on its way to the mail servers of example.net since",
            "Why: the mailbox is full.",
            "at mx1.example.net (192.0.2.25), ended as later:remote: 452 4.2.2 mailbox full.",
            "Next: it is tried again at",
            "(in 4 min); it is given up at",
        ] {
            assert!(told.contains(part), "{part}\n{told}");
        }
    }
    // Every state has its sentence, and what is over has nothing next.
    for state in State::ALL {
        let mail = house.mail(state, |_| {}).await;
        let life = inspect::show(house.store(), &Subject::Delivery(mail.delivery.clone())).await.unwrap().unwrap();
        let told = inspect::tell(&life, now).remove(1);
        assert_eq!(told.contains("Next: "), !state.is_final(), "{told}");
    }
    let nothing = Subject::Message(house.mails.mail(Vec::new()).message);
    assert_eq!(inspect::show(house.store(), &nothing).await.unwrap(), None);
    assert!("em_x".parse::<Subject>().is_err());
    assert_eq!(mail.delivery.to_string().parse(), Ok(Subject::Delivery(mail.delivery)));
}

async fn a_node_takes_over_at_its_start_and_stops_when_replaced(fresh: &Fresh) {
    let house = House::new(fresh).await;
    let mail = house.mail(State::Leased, |_| {}).await;
    let store = house.ledger.store.clone();
    let lease = store.start_node("mail.example.com", "1").await.unwrap();
    let (pulse, shutdown) = (tend::heartbeat::pulse(&store), Shutdown::default());
    assert!(pulse.is_alive());
    let beating =
        tokio::spawn(tend::heartbeat(store.clone(), lease.clone(), pulse.clone(), Bell::default(), shutdown.clone()));
    fresh.until_count("deliveries WHERE state = 'deferred' AND leased_by IS NULL", 1).await;
    assert!(house.kinds(&mail).await.contains(&"delivery.recovered".to_owned()));
    shutdown.go_to(Phase::Stopped);
    beating.await.unwrap();
    assert!(pulse.is_alive());
    // Another start takes the name: where others are, this one ends nothing any more.
    let newer = store.start_node("mail.example.com", "1").await.unwrap();
    assert_eq!(newer, Lease { node: lease.node.clone(), epoch: lease.epoch + 1 });
    tend::heartbeat(store.clone(), lease, pulse.clone(), Bell::default(), Shutdown::default()).await;
    assert_eq!(pulse.is_alive(), !store.is_shared());
}

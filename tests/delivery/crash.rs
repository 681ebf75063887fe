//! Ends of every kind in the middle of deliveries: nothing is lost, and what may be there twice is marked.

use super::sink::{At, Offer};
use super::world::{SENDER, TEXT, World, store, try_submits};
use nix::sys::signal::Signal;
use std::collections::BTreeMap;

/// A message that is in the dot belongs to nobody for a moment: the end waits for it.
#[tokio::test(flavor = "multi_thread")]
async fn sigterm_waits_for_a_dot_that_is_not_answered_yet() {
    let world = World::new();
    let sink = world.mx("far.example", Offer::usual()).await;
    let gate = sink.hold(At::Dot);
    let mut house = world.open();
    house.sends(&["one@far.example"]);
    gate.reached().await;
    house.daemon.signal(Signal::SIGTERM);
    house.daemon.said("stopping");
    gate.open();
    assert_eq!(house.daemon.ended(), Some(0));
    let house = world.again();
    assert_eq!(house.comes_to("one@far.example", "delivered").attempts, 1);
    house.comes_to_rest();
    assert_eq!(sink.kept().len(), 1);
    assert_eq!(sink.seen(|seen| seen.messages.len()), 1);
}

/// Nothing new is begun meanwhile, and nothing of it is lost.
#[tokio::test(flavor = "multi_thread")]
async fn sigterm_begins_no_further_delivery() {
    let world = World::new();
    world.delivery("retry = [\"1s\"]\nconnections_per_destination = 1");
    let sink = world.mx("far.example", Offer::usual()).await;
    let gate = sink.hold(At::Dot);
    let mut house = world.open();
    house.sends(&["one@far.example"]);
    gate.reached().await;
    for n in 0..5 {
        house.sends(&[&format!("r{n}@far.example")]);
    }
    house.daemon.signal(Signal::SIGTERM);
    house.daemon.said("stopping");
    gate.open();
    assert_eq!(house.daemon.ended(), Some(0));
    assert_eq!(sink.seen(|seen| seen.messages.len()), 1);
    let house = world.again();
    sink.messages(6).await;
    house.comes_to_rest();
    assert_eq!((sink.kept().len(), house.count("delivered")), (6, 6));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_never_answers_the_dot_is_left_at_the_drain_deadline_and_tried_again() {
    let world = World::new();
    let sink = world.mx("far.example", Offer::usual()).await;
    let gate = sink.hold(At::Dot);
    let mut house = world.open_with("drain = \"200ms\"");
    house.sends(&["one@far.example"]);
    gate.reached().await;
    house.daemon.stops();
    gate.open();
    let house = world.again();
    sink.until("a second try", |seen| (seen.messages.len() >= 2).then_some(())).await;
    house.comes_to("one@far.example", "delivered");
    let said = format!(
        "{}{}{:?}",
        house.daemon.all(),
        house.events("email.recovered").join(""),
        house.tries("one@far.example")
    );
    assert!(said.contains("recovered") || said.contains("duplicate"), "{said}");
}

const MESSAGES: usize = 300;

/// `kill -9` in the middle of it: every message that was answered 250 arrives; one that arrives twice was on
/// its way in that moment, and an event says that it may be there twice.
#[tokio::test(flavor = "multi_thread")]
async fn kill_9_loses_nothing_and_doubles_only_what_was_on_its_way() {
    const CONNECTIONS: usize = 5;
    let world = World::new();
    world.delivery(&format!("retry = [\"1s\"]\nconnections_per_destination = {CONNECTIONS}"));
    let sink = world.mx("far.example", Offer::usual()).await;
    let mut house = world.open();
    let mut client = house.client();
    for n in 0..MESSAGES {
        let taken = try_submits(&mut client, &format!("<{SENDER}>"), &[&format!("<r{n}@far.example>")], TEXT);
        taken.unwrap_or_else(|why| panic!("{n}: {why}"));
    }
    // In full flight.
    sink.until("some messages", |seen| (seen.kept().count() >= 20).then_some(())).await;
    house.daemon.crash();
    sink.left_alone().await;
    let before = sink.kept().len();
    let house = world.again();
    house.comes_to_rest();
    let mut arrived: BTreeMap<String, usize> = BTreeMap::new();
    for message in sink.kept() {
        *arrived.entry(message.recipients()[0].to_owned()).or_default() += 1;
    }
    assert_eq!(arrived.len(), MESSAGES, "lost: {} arrived before the end", before);
    assert_eq!(house.count("delivered"), MESSAGES as i64);
    let doubled: Vec<_> = arrived.iter().filter(|(_, times)| **times > 1).map(|(recipient, _)| recipient).collect();
    assert!(arrived.values().all(|times| *times <= 2), "{arrived:?}");
    // A settled outcome waits a few milliseconds for its commit: what was in flight, and what just had been.
    assert!(doubled.len() <= 20 * CONNECTIONS, "{} doubled", doubled.len());
    for recipient in doubled {
        assert!(is_marked(&world, recipient), "{recipient} arrived twice, and nothing says so");
    }
}

/// Does an event say that this delivery may have happened twice?
fn is_marked(world: &World, recipient: &str) -> bool {
    let sql = "SELECT count(*) FROM events JOIN deliveries ON deliveries.id = delivery_id \
               WHERE recipient = ?1 AND (kind LIKE '%recovered%' OR data LIKE '%duplicate%')";
    store(world).query_row(sql, [recipient], |row| row.get::<_, i64>(0)).unwrap() > 0
}

/// Again and again, at whatever moment: one message still arrives, and its tries are counted.
#[tokio::test(flavor = "multi_thread")]
async fn a_crash_in_every_dot_does_not_hammer_the_receiver() {
    let world = World::new();
    let sink = world.mx("far.example", Offer::usual()).await;
    let mut house = world.open();
    house.sends(&["one@far.example"]);
    for round in 1..=3 {
        let gate = sink.hold(At::Dot);
        if round == 1 {
            house.sends(&["two@far.example"]);
        }
        gate.reached().await;
        house.daemon.crash();
        gate.open();
        house = world.again();
    }
    sink.until("both", |seen| {
        let has = |to: &str| seen.kept().any(|message| message.recipients() == [to]);
        (has("one@far.example") && has("two@far.example")).then_some(())
    })
    .await;
    house.comes_to_rest();
    assert_eq!(house.count("delivered"), 2);
}

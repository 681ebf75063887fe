//! A store that cannot hold what came of a delivery, or has lost what was to be sent: the others go on, and nobody's
//! mail ends without a word.

use super::sink::{Act, At, Offer, Sink};
use super::world::{House, SENDER, TEXT, World, reports};
use crate::running::{eventually, get};
use rusqlite::Connection;

/// Somebody's hand in the store.
fn hand(world: &World, sql: &str) {
    Connection::open(world.yard.path("data/gatepost.db")).unwrap().execute_batch(sql).unwrap();
}

/// From now on the store refuses, for good, what this names of the mail to stuck@far.example.
fn refuse(world: &World, event: &str, of: &str) {
    hand(
        world,
        &format!(
            "CREATE TRIGGER unwritable BEFORE {event} WHEN {of} = (SELECT id FROM deliveries \
             WHERE recipient = 'stuck@far.example') BEGIN SELECT RAISE(ABORT, 'it cannot be written'); END"
        ),
    );
}

fn counted(house: &House<'_>, metric: &str) -> bool {
    get(house.daemon.address("http"), "/metrics").1.lines().any(|line| line.starts_with(metric) && line.ends_with(" 1"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_the_store_refuses_for_good_holds_up_no_other() {
    let world = World::new();
    let sink = world.mx("far.example", Offer::usual()).await;
    let gate = sink.hold(At::Dot);
    let mut house = world.open();
    house.sends(&["stuck@far.example"]);
    gate.reached().await;
    refuse(&world, "UPDATE OF state ON deliveries", "OLD.id");
    gate.open();
    house.daemon.said("the store refuses the end of a delivery");
    for n in 0..5 {
        house.sends(&[&format!("r{n}@far.example")]);
        house.comes_to(&format!("r{n}@far.example"), "delivered");
    }
    assert!(counted(&house, "gatepost_settlements_refused_total{left=\"leased\"}"));
    // It is leased for everybody to see, and when the store is whole again the next start tells its end.
    assert_eq!(house.row("stuck@far.example").unwrap().state, "leased");
    house.daemon.stops();
    hand(&world, "DROP TRIGGER unwritable");
    let house = world.again();
    house.comes_to("stuck@far.example", "delivered");
}

/// What cannot be stored is what the other side said, not that it took the mail: nobody gets it again for that.
#[tokio::test(flavor = "multi_thread")]
async fn a_history_that_the_store_refuses_costs_the_history() {
    let world = World::new();
    let home = world.home().await;
    let sink = world.mx("far.example", Offer::usual()).await;
    sink.always(At::Rcpt("gone@far.example"), Act::say("550 5.1.1 nobody"));
    let gate = sink.hold(At::Dot);
    let mut house = world.open();
    house.sends(&["stuck@far.example", "gone@far.example"]);
    gate.reached().await;
    refuse(&world, "INSERT ON attempts", "NEW.delivery_id");
    gate.open();
    house.daemon.said("the store refuses the history of a delivery");
    let row = house.comes_to("stuck@far.example", "delivered");
    assert!(row.reason.unwrap().contains("refused the history"));
    // And who is told of another end of the same message is told of it.
    reports(&home.message().await, "gone@far.example", "failed", "5.1.1");
    assert_eq!(house.tries("gone@far.example").len(), 1);
    assert!(counted(&house, "gatepost_settlements_refused_total{left=\"settled\"}"));
    house.comes_to_rest();
    house.daemon.stops();
    assert_eq!(sink.kept().len(), 1);
}

/// The rows of a report and those of what it tells of are one commit: that one of them is refused costs nobody his
/// report.
#[tokio::test(flavor = "multi_thread")]
async fn a_report_leaves_though_the_end_that_it_tells_of_cannot_be_stored() {
    let world = World::new();
    let home = world.home().await;
    let sink = world.mx("far.example", Offer::usual()).await;
    let gate = sink.hold(At::Mail);
    sink.always(At::Rcpt(""), Act::say("550 5.1.1 nobody"));
    let mut house = world.open();
    house.sends(&["stuck@far.example"]);
    gate.reached().await;
    refuse(&world, "INSERT ON attempts", "NEW.delivery_id");
    gate.open();
    reports(&home.message().await, "stuck@far.example", "failed", "5.1.1");
    house.comes_to("stuck@far.example", "bounced");
    house.comes_to_rest();
    house.daemon.stops();
    assert_eq!(home.kept().len(), 1);
}

/// A world in which mail to one@ and two@far.example waits for the next try, which nobody refuses.
async fn waiting(world: &World) -> (Sink, House<'_>, [String; 2]) {
    world.delivery("retry = [\"1h\"]");
    let sink = world.mx("far.example", Offer::usual()).await;
    sink.always(At::Rcpt(""), Act::say("451 4.7.1 come again"));
    let house = world.open();
    let ids = ["one@far.example", "two@far.example"].map(|to| {
        let id = house.submits(&format!("<{SENDER}> ENVID=QQ314159"), &[&format!("<{to}>")], TEXT);
        house.comes_to(to, "deferred");
        id
    });
    sink.relent();
    (sink, house, ids)
}

fn retry(world: &World, id: &str) {
    let ran = world.yard.run(&["queue", "retry", id]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_was_lost_is_reported_with_what_its_row_knows() {
    let world = World::new();
    let home = world.home().await;
    let (sink, house, [one, two]) = waiting(&world).await;
    hand(&world, &format!("DELETE FROM bodies WHERE message_id = '{one}'"));
    retry(&world, &one);
    let report = reports(&home.message().await, "one@far.example", "failed", "5.3.0");
    for words in ["Original-Envelope-Id: QQ314159", "with the subject: hello", "is not there any more"] {
        assert!(report.contains(words), "{words}?\n{report}");
    }
    assert!(!report.contains("and the end") && !report.contains("rfc822-headers"), "{report}");
    assert_eq!(house.comes_to("one@far.example", "failed").attempts, 1);
    retry(&world, &two);
    assert_eq!(sink.message().await.recipients(), ["two@far.example"]);
    house.comes_to_rest();
}

/// A tenant may want an event and no report, and has it for this end as for any other.
#[tokio::test(flavor = "multi_thread")]
async fn who_wants_events_gets_one_for_a_message_that_was_lost() {
    let world = World::new();
    let home = world.home().await;
    world.tables("[[tenant]]\nname = \"default\"\nbounces = \"event\"");
    let (_sink, mut house, [one, _two]) = waiting(&world).await;
    hand(&world, &format!("DELETE FROM bodies WHERE message_id = '{one}'"));
    retry(&world, &one);
    house.comes_to("one@far.example", "failed");
    let event = house.events("email.failed").join("");
    assert!(event.contains("one@far.example") && event.contains("is not there any more"), "{event}");
    house.daemon.stops();
    assert_eq!(home.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_message_keeps_no_other_waiting_and_is_reported_when_its_time_is_over() {
    let world = World::new();
    let home = world.home().await;
    let (sink, house, [one, two]) = waiting(&world).await;
    hand(&world, &format!("UPDATE bodies SET codec = 'zstd', bytes = X'00' WHERE message_id = '{one}'"));
    // Both become due in one go, and are read together.
    hand(&world, "UPDATE deliveries SET due_at = 1 WHERE state = 'deferred'");
    retry(&world, &two);
    assert_eq!(sink.message().await.recipients(), ["two@far.example"]);
    let row = eventually(|| {
        house.row("one@far.example").filter(|row| row.reason.as_ref().is_some_and(|r| r.contains("read")))
    });
    let row = row.unwrap_or_else(|| panic!("{:?}", house.row("one@far.example")));
    assert_eq!((row.state.as_str(), row.attempts), ("deferred", 1));
    hand(&world, &format!("UPDATE deliveries SET expires_at = 1, due_at = 1 WHERE message_id = '{one}'"));
    retry(&world, &one);
    let report = reports(&home.message().await, "one@far.example", "failed", "4.4.7");
    assert!(report.contains("could not be read") && report.contains("QQ314159"), "{report}");
    house.comes_to("one@far.example", "failed");
    house.comes_to_rest();
}

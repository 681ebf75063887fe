//! Operators: what they see of the queue, what they do to messages and to destinations, and trying without
//! sending. Always by the real commands.

use super::sink::{Act, At, Offer, Showing, Sink};
use super::world::{House, TEXT, World, reports};
use crate::running::{Smtp, Yard, eventually, get};
use crate::stores::Fresh;
use gatepost::store::dialect::{Engine, Location};
use nix::sys::signal::Signal;
use serde_json::Value;

const LATER: &str = "451 4.7.1 greylisted, come again";

/// The command's words for people.
#[track_caller]
fn says(world: &World, words: &[&str]) -> String {
    let ran = world.yard.run(words);
    assert_eq!(ran.code, Some(0), "{words:?}: {ran:?}");
    ran.out
}

/// Its JSON, one value a line.
#[track_caller]
fn shows(world: &World, words: &[&str]) -> Vec<Value> {
    let out = says(world, &[words, &["--json"]].concat());
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn has_all(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
}

/// A world in which nothing is tried again by itself within a test, and whose only receiver is busy.
async fn busy(world: &World) -> Sink {
    world.delivery("retry = [\"1h\"]");
    let sink = world.mx("far.example", Offer::usual()).await;
    sink.always(At::Rcpt(""), Act::say(LATER));
    sink
}

fn deferred(house: &House<'_>, recipient: &str) -> String {
    let id = house.sends(&[recipient]);
    house.comes_to(recipient, "deferred");
    id
}

// --- looking -----------------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn the_life_of_a_message_is_told_with_every_try() {
    let world = World::new();
    let tls = world.authority.server("mx.far.example", Showing::Good);
    let sink = world.mx("far.example", Offer::usual().starttls(tls)).await;
    sink.times(2, At::Rcpt(""), Act::say(LATER));
    let house = world.open();
    let id = house.sends(&["one@far.example"]);
    house.comes_to("one@far.example", "delivered");
    let told = says(&world, &["queue", "show", &id]);
    let host = format!("mx.far.example [{}]", sink.address);
    has_all(
        &told,
        &[
            &format!("{id} \"hello\" of app@example.com"),
            "was submitted by app from 127.0.0.1",
            "To one@far.example (dl_",
            "delivered to the mail servers of far.example",
            "The last of 3 tries",
            "try 1 ",
            "try 2 ",
            "try 3 ",
            "later:remote",
            &host,
            LATER,
            "TLS",
            "250 ",
            "email.deferred",
            "email.delivered",
        ],
    );
    assert!(!told.contains("Next:"), "it is over: {told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_is_filtered_and_says_why_each_waits() {
    let world = World::new();
    let _sink = busy(&world).await;
    let _other = world.mx("other.example", Offer::usual()).await;
    let house = world.open();
    says(&world, &["queue", "suspend", "other.example"]);
    deferred(&house, "one@far.example");
    house.sends(&["two@other.example"]);
    let recipients = |filter: &[&str]| {
        let rows = shows(&world, &[&["queue", "list"], filter].concat());
        rows.iter().map(|row| row["to"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(recipients(&[]), ["one@far.example", "two@other.example"]);
    assert_eq!(recipients(&["--state", "deferred"]), ["one@far.example"]);
    assert_eq!(recipients(&["--state", "queued"]), ["two@other.example"]);
    assert_eq!(recipients(&["--domain", "other.example", "--from", "example.com"]), ["two@other.example"]);
    assert_eq!(recipients(&["--destination", "mx:far.example"]), ["one@far.example"]);
    assert!(recipients(&["--relay", "upstream"]).is_empty() && recipients(&["--from", "far.example"]).is_empty());
    has_all(&says(&world, &["queue", "list"]), &["greylisted", "mx:other.example", "2 deliveries"]);
}

// --- one message -------------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_waits_and_goes_when_it_is_released() {
    let world = World::new();
    let sink = busy(&world).await;
    let house = world.open();
    let id = deferred(&house, "one@far.example");
    has_all(&says(&world, &["queue", "hold", &id, "--note", "ticket 4711"]), &["1 delivery changed"]);
    house.comes_to("one@far.example", "held");
    has_all(&says(&world, &["queue", "show", &id]), &["held on its way", "ticket 4711", "Next: nothing, until"]);
    sink.relent();
    says(&world, &["queue", "release", &id]);
    assert_eq!(sink.message().await.recipients(), ["one@far.example"]);
    house.comes_to("one@far.example", "delivered");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_canceled_is_never_sent_and_nobody_is_told() {
    let world = World::new();
    let home = world.home().await;
    let sink = busy(&world).await;
    let mut house = world.open();
    let id = deferred(&house, "one@far.example");
    sink.relent();
    says(&world, &["queue", "cancel", &id]);
    house.comes_to("one@far.example", "cancelled");
    has_all(&says(&world, &["queue", "retry", &id]), &["1 not possible"]);
    house.daemon.stops();
    assert_eq!((sink.kept().len(), home.connections()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_put_off_is_tried_at_once_when_somebody_says_so() {
    let world = World::new();
    let sink = busy(&world).await;
    let house = world.open();
    deferred(&house, "one@far.example");
    deferred(&house, "two@far.example");
    sink.relent();
    let refused = world.yard.run(&["queue", "retry", "--domain", "far.example"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    has_all(&refused.out, &["retry would change 2 deliveries"]);
    says(&world, &["queue", "retry", "--domain", "far.example", "--yes"]);
    sink.messages(2).await;
    assert_eq!(house.comes_to("one@far.example", "delivered").attempts, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_sent_another_way() {
    let world = World::new();
    let sink = busy(&world).await;
    let smart = world.host("smart.example", Offer::usual()).await;
    world.relay("upstream", &smart, "tls = \"none\"");
    let house = world.open();
    let id = deferred(&house, "one@far.example");
    says(&world, &["queue", "reroute", "--to", "upstream", &id]);
    assert_eq!(smart.message().await.recipients(), ["one@far.example"]);
    house.comes_to("one@far.example", "sent");
    assert_eq!(sink.kept().len(), 0);
    has_all(&says(&world, &["queue", "show", &id]), &["the relay upstream took it", "email.rerouted"]);
}

/// A delivery is not torn from the middle of a try: the wish counts when it has ended.
#[tokio::test(flavor = "multi_thread")]
async fn hold_in_the_middle_of_a_try_takes_effect_behind_it() {
    let world = World::new();
    let sink = world.mx("far.example", Offer::usual()).await;
    let gate = sink.hold(At::Data);
    sink.once(At::Dot, Act::say(LATER));
    let house = world.open();
    let id = house.sends(&["one@far.example"]);
    gate.reached().await;
    let answer = says(&world, &["queue", "hold", &id]);
    has_all(&answer, &["1 being tried: it takes effect when the try has ended"]);
    has_all(&says(&world, &["queue", "show", &id]), &["if this try does not end it, it is held"]);
    gate.open();
    assert_eq!(house.comes_to("one@far.example", "held").attempts, 1);
    says(&world, &["queue", "release", &id]);
    house.comes_to("one@far.example", "delivered");
}

#[tokio::test(flavor = "multi_thread")]
async fn hold_in_the_final_dot_comes_too_late_when_the_mail_is_taken() {
    let world = World::new();
    let sink = world.mx("far.example", Offer::usual()).await;
    let gate = sink.hold(At::Dot);
    let house = world.open();
    let id = house.sends(&["one@far.example"]);
    gate.reached().await;
    has_all(&says(&world, &["queue", "hold", &id]), &["1 being tried"]);
    gate.open();
    house.comes_to("one@far.example", "delivered");
    house.comes_to_rest();
}

// --- destinations ------------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_destination_gets_nothing_until_it_is_resumed() {
    let world = World::new();
    let sink = world.mx("far.example", Offer::usual()).await;
    let house = world.open();
    // Nothing was ever sent there: there is nothing yet that could be stopped.
    let answer = says(&world, &["queue", "suspend", "far.example", "--reason", "they asked"]);
    has_all(&answer, &["mx:far.example: suspended until it is resumed by operator: they asked"]);
    let id = house.sends(&["one@far.example"]);
    has_all(&says(&world, &["queue", "destinations"]), &["mx:far.example", "by operator: they asked"]);
    has_all(
        &says(&world, &["queue", "show", &id]),
        &["queued for the mail servers of far.example", "mx:far.example is suspended until it is resumed by operator"],
    );
    let explained = says(&world, &["explain", "--from", "app@example.com", "--to", "b@far.example"]);
    has_all(&explained, &["it would wait", "it is suspended until it is resumed by operator: they asked"]);
    assert_eq!(house.daemon.status()["delivery"]["suspended"], 1);
    let row = house.row("one@far.example").unwrap();
    assert_eq!((row.state.as_str(), row.attempts, sink.connections()), ("ready", 0, 0));
    says(&world, &["queue", "resume", "far.example"]);
    assert_eq!(sink.message().await.recipients(), ["one@far.example"]);
    assert_eq!(house.comes_to("one@far.example", "delivered").attempts, 1);
    let explained = says(&world, &["explain", "--from", "app@example.com", "--to", "b@far.example"]);
    assert!(explained.contains("it would be sent") && !explained.contains("suspended"), "{explained}");
}

/// Two domains at one provider share connections, and not a suspension.
#[tokio::test(flavor = "multi_thread")]
async fn a_suspension_is_of_a_domain_and_not_of_its_provider() {
    let world = World::new();
    let sink = world.host("mx.provider.example", Offer::usual()).await;
    world.zone("far.example. MX 10 mx.provider.example.");
    world.zone("near.example. MX 10 mx.provider.example.");
    let house = world.open();
    house.sends(&["zero@far.example"]);
    sink.message().await;
    says(&world, &["queue", "suspend", "far.example"]);
    house.sends(&["one@far.example"]);
    house.sends(&["two@near.example"]);
    assert_eq!(sink.message().await.recipients(), ["two@near.example"]);
    assert_eq!(house.row("one@far.example").unwrap().state, "ready");
    says(&world, &["queue", "resume", "far.example"]);
    assert_eq!(sink.message().await.recipients(), ["one@far.example"]);
}

/// What is in memory already goes back, untried; what is in the middle of a try ends it.
#[tokio::test(flavor = "multi_thread")]
async fn what_waits_in_memory_goes_back_when_its_destination_is_suspended() {
    let world = World::new();
    world.delivery("retry = [\"1s\"]\nconnections_per_destination = 1");
    let sink = world.mx("far.example", Offer::usual()).await;
    let gate = sink.hold(At::Dot);
    let house = world.open();
    house.sends(&["one@far.example"]);
    gate.reached().await;
    let others = ["two@far.example", "three@far.example"];
    others.iter().for_each(|other| drop(house.sends(&[other])));
    let all_in = || (house.count("leased") == 3).then_some(());
    assert!(eventually(all_in).is_some(), "{}", house.daemon.all());
    says(&world, &["queue", "suspend", "far.example"]);
    for other in others {
        assert_eq!(house.comes_to(other, "ready").attempts, 0);
    }
    gate.open();
    house.comes_to("one@far.example", "delivered");
    assert_eq!(sink.message().await.recipients(), ["one@far.example"]);
    says(&world, &["queue", "resume", "far.example"]);
    sink.messages(2).await;
    house.comes_to_rest();
    assert_eq!((house.count("delivered"), house.row(others[0]).unwrap().attempts), (3, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspension_outlives_a_reload_and_a_restart() {
    let world = World::new();
    let sink = world.mx("far.example", Offer::usual()).await;
    let mut house = world.open();
    says(&world, &["queue", "suspend", "far.example", "--for", "2h"]);
    house.daemon.reloads();
    house.sends(&["one@far.example"]);
    house.daemon.stops();
    let house = world.again();
    house.sends(&["two@far.example"]);
    let rows = shows(&world, &["queue", "destinations"]);
    assert_eq!((rows.len(), &rows[0]["suspended"]["by"]), (1, &Value::from("operator")), "{rows:?}");
    assert!(rows[0]["suspended"]["until"].is_string());
    assert_eq!((house.count("ready"), sink.connections()), (2, 0));
    says(&world, &["queue", "resume", "far.example"]);
    sink.messages(2).await;
    house.comes_to_rest();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspension_for_a_time_ends_by_itself() {
    let world = World::new();
    let sink = world.mx("far.example", Offer::usual()).await;
    let house = world.open();
    says(&world, &["queue", "suspend", "far.example", "--for", "1s"]);
    house.sends(&["one@far.example"]);
    sink.message().await;
    assert_eq!(house.comes_to("one@far.example", "delivered").attempts, 1);
}

/// No suspension makes mail disappear without a word.
#[tokio::test(flavor = "multi_thread")]
async fn what_expires_behind_a_suspension_comes_back_to_its_sender() {
    let world = World::new();
    world.delivery("retry = [\"1s\"]\nexpire = \"2s\"");
    let home = world.home().await;
    let sink = world.mx("far.example", Offer::usual()).await;
    let house = world.open();
    says(&world, &["queue", "suspend", "far.example"]);
    house.sends(&["one@far.example"]);
    reports(&home.message().await, "one@far.example", "failed", "4.4.7");
    house.comes_to("one@far.example", "failed");
    assert_eq!(sink.connections(), 0);
}

/// Thirty seconds of a site that nobody answers at are over when an operator knows better.
#[tokio::test(flavor = "multi_thread")]
async fn resume_also_ends_what_the_servers_did() {
    let world = World::new();
    world.delivery("retry = [\"1h\"]");
    let address = world.address();
    world.zone("far.example. MX 10 mx.far.example.");
    world.zone(&format!("mx.far.example. A {}", address.ip()));
    let house = world.open();
    deferred(&house, "one@far.example");
    let rows = shows(&world, &["queue", "destinations"]);
    assert_eq!(rows[0]["suspended"]["by"], "unreachable", "{rows:?}");
    assert_eq!(house.daemon.status()["delivery"]["suspended"], 0, "that is no operator's");
    let sink = Sink::at(address, Offer::usual()).await;
    house.sends(&["two@far.example"]);
    assert_eq!(house.row("two@far.example").unwrap().state, "ready");
    has_all(&says(&world, &["queue", "resume", "far.example"]), &["mx:far.example: "]);
    assert_eq!(sink.message().await.recipients(), ["two@far.example"]);
    assert!(shows(&world, &["queue", "destinations"])[0]["suspended"].is_null());
    says(&world, &["queue", "retry", "--destination", "far.example", "--yes"]);
    assert_eq!(sink.message().await.recipients(), ["one@far.example"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_by_hand_holds_through_a_restart_until_it_is_taken_back() {
    let world = World::new();
    let sink = world.mx("far.example", Offer::usual()).await;
    let mut house = world.open();
    has_all(&says(&world, &["queue", "rate", "far.example", "1/day"]), &["mx:far.example: at most 1/day"]);
    house.daemon.stops();
    let house = world.again();
    house.sends(&["one@far.example"]);
    sink.message().await;
    house.sends(&["two@far.example"]);
    has_all(&says(&world, &["queue", "destinations"]), &["at most 1/day"]);
    let explained = says(&world, &["explain", "--from", "app@example.com", "--to", "b@far.example"]);
    has_all(&explained, &["at the moment it is sent 1/day, by operator"]);
    assert_eq!(sink.kept().len(), 1);
    says(&world, &["queue", "rate", "far.example", "none"]);
    assert_eq!(sink.message().await.recipients(), ["two@far.example"]);
}

/// Two nodes and one store: what one of them is told holds at the other.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_holds_on_every_node() {
    let world = World::new();
    let sink = world.mx("far.example", Offer::usual()).await;
    let fresh = Fresh::on(Engine::Postgres);
    let Location::Server(url) = &fresh.location else { unreachable!("PostgreSQL is a server") };
    let first = world.open_with(&format!("[store]\nurl = \"{url}\"\n"));
    let (yard, text) = (Yard::empty(), std::fs::read_to_string(world.yard.path("gatepost.toml")).unwrap());
    yard.write("gatepost.toml", &text.replacen("mail.example.com", "second.example.com", 1));
    yard.write("world.zone", &std::fs::read_to_string(world.yard.path("world.zone")).unwrap());
    std::fs::create_dir(yard.path("data")).unwrap();
    std::fs::copy(world.yard.path("data/master.key"), yard.path("data/master.key")).unwrap();
    let second = yard.start();
    says(&world, &["queue", "suspend", "far.example", "--reason", "by the first"]);
    second.said("the destination is suspended by order");
    let mut client = Smtp::greeted(second.address("submission"));
    client.ask("EHLO client.example");
    first.submits_on(&mut client, "<app@example.com>", &["<one@far.example>"], TEXT);
    first.sends(&["two@far.example"]);
    let ran = yard.run(&["queue", "destinations"]);
    has_all(&ran.out, &["mx:far.example", "by operator: by the first"]);
    assert_eq!(sink.connections(), 0);
    assert_eq!(yard.run(&["queue", "resume", "far.example"]).code, Some(0));
    let mut got: Vec<_> = sink.messages(2).await.iter().map(|message| message.recipients().join("")).collect();
    got.sort();
    let said = || format!("{}\n{}\n{}", sink.transcript(), first.daemon.all(), second.all());
    assert_eq!(got, ["one@far.example", "two@far.example"], "{}", said());
}

// --- what would happen, and how it is ----------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn an_explanation_names_hosts_addresses_and_what_tls_has_to_be() {
    let world = World::new();
    let sink = world.mx("far.example", Offer::usual()).await;
    world.zone("far.example. MX 20 gone.far.example.");
    world.tables("[[destination]]\nmatch = [\"sure.example\"]\ntls = \"verified\"\nrate = \"5/second\"");
    world.zone("sure.example. MX 10 mx.far.example.");
    let _house = world.open();
    let explain = |to: &str| says(&world, &["explain", "--from", "app@example.com", "--to", to]);
    let address = sink.address.ip().to_string();
    has_all(
        &explain("b@far.example"),
        &[
            "it would be sent",
            "by [[domain]] example.com",
            "far.example has the mail hosts 10 mx.far.example, 20 gone.far.example",
            "It would queue for mx:far.example.",
            "opportunistic",
            &address,
            "not tried: there is no such host",
        ],
    );
    has_all(&explain("b@sure.example"), &["verified", "at most 5/second", "by [[destination]] sure.example"]);
    has_all(&explain("defer@simulator.gatepost.test"), &["the sandbox would capture it", "451 4.2.0"]);
    has_all(&explain("b@nowhere.example"), &["it would be refused", "it would bounce"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_shows_what_is_on_its_way() {
    let world = World::new();
    let sink = world.mx("far.example", Offer::usual()).await;
    let gate = sink.hold(At::Dot);
    let house = world.open();
    house.sends(&["one@far.example"]);
    gate.reached().await;
    let status = house.daemon.status();
    let delivery = &status["delivery"];
    assert_eq!(
        (&delivery["in_memory"], &delivery["sites"], &delivery["connections"]),
        (&1.into(), &1.into(), &1.into())
    );
    has_all(&says(&world, &["status"]), &["delivery: 1 of ", "in memory, 1 connections to 1 sites"]);
    let page = || Some(get(house.daemon.address("http"), "/metrics").1);
    let is_counted = |page: &String| page.contains("\ngatepost_deliveries_in_memory 1");
    assert!(eventually(|| page().filter(is_counted)).is_some(), "{}", page().unwrap());
    house.daemon.signal(Signal::SIGUSR1);
    has_all(&house.daemon.said("in_memory"), &["connections"]);
    says(&world, &["queue", "suspend", "other.example"]);
    house.sends(&["two@other.example"]);
    let waits = || house.daemon.status()["delivery"]["oldest_due_at"].as_str().map(str::to_owned);
    assert!(eventually(waits).is_some(), "{}", house.daemon.status());
    gate.open();
    house.comes_to("one@far.example", "delivered");
}

// --- the sandbox -------------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_becomes_a_sandbox_captures_what_waits_and_never_lets_it_go() {
    let world = World::new();
    let sink = world.mx("far.example", Offer::usual()).await;
    sink.always(At::Rcpt(""), Act::say(LATER));
    let mut house = world.open();
    let id = house.sends(&["one@far.example"]);
    house.tried("one@far.example", 1);
    world.delivery("mode = \"sandbox\"\nretry = [\"1s\"]");
    world.write("");
    house.daemon.reloads();
    house.comes_to("one@far.example", "captured");
    has_all(&says(&world, &["queue", "show", &id]), &["captured in the sandbox", "email.captured"]);
    has_all(&says(&world, &["queue", "list", "--state", "captured"]), &["one@far.example", "1 delivery"]);
    sink.relent();
    world.delivery("retry = [\"1s\"]");
    world.write("");
    house.daemon.reloads();
    has_all(&says(&world, &["queue", "release", &id]), &["1 not possible"]);
    house.sends(&["two@far.example"]);
    assert_eq!(sink.message().await.recipients(), ["two@far.example"]);
    house.daemon.stops();
    assert_eq!(sink.kept().len(), 1);
}

/// Where nothing leaves, the reports of what is played do not either.
#[tokio::test(flavor = "multi_thread")]
async fn a_played_bounce_in_the_sandbox_makes_a_report_that_stays_there_too() {
    let world = World::new();
    world.delivery("mode = \"sandbox\"");
    let home = world.home().await;
    let mut house = world.open();
    house.sends(&["bounce@simulator.gatepost.test"]);
    house.comes_to("bounce@simulator.gatepost.test", "bounced");
    house.comes_to("app@example.com", "captured");
    let bounced = house.events("email.bounced");
    assert!(bounced.len() == 1 && bounced[0].contains("\"sandbox\":true"), "{bounced:?}");
    house.daemon.stops();
    assert_eq!(home.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_addresses_of_the_simulator_play_their_parts_in_live_mode_too() {
    let world = World::new();
    let home = world.home().await;
    let house = world.open();
    for (name, state) in [("bounce", "bounced"), ("full", "bounced"), ("block", "bounced"), ("anybody", "captured")] {
        let recipient = format!("{name}@simulator.gatepost.test");
        house.sends(&[&recipient]);
        house.comes_to(&recipient, state);
    }
    house.sends(&["defer@simulator.gatepost.test"]);
    let row = house.comes_to("defer@simulator.gatepost.test", "deferred");
    assert!(row.reason.is_some_and(|reason| reason.contains("simulated delay")));
    // The sender is a real one here, and hears of them.
    let told = home.messages(3).await;
    assert!(told.iter().any(|report| report.text().contains("bounce@simulator.gatepost.test")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_for_tests_sends_nothing_while_others_do() {
    let world = World::new();
    let sink = world.mx("far.example", Offer::usual()).await;
    world.tables(
        "[[credential]]\nusername = \"tester\"\npassword = \"open sesame\"\ndomains = [\"example.com\"]\nsandbox = true",
    );
    let house = world.open();
    let mut client = house.client();
    assert!(client.ask("AUTH PLAIN AHRlc3RlcgBvcGVuIHNlc2FtZQ==").starts_with("235"));
    let id = house.submits_on(&mut client, "<app@example.com>", &["<one@far.example>"], TEXT);
    house.comes_to("one@far.example", "captured");
    has_all(&says(&world, &["queue", "show", &id]), &["It was taken in the sandbox and never leaves it"]);
    has_all(&house.events("email.captured")[0], &["\"sandbox\":true"]);
    house.sends(&["two@far.example"]);
    assert_eq!(sink.message().await.recipients(), ["two@far.example"]);
}

//! Waiting: tries and their pauses, the end of patience, wishes for later, rules that hold, and a
//! configuration that changes meanwhile.

use super::sink::{Act, At, Offer};
use super::world::{TEXT, World, is_below_our_trace, reports};
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn what_expires_comes_back_to_its_sender() {
    let world = World::new();
    world.delivery("retry = [\"1s\"]\nexpire = \"3s\"");
    let home = world.home().await;
    let sink = world.mx("far.example", Offer::usual()).await;
    sink.always(At::Dot, Act::say("451 4.3.0 the disk is full today"));
    let house = world.open();
    house.sends(&["one@far.example"]);
    let report = reports(&home.message().await, "one@far.example", "failed", "4.");
    assert!(report.contains("the disk is full today"), "{report}");
    house.comes_to("one@far.example", "failed");
    house.comes_to_rest();
    assert!(house.tries("one@far.example").len() >= 2);
    assert_eq!((home.kept().len(), sink.kept().len()), (1, 0));
}

/// Patience ends when it ends, not at the next try an hour later.
#[tokio::test(flavor = "multi_thread")]
async fn expiry_does_not_wait_for_the_next_try() {
    let world = World::new();
    world.delivery("retry = [\"1h\"]\nexpire = \"2s\"");
    let home = world.home().await;
    let sink = world.mx("far.example", Offer::usual()).await;
    sink.always(At::Rcpt(""), Act::say("451 4.7.1 greylisted"));
    let house = world.open();
    house.sends(&["one@far.example"]);
    reports(&home.message().await, "one@far.example", "failed", "4.");
    house.comes_to("one@far.example", "failed");
}

/// A queue that was stopped for longer than patience lasts gives up when it wakes, and tells.
#[tokio::test(flavor = "multi_thread")]
async fn what_expired_while_we_were_away_comes_back_too() {
    let world = World::new();
    world.delivery("retry = [\"4s\"]\nexpire = \"6s\"");
    let home = world.home().await;
    let sink = world.mx("far.example", Offer::usual()).await;
    sink.always(At::Rcpt(""), Act::say("451 4.7.1 greylisted"));
    let mut house = world.open();
    house.sends(&["one@far.example"]);
    house.comes_to("one@far.example", "deferred");
    let accepted = Instant::now();
    house.daemon.stops();
    // The clock of the wall is what expires.
    tokio::time::sleep_until((accepted + Duration::from_secs(6)).into()).await;
    let house = world.again();
    reports(&home.message().await, "one@far.example", "failed", "4.");
    house.comes_to("one@far.example", "failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_for_later_leaves_later_and_not_before() {
    let world = World::new();
    let sink = world.mx("far.example", Offer::usual()).await;
    let mut house = world.open();
    let asked = Instant::now();
    house.submits("<app@example.com> HOLDFOR=3", &["<later@far.example>"], TEXT);
    assert_eq!(house.row("later@far.example").unwrap().state, "scheduled");
    // It outlives a restart, and others overtake it.
    house.daemon.stops();
    let house = world.again();
    house.sends(&["now@far.example"]);
    assert_eq!(sink.message().await.recipients(), ["now@far.example"]);
    let later = sink.message().await;
    assert_eq!(later.recipients(), ["later@far.example"]);
    assert!(later.at.duration_since(asked) >= Duration::from_secs(3));
    house.comes_to("later@far.example", "delivered");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sandbox_sends_nothing() {
    for everywhere in [true, false] {
        let world = World::new();
        let sink = world.mx("far.example", Offer::usual()).await;
        if everywhere {
            world.delivery("mode = \"sandbox\"");
        } else {
            world.domain("relay = \"sandbox\"");
        }
        let mut house = world.open();
        house.sends(&["one@far.example"]);
        house.comes_to("one@far.example", "captured");
        // Everything that the daemon had begun is done when it has stopped.
        house.daemon.stops();
        assert_eq!(sink.connections(), 0);
    }
}

/// What was taken in the sandbox stays there, whatever the configuration says afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_captured_is_not_sent_when_the_sandbox_ends() {
    let world = World::new();
    let sink = world.mx("far.example", Offer::usual()).await;
    world.delivery("mode = \"sandbox\"");
    let house = world.open();
    house.sends(&["captured@far.example"]);
    house.comes_to("captured@far.example", "captured");
    world.delivery("retry = [\"1s\"]");
    world.write("");
    house.daemon.reloads();
    house.sends(&["sent@far.example"]);
    assert_eq!(sink.message().await.recipients(), ["sent@far.example"]);
    house.comes_to_rest();
    assert_eq!(sink.kept().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_route_holds_waits_for_a_human() {
    let world = World::new();
    let sink = world.host("inside.example", Offer::usual()).await;
    world.relay("inside", &sink, "tls = \"none\"");
    world.tables("[[route]]\nrecipient = \"held@example.com\"\nactions = [{ hold = true }, { relay = \"inside\" }]");
    world.tables("[[route]]\nrecipient = \"*@example.com\"\nactions = [{ relay = \"inside\" }]");
    let mut house = world.open();
    house.sends(&["held@example.com"]);
    house.sends(&["free@example.com"]);
    assert_eq!(sink.message().await.recipients(), ["free@example.com"]);
    assert_eq!(house.comes_to("held@example.com", "held").attempts, 0);
    house.daemon.stops();
    let house = world.again();
    house.sends(&["again@example.com"]);
    assert_eq!(sink.message().await.recipients(), ["again@example.com"]);
    assert_eq!(house.row("held@example.com").unwrap().state, "held");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_leads_our_own_mail_to_another_server() {
    let world = World::new();
    let home = world.home().await;
    let house = world.open();
    house.sends(&["colleague@example.com"]);
    is_below_our_trace(&home.message().await, TEXT);
    house.comes_to("colleague@example.com", "sent");
}

// --- a configuration that changes ------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn queued_mail_takes_the_new_configuration_at_its_next_try() {
    let world = World::new();
    let (old, new) = (world.host("old.example", Offer::usual()).await, world.host("new.example", Offer::usual()).await);
    old.always(At::Rcpt(""), Act::say("451 4.3.0 moved"));
    world.zone("smart.example. CNAME old.example.");
    world.smarthost(&old, "host = \"smart.example\"\ntls = \"none\"");
    let house = world.open();
    house.sends(&["one@far.example"]);
    house.tried("one@far.example", 1);
    let changed =
        std::fs::read_to_string(world.yard.path("gatepost.toml")).unwrap().replace("smart.example", "new.example");
    world.yard.write("gatepost.toml", &changed);
    house.daemon.reloads();
    assert_eq!(new.message().await.recipients(), ["one@far.example"]);
    house.comes_to("one@far.example", "sent");
    assert_eq!(old.kept().len(), 0);
}

/// Promise 5: it never falls back to another way, and says why it waits.
#[tokio::test(flavor = "multi_thread")]
async fn mail_whose_smarthost_has_gone_waits_and_does_not_go_directly() {
    let world = World::new();
    let direct = world.mx("far.example", Offer::usual()).await;
    let sink = world.host("smart.example", Offer::usual()).await;
    sink.always(At::Rcpt(""), Act::say("451 4.3.0 later"));
    world.smarthost(&sink, "tls = \"none\"");
    let house = world.open();
    house.sends(&["one@far.example"]);
    house.tried("one@far.example", 1);
    let with = std::fs::read_to_string(world.yard.path("gatepost.toml")).unwrap();
    let without = with.replace("relay = \"upstream\"", "relay = \"direct\"");
    let from = without.find("[[relay]]").unwrap();
    world.yard.write("gatepost.toml", &without[..from]);
    house.daemon.reloads();
    let waits = crate::running::eventually(|| {
        let row = house.row("one@far.example").unwrap();
        row.reason.as_deref().is_some_and(|reason| reason.contains("upstream")).then_some(row)
    });
    let waits = waits.unwrap_or_else(|| panic!("{:?}\n{}", house.row("one@far.example"), house.daemon.all()));
    assert_ne!(waits.state, "bounced");
    assert_eq!(direct.connections(), 0);
    // When it is back, so is the mail.
    sink.relent();
    world.yard.write("gatepost.toml", &with);
    house.daemon.reloads();
    sink.message().await;
    house.comes_to("one@far.example", "sent");
}

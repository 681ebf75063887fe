//! Connections: kept and used again, shared by those who may share them, and never by others.

use super::sink::{Account, Act, At, Offer};
use super::world::{SENDER, TEXT, World};
use std::collections::BTreeSet;

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_messages_need_few_connections() {
    let world = World::new();
    world.delivery("retry = [\"1s\"]\nconnections_per_destination = 3");
    let sink = world.mx("far.example", Offer::usual()).await;
    let house = world.open();
    let mut client = house.client();
    for n in 0..100 {
        house.submits_on(&mut client, &format!("<{SENDER}>"), &[&format!("<r{n}@far.example>")], TEXT);
    }
    let messages = sink.messages(100).await;
    house.comes_to_rest();
    let recipients: BTreeSet<_> = messages.iter().map(|message| message.recipients()[0].to_owned()).collect();
    assert_eq!((recipients.len(), sink.kept().len()), (100, 100), "each once");
    assert!(sink.connections() <= 10, "{} connections for 100 messages", sink.connections());
    sink.blameless();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_connections_at_once_than_the_operator_allows() {
    let world = World::new();
    world.delivery("retry = [\"1s\"]\nconnections_per_destination = 2");
    let sink = world.mx("far.example", Offer::usual()).await;
    let (one, two) = (sink.hold(At::Dot), sink.hold(At::Dot));
    let house = world.open();
    for n in 0..20 {
        house.sends(&[&format!("r{n}@far.example")]);
    }
    one.reached().await;
    two.reached().await;
    let open = || sink.seen(|seen| seen.connections.iter().filter(|one| !one.ended).count());
    assert_eq!(open(), 2);
    one.open();
    sink.messages(19).await;
    two.open();
    sink.message().await;
    assert!(open() <= 2);
    house.comes_to_rest();
}

/// It says nothing about the message: another connection, at once, and no try counted.
#[tokio::test(flavor = "multi_thread")]
async fn a_reused_connection_that_has_gone_costs_no_try() {
    let farewells =
        [Act::say_and_close("421 4.4.2 idle for too long"), Act::Close, Act::Reset, Act::say("421 4.7.0 once more")];
    for farewell in farewells {
        let world = World::new();
        world.delivery("retry = [\"1h\"]\nconnections_per_destination = 1");
        let sink = world.mx("far.example", Offer::usual()).await;
        let house = world.open();
        house.sends(&["one@far.example"]);
        sink.message().await;
        house.comes_to("one@far.example", "delivered");
        sink.once(At::Again, farewell);
        house.sends(&["two@far.example"]);
        // With an hour to the next try, only at once is in time.
        sink.message().await;
        assert_eq!(house.comes_to("two@far.example", "delivered").attempts, 1);
        assert_eq!(house.tries("two@far.example").len(), 1);
        let connections: Vec<_> = sink.kept().iter().map(|message| message.connection).collect();
        assert_eq!(connections, [0, 1]);
    }
}

/// And a server that has closed while nobody used the connection.
#[tokio::test(flavor = "multi_thread")]
async fn a_421_that_comes_unasked_is_not_the_reply_to_the_next_command() {
    let world = World::new();
    world.delivery("retry = [\"1h\"]\nconnections_per_destination = 1");
    let sink = world.mx("far.example", Offer::usual()).await;
    // The farewell is there before anybody asks.
    sink.once(At::Dot, Act::say("250 2.0.0 kept\n421 4.4.2 and goodbye"));
    let house = world.open();
    house.sends(&["one@far.example"]);
    sink.message().await;
    house.comes_to("one@far.example", "delivered");
    house.sends(&["two@far.example"]);
    sink.message().await;
    assert_eq!(house.comes_to("two@far.example", "delivered").attempts, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_accounts_at_one_smarthost_share_no_connection() {
    let world = World::new();
    world.delivery("retry = [\"1s\"]\nconnections_per_destination = 1");
    let account = Account::new("us", "pass = word", &["PLAIN"]);
    let sink = world.host("smart.example", Offer::usual().account(account).in_the_clear()).await;
    // The other account is nobody's there.
    let login = |user: &str| format!("tls = \"none\"\nusername = \"{user}\"\npassword = \"pass = word\"");
    world.smarthost(&sink, &login("us"));
    world.relay("other", &sink, &login("them"));
    world.tables("[[domain]]\nname = \"other.example\"\nrelay = \"other\"");
    world.tables("[[credential]]\nusername = \"other\"\npassword = \"open sesame\"\ndomains = [\"other.example\"]");
    let house = world.open();
    house.sends(&["one@far.example"]);
    assert_eq!(sink.message().await.login.as_deref(), Some("us"));
    let mut client = house.client();
    // AUTH PLAIN with `other` and its password.
    assert!(client.ask("AUTH PLAIN AG90aGVyAG9wZW4gc2VzYW1l").starts_with("235"));
    let text = TEXT.replace("app@example.com", "app@other.example");
    house.submits_on(&mut client, "<app@other.example>", &["<two@far.example>"], &text);
    let tries = house.tried("two@far.example", 1);
    assert!(tries[0].outcome.starts_with("later:"), "{tries:?}");
    house.sends(&["three@far.example"]);
    assert_eq!(sink.message().await.recipients(), ["three@far.example"]);
    assert!(sink.kept().iter().all(|message| message.login.as_deref() == Some("us")));
}

/// Promise 7: one destination never delays another.
#[tokio::test(flavor = "multi_thread")]
async fn a_silent_destination_delays_nobody_else() {
    let world = World::new();
    let (silent, brisk) =
        (world.mx("silent.example", Offer::usual()).await, world.mx("brisk.example", Offer::usual()).await);
    let gates: Vec<_> = (0..40).map(|_| silent.hold(At::Greeting)).collect();
    let house = world.open();
    let mut client = house.client();
    for n in 0..300 {
        house.submits_on(&mut client, &format!("<{SENDER}>"), &[&format!("<r{n}@silent.example>")], TEXT);
    }
    gates[0].reached().await;
    for n in 0..20 {
        house.submits_on(&mut client, &format!("<{SENDER}>"), &[&format!("<r{n}@brisk.example>")], TEXT);
    }
    brisk.messages(20).await;
    assert_eq!(silent.kept().len(), 0);
    gates.iter().for_each(super::sink::Gate::open);
    silent.messages(300).await;
}

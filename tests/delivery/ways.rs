//! Which host a message goes to (RFC 5321 5.1, RFC 7505), and what another host may do that the first cannot.

use super::sink::{Act, At, Offer};
use super::world::{TEXT, World, is_below_our_trace, reports};

#[tokio::test(flavor = "multi_thread")]
async fn mail_goes_to_the_most_preferred_host() {
    let world = World::new();
    let (second, first) =
        (world.host("b.far.example", Offer::usual()).await, world.mx("far.example", Offer::usual()).await);
    world.zone("far.example. MX 20 b.far.example.");
    let house = world.open();
    house.sends(&["one@far.example"]);
    let message = first.message().await;
    is_below_our_trace(&message, TEXT);
    assert_eq!((message.sender(), message.recipients()), ("app@example.com", vec!["one@far.example"]));
    house.comes_to("one@far.example", "delivered");
    let tries = house.tries("one@far.example");
    assert_eq!((tries.len(), tries[0].outcome.as_str()), (1, "done"));
    assert_eq!(tries[0].host.as_deref(), Some("mx.far.example"));
    assert!(tries[0].reply.as_deref().is_some_and(|reply| reply.contains("kept as 0")), "{tries:?}");
    assert_eq!(second.connections(), 0);
    first.blameless();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_host_is_left_for_the_next_one_in_the_same_try() {
    let world = World::new();
    world.dead("dead.far.example");
    world.zone("far.example. MX 5 dead.far.example.");
    let alive = world.mx("far.example", Offer::usual()).await;
    let house = world.open();
    house.sends(&["one@far.example"]);
    alive.message().await;
    assert_eq!(house.comes_to("one@far.example", "delivered").attempts, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_greets_with_4xx_or_5xx_is_left_for_the_next_one() {
    for greeting in ["421 4.3.2 not now", "450 4.7.1 slow down", "554 5.3.2 no mail here"] {
        let world = World::new();
        let busy = world.host("busy.far.example", Offer::usual()).await;
        busy.always(At::Greeting, Act::say_and_close(greeting));
        world.zone("far.example. MX 5 busy.far.example.");
        let other = world.mx("far.example", Offer::usual()).await;
        let house = world.open();
        house.sends(&["one@far.example"]);
        other.message().await;
        busy.connected(1).await;
        house.comes_to("one@far.example", "delivered");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_mx_means_the_address_of_the_domain_itself() {
    let world = World::new();
    let itself = world.host("plain.example", Offer::usual()).await;
    let house = world.open();
    house.sends(&["one@plain.example"]);
    itself.message().await;
    house.comes_to("one@plain.example", "delivered");
}

/// RFC 5321 5.1: with MX records, the domain's own address is nobody's business.
#[tokio::test(flavor = "multi_thread")]
async fn mx_records_that_are_of_no_use_do_not_lead_to_the_address() {
    let world = World::new();
    let home = world.home().await;
    let itself = world.host("far.example", Offer::usual()).await;
    world.zone("far.example. MX 10 nowhere.far.example.");
    world.zone("aliased.example. MX 10 circle.example.");
    world.zone("aliased.example. A 127.0.0.1");
    world.zone("circle.example. CNAME elcric.example.");
    world.zone("elcric.example. CNAME circle.example.");
    let house = world.open();
    house.sends(&["one@far.example", "one@aliased.example"]);
    reports(&home.message().await, "one@far.example", "failed", "5.");
    house.comes_to("one@far.example", "bounced");
    // What cannot be known now is never a reason to give up.
    house.tried("one@aliased.example", 2);
    assert_eq!(house.row("one@aliased.example").unwrap().attempts, house.tries("one@aliased.example").len() as i64);
    assert_eq!(itself.connections(), 0);
}

/// RFC 7505 3
#[tokio::test(flavor = "multi_thread")]
async fn a_domain_that_takes_no_mail_bounces_at_once() {
    let world = World::new();
    let home = world.home().await;
    world.zone("null.example. MX 0 .");
    let house = world.open();
    house.sends(&["one@null.example"]);
    reports(&home.message().await, "one@null.example", "failed", "5.1.10");
    house.comes_to_rest();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_does_not_exist_bounces_and_one_that_nobody_can_look_up_waits() {
    let world = World::new();
    let home = world.home().await;
    world.zone("circle.example. CNAME elcric.example.");
    world.zone("elcric.example. CNAME circle.example.");
    let house = world.open();
    house.sends(&["one@nowhere.example", "one@circle.example"]);
    reports(&home.message().await, "one@nowhere.example", "failed", "5.1.2");
    house.tried("one@circle.example", 2);
    let row = house.row("one@circle.example").unwrap();
    assert!(["deferred", "leased", "ready"].contains(&row.state.as_str()), "{row:?}");
    assert_eq!(home.kept().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_mx_name_that_cannot_be_looked_up_does_not_fail_the_domain() {
    let world = World::new();
    world.zone("far.example. MX 5 circle.example.");
    world.zone("circle.example. CNAME elcric.example.");
    world.zone("elcric.example. CNAME circle.example.");
    let other = world.mx("far.example", Offer::usual()).await;
    let house = world.open();
    house.sends(&["one@far.example"]);
    other.message().await;
}

/// RFC 5321 5.1: our own name in the list, and what is less preferred than we are, would be a circle.
#[tokio::test(flavor = "multi_thread")]
async fn we_do_not_send_mail_to_ourselves_nor_to_whom_we_are_preferred() {
    let world = World::new();
    let better = world.mx("far.example", Offer::usual()).await;
    let worse = world.host("worse.far.example", Offer::usual()).await;
    world.zone("far.example. MX 20 mail.example.com.");
    world.zone("far.example. MX 30 worse.far.example.");
    world.zone("mail.example.com. A 127.0.0.1");
    better.times(2, At::Greeting, Act::say_and_close("421 4.3.2 not now"));
    let house = world.open();
    house.sends(&["one@far.example"]);
    better.message().await;
    house.comes_to("one@far.example", "delivered");
    assert_eq!(worse.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_we_are_the_best_host_mail_would_go_in_a_circle() {
    let world = World::new();
    let home = world.home().await;
    world.zone("far.example. MX 10 mail.example.com.");
    world.zone("mail.example.com. A 127.0.0.1");
    let house = world.open();
    house.sends(&["one@far.example"]);
    reports(&home.message().await, "one@far.example", "failed", "5.");
}

const UTF8: &str = "From: app@example.com\r\nSubject: Grüße\r\nDate: Fri, 21 Nov 2025 08:00:00 +0000\r\n\
    Message-ID: <utf8@example.com>\r\n\r\nschön\r\n";

/// RFC 6531 3.3: a property of one host, not of the domain.
#[tokio::test(flavor = "multi_thread")]
async fn a_host_without_smtputf8_is_left_for_one_that_has_it() {
    let world = World::new();
    let old = world.host("old.far.example", Offer::usual().without("SMTPUTF8")).await;
    world.zone("far.example. MX 5 old.far.example.");
    let new = world.mx("far.example", Offer::usual()).await;
    let house = world.open();
    house.submits("<app@example.com> SMTPUTF8", &["<größe@far.example>"], UTF8);
    let message = new.message().await;
    is_below_our_trace(&message, UTF8);
    assert!(message.mail.contains("SMTPUTF8"), "{}", message.mail);
    assert_eq!(message.recipients(), ["größe@far.example"]);
    assert_eq!(old.kept().len(), 0);
    old.blameless();
    new.blameless();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_international_address_bounces_when_no_host_knows_smtputf8() {
    let world = World::new();
    let home = world.home().await;
    let old = world.mx("far.example", Offer::usual().without("SMTPUTF8")).await;
    let house = world.open();
    house.submits("<app@example.com> SMTPUTF8", &["<größe@far.example>"], UTF8);
    let report = home.message().await;
    assert!(report.text().contains("5.6.7"), "{}", report.text());
    house.comes_to_rest();
    assert_eq!(old.commands("MAIL"), Vec::<String>::new());
    old.blameless();
}

/// RFC 1870 6: the limit of one host is not that of the next.
#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_too_small_is_left_for_a_larger_one() {
    let world = World::new();
    let small = world.host("small.far.example", Offer::of(&["PIPELINING", "8BITMIME", "SIZE 2000"])).await;
    world.zone("far.example. MX 5 small.far.example.");
    let large = world.mx("far.example", Offer::usual()).await;
    let house = world.open();
    let text = format!("{TEXT}{}", "a line of some length\r\n".repeat(200));
    house.submits("<app@example.com>", &["<one@far.example>"], &text);
    is_below_our_trace(&large.message().await, &text);
    assert_eq!(small.seen(|seen| seen.messages.len()), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_too_large_for_every_host_bounces() {
    let world = World::new();
    let home = world.home().await;
    let small = world.mx("far.example", Offer::of(&["PIPELINING", "8BITMIME", "SIZE 2000"])).await;
    let house = world.open();
    let text = format!("{TEXT}{}", "a line of some length\r\n".repeat(200));
    house.submits("<app@example.com>", &["<one@far.example>"], &text);
    reports(&home.message().await, "one@far.example", "failed", "5.3.4");
    assert_eq!(small.seen(|seen| seen.messages.len()), 0);
}

/// RFC 8689 4.2: with REQUIRETLS, or not at all.
#[tokio::test(flavor = "multi_thread")]
async fn requiretls_goes_only_where_it_is_understood() {
    let world = World::new();
    let home = world.home().await;
    // RFC 8689 4.2.1: the name of the host must be vouched for.
    world.zone("$PROVEN with.example.");
    world.zone("$PROVEN without.example.");
    let tls = world.authority.server("mx.without.example", super::sink::Showing::Good);
    let without = world.mx("without.example", Offer::usual().starttls(tls)).await;
    let tls = world.authority.server("mx.with.example", super::sink::Showing::Good);
    let inside = ["PIPELINING", "8BITMIME", "SIZE 1000000", "REQUIRETLS"];
    let with = world.mx("with.example", Offer::usual().starttls(tls).inside(&inside)).await;
    let house = world.open();
    let (mut client, to) = (house.private_client(), ["<one@with.example>", "<one@without.example>"]);
    house.submits_on(&mut client, "<app@example.com> REQUIRETLS", &to, TEXT);
    let message = with.message().await;
    assert!(message.tls && message.mail.contains("REQUIRETLS"), "{}", message.mail);
    // RFC 8689 5: the report says why, and not in the clear what was private.
    let report = home.message().await.text();
    assert!(report.contains("5.7.30") && !report.contains("and the end"), "{report}");
    assert_eq!(without.seen(|seen| seen.messages.len()), 0);
}

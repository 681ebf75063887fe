//! Reports (RFC 3461, RFC 3464): who is told of a failure, of a success, of nothing, and in which words.

use super::sink::{Act, At, Offer};
use super::world::{TEXT, World, reports};

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_recipient_is_reported_to_the_sender_from_nobody() {
    let world = World::new();
    let home = world.home().await;
    let sink = world.mx("far.example", Offer::usual()).await;
    sink.always(At::Rcpt(""), Act::say("550-5.1.1 The address is not known here\n550 5.1.1 see our page"));
    let house = world.open();
    house.submits("<app@example.com> ENVID=QQ+2B314159", &["<gone@far.example> ORCPT=rfc822;first@near.example"], TEXT);
    let message = home.message().await;
    let report = reports(&message, "gone@far.example", "failed", "5.1.1");
    for words in [
        "Original-Envelope-Id: QQ+314159",
        "Original-Recipient: rfc822;first@near.example",
        "Reporting-MTA: dns;mail.example.com",
        "The address is not known here",
        "Subject: hello",
    ] {
        let spaced = words.replace("rfc822;", "rfc822; ").replace("dns;", "dns; ");
        assert!(report.contains(words) || report.contains(&spaced), "{words}?\n{report}");
    }
    // RFC 3464 2.3.6: what the other server said is a diagnostic of smtp.
    assert!(report.to_ascii_lowercase().contains("diagnostic-code: smtp;"), "{report}");
    assert!(message.field("Message-ID").is_some() && message.field("Date").is_some());
    home.blameless();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_holds_as_much_of_the_message_as_was_wished() {
    for (ret, holds) in [("RET=FULL", true), ("RET=HDRS", false)] {
        let world = World::new();
        let home = world.home().await;
        let sink = world.mx("far.example", Offer::usual()).await;
        sink.always(At::Dot, Act::say("554 5.7.1 spam"));
        let house = world.open();
        house.submits(&format!("<app@example.com> {ret}"), &["<gone@far.example>"], TEXT);
        let report = reports(&home.message().await, "gone@far.example", "failed", "5.7.1");
        assert_eq!(report.contains("and the end"), holds, "{ret}\n{report}");
        assert!(report.contains("Message-ID: <story@example.com>"), "{report}");
    }
}

/// RFC 5321 4.5.5: nobody is told, and nobody is told of that.
#[tokio::test(flavor = "multi_thread")]
async fn mail_from_nobody_never_gets_a_report() {
    let world = World::new();
    let home = world.home().await;
    let sink = world.mx("far.example", Offer::usual()).await;
    sink.always(At::Rcpt("gone@far.example"), Act::say("550 5.1.1 nobody"));
    let mut house = world.open();
    house.submits("<>", &["<gone@far.example> NOTIFY=SUCCESS,FAILURE,DELAY"], TEXT);
    house.comes_to("gone@far.example", "bounced");
    house.submits("<>", &["<one@far.example>"], TEXT);
    assert_eq!(sink.message().await.sender(), "");
    house.comes_to_rest();
    house.daemon.stops();
    assert_eq!(home.connections(), 0);
}

/// RFC 5321 6.1: a report that cannot be delivered is the end of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_is_refused_is_reported_to_nobody() {
    let world = World::new();
    let home = world.home().await;
    home.always(At::Rcpt(""), Act::say("550 5.1.1 the sender has gone too"));
    let sink = world.mx("far.example", Offer::usual()).await;
    sink.always(At::Rcpt(""), Act::say("550 5.1.1 nobody"));
    let mut house = world.open();
    house.sends(&["gone@far.example"]);
    home.heard("RCPT", 1).await;
    house.comes_to_rest();
    house.daemon.stops();
    assert_eq!(home.commands("RCPT").len(), 1);
    assert_eq!(home.commands("MAIL FROM:<>").len(), 1);
}

/// RFC 3461 4.1
#[tokio::test(flavor = "multi_thread")]
async fn only_those_who_wished_it_are_told() {
    let world = World::new();
    let home = world.home().await;
    // Without DSN the next server reports nothing: for a success, we do.
    let sink = world.mx("far.example", Offer::usual().without("DSN")).await;
    sink.always(At::Rcpt("never@far.example"), Act::say("550 5.1.1 nobody"));
    sink.always(At::Rcpt("delay@far.example"), Act::say("550 5.1.1 nobody"));
    sink.always(At::Rcpt("failure@far.example"), Act::say("550 5.1.1 nobody"));
    let mut house = world.open();
    let to = [
        "<never@far.example> NOTIFY=NEVER",
        "<delay@far.example> NOTIFY=DELAY",
        "<failure@far.example> NOTIFY=FAILURE",
        "<silent@far.example> NOTIFY=FAILURE",
        "<success@far.example> NOTIFY=SUCCESS",
    ];
    house.submits("<app@example.com>", &to, TEXT);
    let (one, two) = (home.message().await, home.message().await);
    let mut all = [one.text().to_ascii_lowercase(), two.text().to_ascii_lowercase()];
    all.sort_by_key(|report| report.contains("failure@far.example"));
    let [success, failure] = &all;
    // RFC 3461 5.2.2: it was relayed to a server that will not report.
    assert!(success.contains("success@far.example") && success.contains("action: relayed"), "{success}");
    assert!(failure.contains("failure@far.example") && failure.contains("action: failed"), "{failure}");
    house.comes_to_rest();
    house.daemon.stops();
    for report in home.kept() {
        for other in ["never@far.example", "delay@far.example", "silent@far.example"] {
            assert!(!report.text().contains(&format!("ecipient: rfc822; {other}")), "{other}\n{}", report.text());
        }
    }
    assert_eq!(home.kept().len(), 2);
}

/// And where the next server reports by itself, we do not.
#[tokio::test(flavor = "multi_thread")]
async fn a_success_is_left_to_the_server_that_understands_the_wish() {
    let world = World::new();
    let home = world.home().await;
    let sink = world.mx("far.example", Offer::usual()).await;
    let mut house = world.open();
    house.submits("<app@example.com>", &["<success@far.example> NOTIFY=SUCCESS"], TEXT);
    assert!(sink.message().await.rcpt[0].contains("NOTIFY=SUCCESS"));
    house.comes_to("success@far.example", "delivered");
    house.daemon.stops();
    assert_eq!(home.connections(), 0);
}

/// The end is on disk before the delivery is done with: no crash swallows a report, none doubles it.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_behind_a_refusal_loses_no_report() {
    let world = World::new();
    let home = world.home().await;
    let sink = world.mx("far.example", Offer::usual()).await;
    sink.always(At::Rcpt(""), Act::say("550 5.1.1 nobody"));
    let mut house = world.open();
    // As soon as our own end is known to the store, whatever became of the report.
    for n in 0..10 {
        house.sends(&[&format!("r{n}@far.example")]);
    }
    house.comes_to("r0@far.example", "bounced");
    house.daemon.crash();
    let house = world.again();
    for n in 0..10 {
        house.comes_to(&format!("r{n}@far.example"), "bounced");
    }
    house.comes_to_rest();
    let reports: Vec<String> = home.kept().iter().map(|report| report.text()).collect();
    for n in 0..10 {
        assert!(reports.iter().any(|report| report.contains(&format!("r{n}@far.example"))), "r{n} was not reported");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_about_an_international_address_is_one_that_can_be_read() {
    let world = World::new();
    let home = world.home().await;
    let sink = world.mx("far.example", Offer::usual()).await;
    sink.always(At::Rcpt(""), Act::say("550 5.1.1 nobody"));
    let house = world.open();
    house.submits("<app@example.com> SMTPUTF8", &["<größe@far.example>"], TEXT);
    let report = home.message().await;
    let text = report.text().to_ascii_lowercase();
    // RFC 6533 3: as it is when the report may be UTF-8, else in its ASCII form.
    let written =
        text.contains("final-recipient: utf-8;") && (text.contains("größe@") || text.contains("gr\\x{f6}\\x{df}e@"));
    assert!(written, "{text}");
    home.blameless();
}

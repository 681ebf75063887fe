//! Return paths and suppressions, seen from outside: what stands in MAIL FROM, what comes back to it through our own
//! MX door, and who is not written to after that.

use super::sink::{Act, At, Offer};
use super::world::{House, SENDER, TEXT, World, reports};
use crate::running::Smtp;

fn opened(world: &World, mode: &str) {
    world.domain(&format!("return_path = \"{mode}\""));
    world.tables("[[listener]]\nkind = \"mx\"\nbind = [\"127.0.0.1:0\"]\ntls = \"none\"");
    // What `gatepost dns` asks for.
    world.zone("mail.example.com. A 192.0.2.1");
    world.zone("rp.example.com. MX 10 mail.example.com.");
    world.zone("rp.example.com. TXT \"v=spf1 a:mail.example.com -all\"");
}

/// With a return path that its records allow.
fn ready(world: &World) -> House<'_> {
    let house = world.open();
    house.event_comes("domain.return_path_ready", "");
    house
}

/// What a server writes that took the mail and could not keep it.
fn report(to: &str, recipient: &str) -> String {
    format!(
        "From: MAILER-DAEMON@mx.far.example\r\nTo: {to}\r\nSubject: Undelivered\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\nSorry.\r\n--b\r\n\
         Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.far.example\r\n\r\n\
         Final-Recipient: rfc822; {recipient}\r\nAction: failed\r\nStatus: 5.1.1\r\n\
         Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n\r\n--b--\r\n"
    )
}

fn at_our_mx(house: &House<'_>) -> Smtp {
    let mut client = Smtp::greeted(house.daemon.address("mx"));
    assert!(client.ask("EHLO mx.far.example").starts_with("250"));
    client
}

fn comes_back(house: &House<'_>, to: &str, text: &str) {
    let mut client = at_our_mx(house);
    for (ask, code) in [("MAIL FROM:<>", "250"), (&format!("RCPT TO:<{to}>"), "250"), ("DATA", "354")] {
        let reply = client.ask(ask);
        assert!(reply.starts_with(code), "{ask}: {reply}");
    }
    let reply = client.ask(&format!("{text}."));
    assert!(reply.starts_with("250 2.0.0 "), "{reply}\n{}", house.daemon.all());
}

#[tokio::test(flavor = "multi_thread")]
async fn each_recipient_has_a_return_path_and_what_comes_back_there_is_his_bounce() {
    let world = World::new();
    opened(&world, "recipient");
    let home = world.home().await;
    let sink = world.mx("far.example", Offer::usual()).await;
    let house = ready(&world);
    house.sends(&["gone@far.example", "ok@far.example"]);
    let messages = sink.messages(2).await;
    for message in &messages {
        assert_eq!(message.recipients().len(), 1, "each in a transaction of its own");
        let sender = message.sender();
        assert!(sender.starts_with("b-") && sender.ends_with("@rp.example.com"), "{sender}");
        assert_eq!(message.field("From").as_deref(), Some("App <app@example.com>"));
    }
    assert_ne!(messages[0].sender(), messages[1].sender());
    let gone = messages.iter().find(|message| message.recipients() == ["gone@far.example"]).unwrap();
    house.comes_to("gone@far.example", "delivered");
    for _ in 0..2 {
        comes_back(&house, gone.sender(), &report(gone.sender(), "gone@far.example"));
    }
    house.comes_to("gone@far.example", "bounced");
    house.comes_to("ok@far.example", "delivered");
    reports(&home.message().await, "gone@far.example", "failed", "5.1.1");
    house.comes_to_rest();
    assert_eq!(home.kept().len(), 1, "its sender hears of it once");
    // A token that nobody made, and a sender who is somebody.
    let mut client = at_our_mx(&house);
    assert!(client.ask("MAIL FROM:<>").starts_with("250"));
    assert!(client.ask("RCPT TO:<b-aaaaaaaa@rp.example.com>").starts_with("550 5.1.1"));
    assert!(client.ask("RSET").starts_with("250"));
    assert!(client.ask("MAIL FROM:<spam@far.example>").starts_with("250"));
    assert!(client.ask(&format!("RCPT TO:<{}>", gone.sender())).starts_with("550 5.7.1"));
    sink.blameless();
    home.blameless();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_has_one_return_path_and_its_report_names_the_recipient() {
    let world = World::new();
    opened(&world, "message");
    let home = world.home().await;
    let sink = world.mx("far.example", Offer::usual()).await;
    let house = ready(&world);
    house.sends(&["gone@far.example", "ok@far.example"]);
    let message = sink.message().await;
    assert_eq!(message.recipients().len(), 2, "{}", sink.transcript());
    house.comes_to("ok@far.example", "delivered");
    house.comes_to("gone@far.example", "delivered");
    comes_back(&house, message.sender(), &report(message.sender(), "gone@far.example"));
    house.comes_to("gone@far.example", "bounced");
    house.comes_to("ok@far.example", "delivered");
    reports(&home.message().await, "gone@far.example", "failed", "5.1.1");
}

/// Reports of our own queue go to whoever sent the message, and come from nobody.
#[tokio::test(flavor = "multi_thread")]
async fn only_the_wire_has_the_return_path_and_mail_from_nobody_has_none() {
    let world = World::new();
    opened(&world, "recipient");
    let home = world.home().await;
    let sink = world.mx("far.example", Offer::usual()).await;
    sink.always(At::Rcpt("gone@far.example"), Act::say("550 5.1.1 nobody"));
    let house = ready(&world);
    house.sends(&["gone@far.example"]);
    assert_eq!(home.message().await.recipients(), [SENDER]);
    house.submits("<>", &["<bob@far.example>"], TEXT);
    assert_eq!(sink.message().await.sender(), "");
    assert_eq!(house.events("email.bounced").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_hard_bounce_nothing_is_sent_there_and_what_waits_ends() {
    let world = World::new();
    let home = world.home().await;
    let sink = world.mx("far.example", Offer::usual()).await;
    // It waits, a later one bounces, and then the address would be there again.
    sink.once(At::Rcpt("gone@far.example"), Act::say("451 4.2.0 busy"));
    sink.once(At::Rcpt("gone@far.example"), Act::say("550 5.1.1 nobody"));
    sink.always(At::Rcpt("gone@far.example"), Act::say("451 4.2.0 busy"));
    let house = world.open();
    house.sends(&["gone@far.example"]);
    sink.heard("RCPT", 1).await;
    house.sends(&["gone@far.example"]);
    reports(&home.message().await, "gone@far.example", "failed", "5.1.1");
    // As soon as this node knows, the other one ends too: nobody tries it to its end of five days.
    house.comes_to_rest();
    assert_eq!((house.count("bounced"), house.count("suppressed")), (1, 1));
    house.sends(&["gone@far.example", "bob@far.example"]);
    house.comes_to("bob@far.example", "delivered");
    assert_eq!(house.count("suppressed"), 2);
    assert_eq!(house.events("email.suppressed").len(), 2);
    assert!(house.events("email.suppressed")[0].contains("hard_bounce"));
}

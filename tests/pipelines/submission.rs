//! Mail from our users: who may send as whom, what is completed, and where it waits afterwards.

use super::{HOUSE, House, NOW, address, assembled, config, hostname, submitted};
use gatepost::base::id::{self, MessageId};
use gatepost::base::random::Random;
use gatepost::mail::envelope::{Notify, OriginalRecipient, ReversePath};
use gatepost::model::delivery::State;
use gatepost::model::directory::{Directory, DirectoryRows, EntryKind, EntryRow};
use gatepost::model::message::Origin;
use gatepost::model::people::Tenant;
use gatepost::submit::{recipient, sender};
use std::task::{Context, Waker};
use std::time::Duration;

const MESSAGE: &str = "From: App <app@example.com>\r\nTo: someone@example.net\r\n\
    Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nDate: Sat, 21 Nov 2026 11:59:00 +0000\r\n\
    Message-ID: <1@example.com>\r\n\r\nHello\r\n";

fn directory() -> Directory {
    assembled(&config(HOUSE), &DirectoryRows::default())
}

fn from(author: &str) -> String {
    MESSAGE.replace("App <app@example.com>", author)
}

#[tokio::test]
async fn what_is_accepted_stands_in_the_store() {
    let house = House::new().await;
    let id = house.submit(submitted("app", "bounce@example.com", &["someone@example.net"], MESSAGE)).await.unwrap();
    let message = house.message(&id).await;
    assert_eq!(
        (message.origin, message.submitter.as_deref(), message.peer.as_deref()),
        (Origin::Submitted, Some("app"), Some("192.0.2.1"))
    );
    assert_eq!((message.from_domain.as_str(), message.subject.as_str()), ("example.com", "Gr\u{fc}\u{df}e"));
    assert_eq!((message.header_id.as_str(), message.sandboxed_at), ("<1@example.com>", None));
    assert_eq!((message.created_at, message.details.as_str()), (NOW, "{}"));
    let body = house.body(&id).await;
    assert_eq!(message.size as usize, body.len());
    let received = format!(
        "Received: from client.example ([192.0.2.1]) by mail.example.com with ESMTPSA\r\n\
         \t(TLSv1.3 TLS13_AES_256_GCM_SHA384) id {id}\r\n\
         \tfor <someone@example.net>; Sat, 21 Nov 2026 12:00:00 +0000\r\n"
    );
    assert_eq!(body, received + MESSAGE);
    let [delivery] = house.deliveries(&id).await.try_into().unwrap();
    assert_eq!((delivery.destination.as_str(), delivery.state), ("mx:example.net", State::Ready));
    assert_eq!((delivery.attempts, delivery.due_at, delivery.lease), (0, NOW, None));
    assert_eq!(delivery.expires_at, NOW.plus(Duration::from_secs(5 * 86_400)));
    assert_eq!(house.events(&id).await, ["email.queued"]);
}

/// RFC 5322 4.5: to be read, and not to be written. Verifiers of signatures do not agree on it.
#[tokio::test]
async fn a_name_is_followed_by_its_colon_when_it_leaves() {
    let house = House::new().await;
    let spaced = MESSAGE.replace("Subject:", "Subject :").replace("To:", "To\t:");
    let id = house.submit(submitted("app", "bounce@example.com", &["someone@example.net"], &spaced)).await.unwrap();
    assert!(house.body(&id).await.ends_with(MESSAGE));
}

/// In lists, and on the way to one host.
#[tokio::test]
async fn recipients_stay_in_the_order_that_their_sender_gave_them() {
    let house = House::new().await;
    let given: Vec<String> = (0..40).map(|n| format!("r{}@example.net", n * 7 % 40)).collect();
    let recipients: Vec<&str> = given.iter().map(String::as_str).collect();
    let id = house.submit(submitted("app", "bounce@example.com", &recipients, MESSAGE)).await.unwrap();
    let stored: Vec<String> = house.deliveries(&id).await.iter().map(|one| one.recipient.to_string()).collect();
    assert_eq!(stored, given);
}

#[tokio::test]
async fn what_a_program_left_out_is_completed() {
    let house = House::new().await;
    let bare = "From: app@example.com\r\nBCC: hidden@example.net\r\nTo: a@example.net\r\nBcc: more@example.net,\r\n \
        most@example.net\r\nX: y\r\n\r\nHello\r\n";
    let id = house.submit(submitted("app", "", &["a@example.net", "hidden@example.net"], bare)).await.unwrap();
    let body = house.body(&id).await;
    assert!(!body.contains("hidden") && !body.to_lowercase().contains("bcc") && !body.contains("most@"), "{body}");
    let (received, rest) = body.split_once("\r\nDate: ").unwrap();
    assert!(received.starts_with("Received: ") && !received.contains("for <"), "{received}");
    assert_eq!(
        rest,
        format!(
            "Sat, 21 Nov 2026 12:00:00 +0000\r\nMessage-ID: <{id}@example.com>\r\nFrom: app@example.com\r\n\
             To: a@example.net\r\nX: y\r\n\r\nHello\r\n"
        )
    );
    let message = house.message(&id).await;
    assert_eq!((message.header_id, message.sender), (format!("<{id}@example.com>"), ReversePath::Null));
}

#[tokio::test]
async fn where_the_header_ends_nobody_can_doubt() {
    let house = House::new().await;
    // Another reader might skip the line that is no field, and take the second From for the author.
    let doubtful =
        "From: app@example.com\r\nDate: x\r\nMessage-ID: y\r\nno field\r\nFrom: boss@bank.example\r\n\r\nHi\r\n";
    let id = house.submit(submitted("app", "app@example.com", &["a@example.net"], doubtful)).await.unwrap();
    let body = house.body(&id).await;
    assert!(body.ends_with("Message-ID: y\r\n\r\nno field\r\nFrom: boss@bank.example\r\n\r\nHi\r\n"), "{body}");
}

#[tokio::test]
async fn a_message_without_a_body_is_a_message() {
    let house = House::new().await;
    for message in ["From: app@example.com\r\n\r\n", "From: app@example.com\r\n"] {
        let id = house.submit(submitted("app", "app@example.com", &["a@example.net"], message)).await.unwrap();
        // The line between header and body is there, also where there is no body: then all agree where it ends.
        assert!(house.body(&id).await.ends_with("From: app@example.com\r\n\r\n"));
    }
}

#[tokio::test]
async fn nobody_sends_as_somebody_else() {
    let house = House::new().await;
    for (login, author, code) in [
        ("app", "app@acme.example", "550 5.7.1"),
        ("all", "app@acme.example", "550 5.7.1"),
        ("app", "boss@bank.example", "550 5.7.1"),
        ("app", "app@sub.example.com", "550 5.7.1"),
        ("app", "app@example.com, boss@bank.example", "550 5.7.1"),
        ("app", "app@example.com\r\nFrom: boss@bank.example", "550 5.7.1"),
        ("app", "app@example.com\r\nfRoM : boss@bank.example", "550 5.7.1"),
        ("app", "app@example.com\r\nSender: boss@bank.example", "550 5.7.1"),
        ("app", "boss@bank.example <app@example.com>", "550 5.7.1"),
        ("app", "\"app@example.com\"@bank.example", "550 5.7.1"),
        ("app", "<app@example.com> <boss@bank.example>", "554 5.6.0"),
        ("app", "app@example.com (", "554 5.6.0"),
        ("app", "nobody:;", "554 5.6.0"),
        ("app", "", "554 5.6.0"),
        ("nobody", "app@example.com", "530 5.7.0"),
    ] {
        let refused = house.submit(submitted(login, "app@example.com", &["a@example.net"], &from(author))).await;
        let reply = refused.expect_err(author);
        assert!(reply.to_string().starts_with(code), "{author}: {reply}");
    }
    let headless = house.submit(submitted("app", "app@example.com", &["a@example.net"], "Hello\r\n")).await;
    assert_eq!(headless.unwrap_err().code(), 554);
    house.assert_empty().await;
    for author in ["\"boss@bank.example\" <app+tag@Example.COM>", "\"a @ b\"@example.com", "x: app@example.com;"] {
        let accepted = house.submit(submitted("all", "", &["a@example.net"], &from(author))).await;
        assert!(accepted.is_ok(), "{author}: {accepted:?}");
    }
}

#[test]
fn an_envelope_sender_is_ones_own() {
    let house = directory();
    let check = |login: &str, sender: &str| {
        let sender = if sender.is_empty() { ReversePath::Null } else { ReversePath::Address(sender.parse().unwrap()) };
        sender::check(&house, login, &sender).err().map(|reply| reply.to_string()).unwrap_or_default()
    };
    for (login, sender, expected) in [
        ("app", "bounce+1=a@example.com", ""),
        ("app", "\"boss@bank.example\"@example.com", ""),
        ("app", "", ""),
        ("all", "x@news.example.com", ""),
        ("app", "x@acme.example", "553 5.7.1 this login may not send from acme.example"),
        ("all", "x@acme.example", "553 5.7.1 this login may not send from acme.example"),
        ("app", "boss@bank.example", "553 5.7.1 this login may not send from bank.example"),
        ("app", "x@mail.example.com", "553 5.7.1 this login may not send from mail.example.com"),
        ("gone", "x@example.com", "530 5.7.0 this login is not valid any more"),
        ("gone", "", "530 5.7.0 this login is not valid any more"),
    ] {
        assert_eq!(check(login, sender), expected, "{login} as {sender}");
    }
}

#[tokio::test]
async fn a_login_or_a_domain_that_went_since_mail_is_seen() {
    let house = House::new().await;
    let moved = submitted("app", "x@acme.example", &["a@example.net"], MESSAGE);
    assert!(house.submit(moved).await.unwrap_err().to_string().starts_with("553 5.7.1 "));
    house.reload(&HOUSE.replace("username = \"app\"", "username = \"other\"")).await;
    let gone = submitted("app", "", &["a@example.net"], MESSAGE);
    assert!(house.submit(gone).await.unwrap_err().to_string().starts_with("530 5.7.0 "));
    house.assert_empty().await;
}

#[test]
fn a_domain_that_is_switched_off_is_for_later() {
    let tenant = Tenant {
        id: id::new(NOW, &Random::System),
        name: "default".into(),
        created_at: NOW,
        disabled_at: None,
        deleted_at: None,
    };
    let row = EntryRow {
        kind: EntryKind::Domain,
        id: "dom_1".into(),
        tenant: tenant.id.clone(),
        name: "off.example".into(),
        definition: "{}".into(),
        disabled_at: Some(NOW),
    };
    let rows = DirectoryRows { version: 1, tenants: vec![tenant], entries: vec![row], keys: vec![] };
    let house = assembled(&config(HOUSE), &rows);
    let sender = ReversePath::Address(address("x@off.example"));
    assert!(sender::check(&house, "all", &sender).unwrap_err().is_temporary());
    assert!(!sender::check(&house, "app", &sender).unwrap_err().is_temporary(), "it is not among its domains");
}

#[test]
fn a_user_may_write_to_the_world_and_to_those_of_ours_who_exist() {
    let house = directory();
    for (to, expected) in [
        ("someone@example.net", ""),
        ("support@example.com", ""),
        ("postmaster@mail.example.com", ""),
        ("nobody@example.com", "550 5.1.1 nobody has this address here"),
        ("gone@example.com", "550 5.7.1 we closed in May"),
        ("away@example.com", "450 4.3.0 the action \"forward\" of this address cannot be done yet, try later"),
    ] {
        let reply = recipient::check(&house, &hostname(), &address(to)).err();
        assert_eq!(reply.map(|reply| reply.to_string()).unwrap_or_default(), expected, "{to}");
    }
}

/// A domain that is only sent from has its mailboxes elsewhere: its users write to each other by way of its MX,
/// while the world, which should have found that MX, is told that nobody is here.
#[tokio::test]
async fn users_of_a_domain_that_is_only_sent_from_reach_each_other() {
    let house = House::new().await;
    let message = MESSAGE.replace("app@example.com", "app@test.example.com");
    for to in ["colleague@test.example.com", "postmaster@test.example.com"] {
        assert!(recipient::check(&house.ledger.directory.load(), &hostname(), &address(to)).is_ok());
        let id = house.submit(submitted("app", "app@test.example.com", &[to], &message)).await.unwrap();
        assert_eq!(house.waiting(&id).await, [("mx:test.example.com".to_owned(), State::Ready)], "{to}");
        assert!(house.stays_here(&id).await);
    }
    let directory = house.ledger.directory.load();
    let at_mx = |to: &str| gatepost::receive::recipient::resolve(&directory, &hostname(), &address(to));
    assert_eq!(at_mx("colleague@test.example.com").unwrap_err().to_string(), "550 5.1.1 nobody has this address here");
    // RFC 5321 4.5.1.
    assert!(at_mx("postmaster@test.example.com").is_ok());
}

/// What makes a domain one that takes mail in: a mailbox, a reply domain, or any route that could match.
#[test]
fn a_domain_takes_mail_when_anything_might_match_in_it() {
    let with = |route: &str| {
        let tables = "\n[[domain]]\nname = \"only.example\"\n";
        let route = match route {
            "" => String::new(),
            route => format!("\n[[route]]\nrecipient = {route}\nactions = [{{ store = true }}]\n"),
        };
        let directory = assembled(&config(&format!("{HOUSE}{tables}{route}")), &DirectoryRows::default());
        directory.takes_mail(&"only.example".parse().unwrap())
    };
    for none in
        ["", "'/list-.*@example\\.com/'", "'/.*@(Lists|News)\\.Example\\.com/'", "'/x@notonly\\.example\\.com/'"]
    {
        assert!(!with(none), "{none}");
    }
    for some in [
        "\"a@only.example\"",
        "\"*@only.example\"",
        "'/.*/'",
        "'/a@ONLY\\.example/'",
        "'/a@[a-z.]+/'",
        "'/a(@only.example)?/'",
    ] {
        assert!(with(some), "{some}");
    }
    let house = directory();
    let takes = |name: &str| house.takes_mail(&name.parse().unwrap());
    assert!(takes("example.com") && takes("reply.example.com") && takes("acme.example") && takes("news.example.com"));
    assert!(!takes("test.example.com") && !takes("far.example"));
}

#[tokio::test]
async fn each_recipient_has_its_way() {
    let house = House::new().await;
    let to = [
        "a@example.net",
        "b@example.net",
        "support@example.com",
        "sales@example.com",
        "kept@example.com",
        "check@example.com",
        "black@example.com",
        "postmaster@mail.example.com",
    ];
    let id = house.submit(submitted("app", "app@example.com", &to, MESSAGE)).await.unwrap();
    assert_eq!(
        house.waiting(&id).await,
        [
            ("local:store".to_owned(), State::Delivered),
            ("local:store".to_owned(), State::Delivered),
            ("local:support".to_owned(), State::Ready),
            ("local:support".to_owned(), State::Ready),
            ("mx:example.net".to_owned(), State::Ready),
            ("mx:example.net".to_owned(), State::Ready),
            ("relay:upstream".to_owned(), State::Held),
            ("relay:upstream".to_owned(), State::Ready),
        ]
    );
    let held = house.deliveries(&id).await.into_iter().find(|delivery| delivery.state == State::Held).unwrap();
    assert_eq!(held.reason.as_deref(), Some("route \"check@example.com\""));
    let mut events = house.events(&id).await;
    events.sort();
    assert_eq!(events, ["email.discarded", "email.held", "email.queued"]);
}

#[tokio::test]
async fn what_is_discarded_leaves_an_event_and_nothing_else() {
    let house = House::new().await;
    let id = house.submit(submitted("app", "app@example.com", &["black@example.com"], MESSAGE)).await.unwrap();
    assert_eq!(house.events(&id).await, ["email.discarded"]);
    for rows in ["messages", "bodies", "deliveries"] {
        assert_eq!(house.fresh.count(rows).await, 0, "{rows}");
    }
}

#[tokio::test]
async fn a_domain_leaves_by_its_relay_or_not_at_all() {
    let house = House::new().await;
    let relayed = submitted("app", "x@example.com", &["a@example.net"], &from("x@news.example.com"));
    let id = house.submit(relayed).await.unwrap();
    assert_eq!(house.waiting(&id).await, [("relay:upstream".to_owned(), State::Ready)]);
    let boxed = submitted("app", "x@example.com", &["a@example.net", "kept@example.com"], &from("x@test.example.com"));
    let id = house.submit(boxed).await.unwrap();
    assert!(house.stays_here(&id).await);
    assert_eq!(
        house.waiting(&id).await,
        [("local:store".to_owned(), State::Delivered), ("mx:example.net".to_owned(), State::Ready)]
    );

    let sandbox = House::with(&format!("{HOUSE}[delivery]\nmode = \"sandbox\"\n")).await;
    let id = sandbox.submit(submitted("app", "x@example.com", &["a@example.net"], MESSAGE)).await.unwrap();
    assert!(sandbox.stays_here(&id).await);
    assert_eq!(sandbox.waiting(&id).await, [("mx:example.net".to_owned(), State::Ready)]);
}

#[tokio::test]
async fn a_login_for_tests_sends_nothing_whatever_its_domain_does() {
    let tests = "[[credential]]\nusername = \"ci\"\npassword = \"hunter2\"\ndomains = [\"*\"]\nsandbox = true\n";
    let house = House::with(&format!("{HOUSE}{tests}")).await;
    let id = house.submit(submitted("ci", "x@example.com", &["a@example.net"], MESSAGE)).await.unwrap();
    assert!(house.stays_here(&id).await);
    let id = house.submit(submitted("app", "x@example.com", &["a@example.net"], MESSAGE)).await.unwrap();
    assert!(!house.stays_here(&id).await);
}

#[tokio::test]
async fn what_the_envelope_wished_is_kept() {
    let house = House::new().await;
    let mut intake = submitted("app", "app@example.com", &["a@example.net"], MESSAGE);
    let until = NOW.plus(Duration::from_secs(3_600));
    let params = &mut intake.envelope.params;
    (params.hold_until, params.require_tls, params.envid) = (Some(until), true, Some("e1".into()));
    let to = &mut intake.envelope.recipients[0];
    to.notify = Some(Notify::Never);
    to.original = Some(OriginalRecipient { kind: "rfc822".into(), address: "first@example.net".into() });
    let id = house.submit(intake).await.unwrap();
    assert_eq!(house.message(&id).await.details, r#"{"requiretls":true,"envid":"e1"}"#);
    let [delivery] = house.deliveries(&id).await.try_into().unwrap();
    assert_eq!((delivery.state, delivery.due_at), (State::Scheduled, until));
    assert_eq!(delivery.expires_at, until.plus(Duration::from_secs(5 * 86_400)));
    assert_eq!(delivery.details, r#"{"notify":[],"orcpt":"rfc822;first@example.net"}"#);

    let mut past = submitted("app", "app@example.com", &["a@example.net"], MESSAGE);
    past.envelope.params.hold_until = Some(NOW);
    let id = house.submit(past).await.unwrap();
    assert_eq!(house.waiting(&id).await, [("mx:example.net".to_owned(), State::Ready)]);
}

#[tokio::test]
async fn a_loop_ends_here() {
    let house = House::new().await;
    let hops = |n: usize| format!("{}{MESSAGE}", "Received: by mail.example.com\r\n".repeat(n));
    let looping = house.submit(submitted("app", "app@example.com", &["a@example.net"], &hops(100))).await;
    assert_eq!(
        looping.unwrap_err().to_string(),
        "554 5.4.6 too many Received fields: this message goes round in a loop"
    );
    house.assert_empty().await;
    assert!(house.submit(submitted("app", "app@example.com", &["a@example.net"], &hops(99))).await.is_ok());
}

// --- when the store does not take it ----------------------------------------------------------------

async fn refused(house: &House) -> Result<MessageId, String> {
    let intake = submitted("app", "app@example.com", &["a@example.net", "b@example.net"], MESSAGE);
    house.submit(intake).await.map_err(|reply| reply.to_string())
}

#[tokio::test]
async fn a_store_that_is_down_is_told_and_keeps_nothing() {
    let house = House::new().await;
    house.store.close().await;
    assert_eq!(refused(&house).await.unwrap_err(), "451 4.3.0 the message could not be stored, try again later");
    house.assert_empty().await;
}

#[tokio::test]
async fn a_write_that_fails_half_way_keeps_nothing() {
    let house = House::new().await;
    // The message and its body are written before this table is missed.
    house.fresh.sql("ALTER TABLE deliveries RENAME TO elsewhere").await;
    assert!(refused(&house).await.unwrap_err().starts_with("451 4.3.0 "));
    house.fresh.sql("ALTER TABLE elsewhere RENAME TO deliveries").await;
    house.assert_empty().await;
    crate::stores::until_up(&house.store).await;
    assert!(refused(&house).await.is_ok());
}

#[tokio::test]
async fn who_goes_before_the_answer_leaves_nothing() {
    let house = House::new().await;
    let held = house.fresh.hold_writes().await;
    let intake = submitted("app", "app@example.com", &["a@example.net"], MESSAGE);
    let mut given_up = Box::pin(house.submit(intake));
    // Handed to the store, which is locked.
    assert!(given_up.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    drop(given_up);
    held.release().await;
    // What comes after it is written after it: then all of it is decided.
    assert!(refused(&house).await.is_ok());
    house.fresh.until_count("messages", 1).await;
    house.fresh.until_count("deliveries", 2).await;
}

#[tokio::test]
async fn a_tenant_that_has_no_row_yet_is_for_later() {
    let text = HOUSE
        .replace("tenant = \"acme\"", "tenant = \"newcomer\"")
        .replace("username = \"all\"", "username = \"all\"\ntenant = \"newcomer\"");
    let house = House::with(&text).await;
    let early = house.submit(submitted("all", "", &["a@example.net"], &from("x@acme.example"))).await;
    assert!(early.unwrap_err().to_string().starts_with("451 4.3.0 "));
    house.assert_empty().await;
}

#[tokio::test]
async fn a_recipient_that_went_since_rcpt_is_for_later() {
    let house = House::new().await;
    house.reload(&HOUSE.replace("kept@example.com", "other@example.com")).await;
    let late = house.submit(submitted("app", "app@example.com", &["kept@example.com"], MESSAGE)).await;
    assert!(late.unwrap_err().to_string().starts_with("451 4.3.0 "));
    house.assert_empty().await;
}

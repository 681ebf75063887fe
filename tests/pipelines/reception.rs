//! Mail from the world: to ours and to nobody else, and all of it in one commit.

use super::{HOUSE, House, NOW, address, arrived, assembled, config, hostname};
use gatepost::model::delivery::State;
use gatepost::model::directory::DirectoryRows;
use gatepost::model::message::Origin;
use gatepost::receive::recipient;

const MESSAGE: &str = "From: Stranger <s@example.net>\r\nTo: support@example.com\r\nSubject: Help\r\n\
    Message-ID: <7@example.net>\r\nBcc: kept@example.com\r\n\r\nPlease\r\n";

#[test]
fn strangers_reach_ours_and_nobody_else() {
    let house = assembled(&config(HOUSE), &DirectoryRows::default());
    for (to, expected) in [
        ("support@example.com", ""),
        ("support+x@example.com", ""),
        ("t0ken@reply.example.com", ""),
        ("postmaster@mail.example.com", ""),
        ("check@example.com", ""),
        ("someone@example.net", "550 5.7.1 relaying denied: example.net is not served here"),
        ("someone@mail.example.com", "550 5.7.1 relaying denied: mail.example.com is not served here"),
        ("someone%example.net@example.com", "550 5.1.1 nobody has this address here"),
        ("\"someone@example.net\"@example.com", "550 5.1.1 nobody has this address here"),
        ("\"support@example.com\"@example.net", "550 5.7.1 relaying denied: example.net is not served here"),
        ("nobody@example.com", "550 5.1.1 nobody has this address here"),
        ("gone@example.com", "550 5.7.1 we closed in May"),
        ("away@example.com", "450 4.3.0 the action \"forward\" of this address cannot be done yet, try later"),
    ] {
        let reply = recipient::resolve(&house, &hostname(), &address(to)).err();
        assert_eq!(reply.map(|reply| reply.to_string()).unwrap_or_default(), expected, "{to}");
    }
}

#[tokio::test]
async fn what_arrives_is_kept_as_it_came() {
    let house = House::new().await;
    let id = house.receive(arrived("s@example.net", &["support@example.com"], MESSAGE)).await.unwrap();
    let message = house.message(&id).await;
    assert_eq!((message.origin, message.submitter, message.sandboxed_at), (Origin::Arrived, None, None));
    assert_eq!((message.from_domain.as_str(), message.header_id.as_str()), ("example.net", "<7@example.net>"));
    let body = house.body(&id).await;
    let (received, rest) = body.split_at(body.len() - MESSAGE.len());
    assert_eq!(rest, MESSAGE, "its sender may have signed it, Bcc and all");
    assert!(received.starts_with("Received: from client.example ([192.0.2.1]) by mail.example.com with ESMTPS\r\n"));
    assert!(received.contains("for <support@example.com>;"), "{received}");
    let [delivery] = house.deliveries(&id).await.try_into().unwrap();
    assert_eq!((delivery.destination.as_str(), delivery.state), ("local:support", State::Delivered));
    assert_eq!(delivery.reason.as_deref(), Some("mailbox \"support\""));
    assert_eq!(house.events(&id).await, ["inbound.received"]);
}

#[tokio::test]
async fn each_action_leaves_its_rows() {
    let house = House::new().await;
    let to = ["sales@example.com", "check@example.com", "look@example.com", "black@example.com", "kept@example.com"];
    let id = house.receive(arrived("", &to, MESSAGE)).await.unwrap();
    let mut shown: Vec<_> = house
        .deliveries(&id)
        .await
        .into_iter()
        .map(|delivery| format!("{} {} {}", delivery.recipient, delivery.destination, delivery.state.word()))
        .collect();
    shown.sort();
    assert_eq!(
        shown,
        [
            "check@example.com relay:upstream held",
            "kept@example.com local:store delivered",
            "look@example.com local:store held",
            "sales@example.com local:support delivered",
            "sales@example.com relay:upstream ready",
        ]
    );
    let mut events = house.events(&id).await;
    events.sort();
    assert_eq!(events, ["email.held", "email.held", "inbound.discarded", "inbound.received"]);
    assert!(!house.body(&id).await.contains("for <"), "none of several is told of the others");
}

#[tokio::test]
async fn what_is_discarded_leaves_an_event_and_nothing_else() {
    let house = House::new().await;
    let id = house.receive(arrived("s@example.net", &["black@example.com"], MESSAGE)).await.unwrap();
    assert_eq!(house.store.message(&id).await.unwrap(), None);
    for rows in ["messages", "bodies", "deliveries"] {
        assert_eq!(house.fresh.count(rows).await, 0, "{rows}");
    }
    let [event] = house.store.events_of(&id, "").await.unwrap().try_into().unwrap();
    assert_eq!((event.kind.as_str(), event.at), ("inbound.discarded", NOW));
    let data: serde_json::Value = serde_json::from_str(&event.data).unwrap();
    assert_eq!(
        (data["recipient"].as_str(), data["rule"].as_str(), data["sender"].as_str()),
        (Some("black@example.com"), Some("route \"black@example.com\""), Some("s@example.net"))
    );
}

#[tokio::test]
async fn no_tenant_sees_what_anothers_recipients_got() {
    let house = House::new().await;
    let to = ["kept@example.com", "x@acme.example", "support@example.com"];
    let told = house.receive(arrived("s@example.net", &to, MESSAGE)).await.unwrap();
    assert_eq!(house.fresh.count("messages").await, 2);
    let of_acme = house.fresh.texts("SELECT message_id FROM deliveries WHERE recipient = 'x@acme.example'").await;
    let of_acme = of_acme.iter().next().unwrap().parse().unwrap();
    assert_ne!(told, of_acme);
    assert_ne!(house.message(&told).await.tenant, house.message(&of_acme).await.tenant);
    assert_eq!((house.deliveries(&told).await.len(), house.deliveries(&of_acme).await.len()), (2, 1));
    assert_eq!(house.body(&told).await, house.body(&of_acme).await);
    assert!(house.body(&told).await.contains(told.as_str()));
}

#[tokio::test]
async fn odd_messages_are_kept_and_part_from_our_field() {
    let house = House::new().await;
    for (message, ends) in [
        ("\r\n", "\r\n\r\n"),
        ("", "+0000\r\n"),
        ("no header\r\n", "\r\n\r\nno header\r\n"),
        (" goes on: with nothing\r\n", "\r\n\r\n goes on: with nothing\r\n"),
        ("A: b\r\nno field\r\nC: d\r\n", "\r\nA: b\r\nno field\r\nC: d\r\n"),
        ("From: (\r\nSubject: x\r\n\r\n", "\r\nFrom: (\r\nSubject: x\r\n\r\n"),
    ] {
        let id = house.receive(arrived("", &["kept@example.com"], message)).await.unwrap();
        assert!(house.body(&id).await.ends_with(ends), "{message:?}");
        assert_eq!(house.message(&id).await.from_domain, hostname());
    }
}

#[tokio::test]
async fn a_sandbox_sends_nothing_on() {
    let house = House::with(&format!("{HOUSE}[delivery]\nmode = \"sandbox\"\n")).await;
    let id = house.receive(arrived("s@example.net", &["sales@example.com"], MESSAGE)).await.unwrap();
    assert_eq!(
        house.waiting(&id).await,
        [("local:support".to_owned(), State::Delivered), ("relay:upstream".to_owned(), State::Ready)]
    );
    assert!(house.stays_here(&id).await);
}

#[tokio::test]
async fn a_refusal_leaves_nothing() {
    let house = House::new().await;
    let looping = format!("{}{MESSAGE}", "Received: by somebody\r\n".repeat(100));
    let refused = |reply: Result<_, gatepost::smtp::reply::Reply>| reply.unwrap_err().to_string();
    let reply = refused(house.receive(arrived("s@example.net", &["kept@example.com"], &looping)).await);
    assert!(reply.starts_with("554 5.4.6 "), "{reply}");
    // One of several is not there any more: the sender hears it at RCPT, next time.
    let to = ["kept@example.com", "nobody@example.com"];
    let reply = refused(house.receive(arrived("s@example.net", &to, MESSAGE)).await);
    assert!(reply.starts_with("451 4.3.0 "), "{reply}");
    let reply = refused(house.receive(arrived("s@example.net", &["someone@example.net"], MESSAGE)).await);
    assert!(reply.starts_with("451 4.3.0 "), "{reply}");
    house.assert_empty().await;

    house.store.close().await;
    for to in ["kept@example.com", "black@example.com"] {
        let reply = refused(house.receive(arrived("s@example.net", &[to], MESSAGE)).await);
        assert!(reply.starts_with("451 4.3.0 "), "{reply}");
    }
    house.assert_empty().await;
}

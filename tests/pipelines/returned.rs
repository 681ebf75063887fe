//! What comes back to our return paths: reports are read, deliveries bounce late and once, whoever sent the message
//! hears of it once, and nothing that comes there becomes mail.

use super::{HOUSE, House, NOW, address, arrived, envelope, hostname, submitted};
use gatepost::base::id::MessageId;
use gatepost::mail::address::Address;
use gatepost::mail::envelope::ReversePath;
use gatepost::model::delivery::{Delivery, State};
use gatepost::model::message::{Message, Origin};
use gatepost::model::suppression::{Cause, Suppression};
use gatepost::policy::return_path::Returned;
use gatepost::receive::pipeline::Received;
use gatepost::smtp::reply::Reply;

/// Somebody who gets mail here.
const SENDER: &str = "kept@example.com";

const MESSAGE: &str = "From: app@example.com\r\nSubject: Hi\r\nMessage-ID: <1@example.com>\r\n\r\nHello\r\n";

fn path(domain: &str, returned: &Returned) -> String {
    crate::stores::return_paths().address(&domain.parse().unwrap(), returned).unwrap().to_string()
}

fn report(to: &str, recipients: &[(&str, &str, &str, &str)]) -> String {
    let blocks: String = recipients
        .iter()
        .map(|(recipient, action, status, said)| {
            format!(
                "\r\nFinal-Recipient: rfc822; {recipient}\r\nAction: {action}\r\nStatus: {status}\r\n\
                 Remote-MTA: dns; in.far.example\r\nDiagnostic-Code: smtp; {said}\r\n"
            )
        })
        .collect();
    format!(
        "From: MAILER-DAEMON@far.example\r\nTo: {to}\r\nSubject: Undelivered Mail\r\nMIME-Version: 1.0\r\n\
         Auto-Submitted: auto-replied\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n\
         --b\r\nContent-Type: text/plain\r\n\r\nSorry.\r\n\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n\
         Reporting-MTA: dns; mx.far.example\r\n{blocks}\r\n--b--\r\n"
    )
}

const NOBODY: (&str, &str, &str) = ("failed", "5.1.1", "550 5.1.1 no such user");

impl House {
    async fn gets(&self, to: &str, text: &str) -> Result<Received, Reply> {
        self.reception().accept(arrived("", &[to], text), 100).await
    }

    async fn reads(&self, to: &str, text: &str) {
        assert_eq!(self.gets(to, text).await, Ok(Received::Read));
    }

    /// A message that its servers took.
    async fn delivered(&self, recipients: &[&str]) -> (MessageId, Vec<Delivery>) {
        let id = self.submit(submitted("app", SENDER, recipients, MESSAGE)).await.unwrap();
        self.fresh
            .sql(&format!(
                "UPDATE deliveries SET state = 'delivered', finished_at = 1, leased_by = NULL, leased_epoch = NULL
                 WHERE message_id = '{id}'"
            ))
            .await;
        let mut deliveries = self.deliveries(&id).await;
        deliveries.sort_by_key(|delivery| delivery.recipient.to_string());
        (id, deliveries)
    }

    async fn state(&self, delivery: &Delivery) -> State {
        self.store.entry(&delivery.id).await.unwrap().unwrap().delivery.state
    }

    /// The reports that leave for senders.
    async fn told(&self) -> Vec<(Message, Vec<Delivery>)> {
        let mut told = Vec::new();
        for id in self.ids("SELECT id FROM messages WHERE origin = 'generated' ORDER BY id").await {
            told.push((self.message(&id).await, self.deliveries(&id).await));
        }
        told
    }

    async fn ids(&self, sql: &str) -> Vec<MessageId> {
        self.fresh.texts(sql).await.iter().map(|id| id.parse().unwrap()).collect()
    }

    async fn suppressions(&self, of: &Delivery) -> Vec<Suppression> {
        self.store.suppressions(&of.tenant, None).await.unwrap()
    }
}

#[tokio::test]
async fn a_failure_makes_a_late_bounce_and_its_sender_hears_of_it_once() {
    let house = House::new().await;
    let (id, deliveries) = house.delivered(&["gone@far.example", "ok@far.example"]).await;
    let [gone, ok] = &deliveries[..] else { panic!("{deliveries:?}") };
    let to = path("example.com", &Returned::Delivery(gone.id.clone()));
    let text = report(&to, &[("gone@far.example", NOBODY.0, NOBODY.1, NOBODY.2)]);
    house.reads(&to, &text).await;
    assert_eq!((house.state(gone).await, house.state(ok).await), (State::Bounced, State::Delivered));
    assert_eq!(house.kinds(&id).await, ["email.bounced", "email.queued"]);
    let events = house.store.events_of(&id, "").await.unwrap();
    let data = &events.iter().find(|event| event.kind == "email.bounced").unwrap().data;
    for word in ["\"source\":\"dsn\"", "\"kind\":\"hard\"", "\"remote_mta\":\"in.far.example\"", "\"suppressed\":true"]
    {
        assert!(data.contains(word), "{word}: {data}");
    }
    let [suppressed] = &house.suppressions(gone).await[..] else { panic!("one is suppressed") };
    assert_eq!((suppressed.whom.to_string().as_str(), suppressed.reason), ("gone@far.example", Cause::HardBounce));
    let told = house.told().await;
    let [(message, to_sender)] = &told[..] else { panic!("{told:?}") };
    assert_eq!((message.origin, &message.sender), (Origin::Generated, &ReversePath::Null));
    assert_eq!(to_sender[0].recipient, address(SENDER));
    let body = house.body(&message.id).await;
    for word in
        ["Final-Recipient: rfc822; gone@far.example", "Action: failed", "Status: 5.1.1", "550 5.1.1 no such user"]
    {
        assert!(body.contains(word), "{word}\n{body}");
    }
    assert!(!body.contains("@rp."), "{body}");
    // The same again, in whatever case somebody writes the address, changes nothing.
    let before = (house.fresh.count("messages").await, house.fresh.count("events").await);
    for again in [to.clone(), to.to_uppercase()] {
        house.reads(&again, &text).await;
    }
    assert_eq!((house.fresh.count("messages").await, house.fresh.count("events").await), before);
}

#[tokio::test]
async fn two_reports_at_once_are_one_bounce() {
    let house = House::new().await;
    let (_, deliveries) = house.delivered(&["gone@far.example"]).await;
    let to = path("example.com", &Returned::Delivery(deliveries[0].id.clone()));
    let text = report(&to, &[("gone@far.example", NOBODY.0, NOBODY.1, NOBODY.2)]);
    let all = futures_util::future::join_all((0..8).map(|_| house.gets(&to, &text))).await;
    // Who comes too late is told to try again, and finds nothing to do.
    assert!(all.contains(&Ok(Received::Read)));
    for refused in all.into_iter().filter_map(Result::err) {
        assert_eq!(refused.code(), 451);
    }
    house.reads(&to, &text).await;
    assert_eq!(house.fresh.count("events WHERE kind = 'email.bounced'").await, 1);
    assert_eq!(house.told().await.len(), 1);
}

/// Trap 54.
#[tokio::test]
async fn a_delay_is_no_bounce_and_is_told_once() {
    let house = House::new().await;
    let (id, deliveries) = house.delivered(&["slow@far.example"]).await;
    let to = path("example.com", &Returned::Delivery(deliveries[0].id.clone()));
    let text = report(&to, &[("slow@far.example", "delayed", "4.4.1", "451 4.4.1 no answer")]);
    for _ in 0..2 {
        house.reads(&to, &text).await;
    }
    assert_eq!(house.state(&deliveries[0]).await, State::Delivered);
    assert_eq!(house.kinds(&id).await, ["email.queued", "email.reported"]);
    let told = house.told().await;
    assert_eq!(told.len(), 1);
    assert!(house.body(&told[0].0.id).await.contains("Action: delayed"));
    assert!(house.suppressions(&deliveries[0]).await.is_empty());
    // And then it fails after all.
    house.reads(&to, &report(&to, &[("slow@far.example", "failed", "4.4.7", "451 4.4.1 no answer")])).await;
    assert_eq!(house.state(&deliveries[0]).await, State::Bounced);
    assert!(house.suppressions(&deliveries[0]).await.is_empty(), "it was not for good");
    assert_eq!(house.told().await.len(), 2);
}

#[tokio::test]
async fn in_a_message_mode_the_report_names_who_is_meant() {
    let house = House::new().await;
    let (id, deliveries) = house.delivered(&["Bob+x@far.example", "eve@far.example", "tom@far.example"]).await;
    let to = path("example.com", &Returned::Message(id.clone()));
    let stranger = report(&to, &[("stranger@far.example", NOBODY.0, NOBODY.1, NOBODY.2)]);
    house.reads(&to, &stranger).await;
    assert!(house.told().await.is_empty());
    let text = report(
        &to,
        &[
            ("bob+2Bx@FAR.example", NOBODY.0, NOBODY.1, NOBODY.2),
            ("eve@far.example", "delivered", "2.0.0", "250 ok"),
            ("tom@far.example", "failed", "5.2.2", "552 5.2.2 full"),
        ],
    );
    house.reads(&to, &text).await;
    let states =
        [house.state(&deliveries[0]).await, house.state(&deliveries[1]).await, house.state(&deliveries[2]).await];
    assert_eq!(states, [State::Bounced, State::Delivered, State::Bounced]);
    // One report for both; a success was not wished for.
    assert_eq!(house.told().await.len(), 1);
    assert_eq!(house.suppressions(&deliveries[0]).await.len(), 1);
}

#[tokio::test]
async fn what_is_still_being_sent_is_reported_too_early() {
    let house = House::new().await;
    let id = house.submit(submitted("app", "app@example.com", &["gone@far.example"], MESSAGE)).await.unwrap();
    let delivery = house.deliveries(&id).await.remove(0);
    let to = path("example.com", &Returned::Delivery(delivery.id.clone()));
    let text = report(&to, &[("gone@far.example", NOBODY.0, NOBODY.1, NOBODY.2)]);
    house.fresh.sql("UPDATE deliveries SET state = 'leased'").await;
    assert_eq!(house.gets(&to, &text).await.unwrap_err().code(), 451);
    for state in ["deferred", "held", "suppressed", "failed", "cancelled", "captured"] {
        house.fresh.sql(&format!("UPDATE deliveries SET state = '{state}'")).await;
        house.reads(&to, &text).await;
        assert_eq!(house.fresh.count(&format!("deliveries WHERE state = '{state}'")).await, 1);
    }
    assert!(house.told().await.is_empty());
}

#[tokio::test]
async fn a_tenant_that_reads_events_and_mail_from_nobody_get_no_report() {
    let house = House::with(&format!("{HOUSE}\n[[tenant]]\nname = \"default\"\nbounces = \"event\"\n")).await;
    let (_, deliveries) = house.delivered(&["gone@far.example"]).await;
    let to = path("example.com", &Returned::Delivery(deliveries[0].id.clone()));
    house.reads(&to, &report(&to, &[("gone@far.example", NOBODY.0, NOBODY.1, NOBODY.2)])).await;
    assert_eq!(house.state(&deliveries[0]).await, State::Bounced);
    assert!(house.told().await.is_empty());

    let house = House::new().await;
    let (_, deliveries) = house.delivered(&["gone@far.example"]).await;
    house.fresh.sql("UPDATE messages SET sender = NULL").await;
    let to = path("example.com", &Returned::Delivery(deliveries[0].id.clone()));
    house.reads(&to, &report(&to, &[("gone@far.example", NOBODY.0, NOBODY.1, NOBODY.2)])).await;
    assert_eq!(house.state(&deliveries[0]).await, State::Bounced);
    assert!(house.told().await.is_empty());
}

/// Forwarded mail comes back to whoever wrote it, without SRS: the token says which delivery it was.
#[tokio::test]
async fn a_bounce_of_mail_that_was_passed_on_goes_to_whoever_wrote_it() {
    let house = House::new().await;
    let id = house.receive(arrived("writer@near.example", &["sales@example.com"], MESSAGE)).await.unwrap();
    house
        .fresh
        .sql(&format!(
            "UPDATE deliveries SET state = 'delivered', finished_at = 1, recipient = 'gone@far.example',
             destination = 'mx:far.example' WHERE message_id = '{id}' AND destination = 'relay:upstream'"
        ))
        .await;
    let delivery = house.deliveries(&id).await.into_iter().find(|d| d.destination == "mx:far.example").unwrap();
    let to = path("example.com", &Returned::Delivery(delivery.id.clone()));
    for _ in 0..2 {
        house.reads(&to, &report(&to, &[("gone@far.example", NOBODY.0, NOBODY.1, NOBODY.2)])).await;
    }
    let told = house.told().await;
    let [(message, to_writer)] = &told[..] else { panic!("{told:?}") };
    assert_eq!(to_writer[0].recipient, address("writer@near.example"));
    // Whoever pretends to be the writer does not send him his text through us.
    assert!(!house.body(&message.id).await.contains("Hello"));
}

#[tokio::test]
async fn at_rcpt_a_return_path_takes_nothing_but_a_report() {
    let house = House::new().await;
    let (_, deliveries) = house.delivered(&["gone@far.example"]).await;
    let token = path("example.com", &Returned::Delivery(deliveries[0].id.clone()));
    let asks = |sender: &str, before: &[&str], to: &str| {
        let to = envelope("", &[to]).recipients.remove(0);
        house.reception().check_recipient(&hostname(), &envelope(sender, before), &to).map_err(|reply| reply.code())
    };
    assert_eq!(asks("", &[], &token), Ok(()));
    assert_eq!(asks("", &[], &token.to_uppercase()), Ok(()));
    assert_eq!(asks("spam@far.example", &[], &token), Err(550));
    let other = if token.starts_with("b-2") { "b-3" } else { "b-2" };
    assert_eq!(asks("", &[], &format!("{other}{}", &token[3..])), Err(550));
    for forged in ["b-@rp.example.com", "anybody@rp.example.com", "postmaster@rp.example.com"] {
        assert_eq!(asks("", &[], forged), Err(550), "{forged}");
    }
    // It stands alone.
    assert_eq!(asks("", &["kept@example.com"], &token), Err(452));
    assert_eq!(asks("", &[&token], "kept@example.com"), Err(452));
    assert_eq!(asks("", &[&token], &token), Err(452));
    // Elsewhere it is nobody's, and below another domain of ours it opens as well.
    assert_eq!(asks("", &[], &token.replace("example.com", "far.example")), Err(550));
    assert_eq!(asks("", &[], &token.replace("example.com", "acme.example")), Ok(()));
}

#[tokio::test]
async fn what_is_no_report_is_kept_as_words_and_never_as_mail() {
    // Everything that could make a ticket or an answer of it.
    let rules = "\n[[domain]]\nname = \"rp.example.com\"\n\n[[route]]\nrecipient = \"*@rp.example.com\"\n\
        actions = [{ ticket = \"support\" }]\n";
    let house = House::with(&format!("{HOUSE}{rules}")).await;
    let (id, deliveries) = house.delivered(&["bob@far.example"]).await;
    let to = path("example.com", &Returned::Delivery(deliveries[0].id.clone()));
    let before = house.fresh.count("messages").await;
    let vacation = "From: bob@far.example\r\nSubject: Away\r\nAuto-Submitted: auto-replied\r\n\r\nBack in May.\r\n";
    for _ in 0..30 {
        house.reads(&to, vacation).await;
    }
    assert_eq!(house.fresh.count("messages").await, before);
    assert_eq!(house.state(&deliveries[0]).await, State::Delivered);
    let events = house.store.events_of(&id, "").await.unwrap();
    let kept: Vec<_> = events.iter().filter(|event| event.kind == "email.returned").collect();
    assert_eq!(kept.len(), gatepost::base::limits::RETURNED_KEPT_MAX);
    assert!(kept[0].data.contains("Back in May.") && kept[0].data.contains("Away"), "{}", kept[0].data);
}

/// A report on a report, a report to its own path, and one about what was purged: each ends here.
#[tokio::test]
async fn loops_are_impossible() {
    let house = House::new().await;
    let (_, deliveries) = house.delivered(&["gone@far.example"]).await;
    let to = path("example.com", &Returned::Delivery(deliveries[0].id.clone()));
    // Its sender is a return path itself: somebody wrote that into MAIL FROM.
    house.fresh.sql(&format!("UPDATE messages SET sender = '{to}'")).await;
    house.reads(&to, &report(&to, &[("gone@far.example", NOBODY.0, NOBODY.1, NOBODY.2)])).await;
    let told = house.told().await;
    for (message, of) in &told {
        assert_eq!(message.sender, ReversePath::Null);
        // What came of the report is told to nobody.
        house
            .fresh
            .sql(&format!("UPDATE deliveries SET state = 'delivered' WHERE message_id = '{}'", message.id))
            .await;
        let back = path("example.com", &Returned::Delivery(of[0].id.clone()));
        house.reads(&back, &report(&back, &[(&of[0].recipient.to_string(), NOBODY.0, NOBODY.1, NOBODY.2)])).await;
    }
    assert_eq!(house.told().await.len(), told.len());
    let gone: Address =
        path("example.com", &Returned::Message(gatepost::base::id::new(NOW, &gatepost::base::random::Random::System)))
            .parse()
            .unwrap();
    house.reads(&gone.to_string(), &report(&gone.to_string(), &[("a@b.example", NOBODY.0, NOBODY.1, NOBODY.2)])).await;
    assert_eq!(house.told().await.len(), told.len());
}

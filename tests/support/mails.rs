//! Mails for tests and benches: the rows of one mail's life, as the rooms above the store will plan them.

use gatepost::base::clock::{Clock, Time};
use gatepost::base::id::{self, DeliveryId, MessageId, TenantId};
use gatepost::base::random::Random;
use gatepost::mail::envelope::ReversePath;
use gatepost::model::delivery::{Attempt, Delivery, Lease, Settlement, State};
use gatepost::model::event::Event;
use gatepost::model::message::{Form, Message, Origin};
use gatepost::store::Change;
use gatepost::store::mail::Body;
use std::time::Duration;

pub struct Mails {
    pub clock: Clock,
    pub random: Random,
    pub tenant: TenantId,
    pub lease: Lease,
}

/// One mail with one recipient, before it is written.
pub struct Mail {
    pub message: MessageId,
    pub delivery: DeliveryId,
    pub accept: Change,
}

impl Mails {
    pub fn new(lease: Lease) -> Self {
        let (clock, random) = (Clock::System, Random::System);
        let tenant = id::new(clock.now(), &random);
        Self { clock, random, tenant, lease }
    }

    /// The accept of a mail: message, body, delivery (leased to us), event.
    pub fn mail(&self, body: Vec<u8>) -> Mail {
        let now = self.clock.now();
        let message: MessageId = id::new(now, &self.random);
        let delivery: DeliveryId = id::new(now, &self.random);
        let accept = Change {
            messages: vec![self.message(&message, now, body.len())],
            bodies: vec![Body::new(message.clone(), Form::Prepared, body)],
            deliveries: vec![self.delivery(&message, &delivery, now)],
            events: vec![self.event("email.queued", &message, &delivery, now)],
            ..Change::default()
        };
        Mail { message, delivery, accept }
    }

    /// The end of its first try: delivery settled, attempt, event.
    pub fn settle(&self, mail: &Mail, state: State) -> Change {
        let now = self.clock.now();
        Change {
            settlements: vec![Settlement {
                delivery: mail.delivery.clone(),
                lease: self.lease.clone(),
                state,
                reason: None,
                attempts: 1,
                due_at: now,
                at: now,
            }],
            attempts: vec![Attempt {
                delivery: mail.delivery.clone(),
                number: 1,
                node: self.lease.node.clone(),
                started_at: now,
                took: Duration::from_millis(12),
                outcome: "done:remote".into(),
                host: Some("mx1.example.net".into()),
                address: Some("192.0.2.25".into()),
                tls: Some("TLSv1.3 TLS13_AES_256_GCM_SHA384".into()),
                reply: Some("250 2.0.0 Ok: queued as 4XyZ12345".into()),
                details: "{}".into(),
            }],
            events: vec![self.event("email.delivered", &mail.message, &mail.delivery, now)],
            ..Change::default()
        }
    }

    fn message(&self, id: &MessageId, now: Time, size: usize) -> Message {
        Message {
            id: id.clone(),
            tenant: self.tenant.clone(),
            origin: Origin::Submitted,
            submitter: Some("app@example.com".into()),
            peer: Some("192.0.2.1".into()),
            sender: ReversePath::Address("bounce@example.com".parse().unwrap()),
            from_domain: "example.com".parse().unwrap(),
            subject: "Your order has been sent".into(),
            header_id: format!("<{id}@example.com>"),
            stream: "transactional".into(),
            size: size as u64,
            sandboxed_at: None,
            template: None,
            details: r#"{"tags":["order"]}"#.into(),
            created_at: now,
        }
    }

    fn delivery(&self, message: &MessageId, id: &DeliveryId, now: Time) -> Delivery {
        Delivery {
            id: id.clone(),
            message: message.clone(),
            tenant: self.tenant.clone(),
            stream: "transactional".into(),
            recipient: "someone@example.net".parse().unwrap(),
            destination: "mx:example.net".into(),
            state: State::Leased,
            reason: None,
            attempts: 1,
            due_at: now.plus(Duration::from_secs(60)),
            expires_at: now.plus(Duration::from_secs(5 * 86_400)),
            lease: Some(self.lease.clone()),
            wanted: None,
            warned_at: None,
            details: "{}".into(),
            created_at: now,
        }
    }

    fn event(&self, kind: &str, message: &MessageId, delivery: &DeliveryId, now: Time) -> Event {
        Event {
            id: id::new(now, &self.random),
            kind: kind.into(),
            at: now,
            tenant: Some(self.tenant.clone()),
            message: Some(message.clone()),
            delivery: Some(delivery.clone()),
            data: "{}".into(),
        }
    }
}

/// A body of about this size that looks like mail: words, markup, and a share of chance that no
/// compressor can guess.
pub fn body(random: &Random, bytes: usize) -> Vec<u8> {
    const WORDS: [&str; 16] = [
        "order",
        "invoice",
        "<td style=\"padding:4px\">",
        "</td>",
        "thank you",
        "delivery",
        "https://example.com/t/",
        "customer",
        "<p>",
        "</p>",
        "number",
        "please",
        "address",
        "<a href=\"",
        "\">",
        "total",
    ];
    let mut text = String::with_capacity(bytes + 64);
    while text.len() < bytes {
        text.push_str(WORDS[random.below(16) as usize]);
        text.push(' ');
        if random.below(4) == 0 {
            text.push_str(&format!("{:016x}\r\n", random.below(u64::MAX)));
        }
    }
    text.truncate(bytes);
    text.into_bytes()
}

//! From a door to the disk: what is decided about a message, and the rows that stand in a real store when
//! its sender hears 250. And when he does not: nothing.

#[path = "pipelines/control_headers.rs"]
mod control_headers;
#[path = "pipelines/reception.rs"]
mod reception;
#[path = "pipelines/reports.rs"]
mod reports;
#[path = "pipelines/returned.rs"]
mod returned;
#[path = "pipelines/routes.rs"]
mod routes;
#[path = "pipelines/submission.rs"]
mod submission;
#[path = "pipelines/suppressed.rs"]
mod suppressed;
#[path = "pipelines/templates.rs"]
mod templates;

use crate::stores::Fresh;
use arc_swap::ArcSwap;
use gatepost::base::clock::{Clock, Time};
use gatepost::base::id::{self, MessageId};
use gatepost::base::random::Random;
use gatepost::config::load::load_text;
use gatepost::config::{Config, Environment};
use gatepost::deliver::outcome::Replies;
use gatepost::mail::address::Address;
use gatepost::mail::domain_name::DomainName;
use gatepost::mail::envelope::{Envelope, MailParams, Recipient, ReversePath};
use gatepost::mail::received::{Hop, Protocol};
use gatepost::model::delivery::{Delivery, State};
use gatepost::model::directory::{Directory, DirectoryHandle, DirectoryRows, Parts};
use gatepost::model::intake::Intake;
use gatepost::model::message::{Form, Message, Origin};
use gatepost::model::people::Tenant;
use gatepost::policy::limits::Limits;
use gatepost::queue::course::End;
use gatepost::queue::ledger::Ledger;
use gatepost::receive::pipeline::{Received, Reception};
use gatepost::smtp::reply::Reply;
use gatepost::store::dialect::Engine;
use gatepost::store::{Change, Store, people};
use gatepost::submit::pipeline::Submission;
use std::path::Path;
use std::sync::Arc;

/// Sat, 21 Nov 2026 12:00:00.5 UTC
const NOW: Time = Time::from_micros(1_795_262_400_500_000);

const HOUSE: &str = r#"
[server]
hostname = "mail.example.com"

[[relay]]
name = "upstream"
host = "smtp.provider.example"

[[domain]]
name = "example.com"

[[domain]]
name = "news.example.com"
relay = "upstream"

[[domain]]
name = "test.example.com"
relay = "sandbox"

[[domain]]
name = "acme.example"
tenant = "acme"

[[credential]]
username = "app"
password = "hunter2"
domains = ["example.com", "news.example.com", "test.example.com"]

[[credential]]
username = "all"
password = "hunter2"
domains = ["*"]

[[mailbox]]
name = "support"
address = "support@example.com"
reply_domain = "reply.example.com"

[[mailbox]]
name = "vip"
address = "support+vip@example.com"

[[route]]
recipient = "sales@example.com"
actions = [{ ticket = "support" }, { relay = "upstream" }]

[[route]]
recipient = "sales+de@example.com"
actions = [{ store = true }]

[[route]]
recipient = "check@example.com"
actions = [{ hold = true }, { relay = "upstream" }]

[[route]]
recipient = "look@example.com"
actions = [{ hold = true }]

[[route]]
recipient = "gone@example.com"
actions = [{ reject = "we closed in May" }]

[[route]]
recipient = "black@example.com"
actions = [{ discard = true }]

[[route]]
recipient = "kept@example.com"
actions = [{ store = true }]

[[route]]
recipient = "away@example.com"
actions = [{ forward = "someone@example.net" }]

[[route]]
recipient = '/list-(?<who>[a-z]+)(-x)?@example\.com/'
actions = [{ forward = "${who}@lists.example.net" }]

[[route]]
recipient = "\"at @ home\"@example.com"
actions = [{ store = true }]

[[route]]
recipient = "*@acme.example"
actions = [{ store = true }]

[[route]]
recipient = "*@news.example.com"
actions = [{ reject = "nobody reads this" }]
"#;

fn config(text: &str) -> Config {
    let environment = Environment::default().on_machine("mail.example.com");
    let loaded = load_text("gatepost.toml", text.to_owned(), Path::new(""), &environment);
    loaded.config.unwrap_or_else(|| panic!("{:?}", loaded.findings))
}

fn assembled(config: &Config, rows: &DirectoryRows) -> Directory {
    let parts = Parts {
        tenants: &config.tenant,
        relays: &config.relay,
        sources: &config.source,
        destinations: &config.destination,
        domains: &config.domain,
        streams: &config.stream,
        credentials: &config.credential,
        mailboxes: &config.mailbox,
        routes: &config.route,
    };
    Directory::assemble(&parts, rows).0
}

fn hostname() -> DomainName {
    "mail.example.com".parse().unwrap()
}

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

/// A house with a store, as the daemon would build it.
struct House {
    fresh: Fresh,
    store: Arc<Store>,
    ledger: Arc<Ledger>,
}

impl House {
    async fn new() -> Self {
        Self::with(HOUSE).await
    }

    async fn with(text: &str) -> Self {
        Self::on(Engine::Sqlite, text).await
    }

    async fn on(engine: Engine, text: &str) -> Self {
        let fresh = Fresh::on(engine);
        let store = Arc::new(fresh.open().await);
        for name in ["default", "acme"] {
            let id = id::new(NOW, &Random::System);
            let tenant = Tenant { id, name: name.into(), created_at: NOW, disabled_at: None, deleted_at: None };
            store.write(Change::of(people::new_tenant(&tenant))).await.unwrap();
        }
        let config = config(text);
        let ledger = Arc::new(Ledger {
            keyring: crate::stores::keyring(),
            keys: Default::default(),
            store: store.clone(),
            directory: Arc::new(DirectoryHandle::new(assembled(&config, &store.directory_rows().await.unwrap()))),
            settings: Arc::new(ArcSwap::from_pointee(config.delivery)),
            ready: crate::stores::ready(),
            lease: crate::stores::lease(),
            clock: Clock::set(NOW),
            random: Random::System,
        });
        Self { fresh, store, ledger }
    }

    /// The daemon takes up another configuration.
    async fn reload(&self, text: &str) {
        let rows = self.store.directory_rows().await.unwrap();
        self.ledger.directory.replace(assembled(&config(text), &rows));
    }

    async fn submit(&self, intake: Intake) -> Result<MessageId, Reply> {
        Submission::new(self.ledger.clone(), Limits::new(self.ledger.clock.clone())).accept(intake, 100).await
    }

    fn reception(&self) -> Reception {
        let replies = Arc::new(ArcSwap::new(Replies::built_in()));
        Reception::new(self.ledger.clone(), replies, crate::stores::return_paths())
    }

    /// What is filed; a report is not.
    async fn receive(&self, intake: Intake) -> Result<MessageId, Reply> {
        match self.reception().accept(intake, 100).await? {
            Received::Queued(id) => Ok(id),
            Received::Read => panic!("it was read as a report"),
        }
    }

    async fn message(&self, id: &MessageId) -> Message {
        self.store.message(id).await.unwrap().expect("the message is there")
    }

    async fn body(&self, id: &MessageId) -> String {
        String::from_utf8(self.store.body(id, Form::Prepared).await.unwrap().expect("its body is there")).unwrap()
    }

    async fn deliveries(&self, id: &MessageId) -> Vec<Delivery> {
        self.store.deliveries_of(id, "").await.unwrap()
    }

    /// Where a message's deliveries wait, and in which state.
    async fn waiting(&self, id: &MessageId) -> Vec<(String, State)> {
        let mut waiting: Vec<_> =
            self.deliveries(id).await.into_iter().map(|delivery| (delivery.destination, delivery.state)).collect();
        waiting.sort_by_key(|(destination, state)| (destination.clone(), state.word()));
        waiting
    }

    /// It was taken in the sandbox, and whatever of it is to leave will be captured there.
    async fn stays_here(&self, id: &MessageId) -> bool {
        let (message, params) = (self.message(id).await, MailParams::default());
        let away: Vec<_> = self.deliveries(id).await.into_iter().filter(Delivery::is_away).collect();
        let ends = away.iter().map(|delivery| self.ledger.course(delivery, &message, &params).unwrap().end);
        message.sandboxed_at == Some(NOW) && !away.is_empty() && ends.into_iter().all(|end| end == End::Sandbox)
    }

    async fn events(&self, id: &MessageId) -> Vec<String> {
        self.store.events_of(id, "").await.unwrap().into_iter().map(|event| event.kind).collect()
    }

    /// The same, in the order of their names: what happened in one moment has no other.
    async fn kinds(&self, id: &MessageId) -> Vec<String> {
        let mut kinds = self.events(id).await;
        kinds.sort();
        kinds
    }

    /// After a refusal nothing is left.
    async fn assert_empty(&self) {
        for rows in ["messages", "bodies", "body_chunks", "deliveries", "events"] {
            assert_eq!(self.fresh.count(rows).await, 0, "{rows}");
        }
    }
}

fn envelope(sender: &str, recipients: &[&str]) -> Envelope {
    let sender = if sender.is_empty() { ReversePath::Null } else { ReversePath::Address(address(sender)) };
    let recipient = |text: &&str| Recipient { address: address(text), notify: None, original: None };
    Envelope { sender, params: MailParams::default(), recipients: recipients.iter().map(recipient).collect() }
}

fn hop(authenticated: bool) -> Hop {
    Hop {
        hello: Some("client.example".into()),
        address: Some("192.0.2.1".parse().unwrap()),
        by: hostname(),
        protocol: Protocol { esmtp: true, tls: true, authenticated, utf8: false },
        tls: Some(("TLSv1.3", "TLS13_AES_256_GCM_SHA384".into())),
        at: NOW,
    }
}

/// From a user who logged in.
fn submitted(login: &str, sender: &str, recipients: &[&str], message: &str) -> Intake {
    Intake {
        wishes: Default::default(),
        origin: Origin::Submitted,
        submitter: Some(login.into()),
        hop: hop(true),
        envelope: envelope(sender, recipients),
        message: message.into(),
    }
}

/// From the world.
fn arrived(sender: &str, recipients: &[&str], message: &str) -> Intake {
    Intake {
        wishes: Default::default(),
        origin: Origin::Arrived,
        submitter: None,
        hop: hop(false),
        envelope: envelope(sender, recipients),
        message: message.into(),
    }
}

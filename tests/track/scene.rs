//! A house with its keys, a listener that serves tracking, and who asks it.

use crate::mails::Mails;
use crate::stores::Fresh;
use gatepost::base::clock::Clock;
use gatepost::base::id::{self, DeliveryId, MessageId};
use gatepost::base::metrics::Metrics;
use gatepost::base::random::Random;
use gatepost::base::ready::Readiness;
use gatepost::content::token::{Head, Keyring, LeadsTo};
use gatepost::daemon::keyring::Keys;
use gatepost::http::settings::Serves;
use gatepost::http::track::{Sightings, Tracking};
use gatepost::http::{Context, OpenListener, open, status};
use gatepost::model::directory::{Directory, DirectoryHandle, Parts};
use gatepost::model::event::Event;
use gatepost::model::people::Tenant;
use gatepost::model::suppression::Suppression;
use gatepost::store::{Change, Store, people};
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub const FORM: &str = "Content-Type: application/x-www-form-urlencoded";
pub const ONE_CLICK: &str = "List-Unsubscribe=One-Click";

pub struct House {
    pub store: Arc<Store>,
    pub mails: Mails,
    pub sightings: Arc<Sightings>,
    pub address: SocketAddr,
    keys: Arc<Keys>,
    directory: Arc<DirectoryHandle>,
    _listener: OpenListener,
}

pub fn context() -> Context {
    Context {
        readiness: Readiness::default(),
        metrics: Metrics::start(),
        status: Arc::new(|| unreachable!("nobody asks for the status here")),
        settings: Arc::new(|| status::Settings { generation: 1, settings: Vec::new() }),
        queue: Arc::default(),
        tracking: Arc::default(),
        echo: gatepost::policy::readiness::echo::Echo::under(&gatepost::base::secret::Secret::new(vec![7; 32])),
        clock: Clock::System,
        random: Random::System,
    }
}

pub fn listener(context: &Context, serves: &[Serves]) -> OpenListener {
    open(std::net::TcpListener::bind("127.0.0.1:0").unwrap(), serves, context).unwrap()
}

impl House {
    pub async fn on(fresh: &Fresh) -> Self {
        let (store, mails) = fresh.with_mails().await;
        let store = Arc::new(store);
        let (id, name, now) = (mails.tenant.clone(), "default".to_owned(), Clock::System.now());
        let tenant = Tenant { id, name, created_at: now, disabled_at: None, deleted_at: None };
        store.write(Change::of(people::new_tenant(&tenant))).await.unwrap();
        let keys = Keys::open(store.clone(), Clock::System, Random::System).await.unwrap();
        let directory = Arc::new(DirectoryHandle::new(Directory::default()));
        let sightings = Sightings::start(store.clone(), Clock::System, Random::System);
        let context = context();
        let rotate = Arc::new(|_| unreachable!("nobody rotates here"));
        let tracking = Tracking::new(keys.ring(), store.clone(), directory.clone(), sightings.clone(), rotate);
        assert!(context.tracking.set(tracking).is_ok());
        let listener = listener(&context, &[Serves::Tracking]);
        let address = listener.address();
        Self { store, mails, sightings, address, keys, directory, _listener: listener }
    }

    /// A mail that was sent.
    pub async fn mail(&self) -> Sent {
        let mail = self.mails.mail(b"Subject: x\r\n\r\ntext\r\n".to_vec());
        self.store.write(mail.accept).await.unwrap();
        Sent { message: mail.message, delivery: mail.delivery }
    }

    pub fn token(&self, sent: &Sent, leads_to: LeadsTo) -> String {
        sealed(&self.keys.ring().load(), sent, leads_to)
    }

    pub async fn asks(&self, head: &str, body: &str) -> Answer {
        asks(self.address, head, body).await
    }

    pub async fn get(&self, token: &str) -> Answer {
        self.asks(&format!("GET /t/{token} HTTP/1.1\r\nHost: t.example.com"), "").await
    }

    pub async fn posts(&self, token: &str, body: &str) -> Answer {
        self.asks(&format!("POST /t/{token} HTTP/1.1\r\nHost: t.example.com\r\n{FORM}"), body).await
    }

    /// What happened to it, once all that was seen is written.
    pub async fn events(&self, sent: &Sent) -> Vec<Event> {
        self.sightings.close().await;
        self.happened(sent).await
    }

    /// Beside that it was queued.
    pub async fn happened(&self, sent: &Sent) -> Vec<Event> {
        let events = self.store.events_of(&sent.message, "").await.unwrap();
        events.into_iter().filter(|event| event.kind != "email.queued").collect()
    }

    pub async fn suppressions(&self) -> Vec<Suppression> {
        self.store.suppressions(&self.mails.tenant, None).await.unwrap()
    }

    /// The directory as the store has it now.
    pub async fn looks_again(&self) {
        self.directory.replace(Directory::assemble(&Parts::default(), &self.store.directory_rows().await.unwrap()).0);
    }
}

pub struct Sent {
    pub message: MessageId,
    pub delivery: DeliveryId,
}

impl Sent {
    /// Of which no store knows.
    pub fn unknown() -> Self {
        let now = Clock::System.now();
        Self { message: id::new(now, &Random::System), delivery: id::new(now, &Random::System) }
    }
}

pub fn sealed(keyring: &Keyring, sent: &Sent, leads_to: LeadsTo) -> String {
    let head = Head { message: sent.message.clone(), link: 3, leads_to };
    let mut token = keyring.draft(&head.saying()).expect("a good destination").into_bytes();
    keyring.seal(&mut token, &sent.delivery).unwrap();
    String::from_utf8(token).unwrap()
}

pub fn url(text: &str) -> LeadsTo {
    LeadsTo::Url(text.to_owned())
}

pub fn data(event: &Event) -> Value {
    serde_json::from_str(&event.data).unwrap()
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
    head: String,
}

impl Answer {
    /// A field's value, byte for byte.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.head.split("\r\n").find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// What every answer of these has.
    #[track_caller]
    pub fn is_private(&self) {
        assert_eq!(self.field("Cache-Control"), Some("no-store"), "{}", self.head);
        assert_eq!(self.field("X-Robots-Tag"), Some("noindex, nofollow"));
        assert_eq!(self.field("Referrer-Policy"), Some("no-referrer"));
        assert_eq!(self.field("Set-Cookie"), None);
    }
}

pub async fn asks(address: SocketAddr, head: &str, body: &str) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{head}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A refusal may come, and the connection end, before all of a long body was read.
    let _ = stream.read_to_end(&mut answer).await;
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    Answer { status: head[9..12].parse().unwrap(), body: answer[end + 4..].to_vec(), head }
}

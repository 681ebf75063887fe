//! One seed's world: the remote servers, the mail that is written, our own daemon's rooms on a real store, and
//! the moments at which they are killed.

use super::judge::{self, Sum};
use super::remote::{self, DEAD, HOME, Mood, Net, Record, Transcript};
use arc_swap::ArcSwap;
use gatepost::base::budget::Budget;
use gatepost::base::clock::{Clock, Meanwhile, Time};
use gatepost::base::id::{self, MessageId};
use gatepost::base::random::Random;
use gatepost::base::secret::Secret;
use gatepost::base::shutdown::Shutdown;
use gatepost::config::Environment;
use gatepost::config::load::load_text;
use gatepost::deliver::find::{Finder, Own};
use gatepost::deliver::outcome::Replies;
use gatepost::deliver::session::{Patience, Surroundings};
use gatepost::deliver::sts::Sts;
use gatepost::deliver::tls::ClientTls;
use gatepost::dispatch::{Dispatch, Parts, Running};
use gatepost::dns::zone::Zone;
use gatepost::dns::{Resolver, Source};
use gatepost::mail::envelope::{Envelope, MailParams, Notify, Recipient, ReversePath};
use gatepost::mail::received::{Hop, Protocol};
use gatepost::model::directory::{Directory, DirectoryHandle, Parts as DirectoryParts};
use gatepost::model::intake::Intake;
use gatepost::model::message::Origin;
use gatepost::model::people::Tenant;
use gatepost::net::dial::{Dialer, Pipes};
use gatepost::net::https::{Https, Reach};
use gatepost::policy::limits::Limits;
use gatepost::queue::ledger::Ledger;
use gatepost::queue::ready::Ready;
use gatepost::queue::settings::Settings;
use gatepost::store::dialect::Location;
use gatepost::store::open::Opening;
use gatepost::store::{Change, Store, people};
use gatepost::submit::pipeline::Submission;
use gatepost::tend;
use rustls::RootCertStore;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Sat, 21 Nov 2026 12:00:00 UTC
const START: Time = Time::from_micros(1_795_262_400_000_000);
const DOMAINS: u64 = 6;
pub const IN_MEMORY_MAX: usize = 24;
const MEMORY: usize = 1 << 20;

pub const HOUSE: &str = r#"
[server]
hostname = "mail.house.example"

[delivery]
retry = ["1m", "5m", "15m", "1h", "2h"]
expire = "2d"
delay_report = "4h"
connections_per_destination = 3
connections = 12
recipients_per_transaction = 4

[[domain]]
name = "one.example"
tenant = "one"

[[domain]]
name = "two.example"
tenant = "two"

[[credential]]
username = "one"
password = "hunter2"
tenant = "one"
domains = ["*"]

[[credential]]
username = "two"
password = "hunter2"
tenant = "two"
domains = ["*"]
"#;

/// What a client was promised: 250 for these recipients.
#[derive(Clone, Debug)]
pub struct Promised {
    pub message: MessageId,
    pub recipients: Vec<String>,
}

pub struct World {
    pub random: Random,
    pub clock: Clock,
    pub record: Record,
    pub transcript: Transcript,
    promised: Arc<Mutex<Vec<Promised>>>,
    folder: tempfile::TempDir,
    dialer: Dialer,
    resolver: Resolver,
    /// One for all starts: making it reads certificates.
    tls: Arc<ClientTls>,
}

/// One start of our daemon.
pub struct Start {
    pub store: Arc<Store>,
    pub ledger: Arc<Ledger>,
    running: Running,
}

impl World {
    pub async fn new(seed: u64, transcript: Transcript) -> Self {
        let random = Random::seeded(seed);
        let trouble = [0, 30, 100, 200][random.below(4) as usize];
        let mood = Mood { trouble, delay: Duration::from_millis(random.below(300)) };
        Self::with(random, mood, Meanwhile::Going { begin: go_on, end: run_ahead }, transcript).await
    }

    pub async fn with_mood(seed: u64, mood: Mood, transcript: Transcript) -> Self {
        // Its figures are measured in time.
        Self::with(Random::seeded(seed), mood, Meanwhile::Still, transcript).await
    }

    async fn with(random: Random, mood: Mood, meanwhile: Meanwhile, transcript: Transcript) -> Self {
        let clock = Clock::of_runtime(START, meanwhile);
        let (dialer, knocks) = Pipes::new();
        let record = Record::default();
        transcript.say("world", &format!("{mood:?}"));
        let net = Net { random: random.clone(), mood, record: record.clone(), transcript: transcript.clone() };
        tokio::spawn(remote::serve(net, knocks));
        let folder = in_memory_folder();
        std::fs::write(folder.path().join("gatepost.db"), template()).unwrap();
        Self {
            random,
            clock,
            record,
            transcript,
            promised: Arc::default(),
            folder,
            dialer,
            resolver: Resolver::new(Source::Zone(Zone::parse(&zone()).unwrap())),
            tls: Arc::new(ClientTls::with_roots(RootCertStore::empty()).unwrap()),
        }
    }

    /// The whole life of a world, and what was found in it.
    pub async fn live(self) -> Sum {
        let crashes = self.random.below(4);
        let mail = 5 + self.random.below(30);
        for crash in 0..=crashes {
            let start = self.start().await;
            let writers = self.writers(&start, mail / (crashes + 1));
            if crash < crashes {
                let alive =
                    Duration::from_millis(self.random.below([2_000, 60_000, 7_200_000][self.random.below(3) as usize]));
                tokio::time::sleep(alive).await;
                self.transcript.say("world", "kills us");
                start.kill(writers).await;
                tokio::time::sleep(Duration::from_secs(self.random.below(600))).await;
            } else {
                let mut writers = writers;
                while writers.join_next().await.is_some() {}
                self.settle(&start).await;
                let found = judge::judge(&self, &start).await;
                start.kill(JoinSet::new()).await;
                return found;
            }
        }
        unreachable!("the last start returns")
    }

    pub async fn start(&self) -> Start {
        self.start_with(HOUSE, IN_MEMORY_MAX).await
    }

    pub async fn start_with(&self, house: &str, in_memory_max: usize) -> Start {
        let store = Arc::new(Store::open(opening(self.folder.path(), &self.clock, &self.random)).await.unwrap());
        let lease = store.start_node("mail.house.example", "sim").await.unwrap();
        let environment = Environment::default().on_machine("mail.house.example");
        let loaded = load_text("gatepost.toml", house.to_owned(), Path::new(""), &environment);
        let config = loaded.config.unwrap_or_else(|| panic!("{:?}", loaded.findings));
        let parts =
            DirectoryParts { domains: &config.domain, credentials: &config.credential, ..DirectoryParts::default() };
        let rows = store.directory_rows().await.unwrap();
        let directory = Arc::new(DirectoryHandle::new(Directory::assemble(&parts, &rows).0));
        let settings: Settings = config.delivery;
        let ledger = Arc::new(Ledger {
            keyring: crate::stores::keyring(),
            keys: Default::default(),
            store: store.clone(),
            directory,
            settings: Arc::new(ArcSwap::from_pointee(settings)),
            ready: Ready::new(in_memory_max, Budget::new(MEMORY, "sim")),
            lease: lease.clone(),
            clock: self.clock.clone(),
            random: self.random.clone(),
        });
        tend::heartbeat::recover(&store, &lease).await.unwrap();
        let roots = Arc::new(RootCertStore::empty());
        let sts = Sts::new(self.resolver.clone(), Https::trusting(roots, Reach::default()), self.clock.clone());
        let hello: gatepost::mail::domain_name::DomainName = "mail.house.example".parse().unwrap();
        let running = Dispatch::start(Parts {
            ledger: ledger.clone(),
            finder: Finder::new(self.resolver.clone(), sts, Own::new(vec![hello.clone()], &[], 25)),
            around: Surroundings {
                dialer: self.dialer.clone(),
                resolver: self.resolver.clone(),
                clock: self.clock.clone(),
                random: self.random.clone(),
                hello,
                tls: self.tls.clone(),
                patience: Patience::default(),
            },
            replies: Arc::new(ArcSwap::new(Replies::built_in())),
            return_paths: crate::stores::return_paths(),
            pulse: tend::heartbeat::pulse(&store),
            shutdown: Shutdown::default(),
        });
        Start { store, ledger, running }
    }

    /// Programs that submit, each whenever it likes.
    fn writers(&self, start: &Start, mails: u64) -> JoinSet<()> {
        let mut writers = JoinSet::new();
        let submission = Arc::new(Submission::new(start.ledger.clone(), Limits::new(self.clock.clone())));
        for _ in 0..mails {
            let (intake, wait) = (self.mail(), Duration::from_millis(self.random.below(3_600_000)));
            let (submission, promised) = (submission.clone(), self.promised.clone());
            writers.spawn(async move {
                tokio::time::sleep(wait).await;
                let recipients = intake.envelope.recipients.iter().map(|to| to.address.to_string()).collect();
                // What is refused was promised to nobody.
                if let Ok(message) = submission.accept(intake, 100).await {
                    promised.lock().unwrap().push(Promised { message, recipients });
                }
            });
        }
        writers
    }

    fn mail(&self) -> Intake {
        let tenant = ["one", "two"][self.random.below(2) as usize];
        let nonce = id::new::<MessageId>(self.clock.now(), &self.random);
        let recipient = |n: u64| {
            let name = if self.random.below(12) == 0 { "nobody" } else { "user" };
            let text = format!("{name}-{nonce}-{n}@d{}.example", self.random.below(DOMAINS));
            let notify = match self.random.below(6) {
                0 => Some(Notify::Never),
                1 => Some(Notify::On { success: true, failure: true, delay: false }),
                _ => None,
            };
            Recipient { address: text.parse().unwrap(), notify, original: None }
        };
        let sender = match self.random.below(8) {
            0 => ReversePath::Null,
            _ => ReversePath::Address(format!("app@{tenant}.example").parse().unwrap()),
        };
        let params = MailParams { hold_until: self.hold(), ..MailParams::default() };
        let recipients = (0..1 + self.random.below(6)).map(recipient).collect();
        Intake {
            wishes: Default::default(),
            origin: Origin::Submitted,
            submitter: Some(tenant.to_owned()),
            hop: hop(self.clock.now()),
            envelope: Envelope { sender, params, recipients },
            message: format!("From: app@{tenant}.example\r\nSubject: {nonce}\r\n\r\n.dots\r\n..and more\r\n")
                .into_bytes(),
        }
    }

    /// A plain mail of this tenant to one recipient.
    pub fn to(&self, tenant: &str, recipient: &str) -> Intake {
        let recipients = vec![Recipient { address: recipient.parse().unwrap(), notify: None, original: None }];
        let sender = ReversePath::Address(format!("app@{tenant}.example").parse().unwrap());
        Intake {
            wishes: Default::default(),
            origin: Origin::Submitted,
            submitter: Some(tenant.to_owned()),
            hop: hop(self.clock.now()),
            envelope: Envelope { sender, params: MailParams::default(), recipients },
            message: format!("From: app@{tenant}.example\r\nSubject: hello\r\n\r\nhello\r\n").into_bytes(),
        }
    }

    fn hold(&self) -> Option<Time> {
        (self.random.below(10) == 0).then(|| self.clock.now().plus(Duration::from_secs(self.random.below(20_000))))
    }

    /// What was promised so far.
    pub fn promised(&self) -> Vec<Promised> {
        self.promised.lock().unwrap().clone()
    }

    /// Lets time pass until nothing is left to be done.
    async fn settle(&self, start: &Start) {
        let deadline = Instant::now() + Duration::from_secs(8 * 86_400);
        while start.ledger.ready.in_memory().0 > 0
            || start.store.next_due().await.unwrap().is_some()
            || judge::unfinished(start, &self.promised()).await > 0
        {
            assert!(Instant::now() < deadline, "something is still waiting after eight days");
            tokio::time::sleep(Duration::from_secs(3_600)).await;
        }
    }
}

impl Start {
    /// As kill -9 does: whoever runs is cut where it stands.
    pub async fn kill(self, mut writers: JoinSet<()>) {
        writers.abort_all();
        while writers.join_next().await.is_some() {}
        drop(self.running);
        // The disk ends what it was doing.
        self.store.close().await;
    }
}

/// Tokio's time goes on by itself while a store is at work, and runs ahead again behind that; a runtime that is over
/// has none.
fn go_on() {
    if Handle::try_current().is_ok() {
        tokio::time::resume();
    }
}

fn run_ahead() {
    if Handle::try_current().is_ok() {
        tokio::time::pause();
    }
}

fn hop(at: Time) -> Hop {
    Hop {
        hello: Some("client.example".into()),
        address: Some("192.0.2.1".parse().unwrap()),
        by: "mail.house.example".parse().unwrap(),
        protocol: Protocol { esmtp: true, tls: true, authenticated: true, utf8: false },
        tls: None,
        at,
    }
}

/// Six domains on four hosts, two of them shared; one host is dead; one name answers for nobody.
fn zone() -> String {
    let mut zone = String::new();
    for (domain, hosts) in [
        ("d0.example", vec![(10, "mx1.example")]),
        ("d1.example", vec![(10, "mx1.example"), (20, "mx2.example")]),
        ("d2.example", vec![(10, "mx2.example"), (10, "mx3.example")]),
        ("d3.example", vec![(10, "dead.example"), (20, "mx3.example")]),
        ("d4.example", vec![(10, "dead.example")]),
        ("d5.example", vec![(0, ".")]),
        ("one.example", vec![(10, "home.example")]),
        ("two.example", vec![(10, "home.example")]),
    ] {
        for (preference, host) in hosts {
            zone.push_str(&format!("{domain}. 300 IN MX {preference} {host}{}\n", if host == "." { "" } else { "." }));
        }
    }
    for (host, address) in [
        ("mx1.example", "10.0.0.1".to_owned()),
        ("mx2.example", "10.0.0.2".to_owned()),
        ("mx3.example", "10.0.0.3".to_owned()),
        ("dead.example", DEAD.to_string()),
        ("home.example", HOME.to_string()),
    ] {
        zone.push_str(&format!("{host}. 300 IN A {address}\n"));
    }
    zone
}

fn opening(folder: &Path, clock: &Clock, random: &Random) -> Opening {
    Opening {
        location: Location::File(folder.join("gatepost.db")),
        read_connections: 1,
        write_connections: 1,
        master_key: Secret::new(vec![7; 32]),
        clock: clock.clone(),
        random: random.clone(),
    }
}

/// A folder whose files lie in memory, where the machine has such a place: a crash of ours does not lose what
/// the kernel has.
fn in_memory_folder() -> tempfile::TempDir {
    let place = PathBuf::from("/dev/shm");
    let place = if place.is_dir() { place } else { std::env::temp_dir() };
    tempfile::Builder::new().prefix("gatepost-sim-").tempdir_in(place).unwrap()
}

/// A fresh store with its tenants, made once: a copy is quicker than the migrations.
fn template() -> &'static [u8] {
    static MADE: OnceLock<Vec<u8>> = OnceLock::new();
    MADE.get_or_init(|| {
        std::thread::spawn(|| {
            let folder = in_memory_folder();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let store = Store::open(opening(folder.path(), &Clock::System, &Random::System)).await.unwrap();
                for name in ["one", "two", "default"] {
                    let id = id::new(START, &Random::System);
                    let tenant =
                        Tenant { id, name: name.into(), created_at: START, disabled_at: None, deleted_at: None };
                    store.write(Change::of(people::new_tenant(&tenant))).await.unwrap();
                }
                store.close().await;
            });
            std::fs::read(folder.path().join("gatepost.db")).unwrap()
        })
        .join()
        .unwrap()
    })
}

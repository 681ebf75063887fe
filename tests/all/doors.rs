//! The doors of the house as a client meets them: real sockets on 127.0.0.1, real TLS, a real control
//! socket. Nothing here waits for a fixed time; where time must pass, it is tokio's and set by hand.

mod bounds;
mod control;
mod http;
mod proxy;
mod smtp;
mod tls;

use arc_swap::ArcSwap;
use gatepost::base::budget::Budget;
use gatepost::base::clock::Clock;
use gatepost::base::metrics::Metrics;
use gatepost::base::random::Random;
use gatepost::base::ready::Readiness;
use gatepost::base::secret::Secret;
use gatepost::base::settings::read_json;
use gatepost::certs::{Certificates, Pair, Source, Tickets};
use gatepost::deliver::outcome::Replies;
use gatepost::dns::{self, Resolver, zone::Zone};
use gatepost::http::status::{self, Status};
use gatepost::model::directory::{Directory, DirectoryHandle};
use gatepost::net::bind::bind;
use gatepost::policy::limits::Limits;
use gatepost::policy::readiness::echo::Echo;
use gatepost::queue::ledger::Ledger;
use gatepost::receive::pipeline::Reception;
use gatepost::smtpd::settings::{Kind, PlainAuth, Tls};
use gatepost::store::{Store, dialect::Location, open::Opening};
use gatepost::submit::{login::Logins, pipeline::Submission};
use gatepost::{http as web, smtpd};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

fn any_port() -> TcpListener {
    bind("127.0.0.1:0".parse().unwrap()).unwrap()
}

fn made_in(directory: &Path) -> Pair {
    let hostname = "mail.example.com".parse().unwrap();
    Source::SelfSigned { hostname, data_dir: directory.to_owned() }.read().unwrap()
}

/// Rooms behind the doors that know nobody, with a store that is served by a runtime of its own: these
/// tests set the clock of theirs.
fn deciders_in(directory: &Path) -> smtpd::Deciders {
    let clock = Clock::System;
    let opening = Opening {
        location: Location::File(directory.join("gatepost.db")),
        read_connections: 1,
        write_connections: 1,
        master_key: Secret::new(vec![7; 32]),
        clock: clock.clone(),
        random: Random::System,
    };
    let (opened, store) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            opened.send(Store::open(opening).await.unwrap()).unwrap();
            std::future::pending::<()>().await;
        });
    });
    let handle = Arc::new(DirectoryHandle::new(Directory::default()));
    let ledger = Arc::new(Ledger {
        keyring: crate::stores::keyring(),
        keys: Default::default(),
        store: Arc::new(store.recv().unwrap()),
        directory: handle.clone(),
        settings: Arc::new(ArcSwap::from_pointee(read_json("{}", &[]).unwrap())),
        ready: crate::stores::ready(),
        lease: crate::stores::lease(),
        clock: clock.clone(),
        random: Random::System,
    });
    smtpd::Deciders {
        logins: Arc::new(Logins::new(handle.clone(), clock.clone(), Random::System, &Secret::new(vec![7; 32]))),
        directory: handle,
        submission: Submission::new(ledger.clone(), Limits::new(clock.clone())),
        reception: Reception::new(ledger, Arc::new(ArcSwap::new(Replies::built_in())), crate::stores::return_paths()),
        resolver: Resolver::new(dns::Source::Zone(Zone::default())),
        clock,
    }
}

/// What an SMTP door needs, with a certificate made in a directory of its own.
struct House {
    directory: tempfile::TempDir,
    context: smtpd::Context,
}

impl House {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let deciders = Arc::new(deciders_in(directory.path()));
        let certificates = Certificates::new(made_in(directory.path()));
        Self {
            context: smtpd::Context {
                certificates,
                deciders,
                bodies: Budget::new(1 << 20, "test"),
                clock: Clock::System,
                random: Random::System,
                transcripts: directory.path().join("transcripts"),
            },
            directory,
        }
    }

    fn open(&self, tls: Tls) -> smtpd::OpenListener {
        self.open_as(door(tls))
    }

    fn open_as(&self, door: smtpd::Door) -> smtpd::OpenListener {
        smtpd::open(any_port(), door, &self.context).unwrap()
    }
}

fn door(tls: Tls) -> smtpd::Door {
    let hostname = "mail.example.com".parse().unwrap();
    let (kind, plain_auth, tickets) = (Kind::Submission, PlainAuth::Tls, Tickets::One);
    let (proxies, transcripts) = (Vec::new(), Vec::new());
    let smtp = Arc::new(read_json("{}", &[]).unwrap());
    smtpd::Door { kind, tls, plain_auth, proxies, transcripts, bare_line_ends: None, tickets, hostname, smtp }
}

fn web_context() -> web::Context {
    Web::default().context()
}

#[derive(Default)]
struct Web {
    readiness: Readiness,
}

impl Web {
    fn context(&self) -> web::Context {
        let status = || Status {
            version: "0.1.0",
            phase: status::Phase::Running,
            started_at: "2026-10-29T03:44:39.000Z".into(),
            uptime_seconds: 7,
            ready: true,
            reasons: vec![],
            config: status::Config {
                file: None,
                generation: 3,
                loaded_at: String::new(),
                refused: None,
                left_out: vec![],
            },
            store: status::Store { engine: "sqlite".into(), state: "up".into(), reason: None },
            directory: Default::default(),
            delivery: None,
            listeners: vec![],
        };
        web::Context {
            readiness: self.readiness.clone(),
            metrics: Metrics::start(),
            status: Arc::new(status),
            settings: Arc::new(|| status::Settings { generation: 3, settings: vec![] }),
            clock: Clock::System,
            queue: std::sync::Arc::default(),
            tracking: std::sync::Arc::default(),
            echo: Echo::under(&Secret::new(vec![7; 32])),
            random: Random::System,
        }
    }
}

/// A client that says what it is told and hears whole replies.
struct Client<S> {
    stream: S,
    heard: Vec<u8>,
}

impl Client<TcpStream> {
    async fn at(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self::on(stream)
    }

    /// Connected and greeted.
    async fn greeted_at(address: SocketAddr) -> Self {
        let mut client = Self::at(address).await;
        assert_eq!(client.reply().await, "220 mail.example.com ESMTP Gatepost\r\n");
        client
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    fn on(stream: S) -> Self {
        Self { stream, heard: Vec::new() }
    }

    async fn say(&mut self, words: &[u8]) {
        self.stream.write_all(words).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// One reply, with all its lines; empty at the end of the connection.
    async fn reply(&mut self) -> String {
        let mut reply = String::new();
        loop {
            let line = self.line().await;
            let more = line.as_bytes().get(3) == Some(&b'-');
            reply.push_str(&line);
            if !more {
                return reply;
            }
        }
    }

    async fn line(&mut self) -> String {
        loop {
            if let Some(end) = self.heard.iter().position(|b| *b == b'\n') {
                let line = self.heard.drain(..=end).collect();
                return String::from_utf8(line).unwrap();
            }
            if self.stream.read_buf(&mut self.heard).await.unwrap_or(0) == 0 {
                return String::from_utf8(std::mem::take(&mut self.heard)).unwrap();
            }
        }
    }

    async fn ask(&mut self, command: &str) -> String {
        self.say(format!("{command}\r\n").as_bytes()).await;
        self.reply().await
    }

    /// Everything up to the end of the connection.
    async fn rest(mut self) -> String {
        let mut rest = std::mem::take(&mut self.heard);
        self.stream.read_to_end(&mut rest).await.unwrap();
        String::from_utf8(rest).unwrap()
    }
}

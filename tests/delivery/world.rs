//! A world for one story: mail hosts on addresses of this machine with one port, a zone file that names them,
//! and our daemon in the middle, whose submission door takes mail in the clear from this machine.

use super::sink::{Authority, Message, Offer, Sink};
use crate::running::{Daemon, Smtp, Yard, eventually};
use rusqlite::{Connection, OpenFlags};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, OnceLock};

/// Who sends, when nothing else is said; reports come back to this address.
pub const SENDER: &str = "app@example.com";

/// A message with all fields that a submission server would add.
pub const TEXT: &str = "From: App <app@example.com>\r\n\
    To: someone@far.example\r\n\
    Subject: hello\r\n\
    Date: Fri, 21 Nov 2025 08:00:00 +0000\r\n\
    Message-ID: <story@example.com>\r\n\
    \r\n\
    .\r\n\
    ..two dots\r\n\
    and the end\r\n\
    \r\n";

/// Of every mail host of every world in this process: their addresses differ.
fn port() -> u16 {
    static PORT: OnceLock<u16> = OnceLock::new();
    *PORT.get_or_init(crate::ports::known)
}

pub struct World {
    pub yard: Yard,
    pub authority: Authority,
    zone: RefCell<String>,
    delivery: RefCell<String>,
    domain: RefCell<String>,
    tables: RefCell<String>,
}

impl World {
    pub fn new() -> Self {
        Self {
            yard: Yard::empty(),
            authority: Authority::new(),
            zone: RefCell::default(),
            delivery: RefCell::new("retry = [\"1s\"]\n".to_owned()),
            domain: RefCell::default(),
            tables: RefCell::default(),
        }
    }

    // --- places ----------------------------------------------------------------------------------------

    /// The next address of this machine that nobody has.
    pub fn address(&self) -> SocketAddr {
        static HOSTS: AtomicU16 = AtomicU16::new(0);
        let [high, low] = (HOSTS.fetch_add(1, Ordering::Relaxed) + 1).to_be_bytes();
        (Ipv4Addr::new(127, 1, high, low), port()).into()
    }

    /// A host of this name.
    pub async fn host(&self, name: &str, offer: Offer) -> Sink {
        let address = self.address();
        self.zone(&format!("{name}. A {}", address.ip()));
        Sink::at(address, offer).await
    }

    /// The only mail host of a domain.
    pub async fn mx(&self, domain: &str, offer: Offer) -> Sink {
        self.zone(&format!("{domain}. MX 10 mx.{domain}."));
        self.host(&format!("mx.{domain}"), offer).await
    }

    /// A host where nobody listens.
    pub fn dead(&self, name: &str) {
        self.zone(&format!("{name}. A {}", self.address().ip()));
    }

    /// A line of the zone file.
    pub fn zone(&self, line: &str) {
        self.zone.borrow_mut().push_str(&format!("{line}\n"));
    }

    /// Where mail to our own domain goes, and with it every report to our senders.
    pub async fn home(&self) -> Sink {
        let sink = Sink::at(self.address(), Offer::usual()).await;
        self.relay("home", &sink, "tls = \"none\"");
        self.tables("[[route]]\nrecipient = \"*@example.com\"\nactions = [{ relay = \"home\" }]");
        sink
    }

    // --- our configuration -----------------------------------------------------------------------------

    /// All of `[delivery]` but its port.
    pub fn delivery(&self, lines: &str) {
        *self.delivery.borrow_mut() = format!("{lines}\n");
    }

    /// More of the domain from which mail is sent.
    pub fn domain(&self, lines: &str) {
        self.domain.borrow_mut().push_str(&format!("{lines}\n"));
    }

    pub fn tables(&self, lines: &str) {
        self.tables.borrow_mut().push_str(&format!("\n{lines}\n"));
    }

    /// A smarthost, by its address unless these lines name a host.
    pub fn relay(&self, name: &str, sink: &Sink, lines: &str) {
        let SocketAddr::V4(address) = sink.address else { panic!("a sink at {}", sink.address) };
        let host = if lines.contains("host = ") { String::new() } else { format!("host = \"{}\"\n", address.ip()) };
        self.tables(&format!("[[relay]]\nname = \"{name}\"\nport = {}\n{host}{lines}", address.port()));
    }

    /// All mail of our domain goes through it.
    pub fn smarthost(&self, sink: &Sink, lines: &str) {
        self.relay("upstream", sink, lines);
        self.domain("relay = \"upstream\"");
    }

    fn configuration(&self) -> String {
        let (delivery, domain, tables) = (self.delivery.borrow(), self.domain.borrow(), self.tables.borrow());
        format!(
            r#"
[dns]
zone_file = "world.zone"

[delivery]
port = {port}
{delivery}
[[listener]]
kind = "submission"
bind = ["127.0.0.1:0"]
plain_auth = "loopback"

[[http]]
bind = ["127.0.0.1:0"]

[[credential]]
username = "app"
networks = ["127.0.0.0/8"]
domains = ["example.com"]

[[domain]]
name = "example.com"
{domain}{tables}"#,
            port = port()
        )
    }

    /// Writes it all down anew, for a reload.
    pub fn write(&self, server: &str) {
        self.yard.write("world.zone", &self.zone.borrow());
        self.yard.write("authority.pem", &self.authority.pem());
        self.yard.configure_server(server, &self.configuration());
    }

    /// Our daemon in this world, which believes the world's authority.
    pub fn open(&self) -> House<'_> {
        self.open_with("")
    }

    /// With more lines under `[server]`.
    pub fn open_with(&self, server: &str) -> House<'_> {
        self.write(server);
        self.again()
    }

    /// The same house after its end.
    pub fn again(&self) -> House<'_> {
        let mut command = self.yard.command(&["serve"]);
        command.env("SSL_CERT_FILE", self.yard.path("authority.pem"));
        let daemon = self.yard.launch_as(command).ready();
        let door = daemon.address("submission");
        House { world: self, daemon, door }
    }
}

pub struct House<'a> {
    world: &'a World,
    pub daemon: Daemon,
    pub door: SocketAddr,
}

/// One message on its way to one recipient, as the store has it.
#[derive(Debug)]
pub struct Row {
    pub state: String,
    pub reason: Option<String>,
    pub attempts: i64,
}

/// One try, as the store has it.
#[derive(Debug)]
pub struct Try {
    pub number: i64,
    pub outcome: String,
    pub host: Option<String>,
    pub tls: Option<String>,
    pub reply: Option<String>,
    pub details: String,
}

impl House<'_> {
    // --- sending ---------------------------------------------------------------------------------------

    /// The usual message to these; its id.
    pub fn sends(&self, to: &[&str]) -> String {
        let to: Vec<String> = to.iter().map(|to| format!("<{to}>")).collect();
        self.submits(&format!("<{SENDER}>"), &to.iter().map(String::as_str).collect::<Vec<_>>(), TEXT)
    }

    /// A message with an envelope in the words of MAIL and RCPT; its id.
    pub fn submits(&self, from: &str, to: &[&str], text: &str) -> String {
        let mut client = self.client();
        self.submits_on(&mut client, from, to, text)
    }

    pub fn client(&self) -> Smtp {
        let mut client = Smtp::greeted(self.door);
        assert!(client.ask("EHLO client.example").starts_with("250"));
        client
    }

    /// Inside TLS, which some wishes need.
    pub fn private_client(&self) -> Smtp<impl Read + Write> {
        let mut client = self.client();
        assert!(client.ask("STARTTLS").starts_with("220"));
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.world.yard.path("data/tls/self-signed.pem")).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap();
        let config = config.with_root_certificates(roots).with_no_client_auth();
        let name = ServerName::try_from("mail.example.com").unwrap();
        let tls = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut client = Smtp::on(StreamOwned::new(tls, client.into_stream()));
        assert!(client.ask("EHLO client.example").starts_with("250"));
        client
    }

    pub fn submits_on<S: Read + Write>(&self, client: &mut Smtp<S>, from: &str, to: &[&str], text: &str) -> String {
        let taken = try_submits(client, from, to, text);
        taken.unwrap_or_else(|why| panic!("{why}\n{}", self.daemon.all()))
    }

    // --- what the store shows --------------------------------------------------------------------------

    fn store(&self) -> Connection {
        store(self.world)
    }

    pub fn row(&self, recipient: &str) -> Option<Row> {
        row(&self.store(), recipient)
    }

    /// Waits until the delivery to this recipient is in this state.
    pub fn comes_to(&self, recipient: &str, state: &str) -> Row {
        let there = || self.row(recipient).filter(|row| row.state == state);
        eventually(there).unwrap_or_else(|| {
            panic!(
                "{recipient}: {:?}, never {state}\n{:?}\n{}",
                self.row(recipient),
                self.tries(recipient),
                self.daemon.all()
            )
        })
    }

    /// Waits until a delivery has so many tries behind it.
    pub fn tried(&self, recipient: &str, times: usize) -> Vec<Try> {
        let tried = || Some(self.tries(recipient)).filter(|tries| tries.len() >= times);
        eventually(tried).unwrap_or_else(|| {
            panic!("{recipient}: never {times} tries: {:?}\n{}", self.tries(recipient), self.daemon.all())
        })
    }

    pub fn tries(&self, recipient: &str) -> Vec<Try> {
        let store = self.store();
        let sql = "SELECT number, outcome, host, tls, reply, attempts.details FROM attempts \
                   JOIN deliveries ON deliveries.id = delivery_id WHERE recipient = ?1 ORDER BY delivery_id, number";
        let mut question = store.prepare(sql).unwrap();
        let read = |row: &rusqlite::Row<'_>| {
            Ok(Try {
                number: row.get(0)?,
                outcome: row.get(1)?,
                host: row.get(2)?,
                tls: row.get(3)?,
                reply: row.get(4)?,
                details: row.get(5)?,
            })
        };
        question.query_map([recipient], read).unwrap().map(Result::unwrap).collect()
    }

    /// The events of this kind: their data.
    pub fn events(&self, kind: &str) -> Vec<String> {
        let store = self.store();
        let mut question = store.prepare("SELECT data FROM events WHERE kind = ?1 ORDER BY id").unwrap();
        question.query_map([kind], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    /// Waits until an event of this kind says this.
    pub fn event_comes(&self, kind: &str, words: &str) -> String {
        let there = || self.events(kind).into_iter().find(|data| data.contains(words));
        eventually(there)
            .unwrap_or_else(|| panic!("no {kind} says {words}: {:?}\n{}", self.events(kind), self.daemon.all()))
    }

    /// How many deliveries are in each state.
    pub fn count(&self, state: &str) -> i64 {
        self.store().query_row("SELECT count(*) FROM deliveries WHERE state = ?1", [state], |row| row.get(0)).unwrap()
    }

    /// Waits until nothing is left to be done; afterwards nothing more can happen.
    pub fn comes_to_rest(&self) {
        let sql = "SELECT count(*) FROM deliveries WHERE finished_at IS NULL";
        let left = || self.store().query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        eventually(|| (left() == 0).then_some(()))
            .unwrap_or_else(|| panic!("{} are left\n{}", left(), self.daemon.all()));
    }
}

pub fn store(world: &World) -> Connection {
    Connection::open_with_flags(world.yard.path("data/gatepost.db"), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()
}

fn row(store: &Connection, recipient: &str) -> Option<Row> {
    let sql = "SELECT state, reason, attempts FROM deliveries WHERE recipient = ?1 ORDER BY id";
    let read = |row: &rusqlite::Row<'_>| Ok(Row { state: row.get(0)?, reason: row.get(1)?, attempts: row.get(2)? });
    store.query_row(sql, [recipient], read).ok()
}

/// One message; its id, or the reply that was not the one that was due.
pub fn try_submits<S: Read + Write>(
    client: &mut Smtp<S>,
    from: &str,
    to: &[&str],
    text: &str,
) -> Result<String, String> {
    let mut asks = |command: String, code: &str| {
        let reply = client.ask(&command);
        if reply.starts_with(code) { Ok(reply) } else { Err(format!("{command}: {reply:?}")) }
    };
    asks(format!("MAIL FROM:{from}"), "250")?;
    for to in to {
        asks(format!("RCPT TO:{to}"), "250")?;
    }
    asks("DATA".to_owned(), "354")?;
    let stuffed = text.replace("\r\n.", "\r\n..");
    let reply = asks(format!("{stuffed}."), "250")?;
    Ok(reply.trim_end().rsplit(' ').next().unwrap_or_default().to_owned())
}

/// Our trace on top, and below it the message to the last byte.
pub fn is_below_our_trace(message: &Message, text: &str) {
    let whole = message.text();
    let own = whole.strip_suffix(text).unwrap_or_else(|| panic!("{whole}\n--- is not below a trace:\n{text}"));
    assert!(own.starts_with("Received: ") && own.ends_with("\r\n"), "{own}");
    assert!(!own.contains("\r\nReceived:"), "{own}");
}

/// A failure report (RFC 3464) about this recipient, to the sender, from nobody.
pub fn reports(message: &Message, recipient: &str, action: &str, status: &str) -> String {
    let text = message.text();
    assert_eq!(message.sender(), "", "{text}");
    assert_eq!(message.recipients(), [SENDER], "{text}");
    let upper = text.to_ascii_lowercase();
    for words in [
        "content-type: multipart/report".to_owned(),
        "report-type=delivery-status".trim_matches('"').to_owned(),
        format!("final-recipient: rfc822; {recipient}"),
        format!("action: {action}"),
        format!("status: {status}"),
        "auto-submitted: auto-".to_owned(),
    ] {
        let quoted = words.replace("=delivery-status", "=\"delivery-status\"");
        let spaceless = words.replace("rfc822; ", "rfc822;");
        assert!(
            [&words, &quoted, &spaceless].into_iter().any(|form| upper.contains(form.as_str())),
            "{words}?\n{text}"
        );
    }
    text
}

//! The servers that are measured, each with a queue of its own in an empty folder, both only accepting:
//! Gatepost's MX with a route that stores, and Postfix with every message held.

use crate::peers::Postfix;
use crate::warden::{self, Warded};
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

pub const RECIPIENT: &str = "someone@example.test";

const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    Gatepost,
    Postfix,
}

/// A server that accepts.
pub struct Accepting {
    server: Server,
    folder: PathBuf,
    pub address: SocketAddr,
    pub warded: Warded,
}

impl Server {
    /// Starts it with its queue in a folder of that name, and answers when it greets.
    pub fn start(self, image: &Path) -> Accepting {
        let folder = image.join(format!("{self:?}"));
        std::fs::create_dir(&folder).unwrap();
        let address = crate::ports::loopback();
        let mut command = match self {
            Self::Gatepost => gatepost(&folder, address),
            Self::Postfix => Postfix::below(&folder, address, &postfix()).master(),
        };
        let warded = Warded::start(command.current_dir(&folder));
        let accepting = Accepting { server: self, folder, address, warded };
        accepting.greets();
        accepting
    }
}

impl Accepting {
    fn greets(&self) {
        let deadline = Instant::now() + PATIENCE;
        let greeted = || {
            let stream = TcpStream::connect(self.address).ok()?;
            stream.set_read_timeout(Some(PATIENCE)).ok()?;
            let mut greeting = String::new();
            BufReader::new(stream).read_line(&mut greeting).ok()?;
            greeting.starts_with("220").then_some(())
        };
        while greeted().is_none() {
            assert!(Instant::now() < deadline, "{:?} does not greet at {}\n{}", self.server, self.address, self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends it; the CPU time that it used, and how many messages lie in its queue.
    pub fn stop(self) -> (Duration, usize) {
        let Self { server, folder, warded, .. } = self;
        let used = warded.stop();
        let kept = match server {
            Server::Gatepost => messages(&folder.join("data/gatepost.db")),
            Server::Postfix => {
                ["hold", "incoming", "active"].map(|queue| files(&folder.join("queue").join(queue))).iter().sum()
            }
        };
        std::fs::remove_dir_all(&folder).unwrap();
        (used, kept)
    }

    /// Its last words.
    pub fn log(&self) -> String {
        let log = std::fs::read_to_string(self.folder.join(warden::LOG)).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

fn certificate(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("certs/test-only-not-secret").join(name)
}

pub fn ca() -> PathBuf {
    certificate("test-ca.pem")
}

fn gatepost(folder: &Path, address: SocketAddr) -> Command {
    let (certificate, key) = (certificate("test-server.pem"), certificate("test-server.key"));
    let text = format!(
        r#"[server]
hostname = "mail.example.test"
data_dir = "data"

[tls]
certificate = {certificate:?}
key = {key:?}

[dns]
zone_file = "world.zone"

[smtp]
connections = 30000
messages_per_connection = 1000000

[[listener]]
kind = "mx"
bind = ["{address}"]

[[domain]]
name = "example.test"

[[route]]
recipient = "*@example.test"
actions = [{{ store = true }}]
"#
    );
    let path = folder.join("gatepost.toml");
    std::fs::write(&path, text).unwrap();
    // Where the senders' domain is looked up.
    std::fs::write(folder.join("world.zone"), "far.example. 300 IN MX 10 mx.far.example.\n").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatepost"));
    command.arg("serve").arg("--config").arg(path);
    command
}

/// Every message is held, the least that it can do with one; no limit, no logging of its own (a log in a
/// file would be one more process of its), no pause for a queue manager that has nothing to do, and room
/// for all sessions at once. It flushes each message before its 250, as it always does.
fn postfix() -> String {
    let (certificate, key) = (certificate("test-server.pem"), certificate("test-server.key"));
    format!(
        "maillog_file =
disable_dns_lookups = yes
default_process_limit = 200
in_flow_delay = 0
relay_domains = example.test
smtpd_recipient_restrictions = check_recipient_access static:HOLD, reject_unauth_destination
smtpd_client_connection_count_limit = 0
smtpd_tls_security_level = may
smtpd_tls_cert_file = {}
smtpd_tls_key_file = {}
",
        certificate.display(),
        key.display()
    )
}

fn messages(database: &Path) -> usize {
    let store = rusqlite::Connection::open(database).unwrap();
    let count = store.query_row("SELECT count(*) FROM messages", [], |row| row.get::<_, i64>(0)).unwrap();
    count as usize
}

fn files(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| if entry.path().is_dir() { files(&entry.path()) } else { 1 }).sum()
}

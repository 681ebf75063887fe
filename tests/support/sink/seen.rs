//! What a sink has seen: connections byte by byte, messages, and the faults of its clients.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use tokio::sync::watch;

#[derive(Default)]
pub struct Seen {
    pub connections: Vec<Connection>,
    /// In the order of their last dots, kept or not.
    pub messages: Vec<Message>,
    /// Rules that a client broke.
    pub faults: Vec<String>,
    /// Which of them the test has asked for: of two at a time the later may be kept first.
    pub(super) taken: BTreeSet<usize>,
}

pub struct Connection {
    pub peer: SocketAddr,
    /// What came and went, in order, inside TLS once there is TLS.
    pub spoken: Vec<Spoken>,
    pub tls: bool,
    /// The name that the client asked for in its handshake.
    pub server_name: Option<String>,
    /// The handshake failed, and why.
    pub handshake: Option<String>,
    pub ended: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spoken {
    /// A line of the client, with its line end.
    Command(Vec<u8>),
    /// The text of a message, as it was on the wire.
    Text(Vec<u8>),
    Reply(Vec<u8>),
}

#[derive(Clone, Debug)]
pub struct Message {
    /// Which connection it came on, from 0.
    pub connection: usize,
    /// The MAIL command without its verb: `FROM:<a@b> SIZE=…`.
    pub mail: String,
    /// The RCPT commands that were accepted, without their verb.
    pub rcpt: Vec<String>,
    /// Its bytes, dots unstuffed.
    pub bytes: Vec<u8>,
    pub tls: bool,
    /// Who had logged in.
    pub login: Option<String>,
    /// 0 when it came by DATA.
    pub chunks: usize,
    /// Whether it was taken; none while that is not decided.
    pub kept: Option<bool>,
    pub at: Instant,
}

impl Message {
    /// The reverse path without its brackets.
    pub fn sender(&self) -> &str {
        path(&self.mail)
    }

    pub fn recipients(&self) -> Vec<&str> {
        self.rcpt.iter().map(|rcpt| path(rcpt)).collect()
    }

    /// For looking at; its bytes may be anything.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// A field of its header, unfolded; none when it has none of this name.
    pub fn field(&self, name: &str) -> Option<String> {
        let text = self.text();
        let header = text.split("\r\n\r\n").next().unwrap_or_default().replace("\r\n ", " ").replace("\r\n\t", " ");
        let is_it = |line: &&str| line.split(':').next().is_some_and(|word| word.eq_ignore_ascii_case(name));
        header.split("\r\n").find(is_it).map(|line| line[name.len() + 1..].trim().to_owned())
    }
}

fn path(words: &str) -> &str {
    let from = words.find('<').map_or(0, |at| at + 1);
    let to = words.rfind('>').unwrap_or(words.len());
    words.get(from..to).unwrap_or_default()
}

impl Seen {
    pub fn kept(&self) -> impl Iterator<Item = &Message> {
        self.messages.iter().filter(|message| message.kept == Some(true))
    }

    pub fn commands(&self, begin: &str) -> Vec<String> {
        let lines = self.connections.iter().flat_map(|one| &one.spoken).filter_map(|spoken| match spoken {
            Spoken::Command(line) => Some(String::from_utf8_lossy(line).trim_end().to_owned()),
            Spoken::Text(_) | Spoken::Reply(_) => None,
        });
        let begins = |line: &String| line.get(..begin.len()).is_some_and(|word| word.eq_ignore_ascii_case(begin));
        lines.filter(begins).collect()
    }

    pub(super) fn connected(&mut self, peer: SocketAddr) -> usize {
        self.connections.push(Connection {
            peer,
            spoken: Vec::new(),
            tls: false,
            server_name: None,
            handshake: None,
            ended: false,
        });
        self.connections.len() - 1
    }

    pub fn transcript(&self) -> String {
        let mut all = String::new();
        for (number, connection) in self.connections.iter().enumerate() {
            let tls = if connection.tls { ", TLS" } else { "" };
            let ended = if connection.ended { "ended" } else { "open" };
            all += &format!("connection {number} of {}{tls}, {ended}\n", connection.peer);
            for spoken in &connection.spoken {
                let (who, bytes) = match spoken {
                    Spoken::Command(bytes) => ("C: ", bytes),
                    Spoken::Text(bytes) => ("C| ", bytes),
                    Spoken::Reply(bytes) => ("S: ", bytes),
                };
                let shown = &bytes[..bytes.len().min(SHOWN)];
                all += &format!("  {who}{}\n", shown.escape_ascii());
            }
            if let Some(why) = &connection.handshake {
                all += &format!("  handshake: {why}\n");
            }
        }
        all
    }
}

/// Of one line, in a transcript.
const SHOWN: usize = 400;

/// What was seen, for many readers, with a bell for each change.
pub(super) struct Book {
    seen: Mutex<Seen>,
    bell: watch::Sender<()>,
}

impl Default for Book {
    fn default() -> Self {
        Self { seen: Mutex::default(), bell: watch::Sender::new(()) }
    }
}

impl Book {
    pub fn read<T>(&self, look: impl FnOnce(&Seen) -> T) -> T {
        look(&self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn write<T>(&self, note: impl FnOnce(&mut Seen) -> T) -> T {
        let noted = note(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner));
        self.bell.send_replace(());
        noted
    }

    pub fn changes(&self) -> watch::Receiver<()> {
        self.bell.subscribe()
    }
}

//! The rest of the world: mail servers on a network in memory, each moody in its own way, and the record of what
//! they took.

use gatepost::base::random::Random;
use gatepost::net::dial::Knock;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream};
use tokio::sync::mpsc;

/// The host that takes every report, and never has a mood.
pub const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 99));
/// The host that answers nobody.
pub const DEAD: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 66));

/// What was said, line by line, for a seed that fails.
#[derive(Clone, Default)]
pub struct Transcript(Arc<Mutex<String>>);

impl Transcript {
    pub fn say(&self, who: &str, what: &str) {
        let mut text = self.0.lock().unwrap();
        if text.len() < 200_000 {
            text.push_str(&format!("{who}: {what}\n"));
        }
    }
}

impl std::fmt::Display for Transcript {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.lock().unwrap())
    }
}

/// A message that a server took for one recipient.
#[derive(Clone, Debug)]
pub struct Taken {
    pub recipient: String,
    /// Did it say so? What it took in silence may come again.
    pub answered: bool,
    pub message: Arc<Vec<u8>>,
}

#[derive(Clone, Default)]
pub struct Record(Arc<Mutex<Vec<Taken>>>);

impl Record {
    pub fn all(&self) -> Vec<Taken> {
        self.0.lock().unwrap().clone()
    }
}

/// How much trouble the world makes, in percent of the chances it has.
#[derive(Clone, Copy, Debug)]
pub struct Mood {
    pub trouble: u64,
    /// How long an answer takes when nothing is wrong.
    pub delay: Duration,
}

#[derive(Clone)]
pub struct Net {
    pub random: Random,
    pub mood: Mood,
    pub record: Record,
    pub transcript: Transcript,
}

/// Answers every knock, until nobody can knock any more.
pub async fn serve(net: Net, mut knocks: mpsc::Receiver<Knock>) {
    let mut served = 0_u64;
    while let Some(knock) = knocks.recv().await {
        served += 1;
        let address = knock.destination.to.ip();
        let name = format!("{served}@{address}");
        let net = Net { mood: if address == HOME { Mood { trouble: 0, ..net.mood } } else { net.mood }, ..net.clone() };
        if address == DEAD {
            // Neither yes nor no: the dialer's own patience ends it.
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_secs(900)).await;
                drop(knock);
            });
            continue;
        }
        if net.strikes(8) {
            net.transcript.say(&name, "refuses the connection");
            knock.refuse(io::ErrorKind::ConnectionRefused);
            continue;
        }
        let stream = knock.accept();
        tokio::spawn(async move {
            let mut server = Server { net, name, stream: BufReader::new(stream), said: String::new() };
            let ended = server.serve().await;
            server.net.transcript.say(&server.name, &format!("ends: {ended:?}"));
        });
    }
}

impl Net {
    /// Does one of so many percent of the troubles come now?
    fn strikes(&self, percent: u64) -> bool {
        self.random.below(10_000) < percent * self.mood.trouble
    }
}

struct Server {
    net: Net,
    name: String,
    stream: BufReader<DuplexStream>,
    /// Replies that wait to be sent together.
    said: String,
}

/// Why a connection is over.
#[derive(Debug)]
enum End {
    Quit,
    Mood,
    Gone,
}

impl From<io::Error> for End {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

impl Server {
    async fn serve(&mut self) -> Result<(), End> {
        if self.net.strikes(3) {
            tokio::time::sleep(Duration::from_secs(1_200)).await;
            return Err(End::Mood);
        }
        if self.net.strikes(5) {
            self.say("421 4.3.2 not now").await?;
            return Err(End::Mood);
        }
        self.say("220 remote.example ESMTP").await?;
        let mut recipients: Vec<String> = Vec::new();
        let mut has_sender = false;
        loop {
            let line = self.line().await?;
            let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
            match verb.as_str() {
                "EHLO" => {
                    self.say("250-remote.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES").await?
                }
                "RSET" => {
                    has_sender = false;
                    recipients.clear();
                    self.say("250 2.0.0 forgotten").await?;
                }
                "MAIL" if self.net.strikes(3) => {
                    self.say("421 4.7.0 too much from you, try again later").await?;
                    return Err(End::Mood);
                }
                "MAIL" if self.net.strikes(4) => self.say("451 4.3.0 not this one now").await?,
                "MAIL" => {
                    has_sender = true;
                    self.say("250 2.1.0 go on").await?;
                }
                "RCPT" if !has_sender => self.say("503 5.5.1 from whom?").await?,
                "RCPT" => {
                    let whom = line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
                    self.recipient(whom, &mut recipients).await?;
                }
                "DATA" if recipients.is_empty() => self.say("503 5.5.1 nobody to send to").await?,
                "DATA" => {
                    self.say("354 go on").await?;
                    let message = self.message().await?;
                    has_sender = false;
                    self.take(std::mem::take(&mut recipients), message).await?;
                }
                "QUIT" => {
                    self.say("221 2.0.0 bye").await?;
                    return Err(End::Quit);
                }
                _ => self.say("502 5.5.1 what?").await?,
            }
        }
    }

    async fn recipient(&mut self, whom: String, recipients: &mut Vec<String>) -> Result<(), End> {
        if whom.starts_with("nobody") {
            return self.say("550 5.1.1 nobody of that name").await;
        }
        if self.net.strikes(2) {
            return Err(End::Mood);
        }
        if self.net.strikes(14) {
            return self.say("451 4.2.1 mailbox busy").await;
        }
        if self.net.strikes(3) {
            return self.say("550 5.7.1 we do not like you").await;
        }
        recipients.push(whom);
        self.say("250 2.1.5 fine").await
    }

    /// The end of a message, and everything that can go wrong with it.
    async fn take(&mut self, recipients: Vec<String>, message: Vec<u8>) -> Result<(), End> {
        let message = Arc::new(message);
        if self.net.strikes(3) {
            return Err(End::Mood);
        }
        if self.net.strikes(4) {
            return self.say("451 4.3.0 disk busy").await;
        }
        if self.net.strikes(3) {
            return self.say("554 5.6.0 we do not like this").await;
        }
        let cut = self.net.strikes(4);
        let silent = self.net.strikes(2);
        let answered = !cut && !silent;
        for recipient in recipients {
            let message = message.clone();
            self.net.transcript.say(&self.name, &format!("took {recipient}, answered: {answered}"));
            self.net.record.0.lock().unwrap().push(Taken { recipient, answered, message });
        }
        if cut {
            return Err(End::Mood);
        }
        if silent {
            tokio::time::sleep(Duration::from_secs(1_200)).await;
            return Err(End::Mood);
        }
        self.say("250 2.0.0 taken").await
    }

    async fn say(&mut self, reply: &str) -> Result<(), End> {
        self.net.transcript.say(&self.name, &format!("S: {reply}"));
        tokio::time::sleep(self.net.mood.delay).await;
        self.said.clear();
        self.said.push_str(reply);
        self.said.push_str("\r\n");
        let said = std::mem::take(&mut self.said);
        self.stream.get_mut().write_all(said.as_bytes()).await?;
        Ok(())
    }

    async fn line(&mut self) -> Result<String, End> {
        let mut line = Vec::new();
        if self.stream.read_until(b'\n', &mut line).await? == 0 {
            return Err(End::Gone);
        }
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        self.net.transcript.say(&self.name, &format!("C: {line}"));
        Ok(line)
    }

    /// As it was before its dots were doubled.
    async fn message(&mut self) -> Result<Vec<u8>, End> {
        let mut message = Vec::new();
        loop {
            let start = message.len();
            if (&mut self.stream).take(1 << 20).read_until(b'\n', &mut message).await? == 0 {
                return Err(End::Gone);
            }
            if &message[start..] == b".\r\n" {
                message.truncate(start);
                return Ok(message);
            }
            if message[start] == b'.' {
                message.remove(start);
            }
        }
    }
}

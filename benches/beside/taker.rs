//! The smarthost of the relay bench: a process of its own, started as the bench again, that takes mail as fast
//! as it comes, counts it and throws it away. One thread, no work per message but finding its end; the same
//! for every server that is measured.

use nix::sys::resource::{UsageWho, getrusage};
use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

const WORD: &str = "taker";

/// Without anything new: then there will be no more.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where a signature begins, if there is one: behind the fields that hosts put on top.
const SIGNATURE_WITHIN: usize = 2048;

/// What it offers beside the usual.
pub const PIPELINING: &str = "PIPELINING";
pub const CHUNKING: &str = "CHUNKING";

/// A smarthost at work.
pub struct Taker {
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    pub address: SocketAddr,
}

/// What it has seen since it was told to forget.
#[derive(Clone, Copy, Default)]
pub struct Tally {
    pub messages: u64,
    /// Recipients that it answered 451.
    pub deferred: u64,
    /// Messages with a DKIM signature in their first bytes.
    pub signed: u64,
    pub connections: u64,
    /// Times that a client waited for it, and the messages, both behind the first message of a connection.
    pub turns: u64,
    pub warm: u64,
    /// From the first message to the last.
    pub between: Duration,
    /// Its own, since it began.
    pub cpu: Duration,
}

impl Taker {
    pub fn start(offers: &[&str]) -> Self {
        let address = crate::ports::loopback();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg(WORD).arg(address.to_string()).args(offers).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (orders, answers) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        let mut taker = Self { child, orders, answers, address };
        assert_eq!(taker.answer(), "ready");
        taker
    }

    fn order(&mut self, words: &str) {
        writeln!(self.orders.as_mut().unwrap(), "{words}").unwrap();
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Begins to count anew.
    pub fn forget(&mut self) {
        self.order("forget");
    }

    /// Every recipient gets 451, or nobody does.
    pub fn defers(&mut self, defers: bool) {
        self.order(if defers { "defer" } else { "take" });
    }

    /// Waits until it has taken so many messages since it forgot.
    pub fn took(&mut self, messages: usize) -> Tally {
        self.order(&format!("took {messages}"));
        let tally = self.tally();
        assert!(tally.messages >= messages as u64, "{} of {messages} messages arrived", tally.messages);
        tally
    }

    /// Waits until it has sent away so many.
    pub fn deferred(&mut self, recipients: usize) -> Tally {
        self.order(&format!("deferred {recipients}"));
        let tally = self.tally();
        assert!(tally.deferred >= recipients as u64, "{} of {recipients} were tried", tally.deferred);
        tally
    }

    fn tally(&mut self) -> Tally {
        let line = self.answer();
        let numbers: Vec<u64> = line.split(' ').map(|n| n.parse().unwrap_or_else(|_| panic!("{line:?}"))).collect();
        let [messages, deferred, signed, connections, turns, warm, between, cpu] = numbers[..] else {
            panic!("{line}")
        };
        let (between, cpu) = (Duration::from_micros(between), Duration::from_micros(cpu));
        Tally { messages, deferred, signed, connections, turns, warm, between, cpu }
    }
}

impl Drop for Taker {
    fn drop(&mut self) {
        drop(self.orders.take());
        let _ = self.child.wait();
    }
}

// --- the process ---------------------------------------------------------------------------------------

struct House {
    hello: Vec<u8>,
    tally: RefCell<Tally>,
    defers: RefCell<bool>,
    first: RefCell<Option<Instant>>,
    changed: Notify,
}

/// What the copy of the bench that is a smarthost does instead of all else.
pub fn serve_if_asked() {
    let mut words = std::env::args().skip(1);
    if words.next().is_none_or(|word| word != WORD) {
        return;
    }
    let address: SocketAddr = words.next().unwrap().parse().unwrap();
    let mut hello: String = words.map(|offer| format!("250-{offer}\r\n")).collect();
    hello += "250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250-DSN\r\n250 SIZE 52428800\r\n";
    let house = Rc::new(House {
        hello: ["250-taker.example\r\n", &hello].concat().into_bytes(),
        tally: RefCell::default(),
        defers: RefCell::new(false),
        first: RefCell::new(None),
        changed: Notify::new(),
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async move {
        let listener = TcpListener::bind(address).await.unwrap();
        println!("ready");
        let listening = house.clone();
        tokio::task::spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::task::spawn_local(session(stream, listening.clone()));
            }
        });
        obey(&house).await;
    });
    std::process::exit(0);
}

async fn obey(house: &House) {
    let mut orders = tokio::io::BufReader::new(tokio::fs::File::open("/dev/stdin").await.unwrap()).lines();
    while let Ok(Some(order)) = orders.next_line().await {
        let (word, count) = order.split_once(' ').unwrap_or((&order, "0"));
        let count: u64 = count.parse().unwrap_or(0);
        match word {
            "forget" => {
                *house.tally.borrow_mut() = Tally::default();
                *house.first.borrow_mut() = None;
            }
            "defer" | "take" => *house.defers.borrow_mut() = word == "defer",
            "took" => reached(house, |tally| tally.messages >= count).await,
            _ => reached(house, |tally| tally.deferred >= count).await,
        }
    }
}

async fn reached(house: &House, enough: impl Fn(&Tally) -> bool) {
    while !enough(&house.tally.borrow()) {
        if timeout(PATIENCE, house.changed.notified()).await.is_err() {
            break;
        }
    }
    let tally = *house.tally.borrow();
    let used = getrusage(UsageWho::RUSAGE_SELF).unwrap();
    let micros = |t: nix::sys::time::TimeVal| t.tv_sec() * 1_000_000 + t.tv_usec();
    let cpu = micros(used.user_time()) + micros(used.system_time());
    let Tally { messages, deferred, signed, connections, turns, warm, between, .. } = tally;
    println!("{messages} {deferred} {signed} {connections} {turns} {warm} {} {cpu}", between.as_micros());
}

impl House {
    fn took(&self, warm: bool) {
        let first = *self.first.borrow_mut().get_or_insert_with(Instant::now);
        let mut tally = self.tally.borrow_mut();
        tally.messages += 1;
        tally.warm += u64::from(warm);
        tally.between = first.elapsed();
        self.changed.notify_one();
    }
}

/// Where a session stands in what comes.
enum Reading {
    Lines,
    /// A message begins.
    Begin,
    Text,
    /// So many bytes of a chunk, and whether it is the last.
    Chunk(usize, bool),
}

struct Session {
    house: Rc<House>,
    reading: Reading,
    inbox: Vec<u8>,
    outbox: Vec<u8>,
    recipients: usize,
    messages: u64,
    over: bool,
}

async fn session(mut stream: TcpStream, house: Rc<House>) {
    let _ = stream.set_nodelay(true);
    house.tally.borrow_mut().connections += 1;
    let mut session = Session {
        house,
        reading: Reading::Lines,
        inbox: Vec::with_capacity(64 << 10),
        outbox: b"220 taker.example ESMTP\r\n".to_vec(),
        recipients: 0,
        messages: 0,
        over: false,
    };
    loop {
        let waited = !session.outbox.is_empty();
        if waited && stream.write_all(&session.outbox).await.is_err() || session.over {
            return;
        }
        session.outbox.clear();
        if !matches!(stream.read_buf(&mut session.inbox).await, Ok(1..)) {
            return;
        }
        // A client that had an answer before it went on has waited once.
        if waited && session.messages > 0 {
            session.house.tally.borrow_mut().turns += 1;
        }
        let mut used = 0;
        while let Some(step) = session.step(used) {
            used += step;
        }
        session.inbox.drain(..used);
    }
}

impl Session {
    /// Takes what stands there; how many bytes it was, none when more is needed.
    fn step(&mut self, from: usize) -> Option<usize> {
        let rest = &self.inbox[from..];
        match self.reading {
            Reading::Lines => {
                let end = memchr::memchr(b'\n', rest)? + 1;
                self.command(from, from + end);
                Some(end)
            }
            Reading::Begin if rest.is_empty() => None,
            Reading::Begin => {
                let first = &rest[..rest.len().min(SIGNATURE_WITHIN)];
                let is_signed = memchr::memmem::find(first, b"DKIM-Signature:").is_some();
                self.house.tally.borrow_mut().signed += u64::from(is_signed);
                self.reading = Reading::Text;
                Some(0)
            }
            Reading::Text if rest.starts_with(b".\r\n") => {
                self.whole();
                Some(3)
            }
            Reading::Text => match memchr::memmem::find(rest, b"\r\n.\r\n") {
                Some(at) => {
                    self.whole();
                    Some(at + 5)
                }
                // All but what may be the beginning of the end; at the beginning of a line it may be a dot.
                None => (rest.len() > 4).then(|| rest.len() - 4),
            },
            Reading::Chunk(size, last) => {
                if rest.len() < size {
                    return None;
                }
                self.reading = Reading::Lines;
                if last {
                    self.whole()
                } else {
                    self.say("250 2.0.0 more\r\n")
                }
                Some(size)
            }
        }
    }

    fn command(&mut self, from: usize, to: usize) {
        let line = &self.inbox[from..to];
        let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        match &verb[..] {
            b"EHLO" => self.outbox.extend_from_slice(&self.house.hello),
            b"MAIL" => {
                self.recipients = 0;
                self.say("250 2.1.0 ok\r\n");
            }
            b"RCPT" if *self.house.defers.borrow() => {
                self.house.tally.borrow_mut().deferred += 1;
                self.house.changed.notify_one();
                self.say("451 4.3.0 not now\r\n");
            }
            b"RCPT" => {
                self.recipients += 1;
                self.say("250 2.1.5 ok\r\n");
            }
            b"DATA" if self.recipients > 0 => {
                self.reading = Reading::Begin;
                self.say("354 go ahead\r\n");
            }
            b"DATA" => self.say("554 5.5.1 nobody\r\n"),
            b"BDAT" => {
                let words = String::from_utf8_lossy(&line[4..]).into_owned();
                let mut words = words.split_whitespace();
                let size = words.next().and_then(|size| size.parse().ok()).unwrap_or(0);
                self.reading = Reading::Chunk(size, words.next().is_some());
            }
            b"QUIT" => {
                self.over = true;
                self.say("221 2.0.0 bye\r\n");
            }
            _ => self.say("250 2.0.0 ok\r\n"),
        }
    }

    fn whole(&mut self) {
        self.reading = Reading::Lines;
        if self.recipients == 0 {
            return self.say("554 5.5.1 nobody\r\n");
        }
        self.house.took(self.messages > 0);
        self.messages += 1;
        self.recipients = 0;
        self.say("250 2.0.0 taken\r\n");
    }

    fn say(&mut self, reply: &str) {
        self.outbox.extend_from_slice(reply.as_bytes());
    }
}

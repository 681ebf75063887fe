//! A process of our own that writes mails and may die: the test program runs itself again, tells the
//! copy over a pipe what to write, and hears over another what the store answered. What it heard is then
//! held against the store: every answer must be true, whatever happened to the process or its disk.

use crate::faults::Faults;
use crate::mails::{self, Mails};
use crate::stores::{Fresh, PATIENCE};
use gatepost::base::id::{DeliveryId, MessageId};
use gatepost::base::random::Random;
use gatepost::model::delivery::State;
use gatepost::model::message::Form;
use gatepost::store::dialect::Location;
use gatepost::store::writer::Health;
use gatepost::store::{Store, StoreError};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc;
use std::time::Duration;

const PLACE: &str = "GATEPOST_TEST_WORKER";

/// The worker, seen from the test.
pub struct Worker {
    child: Child,
    stdin: ChildStdin,
    lines: mpsc::Receiver<String>,
    pub heard: Heard,
}

/// What the worker was answered.
#[derive(Default)]
pub struct Heard {
    pub accepted: Vec<Accepted>,
    pub refused: Vec<MessageId>,
    pub settled: Vec<DeliveryId>,
    pub unsettled: Vec<DeliveryId>,
}

pub struct Accepted {
    pub message: MessageId,
    pub delivery: DeliveryId,
    pub seed: u64,
    pub bytes: usize,
}

impl Worker {
    /// Starts one; its first word is "open", or "failed" and why.
    pub fn start(location: &Location, faults: Option<&Faults>) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command
            .args(["--exact", "worker::works_for_another_test", "--ignored", "--nocapture", "--test-threads=1"])
            .env(PLACE, place(location))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        if let Some(faults) = faults {
            faults.preload(&mut command);
        }
        let mut child = command.spawn().expect("this program runs");
        let stdin = child.stdin.take().expect("a piped stdin");
        let from = BufReader::new(child.stdout.take().expect("a piped stdout"));
        let (to, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in from.lines().map_while(Result::ok) {
                if to.send(line).is_err() {
                    break;
                }
            }
        });
        Self { child, stdin, lines, heard: Heard::default() }
    }

    pub fn started(location: &Location, faults: Option<&Faults>) -> Self {
        let mut worker = Self::start(location, faults);
        let word = worker.until("its opening", |line| line == "open" || line.starts_with("failed"));
        assert_eq!(word, "open");
        worker
    }

    pub fn tell(&mut self, what: &str) {
        writeln!(self.stdin, "{what}").expect("the worker listens");
    }

    /// Listens until a line like this comes.
    pub fn until(&mut self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        loop {
            let line = match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => line,
                Err(error) => panic!("waited for {what}: {error}"),
            };
            self.heard.note(&line);
            if wanted(&line) {
                return line;
            }
        }
    }

    pub fn until_accepted(&mut self, more: usize) {
        for _ in 0..more {
            self.until("an accepted mail", |line| line.starts_with("accepted "));
        }
    }

    /// `kill -9`, and everything that it had still said: a line is written only after the answer.
    pub fn kill(mut self) -> Heard {
        self.child.kill().expect("the worker is ours");
        self.child.wait().expect("the worker ends");
        while let Ok(line) = self.lines.recv() {
            self.heard.note(&line);
        }
        std::mem::take(&mut self.heard)
    }
}

/// A test that fails leaves no worker behind.
impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Heard {
    fn note(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["accepted", message, delivery, seed, bytes, "."] => self.accepted.push(Accepted {
                message: message.parse().expect("an id"),
                delivery: delivery.parse().expect("an id"),
                seed: seed.parse().expect("a number"),
                bytes: bytes.parse().expect("a number"),
            }),
            ["refused", message, "."] => self.refused.push(message.parse().expect("an id")),
            ["settled", delivery, "."] => self.settled.push(delivery.parse().expect("an id")),
            ["unsettled", delivery, "."] => self.unsettled.push(delivery.parse().expect("an id")),
            // Half a line: the worker died in the middle of it.
            _ => {}
        }
    }

    /// Holds every answer against the store.
    pub async fn check(&self, fresh: &Fresh, store: &Store) {
        let (settled, unsettled): (std::collections::HashSet<_>, std::collections::HashSet<_>) =
            (self.settled.iter().collect(), self.unsettled.iter().collect());
        for Accepted { message, delivery, seed, bytes } in &self.accepted {
            assert!(store.message(message).await.unwrap().is_some(), "{message} was accepted and is lost");
            let body = store.body(message, Form::Prepared).await.unwrap();
            assert!(body == Some(mails::body(&Random::seeded(*seed), *bytes)), "{message} lost its body");
            let [found] = store.deliveries_of(message, "").await.unwrap().try_into().expect("one delivery");
            assert_eq!(found.id, *delivery);
            let events = store.events_of(message, "").await.unwrap().len();
            let attempts = store.attempts_of(delivery.as_str(), 0).await.unwrap().len();
            if settled.contains(delivery) {
                assert_eq!((found.state, events, attempts), (State::Delivered, 2, 1), "{delivery} was settled");
            } else if unsettled.contains(delivery) {
                assert_eq!((found.state, events, attempts), (State::Leased, 1, 0), "{delivery} could not be settled");
            } else {
                assert!(matches!((found.state, events, attempts), (State::Leased, 1, 0) | (State::Delivered, 2, 1)));
            }
        }
        for (table, column) in
            [("messages", "id"), ("bodies", "message_id"), ("deliveries", "message_id"), ("events", "message_id")]
        {
            let there = fresh.texts(&format!("SELECT DISTINCT {column} FROM {table}")).await;
            for message in &self.refused {
                assert!(!there.contains(message.as_str()), "{message} was refused and left rows in {table}");
            }
        }
    }

    /// Opens the store anew, as the next start would, and checks.
    pub fn check_reopened(&self, fresh: &Fresh) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let store = fresh.open().await;
            crate::stores::until_up(&store).await;
            self.check(fresh, &store).await;
            store.close().await;
        });
    }
}

fn place(location: &Location) -> String {
    match location {
        Location::File(path) => format!("sqlite:{}", path.display()),
        Location::Server(url) => url.clone(),
    }
}

// --- and from inside -----------------------------------------------------------------------------------

#[test]
#[ignore = "the second process of other tests"]
fn works_for_another_test() {
    let Ok(place) = std::env::var(PLACE) else { return };
    let fresh = Fresh::at(Location::parse(&place, Path::new("/")).expect("the place of a store"));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    println!();
    if let Err(error) = runtime.block_on(work(&fresh)) {
        println!("failed {error}");
    }
}

/// Does what its stdin says, line by line, and ends with it.
async fn work(fresh: &Fresh) -> Result<(), StoreError> {
    let store = Arc::new(Store::open(fresh.opening()).await?);
    let lease = store.start_node("worker.example.com", "0").await?;
    let mails = Arc::new(Mails::new(lease));
    println!("open");
    let mut health = store.health();
    tokio::spawn(async move {
        loop {
            match &*health.borrow_and_update() {
                Health::Up => println!("up"),
                Health::Down { why } => println!("down {}", why.replace('\n', " ")),
            }
            if health.changed().await.is_err() {
                return;
            }
        }
    });
    let (to, mut lines) = tokio::sync::mpsc::channel(16);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if to.blocking_send(line).is_err() {
                return;
            }
        }
    });
    while let Some(line) = lines.recv().await {
        match line.split(' ').collect::<Vec<_>>().as_slice() {
            ["mails", count, writers, bytes] => {
                let number = |text: &str| text.parse::<i64>().expect("a number");
                let (store, mails) = (store.clone(), mails.clone());
                let (count, writers, bytes) = (number(count), number(writers), number(bytes) as usize);
                // Beside what was told before: those writers may wait for an answer for long.
                tokio::spawn(async move {
                    write_mails(&store, &mails, count, writers, bytes).await;
                    println!("done");
                });
            }
            ["purge"] => match store.purge_bodies(mails.clock.now()).await {
                Ok(rows) => println!("purged {rows}"),
                Err(error) => println!("unpurged {error}"),
            },
            _ => panic!("{line}?"),
        }
    }
    Ok(())
}

/// So many mails by so many writers, each accepted, told, settled, told.
async fn write_mails(store: &Arc<Store>, mails: &Arc<Mails>, count: i64, writers: i64, bytes: usize) {
    let left = Arc::new(AtomicI64::new(count));
    let writers: Vec<_> = (0..writers)
        .map(|_| {
            let (store, mails, left) = (store.clone(), mails.clone(), left.clone());
            tokio::spawn(async move {
                while left.fetch_sub(1, Ordering::Relaxed) > 0 {
                    write_mail(&store, &mails, bytes).await;
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.expect("a writer ends well");
    }
}

async fn write_mail(store: &Store, mails: &Mails, bytes: usize) {
    let seed = mails.random.below(u64::MAX);
    let mail = mails.mail(mails::body(&Random::seeded(seed), bytes));
    if let Err(error) = store.write(mail.accept.clone()).await {
        println!("refused {} .", mail.message);
        return rest_after(&error).await;
    }
    println!("accepted {} {} {seed} {bytes} .", mail.message, mail.delivery);
    match store.write(mails.settle(&mail, State::Delivered)).await {
        Ok(written) if written.stale.is_empty() => println!("settled {} .", mail.delivery),
        Ok(_) => panic!("{} belongs to nobody else", mail.delivery),
        Err(error) => {
            println!("unsettled {} .", mail.delivery);
            rest_after(&error).await;
        }
    }
}

/// A client that was told "later" does not come back in the same microsecond.
async fn rest_after(error: &StoreError) {
    assert!(error.is_temporary(), "a failing disk is no conflict: {error}");
    tokio::time::sleep(Duration::from_millis(10)).await;
}

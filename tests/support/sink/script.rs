//! The script: what happens at a moment of a session instead of what a good server would do.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// A moment at which the server has to say something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum At {
    Greeting,
    /// EHLO, HELO or LHLO.
    Hello,
    Starttls,
    Auth,
    Mail,
    /// Of this recipient; of any when it is empty.
    Rcpt(&'static str),
    Data,
    /// A chunk that is not the last.
    Chunk,
    /// The whole message is there: the dot, or the last chunk.
    Dot,
    /// LMTP: the answer behind the dot for this recipient; for any when it is empty.
    Copy(&'static str),
    Rset,
    Noop,
    Quit,
    /// The first command behind a message that has ended on the same connection, whichever command it is.
    Again,
}

/// What happens then.
#[derive(Clone)]
pub enum Act {
    /// This reply, of one or more lines, each with its code; the session goes on as the code has it.
    Say(String),
    SayAndClose(String),
    /// These bytes, whatever they are, for a reply.
    Raw(Vec<u8>),
    /// This reply, one byte at a time with a pause behind each.
    Slowly(String, Duration),
    /// `250-more` and never a last line, until the client has enough.
    Endless,
    /// Nothing, until the gate opens; then what happens by default.
    Wait(Gate),
    Close,
    /// Not even a FIN.
    Reset,
    /// At the dot: the message is kept, and the client never hears of it.
    KeepAndClose,
    KeepAndReset,
}

impl Act {
    pub fn say(reply: &str) -> Self {
        Self::Say(reply.to_owned())
    }

    pub fn say_and_close(reply: &str) -> Self {
        Self::SayAndClose(reply.to_owned())
    }

    /// One line of so many bytes, with its CRLF.
    pub fn line_of(bytes: usize, code: &str) -> Self {
        let text = vec![b'x'; bytes - code.len() - 3];
        Self::Raw([code.as_bytes(), b" ", &text, b"\r\n"].concat())
    }
}

struct Rule {
    at: At,
    act: Act,
    left: Option<usize>,
}

#[derive(Default)]
pub(super) struct Script(Mutex<Vec<Rule>>);

impl Script {
    pub fn add(&self, at: At, act: Act, left: Option<usize>) {
        self.rules().push(Rule { at, act, left });
    }

    pub fn clear(&self) {
        self.rules().clear();
    }

    /// What this moment brings, once.
    pub fn take(&self, at: &At) -> Option<Act> {
        let mut rules = self.rules();
        let rule = rules.iter_mut().find(|rule| rule.left != Some(0) && rule.at == *at)?;
        if let Some(left) = &mut rule.left {
            *left -= 1;
        }
        Some(rule.act.clone())
    }

    /// The same for the recipient that these words of RCPT name.
    pub fn take_for(&self, words: &str, at: fn(&'static str) -> At) -> Option<Act> {
        let mut rules = self.rules();
        let named = |name: &str| name.is_empty() || words.contains(&format!("<{name}>"));
        let rule = rules.iter_mut().find(|rule| match rule.at {
            At::Rcpt(name) | At::Copy(name) => rule.left != Some(0) && rule.at == at(name) && named(name),
            _ => false,
        })?;
        if let Some(left) = &mut rule.left {
            *left -= 1;
        }
        Some(rule.act.clone())
    }

    fn rules(&self) -> std::sync::MutexGuard<'_, Vec<Rule>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a session stands until the test opens it.
#[derive(Clone, Default)]
pub struct Gate {
    reached: Flag,
    open: Flag,
}

impl Gate {
    /// Waits until a session stands there.
    pub async fn reached(&self) {
        let reached = tokio::time::timeout(super::PATIENCE, self.reached.raised()).await;
        assert!(reached.is_ok(), "nobody came to the gate");
    }

    pub fn open(&self) {
        self.open.raise();
    }

    pub(super) async fn pass(&self) {
        self.reached.raise();
        self.open.raised().await;
    }
}

#[derive(Clone)]
struct Flag(Arc<watch::Sender<bool>>);

impl Default for Flag {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }
}

impl Flag {
    fn raise(&self) {
        self.0.send_replace(true);
    }

    async fn raised(&self) {
        // Its sender is here: it cannot go away.
        let _ = self.0.subscribe().wait_for(|raised| *raised).await;
    }
}

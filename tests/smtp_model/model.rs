//! The server as the RFCs have it, as simple as it can be said: one phrase in, the codes of its replies
//! out. It knows nothing of `smtp::session`, keeps every byte, and does nothing fast.

use super::line_ends::{Bare, has_bare, split_crlf, with_crlf};
use super::phrases::{Mail, Means, Phrase, Rcpt};

pub const MESSAGE_BYTES_MAX: usize = 400;
pub const RECIPIENTS_MAX: usize = 3;
pub const MESSAGES_MAX: u32 = 3;
const ERRORS_MAX: u32 = 20;
const COMMANDS_MAX: u32 = 200;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    Mx,
    /// AUTH is offered in TLS only.
    Submission,
    /// AUTH is offered in clear, too: to this machine.
    Loopback,
    /// The same to a host of a credential's network, which needs no login.
    Network,
    Implicit,
}

impl Door {
    pub const ALL: [Self; 5] = [Self::Mx, Self::Submission, Self::Loopback, Self::Network, Self::Implicit];

    pub fn is_for_submission(self) -> bool {
        self != Self::Mx
    }

    pub fn needs_login(self) -> bool {
        self.is_for_submission() && self != Self::Network
    }
}

/// What one phrase leads to: codes with their enhanced codes, in their order. Where `|` stands, either.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Heard {
    pub replies: Vec<&'static str>,
    pub then: Then,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Then {
    #[default]
    Listen,
    Tls,
    Close,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub sender: String,
    pub recipients: Vec<String>,
    pub bytes: Vec<u8>,
}

pub struct Model {
    pub(super) door: Door,
    pub tls: bool,
    pub esmtp: Option<bool>,
    pub logged_in: bool,
    pub at: At,
    pub(super) errors: u32,
    pub(super) commands: u32,
    pub(super) messages: u32,
    /// What whoever decides is asked to take.
    pub handed_over: Vec<Message>,
}

#[derive(Debug, PartialEq, Eq)]
pub enum At {
    Start,
    Transaction(Transaction),
    Data(Transaction, Vec<u8>),
    Chunk { transaction: Option<Transaction>, left: usize, bytes: Vec<u8>, last: bool, refused: Option<&'static str> },
    Dialogue(Dialogue),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    pub(super) mail: Mail,
    pub recipients: Vec<&'static str>,
    pub(super) refused: bool,
    pub chunks: Chunks,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chunks {
    None,
    Some(Vec<u8>),
    Refused,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialogue {
    Plain,
    LoginName,
    LoginPassword,
    ScramFirst,
    ScramFinal,
    ScramEnd,
}

impl Model {
    pub fn new(door: Door) -> Self {
        Self {
            door,
            tls: door == Door::Implicit,
            esmtp: None,
            logged_in: false,
            at: At::Start,
            errors: 0,
            commands: 0,
            messages: 0,
            handed_over: Vec::new(),
        }
    }

    pub fn hear(&mut self, phrase: &Phrase) -> Heard {
        let mut heard = Heard::default();
        let mut is_command = false;
        match std::mem::replace(&mut self.at, At::Start) {
            At::Data(transaction, mut raw) => {
                raw.extend_from_slice(&phrase.wire);
                self.hear_data(transaction, raw, &mut heard);
            }
            At::Chunk { transaction, left, mut bytes, last, refused } => {
                bytes.extend_from_slice(&phrase.wire);
                let left = left.checked_sub(phrase.wire.len()).expect("a chunk is some whole phrases");
                self.hear_chunk(transaction, left, bytes, last, refused, &mut heard);
            }
            // Inside a line a CR or LF that stands alone is the end, whatever the line is.
            at if phrase.means == Means::Bare => {
                self.at = at;
                (heard.replies, heard.then) = (vec!["521 5.5.2"], Then::Close);
            }
            At::Dialogue(dialogue) => self.hear_response(dialogue, phrase, &mut heard),
            at => {
                self.at = at;
                self.commands += 1;
                is_command = true;
                self.hear_command(&phrase.means, &mut heard);
            }
        }
        self.errors += heard.replies.iter().filter(|reply| reply.starts_with('5')).count() as u32;
        if heard.then == Then::Listen && (is_command || !heard.replies.is_empty()) {
            self.lose_patience(&mut heard);
        }
        heard
    }

    fn lose_patience(&self, heard: &mut Heard) {
        if self.errors >= ERRORS_MAX || self.commands >= COMMANDS_MAX {
            heard.replies.push("421 4.7.0");
            heard.then = Then::Close;
        }
    }

    fn hear_command(&mut self, means: &Means, heard: &mut Heard) {
        let reply = match means {
            Means::Always(reply) => reply,
            // Text, where no dialogue is under way.
            Means::ScramFinal { .. } => "500 5.5.2",
            Means::Ehlo | Means::Helo => {
                // RFC 5321 4.1.4: it clears the transaction, and not the login (RFC 4954 4).
                self.at = At::Start;
                self.esmtp = Some(*means == Means::Ehlo);
                self.offered(*means == Means::Ehlo)
            }
            Means::Rset => {
                self.at = At::Start;
                "250 2.0.0"
            }
            Means::Mail(mail) => self.hear_mail(mail),
            Means::Rcpt(rcpt) => self.hear_rcpt(rcpt),
            Means::Data => self.begin_data(),
            Means::Chunk { bytes, last } => return self.begin_chunk(*bytes, *last, heard),
            Means::HugeChunk => {
                heard.then = Then::Close;
                "552 5.3.4"
            }
            Means::Auth(auth) => self.hear_auth(auth),
            Means::StartTls => return self.start_tls(heard),
            Means::Quit => {
                heard.then = Then::Close;
                "221 2.0.0"
            }
            Means::Bare => "521 5.5.2",
        };
        if reply.starts_with("421") {
            heard.then = Then::Close;
        }
        heard.replies.push(reply);
    }

    /// The keywords that come and go.
    fn offered(&self, esmtp: bool) -> &'static str {
        match (esmtp, self.door, self.tls) {
            (false, ..) => "250",
            (true, Door::Mx, false) => "250 STARTTLS",
            (true, Door::Mx, true) => "250 REQUIRETLS",
            (true, Door::Submission, false) => "250 STARTTLS FUTURERELEASE",
            (true, Door::Loopback | Door::Network, false) => "250 STARTTLS AUTH FUTURERELEASE",
            (true, _, true) => "250 REQUIRETLS AUTH FUTURERELEASE",
            (true, Door::Implicit, false) => unreachable!("always TLS"),
        }
    }

    /// RFC 3207 4.2: all that was said in clear is forgotten.
    fn start_tls(&mut self, heard: &mut Heard) {
        if self.tls {
            return heard.replies.push("503 5.5.1");
        }
        (self.tls, self.esmtp, self.logged_in, self.at) = (true, None, false, At::Start);
        (heard.replies, heard.then) = (vec!["220 2.0.0"], Then::Tls);
    }

    fn hear_mail(&mut self, mail: &Mail) -> &'static str {
        let submission = self.door.is_for_submission();
        let local = mail.sender.split('@').next().unwrap_or_default();
        match mail {
            _ if self.esmtp.is_none() || self.at != At::Start => "503 5.5.1",
            _ if self.door.needs_login() && !self.logged_in => "530 5.7.0",
            _ if self.messages >= MESSAGES_MAX => "421 4.7.0",
            Mail { wrong: Some(reply), .. } => reply,
            // RFC 5321 4.1.1.11: parameters of what is not offered here are not known.
            Mail { submitter: true, .. } if !submission => "555 5.5.4",
            // RFC 8689 4.1
            Mail { requires_tls: true, .. } if !self.tls => "530 5.7.10",
            _ if decision(local).is_some() => decision(local).unwrap_or_default(),
            _ => {
                let (mail, recipients) = (mail.clone(), Vec::new());
                self.at = At::Transaction(Transaction { mail, recipients, refused: false, chunks: Chunks::None });
                "250 2.1.0"
            }
        }
    }

    fn hear_rcpt(&mut self, rcpt: &Rcpt) -> &'static str {
        let At::Transaction(transaction) = &mut self.at else { return "503 5.5.1" };
        if transaction.chunks != Chunks::None {
            return "503 5.5.1";
        }
        let local = rcpt.address.split('@').next().unwrap_or_default();
        let reply = match rcpt {
            // RFC 5321 4.5.3.1.10
            _ if transaction.recipients.len() >= RECIPIENTS_MAX => "452 4.5.3",
            Rcpt { wrong: Some(reply), .. } => reply,
            // RFC 6531 3.5
            _ if !rcpt.address.is_ascii() && !transaction.mail.utf8 => "553 5.6.7",
            _ => decision(local).unwrap_or("250 2.1.5"),
        };
        if !reply.starts_with('2') {
            transaction.refused = true;
        } else if !transaction.recipients.contains(&rcpt.address) {
            transaction.recipients.push(rcpt.address);
        }
        reply
    }

    fn begin_data(&mut self) -> &'static str {
        let At::Transaction(transaction) = &self.at else { return "503 5.5.1" };
        // RFC 3030 2, 3: not among chunks, not for a binary message.
        if transaction.chunks != Chunks::None || transaction.mail.binary {
            return "503 5.5.1";
        }
        if let Some(reply) = transaction.nobody() {
            return reply;
        }
        // The CRLF of the command itself is the first half of a possible end.
        self.at = At::Data(transaction.clone(), b"\r\n".to_vec());
        "354"
    }

    pub(super) fn bare(&self, transaction: &Transaction) -> Bare {
        match self.door {
            _ if transaction.mail.binary => Bare::Stays,
            Door::Mx => Bare::IsRefused,
            _ => Bare::BecomesCrlf,
        }
    }

    /// RFC 5321 4.1.1.4, 4.5.2: the end is CRLF.CRLF, and a first dot of a line is not the message's.
    fn hear_data(&mut self, transaction: Transaction, raw: Vec<u8>, heard: &mut Heard) {
        let Some(end) = raw.windows(5).position(|five| five == b"\r\n.\r\n") else {
            self.at = At::Data(transaction, raw);
            return;
        };
        assert_eq!(end + 5, raw.len(), "a phrase ends where the data ends");
        let lines = split_crlf(&raw[2..end + 2]);
        let undotted = lines.map(|line| line.strip_prefix(b".").unwrap_or(line)).collect::<Vec<_>>().concat();
        let bare = self.bare(&transaction);
        let (stands_alone, kept) = (has_bare(&undotted), with_crlf(&undotted, bare));
        let reply = match (bare == Bare::IsRefused && stands_alone, kept.len() > MESSAGE_BYTES_MAX) {
            // Which was met first is not the RFCs' matter.
            (true, true) => "550 5.5.2|552 5.3.4",
            (true, false) => "550 5.5.2",
            (false, true) => "552 5.3.4",
            (false, false) => self.hand_over(transaction, kept),
        };
        heard.replies.push(reply);
    }

    pub(super) fn hand_over(&mut self, transaction: Transaction, bytes: Vec<u8>) -> &'static str {
        let Transaction { mail, recipients, .. } = transaction;
        let recipients = recipients.into_iter().map(str::to_owned).collect();
        self.handed_over.push(Message { sender: mail.sender.to_owned(), recipients, bytes });
        let verdict = verdict(mail.sender);
        if verdict.starts_with('2') {
            self.messages += 1;
            self.commands = 0;
        }
        verdict
    }
}

impl Transaction {
    /// RFC 5321 3.3: a message is for somebody.
    pub(super) fn nobody(&self) -> Option<&'static str> {
        let why = if self.refused { "554 5.5.1" } else { "503 5.5.1" };
        self.recipients.is_empty().then_some(why)
    }
}

/// How senders and recipients of these names are met.
pub fn decision(local: &str) -> Option<&'static str> {
    match local {
        "no" => Some("550 5.1.1"),
        "later" => Some("450 4.2.1"),
        "away" => Some("421 4.3.2"),
        _ => None,
    }
}

/// How a message from this sender is met at its end.
pub fn verdict(sender: &str) -> &'static str {
    match sender {
        "refused@far.example" => "554 5.7.1",
        "deferred@far.example" => "451 4.3.0",
        _ => "250 2.0.0",
    }
}

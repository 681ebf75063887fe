//! One client's conversation with us, as a state machine without I/O.
//!
//! Bytes lie in `Lines`, replies go into a buffer. `proceed` answers as much as it can and says what it
//! needs next: more bytes, a handshake, or a decision (`Ask`), which comes back through `take`. In one
//! state it reads lines, in another the data of a message: which, only the state says.
//!
//! After any refusal the transaction is either as it was or gone, never half of it (RFC 5321 4.1.4).

mod auth;
mod message;

use super::command::{self, Chunk, Known, Verb};
use super::data::Receiver;
use super::extension::{Admission, Auth, Channel, Offer, Role};
use super::line::{Line, Lines};
use super::reply::Reply;
use super::sasl::{Claim, Exchange, ScramKeys};
use crate::base::clock::Clock;
use crate::base::limits;
use crate::base::random::Random;
use crate::mail::envelope::{BodyType, Envelope, MailParams, Recipient, ReversePath};

/// What the conversation needs next.
#[derive(Debug)]
pub enum Step {
    /// More bytes: everything that has come is answered.
    Hear,
    /// A decision: ours goes on when `take` brings it.
    Ask(Ask),
    /// Flush, then take the client's handshake, then `secure`.
    StartTls,
    /// Flush, then close.
    Close(Close),
}

/// What only the rooms above can decide.
#[derive(Debug)]
pub enum Ask {
    Login(Claim),
    /// SCRAM's keys of this login.
    Keys(String),
    Sender(ReversePath, MailParams),
    Recipient(Recipient),
    /// A whole message. Whoever answers Ok has it on disk.
    Message(Envelope, Vec<u8>),
}

/// The decision, in the order of the asks. A reply of 421 also closes.
#[derive(Debug)]
pub enum Answer {
    Login(Result<(), Reply>),
    Keys(ScramKeys),
    Sender(Result<(), Reply>),
    Recipient(Result<(), Reply>),
    /// Both ways a reply: the 250 names the message.
    Message(Result<Reply, Reply>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    Quit,
    TooManyErrors,
    TooManyCommands,
    BareCrOrLf,
    EndlessLine,
    EndlessData,
    /// A decision was to close.
    Decided,
}

/// As what the next bytes are heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hearing {
    Commands,
    /// The lines of AUTH: all of them secret.
    Dialogue,
    Message,
}

/// Where the conversation stands.
#[derive(Debug)]
enum State {
    /// Commands, outside of a transaction.
    Idle,
    Transaction(Transaction),
    /// Behind 354.
    Data(Transaction, Receiver),
    /// Inside a chunk, of which so many bytes are to come.
    Chunk(Box<Transaction>, u64, Chunk),
    /// Inside a chunk that was refused: its bytes are thrown away.
    Refused(Option<Box<Transaction>>, u64, Reply),
    Exchange(Exchange),
    /// SCRAM's last word is out: an empty response must follow.
    Farewell,
    Asked(Asked),
    /// Only inside `proceed` and `take`, between two states.
    Moving,
}

/// What is decided above, and what goes on then.
#[derive(Debug)]
enum Asked {
    Login { farewell: Option<Vec<u8>> },
    Keys(Exchange),
    Sender(ReversePath, MailParams),
    Recipient(Transaction, Recipient),
    Message,
}

/// RFC 5321 3.3: from MAIL on.
#[derive(Debug)]
struct Transaction {
    envelope: Envelope,
    /// Recipients that were named and refused.
    refused: u32,
    chunks: Chunks,
}

/// RFC 3030 2: what BDAT has brought so far.
#[derive(Debug)]
enum Chunks {
    None,
    Some {
        receiver: Box<Receiver>,
        count: u32,
    },
    /// One was refused: so are all that follow, until the transaction is over.
    Refused,
}

pub struct Session {
    offer: Offer,
    clock: Clock,
    random: Random,
    state: State,
    hello: Option<Hello>,
    logged_in: bool,
    messages: u32,
    recipients: u32,
    commands: u32,
    /// Of these, since the last message.
    idle_commands: u32,
    errors: u32,
}

/// What the client called itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    pub name: String,
    pub esmtp: bool,
}

impl Session {
    pub fn new(offer: Offer, clock: Clock, random: Random) -> Self {
        let state = State::Idle;
        Self {
            offer,
            clock,
            random,
            state,
            hello: None,
            logged_in: false,
            messages: 0,
            recipients: 0,
            commands: 0,
            idle_commands: 0,
            errors: 0,
        }
    }

    pub fn hello(&self) -> Option<&Hello> {
        self.hello.as_ref()
    }

    pub fn commands(&self) -> u32 {
        self.commands
    }

    pub fn errors(&self) -> u32 {
        self.errors
    }

    pub fn messages(&self) -> u32 {
        self.messages
    }

    pub fn channel(&self) -> Channel {
        self.offer.channel
    }

    /// What the transaction at hand has, for whoever decides about its next recipient.
    pub fn envelope(&self) -> Option<&Envelope> {
        match &self.state {
            State::Transaction(transaction) | State::Data(transaction, _) => Some(&transaction.envelope),
            State::Asked(Asked::Recipient(transaction, _)) => Some(&transaction.envelope),
            State::Chunk(transaction, ..) => Some(&transaction.envelope),
            _ => None,
        }
    }

    /// Is a message coming in, and how much of it is held in memory?
    pub fn receiving(&self) -> Option<usize> {
        match &self.state {
            State::Data(_, receiver) => Some(receiver.held()),
            State::Chunk(transaction, ..) | State::Refused(Some(transaction), ..) => Some(transaction.held()),
            State::Refused(None, ..) => Some(0),
            _ => None,
        }
    }

    /// What the transaction holds in memory, whether or not bytes of a message come now.
    pub fn held(&self) -> usize {
        match &self.state {
            State::Transaction(transaction) => transaction.held(),
            State::Asked(Asked::Recipient(transaction, _)) => transaction.held(),
            _ => self.receiving().unwrap_or(0),
        }
    }

    /// RFC 5321 4.2: the first word is ours.
    pub fn greet(&self, out: &mut Vec<u8>) {
        Reply::plain(220, "").write_with(&format!("{} ESMTP Gatepost", self.offer.hostname), out);
    }

    /// RFC 5321 3.8: a server that must shut down says 421, whatever was asked or not.
    pub fn say_closing(&self, out: &mut Vec<u8>) {
        let text = format!("{} is closing, come again", self.offer.hostname);
        Reply::with(421, 3, 2, text).write(out);
    }

    /// RFC 5321 4.5.3.2.7
    pub fn say_too_slow(&self, out: &mut Vec<u8>) {
        Reply::with(421, 4, 2, format!("{} closes: that took too long", self.offer.hostname)).write(out);
    }

    /// RFC 3207 4.2: what was said in the clear is forgotten. Only our patience is not.
    pub fn secure(&mut self, offer: Offer) {
        self.offer = offer;
        self.state = State::Idle;
        self.hello = None;
        self.logged_in = false;
    }

    /// How the next bytes are heard.
    pub fn hearing(&self) -> Hearing {
        match self.state {
            State::Exchange(_) | State::Farewell => Hearing::Dialogue,
            _ if self.receiving().is_some() => Hearing::Message,
            _ => Hearing::Commands,
        }
    }

    /// Answers what has come, until something is needed.
    pub fn proceed(&mut self, lines: &mut Lines, out: &mut Vec<u8>) -> Step {
        loop {
            if let Some(step) = self.proceed_once(lines, out) {
                return step;
            }
        }
    }

    /// Answers one line, or what has come of a message. None: it goes on at once.
    pub fn proceed_once(&mut self, lines: &mut Lines, out: &mut Vec<u8>) -> Option<Step> {
        let step = match &self.state {
            State::Data(..) => self.hear_data(lines, out),
            State::Chunk(..) => self.hear_chunk(lines, out),
            State::Refused(..) => self.swallow_chunk(lines, out),
            _ => {
                let max = match self.hearing() {
                    Hearing::Dialogue => limits::AUTH_LINE_BYTES_MAX,
                    _ => command::line_bytes_max(lines.unread()),
                };
                match lines.next(max) {
                    Some(line) => self.hear_line(line, out),
                    None => Some(Step::Hear),
                }
            }
        };
        step.or_else(|| self.lose_patience(out))
    }

    /// A decision that was asked for.
    pub fn take(&mut self, answer: Answer, out: &mut Vec<u8>) -> Option<Step> {
        let State::Asked(asked) = std::mem::replace(&mut self.state, State::Moving) else {
            return self.give_up(out);
        };
        self.state = State::Idle;
        let step = match (asked, answer) {
            (Asked::Login { farewell }, Answer::Login(result)) => self.take_login(result, farewell, out),
            (Asked::Keys(exchange), Answer::Keys(keys)) => self.progress(exchange.take_keys(keys), out),
            (Asked::Sender(sender, params), Answer::Sender(result)) => self.take_sender(sender, params, result, out),
            (Asked::Recipient(transaction, recipient), Answer::Recipient(result)) => {
                self.take_recipient(transaction, recipient, result, out)
            }
            (Asked::Message, Answer::Message(result)) => self.take_message(result, out),
            _ => self.give_up(out),
        };
        step.or_else(|| self.lose_patience(out))
    }

    /// An answer to something that was not asked: a mistake of ours, and the end of this connection only.
    fn give_up(&mut self, out: &mut Vec<u8>) -> Option<Step> {
        self.state = State::Idle;
        Reply::new(421, 3, 0, "internal error, closing").write(out);
        Some(Step::Close(Close::Decided))
    }

    fn count_command(&mut self) {
        self.commands += 1;
        self.idle_commands += 1;
    }

    /// Writes a reply; a client that makes mistakes has only so many.
    fn say(&mut self, reply: &Reply, out: &mut Vec<u8>) -> Option<Step> {
        if reply.code() >= 500 {
            self.errors += 1;
        }
        reply.write(out);
        reply.closes().then_some(Step::Close(Close::Decided))
    }

    fn lose_patience(&mut self, out: &mut Vec<u8>) -> Option<Step> {
        let (text, close) = if self.errors >= limits::COMMAND_ERRORS_MAX {
            ("too many errors, closing", Close::TooManyErrors)
        } else if self.idle_commands >= limits::COMMANDS_WITHOUT_MAIL_MAX {
            ("too many commands without mail, closing", Close::TooManyCommands)
        } else {
            return None;
        };
        Reply::new(421, 7, 0, text).write(out);
        Some(Step::Close(close))
    }

    fn hear_line(&mut self, line: Line<'_>, out: &mut Vec<u8>) -> Option<Step> {
        match line {
            Line::Whole(bytes) if matches!(self.state, State::Exchange(_) | State::Farewell) => {
                self.hear_response(bytes, out)
            }
            Line::Whole(bytes) => self.hear_command(bytes, out),
            Line::TooLong => {
                self.count_command();
                self.leave_exchange();
                self.say(&Reply::new(500, 5, 2, "line too long"), out)
            }
            Line::BareCrOrLf => {
                self.errors += 1;
                Reply::new(521, 5, 2, "bare CR or LF received: lines end with CRLF, closing").write(out);
                Some(Step::Close(Close::BareCrOrLf))
            }
            Line::Endless => {
                Reply::new(421, 5, 2, "line without end, closing").write(out);
                Some(Step::Close(Close::EndlessLine))
            }
        }
    }

    fn leave_exchange(&mut self) {
        if matches!(self.state, State::Exchange(_) | State::Farewell) {
            self.state = State::Idle;
        }
    }

    fn hear_command(&mut self, line: &[u8], out: &mut Vec<u8>) -> Option<Step> {
        self.count_command();
        // RFC 5321 2.3.1, RFC 6531 3.3: ASCII or UTF-8, without control characters.
        // RFC 5321 4.1.1: white space at the end is tolerated, tabs too.
        let line = std::str::from_utf8(line).map(|text| text.trim_end_matches([' ', '\t']));
        let text = line.ok().filter(|text| !text.chars().any(char::is_control));
        let Some(text) = text else {
            return self.say(&Reply::new(501, 5, 2, "commands are printable ASCII or UTF-8"), out);
        };
        let (verb, rest) = Verb::of(text);
        if verb == Verb::Bdat {
            return self.hear_bdat(rest, out);
        }
        if let Err(reply) = self.check(verb, rest) {
            return self.say(&reply, out);
        }
        match verb {
            Verb::Ehlo => self.answer_ehlo(rest, out),
            Verb::Helo => self.answer_helo(rest, out),
            Verb::StartTls => {
                Reply::new(220, 0, 0, "ready for TLS").write(out);
                Some(Step::StartTls)
            }
            Verb::Auth => self.begin_exchange(rest, out),
            Verb::Mail => self.ask_sender(rest, out),
            Verb::Rcpt => self.ask_recipient(rest, out),
            Verb::Data => self.begin_data(out),
            Verb::Rset => {
                self.state = State::Idle;
                self.say(&Reply::new(250, 0, 0, "forgotten"), out)
            }
            Verb::Quit => {
                Reply::with(221, 0, 0, format!("{} says goodbye", self.offer.hostname)).write(out);
                Some(Step::Close(Close::Quit))
            }
            Verb::Help => self.say(&HELP, out),
            // RFC 5321 3.5.3, 7.3: whether an address exists is told to nobody who only asks.
            Verb::Vrfy => self.say(&Reply::new(252, 1, 5, "cannot verify, but will take mail and try"), out),
            _ => self.say(&Reply::new(250, 0, 0, "OK"), out),
        }
    }

    /// May this verb come now, with or without an argument?
    fn check(&self, verb: Verb, rest: &str) -> Result<(), Reply> {
        let takes_none = matches!(verb, Verb::StartTls | Verb::Data | Verb::Rset | Verb::Quit);
        if takes_none && !rest.is_empty() {
            return Err(Reply::new(501, 5, 4, "this command takes no argument"));
        }
        match verb {
            Verb::Ehlo | Verb::Helo if rest.is_empty() || rest.contains(' ') => {
                Err(Reply::new(501, 5, 4, "the name of your host is needed"))
            }
            Verb::Vrfy if rest.is_empty() => Err(Reply::new(501, 5, 4, "VRFY needs a user or an address")),
            Verb::StartTls => self.check_starttls(),
            Verb::Auth => self.check_auth(),
            Verb::Mail => self.check_mail(),
            Verb::Rcpt | Verb::Data => self.check_transaction(verb),
            Verb::Undone => Err(Reply::new(502, 5, 1, "command not implemented")),
            Verb::Unknown => Err(Reply::new(500, 5, 2, "command not recognised")),
            _ => Ok(()),
        }
    }

    /// RFC 3207 4
    fn check_starttls(&self) -> Result<(), Reply> {
        match self.offer.channel {
            Channel::Tls => Err(Reply::new(503, 5, 1, "TLS is already on")),
            Channel::Plain => Err(Reply::new(502, 5, 1, "TLS is not offered here")),
            Channel::PlainOfferingTls => Ok(()),
        }
    }

    fn check_mail(&self) -> Result<(), Reply> {
        // RFC 5321 4.1.4
        if self.hello.is_none() {
            return Err(Reply::new(503, 5, 1, "EHLO comes first"));
        }
        if !matches!(self.state, State::Idle) {
            return Err(Reply::new(503, 5, 1, "a message is under way already"));
        }
        if self.offer.admission == Admission::AfterLogin && !self.logged_in {
            // RFC 4954 6, RFC 3207 4
            return Err(match (self.offer.auth, self.offer.channel) {
                (Auth::NeedsTls, Channel::PlainOfferingTls) => Reply::new(530, 7, 0, "STARTTLS comes first, then AUTH"),
                _ => Reply::new(530, 7, 0, "authentication is required to send mail here"),
            });
        }
        if self.messages >= self.offer.messages_max {
            return Err(Reply::new(421, 7, 0, "enough messages for one connection, open another"));
        }
        Ok(())
    }

    fn check_transaction(&self, verb: Verb) -> Result<(), Reply> {
        let State::Transaction(transaction) = &self.state else {
            return Err(Reply::new(503, 5, 1, "MAIL comes first"));
        };
        // RFC 3030 2: between chunks there is nothing but chunks.
        if !matches!(transaction.chunks, Chunks::None) {
            return Err(Reply::new(503, 5, 1, "chunks are under way: BDAT or RSET"));
        }
        match verb {
            Verb::Data if transaction.envelope.params.body == BodyType::BinaryMime => {
                // RFC 3030 3
                Err(Reply::new(503, 5, 1, "a binary message comes by BDAT"))
            }
            Verb::Data => transaction.check_recipients(),
            _ => Ok(()),
        }
    }

    /// RFC 5321 4.1.1.1: EHLO also resets, and may come again.
    fn answer_ehlo(&mut self, name: &str, out: &mut Vec<u8>) -> Option<Step> {
        self.hello = Some(Hello { name: name.to_owned(), esmtp: true });
        self.state = State::Idle;
        let lines = self.offer.ehlo(self.clock.now());
        for (i, line) in lines.iter().enumerate() {
            let last = i + 1 == lines.len();
            out.extend_from_slice(if last { b"250 " } else { b"250-" });
            out.extend_from_slice(line.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        None
    }

    fn answer_helo(&mut self, name: &str, out: &mut Vec<u8>) -> Option<Step> {
        self.hello = Some(Hello { name: name.to_owned(), esmtp: false });
        self.state = State::Idle;
        Reply::plain(250, "").write_with(self.offer.hostname.as_str(), out);
        None
    }

    fn known(&self) -> Known {
        let auth = self.offer.role == Role::Submission;
        Known { auth, hold_max: self.offer.hold_max, now: self.clock.now() }
    }
}

const HELP: Reply = Reply::new(214, 0, 0, "EHLO HELO STARTTLS AUTH MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT");

#[cfg(test)]
mod tests;

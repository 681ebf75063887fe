//! A transaction: MAIL, RCPT, and the message by DATA or in chunks.

use super::super::command::{self, Chunk};
use super::super::data::{Fault, Framing, Heard, LineEnds, Receiver};
use super::super::extension::Channel;
use super::super::line::Lines;
use super::super::reply::Reply;
use super::{Ask, Asked, Chunks, Close, Session, State, Step, Transaction};
use crate::base::limits;
use crate::mail::envelope::{BodyType, Envelope, MailParams, Recipient, ReversePath};

const TOO_LARGE: Reply = Reply::new(552, 3, 4, "the message is larger than we take, see SIZE");
const CHUNK_REFUSED: Reply = Reply::new(503, 5, 1, "a chunk was refused: RSET first");

impl Transaction {
    fn new(sender: ReversePath, params: MailParams) -> Self {
        let envelope = Envelope { sender, params, recipients: Vec::new() };
        Self { envelope, refused: 0, chunks: Chunks::None }
    }

    pub(super) fn held(&self) -> usize {
        match &self.chunks {
            Chunks::Some { receiver, .. } => receiver.held(),
            Chunks::None | Chunks::Refused => 0,
        }
    }

    /// RFC 5321 3.3: a message is for somebody.
    pub(super) fn check_recipients(&self) -> Result<(), Reply> {
        match (self.envelope.recipients.is_empty(), self.refused) {
            (false, _) => Ok(()),
            (true, 0) => Err(Reply::new(503, 5, 1, "RCPT comes first")),
            (true, _) => Err(Reply::new(554, 5, 1, "no valid recipients")),
        }
    }
}

impl Session {
    pub(super) fn ask_sender(&mut self, rest: &str, out: &mut Vec<u8>) -> Option<Step> {
        let parsed = command::parse_mail(rest, self.known()).and_then(|(sender, params)| {
            self.check_params(&params)?;
            Ok((sender, params))
        });
        match parsed {
            Err(reply) => self.say(&reply, out),
            Ok((sender, params)) => {
                self.state = State::Asked(Asked::Sender(sender.clone(), params.clone()));
                Some(Step::Ask(Ask::Sender(sender, params)))
            }
        }
    }

    fn check_params(&self, params: &MailParams) -> Result<(), Reply> {
        // RFC 1870 6.1
        if params.size.is_some_and(|size| size > self.offer.message_bytes_max as u64) {
            return Err(TOO_LARGE);
        }
        // RFC 8689 4.1
        if params.require_tls && self.offer.channel != Channel::Tls {
            return Err(Reply::new(530, 7, 10, "REQUIRETLS needs TLS"));
        }
        Ok(())
    }

    pub(super) fn take_sender(
        &mut self,
        sender: ReversePath,
        params: MailParams,
        result: Result<(), Reply>,
        out: &mut Vec<u8>,
    ) -> Option<Step> {
        if let Err(reply) = result {
            return self.say(&reply, out);
        }
        self.state = State::Transaction(Transaction::new(sender, params));
        self.say(&Reply::new(250, 1, 0, "sender accepted"), out)
    }

    pub(super) fn ask_recipient(&mut self, rest: &str, out: &mut Vec<u8>) -> Option<Step> {
        let State::Transaction(mut transaction) = std::mem::replace(&mut self.state, State::Moving) else {
            // `check` lets RCPT come in a transaction only.
            return self.give_up(out);
        };
        let smtputf8 = transaction.envelope.params.smtputf8;
        // RFC 5321 4.5.3.1.8, 4.5.3.1.10: at least 100, then 452; those accepted stay.
        let parsed = if transaction.envelope.recipients.len() >= self.offer.recipients_max {
            Err(Reply::new(452, 5, 3, "too many recipients for one message, send another"))
        } else if self.recipients >= self.offer.recipients_per_connection {
            Err(Reply::new(452, 5, 3, "too many recipients for one connection, open another"))
        } else {
            command::parse_rcpt(rest, smtputf8, &self.offer.hostname)
        };
        match parsed {
            Err(reply) => {
                transaction.refused += 1;
                self.state = State::Transaction(transaction);
                self.say(&reply, out)
            }
            Ok(recipient) => {
                self.state = State::Asked(Asked::Recipient(transaction, recipient.clone()));
                Some(Step::Ask(Ask::Recipient(recipient)))
            }
        }
    }

    pub(super) fn take_recipient(
        &mut self,
        mut transaction: Transaction,
        recipient: Recipient,
        result: Result<(), Reply>,
        out: &mut Vec<u8>,
    ) -> Option<Step> {
        let reply = match result {
            Ok(()) => {
                self.recipients += 1;
                // The same recipient twice gets the message once.
                let recipients = &mut transaction.envelope.recipients;
                if !recipients.iter().any(|known| known.address == recipient.address) {
                    recipients.push(recipient);
                }
                Reply::new(250, 1, 5, "recipient accepted")
            }
            Err(reply) => {
                transaction.refused += 1;
                reply
            }
        };
        self.state = State::Transaction(transaction);
        self.say(&reply, out)
    }

    pub(super) fn begin_data(&mut self, out: &mut Vec<u8>) -> Option<Step> {
        let State::Transaction(transaction) = std::mem::replace(&mut self.state, State::Moving) else {
            // `check` lets DATA come in a transaction only.
            return self.give_up(out);
        };
        let receiver = Receiver::new(Framing::Dotted, self.offer.line_ends, self.offer.message_bytes_max);
        self.state = State::Data(transaction, receiver);
        Reply::plain(354, "go ahead, end with a line that holds only a dot").write(out);
        None
    }

    pub(super) fn hear_data(&mut self, lines: &mut Lines, out: &mut Vec<u8>) -> Option<Step> {
        let State::Data(_, receiver) = &mut self.state else { return self.give_up(out) };
        if lines.unread().is_empty() {
            return Some(Step::Hear);
        }
        let (heard, all) = (receiver.hear(lines.unread()), lines.unread().len());
        match heard {
            Heard::More => {
                lines.take(all);
                Some(Step::Hear)
            }
            Heard::TooMuch => self.hear_no_more(out),
            Heard::End(bytes) => {
                lines.take(bytes);
                let State::Data(transaction, receiver) = std::mem::replace(&mut self.state, State::Idle) else {
                    return self.give_up(out);
                };
                self.ask_message(transaction.envelope, receiver, out)
            }
        }
    }

    /// RFC 5321 4.5.3.1.7, 7.8: what is refused is read to its end, but not for ever.
    fn hear_no_more(&mut self, out: &mut Vec<u8>) -> Option<Step> {
        self.state = State::Idle;
        self.errors += 1;
        Reply::new(552, 3, 4, "far larger than we take, closing").write(out);
        Some(Step::Close(Close::EndlessData))
    }

    fn ask_message(&mut self, envelope: Envelope, receiver: Receiver, out: &mut Vec<u8>) -> Option<Step> {
        match receiver.finish() {
            Ok(message) => {
                self.state = State::Asked(Asked::Message);
                Some(Step::Ask(Ask::Message(envelope, message)))
            }
            Err(fault) => self.say(&refusal(fault), out),
        }
    }

    pub(super) fn take_message(&mut self, result: Result<Reply, Reply>, out: &mut Vec<u8>) -> Option<Step> {
        match result {
            Ok(reply) => {
                self.messages += 1;
                self.idle_commands = 0;
                self.say(&reply, out)
            }
            Err(reply) => self.say(&reply, out),
        }
    }

    /// The message being received is not taken: memory is short.
    pub fn run_short(&mut self) {
        match &mut self.state {
            State::Data(_, receiver) => receiver.fail(Fault::NoMemory),
            State::Chunk(transaction, ..) => {
                if let Chunks::Some { receiver, .. } = &mut transaction.chunks {
                    receiver.fail(Fault::NoMemory);
                }
            }
            _ => {}
        }
    }

    /// RFC 3030 2: the chunk follows its command at once, also where it is refused.
    pub(super) fn hear_bdat(&mut self, rest: &str, out: &mut Vec<u8>) -> Option<Step> {
        let Some(chunk) = command::parse_bdat(rest) else {
            // How many bytes follow is not known: they will be heard as commands.
            self.spoil_chunks();
            return self.say(&Reply::new(501, 5, 4, "the form is BDAT size or BDAT size LAST"), out);
        };
        let transaction = match std::mem::replace(&mut self.state, State::Idle) {
            State::Transaction(transaction) => transaction,
            _ => {
                self.state = State::Refused(None, chunk.size, Reply::new(503, 5, 1, "MAIL comes first"));
                return None;
            }
        };
        let mut transaction = Box::new(transaction);
        self.state = match self.begin_chunk(&mut transaction, chunk) {
            Ok(()) => State::Chunk(transaction, chunk.size, chunk),
            Err(reply) => State::Refused(Some(transaction), chunk.size, reply),
        };
        None
    }

    fn begin_chunk(&self, transaction: &mut Transaction, chunk: Chunk) -> Result<(), Reply> {
        let binary = transaction.envelope.params.body == BodyType::BinaryMime;
        let line_ends = if binary { LineEnds::Keep } else { self.offer.line_ends };
        // RFC 3030 2: whatever is wrong from here on spoils the chunks that follow, too.
        let (receiver, count) = match std::mem::replace(&mut transaction.chunks, Chunks::Refused) {
            Chunks::Refused => return Err(CHUNK_REFUSED),
            Chunks::Some { receiver, count } => (receiver, count + 1),
            Chunks::None => {
                transaction.check_recipients()?;
                (Box::new(Receiver::new(Framing::Counted, line_ends, self.offer.message_bytes_max)), 1)
            }
        };
        if count > limits::CHUNKS_MAX {
            return Err(Reply::new(552, 3, 4, "too many chunks for one message"));
        }
        // RFC 1870 6.1: what is said to be too large need not come to be so.
        if chunk.size.saturating_add(receiver.bytes_so_far()) > self.offer.message_bytes_max as u64 {
            return Err(TOO_LARGE);
        }
        transaction.chunks = Chunks::Some { receiver, count };
        Ok(())
    }

    fn spoil_chunks(&mut self) {
        if let State::Transaction(transaction) = &mut self.state
            && !matches!(transaction.chunks, Chunks::None)
        {
            transaction.chunks = Chunks::Refused;
        }
    }

    pub(super) fn hear_chunk(&mut self, lines: &mut Lines, out: &mut Vec<u8>) -> Option<Step> {
        let State::Chunk(transaction, left, _) = &mut self.state else { return self.give_up(out) };
        let Chunks::Some { receiver, .. } = &mut transaction.chunks else { return self.give_up(out) };
        let bytes = lines.unread();
        let now = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
        if now == 0 && *left > 0 {
            return Some(Step::Hear);
        }
        // Never `End`: counted data has no mark. Never `TooMuch`: a chunk was measured at its begin.
        receiver.hear(&bytes[..now]);
        *left -= now as u64;
        lines.take(now);
        if *left > 0 {
            return Some(Step::Hear);
        }
        self.end_chunk(out)
    }

    fn end_chunk(&mut self, out: &mut Vec<u8>) -> Option<Step> {
        let State::Chunk(mut transaction, _, chunk) = std::mem::replace(&mut self.state, State::Idle) else {
            return self.give_up(out);
        };
        let Chunks::Some { receiver, count } = std::mem::replace(&mut transaction.chunks, Chunks::Refused) else {
            return self.give_up(out);
        };
        if chunk.last {
            return self.ask_message(transaction.envelope, *receiver, out);
        }
        if let Some(fault) = receiver.fault() {
            self.state = State::Transaction(*transaction);
            return self.say(&refusal(fault), out);
        }
        transaction.chunks = Chunks::Some { receiver, count };
        self.state = State::Transaction(*transaction);
        self.say(&Reply::with(250, 0, 0, format!("{} octets received", chunk.size)), out)
    }

    pub(super) fn swallow_chunk(&mut self, lines: &mut Lines, out: &mut Vec<u8>) -> Option<Step> {
        let State::Refused(_, left, _) = &mut self.state else { return self.give_up(out) };
        if *left > limits::DATA_SWALLOW_BYTES_MAX as u64 {
            return self.hear_no_more(out);
        }
        let now = lines.unread().len().min(usize::try_from(*left).unwrap_or(usize::MAX));
        lines.take(now);
        *left -= now as u64;
        if *left > 0 {
            return Some(Step::Hear);
        }
        let State::Refused(transaction, _, reply) = std::mem::replace(&mut self.state, State::Idle) else {
            return self.give_up(out);
        };
        if let Some(transaction) = transaction {
            self.state = State::Transaction(*transaction);
        }
        self.say(&reply, out)
    }
}

fn refusal(fault: Fault) -> Reply {
    match fault {
        Fault::BareCrOrLf => Reply::new(550, 5, 2, "the message holds a bare CR or LF: lines end with CRLF"),
        Fault::TooLarge => TOO_LARGE,
        Fault::NoMemory => Reply::new(452, 3, 1, "too much mail is coming in at once, try again later"),
    }
}

//! One transaction: which commands are said and in which flush, how their answers are heard in order, and one
//! answer for each recipient at its end (RFC 5321 3.3, RFC 2920, RFC 3030, RFC 2033).
//!
//! With PIPELINING the envelope and DATA are one flush and the message another: two round trips. A small
//! message goes with its envelope as one chunk where that is offered: one. A chunk is used for nothing else
//! but binary messages, which have no other form: it saves nothing there.

use super::Phase;
use super::capabilities::Capabilities;
pub use super::mail::{Lack, Mail};
use super::message::{self, Pieces};
use super::response::Response;
use super::words::{self, Speech};
use crate::base::limits;
use crate::mail::envelope::BodyType;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    Smtp,
    /// RFC 2033.
    Lmtp,
}

/// Why a transaction was not even begun: our own fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsendable {
    NoRecipients,
    /// RFC 5321 2.3.8: somebody could take it for the end of the message.
    BareCrOrLf,
}

impl std::fmt::Display for Unsendable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NoRecipients => "there is nobody to send it to",
            Self::BareCrOrLf => "the message has a bare CR or LF, which cannot be sent",
        })
    }
}

/// What became of one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The remote has taken the message for it.
    Accepted(Response),
    Refused {
        phase: Phase,
        response: Response,
    },
    /// The connection ended, or what was said on it made no sense. `possibly_delivered`: the end of the message
    /// was on its way, and nobody knows whether it arrived (RFC 1047).
    Lost {
        phase: Phase,
        why: String,
        possibly_delivered: bool,
    },
    /// We were not to finish it any more, and have not.
    Withheld,
    /// This message cannot be sent to anybody.
    Unsendable(Unsendable),
}

impl Answer {
    pub fn is_accepted(&self) -> bool {
        matches!(self, Self::Accepted(_))
    }
}

/// May the message go with its envelope?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Haste {
    OneFlush,
    /// Somebody should answer first.
    HearFirst,
}

/// An answer that does not fit what was asked: nothing that follows can be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unexpected {
    pub phase: Phase,
    pub code: u16,
}

impl std::fmt::Display for Unexpected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} is no answer to {}", self.code, self.phase.word())
    }
}

/// What has to be done now.
#[derive(Debug)]
pub enum Next<'a> {
    /// Flush the commands, and hear their answers.
    Say,
    /// Flush the commands and behind them these pieces, then hear the answers. With the last of them the
    /// message may count as sent: before any of it goes out (a chunk is believed by its length), or before the
    /// last slice does (a final dot), ask whether it may, and call `finishing`.
    SayMessage {
        pieces: Pieces<'a>,
        ends: Ends,
    },
    Over,
}

/// Which of the pieces of a message makes the remote take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// None of these: more follow.
    Never,
    /// The last of them.
    WithTheLast,
    /// From the first on it is announced as the last chunk.
    WithTheFirst,
}

/// How the message travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carriage {
    Dotted,
    /// One chunk in the flush of the envelope.
    OneFlush,
    Chunks,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Envelope,
    /// 354 was heard.
    Message,
    /// 354 was heard although nobody is accepted.
    LoneDot,
    LoneDotSaid,
    /// Chunks from here on.
    Chunk {
        from: usize,
    },
    ChunkSaid {
        next: usize,
    },
    /// All is said; so many answers are missing, and for the how-manieth accepted recipient is the next.
    Verdict {
        missing: usize,
        next: usize,
    },
    Over,
}

#[derive(Debug)]
pub struct Transaction<'a> {
    mail: Mail<'a>,
    can: &'a Capabilities,
    protocol: Protocol,
    speech: Speech,
    carriage: Carriage,
    stage: Stage,
    /// Commands of the envelope: MAIL is 0, the recipients follow, then comes DATA or the chunk.
    said: usize,
    heard: usize,
    mail_taken: bool,
    accepted: Vec<usize>,
    answers: Vec<Option<Answer>>,
    finishing: bool,
    closing: bool,
}

impl<'a> Transaction<'a> {
    pub fn new(mail: Mail<'a>, can: &'a Capabilities, protocol: Protocol, haste: Haste) -> Result<Self, Unsendable> {
        let body = mail.body();
        if mail.recipients.is_empty() {
            return Err(Unsendable::NoRecipients);
        }
        if body != BodyType::BinaryMime && message::has_bare_cr_or_lf(mail.message) {
            return Err(Unsendable::BareCrOrLf);
        }
        let is_small = mail.message.len() <= limits::ONE_FLUSH_BYTES_MAX
            && mail.recipients.len() + 2 <= limits::PIPELINED_COMMANDS_MAX;
        let carriage = match haste {
            Haste::OneFlush if can.chunking && can.pipelining && is_small => Carriage::OneFlush,
            _ if body == BodyType::BinaryMime => Carriage::Chunks,
            _ => Carriage::Dotted,
        };
        // What is not offered is not said; `lacks` has told the caller, who decides.
        let body = match body {
            BodyType::EightBitMime if !can.eight_bit_mime => BodyType::SevenBit,
            body => body,
        };
        let speech = Speech { body, smtputf8: mail.needs_smtputf8() && can.smtputf8 };
        Ok(Self {
            mail,
            can,
            protocol,
            speech,
            carriage,
            stage: Stage::Envelope,
            said: 0,
            heard: 0,
            mail_taken: false,
            accepted: Vec::new(),
            answers: vec![None; mail.recipients.len()],
            finishing: false,
            closing: false,
        })
    }

    /// What comes now; its commands are appended to `out`. Every answer to what was said before must have been
    /// heard.
    pub fn next(&mut self, out: &mut Vec<u8>) -> Next<'a> {
        match self.stage {
            Stage::Envelope => self.say_envelope(out),
            Stage::Message => {
                self.await_verdict();
                Next::SayMessage { pieces: Pieces::stuffed(self.mail.top, self.mail.message), ends: Ends::WithTheLast }
            }
            Stage::LoneDot => {
                out.extend_from_slice(b".\r\n");
                self.stage = Stage::LoneDotSaid;
                Next::Say
            }
            Stage::Chunk { from } => self.say_chunk(from, out),
            Stage::LoneDotSaid | Stage::ChunkSaid { .. } | Stage::Verdict { .. } | Stage::Over => Next::Over,
        }
    }

    /// RFC 2920 3.1: MAIL, RCPT and DATA may be said together, DATA last of them.
    fn say_envelope(&mut self, out: &mut Vec<u8>) -> Next<'a> {
        let commands = self.mail.recipients.len() + if self.carriage == Carriage::Chunks { 1 } else { 2 };
        let at_once = if self.can.pipelining { limits::PIPELINED_COMMANDS_MAX } else { 1 };
        let until = (self.said + at_once).min(commands);
        for command in self.said..until {
            match self.phase_of(command) {
                Phase::Mail => words::mail(out, &self.mail, self.can, self.speech, self.mail.bytes()),
                Phase::Recipient => words::rcpt(out, self.mail.recipients[command - 1], self.can, self.speech),
                _ if self.carriage == Carriage::OneFlush => {
                    // RFC 3030 2: the answer to it is the verdict.
                    self.said = command;
                    return self.last_chunk(0, out);
                }
                _ => out.extend_from_slice(b"DATA\r\n"),
            }
        }
        self.said = until;
        Next::Say
    }

    /// RFC 3030 3: a binary message knows no dots. All but its end goes first: it may turn out that it shall
    /// not be finished.
    fn say_chunk(&mut self, from: usize, out: &mut Vec<u8>) -> Next<'a> {
        let rest = self.mail.message.len() - from;
        if rest <= limits::MESSAGE_SLICE_BYTES {
            self.await_verdict();
            return self.last_chunk(from, out);
        }
        let next = from + rest - limits::MESSAGE_SLICE_BYTES;
        let (top, bytes) = (self.top_of_chunk(from), &self.mail.message[from..next]);
        out.extend_from_slice(format!("BDAT {}\r\n", top.len() + bytes.len()).as_bytes());
        self.stage = Stage::ChunkSaid { next };
        Next::SayMessage { pieces: Pieces::chunk(top, bytes, b""), ends: Ends::Never }
    }

    /// What is on top of the message goes with its first chunk.
    fn top_of_chunk(&self, from: usize) -> &'a [u8] {
        if from == 0 { self.mail.top } else { b"" }
    }

    fn last_chunk(&self, from: usize, out: &mut Vec<u8>) -> Next<'a> {
        let (top, bytes) = (self.top_of_chunk(from), &self.mail.message[from..]);
        let is_whole = self.mail.params.body == BodyType::BinaryMime || message::is_ended(self.mail.message);
        let tail: &'static [u8] = if is_whole { b"" } else { b"\r\n" };
        out.extend_from_slice(format!("BDAT {} LAST\r\n", top.len() + bytes.len() + tail.len()).as_bytes());
        Next::SayMessage { pieces: Pieces::chunk(top, bytes, tail), ends: Ends::WithTheFirst }
    }

    fn phase_of(&self, command: usize) -> Phase {
        match command {
            0 => Phase::Mail,
            n if n <= self.mail.recipients.len() => Phase::Recipient,
            _ => Phase::Data,
        }
    }

    /// RFC 2033 4.2: LMTP gives a verdict for each accepted recipient; SMTP one for all of them.
    fn await_verdict(&mut self) {
        let missing = match self.protocol {
            Protocol::Smtp => 1,
            Protocol::Lmtp => self.accepted.len().max(1),
        };
        self.stage = Stage::Verdict { missing, next: 0 };
    }

    /// The end of the message is about to go out: from now on nobody knows.
    pub fn finishing(&mut self) {
        self.finishing = true;
    }

    /// To which command the next answer belongs; none when something has to be said first.
    pub fn awaits(&self) -> Option<Phase> {
        match self.stage {
            Stage::Envelope if self.heard < self.said => Some(self.phase_of(self.heard)),
            Stage::Envelope if self.said > 0 && self.is_one_flush_said() => Some(Phase::Message),
            Stage::LoneDotSaid | Stage::Verdict { .. } => Some(Phase::Message),
            Stage::ChunkSaid { .. } => Some(Phase::Data),
            _ => None,
        }
    }

    fn is_one_flush_said(&self) -> bool {
        self.carriage == Carriage::OneFlush && self.said > self.mail.recipients.len()
    }

    /// The answer to the command that `awaits` names.
    pub fn hear(&mut self, response: Response) -> Result<(), Unexpected> {
        let Some(phase) = self.awaits() else {
            return Err(Unexpected { phase: Phase::Reset, code: response.code });
        };
        let response = shortened(response);
        self.closing |= response.closes();
        if response.closes() && phase != Phase::Message {
            // RFC 5321 3.8: it answers nothing else any more.
            self.heard += 1;
            self.settle_all(&Answer::Refused { phase, response });
            self.stage = Stage::Over;
            return Ok(());
        }
        match self.stage {
            Stage::Envelope if phase == Phase::Message => {
                self.await_verdict();
                self.hear_verdict(response)
            }
            Stage::Envelope => self.hear_envelope(phase, response),
            Stage::ChunkSaid { next } => self.hear_chunk(next, response),
            Stage::Verdict { .. } => self.hear_verdict(response),
            // Whatever it says to a message without recipients.
            _ => {
                self.stage = Stage::Over;
                Ok(())
            }
        }
    }

    fn hear_envelope(&mut self, phase: Phase, response: Response) -> Result<(), Unexpected> {
        let command = self.heard;
        self.heard += 1;
        match (phase, response.code / 100) {
            // RFC 5321 4.1.1.4: 354, and the message.
            (Phase::Data, 3) => return self.hear_go_ahead(),
            (Phase::Data, 4 | 5) => {
                self.settle_all(&Answer::Refused { phase, response });
                self.stage = Stage::Over;
                return Ok(());
            }
            (Phase::Mail, 2) => self.mail_taken = true,
            (Phase::Mail, 4 | 5) => self.settle_all(&Answer::Refused { phase, response }),
            // RFC 5321 4.2.5: each recipient has an answer of its own.
            (Phase::Recipient, 2) if self.mail_taken => self.accepted.push(command - 1),
            (Phase::Recipient, 4 | 5) if self.mail_taken => {
                self.answers[command - 1] = Some(Answer::Refused { phase, response });
            }
            // Without a sender these say nothing.
            (Phase::Recipient, 2 | 4 | 5) => {}
            (phase, _) => return Err(Unexpected { phase, code: response.code }),
        }
        self.go_on();
        Ok(())
    }

    /// When all answers so far are heard: is there any point in going on?
    fn go_on(&mut self) {
        if self.heard < self.said || self.is_one_flush_said() {
            return;
        }
        let all_named = self.said > self.mail.recipients.len();
        if !self.mail_taken || (all_named && self.accepted.is_empty()) {
            self.stage = Stage::Over;
        } else if all_named && self.carriage == Carriage::Chunks {
            self.stage = Stage::Chunk { from: 0 };
        }
    }

    fn hear_go_ahead(&mut self) -> Result<(), Unexpected> {
        self.stage = match (self.accepted.is_empty(), self.protocol) {
            (false, _) => Stage::Message,
            // RFC 2920 3.1: nobody was accepted and DATA was all the same: a message of nothing ends it.
            (true, Protocol::Smtp) => Stage::LoneDot,
            // RFC 2033 4.2: it must not say that; how many answers would follow nobody knows.
            (true, Protocol::Lmtp) => {
                self.closing = true;
                Stage::Over
            }
        };
        Ok(())
    }

    fn hear_chunk(&mut self, next: usize, response: Response) -> Result<(), Unexpected> {
        match response.code / 100 {
            2 => self.stage = Stage::Chunk { from: next },
            4 | 5 => {
                self.settle_all(&Answer::Refused { phase: Phase::Data, response });
                self.stage = Stage::Over;
            }
            _ => return Err(Unexpected { phase: Phase::Data, code: response.code }),
        }
        Ok(())
    }

    fn hear_verdict(&mut self, response: Response) -> Result<(), Unexpected> {
        let Stage::Verdict { missing, next } = self.stage else { return Ok(()) };
        let phase = Phase::Message;
        let code = response.code;
        let answer = match code / 100 {
            2 => Answer::Accepted(response),
            4 | 5 => Answer::Refused { phase, response },
            _ => return Err(Unexpected { phase, code }),
        };
        // RFC 5321 3.8: after 421 the others are not answered any more.
        let closes = matches!(code, 421 | 521);
        let of = match self.protocol {
            Protocol::Lmtp if !closes => next..(next + 1).min(self.accepted.len()),
            _ => next..self.accepted.len(),
        };
        for recipient in &self.accepted[of] {
            self.answers[*recipient] = Some(answer.clone());
        }
        self.stage = match missing - 1 {
            0 => Stage::Over,
            _ if closes => Stage::Over,
            missing => Stage::Verdict { missing, next: next + 1 },
        };
        Ok(())
    }

    /// Everybody who has no answer yet gets this one.
    fn settle_all(&mut self, answer: &Answer) {
        self.answers.iter_mut().filter(|slot| slot.is_none()).for_each(|slot| *slot = Some(answer.clone()));
    }

    /// The connection ended, or made no sense any more.
    pub fn lose(&mut self, why: &str) {
        let phase = self.awaits().unwrap_or(if self.finishing { Phase::Message } else { Phase::Data });
        self.settle_all(&Answer::Lost { phase, why: why.to_owned(), possibly_delivered: self.finishing });
        self.closing = true;
        self.stage = Stage::Over;
    }

    /// It may not be finished. In the middle of a message only the end of the connection ends it.
    pub fn withhold(&mut self) {
        self.settle_all(&Answer::Withheld);
        self.closing |= self.heard > 0;
        self.stage = Stage::Over;
    }

    /// Did the first command meet the end of a connection that was there before, and nothing else? `is_gone`: the
    /// connection ended without a word. RFC 5321 3.8: that, or 421 to MAIL, says nothing about the message.
    pub fn is_stale(&self, is_gone: bool) -> bool {
        let said_goodbye = self.heard == 1 && self.closing && !self.mail_taken;
        said_goodbye || (is_gone && self.heard == 0 && !self.finishing)
    }

    /// Nothing more can be said on this connection.
    pub fn is_closing(&self) -> bool {
        self.closing
    }

    /// One for each recipient, in their order.
    pub fn finish(self) -> Vec<Answer> {
        let why = "the transaction was given up".to_owned();
        let lost = Answer::Lost { phase: Phase::Data, why, possibly_delivered: self.finishing };
        self.answers.into_iter().map(|answer| answer.unwrap_or_else(|| lost.clone())).collect()
    }
}

/// What is kept of a reply for each recipient is bounded.
fn shortened(mut response: Response) -> Response {
    let at = response.text.floor_char_boundary(limits::RESPONSE_TEXT_BYTES_MAX);
    response.text.truncate(at);
    response
}

#[cfg(test)]
mod tests;

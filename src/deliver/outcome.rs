//! What an answer of a remote server means: done, later or never, by whose fault, and what to do about it.
//!
//! First the rules of the dialogue, which no table changes: what an answer can mean depends on the question.
//! Then the table of replies (`conf/replies.toml`), first match first, because providers say with texts what
//! codes cannot. Then the enhanced code, then the code. What never became an answer is in `network`.

mod meaning;
pub mod network;
mod table;
#[cfg(test)]
mod tests;

pub use table::{BadReplies, Replies};

use crate::base::limits;
use crate::mail::status::Status;
use crate::model::outcome::{Blame, Kind, Outcome, Why};
pub use crate::smtp::dialogue::Phase;
use meaning::Meaning;
use std::time::Duration;

/// Nothing was said of any mail yet: an answer is about us or about the host.
fn is_before_mail(phase: Phase) -> bool {
    match phase {
        Phase::Connect | Phase::Greeting | Phase::Hello | Phase::StartTls | Phase::Handshake | Phase::Login => true,
        Phase::Mail | Phase::Recipient | Phase::Data | Phase::Message | Phase::Reset => false,
    }
}

/// What a server answered, and to what.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    pub phase: Phase,
    /// Its name; rules of the table may be for one provider's hosts.
    pub host: &'a str,
    pub code: u16,
    pub status: Option<Status>,
    /// Without the code; the lines of a long one joined by a space or a line end.
    pub text: &'a str,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    pub outcome: Outcome,
    /// What to do about mail to this site, beside this one.
    pub action: Option<Action>,
    pub about: About,
}

/// What to do when a site says that it is too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Fewer at a time, and no faster for so long.
    Slow(Duration),
    /// Nothing at all for so long.
    Suspend(Duration),
}

/// What an answer speaks of: how far it reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// The other recipients of the message may fare better.
    Recipient,
    /// None of its recipients at this site gets it.
    Message,
    /// Another host of the same site may take it: RFC 1870 6, RFC 6531 3.3, RFC 8689 4.2. Only when there is
    /// none the outcome counts.
    Host,
}

impl Replies {
    pub fn classify(&self, answer: &Answer<'_>) -> Judgement {
        if is_positive(answer) {
            return Judgement { outcome: Outcome::Done, action: None, about: About::Recipient };
        }
        let text = plain(answer.text);
        let ruled = self.first(answer, &text);
        let meaning = Meaning::of_phase(answer).or_else(|| ruled.and_then(|entry| entry.meaning()));
        let meaning = meaning.unwrap_or_else(|| Meaning::of(answer));
        let end = fixed_end(answer).or(ruled.and_then(|entry| entry.end)).unwrap_or_else(|| usual_end(answer));
        Judgement {
            outcome: end.outcome(why(answer, ruled.and_then(|entry| entry.blame), &meaning, end, text)),
            action: ruled.and_then(|entry| entry.action),
            about: about(answer, &meaning),
        }
    }
}

/// RFC 5321 4.2.1: 2xx, and 354 where it is asked for.
fn is_positive(answer: &Answer<'_>) -> bool {
    answer.code / 100 == 2 || (answer.code == 354 && answer.phase == Phase::Data)
}

/// How a try that was not taken goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Later,
    Never,
}

impl End {
    fn class(self) -> u8 {
        match self {
            Self::Later => 4,
            Self::Never => 5,
        }
    }

    fn outcome(self, why: Why) -> Outcome {
        match self {
            Self::Later => Outcome::Later(why),
            Self::Never => Outcome::Never(why),
        }
    }
}

/// What no table may say otherwise.
fn fixed_end(answer: &Answer<'_>) -> Option<End> {
    let is_for_good = matches!(answer.status.map(|s| (s.subject(), s.detail())), Some((3, 4) | (2, 3)));
    match (answer.phase, answer.code) {
        // It says no to us, not to a recipient: nobody's mail bounces for it.
        (phase, _) if is_before_mail(phase) => Some(End::Later),
        // RFC 5321 3.8: the host is going away, whatever was asked.
        (_, 421) => Some(End::Later),
        // RFC 5321 4.5.3.1.10: this was once the word for "too many recipients" (and is some servers' for a
        // full mailbox). RFC 1870 6.2 means a message too large for this one: then it says so.
        (Phase::Recipient, 552) if !is_for_good => Some(End::Later),
        // RFC 4954 6: it wants a login of ours, which no recipient can help.
        (_, 530 | 534 | 535 | 538) => Some(End::Later),
        // RFC 5321 4.3.2: 503 at RSET, RCPT or DATA is a session out of step, ours or theirs.
        (_, 503) => Some(End::Later),
        _ => None,
    }
}

fn usual_end(answer: &Answer<'_>) -> End {
    // Neither 4xx nor 5xx is no answer to what was asked: a fault in the dialogue, and no verdict on a mail.
    if answer.code / 100 == 5 { End::Never } else { End::Later }
}

fn why(answer: &Answer<'_>, blame: Option<Blame>, meaning: &Meaning<'_>, end: End, text: String) -> Why {
    let ours = answer.phase == Phase::Login || matches!(answer.code, 530 | 534 | 535 | 538);
    let blame = blame.unwrap_or(if ours { Blame::Us } else { Blame::Remote });
    // What is tried again cannot be hopeless.
    let kind = if end == End::Later && meaning.kind == Kind::Hard { Kind::Soft } else { meaning.kind };
    let status = answer.status.filter(|status| status.class() != 2).unwrap_or(meaning.status);
    Why {
        blame,
        kind,
        category: meaning.category.to_owned(),
        status: status.with_class(end.class()),
        code: Some(answer.code),
        text: with_status(answer.status, text),
    }
}

/// The reply as it was said: its enhanced code is part of it.
fn with_status(status: Option<Status>, text: String) -> String {
    match status.map(|status| status.to_string()) {
        Some(status) if !text.starts_with(&status) => format!("{status} {text}").trim_end().to_owned(),
        _ => text,
    }
}

fn about(answer: &Answer<'_>, meaning: &Meaning<'_>) -> About {
    if is_before_mail(answer.phase) || answer.code == 421 || meaning.is_of_one_host() {
        return About::Host;
    }
    match answer.phase {
        Phase::Recipient => About::Recipient,
        _ => About::Message,
    }
}

/// One line of what somebody else wrote: no controls, single spaces, cut.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len().min(limits::RESPONSE_TEXT_BYTES_MAX));
    for word in text.split(|c: char| c.is_control() || c.is_whitespace()).filter(|word| !word.is_empty()) {
        if plain.len() + word.len() >= limits::RESPONSE_TEXT_BYTES_MAX {
            let room = (limits::RESPONSE_TEXT_BYTES_MAX - plain.len()).saturating_sub(1);
            let cut = (0..=room.min(word.len())).rev().find(|at| word.is_char_boundary(*at)).unwrap_or(0);
            plain.push_str(if plain.is_empty() { "" } else { " " });
            plain.push_str(&word[..cut]);
            break;
        }
        if !plain.is_empty() {
            plain.push(' ');
        }
        plain.push_str(word);
    }
    plain.truncate(plain.trim_end().len());
    plain
}

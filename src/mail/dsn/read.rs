//! Reading what others report (RFC 3464, RFC 6533): which recipients it is about, what became of them, and in whose
//! words. Reports are written by every program there is, so what stands in the way of reading one is skipped; and
//! nothing that is written there makes it panic.

use super::Action;
use crate::base::limits;
use crate::mail::status::Status;
use crate::mail::text::readable;
use mail_parser::{MessageParser, MimeHeaders};

/// A report, as far as it can be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reported {
    /// The host that reports.
    pub by: Option<String>,
    pub recipients: Vec<About>,
}

/// What is said of one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    pub action: Action,
    /// Whom the sender meant, and whom it came to: addresses as they were written, without their type.
    pub original: Option<String>,
    pub recipient: Option<String>,
    pub status: Option<Status>,
    /// The host that said so.
    pub remote: Option<String>,
    /// What was said, and whether it was a reply.
    pub diagnostic: Option<String>,
    pub is_reply: bool,
}

/// What a message says that is no report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    pub subject: String,
    /// The beginning of its text.
    pub text: String,
}

/// The report in a message; none when it holds none.
pub fn read(message: &[u8]) -> Option<Reported> {
    let message = &message[..message.len().min(limits::REPORT_READ_BYTES_MAX)];
    let parsed = MessageParser::default().parse(message)?;
    let is_status = |part: &&mail_parser::MessagePart<'_>| {
        part.content_type().is_some_and(|kind| {
            let below = kind.subtype().unwrap_or_default();
            // RFC 6533 3: the other is the one with addresses in UTF-8.
            let is_named = |name: &str| below.eq_ignore_ascii_case(name);
            kind.ctype().eq_ignore_ascii_case("message")
                && (is_named("delivery-status") || is_named("global-delivery-status"))
        })
    };
    let status = parsed.parts.iter().find(is_status)?;
    let reported = read_status(&String::from_utf8_lossy(status.contents()));
    (!reported.recipients.is_empty()).then_some(reported)
}

/// The words of a message that is no report, for people.
pub fn words(message: &[u8]) -> Words {
    let message = &message[..message.len().min(limits::REPORT_READ_BYTES_MAX)];
    let Some(parsed) = MessageParser::default().parse(message) else { return Words::default() };
    let text = parsed.body_text(0).unwrap_or_default();
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let text = lines.collect::<Vec<_>>().join(" ");
    Words {
        subject: readable(parsed.subject().unwrap_or_default().as_bytes(), limits::SUBJECT_BYTES_MAX),
        text: readable(text.as_bytes(), limits::RETURNED_TEXT_BYTES_MAX),
    }
}

/// RFC 3464 2.1: fields of the message, then of each recipient, with an empty line between; some programs forget it.
fn read_status(text: &str) -> Reported {
    let (mut reported, mut block) = (Reported::default(), Block::default());
    for line in unfolded(text) {
        let Some((name, value)) = line.split_once(':') else {
            reported.add(std::mem::take(&mut block));
            continue;
        };
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        if name == "final-recipient" && block.recipient.is_some() {
            reported.add(std::mem::take(&mut block));
        }
        match name.as_str() {
            "reporting-mta" => reported.by = behind_type(value).map(|(_, host)| host),
            "original-recipient" => block.original = behind_type(value).map(|(kind, text)| address(&kind, &text)),
            "final-recipient" => block.recipient = behind_type(value).map(|(kind, text)| address(&kind, &text)),
            "action" => block.action = action(value),
            "status" => block.status = value.split([' ', '(', '\t']).next().and_then(|status| status.parse().ok()),
            "remote-mta" => block.remote = behind_type(value).map(|(_, host)| host),
            "diagnostic-code" => {
                // RFC 3464 2.3.6: of the type smtp it is a reply; without one it mostly is one all the same.
                let (kind, said) = behind_type(value).unwrap_or_else(|| ("smtp".to_owned(), value.to_owned()));
                (block.is_reply, block.diagnostic) = (kind == "smtp", Some(said));
            }
            _ => {}
        }
    }
    reported.add(block);
    reported
}

#[derive(Debug, Default)]
struct Block {
    action: Option<Action>,
    original: Option<String>,
    recipient: Option<String>,
    status: Option<Status>,
    remote: Option<String>,
    diagnostic: Option<String>,
    is_reply: bool,
}

impl Reported {
    fn add(&mut self, block: Block) {
        let Block { action, original, recipient, status, remote, diagnostic, is_reply } = block;
        let named = original.is_some() || recipient.is_some();
        // RFC 3464 2.3.3 asks for it; a status says as much.
        let by_status = || match status.map(Status::class) {
            Some(5) => Some(Action::Failed),
            Some(4) => Some(Action::Delayed),
            _ => None,
        };
        let Some(action) = action.or_else(by_status).filter(|_| named) else { return };
        if self.recipients.len() < limits::REPORT_RECIPIENTS_MAX {
            self.recipients.push(About { action, original, recipient, status, remote, diagnostic, is_reply });
        }
    }
}

/// Lines with their continuations; an empty one stays, as the border that it is.
fn unfolded(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        let is_more = line.starts_with([' ', '\t']) && !line.trim().is_empty();
        match lines.last_mut().filter(|last| is_more && !last.is_empty()) {
            Some(last) if last.len() < limits::REPORT_FIELD_BYTES_MAX => {
                last.push(' ');
                last.push_str(line.trim());
            }
            Some(_) => {}
            None => lines.push(line.trim_end().to_owned()),
        }
    }
    lines
}

/// `rfc822; someone@example.net`: the type in small letters, and what stands behind it.
fn behind_type(value: &str) -> Option<(String, String)> {
    let (kind, text) = value.split_once(';')?;
    let is_word = kind.trim().bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    let text = readable(text.as_bytes(), limits::REPORT_FIELD_BYTES_MAX);
    (is_word && !text.is_empty()).then(|| (kind.trim().to_ascii_lowercase(), text))
}

fn action(value: &str) -> Option<Action> {
    let word = value.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    let all = [Action::Failed, Action::Delayed, Action::Delivered, Action::Relayed, Action::Expanded];
    all.into_iter().find(|action| action.word().eq_ignore_ascii_case(word))
}

/// As it is meant: without brackets, and in a report of the old kind without the escapes of RFC 6533 3.
fn address(kind: &str, text: &str) -> String {
    let text = text.trim().trim_start_matches('<').trim_end_matches('>');
    if kind != "utf-8" || !text.contains("\\x{") {
        return text.to_owned();
    }
    let (mut plain, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, behind)) = rest.split_once("\\x{") {
        plain.push_str(before);
        let escaped = behind.split_once('}').and_then(|(hex, behind)| {
            let hex = u32::from_str_radix(hex, 16).ok()?;
            Some((char::from_u32(hex)?, behind))
        });
        match escaped {
            Some((letter, behind)) => {
                plain.push(letter);
                rest = behind;
            }
            None => {
                plain.push_str("\\x{");
                rest = behind;
            }
        }
    }
    plain + rest
}

#[cfg(test)]
mod tests;

//! Delivery status notifications: what became of a message, told to whoever sent it, in words for people and
//! in fields for programs (RFC 3464, RFC 6522; with addresses beyond ASCII RFC 6533).
//!
//! Much of what stands in a report was written by others: recipients, remote servers, the message itself. None
//! of it ends a line, a field or a part here.

mod fields;
pub mod read;
mod returned;
mod words;

use super::address::Address;
use super::date::Date;
use super::domain_name::DomainName;
use super::envelope::{BodyType, OriginalRecipient};
use super::status::Status;
use crate::base::clock::Time;
use fields::{Fields, Script};
use returned::Part;

pub use returned::Returned;

/// RFC 3464 2.3.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    Failed,
    Delayed,
    Delivered,
    /// Given to a host that will not report on it.
    Relayed,
    /// Given to several new recipients.
    Expanded,
}

impl Action {
    pub fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Delayed => "delayed",
            Self::Delivered => "delivered",
            Self::Relayed => "relayed",
            Self::Expanded => "expanded",
        }
    }
}

/// What became of one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub original: Option<OriginalRecipient>,
    pub recipient: Address,
    pub action: Action,
    /// Its class is the action's: 5 failed, 4 delayed, 2 all others.
    pub status: Status,
    /// The host that said so.
    pub remote: Option<String>,
    pub diagnostic: Option<Diagnostic>,
    pub last_attempt: Option<Time>,
    /// Until when a delayed message is tried.
    pub retry_until: Option<Time>,
    /// For people: what happened, and what can be done.
    pub what: String,
    pub advice: String,
}

/// RFC 3464 2.3.6.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Diagnostic {
    /// A reply, as it was given.
    Smtp(String),
    /// What we found ourselves.
    Found(String),
}

pub struct Report<'a> {
    pub from: Address,
    pub to: Address,
    pub reporting_mta: &'a DomainName,
    /// Without its angle brackets.
    pub message_id: String,
    /// Found nowhere in what is returned: chance made it.
    pub boundary: String,
    pub at: Time,
    /// RFC 3461 4.4, decoded.
    pub envelope_id: Option<&'a str>,
    pub arrived: Time,
    /// The original message: its name, for whoever sorts mail by conversations; its subject, for people.
    pub original_id: &'a str,
    pub subject: &'a str,
    pub told: &'a [Told],
    pub message: &'a [u8],
    pub returned: Returned,
    /// RFC 6531: the sender of the original speaks UTF-8.
    pub smtputf8: bool,
}

/// A report, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Composed {
    pub bytes: Vec<u8>,
    pub body: BodyType,
    pub smtputf8: bool,
}

impl Report<'_> {
    pub fn compose(&self) -> Composed {
        let returned = Part::of(self.message, self.returned);
        let script = self.script(returned.as_ref());
        let (status, people) = (self.status_part(script), words::for_people(self, script));
        let mut out = self.header(script);
        self.part(
            &mut out,
            "text/plain",
            Some(if people.is_ascii() { "us-ascii" } else { "utf-8" }),
            people.as_bytes(),
        );
        let of_status = match script {
            Script::Ascii => "message/delivery-status",
            // RFC 6533 3.
            Script::Utf8 => "message/global-delivery-status",
        };
        self.part(&mut out, of_status, None, status.as_bytes());
        if let Some(returned) = returned {
            self.part(&mut out, returned.content_type(script == Script::Utf8), None, returned.bytes());
        }
        out.extend_from_slice(format!("--{}--\r\n", self.boundary).as_bytes());
        let body = if out.is_ascii() { BodyType::SevenBit } else { BodyType::EightBitMime };
        Composed { bytes: out, body, smtputf8: script == Script::Utf8 }
    }

    /// RFC 6533 4: the global types only for a sender who speaks them, and only when there is need: a report
    /// in plain ASCII reaches everybody.
    fn script(&self, returned: Option<&Part<'_>>) -> Script {
        let named = self.told.iter().any(|told| {
            let original = told.original.as_ref().is_none_or(|original| original.address.is_ascii());
            !told.recipient.local().is_ascii() || !original
        });
        let needed = named || !self.to.local().is_ascii() || returned.is_some_and(Part::has_utf8_header);
        if self.smtputf8 && needed { Script::Utf8 } else { Script::Ascii }
    }

    fn header(&self, script: Script) -> Vec<u8> {
        let mut header = Fields::new(script);
        header.add("From", &format!("Mail Delivery System <{}>", self.from));
        header.add("To", &format!("<{}>", self.to));
        header.add("Subject", self.title());
        header.add("Date", &Date(self.at).to_string());
        header.add("Message-ID", &format!("<{}>", self.message_id));
        if let Some(id) = fields::message_id(self.original_id) {
            header.add("In-Reply-To", id);
            header.add("References", id);
        }
        // RFC 3834 5: nobody answers it, and its loops are seen.
        header.add("Auto-Submitted", "auto-replied");
        header.add("MIME-Version", "1.0");
        let kind = format!("multipart/report; report-type=delivery-status; boundary=\"{}\"", self.boundary);
        header.add("Content-Type", &kind);
        let mut out = header.end().into_bytes();
        out.extend_from_slice(b"\r\nThis is a report on a message, in MIME format.\r\n\r\n");
        out
    }

    fn title(&self) -> &'static str {
        let all = |action: Action| self.told.iter().all(|told| told.action == action);
        let any = |action: Action| self.told.iter().any(|told| told.action == action);
        match () {
            () if all(Action::Failed) => "Your message could not be delivered",
            () if any(Action::Failed) => "Your message could not be delivered to everybody",
            () if all(Action::Delayed) => "Your message is delayed",
            () if any(Action::Delayed) => "Your message is delayed for some",
            () => "Your message was delivered",
        }
    }

    fn part(&self, out: &mut Vec<u8>, kind: &str, charset: Option<&str>, bytes: &[u8]) {
        let charset = charset.map(|charset| format!("; charset={charset}")).unwrap_or_default();
        // RFC 2046 5.2.1, RFC 3464 2.1: only the identity encodings stand in a message or its status.
        let encoding = if bytes.is_ascii() { "7bit" } else { "8bit" };
        let head = format!(
            "--{}\r\nContent-Type: {kind}{charset}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n",
            self.boundary
        );
        out.extend_from_slice(head.as_bytes());
        out.extend_from_slice(bytes);
        // The line end before a boundary belongs to the boundary.
        out.extend_from_slice(b"\r\n");
    }

    /// RFC 3464 2: a block of fields for the message, and one for each recipient.
    fn status_part(&self, script: Script) -> String {
        let mut message = Fields::new(script);
        message.add("Reporting-MTA", &format!("dns; {}", self.reporting_mta));
        if let Some(id) = self.envelope_id {
            // RFC 3461 6.3 (b): as the sender meant it, without the xtext of the wire.
            message.add("Original-Envelope-Id", id);
        }
        message.add("Arrival-Date", &Date(self.arrived).to_string());
        let blocks = self.told.iter().map(|told| told.block(script));
        std::iter::once(message.end()).chain(blocks).collect::<Vec<_>>().join("\r\n")
    }
}

impl Told {
    fn block(&self, script: Script) -> String {
        let mut block = Fields::new(script);
        if let Some(original) = &self.original {
            block.add("Original-Recipient", &format!("{}; {}", original.kind, original.address));
        }
        block.add("Final-Recipient", &self.final_recipient(script));
        block.add("Action", self.action.word());
        block.add("Status", &self.status.to_string());
        if let Some(remote) = &self.remote {
            block.add("Remote-MTA", &format!("dns; {remote}"));
        }
        match &self.diagnostic {
            Some(Diagnostic::Smtp(reply)) => block.add("Diagnostic-Code", &format!("smtp; {reply}")),
            Some(Diagnostic::Found(text)) => block.add("Diagnostic-Code", &format!("X-Gatepost; {text}")),
            None => {}
        }
        if let Some(at) = self.last_attempt {
            block.add("Last-Attempt-Date", &Date(at).to_string());
        }
        // RFC 3464 2.3.9: only of what is still tried.
        if let Some(until) = self.retry_until.filter(|_| self.action == Action::Delayed) {
            block.add("Will-Retry-Until", &Date(until).to_string());
        }
        block.end()
    }

    /// RFC 6533 3: in a part of the old type an address beyond ASCII is written in its escapes.
    fn final_recipient(&self, script: Script) -> String {
        let is_ascii = self.recipient.local().is_ascii();
        match (is_ascii, script) {
            (true, _) => format!("rfc822; {}", self.recipient),
            (false, Script::Utf8) => format!("utf-8; {}", self.recipient),
            (false, Script::Ascii) => format!("utf-8; {}", fields::escaped(&self.recipient.to_string())),
        }
    }
}

#[cfg(test)]
mod tests;

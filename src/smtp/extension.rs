//! What a door offers, and how EHLO says it.

use super::data::LineEnds;
use crate::base::clock::Time;
use crate::mail::domain_name::DomainName;
use std::time::Duration;

/// Whom a door is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Submission,
    Mx,
}

/// How the bytes travel, and what is offered about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    Plain,
    PlainOfferingTls,
    Tls,
}

/// Can a client log in here and now?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// Nobody logs in at this door.
    Never,
    /// Only over TLS.
    NeedsTls,
    Offered {
        scram: bool,
    },
}

/// Who may send here and now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Everybody who connects: the world at the MX, or a host of a credential's network.
    Open,
    /// Who has logged in.
    AfterLogin,
}

/// Everything that one channel of one connection offers.
#[derive(Clone, Debug)]
pub struct Offer {
    pub hostname: DomainName,
    pub role: Role,
    pub channel: Channel,
    pub auth: Auth,
    pub admission: Admission,
    pub line_ends: LineEnds,
    pub message_bytes_max: usize,
    pub recipients_max: usize,
    /// Of all messages of a connection together.
    pub recipients_per_connection: u32,
    pub messages_max: u32,
    /// How far ahead mail may be held; none where that is not offered.
    pub hold_max: Option<Duration>,
}

impl Offer {
    /// RFC 5321 4.1.1.1: our name, then a line for each extension.
    pub fn ehlo(&self, now: Time) -> Vec<String> {
        let mut lines = vec![self.hostname.to_string()];
        let mut add = |line: String| lines.push(line);
        for word in ["PIPELINING", "8BITMIME", "SMTPUTF8", "CHUNKING", "BINARYMIME", "DSN", "ENHANCEDSTATUSCODES"] {
            add(word.to_owned());
        }
        // RFC 1870 4
        add(format!("SIZE {}", self.message_bytes_max));
        // RFC 9422 3
        add(format!("LIMITS MAILMAX={} RCPTMAX={}", self.messages_max, self.recipients_max));
        match self.channel {
            // RFC 3207 4.2: not offered inside TLS.
            Channel::PlainOfferingTls => add("STARTTLS".to_owned()),
            // RFC 8689 2: only where the promise can be kept.
            Channel::Tls => add("REQUIRETLS".to_owned()),
            Channel::Plain => {}
        }
        match self.auth {
            // RFC 4954 4: mechanisms in one line.
            Auth::Offered { scram: true } => add("AUTH PLAIN LOGIN SCRAM-SHA-256".to_owned()),
            Auth::Offered { scram: false } => add("AUTH PLAIN LOGIN".to_owned()),
            Auth::Never | Auth::NeedsTls => {}
        }
        if let Some(hold_max) = self.hold_max {
            // RFC 4865 3: seconds, and the latest moment.
            add(format!("FUTURERELEASE {} {}", hold_max.as_secs(), seconds(now.plus(hold_max))));
        }
        lines
    }
}

/// RFC 3339 without fractions, as RFC 4865 writes it.
fn seconds(at: Time) -> String {
    let text = at.to_string();
    text.split_once('.').map_or(text.clone(), |(whole, _)| format!("{whole}Z"))
}

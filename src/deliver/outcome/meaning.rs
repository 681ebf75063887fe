//! What codes mean by themselves: the enhanced one (RFC 3463, RFC 7372, RFC 8689 and their registry), and
//! where there is none, the code and the moment it came at.

use super::{Answer, Phase};
use crate::mail::status::Status;
use crate::model::outcome::{Kind, category};

/// What a failure is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Meaning<'a> {
    pub kind: Kind,
    pub category: &'a str,
    /// For a reply that brought none; its class is the outcome's.
    pub status: Status,
}

/// Categories that are properties of a host: another one of the same site may be made otherwise.
const OF_ONE_HOST: [&str; 5] =
    [category::TOO_LARGE, category::UTF8, category::EIGHT_BIT, category::REQUIRETLS, "not_accepting"];

impl<'a> Meaning<'a> {
    pub fn of(answer: &Answer<'_>) -> Meaning<'static> {
        let by_status = answer.status.filter(|status| status.class() != 2).and_then(by_status);
        by_status.unwrap_or_else(|| by_code(answer))
    }

    /// A refusal of TLS or of a login is that, in whatever words.
    pub fn of_phase(answer: &Answer<'_>) -> Option<Meaning<'static>> {
        let (kind, category, detail) = match answer.phase {
            _ if answer.code == 421 => return None,
            Phase::StartTls => (Kind::Soft, "tls", 0),
            Phase::Login => (Kind::Block, "login", 8),
            _ => return None,
        };
        Some(Meaning { kind, category, status: Status::new(4, 7, detail) })
    }

    pub fn is_of_one_host(&self) -> bool {
        OF_ONE_HOST.contains(&self.category)
    }
}

fn by_status(status: Status) -> Option<Meaning<'static>> {
    use Kind::{Block, Hard, Soft};
    let (kind, category) = match (status.subject(), status.detail()) {
        (1, 1) => (Hard, "unknown_user"),
        (1, 2) => (Hard, "bad_domain"),
        (1, 0 | 3 | 4) => (Hard, "bad_address"),
        (1, 6) => (Hard, "moved"),
        (1, 7..=9) => (Block, "bad_sender"),
        (1, 10) => (Hard, "no_mail"),
        (2, 1) if status.class() == 5 => (Hard, "disabled"),
        (2, 2) => (Soft, "mailbox_full"),
        (2, 3) | (3, 4) => (Soft, "too_large"),
        (2, 4) => (Soft, "list"),
        (2, _) => (Soft, "mailbox"),
        (3, 1) => (Soft, "system_full"),
        (3, 2) => (Soft, "not_accepting"),
        (3, 5) => (Soft, "misconfigured"),
        (3, _) => (Soft, "system"),
        (4, 1 | 2) => (Soft, "connection"),
        (4, 3) => (Soft, "dns"),
        (4, 5) => (Soft, "busy"),
        (4, 6) => (Soft, "loop"),
        (4, 7) => (Soft, "expired"),
        (4, _) => (Soft, "routing"),
        (5, 3) => (Soft, "too_many_recipients"),
        (5, _) => (Soft, "protocol"),
        (6, 3) => (Soft, "eight_bit"),
        (6, 7..=9) => (Soft, "utf8"),
        (6, _) => (Soft, "content"),
        (7, 8 | 9 | 11 | 12) => (Block, "login"),
        (7, 10) => (Block, "tls_required"),
        (7, 13) => (Hard, "disabled"),
        (7, 20..=24 | 26 | 29) => (Block, "authentication"),
        (7, 25) => (Block, "reverse_dns"),
        (7, 27) => (Block, "bad_sender"),
        (7, 28) => (Block, "rate"),
        (7, 30) => (Soft, "requiretls"),
        (7, _) => (Block, "policy"),
        _ => return None,
    };
    Some(Meaning { kind, category, status })
}

fn by_code(answer: &Answer<'_>) -> Meaning<'static> {
    use Kind::{Block, Hard, Soft};
    use Phase::{Message, Recipient};
    let (kind, category, subject, detail) = match (answer.code, answer.phase) {
        (421, _) => (Soft, "not_available", 3, 2),
        (450, _) => (Soft, "mailbox", 2, 0),
        (451, _) => (Soft, "system", 3, 0),
        (452, Recipient) => (Soft, "too_many_recipients", 5, 3),
        (452, _) => (Soft, "system_full", 3, 1),
        (530, _) => (Block, "login", 7, 0),
        // Before a mail was spoken of it can only be us.
        (520..=599, phase) if super::is_before_mail(phase) => (Block, "policy", 7, 1),
        // RFC 7504.
        (521 | 556, _) => (Hard, "no_mail", 1, 10),
        (550, Recipient) => (Hard, "unknown_user", 1, 1),
        (551, _) => (Hard, "moved", 1, 6),
        (552, Recipient) => (Soft, "mailbox_full", 2, 2),
        (552, _) => (Soft, "too_large", 3, 4),
        (553, Recipient) => (Hard, "bad_address", 1, 3),
        (553, Phase::Mail) => (Block, "bad_sender", 1, 8),
        (550 | 554, Message | Phase::Data) => (Block, "policy", 7, 1),
        (550 | 553 | 554, _) => (Block, "policy", 7, 1),
        (500..=504 | 555, _) => (Soft, "protocol", 5, 0),
        (400..=599, _) => (Soft, "other", 0, 0),
        _ => (Soft, "protocol", 5, 0),
    };
    Meaning { kind, category, status: Status::new(4, subject, detail) }
}

//! For people: what happened, whose fault it is, and what they can do.

use crate::mail::dsn::Action;
use crate::model::outcome::{Blame, Kind, Why, category};

/// One sentence with what was said or found.
pub(super) fn what(why: &Why, host: Option<&str>) -> String {
    match (why.code, host) {
        (Some(code), Some(host)) => format!("{host} said: {code} {}", why.text),
        (Some(code), None) => format!("The answer was: {code} {}", why.text),
        (None, _) => format!("{}.", upper(why.text.trim_end_matches('.'))),
    }
}

fn upper(text: &str) -> String {
    let mut letters = text.chars();
    // A host's name stays as it is.
    match letters.next().filter(|_| !text.split(' ').next().unwrap_or_default().contains('.')) {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => text.to_owned(),
    }
}

/// Whose fault it is, and what to do next.
pub(super) fn next(why: &Why, action: Action) -> &'static str {
    if action == Action::Delayed {
        return match why.blame {
            Blame::Remote => "The other side asks for patience. You need not do anything.",
            Blame::Network => "The other side cannot be reached at the moment. You need not do anything.",
            Blame::Policy => "A rule holds it back. Ask your administrator if that should not be so.",
            Blame::Us => "This server has a fault that its administrator should mend. You need not do anything.",
        };
    }
    match why.category.as_str() {
        "unknown_user" => "There is no such address at the other side. Look for a slip of the pen in it.",
        category::BAD_DOMAIN | category::NO_MAIL => {
            "That domain takes no mail. Look for a slip of the pen behind the @."
        }
        "bad_address" => "The other side takes no address of this form. Look for a slip of the pen in it.",
        "disabled" => "That address is not used any more. Ask the recipient for another one.",
        "moved" => "The recipient has another address now. The other side's answer may name it.",
        "mailbox_full" => "The recipient's mailbox is full. Try again in some days, or tell the recipient another way.",
        category::TOO_LARGE => {
            "The message is too large for the other side. Send it without attachments, or smaller ones."
        }
        "spam" | "content" | "links" => {
            "The other side took the message for spam. If it is none, write it differently, or ask the recipient to \
             let it pass."
        }
        "malware" | "attachment" => "The other side does not take what is attached. Pass it on another way.",
        "authentication" | "reverse_dns" | "hello" | "tls_required" | category::LOGIN => {
            "The other side could not tell that the message is really from your domain. Show this report to your \
             administrator."
        }
        "blocklist" | "blocked" | "reputation" | "rate" => {
            "The other side does not take mail from this server at present. Show this report to your administrator."
        }
        "restricted" | "list" => "The recipient takes mail from certain senders only. Ask to be one of them.",
        category::REQUIRETLS | category::TLS => {
            "The message may not travel without TLS, and the other side does not promise that."
        }
        category::EIGHT_BIT => "The other side cannot take a message of this form. Send it as plain text.",
        category::UTF8 => {
            "The other side cannot take an address or a header beyond ASCII. Use an address in plain letters."
        }
        _ => by_kind(why),
    }
}

fn by_kind(why: &Why) -> &'static str {
    match (why.blame, why.kind) {
        (Blame::Remote, Kind::Hard) => "The other side will not take mail for this address.",
        (Blame::Remote, Kind::Soft) => "The other side could not take the message. Sending it again later may help.",
        (Blame::Remote, Kind::Block) => "The other side refused the message. Ask the recipient to let it pass.",
        (Blame::Network, _) => "The other side could not be reached in all that time. Try again later.",
        (Blame::Policy, _) => "A rule of this server or of your organisation forbids it. Ask your administrator.",
        (Blame::Us, _) => "This server has a fault. Show this report to your administrator.",
    }
}

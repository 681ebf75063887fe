//! What a report means to us: whom of ours it is about, and why it failed, in the words that answers of servers are
//! judged with. Pure.

use crate::deliver::outcome::{Answer, Phase, Replies};
use crate::mail::address::Address;
use crate::mail::dsn::Action;
use crate::mail::dsn::read::About;
use crate::mail::status::Status;
use crate::model::delivery::Delivery;
use crate::model::outcome::{Blame, Kind, Outcome, Why};
use crate::policy::return_path::Returned;
use crate::smtp::xtext;

/// The deliveries that a recipient of a report is. Who knows the token of a delivery speaks of it; in a report on a
/// message its recipients are named.
pub(super) fn meant<'a>(returned: &Returned, deliveries: &'a [Delivery], about: &About) -> Vec<&'a Delivery> {
    match returned {
        Returned::Delivery(_) => deliveries.iter().collect(),
        Returned::Message(_) => deliveries.iter().filter(|delivery| names(about, &delivery.recipient)).collect(),
    }
}

/// Does the report name this recipient, as we called it or as it is called now?
pub(super) fn names(about: &About, recipient: &Address) -> bool {
    let named = [&about.original, &about.recipient];
    named.into_iter().flatten().any(|text| is_same(text, recipient))
}

/// Who had it in between may have changed the case of letters, or left the xtext of the wire (RFC 3461 4.2) in it.
fn is_same(text: &str, recipient: &Address) -> bool {
    let is = |text: &str| {
        text.parse::<Address>().is_ok_and(|named| {
            named.domain() == recipient.domain() && named.local().to_lowercase() == recipient.local().to_lowercase()
        })
    };
    is(text) || xtext::decode(text).is_some_and(|decoded: String| is(&decoded))
}

/// Why, as far as the report says. Judged like an answer to the whole message: what a bare 550 is about nobody
/// knows any more, and an address is not given up for it.
pub(super) fn why(replies: &Replies, about: &About, host: &str) -> Why {
    let class = if about.action == Action::Delayed { 4 } else { 5 };
    let said = about.diagnostic.as_deref().unwrap_or_default();
    let (code, said) = if about.is_reply { reply(said) } else { (None, said) };
    let (status, text) = with_status(said);
    // X.0.0 says nothing; what stands in the reply itself says most.
    let told = about.status.filter(|status| (status.subject(), status.detail()) != (0, 0));
    let status = status.filter(|status| status.class() != 2).or(told);
    let answer = Answer {
        phase: Phase::Message,
        host,
        code: code.filter(|code| matches!(code, 400..=599)).unwrap_or(u16::from(class) * 100 + 50),
        status: status.map(|status| status.with_class(class)),
        text,
    };
    match replies.classify(&answer).outcome {
        Outcome::Later(why) | Outcome::Never(why) => judged(why, code, class, about),
        Outcome::Done => judged(unsaid(), None, class, about),
    }
}

fn judged(why: Why, code: Option<u16>, class: u8, about: &About) -> Why {
    let text = match why.text.is_empty() {
        false => why.text,
        true => about.status.map_or_else(
            || "the receiving side reported it without a reason".to_owned(),
            |status| format!("the receiving side reported {status}"),
        ),
    };
    Why { status: why.status.with_class(class), code, text, ..why }
}

fn unsaid() -> Why {
    Why::found(Blame::Remote, Kind::Soft, "other", Status::new(5, 0, 0), String::new())
}

/// `550 5.1.1 …` or `550-5.1.1 …`: the code, and what stands behind it.
fn reply(said: &str) -> (Option<u16>, &str) {
    let Some((code, rest)) = said.split_at_checked(3) else { return (None, said) };
    let is_code = code.bytes().all(|b| b.is_ascii_digit());
    match code.parse() {
        Ok(code) if is_code && rest.chars().next().is_none_or(|c| !c.is_alphanumeric()) => {
            (Some(code), rest.trim_start_matches([' ', '-', '#']))
        }
        _ => (None, said),
    }
}

fn with_status(text: &str) -> (Option<Status>, &str) {
    let word = text.split_whitespace().next().unwrap_or_default();
    match word.trim_matches(|c: char| !c.is_ascii_digit()).parse() {
        Ok(status) => (Some(status), text[word.len()..].trim_start()),
        Err(_) => (None, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn about(status: &str, diagnostic: &str) -> About {
        About {
            action: Action::Failed,
            original: None,
            recipient: Some("gone@far.example".into()),
            status: status.parse().ok(),
            remote: None,
            diagnostic: (!diagnostic.is_empty()).then(|| diagnostic.to_owned()),
            is_reply: true,
        }
    }

    fn judged(status: &str, diagnostic: &str) -> (Kind, String, String, Option<u16>) {
        let why = why(&Replies::built_in(), &about(status, diagnostic), "mx.far.example");
        (why.kind, why.category, why.status.to_string(), why.code)
    }

    #[test]
    fn only_what_speaks_of_the_address_is_hard() {
        for (status, diagnostic, kind, category, told, code) in [
            ("5.1.1", "550 5.1.1 no such user", Kind::Hard, "unknown_user", "5.1.1", Some(550)),
            ("5.0.0", "550-5.1.1 no such user", Kind::Hard, "unknown_user", "5.1.1", Some(550)),
            ("5.1.1", "", Kind::Hard, "unknown_user", "5.1.1", None),
            ("5.0.0", "550 we do not like this", Kind::Block, "policy", "5.7.1", Some(550)),
            ("5.2.2", "552 5.2.2 mailbox full", Kind::Soft, "mailbox_full", "5.2.2", Some(552)),
            // It was tried for days: nobody says that the address is wrong.
            ("4.4.7", "451 4.2.0 busy", Kind::Soft, "mailbox", "5.2.0", Some(451)),
            ("5.7.1", "550 5.7.1 spam", Kind::Block, "policy", "5.7.1", Some(550)),
        ] {
            let (found, word, shown, answered) = judged(status, diagnostic);
            assert_eq!((found, shown.as_str(), answered), (kind, told, code), "{status} {diagnostic}: {word}");
            assert!(word == category || kind == Kind::Block, "{status} {diagnostic}: {word}");
        }
    }

    #[test]
    fn a_recipient_is_named_in_any_case_and_in_xtext() {
        let bob: Address = "Bob+x@far.example".parse().unwrap();
        for (text, named) in [
            ("bob+x@FAR.example", true),
            ("Bob+2Bx@far.example", true),
            ("bob@far.example", false),
            ("nobody", false),
            ("", false),
        ] {
            assert_eq!(is_same(text, &bob), named, "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_is_said_makes_it_panic(
            status in "[0-9.]{0,8}",
            diagnostic in "([0-9]{3}|[0-9.#-]{1,6}|\\PC| ){0,20}",
            is_reply: bool,
        ) {
            let said = About { is_reply, ..about(&status, &diagnostic) };
            let why = why(&Replies::built_in(), &said, "");
            prop_assert_eq!(why.status.class(), 5);
            prop_assert!(!why.text.is_empty());
        }
    }
}

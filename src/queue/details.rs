//! What the envelope and the control headers wished, as JSON beside the rows: nothing is written for what nobody
//! asked for. What is read back is what was written; fields of other rooms in the same JSON are not ours to judge.

use super::finish::{self, Finish};
use crate::base::limits;
use crate::mail::domain_name::DomainName;
use crate::mail::envelope::{BodyType, MailParams, Notify, OriginalRecipient, Recipient, Ret};
use crate::model::wishes::{self, Unsubscribe};
use serde::{Deserialize, Serialize, Serializer};

const NONE: &str = "{}";

#[derive(Serialize)]
struct OfMessage<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    smtputf8: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    requiretls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ret: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    envid: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    tags: &'a [String],
    #[serde(skip_serializing_if = "<[_]>::is_empty", serialize_with = "in_order")]
    metadata: &'a [(String, String)],
    #[serde(skip_serializing_if = "Option::is_none")]
    locale: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    opens: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    clicks: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unsubscribe: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ignore_suppression: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotency_key: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    removed: Vec<Removed<'a>>,
    #[serde(flatten)]
    finish: finish::Fields,
    #[serde(skip_serializing_if = "Option::is_none")]
    links: Option<&'a serde_json::Value>,
}

/// A control header that was taken out. Long ones are cut.
#[derive(Serialize)]
struct Removed<'a> {
    name: &'a str,
    value: &'a str,
}

/// A JSON object with its keys in the order in which they were given.
fn in_order<S: Serializer>(pairs: &[(String, String)], to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(pairs.iter().map(|(key, value)| (key, value)))
}

pub(super) fn of_message(
    params: &MailParams,
    wishes: &wishes::Wishes,
    finish: &Finish,
    links: Option<&serde_json::Value>,
) -> String {
    let details = OfMessage {
        body: match params.body {
            BodyType::SevenBit => None,
            BodyType::EightBitMime => Some("8bitmime"),
            BodyType::BinaryMime => Some("binarymime"),
        },
        smtputf8: params.smtputf8.then_some(true),
        requiretls: params.require_tls.then_some(true),
        ret: params.ret.map(|ret| match ret {
            Ret::Full => "full",
            Ret::Headers => "hdrs",
        }),
        envid: params.envid.as_deref(),
        tags: &wishes.tags,
        metadata: &wishes.metadata,
        locale: wishes.template.as_ref().and_then(|template| template.locale.as_deref()),
        opens: wishes.opens,
        clicks: wishes.clicks.map(|clicks| clicks.as_str()),
        unsubscribe: match &wishes.unsubscribe {
            Unsubscribe::Auto => None,
            Unsubscribe::None => Some("none".to_owned()),
            Unsubscribe::Group(name) => Some(format!("group:{name}")),
        },
        ignore_suppression: wishes.ignore_suppression.then_some(true),
        idempotency_key: wishes.idempotency_key.as_deref(),
        removed: removed(&wishes.removed),
        finish: finish::Fields::from(finish),
        links,
    };
    write(&details)
}

fn removed(headers: &[(String, String)]) -> Vec<Removed<'_>> {
    let mut left = limits::REMOVED_BYTES_MAX;
    let mut removed = Vec::new();
    for (name, value) in headers {
        let value = cut(value, limits::REMOVED_VALUE_BYTES_MAX);
        let Some(rest) = left.checked_sub(name.len() + value.len()) else { break };
        left = rest;
        removed.push(Removed { name, value });
    }
    removed
}

fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

#[derive(Serialize)]
struct OfDelivery {
    /// RFC 3461 4.1: the words that were given; `[]` is NEVER.
    #[serde(skip_serializing_if = "Option::is_none")]
    notify: Option<Vec<&'static str>>,
    /// RFC 3461 4.2: `rfc822;someone@example.net`, decoded.
    #[serde(skip_serializing_if = "Option::is_none")]
    orcpt: Option<String>,
}

pub(super) fn of_delivery(recipient: &Recipient) -> String {
    if recipient.notify.is_none() && recipient.original.is_none() {
        return NONE.to_owned();
    }
    let notify = recipient.notify.map(|notify| match notify {
        Notify::Never => Vec::new(),
        Notify::On { success, failure, delay } => [(success, "success"), (failure, "failure"), (delay, "delay")]
            .into_iter()
            .filter_map(|(on, word)| on.then_some(word))
            .collect(),
    });
    let orcpt = recipient.original.as_ref().map(|original| format!("{};{}", original.kind, original.address));
    write(&OfDelivery { notify, orcpt })
}

/// What RCPT said of a recipient.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    pub notify: Option<Notify>,
    pub original: Option<OriginalRecipient>,
}

/// The row does not hold what was written there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadDetails(String);

impl BadDetails {
    pub(super) fn new(why: String) -> Self {
        Self(why)
    }
}

impl std::fmt::Display for BadDetails {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "details cannot be read: {}", self.0)
    }
}

impl std::error::Error for BadDetails {}

#[derive(Deserialize)]
struct ReadMessage {
    body: Option<String>,
    #[serde(default)]
    smtputf8: bool,
    #[serde(default)]
    requiretls: bool,
    ret: Option<String>,
    envid: Option<String>,
}

/// What MAIL said, from a message's row; its size, and until when it is held, stand elsewhere.
pub fn params(details: &str) -> Result<MailParams, BadDetails> {
    let read: ReadMessage = serde_json::from_str(details).map_err(|why| BadDetails(why.to_string()))?;
    Ok(MailParams {
        body: match read.body.as_deref() {
            None => BodyType::SevenBit,
            Some("8bitmime") => BodyType::EightBitMime,
            Some("binarymime") => BodyType::BinaryMime,
            Some(other) => return Err(unknown("body", other)),
        },
        smtputf8: read.smtputf8,
        require_tls: read.requiretls,
        ret: match read.ret.as_deref() {
            None => None,
            Some("full") => Some(Ret::Full),
            Some("hdrs") => Some(Ret::Headers),
            Some(other) => return Err(unknown("ret", other)),
        },
        envid: read.envid,
        size: None,
        hold_until: None,
    })
}

/// Does the message go to suppressed recipients too? What cannot be read wished for nothing special.
pub fn ignores_suppression(details: &str) -> bool {
    #[derive(Deserialize)]
    struct Read {
        #[serde(default)]
        ignore_suppression: bool,
    }
    serde_json::from_str::<Read>(details).is_ok_and(|read| read.ignore_suppression)
}

#[derive(Deserialize)]
struct ReadDelivery {
    notify: Option<Vec<String>>,
    orcpt: Option<String>,
    forwarded_by: Option<String>,
}

/// The domain of ours that forwards a delivery, whoever wrote the message: bounces come back to it. None for what
/// leaves as its own sender sent it.
pub fn forwarded_by(details: &str) -> Option<DomainName> {
    serde_json::from_str::<ReadDelivery>(details).ok()?.forwarded_by?.parse().ok()
}

/// What RCPT said, from a delivery's row.
pub fn wishes(details: &str) -> Result<Wishes, BadDetails> {
    let read: ReadDelivery = serde_json::from_str(details).map_err(|why| BadDetails(why.to_string()))?;
    let original = read.orcpt.map(|text| match text.split_once(';') {
        Some((kind, address)) => Ok(OriginalRecipient { kind: kind.to_owned(), address: address.to_owned() }),
        None => Err(unknown("orcpt", &text)),
    });
    Ok(Wishes { notify: read.notify.map(|words| notify(&words)).transpose()?, original: original.transpose()? })
}

fn notify(words: &[String]) -> Result<Notify, BadDetails> {
    if words.is_empty() {
        return Ok(Notify::Never);
    }
    let (mut success, mut failure, mut delay) = (false, false, false);
    for word in words {
        match word.as_str() {
            "success" => success = true,
            "failure" => failure = true,
            "delay" => delay = true,
            other => return Err(unknown("notify", other)),
        }
    }
    Ok(Notify::On { success, failure, delay })
}

fn unknown(field: &str, word: &str) -> BadDetails {
    BadDetails(format!("{field} is {word:?}"))
}

fn write(details: &impl Serialize) -> String {
    // Texts, words and flags always have a form in JSON.
    serde_json::to_string(details).unwrap_or_else(|_| NONE.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_params() -> impl Strategy<Value = MailParams> {
        let bodies = vec![BodyType::SevenBit, BodyType::EightBitMime, BodyType::BinaryMime];
        let rets = vec![None, Some(Ret::Full), Some(Ret::Headers)];
        (proptest::sample::select(bodies), proptest::sample::select(rets), "\\PC{0,100}", any::<[bool; 3]>()).prop_map(
            |(body, ret, envid, [smtputf8, require_tls, has_envid])| MailParams {
                body,
                smtputf8,
                require_tls,
                ret,
                envid: has_envid.then_some(envid),
                ..MailParams::default()
            },
        )
    }

    fn any_recipient() -> impl Strategy<Value = Recipient> {
        // NOTIFY= with no word does not exist: RFC 3461 4.1.
        let on = (1_u8..8).prop_map(|bits| Notify::On {
            success: bits & 1 != 0,
            failure: bits & 2 != 0,
            delay: bits & 4 != 0,
        });
        let notify = prop_oneof![Just(None), Just(Some(Notify::Never)), on.prop_map(Some)];
        let original = proptest::option::of(("rfc822|utf-8|x400", "\\PC{0,60}"));
        (notify, original).prop_map(|(notify, original)| Recipient {
            address: "a@b.example".parse().unwrap(),
            notify,
            original: original.map(|(kind, address)| OriginalRecipient { kind, address }),
        })
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_was_written(params in any_params(), recipient in any_recipient()) {
            prop_assert_eq!(super::params(&of_message(&params, &Default::default(), &Finish::default(), None)), Ok(params));
            let wishes = super::wishes(&of_delivery(&recipient)).unwrap();
            prop_assert_eq!((wishes.notify, wishes.original), (recipient.notify, recipient.original));
        }

        #[test]
        fn nothing_that_a_row_may_hold_makes_a_reader_panic(text in "\\PC{0,80}|\\{\"(notify|orcpt|body|ret)\":\\PC{0,30}\\}") {
            let _ = (super::params(&text), super::wishes(&text));
        }
    }

    #[test]
    fn fields_of_others_are_not_ours_and_damage_is_told() {
        let params = params(r#"{"tags":["a"],"envid":"x","slots":{"b":1}}"#).unwrap();
        assert_eq!(params, MailParams { envid: Some("x".into()), ..MailParams::default() });
        assert_eq!(wishes(r#"{"slots":[1,2]}"#), Ok(Wishes::default()));
        for bad in ["", "[", r#"{"notify":["often"]}"#, r#"{"notify":7}"#, r#"{"orcpt":"nobody"}"#] {
            assert!(wishes(bad).is_err(), "{bad}");
        }
        for bad in [r#"{"body":"7bit"}"#, r#"{"ret":"half"}"#, r#"{"envid":7}"#] {
            assert!(super::params(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn wishes_stand_beside_the_envelope_and_have_a_bound() {
        let text = |text: &str| text.to_owned();
        let wishes = wishes::Wishes {
            tags: vec![text("b"), text("a")],
            metadata: vec![(text("z"), text("\"1\"")), (text("a"), text("2"))],
            opens: Some(false),
            clicks: Some(crate::model::domain::Clicks::All),
            unsubscribe: Unsubscribe::Group("news".parse().unwrap()),
            ignore_suppression: true,
            idempotency_key: Some(text("k")),
            removed: vec![(text("X-Gatepost-Tag"), text("b, a"))],
            ..wishes::Wishes::default()
        };
        assert_eq!(
            of_message(&MailParams::default(), &wishes, &Finish::default(), None),
            r#"{"tags":["b","a"],"metadata":{"z":"\"1\"","a":"2"},"opens":false,"clicks":"all","unsubscribe":"group:news","ignore_suppression":true,"idempotency_key":"k","removed":[{"name":"X-Gatepost-Tag","value":"b, a"}]}"#
        );
        let long = (text("X-Gatepost-Variables"), "\u{fc}".repeat(limits::VARIABLES_BYTES_MAX));
        let wishes = wishes::Wishes { removed: vec![long; 100], ..wishes::Wishes::default() };
        let details = of_message(&MailParams::default(), &wishes, &Finish::default(), None);
        assert!(details.len() < limits::REMOVED_BYTES_MAX + 1_000 && super::params(&details).is_ok());
    }

    #[test]
    fn only_what_was_asked_for_is_written() {
        assert_eq!(of_message(&MailParams::default(), &Default::default(), &Finish::default(), None), "{}");
        let wishes = wishes::Wishes { ignore_suppression: true, ..Default::default() };
        let ignoring = of_message(&MailParams::default(), &wishes, &Finish::default(), None);
        assert_eq!((ignoring.as_str(), ignores_suppression(&ignoring)), (r#"{"ignore_suppression":true}"#, true));
        assert!(!ignores_suppression("{}") && !ignores_suppression("damaged"));
        let params = MailParams {
            body: BodyType::EightBitMime,
            smtputf8: true,
            ret: Some(Ret::Headers),
            envid: Some("a\"b".into()),
            require_tls: true,
            ..MailParams::default()
        };
        assert_eq!(
            of_message(&params, &Default::default(), &Finish::default(), None),
            r#"{"body":"8bitmime","smtputf8":true,"requiretls":true,"ret":"hdrs","envid":"a\"b"}"#
        );
        let mut recipient = Recipient { address: "a@b.example".parse().unwrap(), notify: None, original: None };
        assert_eq!(of_delivery(&recipient), "{}");
        recipient.notify = Some(Notify::Never);
        assert_eq!(of_delivery(&recipient), r#"{"notify":[]}"#);
        recipient.notify = Some(Notify::On { success: true, failure: false, delay: true });
        recipient.original = Some(OriginalRecipient { kind: "rfc822".into(), address: "c@d.example".into() });
        assert_eq!(of_delivery(&recipient), r#"{"notify":["success","delay"],"orcpt":"rfc822;c@d.example"}"#);
    }
}

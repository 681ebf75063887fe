//! What the envelope wished, as JSON beside the rows: nothing is written for what nobody asked for.

use crate::mail::envelope::{BodyType, MailParams, Notify, Recipient, Ret};
use serde::Serialize;

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
}

pub(super) fn of_message(params: &MailParams) -> String {
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
    };
    write(&details)
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

fn write(details: &impl Serialize) -> String {
    // Texts, words and flags always have a form in JSON.
    serde_json::to_string(details).unwrap_or_else(|_| NONE.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::envelope::OriginalRecipient;

    #[test]
    fn only_what_was_asked_for_is_written() {
        assert_eq!(of_message(&MailParams::default()), "{}");
        let params = MailParams {
            body: BodyType::EightBitMime,
            smtputf8: true,
            ret: Some(Ret::Headers),
            envid: Some("a\"b".into()),
            require_tls: true,
            ..MailParams::default()
        };
        assert_eq!(
            of_message(&params),
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

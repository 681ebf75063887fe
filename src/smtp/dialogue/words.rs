//! The commands of an envelope, each one line whatever its values hold.

use super::capabilities::Capabilities;
use super::transaction::Mail;
use crate::base::limits;
use crate::mail::envelope::{BodyType, Notify, OriginalRecipient, Recipient, Ret};
use crate::smtp::xtext;
use std::fmt::Write;

/// What the parameters of an envelope depend on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Speech {
    pub body: BodyType,
    pub smtputf8: bool,
}

/// RFC 5321 4.1.1.2, with the parameters that are offered.
pub(super) fn mail(out: &mut Vec<u8>, mail: &Mail<'_>, can: &Capabilities, speech: Speech, bytes: u64) {
    let mut line = format!("MAIL FROM:<{}>", mail.sender);
    // Writing to a String cannot fail.
    if can.size != super::capabilities::Size::NotOffered {
        // RFC 1870 6: as it is sent, without the dots that are doubled.
        let _ = write!(line, " SIZE={bytes}");
    }
    line.push_str(match speech.body {
        BodyType::SevenBit => "",
        BodyType::EightBitMime => " BODY=8BITMIME",
        BodyType::BinaryMime => " BODY=BINARYMIME",
    });
    if speech.smtputf8 {
        line.push_str(" SMTPUTF8");
    }
    if mail.params.require_tls && can.require_tls {
        // RFC 8689 4.2: passed on, or not sent at all.
        line.push_str(" REQUIRETLS");
    }
    if can.dsn {
        line.push_str(match mail.params.ret {
            None => "",
            Some(Ret::Full) => " RET=FULL",
            Some(Ret::Headers) => " RET=HDRS",
        });
        // RFC 3461 4.4: passed on unchanged. One that is too long was never heard from a client of ours.
        if let Some(envid) = mail.params.envid.as_deref().map(xtext::encode)
            && (1..=limits::ENVID_BYTES_MAX).contains(&envid.len())
        {
            let _ = write!(line, " ENVID={envid}");
        }
    }
    push(out, &line);
}

/// RFC 5321 4.1.1.3, with what RFC 3461 adds where it is spoken.
pub(super) fn rcpt(out: &mut Vec<u8>, recipient: &Recipient, can: &Capabilities, speech: Speech) {
    let mut line = format!("RCPT TO:<{}>", recipient.address);
    if can.dsn {
        if let Some(notify) = recipient.notify {
            let _ = write!(line, " NOTIFY={}", words_of(notify));
        }
        if let Some(orcpt) = recipient.original.as_ref().and_then(|original| orcpt(original, speech)) {
            let _ = write!(line, " ORCPT={orcpt}");
        }
    }
    push(out, &line);
}

/// RFC 3461 4.1.
fn words_of(notify: Notify) -> String {
    let Notify::On { success, failure, delay } = notify else { return "NEVER".to_owned() };
    let words = [(success, "SUCCESS"), (failure, "FAILURE"), (delay, "DELAY")];
    let wanted: Vec<_> = words.iter().filter(|(wanted, _)| *wanted).map(|(_, word)| *word).collect();
    if wanted.is_empty() { "NEVER".to_owned() } else { wanted.join(",") }
}

/// RFC 3461 4.2: passed on unchanged. One that is too long in the form that this host reads stays behind: mail
/// is worth more than the name it was first meant for.
fn orcpt(original: &OriginalRecipient, speech: Speech) -> Option<String> {
    let address = match original.kind.eq_ignore_ascii_case("utf-8") {
        true => xtext::encode_utf8(&original.address, speech.smtputf8),
        false => xtext::encode(&original.address),
    };
    let is_atom = !original.kind.is_empty() && original.kind.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let orcpt = format!("{};{address}", original.kind);
    (is_atom && !address.is_empty() && orcpt.len() <= limits::ORCPT_BYTES_MAX).then_some(orcpt)
}

/// One line: addresses cannot hold a control character and everything else is encoded; should one be there
/// all the same, it does not become a second command.
pub(super) fn push(out: &mut Vec<u8>, line: &str) {
    out.extend(line.bytes().map(|b| if b < b' ' || b == 0x7f { b'?' } else { b }));
    out.extend_from_slice(b"\r\n");
}

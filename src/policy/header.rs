//! What a header may have in it: what no door takes, and which of its fields give orders to a sender's service and
//! are nobody else's.

use crate::mail::header::{Ending, Field, Fields, Header};
use crate::smtp::reply::Reply;

const LOOP: Reply = Reply::new(554, 4, 6, "too many Received fields: this message goes round in a loop");
const TOO_LARGE: Reply = Reply::new(552, 3, 4, "the header of this message is too large");

/// RFC 5321 6.3: who has been handed on so often goes round in a loop. Our own name is not looked for:
/// mail may pass us twice on its way, out by one domain and in by another.
pub fn check(header: &Header<'_>, hops_max: usize) -> Result<(), Reply> {
    if header.ending == Ending::Bound {
        return Err(TOO_LARGE);
    }
    if header.received >= hops_max { Err(LOOP) } else { Ok(()) }
}

/// What all our control headers begin with.
pub const CONTROL_PREFIX: &str = "X-Gatepost-";

/// Our control headers in a message, in their order.
pub fn control_fields(message: &[u8]) -> impl Iterator<Item = Field<'_>> {
    Fields::of(message).filter(|field| begins_with(field.name(), CONTROL_PREFIX))
}

/// Does this field steer one of the services that a smarthost may belong to? Not all that begin like them do:
/// `X-Mailgun-Sid` and `X-SES-Outgoing` only tell what one of them did.
pub fn steers_a_provider(name: &str) -> bool {
    const PREFIXES: [&str; 10] = [
        "X-PM-",
        "X-Mailgun-",
        "X-SES-",
        "X-Postal-",
        "X-MC-",
        "X-MJ-",
        "X-Mailjet-",
        "X-Mandrill-",
        "X-SIB-",
        "X-MSYS-",
    ];
    const NAMES: [&str; 5] = ["X-SMTPAPI", "X-Sending-Zone", "X-Sender-Pool", "X-Resend-Tag", "X-Virtual-MTA"];
    const TELLING: [&str; 3] = ["X-SES-Outgoing", "X-Mailgun-Sid", "X-Mailgun-Sending-Ip"];
    let is_in = |known: &[&str]| known.iter().any(|known| name.eq_ignore_ascii_case(known));
    !is_in(&TELLING) && (is_in(&NAMES) || PREFIXES.iter().any(|prefix| begins_with(name, prefix)))
}

fn begins_with(name: &str, prefix: &str) -> bool {
    name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::limits;

    #[test]
    fn orders_are_known_by_their_names() {
        let message = b"x-gatepost-tag: a\r\nX-Gatepost: b\r\nSubject: c\r\nX-GATEPOST-Nonsense:\r\n d\r\n\r\nX-Gatepost-Tag: e\r\n";
        let names: Vec<_> = control_fields(message).map(|field| field.name()).collect();
        assert_eq!(names, ["x-gatepost-tag", "X-GATEPOST-Nonsense"]);
        for name in ["X-PM-Tag", "x-mailgun-variables", "X-SES-CONFIGURATION-SET", "X-SMTPAPI", "X-MJ-TemplateID"] {
            assert!(steers_a_provider(name), "{name}");
        }
        for name in ["X-Mailer", "X-SES", "X-SES-Outgoing", "X-Mailgun-Sid", "X-Gatepost-Tag", "Subject", "X-\u{e9}"] {
            assert!(!steers_a_provider(name), "{name}");
        }
    }

    #[test]
    fn a_loop_is_known_by_its_hundredth_hop() {
        let message = |hops: usize| format!("{}Subject: x\r\n\r\n", "Received: by us\r\n".repeat(hops));
        assert_eq!(check(&Header::read(message(99).as_bytes()), 100), Ok(()));
        assert_eq!(check(&Header::read(message(100).as_bytes()), 100), Err(LOOP));
        let large = format!("X: y\r\n{}\r\n", " z\r\n".repeat(limits::HEADER_BYTES_MAX));
        assert_eq!(check(&Header::read(large.as_bytes()), 100), Err(TOO_LARGE));
    }
}

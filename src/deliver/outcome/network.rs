//! What never became an answer: names that do not resolve, hosts that do not speak, TLS that fails, and
//! mail that a host cannot be given as it is. Each with its outcome and a sentence for people.

use super::{About, Judgement, Phase};
use crate::base::clock::Time;
use crate::mail::status::Status;
use crate::model::outcome::{Blame, Kind, Outcome, Why};

fn why(blame: Blame, kind: Kind, category: &str, status: (u16, u16), text: String) -> Why {
    // The class is the outcome's, set below.
    Why { blame, kind, category: category.to_owned(), status: Status::new(4, status.0, status.1), code: None, text }
}

fn later(about: About, why: Why) -> Judgement {
    Judgement { outcome: Outcome::Later(why), action: None, about }
}

fn never(about: About, why: Why) -> Judgement {
    let status = why.status.with_class(5);
    Judgement { outcome: Outcome::Never(Why { status, ..why }), action: None, about }
}

/// The host is there and takes no connection on that port.
pub fn refused(host: &str) -> Judgement {
    let text = format!("{host} refused the connection");
    later(About::Host, why(Blame::Network, Kind::Soft, "connection", (4, 1), text))
}

/// No way leads to it, or the connection broke before it stood.
pub fn unreachable(host: &str, reason: &str) -> Judgement {
    let text = format!("{host} could not be reached: {reason}");
    later(About::Host, why(Blame::Network, Kind::Soft, "connection", (4, 1), text))
}

/// Nothing came in the time that there was for it. Behind the final dot the mail may have been taken.
pub fn timed_out(host: &str, phase: Phase) -> Judgement {
    match phase {
        Phase::Connect => {
            let text = format!("{host} did not answer in time");
            later(About::Host, why(Blame::Network, Kind::Soft, "timeout", (4, 1), text))
        }
        Phase::Message => possibly_delivered(host, "did not answer the end of the message in time"),
        _ => {
            let text = format!("{host} did not answer in time ({})", phase.word());
            later(About::Host, why(Blame::Network, Kind::Soft, "timeout", (4, 2), text))
        }
    }
}

/// The connection ended in the middle of the dialogue. Behind the final dot the mail may have been taken.
pub fn lost(host: &str, phase: Phase) -> Judgement {
    if phase == Phase::Message {
        return possibly_delivered(host, "closed the connection after it had the whole message");
    }
    let text = format!("{host} closed the connection ({})", phase.word());
    later(About::Host, why(Blame::Network, Kind::Soft, "connection", (4, 2), text))
}

/// The category of a try that may have delivered the mail: RFC 1047, RFC 5321 4.5.3.2.6.
pub const POSSIBLY_DELIVERED: &str = "possibly_delivered";

fn possibly_delivered(host: &str, what: &str) -> Judgement {
    let text = format!("{host} {what}: it may have been delivered, and will be sent again");
    // At another host it would come twice for certain, if it came once.
    later(About::Message, why(Blame::Network, Kind::Soft, POSSIBLY_DELIVERED, (4, 2), text))
}

/// What it said is no answer in SMTP.
pub fn not_smtp(host: &str, phase: Phase, reason: &str) -> Judgement {
    if phase == Phase::Message {
        return possibly_delivered(host, "answered the end of the message with what is no reply");
    }
    let text = format!("{host} gave no SMTP reply ({}): {reason}", phase.word());
    later(About::Host, why(Blame::Remote, Kind::Soft, "protocol", (5, 0), text))
}

/// SERVFAIL, silence, or an answer that DNSSEC does not bear out: never for good.
pub fn dns_failed(name: &str, reason: &str) -> Judgement {
    let text = format!("the DNS gave no answer for {name}: {reason}");
    later(About::Message, why(Blame::Network, Kind::Soft, "dns", (4, 3), text))
}

/// NXDOMAIN, or a domain with neither MX nor address (RFC 5321 5.1).
pub fn no_such_domain(domain: &str) -> Judgement {
    let text = format!("the domain {domain} does not exist, or has no mail server");
    never(About::Message, why(Blame::Remote, Kind::Hard, "bad_domain", (1, 2), text))
}

/// RFC 7505 4.1: a null MX.
pub fn no_mail_there(domain: &str) -> Judgement {
    let text = format!("the domain {domain} says that it takes no mail (null MX)");
    let why = why(Blame::Remote, Kind::Hard, "no_mail", (1, 10), text);
    never(About::Message, Why { code: Some(556), ..why })
}

/// It has hosts, and none of them can be used: skipped, unresolvable, below ourselves. Not the recipient's end.
pub fn no_usable_host(domain: &str, reason: &str) -> Judgement {
    let text = format!("no mail server of {domain} can be used: {reason}");
    later(About::Message, why(Blame::Network, Kind::Soft, "no_host", (4, 4), text))
}

/// RFC 5321 5.1, 6.3: the best host of the domain is ourselves, and the domain is none of ours.
pub fn loops_to_us(domain: &str) -> Judgement {
    let text = format!("the mail servers of {domain} are this server, which does not take mail for it");
    never(About::Message, why(Blame::Remote, Kind::Soft, "loop", (4, 6), text))
}

/// TLS could not be had, or was not what it has to be.
pub fn tls_failed(host: &str, reason: &str) -> Judgement {
    let text = format!("no TLS connection with {host}: {reason}");
    later(About::Host, why(Blame::Network, Kind::Soft, "tls", (7, 5), text))
}

/// RFC 3207 4.1, RFC 8461 5, RFC 7672 2.2: it has to be TLS, and the host does not offer it.
pub fn tls_not_offered(host: &str) -> Judgement {
    let text = format!("{host} offers no TLS, and mail for it may not go in the clear");
    later(About::Host, why(Blame::Policy, Kind::Soft, "tls", (7, 10), text))
}

/// The smarthost wants a login that we do not have, or offers no way to give it.
pub fn login_impossible(host: &str, reason: &str) -> Judgement {
    let text = format!("no login at {host}: {reason}");
    later(About::Host, why(Blame::Us, Kind::Block, "login", (7, 8), text))
}

/// What the configuration named when the mail was taken is gone: domain, relay, key, credential.
pub fn not_configured(reason: &str) -> Judgement {
    later(About::Message, why(Blame::Us, Kind::Soft, "misconfigured", (3, 5), reason.to_owned()))
}

/// RFC 1870 6.1: larger than the host says it takes.
pub fn too_large(host: &str, bytes: usize, bytes_max: u64) -> Judgement {
    let text = format!("the message has {bytes} bytes, and {host} takes {bytes_max} at most");
    never(About::Host, why(Blame::Remote, Kind::Soft, "too_large", (3, 4), text))
}

/// RFC 6531 3.6: an address or a header beyond ASCII, and the host does not take them.
pub fn utf8_not_offered(host: &str) -> Judgement {
    let text = format!("{host} takes no addresses or headers beyond ASCII (SMTPUTF8)");
    never(About::Host, why(Blame::Remote, Kind::Soft, "utf8", (6, 7), text))
}

/// RFC 6152 3: 8-bit text that cannot be converted.
pub fn eight_bit_not_offered(host: &str) -> Judgement {
    let text = format!("{host} takes no 8-bit text, and the message cannot be converted");
    never(About::Host, why(Blame::Remote, Kind::Soft, "eight_bit", (6, 3), text))
}

/// RFC 8689 4.2.1: the sender wished that it never goes without TLS, and the host does not promise that.
/// Our own message is no message: nobody could take it.
pub fn unsendable(reason: &str) -> Judgement {
    never(About::Message, why(Blame::Us, Kind::Soft, "unsendable", (6, 0), reason.to_owned()))
}

pub fn requiretls_not_offered(host: &str) -> Judgement {
    let text = format!("{host} does not promise to pass the message on with TLS only (REQUIRETLS)");
    never(About::Host, why(Blame::Policy, Kind::Soft, "requiretls", (7, 30), text))
}

/// It was tried long enough: what stood in its way last is the reason. RFC 3463 3.5: X.4.7 is a transient error
/// that persisted, also when it is given up.
pub fn expired(last: Option<&Why>, since: Time) -> Outcome {
    let tried = format!("it could not be delivered since {since}");
    let text = match last {
        Some(Why { code: Some(code), text, .. }) => format!("{tried}; last: {code} {text}"),
        Some(Why { text, .. }) => format!("{tried}; last: {text}"),
        None => tried,
    };
    Outcome::Never(Why {
        blame: last.map_or(Blame::Us, |last| last.blame),
        kind: last.map_or(Kind::Soft, |last| last.kind),
        category: EXPIRED.to_owned(),
        status: Status::new(4, 4, 7),
        code: None,
        text,
    })
}

/// The category of what was tried in vain for too long.
pub const EXPIRED: &str = "expired";

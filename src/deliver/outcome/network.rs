//! What never became an answer to a message: connections that ended in it, a message that nobody could take, what is
//! not configured any more, and time that has run out. Why there is no way is `find`'s to say, why there is no
//! session `session`'s.

use super::{About, Judgement, Phase};
use crate::base::clock::Time;
use crate::mail::status::Status;
use crate::model::outcome::{Blame, Kind, Outcome, Why, category};

fn later(about: About, blame: Blame, category: &str, status: (u16, u16), text: String) -> Judgement {
    let why = Why::found(blame, Kind::Soft, category, Status::new(4, status.0, status.1), text);
    Judgement { outcome: Outcome::Later(why), action: None, about }
}

/// The connection ended, or could not be understood any more, before the end of the message: it was not taken.
pub fn lost(host: &str, phase: Phase, reason: &str) -> Judgement {
    let text = format!("{host}: {reason} ({})", phase.word());
    later(About::Host, Blame::Network, category::CONNECTION, (4, 2), text)
}

/// Behind the end of the message nobody knows: it may have been taken (RFC 1047, RFC 5321 4.5.3.2.6).
pub fn possibly_delivered(host: &str, reason: &str) -> Judgement {
    let text =
        format!("{host}: {reason}, behind the end of the message: it may have been delivered, and will be sent again");
    // At another host it would come twice for certain, if it came once.
    later(About::Message, Blame::Network, category::POSSIBLY_DELIVERED, (4, 2), text)
}

/// What the configuration named when the mail was taken is gone: domain, relay, key, credential.
pub fn not_configured(reason: &str) -> Why {
    Why::found(Blame::Us, Kind::Soft, category::MISCONFIGURED, Status::new(4, 3, 5), reason.to_owned())
}

/// Our own message is no message: nobody could take it.
pub fn unsendable(reason: &str) -> Judgement {
    let why = Why::found(Blame::Us, Kind::Soft, category::UNSENDABLE, Status::new(5, 6, 0), reason.to_owned());
    Judgement { outcome: Outcome::Never(why), action: None, about: About::Message }
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
        category: category::EXPIRED.to_owned(),
        status: Status::new(4, 4, 7),
        code: None,
        text,
    })
}

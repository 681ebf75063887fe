//! How one try ended for one recipient: done, later or never; and when not done, by whose fault. One type
//! answers "again or give up?" for the log, the sender, the webhook and the queue.

use crate::mail::status::Status;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    Later(Why),
    Never(Why),
}

/// Why a delivery did not end with this try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    pub blame: Blame,
    pub kind: Kind,
    /// What it is about, one word of the table of replies: `mailbox_full`, `spam`, `dns`.
    pub category: String,
    /// RFC 3463; its class is 4 for what is put off (and 4.4.7 for what was put off for too long), 5 for what is
    /// given up.
    pub status: Status,
    /// What the remote answered, when it did.
    pub code: Option<u16>,
    /// One sentence for people: what the remote said, or what we found.
    pub text: String,
}

/// The words for what we find ourselves, where nobody answered. Answers have more of them (the table of replies,
/// and the meaning of codes), and one thing has one word, whoever says it.
pub mod category {
    /// There was none, or it ended.
    pub const CONNECTION: &str = "connection";
    pub const TIMEOUT: &str = "timeout";
    /// What it said is no SMTP.
    pub const PROTOCOL: &str = "protocol";
    /// The end of the message was sent and no answer came: RFC 1047, RFC 5321 4.5.3.2.6.
    pub const POSSIBLY_DELIVERED: &str = "possibly_delivered";
    pub const DNS: &str = "dns";
    pub const BAD_DOMAIN: &str = "bad_domain";
    /// RFC 7505.
    pub const NO_MAIL: &str = "no_mail";
    /// Everybody was tried.
    pub const NO_HOST: &str = "no_host";
    pub const LOOP: &str = "loop";
    pub const TLS: &str = "tls";
    pub const REQUIRETLS: &str = "requiretls";
    pub const LOGIN: &str = "login";
    pub const TOO_LARGE: &str = "too_large";
    pub const UTF8: &str = "utf8";
    /// Bytes beyond ASCII, or binary ones, in what cannot be converted.
    pub const EIGHT_BIT: &str = "eight_bit";
    /// A message of ours that is none.
    pub const UNSENDABLE: &str = "unsendable";
    /// What the mail needs is not configured, or not any more.
    pub const MISCONFIGURED: &str = "misconfigured";
    /// Its domain has keys, and none of them can sign.
    pub const UNSIGNED: &str = "unsigned";
    pub const EXPIRED: &str = "expired";
    /// Our own store does not have the message, or cannot read it.
    pub const STORE: &str = "store";
    /// Our own code broke the try.
    pub const BROKEN: &str = "broken";
    /// A simulated receiver takes its time.
    pub const SLOW: &str = "slow";
}

/// Whose fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Blame {
    /// The receiving side said so.
    Remote,
    /// Nobody could be asked: names, routes, handshakes, silence.
    Network,
    /// A rule of ours or of the sender's forbids it.
    Policy,
    /// Our own house is out of order.
    Us,
}

impl Blame {
    pub const ALL: [Self; 4] = [Self::Remote, Self::Network, Self::Policy, Self::Us];

    pub fn word(self) -> &'static str {
        match self {
            Self::Remote => "remote",
            Self::Network => "network",
            Self::Policy => "policy",
            Self::Us => "us",
        }
    }
}

/// What a failure says about the recipient and about us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The recipient cannot be reached, now or later.
    Hard,
    /// The recipient may be reached another time.
    Soft,
    /// The receiver does not want mail from us.
    Block,
}

impl Kind {
    pub const ALL: [Self; 3] = [Self::Hard, Self::Soft, Self::Block];

    pub fn word(self) -> &'static str {
        match self {
            Self::Hard => "hard",
            Self::Soft => "soft",
            Self::Block => "block",
        }
    }
}

impl Why {
    /// What nobody answered, but we found.
    pub fn found(blame: Blame, kind: Kind, category: &str, status: Status, text: String) -> Self {
        Self { blame, kind, category: category.to_owned(), status, code: None, text }
    }
}

impl Outcome {
    /// For the row of the attempt: `done`, `later:remote`.
    pub fn word(&self) -> String {
        match self {
            Self::Done => "done".to_owned(),
            Self::Later(why) => format!("later:{}", why.blame.word()),
            Self::Never(why) => format!("never:{}", why.blame.word()),
        }
    }

    pub fn why(&self) -> Option<&Why> {
        match self {
            Self::Done => None,
            Self::Later(why) | Self::Never(why) => Some(why),
        }
    }
}

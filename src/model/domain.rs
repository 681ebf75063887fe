//! A domain that we serve: how its mail leaves, is limited, tracked and signed.

use super::name::Name;
use super::rate::Rate;
use super::url::Origin;
use crate::base::settings::{Scalar, Wrong, quoted, settings, words};
use crate::mail::domain_name::DomainName;
use std::path::PathBuf;

settings! {
    /// A domain that we serve: mail from it leaves here, mail to it is taken in.
    pub struct Domain in "[[domain]]" {
        /// Its name; sub-domains are domains of their own.
        live name: DomainName = required("\"example.com\""),
        /// The organisation it belongs to.
        live tenant: Name = default(Name::default_tenant()),
        /// How mail from this domain leaves: direct (to the recipients' servers), the name of a
        /// [[relay]], or sandbox (captured, never sent).
        live relay: Via = default(Via::Direct),
        /// The [[source]] whose addresses its mail leaves from, unless a [[destination]] names another;
        /// absent: wherever the system sends it from.
        live source: Option<Name> = optional("\"pool\""),
        /// The return path of its mail: keep the sender's, or one of ours for each message or each
        /// recipient, so that a bounce finds what it answers.
        live return_path: ReturnPath = default(ReturnPath::Keep),
        /// Whether the address and the EHLO name of the client stay out of what we write on top of its mail.
        live hide_client: bool = default(false),
        /// How many messages it may send, for all its credentials together; empty: no limit.
        live limits: Vec<Rate> = default(Vec::new(), "[\"100/minute\", \"10000/day\"]"),
        /// To how many recipients it may send, for all its credentials together; empty: no limit.
        live recipient_limits: Vec<Rate> = default(Vec::new(), "[\"20000/day\"]"),
        /// Open and click tracking; absent: none.
        live tracking: Option<Tracking> = optional(
            "{ host = \"https://t.example.com\", opens = true, clicks = \"html\", pixel = \"bottom\", exclude = [\"bank.example\"], sensitive = [\"password\"], check = true }"
        ),
        /// Keys that sign its mail, side by side; a key named here signs at once, so its record must be
        /// in the DNS before.
        live dkim: Vec<DkimKey> = default(Vec::new(), "[{ selector = \"gp1\", key = \"dkim/example.com.gp1.pem\" }]"),
    }
}

settings! {
    /// Open and click tracking.
    pub struct Tracking in "tracking" {
        /// Where tracked links point: a host of this domain that leads to our tracking listener.
        live host: Origin = required("\"https://t.example.com\""),
        /// Whether an invisible image reports that a message was opened.
        live opens: bool = default(true),
        /// Which links report a click: none, those in HTML, or all (in plain text too).
        live clicks: Clicks = default(Clicks::Html),
        /// Where the invisible image stands in the text: bottom, or top for readers that cut long mail off.
        live pixel: PixelPlace = default(PixelPlace::Bottom),
        /// Hosts whose links are left as they are, and all below them.
        live exclude: Vec<DomainName> = default(Vec::new(), "[\"bank.example\"]"),
        /// Words in path or query of a link that is left as it is: scanners follow tracked links, and what
        /// works once would be used up.
        live sensitive: Vec<String> = default(
            ["password", "passwd", "magic-link", "magiclink", "one-time", "onetime", "otp="].map(str::to_owned).to_vec()
        ),
        /// Whether the host must be seen to lead here before links are rewritten; until then mail leaves
        /// untracked.
        live check: bool = default(true),
    }
}

settings! {
    /// A key that signs mail.
    pub struct DkimKey in "dkim" {
        /// The name under _domainkey where its record stands.
        live selector: Selector = required("\"gp1\""),
        /// The file of the private key, in PEM.
        live key: PathBuf = required("\"dkim/example.com.gp1.pem\""),
    }
}

words! {
    /// What stands in MAIL FROM for mail of a domain.
    pub enum ReturnPath {
        /// What the sender gave.
        Keep = "keep",
        /// One of ours, the same for all recipients of a message.
        Message = "message",
        /// One of ours for each recipient.
        Recipient = "recipient",
    }
}

words! {
    /// Which links are rewritten.
    pub enum Clicks {
        None = "none",
        Html = "html",
        All = "all",
    }
}

words! {
    /// Where the image is put that reports an open.
    pub enum PixelPlace {
        Bottom = "bottom",
        Top = "top",
    }
}

/// How mail from a domain leaves.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Via {
    /// To the recipients' mail servers.
    Direct,
    /// Nowhere: it is captured.
    Sandbox,
    /// Through a smarthost.
    Relay(Name),
}

impl Via {
    /// Words that are no relay's name.
    pub const RESERVED: [&'static str; 2] = ["direct", "sandbox"];
}

impl Scalar for Via {
    const EXPECTS: &'static str = "\"direct\", \"sandbox\" or the name of a [[relay]]";

    fn parse(text: &str) -> Result<Self, Wrong> {
        match text {
            "direct" => Ok(Self::Direct),
            "sandbox" => Ok(Self::Sandbox),
            name => name.parse().map(Self::Relay).map_err(Wrong::because),
        }
    }

    fn write(&self) -> String {
        match self {
            Self::Direct => quoted("direct"),
            Self::Sandbox => quoted("sandbox"),
            Self::Relay(name) => quoted(name.as_str()),
        }
    }
}

/// RFC 6376 3.1: a selector is one or more labels of a domain name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Selector(DomainName);

impl Selector {
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl std::str::FromStr for Selector {
    type Err = crate::mail::domain_name::BadDomainName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl std::fmt::Display for Selector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl Scalar for Selector {
    const EXPECTS: &'static str = "a DKIM selector like \"gp1\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        text.parse().map_err(Wrong::because)
    }

    fn write(&self) -> String {
        quoted(self.as_str())
    }
}

#[cfg(test)]
impl Domain {
    /// One that tests begin with.
    pub fn of_test(name: &str) -> Self {
        Self {
            name: name.parse().unwrap(),
            tenant: Name::default_tenant(),
            relay: Via::Direct,
            source: None,
            return_path: ReturnPath::Keep,
            hide_client: false,
            limits: Vec::new(),
            recipient_limits: Vec::new(),
            tracking: None,
            dkim: Vec::new(),
        }
    }
}

#[cfg(test)]
impl Tracking {
    /// One that tests begin with.
    pub fn of_test(host: &str) -> Self {
        Self {
            host: Origin::parse(host).unwrap(),
            opens: true,
            clicks: Clicks::Html,
            pixel: PixelPlace::Bottom,
            exclude: Vec::new(),
            sensitive: Vec::new(),
            check: true,
        }
    }
}

//! Who may submit mail: a login with a password, or a network of hosts that cannot log in.

use super::domain::Clicks;
use super::name::Name;
use super::rate::Rate;
use crate::base::limits;
use crate::base::password::{PasswordHash, is_sendable};
use crate::base::secret::Secret;
use crate::base::settings::{Scalar, Wrong, quoted, settings, words};
use crate::mail::domain_name::DomainName;
use ipnet::IpNet;
use std::net::IpAddr;

settings! {
    /// Who may submit mail: a login with a password, or hosts of a network that cannot log in.
    pub struct Credential in "[[credential]]" {
        /// The login; for a network, only its name in logs and counters.
        live username: Login = required("\"app@example.com\""),
        /// The password: an Argon2 hash from `gatepost password`, or plain text in any form of a secret.
        live password: Option<Secret> = optional("{ env = \"APP_PASSWORD\" }"),
        /// What SCRAM-SHA-256 logins are checked against, from `gatepost password`.
        live scram: Option<Secret> = optional("{ env = \"APP_SCRAM\" }"),
        /// The domains it may send from; "*" is any domain of its tenant.
        live domains: Vec<Covers> = required("[\"example.com\"]"),
        /// The organisation it belongs to.
        live tenant: Name = default(Name::default_tenant()),
        /// How many messages it may send; empty: only its domains' and its tenant's limits.
        live limits: Vec<Rate> = default(Vec::new(), "[\"20/second\"]"),
        /// To how many recipients it may send; empty: only its domains' and its tenant's limits.
        live recipient_limits: Vec<Rate> = default(Vec::new(), "[\"5000/hour\"]"),
        /// Instead of a password: networks, like 10.0.0.0/8, whose hosts may send without a login.
        live networks: Vec<IpNet> = default(Vec::new()),
        /// Beside a password: the only networks that its login is taken from; empty: from anywhere.
        live from: Vec<IpNet> = default(Vec::new()),
        /// Whether its mail is captured, and never sent: a login for tests.
        live sandbox: bool = default(false),
        /// The stream of its mail where a message names none; absent: transactional.
        live stream: Option<Name> = optional("\"bulk\""),
        /// Whether opens of its mail are tracked; absent: as stream and domain say.
        live opens: Option<bool> = optional("false"),
        /// Which clicks in its mail are tracked; absent: as stream and domain say.
        live clicks: Option<Clicks> = optional("\"none\""),
        /// Other providers whose control headers are understood in its mail, and taken out of it.
        live compatible: Vec<Compatible> = default(Vec::new(), "[\"postmark\", \"mailgun\"]"),
        /// Whether its mail may ask to go to suppressed addresses too; to those who complained none goes.
        live ignore_suppression: bool = default(false),
    }
}

words! {
    /// Whose control headers can be understood.
    pub enum Compatible {
        Postmark = "postmark",
        Mailgun = "mailgun",
        Ses = "ses",
        Postal = "postal",
        Mandrill = "mandrill",
        Mailjet = "mailjet",
        Sendgrid = "sendgrid",
    }
}

impl Credential {
    /// Is it a login, and not a network?
    pub fn is_login(&self) -> bool {
        self.password.is_some() || self.scram.is_some()
    }

    /// May its login be used from this address? An IPv4 client of an IPv6 socket is an IPv4 client.
    pub fn may_come_from(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.from.is_empty() || self.from.iter().any(|network| network.contains(&address))
    }
}

/// The name a client logs in with; often, but not always, a mail address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Login(String);

impl Login {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Scalar for Login {
    const EXPECTS: &'static str = "a login like \"app@example.com\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        // RFC 4616 2: a login in AUTH PLAIN holds no NUL; others would only confuse a log.
        if text.is_empty() || text.len() > limits::LOGIN_BYTES_MAX || text.chars().any(char::is_control) {
            let max = limits::LOGIN_BYTES_MAX;
            return Err(Wrong::because(format!("a login has 1 to {max} bytes and no control characters")));
        }
        Ok(Self(text.to_owned()))
    }

    fn write(&self) -> String {
        quoted(&self.0)
    }
}

/// What a credential may send from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Covers {
    /// Every domain of its tenant.
    Any,
    Domain(DomainName),
}

impl Scalar for Covers {
    const EXPECTS: &'static str = "a domain name, or \"*\" for any domain of the tenant";

    fn parse(text: &str) -> Result<Self, Wrong> {
        if text == "*" { Ok(Self::Any) } else { text.parse().map(Self::Domain).map_err(Wrong::because) }
    }

    fn write(&self) -> String {
        match self {
            Self::Any => quoted("*"),
            Self::Domain(name) => quoted(name.as_str()),
        }
    }
}

/// How many hosts a network opens the door to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// All of them: an open relay.
    World,
    /// More than anybody's own.
    Wide,
    Own,
}

pub fn reach(network: &IpNet) -> Reach {
    match network.prefix_len() {
        0 => Reach::World,
        length if length < widest(network) => Reach::Wide,
        _ => Reach::Own,
    }
}

/// IPv4: /8 is the largest private network. IPv6: /32 is what a whole provider is given.
pub fn widest(network: &IpNet) -> u8 {
    match network {
        IpNet::V4(_) => 8,
        IpNet::V6(_) => 32,
    }
}

/// What stands where a password is asked for.
#[derive(Clone, Debug)]
pub enum Stored<'a> {
    Hash(PasswordHash),
    Plain(&'a Secret),
}

/// A hash that was cut off on its way, or costs too much, is neither, and said why: it must not be taken
/// for a password. Nor is a text that no client can send.
pub fn stored(password: &Secret) -> Result<Stored<'_>, &'static str> {
    if password.expose().starts_with("$argon2") {
        PasswordHash::read(password.expose()).map(Stored::Hash)
    } else if is_sendable(password.expose()) {
        Ok(Stored::Plain(password))
    } else {
        Err("no client can send it: it is empty, too long, or has line breaks or control characters")
    }
}

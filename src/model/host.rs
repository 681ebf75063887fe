//! A host to connect to: by name or by address.

use crate::base::settings::{Scalar, Wrong, quoted};
use crate::mail::domain_name::DomainName;
use std::net::IpAddr;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    Name(DomainName),
    Address(IpAddr),
}

impl Host {
    pub fn name(&self) -> Option<&DomainName> {
        match self {
            Self::Name(name) => Some(name),
            Self::Address(_) => None,
        }
    }

    /// Does what is sent there stay on this machine? RFC 6761 6.3: `localhost` is always loopback.
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Name(name) => name.as_str() == "localhost" || name.as_str().ends_with(".localhost"),
            Self::Address(address) => address.to_canonical().is_loopback(),
        }
    }
}

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::Address(address) => address.fmt(f),
        }
    }
}

impl Scalar for Host {
    const EXPECTS: &'static str = "a host name or an IP address";

    fn parse(text: &str) -> Result<Self, Wrong> {
        if let Ok(address) = text.parse() {
            return Ok(Self::Address(address));
        }
        text.parse().map(Self::Name).map_err(|why| {
            let wrong = Wrong::because(why);
            if text.contains(':') { wrong.help("the port has its own key") } else { wrong }
        })
    }

    fn write(&self) -> String {
        quoted(&self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_known_in_all_its_spellings() {
        for text in ["localhost", "LOCALHOST", "mail.localhost", "127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"] {
            assert!(Host::parse(text).unwrap().is_loopback(), "{text}");
        }
        for text in ["localhost.example.com", "10.0.0.1", "0.0.0.0", "::"] {
            assert!(!Host::parse(text).unwrap().is_loopback(), "{text}");
        }
    }
}

//! An address, or a whole domain, that is not written to any more, and why.

pub mod index;

use crate::base::clock::Time;
use crate::base::id::{SuppressionId, TenantId};
use crate::mail::address::{Address, BadAddress};
use crate::mail::domain_name::DomainName;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suppression {
    pub id: SuppressionId,
    pub tenant: TenantId,
    /// Mail from this domain only; "" is all of the tenant's.
    pub domain: String,
    /// Mail of this stream only; "" is all of them.
    pub stream: String,
    pub whom: Suppressed,
    pub reason: Cause,
    pub origin: Whence,
    pub note: String,
    pub created_at: Time,
    /// None: for ever.
    pub expires_at: Option<Time>,
}

/// Who is suppressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Suppressed {
    Address(Address),
    /// `*@domain`.
    Domain(DomainName),
}

impl Suppressed {
    /// What it is called in the store. Whoever complained as Jane@ will not be asked as jane@.
    pub fn key(&self) -> String {
        match self {
            Self::Address(address) => address.to_string().to_lowercase(),
            Self::Domain(domain) => format!("*@{domain}"),
        }
    }

    /// The two names under which an address can be suppressed.
    pub fn both_keys(address: &Address) -> (String, String) {
        (Self::Address(address.clone()).key(), Self::Domain(address.domain().clone()).key())
    }

    pub fn covers(&self, address: &Address) -> bool {
        let (exact, domain) = Self::both_keys(address);
        let key = self.key();
        key == exact || key == domain
    }
}

impl std::str::FromStr for Suppressed {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        match text.strip_prefix("*@") {
            Some(domain) => domain.parse().map(Self::Domain).map_err(BadAddress::BadDomain),
            None => text.parse().map(Self::Address),
        }
    }
}

impl std::fmt::Display for Suppressed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.key())
    }
}

/// Why nobody writes there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    HardBounce,
    SoftBounce,
    Complaint,
    Unsubscribe,
    Manual,
    Invalid,
    Import,
}

impl Cause {
    pub const ALL: [Self; 7] = [
        Self::HardBounce,
        Self::SoftBounce,
        Self::Complaint,
        Self::Unsubscribe,
        Self::Manual,
        Self::Invalid,
        Self::Import,
    ];

    pub fn word(self) -> &'static str {
        match self {
            Self::HardBounce => "hard_bounce",
            Self::SoftBounce => "soft_bounce",
            Self::Complaint => "complaint",
            Self::Unsubscribe => "unsubscribe",
            Self::Manual => "manual",
            Self::Invalid => "invalid",
            Self::Import => "import",
        }
    }
}

/// Who said so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whence {
    System,
    Recipient,
    Api,
}

impl Whence {
    pub const ALL: [Self; 3] = [Self::System, Self::Recipient, Self::Api];

    pub fn word(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Recipient => "recipient",
            Self::Api => "api",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_known_in_any_case_and_by_its_domain() {
        let jane: Address = "Jane.Doe@Example.NET".parse().unwrap();
        for text in ["jane.doe@example.net", "JANE.DOE@example.net", "*@example.net"] {
            assert!(text.parse::<Suppressed>().unwrap().covers(&jane), "{text}");
        }
        for text in ["jane@example.net", "*@net", "*@sub.example.net", "\"*\"@example.net"] {
            assert!(!text.parse::<Suppressed>().unwrap().covers(&jane), "{text}");
        }
        assert!("*@".parse::<Suppressed>().is_err());
    }

    #[test]
    fn a_mailbox_named_star_is_not_its_domain() {
        let star: Address = "*@example.net".parse().unwrap();
        let quoted: Suppressed = "\"*\"@example.net".parse().unwrap();
        assert_eq!(Suppressed::Domain("example.net".parse().unwrap()).key(), "*@example.net");
        assert_ne!(quoted.key(), "*@example.net");
        // What is written to the mailbox `*` is covered by the whole domain's suppression, which is stricter.
        assert!("*@example.net".parse::<Suppressed>().unwrap().covers(&star));
    }
}

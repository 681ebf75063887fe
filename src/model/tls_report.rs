//! What is remembered of other domains' TLS: the policy a domain published (RFC 8461), and how often TLS
//! went how (RFC 8460).

use crate::base::clock::Time;
use crate::mail::domain_name::DomainName;
use std::time::Duration;

/// A policy as it was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StsPolicy {
    pub domain: DomainName,
    /// The id of its TXT record (RFC 8461 3.1): another id means another policy.
    pub id: String,
    pub mode: StsMode,
    /// The hosts that may take its mail, as patterns (RFC 8461 4.1).
    pub mx: Vec<String>,
    pub max_age: Duration,
    pub fetched_at: Time,
    /// As it was served: it goes into reports (RFC 8460 4.4).
    pub text: String,
}

/// RFC 8461 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StsMode {
    Enforce,
    Testing,
    None,
}

impl StsMode {
    pub const ALL: [Self; 3] = [Self::Enforce, Self::Testing, Self::None];

    pub fn word(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Testing => "testing",
            Self::None => "none",
        }
    }
}

/// How often TLS with one host of a domain went one way on one day.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TlsCount {
    /// Days of UTC since 1970.
    pub day: i64,
    pub domain: String,
    /// sts, tlsa or no-policy-found, as in the report.
    pub policy: String,
    pub host: String,
    /// `ok`, or a result type of RFC 8460 4.3.
    pub result: String,
    pub count: u64,
}

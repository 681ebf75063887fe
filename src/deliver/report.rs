//! What TLS reports (RFC 8460) will need: how a session ended, as a value that somebody else counts. Sessions
//! are counted, not messages: one that was used again says nothing new (RFC 8460 4.3).

use crate::base::clock::Time;
use crate::mail::domain_name::DomainName;
use rustls::CertificateError;
use serde::{Deserialize, Serialize};

/// One session, or what kept one from being tried. Equal ones are added up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TlsResult {
    /// In UTC: `2026-11-21`.
    pub day: String,
    /// The recipients' domain.
    pub domain: String,
    pub policy: PolicyType,
    /// As it stood: the lines of an MTA-STS policy, the TLSA records; nothing without a policy.
    pub policy_text: Vec<String>,
    /// The mail host; empty when it did not come to one.
    pub mx_host: String,
    pub ended: Ended,
}

/// RFC 8460 4.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PolicyType {
    Tlsa,
    Sts,
    NoPolicyFound,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    Success,
    Failure(ResultType),
}

/// RFC 8460 4.3, in its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResultType {
    StarttlsNotSupported,
    CertificateHostMismatch,
    CertificateExpired,
    CertificateNotTrusted,
    ValidationFailure,
    TlsaInvalid,
    DnssecInvalid,
    DaneRequired,
    StsPolicyFetchError,
    StsPolicyInvalid,
    StsWebpkiInvalid,
}

impl PolicyType {
    pub fn word(self) -> &'static str {
        match self {
            Self::Tlsa => "tlsa",
            Self::Sts => "sts",
            Self::NoPolicyFound => "no-policy-found",
        }
    }
}

impl ResultType {
    /// Which policy it speaks of.
    pub fn policy(self) -> PolicyType {
        match self {
            Self::TlsaInvalid | Self::DnssecInvalid | Self::DaneRequired => PolicyType::Tlsa,
            Self::StsPolicyFetchError | Self::StsPolicyInvalid | Self::StsWebpkiInvalid => PolicyType::Sts,
            Self::StarttlsNotSupported
            | Self::CertificateHostMismatch
            | Self::CertificateExpired
            | Self::CertificateNotTrusted
            | Self::ValidationFailure => PolicyType::NoPolicyFound,
        }
    }

    pub const ALL: [Self; 11] = [
        Self::StarttlsNotSupported,
        Self::CertificateHostMismatch,
        Self::CertificateExpired,
        Self::CertificateNotTrusted,
        Self::ValidationFailure,
        Self::TlsaInvalid,
        Self::DnssecInvalid,
        Self::DaneRequired,
        Self::StsPolicyFetchError,
        Self::StsPolicyInvalid,
        Self::StsWebpkiInvalid,
    ];

    pub fn word(self) -> &'static str {
        match self {
            Self::StarttlsNotSupported => "starttls-not-supported",
            Self::CertificateHostMismatch => "certificate-host-mismatch",
            Self::CertificateExpired => "certificate-expired",
            Self::CertificateNotTrusted => "certificate-not-trusted",
            Self::ValidationFailure => "validation-failure",
            Self::TlsaInvalid => "tlsa-invalid",
            Self::DnssecInvalid => "dnssec-invalid",
            Self::DaneRequired => "dane-required",
            Self::StsPolicyFetchError => "sts-policy-fetch-error",
            Self::StsPolicyInvalid => "sts-policy-invalid",
            Self::StsWebpkiInvalid => "sts-webpki-invalid",
        }
    }

    /// What a failed handshake is called.
    pub fn of(why: &rustls::Error) -> Self {
        let rustls::Error::InvalidCertificate(why) = why else { return Self::ValidationFailure };
        match why {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::CertificateExpired,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Self::CertificateHostMismatch
            }
            CertificateError::UnknownIssuer
            | CertificateError::Revoked
            | CertificateError::BadSignature
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => Self::CertificateNotTrusted,
            _ => Self::ValidationFailure,
        }
    }
}

/// Which rule a session was held to, for its report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub policy: PolicyType,
    pub text: Vec<String>,
}

/// Was there a handshake for this mail, or one that an earlier mail had?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Session {
    New,
    /// An open connection used again.
    Reused,
}

/// A session's end, to be counted; nothing for one that was counted already.
pub fn of_session(
    at: Time,
    domain: &DomainName,
    rule: &Rule,
    mx_host: &str,
    session: Session,
    ended: Ended,
) -> Option<TlsResult> {
    (session == Session::New).then(|| TlsResult {
        day: day_of(at),
        domain: domain.as_str().to_owned(),
        policy: rule.policy,
        policy_text: rule.text.clone(),
        mx_host: mx_host.to_owned(),
        ended,
    })
}

fn day_of(at: Time) -> String {
    let text = at.to_string();
    text.split_once('T').map_or(text.clone(), |(day, _)| day.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_those_of_the_rfc_in_code_and_in_rows() {
        for result in ResultType::ALL {
            assert_eq!(serde_json::to_string(&result).unwrap(), format!("\"{}\"", result.word()));
        }
        for policy in [PolicyType::Tlsa, PolicyType::Sts, PolicyType::NoPolicyFound] {
            assert_eq!(serde_json::to_string(&policy).unwrap(), format!("\"{}\"", policy.word()));
        }
    }

    #[test]
    fn a_session_counts_once_however_many_mails_it_carries() {
        let rule = Rule { policy: PolicyType::Sts, text: vec!["version: STSv1".to_owned()] };
        let (at, domain) = (Time::from_micros(1_793_245_479_123_456), "a.example".parse().unwrap());
        let ended = Ended::Failure(ResultType::CertificateExpired);
        let result = of_session(at, &domain, &rule, "mx.a.example", Session::New, ended).unwrap();
        assert_eq!((result.day.as_str(), result.mx_host.as_str()), ("2026-10-29", "mx.a.example"));
        let json = serde_json::to_string(&result).unwrap();
        assert_eq!(serde_json::from_str::<TlsResult>(&json).unwrap(), result);
        assert_eq!(of_session(at, &domain, &rule, "mx.a.example", Session::Reused, Ended::Success), None);
    }

    #[test]
    fn a_failed_handshake_has_its_word() {
        for (why, word) in [
            (CertificateError::Expired, "certificate-expired"),
            (CertificateError::NotValidForName, "certificate-host-mismatch"),
            (CertificateError::UnknownIssuer, "certificate-not-trusted"),
            (CertificateError::BadEncoding, "validation-failure"),
        ] {
            assert_eq!(ResultType::of(&rustls::Error::InvalidCertificate(why)).word(), word);
        }
        assert_eq!(ResultType::of(&rustls::Error::HandshakeNotComplete), ResultType::ValidationFailure);
    }
}

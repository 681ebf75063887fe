//! The DNS that a domain of ours needs, and what is found of it. `needs` computes the records from settings and
//! keys, as plain values; `look` asks for them and judges by what they mean, not by their letters: an SPF record
//! is right when our addresses pass by it, whatever else stands in it.
//!
//! What could not be asked is `Unknown`, and never taken for missing.

mod judge;
mod look;
mod needs;
mod spf;
mod tags;
pub mod zone_line;

use crate::mail::domain_name::DomainName;
use crate::model::domain::{Domain, Selector};
use crate::model::name::Name;
pub use look::look;
pub use needs::needs;
use std::net::IpAddr;

/// What the records of a domain follow from.
#[derive(Clone, Debug)]
pub struct Ours<'a> {
    pub domain: &'a Domain,
    /// This server, as the world calls it.
    pub hostname: &'a DomainName,
    pub leaving: Leaving,
    pub taking: Taking,
    pub keys: &'a [Key],
}

/// From where the domain's mail comes to its recipients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leaving {
    /// From us: these addresses, and with `by_name` those that our hostname has in the DNS.
    Here { by_name: bool, addresses: Vec<IpAddr> },
    /// From a smarthost, whose servers only its provider knows.
    Relay { name: Name, host: String },
    /// From nowhere: the sandbox keeps it. The records are those it would need if it left from us.
    Nowhere,
}

/// Where mail for the domain is taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taking {
    Here,
    /// Its mailboxes are elsewhere: its MX is not ours to judge.
    Elsewhere,
}

/// A key that signs the domain's mail, as far as the DNS has to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    pub selector: Selector,
    /// The text of its record: `v=DKIM1; k=rsa; p=…`.
    pub record: String,
    pub stage: Stage,
}

/// Where a key is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It will sign once its record is seen.
    Pending,
    Active,
    /// It signs no more; its record stays until mail that it signed has been read.
    Retiring,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// In the order in which an admin makes them.
    pub records: Vec<Record>,
    /// What no record can say, a sentence each.
    pub notes: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub purpose: Purpose,
    pub kind: Kind,
    pub host: DomainName,
    /// As a DNS panel takes it: no quotes, no dot at the end.
    pub value: String,
    pub required: Required,
    /// What has to be done before it can be published: often to put in what we cannot know.
    pub first: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Spf,
    Dkim,
    Dmarc,
    Mx,
    ReturnPathMx,
    ReturnPathSpf,
    Tracking,
    MtaSts,
    MtaStsHost,
    TlsReports,
}

impl Purpose {
    /// The word of the API.
    pub fn word(self) -> &'static str {
        match self {
            Self::Spf => "spf",
            Self::Dkim => "dkim",
            Self::Dmarc => "dmarc",
            Self::Mx => "mx",
            Self::ReturnPathMx => "return_path_mx",
            Self::ReturnPathSpf => "return_path_spf",
            Self::Tracking => "tracking",
            Self::MtaSts => "mta_sts",
            Self::MtaStsHost => "mta_sts_host",
            Self::TlsReports => "tls_rpt",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Txt,
    Mx,
    Cname,
}

impl Kind {
    pub fn word(self) -> &'static str {
        match self {
            Self::Txt => "TXT",
            Self::Mx => "MX",
            Self::Cname => "CNAME",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Required {
    /// Without it mail is lost, refused or unproven.
    Required,
    /// Better with it.
    Recommended,
}

/// A record that is needed, and what is there instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    pub record: Record,
    /// What stands there, one text a record.
    pub observed: Vec<String>,
    pub found: Found,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// With what should be known all the same.
    Right {
        note: Option<String>,
    },
    Wrong {
        /// What differs, without a full stop.
        why: String,
        /// What should stand there, when that is more than the record's own value: what others need is kept.
        instead: Option<String>,
    },
    Missing,
    /// It could not be asked.
    Unknown {
        why: String,
    },
}

impl Found {
    const RIGHT: Self = Self::Right { note: None };

    fn noted(note: impl Into<String>) -> Self {
        Self::Right { note: Some(note.into()) }
    }

    fn wrong(why: impl Into<String>) -> Self {
        Self::Wrong { why: why.into(), instead: None }
    }

    fn unknown(why: impl Into<String>) -> Self {
        Self::Unknown { why: why.into() }
    }

    /// The word of the API.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Right { .. } => "found",
            Self::Wrong { .. } => "wrong",
            Self::Missing => "missing",
            Self::Unknown { .. } => "unknown",
        }
    }
}

/// How all of a domain's records stand together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// What is required is there, and nothing is wrong.
    Verified,
    /// A record is wrong, or one that is required is missing.
    Incomplete,
    /// Nothing is known to be wrong, but not everything could be asked.
    Unknown,
}

impl Standing {
    pub fn of(checked: &[Checked]) -> Self {
        let fails = |one: &Checked| match one.found {
            Found::Wrong { .. } => true,
            Found::Missing => one.record.required == Required::Required,
            Found::Right { .. } | Found::Unknown { .. } => false,
        };
        let open = |one: &Checked| matches!(one.found, Found::Unknown { .. });
        match (checked.iter().any(fails), checked.iter().any(open)) {
            (true, _) => Self::Incomplete,
            (false, true) => Self::Unknown,
            (false, false) => Self::Verified,
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Incomplete => "incomplete",
            Self::Unknown => "unknown",
        }
    }
}

//! The DNS that a domain of ours needs, and what is found of it, in the words of the API. The daemon looks; this
//! room asks and serves it. `gatepost dns` makes the same where no daemon runs.

use super::error::ApiError;
use crate::base::clock::Time;
use crate::mail::domain_name::DomainName;
use crate::policy::readiness::Footing;
use crate::policy::records::{Checked, Found, Required, Standing, zone_line};
use futures_util::future::BoxFuture;
use serde::Serialize;
use std::sync::Arc;

/// Looks at a domain's records; none for one that is not ours.
pub type Look =
    Arc<dyn Fn(DomainName, Freshness) -> BoxFuture<'static, Result<Option<Domain>, ApiError>> + Send + Sync>;

/// How new an answer has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// What our resolver remembers will do.
    Recent,
    /// Asked anew, past everything that we remember.
    Now,
}

#[derive(Clone, Debug, Serialize)]
pub struct Domain {
    pub object: Word,
    pub name: String,
    /// `verified`; `incomplete` when something is wrong, or missing and required; else `unknown` when not
    /// everything could be asked.
    pub status: &'static str,
    /// RFC 3339.
    pub checked_at: String,
    pub records: Vec<Record>,
    /// What no record can say, a sentence each.
    pub notes: Vec<String>,
    /// Absent when the domain has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tracking: Option<Stand>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub return_path: Option<Stand>,
}

/// The word in "object".
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    Domain,
}

#[derive(Clone, Debug, Serialize)]
pub struct Record {
    pub purpose: &'static str,
    pub r#type: &'static str,
    pub host: String,
    /// What is to stand there, as a DNS panel takes it. Where a record that is there needs more than that, this is
    /// all of it.
    pub value: String,
    /// The same as a line of a zone file; none when something has to be done first.
    pub zone_line: Option<String>,
    /// What has to be done first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
    pub required: bool,
    /// `found`, `wrong`, `missing` or `unknown`.
    pub status: &'static str,
    /// What differs, or why it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What should be known though it is right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    pub observed: Vec<String>,
    pub checked_at: String,
}

/// Is it used?
#[derive(Clone, Debug, Serialize)]
pub struct Stand {
    pub host: String,
    pub ready: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Stand {
    pub fn of(host: String, footing: &Footing) -> Self {
        Self { host, ready: footing.is_ready(), reason: footing.why_not().map(str::to_owned) }
    }
}

impl Domain {
    pub fn of(name: &DomainName, checked: &[Checked], notes: Vec<String>, at: Time) -> Self {
        Self {
            object: Word::Domain,
            name: name.to_string(),
            status: Standing::of(checked).word(),
            checked_at: at.to_string(),
            records: checked.iter().map(|one| Record::of(one, at)).collect(),
            notes,
            tracking: None,
            return_path: None,
        }
    }
}

impl Record {
    fn of(checked: &Checked, at: Time) -> Self {
        let Checked { record, observed, found } = checked;
        let (mut value, mut reason, mut note) = (&record.value, None, None);
        match found {
            Found::Right { note: said } => note = said.clone(),
            Found::Wrong { why, instead } => {
                reason = Some(why.clone());
                value = instead.as_ref().unwrap_or(value);
            }
            Found::Missing => {}
            Found::Unknown { why } => reason = Some(why.clone()),
        }
        let host = record.host.to_string();
        let line = || zone_line::zone_line(&host, record.kind.word(), value);
        Self {
            purpose: record.purpose.word(),
            r#type: record.kind.word(),
            value: value.clone(),
            zone_line: record.first.is_none().then(line),
            first: record.first.clone(),
            required: record.required == Required::Required,
            status: found.word(),
            reason,
            note,
            observed: observed.clone(),
            checked_at: at.to_string(),
            host,
        }
    }
}

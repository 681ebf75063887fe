//! Who of a message's recipients is not written to: answered by memory for nearly everybody, by the store for those
//! who may be suppressed. Only mail of our own users is asked about, and only where it would leave.

use crate::base::clock::Time;
use crate::base::id::TenantId;
use crate::base::limits;
use crate::mail::address::Address;
use crate::model::message::Origin;
use crate::model::suppression::index::Index;
use crate::model::suppression::{Cause, Suppression};
use crate::store::{Store, StoreError};
use std::time::Duration;

/// Whose mail it is, and of which kind.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    pub tenant: &'a TenantId,
    /// The domain that it is sent from.
    pub domain: &'a str,
    pub stream: &'a str,
    /// It goes to all but those who complained.
    pub ignored: bool,
    pub now: Time,
}

/// Does anybody have a say in who gets this mail? Reports and what only passes through go where they have to.
pub fn applies(origin: Origin) -> bool {
    match origin {
        Origin::Submitted | Origin::Api | Origin::Answered => true,
        Origin::Arrived | Origin::Collected | Origin::Generated => false,
    }
}

/// What keeps us from writing to each of them: one answer for each, in their order.
pub async fn among(
    index: &Index,
    store: &Store,
    asked: Asked<'_>,
    addresses: &[&Address],
) -> Result<Vec<Option<Suppression>>, StoreError> {
    let mut answers = vec![None; addresses.len()];
    let may_be = |n: &usize| index.may_hold(asked.tenant, addresses[*n], asked.now);
    let doubtful: Vec<usize> = (0..addresses.len()).filter(may_be).collect();
    if doubtful.is_empty() {
        return Ok(answers);
    }
    let named: Vec<Address> = doubtful.iter().map(|n| addresses[*n].clone()).collect();
    let found = store.suppressions_of(asked.tenant, &named, asked.domain, asked.stream, asked.now).await?;
    for (n, found) in doubtful.into_iter().zip(found) {
        answers[n] = found.filter(|found| !asked.ignored || found.reason == Cause::Complaint);
    }
    Ok(answers)
}

/// For whoever asks why it was not sent: who, why, since when.
pub fn reason(found: &Suppression) -> String {
    let scope = match (found.domain.as_str(), found.stream.as_str()) {
        ("", "") => String::new(),
        (domain, "") => format!(" for mail from {domain}"),
        ("", stream) => format!(" for the stream {stream}"),
        (domain, stream) => format!(" for mail from {domain} in the stream {stream}"),
    };
    let until = found.expires_at.map(|until| format!(" until {until}")).unwrap_or_default();
    let note = if found.note.is_empty() { String::new() } else { format!(": {}", found.note) };
    let (whom, cause, since) = (&found.whom, found.reason.word(), found.created_at);
    format!("{whom} is suppressed{scope} since {since}{until} ({cause}){note}")
}

/// Keeps a node's index true: everything at first and from time to time, and what came since every second.
#[derive(Debug, Default)]
pub struct Keeper {
    rounds: u64,
    read_at: Option<Time>,
}

impl Keeper {
    /// One round. After an error the index stays as it was, and is believed for a while.
    pub async fn refresh(&mut self, index: &Index, store: &Store, now: Time) -> Result<(), StoreError> {
        self.rounds += 1;
        let mut marks = Vec::new();
        if self.read_at.is_none_or(|at| now.since(at) >= limits::SUPPRESSIONS_REREAD) {
            store.all_suppressed(|tenant, key| marks.push(index.mark(tenant, key))).await?;
            index.replace(marks, now);
            self.read_at = Some(now);
            // What was written behind the page that was being read: all that is as young as the reading.
            return self.look_back(index, store, limits::SUPPRESSIONS_OVERLAP_LONG, now).await;
        }
        let overlap = match self.rounds.is_multiple_of(limits::SUPPRESSIONS_LONG_EVERY) {
            true => limits::SUPPRESSIONS_OVERLAP_LONG,
            false => limits::SUPPRESSIONS_OVERLAP,
        };
        self.look_back(index, store, overlap, now).await
    }

    async fn look_back(&self, index: &Index, store: &Store, by: Duration, now: Time) -> Result<(), StoreError> {
        let mut marks = Vec::new();
        store.suppressed_since(now.minus(by), |tenant, key| marks.push(index.mark(tenant, key))).await?;
        index.add(&marks, now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id;
    use crate::base::random::Random;
    use crate::model::suppression::Whence;

    #[test]
    fn a_reason_says_who_why_and_since_when() {
        let now = Time::from_micros(1_795_262_400_000_000);
        let found = Suppression {
            id: id::new(now, &Random::System),
            tenant: id::new(now, &Random::System),
            domain: "example.com".into(),
            stream: String::new(),
            whom: "Bob@far.example".parse().unwrap(),
            reason: Cause::HardBounce,
            origin: Whence::System,
            note: "550 5.1.1 nobody".into(),
            created_at: now,
            expires_at: None,
        };
        let since = now.to_string();
        assert_eq!(
            reason(&found),
            format!(
                "bob@far.example is suppressed for mail from example.com since {since} (hard_bounce): 550 5.1.1 nobody"
            )
        );
    }
}

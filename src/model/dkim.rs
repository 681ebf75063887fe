//! The keys that sign a domain's mail, and the life of those that Gatepost makes:
//!
//! ```text
//! pending → published → active → retiring → retired
//! ```
//!
//! Only an active key signs. What its record's place in the DNS says moves it on; a key that retires must be found
//! there for as long as mail is under way that it signed.

use crate::base::clock::Time;
use crate::base::id::{DkimKeyId, TenantId};
use crate::base::limits;
use crate::base::settings::words;
use crate::mail::domain_name::DomainName;
use crate::model::domain::Selector;

words! {
    /// What a key signs with.
    pub enum Algorithm {
        Rsa = "rsa",
        Ed25519 = "ed25519",
    }
}

impl Algorithm {
    pub const ALL: [Self; 2] = [Self::Rsa, Self::Ed25519];
}

impl std::fmt::Display for Algorithm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

words! {
    /// Where a key is in its life.
    pub enum Stage {
        /// Its record is not in the DNS yet.
        Pending = "pending",
        /// Its record was seen, and may not have come to everybody.
        Published = "published",
        /// It signs.
        Active = "active",
        /// It signs no more, and what it signed may still be verified.
        Retiring = "retiring",
        /// Its record may be taken out of the DNS.
        Retired = "retired",
    }
}

impl Stage {
    pub const ALL: [Self; 5] = [Self::Pending, Self::Published, Self::Active, Self::Retiring, Self::Retired];

    /// The legal changes.
    pub const fn may_become(self, next: Self) -> bool {
        matches!(
            (self, next),
            (Self::Pending, Self::Published)
                // Its record was taken out again before it signed anything.
                | (Self::Published, Self::Pending)
                | (Self::Published, Self::Active)
                | (Self::Active, Self::Retiring)
                | (Self::Retiring, Self::Retired)
        )
    }
}

/// A key that Gatepost made. Its private half is elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeKey {
    pub id: DkimKeyId,
    pub domain: DomainName,
    pub tenant: TenantId,
    pub selector: Selector,
    pub algorithm: Algorithm,
    pub stage: Stage,
    /// As the record has it, decoded.
    pub public: Vec<u8>,
    /// Retires when this one becomes active.
    pub replaces: Option<DkimKeyId>,
    pub created_at: Time,
    pub published_at: Option<Time>,
    pub active_at: Option<Time>,
    pub retiring_at: Option<Time>,
    pub retired_at: Option<Time>,
    /// Since when its record is missed.
    pub missing_at: Option<Time>,
}

impl MadeKey {
    /// Since when it is at its stage.
    pub fn since(&self) -> Time {
        let at = match self.stage {
            Stage::Pending => None,
            Stage::Published => self.published_at,
            Stage::Active => self.active_at,
            Stage::Retiring => self.retiring_at,
            Stage::Retired => self.retired_at,
        };
        at.unwrap_or(self.created_at)
    }

    /// The key at its next stage, if that is a legal one.
    pub fn become_at(&self, stage: Stage, now: Time) -> Option<Self> {
        if !self.stage.may_become(stage) {
            return None;
        }
        let mut key = Self { stage, ..self.clone() };
        match stage {
            Stage::Pending => key.published_at = None,
            Stage::Published => key.published_at = Some(now),
            Stage::Active => key.active_at = Some(now),
            Stage::Retiring => key.retiring_at = Some(now),
            Stage::Retired => {
                key.retired_at = Some(now);
                key.missing_at = None;
            }
        }
        Some(key)
    }
}

/// What was found at the place of a key's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// Its record.
    There,
    /// Nothing, or something else.
    NotThere,
    /// The DNS gave no answer.
    Unknown,
}

/// Whether another key of the same kind signs the domain's mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Company {
    Alone,
    BesideAnother,
}

/// What happens to a key next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    To(Stage),
    /// Its record has gone while somebody may look for it.
    Missed,
    /// It is back.
    Found,
}

/// What a look at the DNS means for a key. A key waits for a day where another signs meanwhile, so that its record
/// has come to every server and no cache says that there is none; the first one signs at once.
pub fn turn(key: &MadeKey, sight: Sight, company: Company, now: Time) -> Option<Turn> {
    let has_been = |at: Option<Time>, time| now.since(at.unwrap_or(now)) >= time;
    match (key.stage, sight) {
        (Stage::Pending, Sight::There) => Some(Turn::To(Stage::Published)),
        (Stage::Published, Sight::NotThere) => Some(Turn::To(Stage::Pending)),
        (Stage::Published, Sight::There)
            if company == Company::Alone || has_been(key.published_at, limits::DKIM_SPREADS_IN) =>
        {
            Some(Turn::To(Stage::Active))
        }
        (Stage::Retiring, _) if has_been(key.retiring_at, limits::DKIM_RETIRES_IN) => Some(Turn::To(Stage::Retired)),
        (Stage::Active | Stage::Retiring, Sight::NotThere) if key.missing_at.is_none() => Some(Turn::Missed),
        (Stage::Active | Stage::Retiring, Sight::There) if key.missing_at.is_some() => Some(Turn::Found),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id;
    use crate::base::random::Random;
    use std::time::Duration;

    const NOW: Time = Time::from_micros(1_700_000_000_000_000);

    fn key(stage: Stage) -> MadeKey {
        let at = |of: Stage| (of as u8 <= stage as u8).then_some(NOW);
        MadeKey {
            id: id::new(NOW, &Random::seeded(1)),
            domain: "example.com".parse().unwrap(),
            tenant: id::new(NOW, &Random::seeded(2)),
            selector: "gp1".parse().unwrap(),
            algorithm: Algorithm::Rsa,
            stage,
            public: vec![1],
            replaces: None,
            created_at: NOW,
            published_at: at(Stage::Published),
            active_at: at(Stage::Active),
            retiring_at: at(Stage::Retiring),
            retired_at: at(Stage::Retired),
            missing_at: None,
        }
    }

    #[test]
    fn a_first_key_signs_as_soon_as_it_is_seen() {
        let said = |stage, sight| turn(&key(stage), sight, Company::Alone, NOW);
        assert_eq!(said(Stage::Pending, Sight::There), Some(Turn::To(Stage::Published)));
        assert_eq!(said(Stage::Published, Sight::There), Some(Turn::To(Stage::Active)));
        assert_eq!(said(Stage::Pending, Sight::NotThere), None);
        assert_eq!(said(Stage::Active, Sight::There), None);
    }

    #[test]
    fn a_second_key_waits_until_every_cache_has_forgotten_that_it_was_not_there() {
        let said = |after| turn(&key(Stage::Published), Sight::There, Company::BesideAnother, NOW.plus(after));
        assert_eq!(said(limits::DKIM_SPREADS_IN - Duration::from_secs(1)), None);
        assert_eq!(said(limits::DKIM_SPREADS_IN), Some(Turn::To(Stage::Active)));
        // Taken out meanwhile, it begins anew.
        let gone = turn(&key(Stage::Published), Sight::NotThere, Company::BesideAnother, NOW);
        assert_eq!(gone, Some(Turn::To(Stage::Pending)));
        assert_eq!(key(Stage::Published).become_at(Stage::Pending, NOW).unwrap().published_at, None);
    }

    #[test]
    fn a_record_that_disappears_is_told_once_and_moves_nothing() {
        for stage in [Stage::Active, Stage::Retiring] {
            let mut key = key(stage);
            assert_eq!(turn(&key, Sight::NotThere, Company::Alone, NOW), Some(Turn::Missed));
            key.missing_at = Some(NOW);
            assert_eq!(turn(&key, Sight::NotThere, Company::Alone, NOW), None);
            assert_eq!(turn(&key, Sight::There, Company::Alone, NOW), Some(Turn::Found));
        }
    }

    #[test]
    fn a_key_retires_after_a_week_whatever_the_dns_says() {
        for sight in [Sight::There, Sight::NotThere, Sight::Unknown] {
            let end = NOW.plus(limits::DKIM_RETIRES_IN);
            assert_eq!(turn(&key(Stage::Retiring), sight, Company::Alone, end), Some(Turn::To(Stage::Retired)));
        }
    }

    #[test]
    fn a_dns_without_an_answer_changes_nothing_and_no_turn_is_illegal() {
        let later = [Duration::ZERO, limits::DKIM_SPREADS_IN, Duration::from_secs(86_400 * 6)];
        for (stage, after) in Stage::ALL.into_iter().flat_map(|stage| later.map(|after| (stage, after))) {
            assert_eq!(turn(&key(stage), Sight::Unknown, Company::Alone, NOW.plus(after)), None, "{stage:?}");
            for (sight, company) in [
                (Sight::There, Company::Alone),
                (Sight::There, Company::BesideAnother),
                (Sight::NotThere, Company::Alone),
            ] {
                if let Some(Turn::To(next)) = turn(&key(stage), sight, company, NOW.plus(after)) {
                    assert_eq!(key(stage).become_at(next, NOW).unwrap().stage, next);
                }
            }
        }
        assert_eq!(key(Stage::Pending).become_at(Stage::Active, NOW), None);
        assert_eq!(key(Stage::Retired).become_at(Stage::Active, NOW), None);
    }
}

//! What searches and sessions teach beside the mail: policies that must outlive a restart, and how TLS went, for
//! the reports that domains ask for (RFC 8460). The counts gather here and are written together.

use super::Dispatch;
use crate::base::clock::Time;
use crate::base::limits;
use crate::deliver::find::Trail;
use crate::deliver::report::{self, Ended, PolicyType, Rule, of_session};
use crate::deliver::session::{Session, Unopened};
use crate::deliver::sts::Learned;
use crate::deliver::sts::policy::Mode;
use crate::deliver::tls::Verified;
use crate::mail::domain_name::DomainName;
use crate::model::host::Host;
use crate::model::tls_report::{StsMode, StsPolicy, TlsCount};
use crate::queue::ready::Item;
use crate::store::{Store, StoreError, policies};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What is counted alike: day, domain, policy, host, result.
type Counted = (i64, String, String, String, String);

/// What sessions are held to, by the recipients' domain and host, as its last search has found it.
type Rules = HashMap<DomainName, Vec<(Host, Rule)>>;

#[derive(Default)]
pub(super) struct TlsCounts {
    counts: Mutex<HashMap<Counted, u64>>,
    rules: Mutex<Rules>,
}

impl TlsCounts {
    fn add(&self, counted: Counted) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        // At the bound new ones go uncounted: a report is a help and no ledger.
        if counts.len() < limits::TLS_COUNTS_MAX || counts.contains_key(&counted) {
            *counts.entry(counted).or_default() += 1;
        }
    }

    fn take(&self) -> Vec<TlsCount> {
        let counts = std::mem::take(&mut *self.counts.lock().unwrap_or_else(PoisonError::into_inner));
        let count =
            |((day, domain, policy, host, result), count)| TlsCount { day, domain, policy, host, result, count };
        counts.into_iter().map(count).collect()
    }

    fn learn(&self, domain: &DomainName, found: &[(Host, Rule)]) {
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        // What is forgotten is found again with the next search.
        if rules.len() >= limits::TLS_RULES_MAX && !rules.contains_key(domain) {
            rules.clear();
        }
        rules.insert(domain.clone(), found.to_vec());
    }

    fn rule(&self, domain: &DomainName, host: &Host) -> Option<Rule> {
        let rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        rules.get(domain)?.iter().find(|(at, _)| at == host).map(|(_, rule)| rule.clone())
    }
}

impl Dispatch {
    /// What a search has taught.
    pub(super) async fn keep(&self, domain: &DomainName, trail: &Trail) {
        for (host, failure) in &trail.failures {
            let host = host.as_ref().map(DomainName::to_string).unwrap_or_default();
            let rule = Rule { policy: failure.policy(), text: Vec::new() };
            self.count_tls(domain, &rule, &host, Ended::Failure(*failure));
        }
        if !trail.rules.is_empty() {
            self.tls_counts.learn(domain, &trail.rules);
        }
        let Some(learned) = &trail.learned else { return };
        let Ok(policy) = policy_of(learned) else { return };
        if let Err(error) = self.ledger.store.write(policies::put_sts_policy(&policy)).await {
            tracing::warn!(%domain, %error, "an MTA-STS policy could not be stored; it will be fetched again after a restart");
        }
    }

    /// How TLS went in an opening, for each domain that it was for: with every host that was tried, and with the
    /// one that did.
    pub(super) fn count_opening(&self, items: &[Item], opened: Result<&Session, &Unopened>) {
        let mut domains: Vec<_> = items.iter().filter_map(|item| item.course.mail_domain()).collect();
        domains.sort();
        domains.dedup();
        let tried = opened.map_or_else(|unopened| &unopened.tried[..], Session::tried);
        for domain in domains {
            for (host, failure) in tried.iter().filter_map(|tried| Some((&tried.host, tried.tls_failure?))) {
                if let Some(rule) = self.tls_counts.rule(domain, host) {
                    self.count_tls(domain, &rule, &host.to_string(), Ended::Failure(failure));
                }
            }
            if let Ok(session) = opened
                && let Some(rule) = self.tls_counts.rule(domain, session.host())
                && let Some(ended) = self.tls_of(session, &rule)
            {
                self.count_tls(domain, &rule, &session.host().to_string(), ended);
            }
        }
    }

    /// None where nobody wanted TLS.
    fn tls_of(&self, session: &Session, rule: &Rule) -> Option<Ended> {
        let Some(tls) = session.tls() else { return session.tls_failure().map(Ended::Failure) };
        let failure = match (rule.policy, tls.verified) {
            (PolicyType::Sts, Verified::Nobody) => session.failure_by_roots(&self.around),
            _ => None,
        };
        Some(failure.map_or(Ended::Success, Ended::Failure))
    }

    fn count_tls(&self, domain: &DomainName, rule: &Rule, host: &str, ended: Ended) {
        if let Some(result) = of_session(self.now(), domain, rule, host, report::Session::New, ended) {
            let word = match ended {
                Ended::Success => "ok",
                Ended::Failure(failure) => failure.word(),
            };
            let day = day_of(self.now());
            self.tls_counts.add((day, result.domain, result.policy.word().to_owned(), result.mx_host, word.to_owned()));
        }
    }

    /// Writes down what was counted; what cannot be written is lost, and said.
    pub(super) async fn save_tls_counts(&self) {
        let counts = self.tls_counts.take();
        if counts.is_empty() {
            return;
        }
        if let Err(error) = self.ledger.store.write(policies::add_tls_results(counts)).await {
            tracing::warn!(%error, "results for TLS reports were lost");
        }
    }
}

/// Everything that was learnt before this start, for the memory of it.
pub async fn known_policies(store: &Store) -> Result<Vec<Learned>, StoreError> {
    let mut known: Vec<Learned> = Vec::new();
    loop {
        let after = known.last().map(|learned| learned.domain.clone()).unwrap_or_default();
        let page = store.sts_policies(&after).await?;
        if page.is_empty() {
            return Ok(known);
        }
        known.extend(page.into_iter().map(learned_of));
    }
}

fn policy_of(learned: &Learned) -> Result<StsPolicy, crate::mail::domain_name::BadDomainName> {
    Ok(StsPolicy {
        domain: learned.domain.parse()?,
        id: learned.policy_id.clone(),
        mode: match learned.mode {
            Mode::Enforce => StsMode::Enforce,
            Mode::Testing => StsMode::Testing,
            Mode::None => StsMode::None,
        },
        mx: learned.mx.clone(),
        max_age: Duration::from_secs(learned.max_age_seconds),
        fetched_at: Time::from_micros(learned.fetched_at),
        text: learned.text.clone(),
    })
}

fn learned_of(policy: StsPolicy) -> Learned {
    Learned {
        domain: policy.domain.to_string(),
        policy_id: policy.id,
        mode: match policy.mode {
            StsMode::Enforce => Mode::Enforce,
            StsMode::Testing => Mode::Testing,
            StsMode::None => Mode::None,
        },
        mx: policy.mx,
        max_age_seconds: policy.max_age.as_secs(),
        fetched_at: policy.fetched_at.micros(),
        text: policy.text,
    }
}

fn day_of(at: Time) -> i64 {
    at.micros().div_euclid(86_400_000_000)
}

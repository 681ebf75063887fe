//! MTA-STS (RFC 8461): what domains demand of connections that bring them mail. Policies are fetched over HTTPS
//! when the DNS says that there is one or a new one, and stay in force to their end whatever the DNS and the
//! web server say meanwhile (RFC 8461 3.3, 5.1). What is learnt is handed out, so that the caller can keep it
//! over a restart and `remember` it here.

mod fetch;
mod kept;
pub mod policy;

use super::report::ResultType;
use crate::base::clock::{Clock, Time};
use crate::base::limits;
use crate::dns::{Failure, Resolver};
use crate::mail::domain_name::DomainName;
use crate::net::https::Https;
use kept::Kept;
use policy::{Mode, Policy, id_of};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A policy as it was fetched: to be kept until it ends. What decides is `text`; mode, hosts and age stand beside
/// it for people and queries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Learned {
    pub domain: String,
    pub policy_id: String,
    pub mode: Mode,
    pub mx: Vec<String>,
    pub max_age_seconds: u64,
    /// In microseconds since 1970.
    pub fetched_at: i64,
    pub text: String,
}

/// A policy that is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InForce {
    pub id: String,
    pub policy: Policy,
    pub fetched_at: Time,
    pub text: String,
}

impl InForce {
    fn ends(&self) -> Time {
        self.fetched_at.plus(self.policy.max_age)
    }

    /// RFC 8461 5.1 wants policies fetched anew before they end; at half their life there is time to try often.
    fn is_old(&self, now: Time) -> bool {
        now >= self.fetched_at.plus(self.policy.max_age / 2)
    }
}

/// Why a domain's policy could not be had, for its report (RFC 8460 4.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    pub result: ResultType,
    pub why: String,
}

/// What MTA-STS says of a domain now.
#[derive(Clone, Debug, Default)]
pub struct Consulted {
    pub policy: Option<Arc<InForce>>,
    /// The policy, when it was fetched just now.
    pub learned: Option<Learned>,
    pub trouble: Option<Trouble>,
    /// For people.
    pub note: String,
}

/// Clones share what is known.
#[derive(Clone)]
pub struct Sts {
    resolver: Resolver,
    https: Https,
    clock: Clock,
    kept: Arc<Mutex<Kept>>,
}

impl Sts {
    pub fn new(resolver: Resolver, https: Https, clock: Clock) -> Self {
        Self { resolver, https, clock, kept: Arc::default() }
    }

    /// Takes back what was learnt before a restart. One that has ended, or cannot be read any more, is passed
    /// over.
    pub fn remember(&self, learned: Learned) {
        let (Ok(domain), Ok(policy)) = (learned.domain.parse(), learned.text.parse()) else { return };
        let fetched_at = Time::from_micros(learned.fetched_at);
        let in_force = InForce { id: learned.policy_id, policy, fetched_at, text: learned.text };
        self.kept().keep(domain, in_force, self.clock.now());
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the domain demands, fetched when the DNS says that it changed.
    pub async fn consult(&self, domain: &DomainName) -> Consulted {
        let id = match self.announced(domain).await {
            Ok(Some(id)) => id,
            Ok(None) => return self.held(domain, "the DNS names no MTA-STS policy"),
            Err(why) => {
                return self.held(domain, &format!("whether there is a new MTA-STS policy is not known ({why})"));
            }
        };
        if let Some(current) = self.current(domain, &id) {
            return current;
        }
        // One fetch for a domain, however many mails wait for it.
        let turn = self.kept().turn(domain, self.clock.now());
        let _turn = turn.lock().await;
        if let Some(current) = self.current(domain, &id) {
            return current;
        }
        match fetch::policy(&self.resolver, &self.https, domain).await {
            Ok((policy, text)) => self.take(domain, id, policy, text),
            Err(trouble) => {
                self.kept().fail(domain, trouble.clone(), self.clock.now());
                self.failed(domain, trouble)
            }
        }
    }

    /// The id that the DNS announces.
    async fn announced(&self, domain: &DomainName) -> Result<Option<String>, String> {
        // A name that is too long for the prefix can have no policy.
        let Ok(name) = format!("_mta-sts.{domain}").parse() else { return Ok(None) };
        match self.resolver.txt(&name).await {
            Ok(texts) => Ok(id_of(&texts.value)),
            Err(Failure::NoSuchName) => Ok(None),
            Err(Failure::Temporary { why }) => Err(why),
        }
    }

    /// What needs no fetching: this very policy, or another while a fetch has just failed (RFC 8461 3.3).
    fn current(&self, domain: &DomainName, id: &str) -> Option<Consulted> {
        let (now, kept) = (self.clock.now(), self.kept());
        let policy = kept.policy(domain, now);
        if let Some(policy) = policy.as_ref().filter(|policy| policy.id == id && !policy.is_old(now)) {
            return Some(Consulted {
                note: described(policy),
                policy: Some(Arc::clone(policy)),
                ..Consulted::default()
            });
        }
        let trouble = kept.failed_since(domain, now.minus(limits::STS_FETCH_PAUSE))?;
        drop(kept);
        Some(self.failed(domain, trouble))
    }

    fn take(&self, domain: &DomainName, id: String, policy: Policy, text: String) -> Consulted {
        let now = self.clock.now();
        let learned = Learned {
            domain: domain.as_str().to_owned(),
            policy_id: id.clone(),
            mode: policy.mode,
            mx: policy.mx.iter().map(ToString::to_string).collect(),
            max_age_seconds: policy.max_age.as_secs(),
            fetched_at: now.micros(),
            text: text.clone(),
        };
        let policy = self.kept().keep(domain.clone(), InForce { id, policy, fetched_at: now, text }, now);
        Consulted { note: described(&policy), policy: Some(policy), learned: Some(learned), trouble: None }
    }

    fn failed(&self, domain: &DomainName, trouble: Trouble) -> Consulted {
        let held = self.held(domain, &format!("the MTA-STS policy could not be had ({})", trouble.why));
        Consulted { trouble: Some(trouble), ..held }
    }

    /// The policy that is still in force, if any.
    fn held(&self, domain: &DomainName, why: &str) -> Consulted {
        let policy = self.kept().policy(domain, self.clock.now());
        let note = match &policy {
            Some(policy) => format!("{why}; {}", described(policy)),
            None => why.to_owned(),
        };
        Consulted { policy, note, ..Consulted::default() }
    }
}

fn described(policy: &InForce) -> String {
    let (id, mode) = (&policy.id, policy.policy.mode.word());
    format!("an MTA-STS policy is in force until {} (mode {mode}, id {id})", policy.ends())
}

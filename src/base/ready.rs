//! Can this node do its work now? Rooms say how their part stands, `/readyz` reads it. A reader takes
//! no lock and a writer copies a map of a handful of entries, which happens when a state changes and
//! not when it is asked for.
//!
//! The reasons are shown to anyone who may ask a health check: a name of ours and a plain word, never
//! an address, a path or the text of an error.

use arc_swap::ArcSwap;
use std::collections::BTreeMap;
use std::sync::Arc;

type Conditions = BTreeMap<&'static str, Result<(), String>>;

#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<ArcSwap<Conditions>>);

impl Readiness {
    /// Each of these must be reported as holding once, before the whole is ready.
    pub fn expecting(conditions: &[&'static str]) -> Self {
        let starting = conditions.iter().map(|name| (*name, Err("starting".to_owned()))).collect();
        Self(Arc::new(ArcSwap::from_pointee(starting)))
    }

    pub fn holds(&self, condition: &'static str) {
        self.set(condition, Ok(()));
    }

    pub fn fails(&self, condition: &'static str, reason: impl Into<String>) {
        self.set(condition, Err(reason.into()));
    }

    fn set(&self, condition: &'static str, state: Result<(), String>) {
        if self.0.load().get(condition) == Some(&state) {
            return;
        }
        self.0.rcu(|now| {
            let mut next = Conditions::clone(now);
            next.insert(condition, state.clone());
            next
        });
    }

    pub fn is_ready(&self) -> bool {
        self.0.load().values().all(Result::is_ok)
    }

    /// What does not hold, one `name: reason` each; empty when ready.
    pub fn reasons(&self) -> Vec<String> {
        let conditions = self.0.load();
        let failing = conditions.iter().filter_map(|(name, state)| Some((name, state.as_ref().err()?)));
        failing.map(|(name, reason)| format!("{name}: {reason}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_only_when_every_condition_holds() {
        let readiness = Readiness::expecting(&["store", "listeners"]);
        assert_eq!(readiness.reasons(), ["listeners: starting", "store: starting"]);
        readiness.holds("store");
        assert!(!readiness.is_ready());
        readiness.holds("listeners");
        assert!(readiness.is_ready() && readiness.reasons().is_empty());
    }

    #[test]
    fn a_condition_comes_and_goes_in_every_clone() {
        let readiness = Readiness::default();
        let seen_elsewhere = readiness.clone();
        readiness.fails("draining", "the daemon is stopping");
        assert_eq!(seen_elsewhere.reasons(), ["draining: the daemon is stopping"]);
        seen_elsewhere.holds("draining");
        assert!(readiness.is_ready());
    }
}

//! All keys that sign now, by domain: a snapshot that is replaced whole.

use super::key::SigningKey;
use crate::mail::domain_name::DomainName;
use crate::model::dkim::Algorithm;
use std::collections::HashMap;
use std::sync::Arc;

/// How mail of a domain is signed.
#[derive(Clone, Copy, Debug)]
pub enum Signing<'a> {
    /// It has no key: its mail leaves as it is.
    None,
    With(&'a [Arc<SigningKey>]),
    /// It has keys and none can be used; why. Its mail waits: it never leaves unsigned.
    Unusable(&'a str),
}

#[derive(Debug, Default)]
pub struct Keys {
    domains: HashMap<DomainName, Entry>,
}

#[derive(Debug, Default)]
struct Entry {
    keys: Vec<Arc<SigningKey>>,
    /// What is wrong with those that are not among them.
    troubles: Vec<String>,
}

impl Keys {
    /// A key that signs from now on.
    pub fn add(&mut self, key: Arc<SigningKey>) {
        let keys = &mut self.domains.entry(key.domain().clone()).or_default().keys;
        keys.push(key);
        // RSA on top: some receivers look at the first signature only, and not all know Ed25519.
        keys.sort_by_key(|key| key.algorithm() == Algorithm::Ed25519);
    }

    /// A key of this domain that should sign and cannot.
    pub fn add_trouble(&mut self, domain: &DomainName, why: String) {
        self.domains.entry(domain.clone()).or_default().troubles.push(why);
    }

    pub fn of(&self, domain: &DomainName) -> Signing<'_> {
        match self.domains.get(domain) {
            None => Signing::None,
            Some(entry) if !entry.keys.is_empty() => Signing::With(&entry.keys),
            Some(entry) => Signing::Unusable(entry.troubles.first().map_or("", String::as_str)),
        }
    }
}

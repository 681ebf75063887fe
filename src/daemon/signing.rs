//! Which keys sign: those of the file from its reload on, those of the store while they are active. The snapshot is
//! made anew with every directory, and before it: no mail of a domain is seen with the domain known and its keys not.

use crate::base::id::DkimKeyId;
use crate::config::Config;
use crate::mail::domain_name::DomainName;
use crate::model::directory::Directory;
use crate::model::dkim::{MadeKey, Stage};
use crate::proof::{Keys, PrivateKey, SigningKey};
use crate::store::{Store, StoreError};
use arc_swap::ArcSwap;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The keys that a configuration names, read.
pub type FileKeys = Vec<Arc<SigningKey>>;

/// Reads them; blocks on the disk for a moment.
pub fn read_files(config: &Config) -> Result<FileKeys, String> {
    let named = config.domain.iter().flat_map(|domain| domain.dkim.iter().map(move |key| (&domain.name, key)));
    named
        .map(|(domain, named)| {
            let private = PrivateKey::open(&named.key)
                .map_err(|why| format!("the DKIM key {} of {domain} cannot be used: {why}", named.key.display()))?;
            Ok(Arc::new(SigningKey::new(domain.clone(), named.selector.clone(), private)))
        })
        .collect()
}

#[derive(Default)]
pub struct Signer {
    /// What signs now.
    pub keys: Arc<ArcSwap<Keys>>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    of_file: FileKeys,
    /// As the store said last.
    made: Vec<MadeKey>,
    /// The opened ones among those that are active.
    open: HashMap<DkimKeyId, Result<Arc<SigningKey>, String>>,
}

impl Signer {
    /// The keys of a new configuration; they sign from the next `assemble` on.
    pub fn take_up(&self, of_file: FileKeys) {
        self.known().of_file = of_file;
    }

    /// Reads the store's keys; opens those that were not open yet.
    pub async fn read(&self, store: &Store) -> Result<(), StoreError> {
        let made = store.dkim_keys().await?;
        let mut open = HashMap::new();
        for key in made.iter().filter(|key| key.stage == Stage::Active) {
            let known = self.known().open.get(&key.id).filter(|known| known.is_ok()).cloned();
            let opened = match known {
                Some(known) => known,
                None => open_key(store, key).await?,
            };
            open.insert(key.id.clone(), opened);
        }
        let mut known = self.known();
        (known.made, known.open) = (made, open);
        Ok(())
    }

    /// The keys of the store for this domain, as it said last.
    pub fn made_for(&self, domain: &DomainName) -> Vec<MadeKey> {
        self.known().made.iter().filter(|key| key.domain == *domain).cloned().collect()
    }

    /// What signs for the domains of this directory.
    pub fn assemble(&self, directory: &Directory) {
        let known = self.known();
        let mut keys = Keys::default();
        for key in &known.of_file {
            keys.add(key.clone());
        }
        for key in known.made.iter().filter(|key| key.active_at.is_some()) {
            if let Err(why) = add(&mut keys, key, &known, directory) {
                tracing::warn!(domain = %key.domain, selector = %key.selector, why, "a DKIM key cannot be used");
                keys.add_trouble(&key.domain, why);
            }
        }
        drop(known);
        self.keys.store(Arc::new(keys));
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A key that signed once: it signs, or says why its domain's mail may not leave without another one.
fn add(keys: &mut Keys, key: &MadeKey, known: &Known, directory: &Directory) -> Result<(), String> {
    let name = |what: &str| format!("its DKIM key {} {what}", key.selector);
    match key.stage {
        Stage::Active => {
            let owner = directory.domain(&key.domain).and_then(|entry| directory.tenant(&entry.tenant));
            if owner.is_some_and(|tenant| tenant.id != key.tenant) {
                return Err(name("was made for another tenant: make one with `gatepost dkim new`"));
            }
            match known.open.get(&key.id) {
                Some(Ok(opened)) => keys.add(opened.clone()),
                Some(Err(why)) => return Err(why.clone()),
                None => return Err(name("was not opened")),
            }
        }
        // Only a trouble where nothing else signs.
        _ => keys.add_trouble(&key.domain, name("is retired: make one with `gatepost dkim new`")),
    }
    Ok(())
}

async fn open_key(store: &Store, key: &MadeKey) -> Result<Result<Arc<SigningKey>, String>, StoreError> {
    let unusable = |why: &str| format!("its DKIM key {} cannot be opened: {why}", key.selector);
    let private = match store.dkim_private(&key.id).await {
        Ok(Some(private)) => private,
        Ok(None) => return Ok(Err(unusable("the store does not have it"))),
        Err(StoreError::Refused { .. } | StoreError::Damaged { .. }) => {
            return Ok(Err(unusable("it was sealed under another master key, or is damaged")));
        }
        Err(error) => return Err(error),
    };
    Ok(match PrivateKey::from_pkcs8(private.expose()) {
        Ok(private) => Ok(Arc::new(SigningKey::new(key.domain.clone(), key.selector.clone(), private))),
        Err(why) => Err(unusable(&why.to_string())),
    })
}

//! The life of the keys that Gatepost makes: looks by the clock, and when somebody asks, whether their records are
//! in the DNS, and moves them on.

use super::happenings::{KeyMoved, RecordMissing};
use crate::base::clock::{Clock, Time};
use crate::base::id::{self, DkimKeyId};
use crate::base::limits;
use crate::base::observe::Happening;
use crate::base::random::Random;
use crate::base::shutdown::{Phase, Shutdown};
use crate::dns::{Failure, Resolver};
use crate::mail::domain_name::DomainName;
use crate::model::directory::DirectoryHandle;
use crate::model::dkim::{Algorithm, Company, MadeKey, Sight, Stage, Turn, turn};
use crate::model::domain::Selector;
use crate::model::event::Event;
use crate::proof::record::owner;
use crate::proof::{BadKey, Keys, PrivateKey, PublicKey, Published, Signing};
use crate::store::{Change, Store, StoreError};
use arc_swap::ArcSwap;
use futures_util::StreamExt;
use futures_util::stream;
use std::collections::HashMap;
use std::sync::Arc;

/// What somebody wants a key for.
#[derive(Clone, Debug)]
pub struct Wish {
    pub domain: DomainName,
    pub selector: Selector,
    pub algorithm: Algorithm,
    pub replaces: Option<DkimKeyId>,
}

#[derive(Debug)]
pub enum NotMade {
    NoSuchDomain,
    /// Another key has, or had, the selector: its record may still be looked for.
    SelectorTaken,
    /// Selector and domain are longer than a name may be.
    NameTooLong,
    TooMany,
    Key(BadKey),
    Store(StoreError),
}

/// A key, and what was found at the place of its record.
#[derive(Clone, Debug)]
pub struct Looked {
    pub key: MadeKey,
    pub sight: Sight,
    /// In words, behind "the DNS has ".
    pub found: &'static str,
}

pub struct Tender {
    pub store: Arc<Store>,
    pub resolver: Resolver,
    pub directory: Arc<DirectoryHandle>,
    /// What signs now, the keys of the file among it.
    pub signing: Arc<ArcSwap<Keys>>,
    pub clock: Clock,
    pub random: Random,
}

impl Tender {
    /// Looks by the clock until the daemon drains.
    pub async fn tend(self: Arc<Self>, shutdown: Shutdown) {
        let mut looked: HashMap<DkimKeyId, Time> = HashMap::new();
        loop {
            tokio::select! {
                () = shutdown.reached(Phase::Draining) => return,
                round = self.round(&mut looked) => if let Err(error) = round {
                    tracing::warn!(%error, "the DKIM keys could not be looked after; the next round tries again");
                }
            }
            tokio::select! {
                () = shutdown.reached(Phase::Draining) => return,
                () = tokio::time::sleep(limits::DKIM_ROUND_EVERY) => {}
            }
        }
    }

    /// Looks at the keys whose last look has aged, those that waited longest first, so many at most.
    async fn round(&self, looked: &mut HashMap<DkimKeyId, Time>) -> Result<(), StoreError> {
        let now = self.clock.now();
        let all = self.store.dkim_keys().await?;
        let is_due = |key: &&MadeKey| looked.get(&key.id).is_none_or(|at| now.since(*at) >= good_for(key));
        let lives = |key: &&MadeKey| key.stage != Stage::Retired && self.is_served(key);
        let mut due: Vec<_> = all.iter().filter(lives).filter(is_due).cloned().collect();
        due.sort_by_key(|key| looked.get(&key.id).copied());
        due.truncate(limits::DKIM_LOOKS_IN_ROUND);
        let known: std::collections::HashSet<_> = all.iter().map(|key| &key.id).collect();
        looked.retain(|id, _| known.contains(id));
        for Looked { key, .. } in self.look(due).await? {
            looked.insert(key.id, now);
        }
        Ok(())
    }

    fn is_served(&self, key: &MadeKey) -> bool {
        self.directory.load().domain(&key.domain).is_some()
    }

    /// Looks at these keys in the DNS and moves those on that may; how they stand then.
    pub async fn look(&self, keys: Vec<MadeKey>) -> Result<Vec<Looked>, StoreError> {
        let looks = keys.into_iter().map(|key| async move {
            let (sight, found) = self.sight(&key).await;
            Looked { key, sight, found }
        });
        let looked: Vec<_> = stream::iter(looks).buffered(limits::DKIM_LOOKS_AT_ONCE).collect().await;
        let mut done = Vec::with_capacity(looked.len());
        // One by one: whether a key is alone depends on what became of the one before it.
        for one in looked {
            done.push(self.advance(one).await?);
        }
        Ok(done)
    }

    /// RFC 6376 3.6.2.2: of several records each is tried.
    async fn sight(&self, key: &MadeKey) -> (Sight, &'static str) {
        let Ok(name) = owner(&key.domain, &key.selector).parse::<DomainName>() else {
            return (Sight::NotThere, "no place for so long a name");
        };
        let public = PublicKey::new(key.algorithm, key.public.clone());
        let records = match tokio::time::timeout(limits::DKIM_LOOK_MAX, self.resolver.txt(&name)).await {
            Ok(Ok(answer)) => answer.value,
            Ok(Err(Failure::NoSuchName)) => Vec::new(),
            Ok(Err(_)) | Err(_) => return (Sight::Unknown, "no answer at the moment"),
        };
        let says: Vec<_> = records.iter().map(|record| public.published_in(record)).collect();
        let has = |what| says.contains(&what);
        if has(Published::Same) {
            (Sight::There, "this record")
        } else if has(Published::Restricted) {
            (Sight::NotThere, "this key with tags that forbid its use (h= or s=)")
        } else if has(Published::Another) {
            (Sight::NotThere, "another key in its place")
        } else if has(Published::Revoked) {
            (Sight::NotThere, "this place marked as revoked (p= is empty)")
        } else if records.is_empty() {
            (Sight::NotThere, "no record there")
        } else {
            (Sight::NotThere, "something there that is no key's record")
        }
    }

    /// Every turn that is due. Each is a commit of its own; when another node was quicker, ours is none.
    async fn advance(&self, looked: Looked) -> Result<Looked, StoreError> {
        let Looked { mut key, sight, found } = looked;
        loop {
            let now = self.clock.now();
            let siblings = self.store.dkim_keys_of(&key.domain).await?;
            let company = self.company(&key, &siblings);
            let Some(turn) = turn(&key, sight, company, now) else { break };
            let Some((next, change)) = self.change(&key, turn, &siblings, now) else { break };
            match self.store.write(change).await {
                Ok(_) => {}
                Err(StoreError::Conflict { .. }) => break,
                Err(error) => return Err(error),
            }
            match turn {
                Turn::To(_) => KeyMoved { key: &next }.record(),
                Turn::Missed => RecordMissing { key: &next, found }.record(),
                Turn::Found => {
                    tracing::info!(domain = %next.domain, selector = %next.selector, "a DKIM record is back")
                }
            }
            key = next;
        }
        Ok(Looked { key, sight, found })
    }

    fn company(&self, key: &MadeKey, siblings: &[MadeKey]) -> Company {
        let is_like =
            |other: &&MadeKey| other.id != key.id && other.stage == Stage::Active && other.algorithm == key.algorithm;
        let signing = self.signing.load();
        let of_file = match signing.of(&key.domain) {
            Signing::With(keys) => keys.iter().any(|other| {
                other.algorithm() == key.algorithm && siblings.iter().all(|made| made.selector != *other.selector())
            }),
            Signing::None | Signing::Unusable(_) => false,
        };
        if of_file || siblings.iter().any(|other| is_like(&other)) { Company::BesideAnother } else { Company::Alone }
    }

    /// What a turn writes. A key that becomes active sends the one it replaces into retirement, in one commit: at no
    /// moment does none of them sign.
    fn change(&self, key: &MadeKey, turn: Turn, siblings: &[MadeKey], now: Time) -> Option<(MadeKey, Change)> {
        let (next, kind) = match turn {
            Turn::To(stage) => (key.become_at(stage, now)?, stage.as_str()),
            Turn::Missed => (MadeKey { missing_at: Some(now), ..key.clone() }, "missing"),
            Turn::Found => (MadeKey { missing_at: None, ..key.clone() }, "found"),
        };
        let mut change = self.store.move_dkim_key(key, &next, now);
        change.events.push(self.event(kind, &next, now));
        if turn == Turn::To(Stage::Active) {
            let replaced = siblings.iter().find(|other| key.replaces.as_ref() == Some(&other.id));
            if let Some((old, retiring)) = replaced.and_then(|old| Some((old, old.become_at(Stage::Retiring, now)?))) {
                change = change.and(self.store.move_dkim_key(old, &retiring, now));
                change.events.push(self.event(Stage::Retiring.as_str(), &retiring, now));
            }
        }
        Some((next, change))
    }

    fn event(&self, kind: &str, key: &MadeKey, at: Time) -> Event {
        let data = serde_json::json!({
            "key": key.id.as_str(),
            "domain": key.domain.as_str(),
            "selector": key.selector.as_str(),
            "algorithm": key.algorithm.as_str(),
        });
        Event {
            id: id::new(at, &self.random),
            kind: format!("dkim.{kind}"),
            at,
            tenant: Some(key.tenant.clone()),
            message: None,
            delivery: None,
            data: data.to_string(),
        }
    }

    /// Makes a key and keeps it; it signs nothing before its record was seen.
    pub async fn make(&self, wish: Wish) -> Result<MadeKey, NotMade> {
        let tenant = self.tenant_of(&wish.domain).ok_or(NotMade::NoSuchDomain)?;
        owner(&wish.domain, &wish.selector).parse::<DomainName>().map_err(|_| NotMade::NameTooLong)?;
        let siblings = self.store.dkim_keys_of(&wish.domain).await.map_err(NotMade::Store)?;
        if siblings.iter().any(|key| key.selector == wish.selector) || self.is_of_file(&wish) {
            return Err(NotMade::SelectorTaken);
        }
        if siblings.iter().filter(|key| key.stage != Stage::Retired).count() >= limits::DKIM_KEYS_OF_DOMAIN_MAX {
            return Err(NotMade::TooMany);
        }
        let algorithm = wish.algorithm;
        // RSA takes a tenth of a second, which other tasks of this thread would wait for.
        let made = tokio::task::spawn_blocking(move || PrivateKey::generate(algorithm)).await;
        let private = made.unwrap_or(Err(BadKey::NotMade)).map_err(NotMade::Key)?;
        let (public, sealed) = private.public().and_then(|p| Ok((p, private.to_pkcs8()?))).map_err(NotMade::Key)?;
        let now = self.clock.now();
        let key = MadeKey {
            id: id::new(now, &self.random),
            domain: wish.domain,
            tenant,
            selector: wish.selector,
            algorithm,
            stage: Stage::Pending,
            public: public.bytes().to_vec(),
            replaces: wish.replaces,
            created_at: now,
            published_at: None,
            active_at: None,
            retiring_at: None,
            retired_at: None,
            missing_at: None,
        };
        let mut change = self.store.new_dkim_key(&key, &sealed);
        change.events.push(self.event("made", &key, now));
        match self.store.write(change).await {
            Ok(_) => Ok(key),
            Err(StoreError::Conflict { .. }) => Err(NotMade::SelectorTaken),
            Err(error) => Err(NotMade::Store(error)),
        }
    }

    fn tenant_of(&self, domain: &DomainName) -> Option<crate::base::id::TenantId> {
        let directory = self.directory.load();
        let entry = directory.domain(domain)?;
        Some(directory.tenant(&entry.tenant)?.id.clone())
    }

    fn is_of_file(&self, wish: &Wish) -> bool {
        let directory = self.directory.load();
        let domain = directory.domain(&wish.domain);
        domain.is_some_and(|entry| entry.value.dkim.iter().any(|key| key.selector == wish.selector))
    }
}

/// Somebody waits for a new key; one that signs is looked at for safety.
fn good_for(key: &MadeKey) -> std::time::Duration {
    match key.stage {
        Stage::Pending | Stage::Published => limits::DKIM_LOOK_NEW,
        _ if key.missing_at.is_some() => limits::DKIM_LOOK_NEW,
        Stage::Active | Stage::Retiring | Stage::Retired => limits::DKIM_LOOK_SETTLED,
    }
}

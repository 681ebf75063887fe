//! The keys of tracked links and return paths: sealed rows of the store, which all nodes share and nobody ever
//! deletes. The first one is made at the first start, the next when an operator asks; a new key mints only when
//! every node had time to read it.

use super::happenings::LinkKeyMade;
use crate::base::clock::{Clock, Time};
use crate::base::limits;
use crate::base::observe::Happening;
use crate::base::random::Random;
use crate::base::secret::Secret;
use crate::content::token::{Keyring, MacKey};
use crate::store::seal::Kept;
use crate::store::{Change, Store, StoreError, directory};
use arc_swap::ArcSwap;
use std::sync::{Arc, Mutex, PoisonError};

/// Under which they are sealed; the name of each is its number.
const PURPOSE: &str = "mac";
const FIRST: u16 = 1;
const KEY_BYTES: usize = 32;

pub struct Keys {
    store: Arc<Store>,
    ring: Arc<ArcSwap<Keyring>>,
    /// When each was made.
    made: Mutex<Vec<(u16, Time)>>,
    clock: Clock,
    random: Random,
}

/// A key that was made now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewKey {
    pub number: u16,
    /// When links begin to be made with it.
    pub mints_at: Time,
}

impl Keys {
    /// Reads the keys, and makes the first one when there is none. Nodes that do so at once end with the same.
    pub async fn open(store: Arc<Store>, clock: Clock, random: Random) -> Result<Arc<Self>, StoreError> {
        let mut kept = store.secrets_of(PURPOSE).await?;
        if kept.is_empty() {
            make(&store, FIRST, clock.now(), &random).await?;
            kept = store.secrets_of(PURPOSE).await?;
        }
        let (keyring, made) = assemble(&kept, clock.now())?;
        let ring = Arc::new(ArcSwap::from_pointee(keyring));
        Ok(Arc::new(Self { store, ring, made: Mutex::new(made), clock, random }))
    }

    /// The keys in force: changed in place when there are others.
    pub fn ring(&self) -> Arc<ArcSwap<Keyring>> {
        self.ring.clone()
    }

    /// Reads them again: another node may have made one.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        let kept = self.store.secrets_of(PURPOSE).await?;
        let (keyring, made) = assemble(&kept, self.clock.now())?;
        *self.made.lock().unwrap_or_else(PoisonError::into_inner) = made;
        self.ring.store(Arc::new(keyring));
        Ok(())
    }

    /// Lets a key mint whose time has come. Looked at every second.
    pub fn settle(&self) {
        let number = mints(&self.made.lock().unwrap_or_else(PoisonError::into_inner), self.clock.now());
        let ring = self.ring.load();
        if number != Some(ring.mints_with())
            && let Some(settled) = number.and_then(|number| ring.minting(number))
        {
            self.ring.store(Arc::new(settled));
        }
    }

    /// Makes another key. Two nodes that are asked at once make one.
    pub async fn rotate(&self, by: &str) -> Result<NewKey, StoreError> {
        self.refresh().await?;
        let newest = self.ring.load().numbers().max().unwrap_or_default();
        let number = newest.checked_add(1).ok_or_else(|| refused("there are 65,535 keys of links already"))?;
        make(&self.store, number, self.clock.now(), &self.random).await?;
        self.refresh().await?;
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let made_at = made.iter().find(|(made, _)| *made == number).map_or(self.clock.now(), |(_, at)| *at);
        let key = NewKey { number, mints_at: made_at.plus(limits::LINK_KEY_SETTLES) };
        LinkKeyMade { number, by }.record();
        Ok(key)
    }
}

async fn make(store: &Store, number: u16, now: Time, random: &Random) -> Result<(), StoreError> {
    let secret = Secret::new(random.bytes::<KEY_BYTES>().to_vec());
    let step = store.seal_once(PURPOSE, &number.to_string(), secret.expose());
    store.write(Change::of(step).with(directory::changed(now))).await.map(|_| ())
}

fn assemble(kept: &[Kept], now: Time) -> Result<(Keyring, Vec<(u16, Time)>), StoreError> {
    let mut keys = Vec::with_capacity(kept.len());
    let mut made = Vec::with_capacity(kept.len());
    for Kept { name, created_at, secret } in kept {
        let number = name.parse().map_err(|_| damaged(format!("the key of links {name:?} has no number")))?;
        keys.push(MacKey { number, secret: secret.clone() });
        made.push((number, *created_at));
    }
    let ring = Keyring::new(keys).map_err(|_| damaged("the keys of links are gone".to_owned()))?;
    let settled = mints(&made, now).and_then(|number| ring.minting(number));
    Ok((settled.unwrap_or(ring), made))
}

/// The newest that every node knows; of keys that are all new, the first.
fn mints(made: &[(u16, Time)], now: Time) -> Option<u16> {
    let settled = made.iter().filter(|(_, at)| at.plus(limits::LINK_KEY_SETTLES) <= now).map(|(number, _)| *number);
    settled.max().or_else(|| made.iter().map(|(number, _)| *number).min())
}

fn damaged(why: String) -> StoreError {
    StoreError::Damaged { why }
}

fn refused(why: &str) -> StoreError {
    StoreError::Refused { why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_new_key_waits_until_every_node_knows_it() {
        let at = |seconds: u64| Time::default().plus(Duration::from_secs(seconds));
        assert_eq!(mints(&[(1, at(100))], at(100)), Some(1), "an only key has nobody to wait for");
        let made = [(1, at(0)), (2, at(100))];
        assert_eq!(mints(&made, at(100)), Some(1));
        assert_eq!(mints(&made, at(109)), Some(1));
        assert_eq!(mints(&made, at(110)), Some(2));
        assert_eq!(mints(&[(1, at(100)), (2, at(101))], at(102)), Some(1));
        assert_eq!(mints(&[(2, at(0)), (1, at(0))], at(102)), Some(2), "in any order");
        assert_eq!(mints(&[], at(102)), None);
    }
}

//! The key of our return paths: a secret of the store, made when there is none, so that all nodes know each other's
//! and a restart forgets none.

use super::NotStarted;
use crate::base::random::Random;
use crate::base::secret::Secret;
use crate::policy::return_path::ReturnPaths;
use crate::store::{Change, Store, StoreError};

const PURPOSE: &str = "mac";
const NAME: &str = "return_path";
const KEY_BYTES: usize = 32;

pub(super) async fn open(store: &Store) -> Result<ReturnPaths, NotStarted> {
    let key = key(store).await.map_err(NotStarted::new)?;
    // What the DNS shows is looked at by whoever checks a domain's records: without that, the configuration's word
    // is taken.
    Ok(ReturnPaths::new(&key, |_| true))
}

async fn key(store: &Store) -> Result<Secret<Vec<u8>>, StoreError> {
    loop {
        if let Some(key) = store.secret(PURPOSE, NAME).await? {
            return Ok(key);
        }
        let made = Secret::new(Random::System.bytes::<KEY_BYTES>().to_vec());
        store.write(Change::of(store.seal_secret(PURPOSE, NAME, made.expose()))).await?;
    }
}

//! Secrets at rest: one master key seals every other secret as a row of the store, so that nodes share
//! them and rotation is a row.
//!
//! The key is 32 bytes, written as 64 hex digits in `data_dir/master.key` (mode 0600) unless the
//! configuration brings its own. Without it the sealed rows are noise: a backup needs it beside it.

use super::change::Step;
use super::error::StoreError;
use super::open::Store;
use super::statement::{Binds, Columns, execute, fetch_all, fetch_one, statements};
use crate::base::clock::Time;
use crate::base::id::{self, SecretId};
use crate::base::limits;
use crate::base::random::Random;
use crate::base::secret::Secret;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::digest;
use sqlx::AnyConnection;
use std::sync::Arc;

statements! {
    SETTING = "SELECT value FROM settings WHERE name = $1";
    NEW_SETTING = "INSERT INTO settings (name, value, updated_at) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING";
    NEW_SECRET = "INSERT INTO secrets (id, purpose, name, sealed, created_at) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (id) DO NOTHING";
    LIVE_SECRET = "SELECT id, sealed FROM secrets WHERE purpose = $1 AND name = $2 AND retired_at IS NULL
        ORDER BY created_at DESC, id DESC LIMIT 1";
    SECRETS_OF = "SELECT id, name, sealed, created_at FROM secrets WHERE purpose = $1 AND id > $2 ORDER BY id LIMIT $3";
    RETIRE_SECRETS = "UPDATE secrets SET retired_at = $3 WHERE purpose = $1 AND name = $2 AND retired_at IS NULL";
}

pub const KEY_BYTES: usize = 32;

/// A secret of the store, opened.
#[derive(Clone, Debug)]
pub struct Kept {
    pub name: String,
    pub created_at: Time,
    pub secret: Secret<Vec<u8>>,
}

/// The form of a sealed secret; a later form gets another number.
const FORM: u8 = 1;
const CHECK_NAME: &str = "master_key_check";
const CHECK_TEXT: &[u8] = b"gatepost master key";

pub struct Seal {
    key: LessSafeKey,
    random: Random,
}

impl Seal {
    pub(super) fn new(master_key: &Secret<Vec<u8>>, random: Random) -> Result<Self, StoreError> {
        let key = UnboundKey::new(&AES_256_GCM, master_key.expose())
            .map_err(|_| StoreError::refused("the master key has to be 32 bytes, as 64 hex digits"))?;
        Ok(Self { key: LessSafeKey::new(key), random })
    }

    /// Seals bytes for one place: moved to another row, they do not open.
    fn close(&self, place: &str, bytes: &[u8]) -> Vec<u8> {
        let nonce: [u8; NONCE_LEN] = self.random.bytes();
        let mut text = bytes.to_vec();
        // Invariant: sealing fails only above 64 GiB, and a secret is bounded far below.
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(place), &mut text)
            .expect("a secret is small");
        [&[FORM], nonce.as_slice(), &text].concat()
    }

    fn open(&self, place: &str, sealed: &[u8]) -> Result<Secret<Vec<u8>>, StoreError> {
        let wrong_key =
            || StoreError::refused("the master key does not open its secrets; give the key that made this store");
        let (form, rest) = sealed.split_first().ok_or_else(|| StoreError::damaged("a sealed secret is empty"))?;
        if *form != FORM || rest.len() < NONCE_LEN {
            return Err(StoreError::damaged("a sealed secret has an unknown form"));
        }
        let (nonce, text) = rest.split_at(NONCE_LEN);
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| wrong_key())?;
        let mut text = text.to_vec();
        let opened = self.key.open_in_place(nonce, Aad::from(place), &mut text).map_err(|_| wrong_key())?;
        Ok(Secret::new(opened.to_vec()))
    }
}

/// A new master key as it is written into its file.
pub fn new_master_key(random: &Random) -> Secret<String> {
    Secret::new(to_hex(&random.bytes::<KEY_BYTES>()))
}

/// Reads a master key from its text.
pub fn parse_master_key(text: &str) -> Result<Secret<Vec<u8>>, StoreError> {
    match from_hex(text.trim()) {
        Some(bytes) if bytes.len() == KEY_BYTES => Ok(Secret::new(bytes)),
        _ => Err(StoreError::refused("the master key has to be 32 bytes, as 64 hex digits")),
    }
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).ok()).collect()
}

/// The first key that opens a store marks it; any other is refused from then on.
pub(super) async fn demand_own_key(on: &mut AnyConnection, seal: &Seal, now: Time) -> Result<(), StoreError> {
    let mark = to_hex(&seal.close(CHECK_NAME, CHECK_TEXT));
    execute(on, &NEW_SETTING, Binds::default().text(CHECK_NAME).text(&mark).int(now.micros())).await?;
    demand_same_key(on, seal).await
}

/// Refuses a key that is not the one that marked this store.
pub(super) async fn demand_same_key(on: &mut AnyConnection, seal: &Seal) -> Result<(), StoreError> {
    let row = fetch_one(on, &SETTING, Binds::default().text(CHECK_NAME)).await?;
    let stored = row.ok_or_else(|| StoreError::damaged("the mark of its master key is missing"))?.text("value")?;
    let sealed = from_hex(&stored).ok_or_else(|| StoreError::damaged("the mark of its master key is damaged"))?;
    seal.open(CHECK_NAME, &sealed).map(|_| ())
}

impl Store {
    /// The step that seals a secret under a purpose and a name. Older ones of that name stay until they
    /// are retired: the newest is the live one.
    pub fn seal_secret(&self, purpose: &str, name: &str, bytes: &[u8]) -> Step {
        let now = self.clock.now();
        let id: SecretId = id::new(now, &self.random);
        let sealed = self.seal.close(id.as_str(), bytes);
        let binds =
            Binds::default().text(id.as_str()).text(purpose).text(name).blob(Arc::new(sealed)).int(now.micros());
        Step::any(&NEW_SECRET, binds)
    }

    /// The step that seals the one secret that a purpose and a name ever have: of several who try, on whatever
    /// node, the first one's stays, and the others read it.
    pub fn seal_once(&self, purpose: &str, name: &str, bytes: &[u8]) -> Step {
        // Rows of one place have one id, and the second insert does nothing.
        let digest = digest::digest(&digest::SHA256, format!("{purpose}/{name}").as_bytes());
        let mut number = [0; 16];
        number.copy_from_slice(&digest.as_ref()[..16]);
        let id = SecretId::from_bytes(number);
        let sealed = self.seal.close(id.as_str(), bytes);
        let binds = Binds::default().text(id.as_str()).text(purpose).text(name).blob(Arc::new(sealed));
        Step::any(&NEW_SECRET, binds.int(self.clock.now().micros()))
    }

    /// All secrets of a purpose, the retired ones too.
    pub async fn secrets_of(&self, purpose: &str) -> Result<Vec<Kept>, StoreError> {
        let (mut all, mut after) = (Vec::new(), String::new());
        loop {
            let binds = Binds::default().text(purpose).text(&after).int(limits::PAGE_ROWS_MAX);
            let rows = fetch_all(self.reads(), &SECRETS_OF, binds).await?;
            for row in &rows {
                let id = row.text("id")?;
                let secret = self.seal.open(&id, &row.blob("sealed")?)?;
                let created_at = Time::from_micros(row.int("created_at")?);
                all.push(Kept { name: row.text("name")?, created_at, secret });
                after = id;
            }
            if (rows.len() as i64) < limits::PAGE_ROWS_MAX {
                return Ok(all);
            }
        }
    }

    /// The step that retires all secrets of a name.
    pub fn retire_secrets(&self, purpose: &str, name: &str) -> Step {
        Step::any(&RETIRE_SECRETS, Binds::default().text(purpose).text(name).int(self.clock.now().micros()))
    }

    /// The live secret of a purpose and name.
    pub async fn secret(&self, purpose: &str, name: &str) -> Result<Option<Secret<Vec<u8>>>, StoreError> {
        let binds = Binds::default().text(purpose).text(name);
        let Some(row) = fetch_one(self.reads(), &LIVE_SECRET, binds).await? else { return Ok(None) };
        self.seal.open(&row.text("id")?, &row.blob("sealed")?).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal(key: u8) -> Seal {
        Seal::new(&Secret::new(vec![key; KEY_BYTES]), Random::System).unwrap()
    }

    #[test]
    fn only_the_same_key_at_the_same_place_opens() {
        let sealed = seal(1).close("sec_a", b"hunter2");
        assert_eq!(seal(1).open("sec_a", &sealed).unwrap().expose(), b"hunter2");
        assert!(matches!(seal(2).open("sec_a", &sealed), Err(StoreError::Refused { .. })));
        assert!(seal(1).open("sec_b", &sealed).is_err());
        for cut in 0..sealed.len() {
            assert!(seal(1).open("sec_a", &sealed[..cut]).is_err());
        }
        assert_ne!(seal(1).close("sec_a", b"hunter2"), sealed, "a nonce is used once");
    }

    #[test]
    fn a_master_key_is_64_hex_digits() {
        let key = new_master_key(&Random::System);
        assert_eq!(parse_master_key(&format!("{}\n", key.expose())).unwrap().expose().len(), KEY_BYTES);
        for wrong in ["", "abc", "zz", &"ab".repeat(31), &"ab".repeat(33), &"é".repeat(32)] {
            assert!(parse_master_key(wrong).is_err(), "{wrong}");
        }
    }
}

//! Keys that Gatepost makes for domains. Their private halves are sealed secrets under the keys' ids.

use super::change::Change;
use super::change::Step;
use super::directory;
use super::error::StoreError;
use super::open::Store;
use super::statement::{Binds, Columns, fetch_all, statements};
use super::words;
use crate::base::clock::Time;
use crate::base::id::DkimKeyId;
use crate::base::limits;
use crate::base::secret::Secret;
use crate::mail::domain_name::DomainName;
use crate::model::dkim::{Algorithm, MadeKey, Stage};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sqlx::any::AnyRow;

statements! {
    NEW_DKIM_KEY = "INSERT INTO dkim_keys (id, domain, tenant_id, selector, algorithm, stage, public_key, replaces,
        created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    DKIM_KEYS = "SELECT id, domain, tenant_id, selector, algorithm, stage, public_key, replaces, created_at,
        published_at, active_at, retiring_at, retired_at, missing_at FROM dkim_keys
        WHERE id > $1 ORDER BY id LIMIT $2";
    DKIM_KEYS_OF_DOMAIN = "SELECT id, domain, tenant_id, selector, algorithm, stage, public_key, replaces, created_at,
        published_at, active_at, retiring_at, retired_at, missing_at FROM dkim_keys
        WHERE domain = $1 ORDER BY selector LIMIT $2";
    // As it was read, or not at all: another node may have moved it.
    MOVE_DKIM_KEY = "UPDATE dkim_keys SET stage = $3, published_at = $4, active_at = $5, retiring_at = $6,
        retired_at = $7, missing_at = $8 WHERE id = $1 AND stage = $2";
}

/// The secret's purpose; its name is the key's id.
const PURPOSE: &str = "dkim";

impl Store {
    /// The change that enters a new key with its private half; a conflict when the selector is taken.
    pub fn new_dkim_key(&self, key: &MadeKey, private: &Secret<Vec<u8>>) -> Change {
        let binds = Binds::default()
            .text(key.id.as_str())
            .text(key.domain.as_str())
            .text(key.tenant.as_str())
            .text(key.selector.as_str())
            .text(key.algorithm.as_str())
            .text(key.stage.as_str())
            .text(&STANDARD.encode(&key.public))
            .maybe_text(key.replaces.as_ref().map(DkimKeyId::as_str))
            .int(key.created_at.micros());
        Change::of(Step::one(&NEW_DKIM_KEY, binds))
            .with(self.seal_secret(PURPOSE, key.id.as_str(), private.expose()))
            .with(directory::changed(key.created_at))
    }

    /// The change from one state of a key to the next; a conflict when it is not in the first any more. A retired
    /// key's private half is needed by nobody.
    pub fn move_dkim_key(&self, from: &MadeKey, to: &MadeKey, at: Time) -> Change {
        let binds = Binds::default()
            .text(from.id.as_str())
            .text(from.stage.as_str())
            .text(to.stage.as_str())
            .maybe_int(to.published_at.map(Time::micros))
            .maybe_int(to.active_at.map(Time::micros))
            .maybe_int(to.retiring_at.map(Time::micros))
            .maybe_int(to.retired_at.map(Time::micros))
            .maybe_int(to.missing_at.map(Time::micros));
        let mut change = Change::of(Step::one(&MOVE_DKIM_KEY, binds));
        if from.stage != to.stage {
            change = change.with(directory::changed(at));
        }
        if to.stage == Stage::Retired {
            change = change.with(self.retire_secrets(PURPOSE, to.id.as_str()));
        }
        change
    }

    /// All keys, in the order in which they were made; `DKIM_KEYS_MAX` of them, which is more than there are.
    pub async fn dkim_keys(&self) -> Result<Vec<MadeKey>, StoreError> {
        let mut found: Vec<MadeKey> = Vec::new();
        loop {
            let after = found.last().map(|key| key.id.to_string()).unwrap_or_default();
            let binds = Binds::default().text(&after).int(limits::QUEUE_ROWS_MAX);
            let rows = fetch_all(self.reads(), &DKIM_KEYS, binds).await?;
            let is_last = (rows.len() as i64) < limits::QUEUE_ROWS_MAX;
            for row in &rows {
                found.push(read(row)?);
            }
            if is_last || found.len() > limits::DKIM_KEYS_MAX {
                return Ok(found);
            }
        }
    }

    /// The keys of a domain, by selector.
    pub async fn dkim_keys_of(&self, domain: &DomainName) -> Result<Vec<MadeKey>, StoreError> {
        let binds = Binds::default().text(domain.as_str()).int(limits::QUEUE_ROWS_MAX);
        fetch_all(self.reads(), &DKIM_KEYS_OF_DOMAIN, binds).await?.iter().map(read).collect()
    }

    /// The private half of a key that is not retired, in PKCS#8.
    pub async fn dkim_private(&self, id: &DkimKeyId) -> Result<Option<Secret<Vec<u8>>>, StoreError> {
        self.secret(PURPOSE, id.as_str()).await
    }
}

fn read(row: &AnyRow) -> Result<MadeKey, StoreError> {
    let time = |column| row.maybe_int(column).map(words::time);
    Ok(MadeKey {
        id: words::id(&row.text("id")?)?,
        domain: words::value(&row.text("domain")?)?,
        tenant: words::id(&row.text("tenant_id")?)?,
        selector: words::value(&row.text("selector")?)?,
        algorithm: words::parse(&row.text("algorithm")?, Algorithm::ALL, Algorithm::as_str)?,
        stage: words::parse(&row.text("stage")?, Stage::ALL, Stage::as_str)?,
        public: STANDARD.decode(row.text("public_key")?).map_err(StoreError::damaged)?,
        replaces: words::maybe_id(row.maybe_text("replaces")?.as_deref())?,
        created_at: Time::from_micros(row.int("created_at")?),
        published_at: time("published_at")?,
        active_at: time("active_at")?,
        retiring_at: time("retiring_at")?,
        retired_at: time("retired_at")?,
        missing_at: time("missing_at")?,
    })
}

//! Keys of the API, ready to be compared.

use super::rows::Key;
use crate::base::clock::Time;
use crate::base::id::{KeyId, TenantId};
use crate::base::settings::Scalar;
use crate::model::credential::Covers;
use crate::model::name::Name;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use ipnet::IpNet;

/// A key that was not revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveKey {
    pub id: KeyId,
    pub tenant: Name,
    pub tenant_id: TenantId,
    pub name: String,
    pub scopes: Vec<String>,
    /// The domains it may act for; empty: all of its tenant.
    pub domains: Vec<Covers>,
    /// Where it may be used from; empty: anywhere.
    pub networks: Vec<IpNet>,
    pub created_at: Time,
    pub expires_at: Option<Time>,
    /// Since when its tenant is disabled.
    pub disabled_at: Option<Time>,
    secret_hash: [u8; SHA256_OUTPUT_LEN],
}

/// Why a key opens nothing. To the client all of these are one: 401.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyRefusal {
    /// There is none of this id (any more).
    Unknown,
    WrongSecret,
    Expired,
    /// Its tenant is disabled.
    Disabled,
}

impl LiveKey {
    /// What a row says, for a tenant of this name; else why it cannot be read.
    pub(super) fn read(row: &Key, tenant: &Name, disabled_at: Option<Time>) -> Result<Self, String> {
        let bytes = unhex(&row.secret_hash).ok_or("its hash is no SHA-256 in hex")?;
        Ok(Self {
            id: row.id.clone(),
            tenant: tenant.clone(),
            tenant_id: row.tenant.clone(),
            name: row.name.clone(),
            scopes: texts(&row.scopes, "scopes")?,
            domains: values(&row.domains, "domains")?,
            networks: values(&row.networks, "networks")?,
            created_at: row.created_at,
            expires_at: row.expires_at,
            disabled_at,
            secret_hash: bytes,
        })
    }

    /// Compares in constant time: how long it takes says nothing of how much was right.
    pub(super) fn opens(&self, secret: &str, now: Time) -> Result<&Self, KeyRefusal> {
        let hash = digest(&SHA256, secret.as_bytes());
        verify_slices_are_equal(hash.as_ref(), &self.secret_hash).map_err(|_| KeyRefusal::WrongSecret)?;
        if self.expires_at.is_some_and(|expires_at| expires_at <= now) {
            return Err(KeyRefusal::Expired);
        }
        if self.disabled_at.is_some() { Err(KeyRefusal::Disabled) } else { Ok(self) }
    }
}

fn texts(json: &str, what: &str) -> Result<Vec<String>, String> {
    serde_json::from_str(json).map_err(|_| format!("its {what} are no list of texts"))
}

fn values<T: Scalar>(json: &str, what: &str) -> Result<Vec<T>, String> {
    let parse = |text: &String| {
        T::parse(text).map_err(|wrong| {
            let why = wrong.why.unwrap_or_else(|| format!("expected {}", T::EXPECTS));
            format!("{text:?} in its {what} cannot be read: {why}")
        })
    };
    texts(json, what)?.iter().map(parse).collect()
}

fn unhex(text: &str) -> Option<[u8; SHA256_OUTPUT_LEN]> {
    let mut bytes = [0; SHA256_OUTPUT_LEN];
    if text.len() != 2 * bytes.len() || !text.is_ascii() {
        return None;
    }
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).ok()?;
    }
    Some(bytes)
}

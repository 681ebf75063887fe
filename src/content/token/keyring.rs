//! The keys that tokens are made and opened with. One of them mints; what any other made opens for ever.

use super::{FIXED_BYTES, FORM, HEAD_BYTES_MAX, ID_BYTES, Leads, Opened, Saying, TAIL_CHARS};
use super::{URL_BYTES_MAX, destination, key_of, read_head, write_head};
use crate::base::id::DeliveryId;
use crate::base::secret::Secret;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::sync::Arc;

/// Of HMAC-SHA256, cut as RFC 2104 5 allows: half of it, and 128 bits.
pub(super) const MAC_BYTES: usize = 16;
const TAIL_BYTES: usize = ID_BYTES + MAC_BYTES;
const _: () = assert!((TAIL_BYTES * 8).div_ceil(6) == TAIL_CHARS);

/// A key as the store keeps it.
#[derive(Clone, Debug)]
pub struct MacKey {
    /// What tokens call it by; never given twice.
    pub number: u16,
    pub secret: Secret<Vec<u8>>,
}

/// What is made of one key: one for each purpose, so that a token is never a return path.
pub(super) struct Keys {
    pub number: u16,
    links: hmac::Key,
    pub return_paths: hmac::Key,
}

impl Keys {
    fn of(key: &MacKey) -> Self {
        let root = hmac::Key::new(hmac::HMAC_SHA256, key.secret.expose());
        let derived = |purpose: &str| hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&root, purpose.as_bytes()).as_ref());
        Self { number: key.number, links: derived("links"), return_paths: derived("return paths") }
    }
}

/// All keys, and which of them mints.
#[derive(Clone)]
pub struct Keyring {
    /// By number.
    keys: Arc<[Keys]>,
    mints: usize,
}

/// A keyring has a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoKey;

/// What is to be sealed is no token that was drafted here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadToken {
    NotDrafted,
    /// It was drafted under a key that is not here, or not yet.
    UnknownKey(u16),
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let numbers: Vec<_> = self.keys.iter().map(|keys| keys.number).collect();
        write!(f, "keys {numbers:?}, {} mints", self.mints().number)
    }
}

impl Keyring {
    /// The key of the highest number mints. Of several under one number the first counts.
    pub fn new(mut keys: Vec<MacKey>) -> Result<Self, NoKey> {
        keys.sort_by_key(|key| key.number);
        keys.dedup_by_key(|key| key.number);
        let keys: Arc<[Keys]> = keys.iter().map(Keys::of).collect();
        let mints = keys.len().checked_sub(1).ok_or(NoKey)?;
        Ok(Self { keys, mints })
    }

    /// The same keys, of which this one mints; none when it is not among them.
    pub fn minting(&self, number: u16) -> Option<Self> {
        let mints = self.at(number)?;
        Some(Self { keys: self.keys.clone(), mints })
    }

    /// The number of the key that mints.
    pub fn mints_with(&self) -> u16 {
        self.mints().number
    }

    pub fn numbers(&self) -> impl Iterator<Item = u16> {
        self.keys.iter().map(|keys| keys.number)
    }

    pub(super) fn mints(&self) -> &Keys {
        // Invariant: `mints` is the place of one of the keys, of which there is at least one.
        &self.keys[self.mints]
    }

    pub(super) fn key(&self, number: u16) -> Option<&Keys> {
        self.at(number).map(|at| &self.keys[at])
    }

    fn at(&self, number: u16) -> Option<usize> {
        self.keys.binary_search_by_key(&number, |keys| keys.number).ok()
    }

    /// The head as characters, and a blank tail behind it. None when it leads where no link of ours may lead.
    pub fn draft(&self, head: &Saying<'_>) -> Option<String> {
        if let Leads::Url(url) = head.leads_to
            && (url.len() > URL_BYTES_MAX || destination::check(url).is_err())
        {
            return None;
        }
        let mut bytes = [0; HEAD_BYTES_MAX];
        let length = write_head(head, self.mints().number, &mut bytes);
        let mut token = String::with_capacity(length / 3 * 4 + TAIL_CHARS);
        URL_SAFE_NO_PAD.encode_string(&bytes[..length], &mut token);
        token.extend([BLANK; TAIL_CHARS]);
        Some(token)
    }

    /// Fills the tail of a drafted token in place, whatever stands there. Nothing is allocated.
    pub fn seal(&self, token: &mut [u8], delivery: &DeliveryId) -> Result<(), BadToken> {
        let head_chars = token.len().checked_sub(TAIL_CHARS).ok_or(BadToken::NotDrafted)?;
        let (head, tail) = token.split_at_mut(head_chars);
        let mut signed = [0; HEAD_BYTES_MAX + ID_BYTES];
        let head_bytes = decode_head(head, &mut signed).ok_or(BadToken::NotDrafted)?;
        let number = key_of(&signed).ok_or(BadToken::NotDrafted)?;
        let keys = self.key(number).ok_or(BadToken::UnknownKey(number))?;
        let mut tail_bytes = [0; TAIL_BYTES];
        tail_bytes[..ID_BYTES].copy_from_slice(&delivery.to_bytes());
        signed[head_bytes..head_bytes + ID_BYTES].copy_from_slice(&tail_bytes[..ID_BYTES]);
        tail_bytes[ID_BYTES..].copy_from_slice(&mac(&keys.links, &signed[..head_bytes + ID_BYTES]));
        match URL_SAFE_NO_PAD.encode_slice(tail_bytes, tail) {
            Ok(TAIL_CHARS) => Ok(()),
            _ => Err(BadToken::NotDrafted),
        }
    }

    /// What the token says; none when it was not made here, letter by letter.
    pub fn open(&self, token: &str) -> Option<Opened> {
        let token = token.as_bytes();
        let (head, tail) = token.split_at_checked(token.len().checked_sub(TAIL_CHARS)?)?;
        let mut tail_bytes = [0; TAIL_BYTES];
        let decoded = URL_SAFE_NO_PAD.decode_slice(tail, &mut tail_bytes).ok()?;
        let mut signed = [0; HEAD_BYTES_MAX + ID_BYTES];
        let head_bytes = decode_head(head, &mut signed)?;
        let keys = self.key(key_of(&signed)?)?;
        let (delivery, given) = tail_bytes[..decoded].split_first_chunk::<ID_BYTES>()?;
        signed[head_bytes..head_bytes + ID_BYTES].copy_from_slice(delivery);
        let ours = mac(&keys.links, &signed[..head_bytes + ID_BYTES]);
        verify_slices_are_equal(&ours, given).ok()?;
        Some(Opened { head: read_head(&signed[..head_bytes])?, delivery: DeliveryId::from_bytes(*delivery) })
    }
}

/// What a blank tail is written with: zeros.
const BLANK: char = 'A';

pub(super) fn mac(key: &hmac::Key, bytes: &[u8]) -> [u8; MAC_BYTES] {
    let mut cut = [0; MAC_BYTES];
    cut.copy_from_slice(&hmac::sign(key, bytes).as_ref()[..MAC_BYTES]);
    cut
}

/// The head's bytes, put at the beginning of `into`; how many they are. None when it cannot be a head of ours.
fn decode_head(chars: &[u8], into: &mut [u8; HEAD_BYTES_MAX + ID_BYTES]) -> Option<usize> {
    if !chars.len().is_multiple_of(4) || chars.len() / 4 * 3 > HEAD_BYTES_MAX {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode_slice(chars, into).ok()?;
    (bytes >= FIXED_BYTES && into[0] & 0xf0 == FORM).then_some(bytes)
}

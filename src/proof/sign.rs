//! Signing a message: once for all recipients whose bytes are equal, as the last thing before it leaves.

use super::canonical::{BodyHash, relaxed_field};
use super::chosen::Chosen;
use super::field::Unfinished;
use super::key::SigningKey;
use crate::base::clock::Time;
use crate::base::limits;
use std::sync::Arc;
use std::time::Duration;

/// Why a message cannot be signed; reads after "it cannot be signed: ".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsignable {
    NoFrom,
    NoEnd,
    LineEnds,
    TooMany,
    Key,
}

impl std::fmt::Display for Unsignable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoFrom => f.write_str("it has no From field"),
            Self::NoEnd => f.write_str("its header does not end with an empty line"),
            Self::LineEnds => f.write_str("its header has a line that does not end with CR LF"),
            Self::TooMany => write!(f, "its header has more than {} fields to sign", limits::SIGNED_FIELDS_MAX),
            Self::Key => f.write_str("the key made no signature"),
        }
    }
}

impl std::error::Error for Unsignable {}

/// A DKIM-Signature field for each key, in their order, to put on top of the message as it is. `body` is the hash of
/// its body. RFC 6376 5.3: nothing may touch the message afterwards but fields put on top.
pub fn sign(
    message: &[u8],
    body: &BodyHash,
    keys: &[Arc<SigningKey>],
    now: Time,
    expires: Option<Duration>,
) -> Result<Vec<u8>, Unsignable> {
    let chosen = Chosen::of(message)?;
    let mut signed = Vec::with_capacity(4 << 10);
    for field in chosen.fields() {
        relaxed_field(field.name(), field.value(), &mut signed);
        signed.extend_from_slice(b"\r\n");
    }
    let shared = signed.len();
    let mut fields = Vec::new();
    for key in keys {
        signed.truncate(shared);
        let unfinished = Unfinished::new(key, body, chosen.names(), now, expires);
        unfinished.canonical(&mut signed);
        let signature = key.sign(&signed).ok_or(Unsignable::Key)?;
        fields.extend_from_slice(unfinished.finish(&signature).as_bytes());
    }
    Ok(fields)
}

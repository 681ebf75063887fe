//! The return paths that we make: `b-` and 56 characters that say which message, or which delivery, a bounce is
//! about. Letters of any case open them, since servers on the way may change it (RFC 5321 2.4 forbids that, and some do).

use super::keyring::{Keyring, MAC_BYTES, mac};
use super::{FORM, ID_BYTES};
use crate::base::id::{DeliveryId, MessageId};
use aws_lc_rs::constant_time::verify_slices_are_equal;

/// What a bounce to a return path of ours is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Returned {
    Message(MessageId),
    Delivery(DeliveryId),
}

const PREFIX: &str = "b-";
const MESSAGE: u8 = FORM;
const DELIVERY: u8 = FORM | 1;

/// Kind, number of the key, id.
const SIGNED_BYTES: usize = 1 + 2 + ID_BYTES;
const BYTES: usize = SIGNED_BYTES + MAC_BYTES;
/// Five bits each, and none left over.
const DIGITS: usize = BYTES * 8 / 5;
const _: () = assert!(BYTES.is_multiple_of(5));
/// RFC 5321 4.5.3.1.1: a local part has at most 64 octets.
const _: () = assert!(PREFIX.len() + DIGITS <= crate::base::limits::LOCAL_PART_BYTES_MAX);

/// Crockford's base 32, as in our ids.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

impl Keyring {
    /// The local part of a return path.
    pub fn return_path(&self, of: &Returned) -> String {
        let (kind, id) = match of {
            Returned::Message(id) => (MESSAGE, id.to_bytes()),
            Returned::Delivery(id) => (DELIVERY, id.to_bytes()),
        };
        let keys = self.mints();
        let mut bytes = [0; BYTES];
        bytes[0] = kind;
        bytes[1..3].copy_from_slice(&keys.number.to_be_bytes());
        bytes[3..SIGNED_BYTES].copy_from_slice(&id);
        let mac = mac(&keys.return_paths, &bytes[..SIGNED_BYTES]);
        bytes[SIGNED_BYTES..].copy_from_slice(&mac);
        let mut local = String::with_capacity(PREFIX.len() + DIGITS);
        local.push_str(PREFIX);
        for group in bytes.chunks_exact(5) {
            let number = group.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
            local.extend((0..8).rev().map(|digit| char::from(ALPHABET[(number >> (5 * digit)) as usize & 31])));
        }
        local
    }

    /// What a local part says; none when it is no return path that was made here.
    pub fn open_return_path(&self, local: &str) -> Option<Returned> {
        let (prefix, digits) = local.as_bytes().split_at_checked(PREFIX.len())?;
        if !prefix.eq_ignore_ascii_case(PREFIX.as_bytes()) || digits.len() != DIGITS {
            return None;
        }
        let mut bytes = [0; BYTES];
        for (group, digits) in bytes.chunks_exact_mut(5).zip(digits.chunks_exact(8)) {
            let number = digits.iter().try_fold(0_u64, |number, digit| Some(number << 5 | value_of(*digit)?))?;
            group.copy_from_slice(&number.to_be_bytes()[3..]);
        }
        let (signed, given) = bytes.split_at(SIGNED_BYTES);
        let keys = self.key(u16::from_be_bytes([signed[1], signed[2]]))?;
        verify_slices_are_equal(&mac(&keys.return_paths, signed), given).ok()?;
        let id = signed[3..].try_into().ok()?;
        match signed[0] {
            MESSAGE => Some(Returned::Message(MessageId::from_bytes(id))),
            DELIVERY => Some(Returned::Delivery(DeliveryId::from_bytes(id))),
            _ => None,
        }
    }
}

fn value_of(digit: u8) -> Option<u64> {
    let digit = digit.to_ascii_lowercase();
    ALPHABET.iter().position(|known| *known == digit).map(|value| value as u64)
}

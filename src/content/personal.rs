//! One recipient's copy of a prepared message: every slot gets the tail that is its own.

use super::slot::{self, Slot};
use super::token::{BadToken, Keyring};
use crate::base::id::DeliveryId;

/// A slot cannot be filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfilled {
    /// No token stands there: these slots are of another message.
    NotThere,
    /// The key that its tokens were drafted under is gone.
    NoKey,
}

impl std::fmt::Display for Unfilled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NotThere => "a tracked link is not where it was put",
            Self::NoKey => "the key that its tracked links were made with is gone from the store",
        })
    }
}

impl std::error::Error for Unfilled {}

/// Fills all slots in place. Nothing else changes, and no line gets longer or shorter.
pub fn fill(message: &mut [u8], slots: &[Slot], keyring: &Keyring, delivery: &DeliveryId) -> Result<(), Unfilled> {
    for slot in slots {
        let mut token = slot::read(message, slot).map_err(|_| Unfilled::NotThere)?;
        keyring.seal(&mut token, delivery).map_err(|why| match why {
            BadToken::NotDrafted => Unfilled::NotThere,
            BadToken::UnknownKey(_) => Unfilled::NoKey,
        })?;
        slot::write(message, slot, &token).map_err(|_| Unfilled::NotThere)?;
    }
    Ok(())
}

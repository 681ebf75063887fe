//! Signatures: what proves that a message is ours, and who else's it is.
//!
//! The signer is pure: a message, its body's hash, keys and the time go in, DKIM-Signature fields to put on top
//! of it come out. It never changes a message, and signs none that two readers could read in two ways.

mod canonical;
mod chosen;
mod field;
pub mod key;
pub mod keys;
pub mod record;
mod sign;

pub use canonical::BodyHash;
pub use key::{BadKey, PrivateKey, SigningKey};
pub use keys::{Keys, Signing};
pub use record::{PublicKey, Published};
pub use sign::{Unsignable, sign};

//! What a node knows by heart: domains, credentials, relays, routes, mailboxes, webhooks and keys, as
//! one immutable snapshot. No mail waits for the store to be asked who may send it.
//!
//! A snapshot is assembled from the file and from the store's rows, again whenever one of them changed,
//! and swapped in whole. The file wins: what the store says against it is left out, with a sentence that
//! says why, and never stops a daemon. Nothing of one tenant can be reached through another's entry.

mod assemble;
mod entry;
mod judge;
mod keys;
mod networks;
mod rows;
mod snapshot;

pub use assemble::Parts;
pub use entry::{Consequence, Entry, Source, Trouble, Webhook};
pub use keys::{KeyRefusal, LiveKey};
pub use rows::{DirectoryRows, EntryKind, EntryRow, Key};
pub use snapshot::{Directory, DirectoryHandle};

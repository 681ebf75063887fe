//! The nouns of the house as plain records, and the changes of state that are legal, as pure functions.

pub mod delivery;
pub mod directory;
pub mod event;
pub mod message;
pub mod node;
pub mod people;

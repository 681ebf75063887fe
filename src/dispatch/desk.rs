//! Mail of our users to our own mailboxes: handed to the desk, not to a socket.

use super::Dispatch;
use super::settle::{End, Settled, Try};
use crate::model::delivery::State;
use crate::model::outcome::Outcome;
use crate::queue::ready::Item;

impl Dispatch {
    /// What a mailbox takes has arrived with the commit that says so.
    pub(super) fn file(&self, items: Vec<Item>) -> Vec<Settled> {
        let now = self.now();
        let taken = |item: Item| {
            let begun = Try::begun(now, State::Delivered);
            let told = Try { host: Some("local".to_owned()), reply: Some("filed".to_owned()), ..begun };
            Settled::new(item, End::Tried(Outcome::Done, Box::new(told)))
        };
        items.into_iter().map(taken).collect()
    }
}

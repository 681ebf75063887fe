//! Whether the sender of a message was suspended. A token does not name him, so it is asked of the store: only
//! while somebody is suspended at all, and once for a message.

use crate::base::id::{MessageId, TenantId};
use crate::base::limits;
use crate::mail::domain_name::DomainName;
use crate::model::directory::DirectoryHandle;
use crate::store::Store;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

#[derive(Clone, Debug)]
struct Owner {
    tenant: TenantId,
    domain: DomainName,
}

#[derive(Default)]
pub(super) struct Owners(Mutex<HashMap<MessageId, Owner>>);

impl Owners {
    /// A message that nobody knows any more, and a store that does not answer, stop no link.
    pub async fn is_suspended(&self, message: &MessageId, directory: &DirectoryHandle, store: &Store) -> bool {
        if !directory.load().has_suspended() {
            return false;
        }
        let known = self.lock().get(message).cloned();
        let owner = match known {
            Some(owner) => owner,
            None => {
                let Ok(Some(message)) = store.message(message).await else { return false };
                let owner = Owner { tenant: message.tenant, domain: message.from_domain };
                self.remember(message.id, owner.clone());
                owner
            }
        };
        directory.load().is_suspended(&owner.tenant, &owner.domain)
    }

    fn remember(&self, message: MessageId, owner: Owner) {
        let mut known = self.lock();
        if known.len() >= limits::OWNERS_KNOWN_MAX {
            known.clear();
        }
        known.insert(message, owner);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<MessageId, Owner>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

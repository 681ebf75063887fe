//! Destinations of tracked links that are too long for a token. A row is never changed and never deleted: links
//! outlive the messages they stood in. So what was read once is known by heart, within a bound.

use super::change::Step;
use super::error::StoreError;
use super::open::Store;
use super::statement::{Binds, Columns, fetch_one, statements};
use crate::base::clock::Time;
use crate::base::id::{LinkId, TenantId};
use crate::base::limits;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

statements! {
    NEW_LINK = "INSERT INTO links (id, tenant_id, destination, created_at) VALUES ($1, $2, $3, $4)
        ON CONFLICT (id) DO NOTHING";
    LINK = "SELECT destination FROM links WHERE id = $1";
}

/// The step that keeps a destination for ever; to be committed with the message whose token names it.
pub fn new_link(id: &LinkId, tenant: &TenantId, destination: &str, at: Time) -> Step {
    let binds = Binds::default().text(id.as_str()).text(tenant.as_str()).text(destination).int(at.micros());
    Step::any(&NEW_LINK, binds)
}

/// Destinations that were asked for.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<HashMap<LinkId, Arc<str>>>);

impl Known {
    fn get(&self, id: &LinkId) -> Option<Arc<str>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    fn remember(&self, id: &LinkId, destination: &Arc<str>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= limits::LINKS_KNOWN_MAX {
            // One read each brings back those that are still followed.
            known.clear();
        }
        known.insert(id.clone(), destination.clone());
    }
}

impl Store {
    /// Where a link leads.
    pub async fn link(&self, id: &LinkId) -> Result<Option<Arc<str>>, StoreError> {
        if let Some(known) = self.links.get(id) {
            return Ok(Some(known));
        }
        let Some(row) = fetch_one(self.reads(), &LINK, Binds::default().text(id.as_str())).await? else {
            return Ok(None);
        };
        let destination: Arc<str> = row.text("destination")?.into();
        self.links.remember(id, &destination);
        Ok(Some(destination))
    }
}

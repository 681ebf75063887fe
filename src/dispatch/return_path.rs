//! What stands in MAIL FROM, and which deliveries may stand behind it together.

use super::Dispatch;
use super::happenings::ReturnPathTurned;
use crate::base::id;
use crate::base::observe::Happening;
use crate::mail::domain_name::DomainName;
use crate::mail::envelope::ReversePath;
use crate::model::event::Event;
use crate::model::message::Origin;
use crate::policy::return_path::{Turned, Wire};
use crate::queue::details;
use crate::queue::ready::Item;
use crate::store::Change;

impl Dispatch {
    pub(super) async fn wire_sender(&self, item: &Item) -> ReversePath {
        let Wire { sender, turned, .. } = self.wire(item);
        if let Some(turned) = turned {
            self.tell_of_turn(turned).await;
        }
        sender
    }

    /// In parts that may each go in one transaction: whose return path names the delivery goes alone.
    pub(super) fn parted(&self, items: Vec<Item>) -> Vec<Vec<Item>> {
        let mut parts: Vec<Vec<Item>> = Vec::new();
        let mut together = Vec::new();
        let is_one = items.len() == 1;
        for item in items {
            if !is_one && self.wire_is_alone(&item) { parts.push(vec![item]) } else { together.push(item) }
        }
        if !together.is_empty() {
            parts.insert(0, together);
        }
        parts
    }

    /// What is news is told with the transaction that it is about.
    fn wire_is_alone(&self, item: &Item) -> bool {
        let forwarded_by = forwarded_by(item);
        let directory = self.ledger.directory.load();
        self.return_paths.is_alone(&item.mail.message, forwarded_by.as_ref(), &directory)
    }

    fn wire(&self, item: &Item) -> Wire {
        let forwarded_by = forwarded_by(item);
        let directory = self.ledger.directory.load();
        self.return_paths.wire_sender(&item.mail.message, &item.delivery, forwarded_by.as_ref(), &directory)
    }

    async fn tell_of_turn(&self, turned: Turned) {
        ReturnPathTurned { turned: &turned }.record();
        let directory = self.ledger.directory.load_full();
        let tenant = directory.domain(&turned.domain).and_then(|domain| directory.tenant(&domain.tenant));
        let now = self.now();
        let kind = if turned.is_ready { "domain.recovered" } else { "domain.degraded" };
        let event = Event {
            id: id::new(now, &self.ledger.random),
            kind: kind.to_owned(),
            at: now,
            tenant: tenant.map(|tenant| tenant.id.clone()),
            message: None,
            delivery: None,
            data: serde_json::json!({ "domain": turned.domain.as_str(), "what": "return_path" }).to_string(),
        };
        // Mail does not wait for it to be known.
        let _ = self.ledger.store.write(Change { events: vec![event], ..Change::default() }).await;
    }
}

/// Mail of others leaves only when somebody here forwards it.
fn forwarded_by(item: &Item) -> Option<DomainName> {
    match item.mail.message.origin {
        Origin::Arrived | Origin::Collected => details::forwarded_by(&item.delivery.details),
        Origin::Submitted | Origin::Api | Origin::Answered | Origin::Generated => None,
    }
}

//! Events: written with the change they tell of, read behind a cursor.

use super::error::StoreError;
use super::open::Store;
use super::statement::{Binds, Columns, Multi, fetch_all, statements};
use super::words;
use crate::base::clock::Time;
use crate::base::id::MessageId;
use crate::base::limits;
use crate::model::event::Event;
use sqlx::any::AnyRow;

pub(super) static INSERT_EVENTS: Multi = Multi::insert(
    "INSERT_EVENTS",
    "events",
    &["id", "kind", "at", "tenant_id", "message_id", "delivery_id", "data"],
    "id",
);

pub(super) static MULTI: &[&Multi] = &[&INSERT_EVENTS];

statements! {
    EVENTS_OF_MESSAGE = "SELECT id, kind, at, tenant_id, message_id, delivery_id, data FROM events
        WHERE message_id = $1 AND id > $2 ORDER BY id LIMIT $3";
}

pub(super) fn bind_event<'a>(e: &'a Event, binds: &mut Binds<'a>) {
    binds.push_text(e.id.as_str());
    binds.push_text(&*e.kind);
    binds.push_int(e.at.micros());
    binds.push_maybe_text(e.tenant.as_ref().map(|id| id.as_str()));
    binds.push_maybe_text(e.message.as_ref().map(|id| id.as_str()));
    binds.push_maybe_text(e.delivery.as_ref().map(|id| id.as_str()));
    binds.push_text(&*e.data);
}

impl Store {
    /// A page of a message's timeline, behind `after` ("" for the first).
    pub async fn events_of(&self, message: &MessageId, after: &str) -> Result<Vec<Event>, StoreError> {
        let binds = Binds::default().text(message.as_str()).text(after).int(limits::PAGE_ROWS_MAX);
        fetch_all(self.reads(), &EVENTS_OF_MESSAGE, binds).await?.into_iter().map(read_event).collect()
    }
}

pub(super) fn read_event(row: AnyRow) -> Result<Event, StoreError> {
    Ok(Event {
        id: words::id(&row.text("id")?)?,
        kind: row.text("kind")?,
        at: Time::from_micros(row.int("at")?),
        tenant: words::maybe_id(row.maybe_text("tenant_id")?.as_deref())?,
        message: words::maybe_id(row.maybe_text("message_id")?.as_deref())?,
        delivery: words::maybe_id(row.maybe_text("delivery_id")?.as_deref())?,
        data: row.text("data")?,
    })
}

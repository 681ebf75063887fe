//! Messages, deliveries and attempts: the rows of a mail's life.

pub use super::bodies::Body;
use super::error::StoreError;
use super::open::Store;
use super::statement::{Binds, Columns, Multi, fetch_all, fetch_one, statements};
use super::words;
use crate::base::clock::Time;
use crate::base::id::MessageId;
use crate::base::limits;
use crate::mail::envelope::ReversePath;
use crate::model::delivery::{Attempt, Delivery, Lease, Settlement, State, Wish};
use crate::model::message::{Message, Origin};
use sqlx::any::AnyRow;
use std::time::Duration;

pub(super) static INSERT_MESSAGES: Multi = Multi::insert(
    "INSERT_MESSAGES",
    "messages",
    &[
        "id",
        "tenant_id",
        "origin",
        "submitter",
        "peer",
        "sender",
        "from_domain",
        "subject",
        "header_id",
        "stream",
        "size",
        "sandboxed_at",
        "template",
        "details",
        "created_at",
    ],
    "id",
);

pub(super) static INSERT_BODIES: Multi = Multi::insert(
    "INSERT_BODIES",
    "bodies",
    &["message_id", "form", "codec", "size", "chunks", "bytes"],
    "message_id, form",
);

pub(super) static INSERT_DELIVERIES: Multi = Multi::insert(
    "INSERT_DELIVERIES",
    "deliveries",
    &[
        "id",
        "message_id",
        "tenant_id",
        "stream",
        "recipient",
        "destination",
        "state",
        "reason",
        "attempts",
        "due_at",
        "expires_at",
        "leased_by",
        "leased_epoch",
        "details",
        "created_at",
        "updated_at",
        "finished_at",
    ],
    "id",
);

pub(super) static INSERT_ATTEMPTS: Multi = Multi::insert(
    "INSERT_ATTEMPTS",
    "attempts",
    &[
        "delivery_id",
        "number",
        "node_id",
        "started_at",
        "took_us",
        "outcome",
        "host",
        "address",
        "tls",
        "reply",
        "details",
    ],
    "delivery_id, number",
);

/// One statement settles a whole group. Only who holds the lease may settle; the ids that come back are
/// those that did. Where another try would follow, an operator's wish comes first: the state that comes
/// back says so.
pub(super) static SETTLE: Multi = Multi::update(
    "SETTLE",
    "UPDATE deliveries SET
     state = CASE WHEN deliveries.wanted IS NULL OR v.column2 NOT IN ('deferred', 'ready') THEN v.column2
         WHEN deliveries.wanted = 'cancel' THEN 'cancelled' ELSE 'held' END,
     reason = CASE WHEN deliveries.wanted IS NULL OR v.column2 NOT IN ('deferred', 'ready') THEN v.column3
         ELSE 'an operator stopped it while it was being tried' END,
     finished_at = CASE WHEN deliveries.wanted = 'cancel' AND v.column2 IN ('deferred', 'ready') THEN v.column6
         ELSE v.column7 END,
     attempts = v.column4, due_at = v.column5, updated_at = v.column6, wanted = NULL, leased_by = NULL,
     leased_epoch = NULL",
    "?, CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS BIGINT), CAST(? AS BIGINT), CAST(? AS BIGINT),
     CAST(? AS BIGINT), ?, CAST(? AS BIGINT)",
    "WHERE deliveries.id = v.column1 AND deliveries.state = 'leased' AND deliveries.leased_by = v.column8
     AND deliveries.leased_epoch = v.column9 RETURNING deliveries.id AS id, deliveries.state AS state",
);

/// The columns of a delivery `d`.
macro_rules! delivery_columns {
    () => {
        "d.id AS id, d.message_id AS message_id, d.tenant_id AS tenant_id, d.stream AS stream, d.recipient AS recipient,
        d.destination AS destination, d.state AS state, d.reason AS reason, d.attempts AS attempts, d.due_at AS due_at,
        d.expires_at AS expires_at, d.leased_by AS leased_by, d.leased_epoch AS leased_epoch, d.wanted AS wanted,
        d.warned_at AS warned_at, d.details AS details, d.created_at AS created_at"
    };
}
pub(super) use delivery_columns;

pub(super) static MULTI: &[&Multi] = &[&INSERT_MESSAGES, &INSERT_BODIES, &INSERT_DELIVERIES, &INSERT_ATTEMPTS, &SETTLE];

statements! {
    MESSAGE = "SELECT id, tenant_id, origin, submitter, peer, sender, from_domain, subject, header_id, stream, size,
        sandboxed_at, template, details, created_at FROM messages WHERE id = $1";
    DELIVERIES_OF_MESSAGE = concat!("SELECT ", delivery_columns!(), " FROM deliveries d
        WHERE d.message_id = $1 AND d.id > $2 ORDER BY d.id LIMIT $3");
    ATTEMPTS_OF_DELIVERY = "SELECT delivery_id, number, node_id, started_at, took_us, outcome, host, address, tls, reply,
        details FROM attempts WHERE delivery_id = $1 AND number > $2 ORDER BY number LIMIT $3";
    MESSAGES_COUNT = "SELECT COUNT(*) AS n FROM messages";

    // Taking back what nobody was told of: every row of a message, so that after a 4xx nothing is left.
    WITHDRAW_ATTEMPTS = "DELETE FROM attempts WHERE delivery_id IN (SELECT id FROM deliveries WHERE message_id = $1)";
    WITHDRAW_EVENTS = "DELETE FROM events WHERE message_id = $1";
    WITHDRAW_DELIVERIES = "DELETE FROM deliveries WHERE message_id = $1";
    WITHDRAW_BODIES = "DELETE FROM bodies WHERE message_id = $1";
    WITHDRAW_CHUNKS = "DELETE FROM body_chunks WHERE message_id = $1";
    WITHDRAW_MESSAGE = "DELETE FROM messages WHERE id = $1";
}

pub(super) fn bind_message<'a>(m: &'a Message, binds: &mut Binds<'a>) {
    binds.push_text(m.id.as_str());
    binds.push_text(m.tenant.as_str());
    binds.push_text(m.origin.word());
    binds.push_maybe_text(m.submitter.as_deref());
    binds.push_maybe_text(m.peer.as_deref());
    binds.push_maybe_text(match &m.sender {
        ReversePath::Null => None,
        ReversePath::Address(address) => Some(address.to_string()),
    });
    binds.push_text(m.from_domain.as_str());
    binds.push_text(&*m.subject);
    binds.push_text(&*m.header_id);
    binds.push_text(&*m.stream);
    binds.push_int(i64::try_from(m.size).unwrap_or(i64::MAX));
    binds.push_maybe_int(m.sandboxed_at.map(Time::micros));
    binds.push_maybe_text(m.template.as_deref());
    binds.push_text(&*m.details);
    binds.push_int(m.created_at.micros());
}

pub(super) fn bind_body<'a>(b: &'a Body, binds: &mut Binds<'a>) {
    let chunks = if b.is_large() { b.stored.len().div_ceil(limits::BODY_CHUNK_BYTES) } else { 0 };
    binds.push_text(b.message.as_str());
    binds.push_text(b.form.word());
    binds.push_text(b.codec.word());
    binds.push_int(b.size as i64);
    binds.push_int(chunks as i64);
    binds.push_blob(if b.is_large() { Default::default() } else { b.stored.clone() });
}

pub(super) fn bind_delivery<'a>(d: &'a Delivery, binds: &mut Binds<'a>) {
    binds.push_text(d.id.as_str());
    binds.push_text(d.message.as_str());
    binds.push_text(d.tenant.as_str());
    binds.push_text(&*d.stream);
    binds.push_text(d.recipient.to_string());
    binds.push_text(&*d.destination);
    binds.push_text(d.state.word());
    binds.push_maybe_text(d.reason.as_deref());
    binds.push_int(d.attempts);
    binds.push_int(d.due_at.micros());
    binds.push_int(d.expires_at.micros());
    binds.push_maybe_text(d.lease.as_ref().map(|lease| lease.node.as_str()));
    binds.push_maybe_int(d.lease.as_ref().map(|lease| lease.epoch));
    binds.push_text(&*d.details);
    binds.push_int(d.created_at.micros());
    binds.push_int(d.created_at.micros());
    binds.push_maybe_int(d.state.is_final().then_some(d.created_at.micros()));
}

pub(super) fn bind_settlement<'a>(s: &'a Settlement, binds: &mut Binds<'a>) {
    binds.push_text(s.delivery.as_str());
    binds.push_text(s.state.word());
    binds.push_maybe_text(s.reason.as_deref());
    binds.push_int(s.attempts);
    binds.push_int(s.due_at.micros());
    binds.push_int(s.at.micros());
    binds.push_maybe_int(s.state.is_final().then_some(s.at.micros()));
    binds.push_text(s.lease.node.as_str());
    binds.push_int(s.lease.epoch);
}

pub(super) fn bind_attempt<'a>(a: &'a Attempt, binds: &mut Binds<'a>) {
    binds.push_text(a.delivery.as_str());
    binds.push_int(a.number);
    binds.push_text(a.node.as_str());
    binds.push_int(a.started_at.micros());
    binds.push_int(i64::try_from(a.took.as_micros()).unwrap_or(i64::MAX));
    binds.push_text(&*a.outcome);
    binds.push_maybe_text(a.host.as_deref());
    binds.push_maybe_text(a.address.as_deref());
    binds.push_maybe_text(a.tls.as_deref());
    binds.push_maybe_text(a.reply.as_deref());
    binds.push_text(&*a.details);
}

impl Store {
    pub async fn message(&self, id: &MessageId) -> Result<Option<Message>, StoreError> {
        fetch_one(self.reads(), &MESSAGE, Binds::default().text(id.as_str()))
            .await?
            .as_ref()
            .map(read_message)
            .transpose()
    }

    /// A page of a message's deliveries, in the order of their ids, behind `after` ("" for the first).
    pub async fn deliveries_of(&self, id: &MessageId, after: &str) -> Result<Vec<Delivery>, StoreError> {
        let binds = Binds::default().text(id.as_str()).text(after).int(limits::PAGE_ROWS_MAX);
        fetch_all(self.reads(), &DELIVERIES_OF_MESSAGE, binds).await?.iter().map(read_delivery).collect()
    }

    /// A page of a delivery's attempts behind attempt number `after`.
    pub async fn attempts_of(&self, delivery: &str, after: i64) -> Result<Vec<Attempt>, StoreError> {
        let binds = Binds::default().text(delivery).int(after).int(limits::PAGE_ROWS_MAX);
        fetch_all(self.reads(), &ATTEMPTS_OF_DELIVERY, binds).await?.iter().map(read_attempt).collect()
    }

    pub async fn messages_count(&self) -> Result<i64, StoreError> {
        match fetch_one(self.reads(), &MESSAGES_COUNT, Binds::default()).await? {
            Some(row) => row.int("n"),
            None => Ok(0),
        }
    }
}

pub(super) fn read_message(row: &AnyRow) -> Result<Message, StoreError> {
    Ok(Message {
        id: words::id(&row.text("id")?)?,
        tenant: words::id(&row.text("tenant_id")?)?,
        origin: words::parse(&row.text("origin")?, Origin::ALL, Origin::word)?,
        submitter: row.maybe_text("submitter")?,
        peer: row.maybe_text("peer")?,
        sender: match row.maybe_text("sender")? {
            None => ReversePath::Null,
            Some(address) => ReversePath::Address(words::value(&address)?),
        },
        from_domain: words::value(&row.text("from_domain")?)?,
        subject: row.text("subject")?,
        header_id: row.text("header_id")?,
        stream: row.text("stream")?,
        size: words::size(row.int("size")?)? as u64,
        sandboxed_at: words::time(row.maybe_int("sandboxed_at")?),
        template: row.maybe_text("template")?,
        details: row.text("details")?,
        created_at: Time::from_micros(row.int("created_at")?),
    })
}

pub(super) fn read_delivery(row: &AnyRow) -> Result<Delivery, StoreError> {
    let lease = match (row.maybe_text("leased_by")?, row.maybe_int("leased_epoch")?) {
        (Some(node), Some(epoch)) => Some(Lease { node: words::id(&node)?, epoch }),
        _ => None,
    };
    Ok(Delivery {
        id: words::id(&row.text("id")?)?,
        message: words::id(&row.text("message_id")?)?,
        tenant: words::id(&row.text("tenant_id")?)?,
        stream: row.text("stream")?,
        recipient: words::value(&row.text("recipient")?)?,
        destination: row.text("destination")?,
        state: words::parse(&row.text("state")?, State::ALL, State::word)?,
        reason: row.maybe_text("reason")?,
        attempts: row.int("attempts")?,
        due_at: Time::from_micros(row.int("due_at")?),
        expires_at: Time::from_micros(row.int("expires_at")?),
        lease,
        wanted: (row.maybe_text("wanted")?.as_deref())
            .map(|word| words::parse(word, Wish::ALL, Wish::word))
            .transpose()?,
        warned_at: words::time(row.maybe_int("warned_at")?),
        details: row.text("details")?,
        created_at: Time::from_micros(row.int("created_at")?),
    })
}

pub(super) fn read_attempt(row: &AnyRow) -> Result<Attempt, StoreError> {
    Ok(Attempt {
        delivery: words::id(&row.text("delivery_id")?)?,
        number: row.int("number")?,
        node: words::id(&row.text("node_id")?)?,
        started_at: Time::from_micros(row.int("started_at")?),
        took: Duration::from_micros(words::size(row.int("took_us")?)? as u64),
        outcome: row.text("outcome")?,
        host: row.maybe_text("host")?,
        address: row.maybe_text("address")?,
        tls: row.maybe_text("tls")?,
        reply: row.maybe_text("reply")?,
        details: row.text("details")?,
    })
}

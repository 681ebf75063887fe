//! The queue as dispatch sees it: what is ready, for whom and in which order, who takes it, and what becomes
//! ready when its time comes. Each read is one walk along one index (`migrations/0004_queue.sql`).

use super::bodies::{Codec, unpack};
use super::change::{Change, Step};
use super::error::StoreError;
use super::mail::{self, delivery_columns};
use super::open::Store;
use super::statement::{Binds, Columns, Multi, fetch_all, fetch_one, statements};
use super::words;
use crate::base::clock::Time;
use crate::base::id::{DeliveryId, MessageId, TenantId};
use crate::base::limits;
use crate::model::delivery::{Claim, Delivery};
use crate::model::message::{Form, Message};
use sqlx::any::AnyRow;

/// Several nodes may want the same rows: who finds one ready, and tried as often as it was when it was
/// read, has it.
pub(super) static CLAIM: Multi = Multi::update(
    "CLAIM",
    "UPDATE deliveries SET state = 'leased', leased_by = v.column2, leased_epoch = v.column3, attempts = v.column4,
     due_at = v.column5, updated_at = v.column6",
    "?, CAST(? AS TEXT), CAST(? AS BIGINT), CAST(? AS BIGINT), CAST(? AS BIGINT), CAST(? AS BIGINT)",
    "WHERE deliveries.id = v.column1 AND deliveries.state = 'ready' AND deliveries.attempts = v.column4 - 1
     RETURNING deliveries.id AS id, deliveries.state AS state",
);

pub(super) static MULTI: &[&Multi] = &[&CLAIM];

macro_rules! message_columns {
    () => {
        "m.id AS id, m.tenant_id AS tenant_id, m.origin AS origin, m.submitter AS submitter, m.peer AS peer,
        m.sender AS sender, m.from_domain AS from_domain, m.subject AS subject, m.header_id AS header_id,
        m.stream AS stream, m.size AS size, m.sandboxed_at AS sandboxed_at, m.template AS template,
        m.details AS details, m.created_at AS created_at, b.codec AS codec, b.size AS body_size, b.chunks AS chunks,
        b.bytes AS bytes FROM messages m CROSS JOIN bodies b WHERE b.message_id = m.id AND b.form = 'prepared'"
    };
}

statements! {
    // From one lane to the next, however much waits in each. Two questions for each step, because a
    // subquery answers with one value.
    READY_LANES = "WITH RECURSIVE lanes(tenant_id, stream, n) AS (
            SELECT tenant_id, stream, CAST(1 AS BIGINT) FROM (SELECT tenant_id, stream FROM deliveries
                WHERE state = 'ready' AND (tenant_id, stream) > ($1, $2) ORDER BY tenant_id, stream LIMIT 1) AS first
            UNION ALL
            SELECT (SELECT d.tenant_id FROM deliveries d WHERE d.state = 'ready'
                    AND (d.tenant_id, d.stream) > (lanes.tenant_id, lanes.stream)
                    ORDER BY d.tenant_id, d.stream LIMIT 1),
                (SELECT d.stream FROM deliveries d WHERE d.state = 'ready'
                    AND (d.tenant_id, d.stream) > (lanes.tenant_id, lanes.stream)
                    ORDER BY d.tenant_id, d.stream LIMIT 1),
                lanes.n + 1
            FROM lanes WHERE lanes.tenant_id IS NOT NULL AND lanes.n < $3)
        SELECT tenant_id, stream FROM lanes WHERE tenant_id IS NOT NULL";
    READY_PAGE = concat!("SELECT ", delivery_columns!(), " FROM deliveries d WHERE d.state = 'ready'
        AND d.tenant_id = $1 AND d.stream = $2 AND d.destination > $3 ORDER BY d.destination, d.due_at, d.id LIMIT $4");
    READY_OF = concat!("SELECT ", delivery_columns!(), " FROM deliveries d WHERE d.state = 'ready'
        AND d.tenant_id = $1 AND d.stream = $2 AND d.destination = $3 ORDER BY d.due_at, d.id LIMIT $4");
    NEXT_DUE = "SELECT due_at FROM deliveries WHERE state IN ('deferred', 'scheduled') ORDER BY due_at LIMIT 1";
    // Ids are time-ordered: the first of them is the oldest.
    OLDEST_READY = "SELECT due_at FROM deliveries WHERE state = 'ready' AND finished_at IS NULL AND leased_by IS NULL
        ORDER BY id LIMIT 1";
    DUE_IDS = "SELECT id FROM deliveries WHERE state IN ('deferred', 'scheduled') AND due_at <= $1
        ORDER BY due_at LIMIT $2";
    // A state that is over has one way on: a report that came late.
    LATE_BOUNCE = "UPDATE deliveries SET state = 'bounced', reason = $2, updated_at = $3
        WHERE id = $1 AND state IN ('sent', 'delivered')";
    WARNED = "UPDATE deliveries SET warned_at = $2 WHERE id = $1 AND warned_at IS NULL";
    MAIL = concat!("SELECT ", message_columns!(), " AND m.id = $1");
    MAILS = concat!("SELECT ", message_columns!(), " AND m.id IN ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12,
        $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32)");
}

pub(super) fn bind_claim<'a>(c: &'a Claim, binds: &mut Binds<'a>) {
    binds.push_text(c.delivery.as_str());
    binds.push_text(c.lease.node.as_str());
    binds.push_int(c.lease.epoch);
    binds.push_int(c.attempts);
    binds.push_int(c.due_at.micros());
    binds.push_int(c.at.micros());
}

/// One tenant's mail of one stream: lanes take turns.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lane {
    pub tenant: TenantId,
    pub stream: String,
}

/// The step that notes that a delivery's sender was told of its delay.
pub fn warned(delivery: &DeliveryId, at: Time) -> Step {
    Step::any(&WARNED, Binds::default().text(delivery.as_str()).int(at.micros()))
}

/// The same once only: a conflict when its sender was told before.
pub fn warned_once(delivery: &DeliveryId, at: Time) -> Step {
    Step::one(&WARNED, Binds::default().text(delivery.as_str()).int(at.micros()))
}

/// The step that makes a bounce of what a server had taken; a conflict when it is none of that, or not any more.
pub fn late_bounce(delivery: &DeliveryId, reason: &str, at: Time) -> Step {
    Step::one(&LATE_BOUNCE, Binds::default().text(delivery.as_str()).text(reason).int(at.micros()))
}

impl Store {
    /// Lanes in which something is ready, behind this one, in the order of the store.
    pub async fn ready_lanes(&self, after: Option<&Lane>) -> Result<Vec<Lane>, StoreError> {
        let (tenant, stream) = after.map_or(("", ""), |lane| (lane.tenant.as_str(), lane.stream.as_str()));
        let binds = Binds::default().text(tenant).text(stream).int(limits::LANES_PAGE_ROWS);
        let rows = fetch_all(self.reads(), &READY_LANES, binds).await?;
        rows.iter()
            .map(|row| Ok(Lane { tenant: words::id(&row.text("tenant_id")?)?, stream: row.text("stream")? }))
            .collect()
    }

    /// What is ready in a lane, destination by destination, each in the order in which it became due, for
    /// the destinations behind `after` ("" for the first). One destination may fill a page: who wants a few
    /// of each goes on behind the last.
    pub async fn ready_page(&self, lane: &Lane, after: &str, rows: usize) -> Result<Vec<Delivery>, StoreError> {
        let binds = Binds::default().text(lane.tenant.as_str()).text(&lane.stream).text(after).int(bounded(rows));
        fetch_all(self.reads(), &READY_PAGE, binds).await?.iter().map(mail::read_delivery).collect()
    }

    /// What is ready in a lane for one destination, in the order in which it became due.
    pub async fn ready_of(&self, lane: &Lane, destination: &str, rows: usize) -> Result<Vec<Delivery>, StoreError> {
        let binds = Binds::default().text(lane.tenant.as_str()).text(&lane.stream).text(destination).int(bounded(rows));
        fetch_all(self.reads(), &READY_OF, binds).await?.iter().map(mail::read_delivery).collect()
    }

    /// When the next of those that wait for their time is due; it may be past.
    pub async fn next_due(&self) -> Result<Option<Time>, StoreError> {
        let row = fetch_one(self.reads(), &NEXT_DUE, Binds::default()).await?;
        row.map(|row| Ok(Time::from_micros(row.int("due_at")?))).transpose()
    }

    /// Since when the oldest mail is due that waits for its turn in the store; none when nothing does.
    pub async fn oldest_ready(&self) -> Result<Option<Time>, StoreError> {
        let row = fetch_one(self.reads(), &OLDEST_READY, Binds::default()).await?;
        row.map(|row| Ok(Time::from_micros(row.int("due_at")?))).transpose()
    }

    /// Those that wait for their time and have reached it, the longest due first.
    pub async fn due_ids(&self, now: Time, rows: usize) -> Result<Vec<DeliveryId>, StoreError> {
        let binds = Binds::default().int(now.micros()).int(bounded(rows));
        fetch_all(self.reads(), &DUE_IDS, binds).await?.iter().map(|row| words::id(&row.text("id")?)).collect()
    }

    /// The step that makes ready what is due, up to so many rows.
    pub fn promote(&self, now: Time, rows: usize) -> Step {
        Step::any(self.engine().promote(), Binds::default().int(now.micros()).int(bounded(rows)))
    }

    /// Makes ready whatever is due, slice by slice; about how many those were. Nothing is written when
    /// nothing is due.
    pub async fn promote_due(&self, now: Time) -> Result<usize, StoreError> {
        let mut promoted = 0;
        loop {
            let due = self.due_ids(now, limits::PROMOTE_ROWS).await?.len();
            if due == 0 {
                return Ok(promoted);
            }
            self.write(Change::of(self.promote(now, limits::PROMOTE_ROWS))).await?;
            promoted += due;
            if due < limits::PROMOTE_ROWS {
                return Ok(promoted);
            }
        }
    }

    /// A message and the bytes that its deliveries send; none when either is gone.
    pub async fn mail(&self, id: &MessageId) -> Result<Option<(Message, Vec<u8>)>, StoreError> {
        match fetch_one(self.reads(), &MAIL, Binds::default().text(id.as_str())).await? {
            Some(row) => self.read_mail(&row).await.map(Some),
            None => Ok(None),
        }
    }

    /// The same for up to `MAILS_AT_ONCE` messages; in no order, and without those that are gone.
    pub async fn mails(&self, ids: &[MessageId]) -> Result<Vec<(Message, Vec<u8>)>, StoreError> {
        let mut mails = Vec::with_capacity(ids.len());
        for ids in ids.chunks(limits::MAILS_AT_ONCE) {
            let mut binds = Binds::default();
            for n in 0..limits::MAILS_AT_ONCE {
                binds.push_text(ids.get(n).map_or("", MessageId::as_str));
            }
            for row in fetch_all(self.reads(), &MAILS, binds).await? {
                mails.push(self.read_mail(&row).await?);
            }
        }
        Ok(mails)
    }

    async fn read_mail(&self, row: &AnyRow) -> Result<(Message, Vec<u8>), StoreError> {
        let message = mail::read_message(row)?;
        if row.int("chunks")? > 0 {
            let body = self.body(&message.id, Form::Prepared).await?;
            let body = body.ok_or_else(|| StoreError::damaged(format!("the body of {} went away", message.id)))?;
            return Ok((message, body));
        }
        let codec = words::parse(&row.text("codec")?, Codec::ALL, Codec::word)?;
        let body = unpack(codec, words::size(row.int("body_size")?)?, row.blob("bytes")?)?;
        Ok((message, body))
    }
}

fn bounded(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX).min(limits::QUEUE_ROWS_MAX)
}

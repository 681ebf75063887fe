//! The daemons that share this store. Each start takes the next epoch of its name: what an earlier
//! start had leased is from then on known to be nobody's.

use super::change::{Change, Step};
use super::error::StoreError;
use super::moves::Move;
use super::open::Store;
use super::statement::{Binds, Columns, fetch_all, fetch_one, statements};
use super::words;
use crate::base::clock::Time;
use crate::base::id::{self, DeliveryId, MessageId, NodeId, TenantId};
use crate::base::limits;
use crate::model::delivery::{Lease, State};
use crate::model::event::Event;
use crate::model::node::Node;
use sqlx::any::AnyRow;
use std::collections::HashSet;

statements! {
    START_NODE = "INSERT INTO nodes (id, name, start_id, epoch, version, started_at, seen_at)
        VALUES ($1, $2, $1, 1, $3, $4, $4)
        ON CONFLICT (name) DO UPDATE SET epoch = nodes.epoch + 1, start_id = excluded.start_id,
        version = excluded.version, started_at = excluded.started_at, seen_at = excluded.seen_at, stopped_at = NULL";
    NODE_OF_START = "SELECT id, epoch FROM nodes WHERE name = $1 AND start_id = $2";
    STOP_NODE = "UPDATE nodes SET stopped_at = $3 WHERE id = $1 AND epoch = $2";
    // Only for the start that speaks: whoever was replaced finds no row.
    BEAT = "UPDATE nodes SET seen_at = $3 WHERE id = $1 AND epoch = $2 AND stopped_at IS NULL";
    // From one holder to the next, however much each holds.
    HOLDERS = "WITH RECURSIVE holders(node, epoch, n) AS (
            SELECT leased_by, leased_epoch, CAST(1 AS BIGINT) FROM (SELECT leased_by, leased_epoch FROM deliveries
                WHERE state = 'leased' AND leased_by > '' ORDER BY leased_by, leased_epoch LIMIT 1) AS first
            UNION ALL
            SELECT (SELECT d.leased_by FROM deliveries d WHERE d.state = 'leased'
                    AND (d.leased_by, d.leased_epoch) > (holders.node, holders.epoch)
                    ORDER BY d.leased_by, d.leased_epoch LIMIT 1),
                (SELECT d.leased_epoch FROM deliveries d WHERE d.state = 'leased'
                    AND (d.leased_by, d.leased_epoch) > (holders.node, holders.epoch)
                    ORDER BY d.leased_by, d.leased_epoch LIMIT 1),
                holders.n + 1
            FROM holders WHERE holders.node IS NOT NULL AND holders.n < $1)
        SELECT h.node AS node, h.epoch AS epoch, n.epoch AS current_epoch,
            n.seen_at AS seen_at, n.stopped_at AS stopped_at
        FROM holders h LEFT JOIN nodes n ON n.id = h.node WHERE h.node IS NOT NULL";
    LEASED_BY = "SELECT id, message_id, tenant_id, attempts FROM deliveries
        WHERE state = 'leased' AND leased_by = $1 AND leased_epoch = $2 LIMIT $3";
    NODES = "SELECT id, name, epoch, version, started_at, seen_at, stopped_at FROM nodes ORDER BY name LIMIT $1";
}

/// Who holds leases, and what is known of that start.
struct Holder {
    lease: Lease,
    /// The epoch of its node today; none when there is no such node.
    current_epoch: Option<i64>,
    seen_at: Option<Time>,
    stopped_at: Option<Time>,
}

/// A delivery that was taken from a dead start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    pub delivery: DeliveryId,
    pub message: MessageId,
    pub tenant: TenantId,
    pub attempts: i64,
    pub held_by: Lease,
}

/// One slice of recovery.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    pub recovered: Vec<Recovered>,
    /// There may be more: ask again.
    pub more: bool,
}

impl Store {
    /// Enters this start of a daemon: the identity under which it leases.
    pub async fn start_node(&self, name: &str, version: &str) -> Result<Lease, StoreError> {
        let start: NodeId = id::new(self.clock.now(), &self.random);
        let now = self.now().await?.micros();
        let binds = Binds::default().text(start.as_str()).text(name).text(version).int(now);
        self.write(Step::one(&START_NODE, binds)).await?;
        let row = fetch_one(self.reads(), &NODE_OF_START, Binds::default().text(name).text(start.as_str())).await?;
        let row = row.ok_or_else(|| StoreError::Conflict {
            why: format!("another daemon just started under the name {name}; each needs a server.hostname of its own"),
        })?;
        Ok(Lease { node: words::id(&row.text("id")?)?, epoch: row.int("epoch")? })
    }

    /// Says goodbye, so that nobody has to wait for its silence.
    pub async fn stop_node(&self, lease: &Lease) -> Result<(), StoreError> {
        let now = self.now().await?.micros();
        let binds = Binds::default().text(lease.node.as_str()).int(lease.epoch).int(now);
        self.write(Step::any(&STOP_NODE, binds)).await.map(|_| ())
    }

    /// Says that this start lives, by the database's clock. A conflict: it was stopped, or replaced by another
    /// start under its name.
    pub async fn beat(&self, lease: &Lease) -> Result<(), StoreError> {
        let now = self.now().await?.micros();
        let binds = Binds::default().text(lease.node.as_str()).int(lease.epoch).int(now);
        self.write(Step::one(&BEAT, binds)).await.map(|_| ())
    }

    /// Takes one slice of what dead starts hold: it is tried again when its next try was planned, each with
    /// an event that says that it may arrive twice. Of several nodes that do so at once, one gets each.
    pub async fn recover(&self, ours: &Lease) -> Result<Recovery, StoreError> {
        let now = self.now().await?;
        let Some(dead) = self.holders().await?.into_iter().find(|holder| self.is_dead(holder, ours, now)) else {
            return Ok(Recovery::default());
        };
        let lease = dead.lease;
        let binds = Binds::default().text(lease.node.as_str()).int(lease.epoch).int(limits::RECOVER_ROWS);
        let rows = fetch_all(self.reads(), &LEASED_BY, binds).await?;
        let found: Vec<Recovered> = rows.iter().map(|row| read_recovered(row, &lease)).collect::<Result<_, _>>()?;
        let moves = found.iter().map(|found| self.recovering(found)).collect();
        let written = self.write(Change { moves, ..Change::default() }).await?;
        let taken: HashSet<_> = written.moved.into_iter().map(|(delivery, _)| delivery).collect();
        let recovered = found.into_iter().filter(|found| taken.contains(&found.delivery)).collect();
        Ok(Recovery { recovered, more: !rows.is_empty() })
    }

    async fn holders(&self) -> Result<Vec<Holder>, StoreError> {
        let rows = fetch_all(self.reads(), &HOLDERS, Binds::default().int(limits::HOLDERS_MAX)).await?;
        rows.iter()
            .map(|row| {
                Ok(Holder {
                    lease: Lease { node: words::id(&row.text("node")?)?, epoch: row.int("epoch")? },
                    current_epoch: row.maybe_int("current_epoch")?,
                    seen_at: words::time(row.maybe_int("seen_at")?),
                    stopped_at: words::time(row.maybe_int("stopped_at")?),
                })
            })
            .collect()
    }

    /// Is nobody there any more who could end what this one began?
    fn is_dead(&self, holder: &Holder, ours: &Lease, now: Time) -> bool {
        if holder.lease == *ours {
            return false;
        }
        if holder.current_epoch != Some(holder.lease.epoch) || holder.stopped_at.is_some() {
            return true;
        }
        // A file has one daemon: whoever started before us is gone, and nobody starts beside us.
        !self.is_shared() || holder.seen_at.is_none_or(|seen| seen.plus(limits::NODE_SILENT_MAX) < now)
    }

    fn recovering(&self, found: &Recovered) -> Move {
        let at = self.clock.now();
        let data = serde_json::json!({
            "note": "possible duplicate",
            "node": found.held_by.node.as_str(),
            "epoch": found.held_by.epoch,
            "attempt": found.attempts,
        });
        Move {
            delivery: found.delivery.clone(),
            from: State::Leased,
            held_by: Some(found.held_by.clone()),
            to: State::Deferred,
            wanted: None,
            reason: Some("its node stopped in the middle of a try; the mail may arrive twice".to_owned()),
            due_at: None,
            destination: None,
            at,
            event: Event {
                id: id::new(at, &self.random),
                kind: "delivery.recovered".to_owned(),
                at,
                tenant: Some(found.tenant.clone()),
                message: Some(found.message.clone()),
                delivery: Some(found.delivery.clone()),
                data: data.to_string(),
            },
        }
    }

    pub async fn nodes(&self) -> Result<Vec<Node>, StoreError> {
        let rows = fetch_all(self.reads(), &NODES, Binds::default().int(limits::PAGE_ROWS_MAX)).await?;
        rows.into_iter()
            .map(|row| {
                Ok(Node {
                    id: words::id(&row.text("id")?)?,
                    name: row.text("name")?,
                    epoch: row.int("epoch")?,
                    version: row.text("version")?,
                    started_at: Time::from_micros(row.int("started_at")?),
                    seen_at: Time::from_micros(row.int("seen_at")?),
                    stopped_at: words::time(row.maybe_int("stopped_at")?),
                })
            })
            .collect()
    }
}

fn read_recovered(row: &AnyRow, held_by: &Lease) -> Result<Recovered, StoreError> {
    Ok(Recovered {
        delivery: words::id(&row.text("id")?)?,
        message: words::id(&row.text("message_id")?)?,
        tenant: words::id(&row.text("tenant_id")?)?,
        attempts: row.int("attempts")?,
        held_by: held_by.clone(),
    })
}

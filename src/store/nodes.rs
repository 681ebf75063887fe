//! The daemons that share this store. Each start takes the next epoch of its name: what an earlier
//! start had leased is from then on known to be nobody's.

use super::change::Step;
use super::error::StoreError;
use super::open::Store;
use super::statement::{Binds, Columns, fetch_all, fetch_one, statements};
use super::words;
use crate::base::clock::Time;
use crate::base::id::{self, NodeId};
use crate::base::limits;
use crate::model::delivery::Lease;
use crate::model::node::Node;

statements! {
    START_NODE = "INSERT INTO nodes (id, name, start_id, epoch, version, started_at, seen_at)
        VALUES ($1, $2, $1, 1, $3, $4, $4)
        ON CONFLICT (name) DO UPDATE SET epoch = nodes.epoch + 1, start_id = excluded.start_id,
        version = excluded.version, started_at = excluded.started_at, seen_at = excluded.seen_at, stopped_at = NULL";
    NODE_OF_START = "SELECT id, epoch FROM nodes WHERE name = $1 AND start_id = $2";
    STOP_NODE = "UPDATE nodes SET stopped_at = $3 WHERE id = $1 AND epoch = $2";
    NODES = "SELECT id, name, epoch, version, started_at, seen_at, stopped_at FROM nodes ORDER BY name LIMIT $1";
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

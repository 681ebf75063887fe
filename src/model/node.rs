//! One daemon among those that share a store. Each start is an incarnation: the same node with a
//! higher epoch, so that what an earlier start had leased is known to be nobody's.

use crate::base::clock::Time;
use crate::base::id::NodeId;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub id: NodeId,
    pub name: String,
    pub epoch: i64,
    pub version: String,
    pub started_at: Time,
    pub seen_at: Time,
    pub stopped_at: Option<Time>,
}

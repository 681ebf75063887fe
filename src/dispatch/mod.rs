//! Deliveries out: from memory through a connection to the remote, and its answer back into the store.
//!
//! `feed` claims from the store what is due and brings it into `queue::ready`; `routes` finds the site of each
//! course; a site has a lane and workers, each with a connection of its own; `attempt` is one try; `settle`
//! writes what came of it. Nothing here spawns a task for a delivery: tasks are connections and clerks.

mod attempt;
mod capture;
mod desk;
mod feed;
mod happenings;
mod routes;
mod settle;
mod site;
mod worker;

use crate::base::limits;
use crate::base::shutdown::{Phase, Shutdown};
use crate::deliver::find::Finder;
use crate::deliver::session::Surroundings;
use crate::outward::Outward;
use crate::queue::ledger::Ledger;
use crate::queue::ready::Item;
use settle::{Settled, Settler};
use site::Sites;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// What every part of it works with.
pub struct Dispatch {
    pub ledger: Arc<Ledger>,
    pub outward: Outward,
    pub finder: Finder,
    pub around: Surroundings,
    /// Says whether this node still has its place among the others: without it no final dot is sent.
    pub pulse: crate::tend::Pulse,
    pub shutdown: Shutdown,
    sites: Sites,
    /// One for each connection, over all destinations.
    connections: Arc<Semaphore>,
    settler: Settler,
}

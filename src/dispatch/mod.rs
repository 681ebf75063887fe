//! Deliveries out: from memory through a connection to the remote, and its answer back into the store.
//!
//! `feed` claims from the store what is due and brings it into `queue::ready`; `routes` finds the site of each
//! course; a site has a lane, and workers whom `staff` hires, each with a connection of its own; `attempt` is one
//! try; `settle` writes what came of it. Nothing here spawns a task for a delivery: tasks are connections and
//! clerks.

mod attempt;
mod capture;
mod desk;
mod feed;
mod form;
mod happenings;
pub mod learned;
mod letter;
mod lookup;
pub mod operate;
mod return_path;
mod routes;
mod settle;
mod signers;
mod site;
mod staff;
mod standing;
mod worker;

use crate::base::clock::Time;
use crate::base::limits;
use crate::base::shutdown::{Phase, Shutdown};
use crate::base::wake::Bell;
use crate::deliver::find::Finder;
use crate::deliver::outcome::Replies;
use crate::deliver::session::Surroundings;
use crate::model::outcome::Why;
use crate::outward::Outward;
use crate::policy::return_path::ReturnPaths;
use crate::queue::ledger::Ledger;
use crate::queue::pulse::Pulse;
use crate::queue::ready::{Cause, Item, Shut};
use crate::queue::settings::Settings;
use arc_swap::{ArcSwap, Guard};
use learned::TlsCounts;
pub use lookup::{Looked, Lookup, Routed, Takes, Terms};
use operate::Orders;
use settle::{End, Inbox, Settled, Settler};
use signers::Signers;
use site::{Site, Sites};
use staff::Staff;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// What every part of it works with.
pub struct Dispatch {
    ledger: Arc<Ledger>,
    outward: Outward,
    finder: Finder,
    around: Surroundings,
    replies: Arc<ArcSwap<Replies>>,
    /// Says whether this node still has its place among the others: without it no final dot is sent.
    pulse: Pulse,
    shutdown: Shutdown,
    sites: Sites,
    /// One for each connection, over all destinations; and how many there are in all.
    connections: Arc<Semaphore>,
    connections_max: AtomicUsize,
    return_paths: ReturnPaths,
    /// One for each way that is being looked up.
    lookups: Semaphore,
    /// Memory for copies of messages that differ by recipient, in KiB.
    copies: Arc<Semaphore>,
    signers: Signers,
    settler: Settler,
    tls_counts: TlsCounts,
    orders: Orders,
    /// Rung when nothing more will be handed to the clerk.
    closing: Bell,
}

/// What it is built from.
pub struct Parts {
    pub ledger: Arc<Ledger>,
    pub finder: Finder,
    pub around: Surroundings,
    pub replies: Arc<ArcSwap<Replies>>,
    pub return_paths: ReturnPaths,
    pub pulse: Pulse,
    pub shutdown: Shutdown,
}

/// The tasks that it runs in, until it is drained.
pub struct Running {
    dispatch: Arc<Dispatch>,
    tasks: Mutex<Tasks>,
}

/// Dropped, they are cut where they stand: as the process is when it is killed.
#[derive(Default)]
struct Tasks {
    staff: JoinSet<()>,
    clerk: JoinSet<()>,
    others: JoinSet<()>,
}

impl Dispatch {
    /// Begins to deliver.
    pub fn start(parts: Parts) -> Running {
        let (dispatch, inbox) = Self::new(parts);
        let dispatch = Arc::new(dispatch);
        let mut tasks = Tasks::default();
        tasks.others.spawn(dispatch.clone().begin());
        tasks.others.spawn(routes::look_up(dispatch.clone()));
        tasks.others.spawn(dispatch.clone().sweep());
        tasks.others.spawn(dispatch.clone().follow_orders());
        tasks.staff.spawn(Staff::new(dispatch.clone()).run());
        tasks.clerk.spawn(settle::keep_books(dispatch.clone(), inbox));
        Running { dispatch, tasks: Mutex::new(tasks) }
    }

    fn new(parts: Parts) -> (Self, Inbox) {
        let Parts { ledger, finder, around, replies, return_paths, pulse, shutdown } = parts;
        let (settler, inbox) = Settler::new();
        let connections = ledger.settings.load().connections as usize;
        let dispatch = Self {
            outward: Outward::new(ledger.clone()),
            ledger,
            finder,
            around,
            replies,
            return_paths,
            pulse,
            shutdown,
            sites: Sites::default(),
            connections: Arc::new(Semaphore::new(connections)),
            connections_max: AtomicUsize::new(connections),
            lookups: Semaphore::new(limits::LOOKUPS_AT_ONCE),
            copies: Arc::new(Semaphore::new(limits::COPIES_KIB_MAX)),
            signers: Signers::new(tokio::runtime::Handle::current().metrics().num_workers()),
            settler,
            tls_counts: TlsCounts::default(),
            orders: Orders::new(),
            closing: Bell::default(),
        };
        (dispatch, inbox)
    }

    /// Nothing is taken out of the store, and so nothing comes in beside it, before it is known what operators let
    /// out.
    async fn begin(self: Arc<Self>) {
        if self.learn_orders().await {
            feed::feed(self).await;
        }
    }

    fn now(&self) -> Time {
        self.ledger.clock.now()
    }

    fn settings(&self) -> Guard<Arc<Settings>> {
        self.ledger.settings.load()
    }

    fn replies(&self) -> Guard<Arc<Replies>> {
        self.replies.load()
    }

    fn is_draining(&self) -> bool {
        self.shutdown.phase() >= Phase::Draining
    }

    /// Returns when the daemon drains and this try is not in its final dot.
    async fn interrupted(&self, finishing: &AtomicBool) {
        self.shutdown.reached(Phase::Draining).await;
        if finishing.load(Ordering::Acquire) {
            std::future::pending::<()>().await;
        }
    }

    /// No host of a site can be reached: nothing of it is tried before then, and what waits in memory for it
    /// hears the same.
    async fn shut(&self, site: &Site, until: Time, why: &Why) {
        self.close(site, until, why, Cause::Unreachable).await;
    }

    /// A site asked for a pause.
    async fn suspend(&self, site: &Site, until: Time, why: &Why) {
        site.suspend(until, &why.text, self.now());
        self.close(site, until, why, Cause::Throttled).await;
    }

    async fn close(&self, site: &Site, until: Time, why: &Why, cause: Cause) {
        let shut = Shut { until, cause, why: why.text.clone() };
        for destination in site.destinations() {
            self.ledger.ready.shut(&destination, Some(shut.clone()));
        }
        self.put_off(site.lane.drain(), until, why).await;
    }

    async fn put_off(&self, items: Vec<Item>, until: Time, why: &Why) {
        let put_off = |item| Settled::new(item, End::PutOff(until, why.clone()));
        self.settler.settle(items.into_iter().map(put_off).collect()).await;
    }

    /// Connections that are in use keep what they have.
    fn resize_connections(&self, wanted: usize) {
        let have = self.connections_max.load(Ordering::Relaxed);
        if wanted > have {
            self.connections.add_permits(wanted - have);
            self.connections_max.store(wanted, Ordering::Relaxed);
        } else {
            let gone = self.connections.forget_permits(have - wanted);
            self.connections_max.store(have - gone, Ordering::Relaxed);
        }
    }

    /// Forgets what was not used for a while.
    async fn sweep(self: Arc<Self>) {
        loop {
            tokio::select! {
                () = self.shutdown.reached(Phase::Draining) => return,
                () = tokio::time::sleep(limits::SITES_SWEPT_EVERY) => {}
            }
            let now = self.now();
            self.ledger.ready.sweep(now);
            self.sites.sweep(now);
            // What came in behind a shut that is over by now has nobody who calls for it.
            self.sites.list().iter().filter(|site| !site.lane.is_empty()).for_each(|site| site.lane.call());
            self.save_tls_counts().await;
        }
    }
}

/// When the last of them has.
async fn ended(mut tasks: JoinSet<()>) {
    while tasks.join_next().await.is_some() {}
}

impl Running {
    /// The configuration has changed: every way is looked up anew, and what waits in memory takes it.
    pub fn reconfigure(&self) {
        let Dispatch { ledger, sites, .. } = &*self.dispatch;
        ledger.ready.resize(ledger.settings.load().in_flight as usize);
        self.dispatch.resize_connections(ledger.settings.load().connections as usize);
        ledger.ready.forget_routes();
        for site in sites.take_all(self.dispatch.now()) {
            for item in site.lane.close() {
                match ledger.course(&item.delivery, &item.mail.message, &item.mail.params) {
                    Some(course) => {
                        let rank = ledger.rank(&item.delivery);
                        ledger.ready.enter(Item { course, rank, ..item }, self.dispatch.now());
                    }
                    // Invariant: it had a destination when it came in.
                    None => ledger.ready.enter(item, self.dispatch.now()),
                }
            }
        }
    }

    /// Ends what is begun and gives the rest back to the store; the daemon drains already. What is in its final
    /// dot may take so long.
    pub async fn drain(&self, at_most: Duration) {
        let Tasks { staff, clerk, others } =
            std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        let dispatch = self.dispatch.clone();
        dispatch.ledger.ready.close();
        if tokio::time::timeout(at_most, ended(staff)).await.is_err() {
            // Cut in the final dot: its lease stands in the store, and the next start finds it.
            tracing::warn!("connections were cut while they waited for the last answer; their mail may come twice");
        }
        // Who asks a store that does not answer is cut: a claim whose caller went away is given back.
        if tokio::time::timeout(limits::LAST_WORDS_MAX, ended(others)).await.is_err() {
            tracing::warn!("the queue was being read when the daemon stopped, and the store did not answer");
        }
        let lanes = dispatch.sites.take_all(dispatch.now()).into_iter().flat_map(|site| site.lane.close());
        let waiting: Vec<_> = lanes.chain(dispatch.ledger.ready.drain_unrouted()).collect();
        let back = waiting.into_iter().map(|item| Settled::new(item, End::GivenBack));
        dispatch.settler.settle(back.collect()).await;
        // A help, and no reason to stay.
        let _ = tokio::time::timeout(limits::LAST_WORDS_MAX, dispatch.save_tls_counts()).await;
        dispatch.closing.ring();
        if tokio::time::timeout(limits::LAST_SETTLE_MAX, ended(clerk)).await.is_err() {
            tracing::warn!("the last outcomes were not stored in time; what they were about may be delivered twice");
        }
    }
}

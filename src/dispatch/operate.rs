//! What operators ask of destinations. It is kept in the store, holds on every node, with or without a site for
//! the destination, and outlives sites, reloads and restarts. A suspension is no attempt: mail for the destination
//! is taken and waits in the store, and what was in memory goes back there.

use super::Dispatch;
use super::Running;
use super::happenings::{DestinationSteered, OrdersUnread, SteeringInForce};
use super::settle::{End, Settled};
use super::site::{Kind, Site};
use crate::base::clock::Time;
use crate::base::limits;
use crate::base::metrics::{DELIVERIES_IN_MEMORY, DESTINATIONS_SUSPENDED};
use crate::base::observe::Happening;
use crate::base::shutdown::Phase;
use crate::model::rate::Rate;
use crate::model::steering::{ByHand, Order, Steering};
use crate::policy::pace::Snapshot;
use crate::queue::ready::{Item, Shut};
use crate::store::{Change, StoreError, steering};
use arc_swap::ArcSwap;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

/// Until somebody says otherwise.
const FOR_EVER: Time = Time::from_micros(i64::MAX);

type All = HashMap<String, Steering>;

/// What holds now, by destination.
pub(super) struct Orders {
    all: ArcSwap<All>,
    /// Who reads them and does what they say does so alone: an older reading must not undo a newer one.
    turn: tokio::sync::Mutex<()>,
    /// Since when the oldest mail in the store is due, as it was read last.
    oldest: Mutex<Option<Time>>,
}

/// How one destination stands at this node.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stand {
    pub suspended: Option<Suspended>,
    pub pace: Option<Paced>,
    /// The rule of the configuration that holds for it, when that is known: something was sent there lately.
    pub rule: Option<String>,
    /// Open, or about to be; of all destinations that share them.
    pub connections: u32,
    pub connections_max: Option<u32>,
}

/// Who lets nothing out there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Suspended {
    ByHand(ByHand),
    ByServers(Shut),
}

/// What bounds how fast it is sent to.
#[derive(Clone, Debug, PartialEq)]
pub enum Paced {
    ByHand(Rate),
    /// Its servers asked for less: messages a second, and why.
    ByServers(f64, String),
    ByRule(Rate),
}

/// How the way out is, in a few numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Deliveries that wait here or are being tried, and the most there may be.
    pub in_memory: usize,
    pub in_memory_max: usize,
    /// Sites that are being sent to, and the connections of all of them.
    pub sites: usize,
    pub connections: u32,
    /// Since when the oldest mail in the store is due that waits for its turn; a few seconds old.
    pub oldest: Option<Time>,
    /// Destinations that an operator has suspended.
    pub suspended: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotSteered {
    Store(StoreError),
    /// There are `STEERINGS_MAX` of them.
    TooMany,
}

impl Orders {
    pub fn new() -> Self {
        Self { all: ArcSwap::default(), turn: tokio::sync::Mutex::default(), oldest: Mutex::default() }
    }

    pub fn is_known(&self, destination: &str) -> bool {
        self.all.load().contains_key(destination)
    }

    fn suspension(&self, destination: &str, now: Time) -> Option<ByHand> {
        self.all.load().get(destination).and_then(|steering| steering.suspension(now)).cloned()
    }

    fn suspended(&self, now: Time) -> usize {
        self.all.load().values().filter(|steering| steering.suspension(now).is_some()).count()
    }

    /// The least that was ordered for any destination of a site: its servers feel the sum of them.
    fn rate(&self, site: &Site) -> Option<Rate> {
        let all = self.all.load();
        let ordered = all.values().filter_map(|steering| Some((steering.rate?, &steering.destination)));
        let here = ordered.filter(|(_, destination)| site.is_for(destination)).map(|(rate, _)| rate);
        here.min_by(|a, b| a.per_second().total_cmp(&b.per_second()))
    }
}

impl Dispatch {
    /// Asked before every try as well: it may have been on its way here when the order came.
    pub(super) fn is_suspended(&self, item: &Item) -> bool {
        let all = self.orders.all.load();
        !all.is_empty() && all.get(&item.delivery.destination).is_some_and(|s| s.suspension(self.now()).is_some())
    }

    pub(super) fn set_pace(&self, site: &Site) {
        site.set_rate(self.orders.rate(site), self.now());
    }

    /// Reads them for the first time, however long the store takes; false when the daemon drains before.
    pub(super) async fn learn_orders(&self) -> bool {
        loop {
            let Err(error) = self.read_orders().await else { return true };
            OrdersUnread { error: &error }.record();
            tokio::select! {
                () = self.shutdown.reached(Phase::Draining) => return false,
                () = tokio::time::sleep(limits::STEERINGS_EVERY) => {}
            }
        }
    }

    /// Looks every few seconds at what other nodes were told, and counts, until the daemon drains.
    pub(super) async fn follow_orders(self: Arc<Self>) {
        let every = match self.ledger.store.is_shared() {
            true => limits::STEERINGS_EVERY,
            false => limits::FIGURES_EVERY,
        };
        loop {
            let is_at_rest = match self.look_round().await {
                Ok(()) => self.is_at_rest(),
                Err(error) => {
                    OrdersUnread { error: &error }.record();
                    false
                }
            };
            let next = async {
                tokio::time::sleep(every).await;
                if is_at_rest {
                    self.ledger.ready.stirred.rung().await;
                }
            };
            tokio::select! {
                () = self.shutdown.reached(Phase::Draining) => return,
                () = next => {}
            }
        }
    }

    /// Can no figure change before somebody stirs? What waits in the store is not read anew for nothing.
    fn is_at_rest(&self) -> bool {
        let is_alone = !self.ledger.store.is_shared();
        is_alone && self.ledger.ready.in_memory().0 == 0 && self.orders.suspended(self.now()) == 0
    }

    async fn look_round(&self) -> Result<(), StoreError> {
        metrics::gauge!(DELIVERIES_IN_MEMORY).set(self.ledger.ready.in_memory().0 as f64);
        let suspended = self.orders.suspended(self.now());
        metrics::gauge!(DESTINATIONS_SUSPENDED).set(suspended as f64);
        if suspended > 0 {
            // What expires meanwhile is due by no index.
            self.ledger.ready.space.ring();
        }
        if self.ledger.store.is_shared() {
            self.read_orders().await?;
        }
        // Where nobody else leaves mail in the store, we know that there is none.
        let may_wait = self.ledger.store.is_shared() || self.ledger.ready.is_behind();
        let oldest = if may_wait { self.ledger.store.oldest_ready().await? } else { None };
        *self.orders.oldest.lock().unwrap_or_else(PoisonError::into_inner) = oldest;
        Ok(())
    }

    async fn read_orders(&self) -> Result<(), StoreError> {
        let _turn = self.orders.turn.lock().await;
        let read = self.ledger.store.steerings().await?;
        self.obey(read).await;
        Ok(())
    }

    /// Does what they say from now on, and undoes what they say no longer.
    async fn obey(&self, steerings: Vec<Steering>) {
        let (now, ready) = (self.now(), &self.ledger.ready);
        let new: All = steerings.into_iter().map(|steering| (steering.destination.clone(), steering)).collect();
        let old = self.orders.all.load_full();
        let begun: Vec<&Steering> = new.values().filter(|s| s.suspension(now) != suspension(&old, s, now)).collect();
        // Shut before it is known here, and known before it is open: else it would be claimed only to be given back.
        for steering in &begun {
            if let Some(by_hand) = steering.suspension(now) {
                ready.suspend(&steering.destination, Some(by_hand.until.unwrap_or(FOR_EVER)));
            }
        }
        self.orders.all.store(Arc::new(new.clone()));
        let destinations: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        for destination in destinations {
            let (before, after) = (old.get(destination), new.get(destination));
            if before == after {
                continue;
            }
            if before.is_some_and(|s| s.suspended.is_some()) && after.is_none_or(|s| s.suspended.is_none()) {
                ready.suspend(destination, None);
            }
            if after.and_then(|s| s.resumed_at) > before.and_then(|s| s.resumed_at) {
                self.open(destination);
            }
            if before.and_then(|s| s.rate) != after.and_then(|s| s.rate) {
                self.sites_of(destination).iter().for_each(|site| self.order_pace(site, destination));
            }
            SteeringInForce { destination, steering: after, now }.record();
        }
        for steering in begun {
            self.take_back(&steering.destination).await;
        }
    }

    fn order_pace(&self, site: &Site, destination: &str) {
        site.serves(destination, true);
        self.set_pace(site);
    }

    /// All sites that this destination leads to now.
    fn sites_of(&self, destination: &str) -> Vec<Arc<Site>> {
        let mut sites = self.sites.of_destination(destination);
        // A site does not know all of thousands of destinations by name.
        for lane in self.ledger.ready.lanes_of(destination) {
            if let Some(site) = self.sites.of_lane(&lane)
                && !sites.iter().any(|known| Arc::ptr_eq(known, &site))
            {
                sites.push(site);
            }
        }
        sites
    }

    /// What its servers asked for, or that nobody answered, is over: for all destinations that share them.
    fn open(&self, destination: &str) {
        let now = self.now();
        for site in self.sites_of(destination) {
            for shared in site.destinations() {
                self.ledger.ready.shut(&shared, None);
            }
            site.resume(now);
        }
        self.ledger.ready.shut(destination, None);
    }

    /// What waits in memory goes back into the store, as if it had never been here.
    async fn take_back(&self, destination: &str) {
        let is_meant = |item: &Item| item.delivery.destination == destination;
        let sites = self.sites_of(destination);
        let back = sites.iter().flat_map(|site| site.lane.pull(is_meant));
        self.settler.settle(back.map(|item| Settled::new(item, End::GivenBack)).collect()).await;
    }

    fn stand(&self, destination: &str) -> Stand {
        let now = self.now();
        let by_hand = self.orders.suspension(destination, now).map(Suspended::ByHand);
        let by_servers = || self.ledger.ready.shut_of(destination, now).map(Suspended::ByServers);
        let sites = self.sites_of(destination);
        let away: Vec<_> = sites.iter().filter(|site| matches!(site.kind, Kind::Away(_))).collect();
        let ordered = self.orders.all.load().get(destination).and_then(|steering| steering.rate);
        let pace = match (ordered, away.first()) {
            (Some(rate), _) => Some(Paced::ByHand(rate)),
            (None, Some(site)) => paced(site, site.snapshot(now)),
            (None, None) => None,
        };
        Stand {
            suspended: by_hand.or_else(by_servers),
            pace,
            rule: away.first().and_then(|site| site.terms.rule.clone()),
            connections: away.iter().map(|site| site.workers()).sum(),
            connections_max: away.first().map(|site| site.snapshot(now).connections),
        }
    }
}

fn suspension<'a>(all: &'a All, of: &Steering, now: Time) -> Option<&'a ByHand> {
    all.get(&of.destination).and_then(|steering| steering.suspension(now))
}

fn paced(site: &Site, snapshot: Snapshot) -> Option<Paced> {
    match (site.ordered(), snapshot.slowed) {
        // For another destination that leads here.
        (Some(rate), _) => Some(Paced::ByHand(rate)),
        (None, Some((_, why))) => Some(Paced::ByServers(snapshot.rate, why)),
        (None, None) => site.terms.rate.map(Paced::ByRule),
    }
}

impl Running {
    /// Does what an operator asks, on every node and from now on; how the destination stands then.
    pub async fn steer(&self, destination: &str, order: &Order, by: &str) -> Result<Stand, NotSteered> {
        let dispatch = &self.dispatch;
        let is_new = !dispatch.orders.is_known(destination);
        if is_new && dispatch.orders.all.load().len() >= limits::STEERINGS_MAX {
            return Err(NotSteered::TooMany);
        }
        let step = steering::order(destination, order, dispatch.now());
        dispatch.ledger.store.write(Change::of(step)).await?;
        DestinationSteered { destination, order, by }.record();
        dispatch.read_orders().await?;
        Ok(dispatch.stand(destination))
    }

    /// How these stand, in the same order.
    pub fn stand(&self, destinations: &[String]) -> Vec<Stand> {
        destinations.iter().map(|destination| self.dispatch.stand(destination)).collect()
    }

    pub fn figures(&self) -> Figures {
        let dispatch = &self.dispatch;
        let (in_memory, free) = dispatch.ledger.ready.in_memory();
        let sites = dispatch.sites.list();
        let workers = sites.iter().filter(|site| matches!(site.kind, Kind::Away(_))).map(|site| site.workers());
        let working: Vec<u32> = workers.filter(|workers| *workers > 0).collect();
        Figures {
            in_memory,
            in_memory_max: in_memory + free,
            sites: working.len(),
            connections: working.iter().sum(),
            oldest: *dispatch.orders.oldest.lock().unwrap_or_else(PoisonError::into_inner),
            suspended: dispatch.orders.suspended(dispatch.now()),
        }
    }
}

impl From<StoreError> for NotSteered {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

//! The way out, put together: the ledger in which mail is entered, and dispatch, which takes it from there.

use super::NotStarted;
use super::doors;
use super::house::House;
use super::keyring::Keys;
use crate::base::budget::Budget;
use crate::base::clock::Clock;
use crate::base::metrics::MAIL_MEMORY;
use crate::base::random::Random;
use crate::config::Config;
use crate::deliver::find::{Finder, Own};
use crate::deliver::session::{Patience, Surroundings};
use crate::deliver::sts::Sts;
use crate::deliver::tls::ClientTls;
use crate::dispatch::learned::known_policies;
use crate::dispatch::{Dispatch, Parts, Running};
use crate::dns::Resolver;
use crate::mail::domain_name::DomainName;
use crate::model::delivery::Lease;
use crate::net::dial::Dialer;
use crate::net::https::{Https, Reach};
use crate::net::roots;
use crate::policy::return_path::ReturnPaths;
use crate::queue::ledger::Ledger;
use crate::queue::ready::Ready;
use crate::store::Store;
use crate::tend;
use arc_swap::ArcSwap;
use std::sync::Arc;
use std::time::Duration;

pub struct WayOut {
    pub ledger: Arc<Ledger>,
    pub running: Running,
    pub finder: Finder,
    pub return_paths: ReturnPaths,
    own: Arc<ArcSwap<Own>>,
}

impl WayOut {
    /// Begins to deliver what waits in the store.
    pub async fn open(
        house: &House,
        store: &Arc<Store>,
        lease: &Lease,
        keys: &Keys,
        resolver: &Resolver,
    ) -> Result<Self, NotStarted> {
        let config = house.running.load().config.clone();
        let (clock, random) = (Clock::System, Random::System);
        let room = Budget::new(usize::try_from(config.delivery.memory).unwrap_or(usize::MAX), MAIL_MEMORY);
        let ledger = Arc::new(Ledger {
            store: store.clone(),
            directory: house.directory.clone(),
            settings: house.delivery.clone(),
            ready: Ready::new(config.delivery.in_flight as usize, room),
            keyring: keys.ring(),
            keys: house.signer.keys.clone(),
            lease: lease.clone(),
            clock: clock.clone(),
            random: random.clone(),
        });
        let roots = roots::trusted();
        let sts = Sts::new(resolver.clone(), Https::trusting(roots.clone(), Reach::default()), clock.clone());
        for learned in known_policies(store).await.map_err(NotStarted::new)? {
            sts.remember(learned);
        }
        let finder = Finder::new(resolver.clone(), sts, own(&config));
        let own = finder.own.clone();
        let tls = ClientTls::with_roots((*roots).clone()).map_err(NotStarted::new)?;
        let around = Surroundings {
            dialer: Dialer::World,
            resolver: resolver.clone(),
            clock,
            random,
            hello: config.server.hostname.clone(),
            tls: Arc::new(tls),
            patience: Patience::default(),
        };
        let pulse = tend::heartbeat::pulse(store);
        let found = ledger.ready.space.clone();
        let shutdown = house.shutdown.clone();
        tokio::spawn(tend::heartbeat(store.clone(), lease.clone(), pulse.clone(), found, shutdown.clone()));
        let return_paths = ReturnPaths::new(keys.ring(), is_ready(house));
        let parts = Parts {
            ledger: ledger.clone(),
            finder: finder.clone(),
            around,
            replies: house.replies.clone(),
            return_paths: return_paths.clone(),
            pulse,
            shutdown,
        };
        Ok(Self { ledger, running: Dispatch::start(parts), finder, return_paths, own })
    }

    /// What waits goes by the new configuration from its next try on.
    pub fn reconfigure(&self, config: &Config) {
        self.own.store(Arc::new(own(config)));
        self.ledger.ready.room.resize(usize::try_from(config.delivery.memory).unwrap_or(usize::MAX));
        self.running.reconfigure();
    }

    pub async fn drain(&self, at_most: Duration) {
        self.running.drain(at_most).await;
    }
}

/// May bounces come back to return paths of ours below this domain?
fn is_ready(house: &House) -> impl Fn(&DomainName) -> bool + Send + Sync + 'static {
    let (directory, footings) = (house.directory.clone(), house.footings.clone());
    move |name| directory.load().domain(name).is_some_and(|domain| footings.return_path(&domain.value).is_ready())
}

/// What we are to ourselves: mail for others must not come back here.
fn own(config: &Config) -> Own {
    let sockets: Vec<_> = doors::wanted(config).into_iter().map(|(address, _)| address).collect();
    Own::new(vec![config.server.hostname.clone()], &sockets, config.delivery.port)
}

//! How many connections one listener holds: in all, from one client, from one network, and how fast
//! they may come. The bounds may change while it stands; connections that are there stay.

use crate::base::clock::{Clock, Time};
use crate::base::gcra::{Bucket, Gcra};
use crate::base::limits;
use crate::base::sweep::Sweeps;
use crate::base::wake::Bell;
use arc_swap::ArcSwap;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What one listener lets in.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// Open connections in all.
    pub connections: usize,
    /// Of these, from one client: an IPv4 address, or a /64 of IPv6 (RFC 6177: the least a site gets, so
    /// one person has 2^64 addresses in it).
    pub per_address: usize,
    /// Of these, from one network: a /24 of IPv4, a /48 of IPv6.
    pub per_net: usize,
    /// How fast one client may come.
    pub rate: Option<Gcra>,
}

impl Bounds {
    /// So many, whoever they are.
    pub fn in_all(connections: usize) -> Self {
        Self { connections, per_address: connections, per_net: connections, rate: None }
    }
}

/// Why a connection is sent away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    TooManyOfAddress,
    TooManyOfNet,
    /// The next one is welcome at this time.
    TooFast {
        opens: Time,
    },
}

impl Refusal {
    pub fn in_words(&self) -> &'static str {
        match self {
            Self::TooManyOfAddress => "too many connections of one address",
            Self::TooManyOfNet => "too many connections of one network",
            Self::TooFast { .. } => "connections of one address come too fast",
        }
    }
}

/// The permits of one listener.
#[derive(Clone)]
pub(super) struct Permits(Arc<Shared>);

struct Shared {
    bounds: ArcSwap<Bounds>,
    open: AtomicUsize,
    gauge: metrics::Gauge,
    /// Rung when there may be room again.
    room: Bell,
    clients: Mutex<Clients>,
    clock: Clock,
}

impl Permits {
    pub fn new(bounds: Bounds, gauge: metrics::Gauge, clock: Clock) -> Self {
        Self(Arc::new(Shared {
            bounds: ArcSwap::from_pointee(bounds),
            open: AtomicUsize::new(0),
            gauge,
            room: Bell::default(),
            clients: Mutex::default(),
            clock,
        }))
    }

    pub fn change(&self, bounds: Bounds) {
        self.0.bounds.store(Arc::new(bounds));
        self.0.room.ring();
    }

    /// Connections open now.
    pub fn open(&self) -> usize {
        self.0.open.load(Ordering::Relaxed)
    }

    /// Returns when there is room for one more. For the one who accepts: nobody else lets in.
    pub async fn room(&self) {
        while self.open() >= self.0.bounds.load().connections {
            self.0.room.rung().await;
        }
    }

    /// Lets one more in, if its client may have it; none for who speaks for many, and is counted in all
    /// only.
    pub fn admit(&self, client: Option<IpAddr>) -> Result<Held, Refusal> {
        let counted = client.map_or(Ok(None), |client| self.count(client))?;
        self.0.open.fetch_add(1, Ordering::Relaxed);
        self.0.gauge.increment(1.0);
        Ok(Held { permits: self.clone(), counted })
    }

    fn count(&self, client: IpAddr) -> Result<Option<Counted>, Refusal> {
        // On a socket of both families IPv4 clients come as ::ffff:a.b.c.d: one /64 holds them all.
        let client = client.to_canonical();
        // Tests and local applications speak for many from here.
        if client.is_loopback() {
            return Ok(None);
        }
        let (bounds, now) = (self.0.bounds.load(), self.0.clock.now());
        self.clients().admit(client, &bounds, now).map(Some)
    }

    fn clients(&self) -> std::sync::MutexGuard<'_, Clients> {
        self.0.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a connection holds as long as it stands.
pub(super) struct Held {
    permits: Permits,
    counted: Option<Counted>,
}

impl Held {
    /// Counts the connection as this client's from now on, and no longer as the one's it came from.
    pub fn recount(&mut self, client: IpAddr) -> Result<(), Refusal> {
        let counted = self.permits.count(client)?;
        self.leave();
        self.counted = counted;
        Ok(())
    }

    fn leave(&mut self) {
        if let Some(counted) = self.counted.take() {
            self.permits.clients().leave(counted);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.leave();
        self.permits.0.open.fetch_sub(1, Ordering::Relaxed);
        self.permits.0.gauge.decrement(1.0);
        self.permits.0.room.ring();
    }
}

/// Under what one connection is counted.
#[derive(Clone, Copy)]
struct Counted {
    client: IpAddr,
    net: IpAddr,
}

struct Clients {
    open: HashMap<IpAddr, usize>,
    of_nets: HashMap<IpAddr, usize>,
    rates: HashMap<IpAddr, Bucket>,
    sweeps: Sweeps,
}

impl Default for Clients {
    fn default() -> Self {
        let sweeps = Sweeps::of_at_most(limits::CLIENTS_WATCHED_MAX);
        Self { open: HashMap::new(), of_nets: HashMap::new(), rates: HashMap::new(), sweeps }
    }
}

impl Clients {
    /// Counts one more connection, if that leaves its client and its network within the bounds.
    fn admit(&mut self, address: IpAddr, bounds: &Bounds, now: Time) -> Result<Counted, Refusal> {
        let counted = Counted { client: client_of(address), net: net_of(address) };
        if self.open.get(&counted.client).is_some_and(|count| *count >= bounds.per_address) {
            return Err(Refusal::TooManyOfAddress);
        }
        if self.of_nets.get(&counted.net).is_some_and(|count| *count >= bounds.per_net) {
            return Err(Refusal::TooManyOfNet);
        }
        if let Some(rate) = bounds.rate {
            self.pass(counted.client, rate, now)?;
        }
        *self.open.entry(counted.client).or_default() += 1;
        *self.of_nets.entry(counted.net).or_default() += 1;
        Ok(counted)
    }

    /// Not everybody can be watched: a flood from ever new addresses must not cost us the memory, nor
    /// close the door to those who come for the first time.
    fn pass(&mut self, client: IpAddr, rate: Gcra, now: Time) -> Result<(), Refusal> {
        if self.sweeps.is_due(self.rates.len(), now) {
            self.rates.retain(|_, bucket| !bucket.is_idle(now));
            self.sweeps.done(self.rates.len(), now);
        }
        if self.rates.len() >= limits::CLIENTS_WATCHED_MAX && !self.rates.contains_key(&client) {
            return Ok(());
        }
        let bucket = self.rates.entry(client).or_default();
        bucket.spend(rate, now, 1).map_err(|closed| Refusal::TooFast { opens: closed.opens() })?;
        Ok(())
    }

    fn leave(&mut self, counted: Counted) {
        one_less(&mut self.open, counted.client);
        one_less(&mut self.of_nets, counted.net);
    }
}

fn one_less(counts: &mut HashMap<IpAddr, usize>, of: IpAddr) {
    if let Some(count) = counts.get_mut(&of) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&of);
        }
    }
}

fn client_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => first_bits(v6, 64),
    }
}

fn net_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(v4) => Ipv4Addr::from_bits(v4.to_bits() & !0xff).into(),
        IpAddr::V6(v6) => first_bits(v6, 48),
    }
}

fn first_bits(address: Ipv6Addr, bits: u32) -> IpAddr {
    Ipv6Addr::from_bits(address.to_bits() & !(u128::MAX >> bits)).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const BOUNDS: Bounds = Bounds { connections: 99, per_address: 2, per_net: 3, rate: None };

    fn permits(bounds: Bounds) -> Permits {
        Permits::new(bounds, metrics::Gauge::noop(), Clock::set(Time::from_micros(1_793_245_479_000_000)))
    }

    fn ip(address: &str) -> IpAddr {
        address.parse().unwrap()
    }

    fn from(address: &str) -> Option<IpAddr> {
        Some(ip(address))
    }

    fn refused(permits: &Permits, address: &str) -> Refusal {
        permits.admit(from(address)).err().unwrap_or_else(|| panic!("{address} is let in"))
    }

    #[test]
    fn a_client_gets_its_share_and_leaves_no_trace() {
        let permits = permits(BOUNDS);
        let one = permits.admit(from("192.0.2.1")).unwrap_or_else(|why| panic!("{why:?}"));
        let two = permits.admit(from("192.0.2.1"));
        assert_eq!(refused(&permits, "192.0.2.1"), Refusal::TooManyOfAddress);
        // A client of a dual-stack socket is the same client.
        assert_eq!(refused(&permits, "::ffff:192.0.2.1"), Refusal::TooManyOfAddress);
        assert!(permits.admit(from("192.0.2.2")).is_ok());
        drop(one);
        assert!(permits.admit(from("192.0.2.1")).is_ok());
        drop(two);
        let clients = permits.clients();
        assert!(clients.open.is_empty() && clients.of_nets.is_empty() && clients.rates.is_empty());
        assert_eq!(permits.open(), 0);
    }

    #[test]
    fn a_network_gets_its_share_too() {
        let permits = permits(BOUNDS);
        let _three: Vec<_> = (1..=3).map(|n| permits.admit(from(&format!("192.0.2.{n}")))).collect();
        assert_eq!(refused(&permits, "192.0.2.4"), Refusal::TooManyOfNet);
        assert!(permits.admit(from("192.0.3.4")).is_ok());
        let _others: Vec<_> = (1..=3).map(|n| permits.admit(from(&format!("2001:db8:7:{n}::1")))).collect();
        assert_eq!(refused(&permits, "2001:db8:7:9::1"), Refusal::TooManyOfNet);
        assert!(permits.admit(from("2001:db8:8::1")).is_ok());
    }

    #[test]
    fn one_site_of_ipv6_is_one_client_and_who_speaks_for_many_is_none() {
        let permits = permits(Bounds { per_address: 1, ..BOUNDS });
        let _one = permits.admit(from("2001:db8::1"));
        assert_eq!(refused(&permits, "2001:db8::ffff:2"), Refusal::TooManyOfAddress);
        assert!(permits.admit(from("2001:db8:0:1::1")).is_ok());
        for many in [from("127.0.0.1"), from("::1"), from("::ffff:127.0.0.1"), None] {
            let held: Vec<_> = (0..9).map(|_| permits.admit(many)).collect();
            assert!(held.iter().all(Result::is_ok), "{many:?}");
        }
    }

    #[test]
    fn a_conveyed_address_is_counted_instead_of_the_proxys() {
        let permits = permits(Bounds { per_address: 1, ..BOUNDS });
        let mut behind: Vec<_> = (0..3).filter_map(|_| permits.admit(None).ok()).collect();
        assert_eq!(behind[0].recount(ip("192.0.2.1")), Ok(()));
        assert_eq!(behind[1].recount(ip("192.0.2.1")), Err(Refusal::TooManyOfAddress));
        assert_eq!(refused(&permits, "192.0.2.1"), Refusal::TooManyOfAddress);
        // Conveyed a second time, the first address is free again.
        assert_eq!(behind[0].recount(ip("192.0.2.2")), Ok(()));
        assert_eq!(behind[2].recount(ip("192.0.2.1")), Ok(()));
        assert_eq!(permits.open(), 3);
        drop(behind);
        assert!(permits.clients().open.is_empty() && permits.open() == 0);
    }

    #[test]
    fn who_comes_too_fast_is_told_when_to_come_again() {
        let clock = Clock::set(Time::from_micros(1_793_245_479_000_000));
        let bounds = Bounds { per_address: 9, rate: Some(Gcra::new(2, Duration::from_secs(60))), ..BOUNDS };
        let permits = Permits::new(bounds, metrics::Gauge::noop(), clock.clone());
        assert!(permits.admit(from("192.0.2.1")).is_ok() && permits.admit(from("192.0.2.1")).is_ok());
        let opens = clock.now().plus(Duration::from_secs(30));
        assert_eq!(refused(&permits, "192.0.2.1"), Refusal::TooFast { opens });
        assert!(permits.admit(from("192.0.2.2")).is_ok());
        clock.advance(Duration::from_secs(30));
        assert!(permits.admit(from("192.0.2.1")).is_ok());
        assert!(permits.admit(from("192.0.2.1")).is_err());
    }

    #[test]
    fn ever_new_clients_do_not_cost_ever_more_memory() {
        let rate = Gcra::new(1, Duration::from_secs(3_600));
        let (mut clients, bounds) = (Clients::default(), Bounds { rate: Some(rate), ..BOUNDS });
        let (start, address) = (Time::from_micros(1_793_245_479_000_000), |n: u32| IpAddr::from(n.to_be_bytes()));
        for n in 0..limits::CLIENTS_WATCHED_MAX as u32 + 10 {
            let counted = clients.admit(address(n), &bounds, start).unwrap();
            clients.leave(counted);
        }
        assert_eq!(clients.rates.len(), limits::CLIENTS_WATCHED_MAX);
        assert!(clients.admit(address(1), &bounds, start).is_err(), "those that are watched stay watched");
        let later = start.plus(Duration::from_secs(7_200));
        for n in 0..limits::CLIENTS_WATCHED_MAX as u32 {
            let counted = clients.admit(address(n + 500_000), &bounds, later).unwrap();
            clients.leave(counted);
        }
        assert!(clients.admit(address(500_000), &bounds, later).is_err(), "room was made for the new ones");
    }

    #[tokio::test]
    async fn more_room_lets_the_next_one_in() {
        let permits = permits(Bounds { connections: 1, ..BOUNDS });
        let held = permits.admit(from("192.0.2.1")).ok();
        let mut waiting = Box::pin(permits.room());
        assert!(futures_util::future::poll_immediate(&mut waiting).await.is_none());
        permits.change(Bounds { connections: 2, ..BOUNDS });
        waiting.await;
        permits.change(Bounds { connections: 1, ..BOUNDS });
        let mut waiting = Box::pin(permits.room());
        assert!(futures_util::future::poll_immediate(&mut waiting).await.is_none());
        drop(held);
        waiting.await;
    }
}

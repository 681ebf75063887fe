//! Who fails to log in waits for the answer, longer each time; who goes on is sent away for a while.
//! Counted against the address, its /64 of IPv6, and the login; a ban is of addresses only, so that nobody
//! can lock out another by failing in their name.

use super::Fingerprint;
use super::recent::Recent;
use super::whence::{Whence, site_of};
use crate::base::clock::Time;
use crate::base::limits;
use ipnet::IpNet;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What a failure costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Penalty {
    /// The answer waits so long.
    pub delay: Duration,
    /// This failure was one too many for these addresses.
    pub ban: Option<Ban>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ban {
    pub network: IpNet,
    pub until: Time,
}

pub(super) struct Throttle(Mutex<Tables>);

struct Tables {
    /// Single addresses, and sites of IPv6.
    networks: Recent<IpNet, Tally>,
    logins: Recent<Fingerprint, Tally>,
    /// Until when.
    bans: Recent<IpNet, Time>,
}

#[derive(Clone, Copy)]
struct Tally {
    failures: u32,
    last: Time,
}

impl Default for Throttle {
    fn default() -> Self {
        Self::new(limits::LOGIN_FAILURES_MAX)
    }
}

impl Throttle {
    fn new(most: usize) -> Self {
        let (networks, logins, bans) = (Recent::new(most), Recent::new(most), Recent::new(most));
        Self(Mutex::new(Tables { networks, logins, bans }))
    }

    /// The ban that lies on this client now.
    pub fn banned(&self, whence: Whence, now: Time) -> Option<Ban> {
        let mut tables = self.tables();
        circles(whence).find_map(|(network, _)| {
            let until = *tables.bans.get(&network)?;
            if until <= now {
                tables.bans.remove(&network);
                return None;
            }
            Some(Ban { network, until })
        })
    }

    /// One more failure. `login` stands for the name that was given, whether or not somebody has it.
    pub fn fail(&self, whence: Whence, login: Fingerprint, now: Time) -> Penalty {
        let mut tables = self.tables();
        let mut most = count(&mut tables.logins, login, now);
        let mut ban = None;
        for (network, bound) in circles(whence) {
            let failures = count(&mut tables.networks, network, now);
            most = most.max(failures);
            if failures >= bound {
                // The next ban is for new failures.
                tables.networks.remove(&network);
                let until = now.plus(limits::LOGIN_BAN);
                tables.bans.put(network, until);
                ban = Some(Ban { network, until });
            }
        }
        Penalty { delay: delay(most), ban }
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The addresses that a failure is counted against, each with the number at which it is sent away.
fn circles(whence: Whence) -> impl Iterator<Item = (IpNet, u32)> {
    let own = whence.blamed();
    let address = own.map(|address| (IpNet::from(address), limits::LOGIN_FAILURES_BAN));
    let site = own.and_then(site_of).map(|site| (site, limits::LOGIN_FAILURES_BAN_NET));
    address.into_iter().chain(site)
}

fn count<K: Hash + Eq + Clone>(tallies: &mut Recent<K, Tally>, key: K, now: Time) -> u32 {
    let fresh = |tally: &&Tally| now.since(tally.last) < limits::LOGIN_FAILURES_KEPT;
    let failures = tallies.get(&key).filter(fresh).map_or(0, |tally| tally.failures).saturating_add(1);
    tallies.put(key, Tally { failures, last: now });
    failures
}

/// Doubled with each failure behind the free ones, up to the longest.
fn delay(failures: u32) -> Duration {
    let Some(doublings) = failures.checked_sub(limits::LOGIN_FAILURES_FREE + 1) else { return Duration::ZERO };
    let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
    limits::LOGIN_DELAY_FIRST.saturating_mul(factor).min(limits::LOGIN_DELAY_LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Time = Time::from_micros(1_000_000_000_000);

    fn client(text: &str) -> Whence {
        Whence::Client(text.parse().unwrap())
    }

    /// A login of its own for each number.
    fn login(n: u32) -> Fingerprint {
        let mut login = [0; 32];
        login[..4].copy_from_slice(&n.to_be_bytes());
        login
    }

    #[test]
    fn the_answer_waits_longer_each_time_and_never_too_long() {
        let throttle = Throttle::default();
        let delays: Vec<_> =
            (0..9).map(|_| throttle.fail(client("192.0.2.1"), login(1), START).delay.as_millis()).collect();
        assert_eq!(delays, [0, 0, 500, 1000, 2000, 4000, 8000, 8000, 8000]);
        assert_eq!(delay(u32::MAX), limits::LOGIN_DELAY_LONGEST);
        // Another address with the same login, and another login from the same address.
        assert_eq!(throttle.fail(client("192.0.2.2"), login(1), START).delay, limits::LOGIN_DELAY_LONGEST);
        assert_eq!(throttle.fail(client("192.0.2.1"), login(2), START).delay, limits::LOGIN_DELAY_LONGEST);
        assert_eq!(throttle.fail(client("192.0.2.3"), login(3), START).delay, Duration::ZERO);
        // All is forgotten after a quiet hour.
        let later = START.plus(limits::LOGIN_FAILURES_KEPT);
        assert_eq!(throttle.fail(client("192.0.2.1"), login(1), later).delay, Duration::ZERO);
    }

    #[test]
    fn who_goes_on_is_sent_away_for_a_while() {
        let (throttle, guesser) = (Throttle::default(), client("192.0.2.1"));
        for n in 1..limits::LOGIN_FAILURES_BAN {
            assert_eq!(throttle.fail(guesser, login(n), START).ban, None);
            assert_eq!(throttle.banned(guesser, START), None);
        }
        let until = START.plus(limits::LOGIN_BAN);
        let ban = Ban { network: "192.0.2.1/32".parse().unwrap(), until };
        assert_eq!(throttle.fail(guesser, login(99), START).ban, Some(ban));
        assert_eq!(throttle.banned(guesser, START), Some(ban));
        assert_eq!(throttle.banned(client("::ffff:192.0.2.1"), START), Some(ban));
        assert_eq!(throttle.banned(client("192.0.2.2"), START), None);
        assert_eq!(throttle.banned(guesser, until), None);
        assert_eq!(throttle.fail(guesser, login(100), until).ban, None, "it begins anew");
    }

    #[test]
    fn a_site_of_ipv6_is_sent_away_as_a_whole() {
        let throttle = Throttle::default();
        let one = |n: u32| client(&format!("2001:db8::{n:x}"));
        for n in 1..limits::LOGIN_FAILURES_BAN_NET {
            assert_eq!(throttle.fail(one(n), login(n), START).ban, None);
        }
        let ban = throttle.fail(one(9999), login(9999), START).ban.unwrap();
        assert_eq!(ban.network, "2001:db8::/64".parse().unwrap());
        assert_eq!(throttle.banned(one(0xffff), START), Some(ban));
        assert_eq!(throttle.banned(client("2001:db8:0:1::1"), START), None);
        // And one address of a site by itself.
        let throttle = Throttle::default();
        let bans: Vec<_> =
            (0..limits::LOGIN_FAILURES_BAN).map(|n| throttle.fail(one(1), login(n), START).ban).collect();
        assert_eq!(bans.last().unwrap().unwrap().network, "2001:db8::1/128".parse().unwrap());
        assert_eq!(throttle.banned(one(2), START), None);
    }

    #[test]
    fn this_machine_and_proxies_are_never_sent_away() {
        let throttle = Throttle::default();
        let proxy = Whence::Proxy("192.0.2.9".parse().unwrap());
        for whence in [proxy, client("127.0.0.1"), client("::1"), client("::ffff:127.0.0.1")] {
            for n in 0..200 {
                assert_eq!(throttle.fail(whence, login(n), START).ban, None);
            }
            assert_eq!(throttle.banned(whence, START), None);
        }
        // What a proxy conveys is a client.
        assert_eq!(throttle.fail(client("192.0.2.9"), login(1000), START).delay, Duration::ZERO);
    }

    #[test]
    fn the_tables_are_bounded() {
        let throttle = Throttle::new(3);
        let one = |n: u32| client(&format!("198.51.100.{n}"));
        for n in 0..4 {
            throttle.fail(one(n), login(n), START);
            throttle.fail(one(n), login(n), START);
        }
        assert_eq!(throttle.fail(one(3), login(9), START).delay, limits::LOGIN_DELAY_FIRST);
        assert_eq!(throttle.fail(one(0), login(0), START).delay, Duration::ZERO, "the oldest is forgotten");
    }
}

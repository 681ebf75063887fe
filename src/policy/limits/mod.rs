//! How much may be sent: limits on messages and recipients of credentials, domains and tenants, several
//! windows at once, each a bucket of GCRA (`base::gcra`) in one table in memory.
//!
//! Asked at MAIL and RCPT without spending, reserved at the end of the message, refunded when anything
//! after that refuses it. Over a limit the answer is 4xx with the time when it opens again. Only mail that
//! others give us is counted; what we make ourselves has no spenders.
//!
//! Windows of an hour and more are saved every few seconds and at the end, not with each mail: a crash
//! forgets these seconds, and nodes that share a store learn of each other this late.

mod happenings;
mod ledger;
mod over;
mod saving;
mod spenders;

pub use over::{Over, Refusal};
pub use spenders::{Amount, Scope, Spenders, Unit};

use crate::base::clock::Clock;
use crate::base::limits;
use crate::base::observe::Happening;
use happenings::{Asked, LimitReached};
use ledger::{Ledger, Taken};
use saving::Saving;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The limits of the house; a copy is another handle on the same.
#[derive(Clone, Debug)]
pub struct Limits(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Held for some table lookups at a time, never across an await.
    ledger: Mutex<Ledger>,
    clock: Clock,
    saving: tokio::sync::Mutex<Saving>,
}

impl Limits {
    pub fn new(clock: Clock) -> Self {
        Self::of_at_most(limits::LIMIT_BUCKETS_MAX, clock)
    }

    fn of_at_most(buckets: usize, clock: Clock) -> Self {
        let ledger = Mutex::new(Ledger::of_at_most(buckets));
        Self(Arc::new(Shared { ledger, clock, saving: Default::default() }))
    }

    /// Could these send one more message now, to one more recipient than it has so far? At MAIL with
    /// none, at RCPT with those before.
    pub fn check(&self, who: &Spenders<'_>, recipients_so_far: u32) -> Result<(), Refusal> {
        let amount = Amount { messages: 1, recipients: recipients_so_far.saturating_add(1) };
        let asked = if recipients_so_far == 0 { Asked::Mail } else { Asked::MoreRecipients };
        told(self.ledger().check(who, amount, self.0.clock.now()), asked)
    }

    /// Takes so much from every limit of these, or nothing from any of them. Keep it once the message is
    /// ours; dropped before, it is given back.
    pub fn reserve(&self, who: &Spenders<'_>, amount: Amount) -> Result<Reservation, Refusal> {
        let taken = told(self.ledger().spend(who, amount, self.0.clock.now()), Asked::Mail)?;
        Ok(Reservation { limits: self.clone(), taken })
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        // A panic while it was held ended one connection; the numbers are whole after each step.
        self.0.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn told<T>(decided: Result<T, Refusal>, asked: Asked) -> Result<T, Refusal> {
    decided.inspect_err(|refusal| LimitReached { refusal, asked }.record())
}

/// What one message spends, until it is sure that we take it.
#[derive(Debug)]
#[must_use = "dropped, it is given back at once"]
pub struct Reservation {
    limits: Limits,
    taken: Vec<Taken>,
}

impl Reservation {
    /// The message is ours: it was spent.
    pub fn keep(mut self) {
        self.taken.clear();
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.taken.is_empty() {
            return;
        }
        let now = self.limits.0.clock.now();
        let mut ledger = self.limits.ledger();
        for taken in self.taken.drain(..) {
            ledger.refund(taken, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Time;
    use crate::model::credential::Credential;
    use crate::model::directory::{Entry, Source};
    use crate::model::domain::Domain;
    use crate::model::tenant::TenantLimits;
    use proptest::prelude::*;
    use std::time::Duration;

    /// A credential, its domain and its tenant, as a file would set them up.
    struct House {
        credential: Entry<Credential>,
        domain: Entry<Domain>,
        tenant: TenantLimits,
    }

    fn read<T: crate::base::settings::Value>(json: &str) -> T {
        crate::base::settings::read_json(json, &[]).unwrap_or_else(|findings| panic!("{json}: {findings:?}"))
    }

    fn entry<T>(value: T) -> Entry<T> {
        let tenant = crate::model::name::Name::default_tenant();
        Entry { source: Source::File, tenant, disabled_at: None, value }
    }

    impl House {
        fn new(credential: &str, domain: &str, tenant: &str) -> Self {
            let login = r#""username": "app@example.com", "password": "x", "domains": ["*"]"#;
            Self {
                credential: entry(read(&format!("{{{login}{credential}}}"))),
                domain: entry(read(&format!(r#"{{"name": "example.com"{domain}}}"#))),
                tenant: read(&format!(r#"{{"name": "acme"{tenant}}}"#)),
            }
        }

        fn spenders(&self) -> Spenders<'_> {
            let spenders = Spenders::default().with_credential(&self.credential).with_domain(&self.domain);
            spenders.with_tenant(Some(&self.tenant))
        }
    }

    fn clock() -> Clock {
        Clock::set(Time::from_micros(1_793_245_479_000_000))
    }

    fn one(recipients: u32) -> Amount {
        Amount { messages: 1, recipients }
    }

    fn over(refusal: Refusal) -> Over {
        match refusal {
            Refusal::Over(over) => over,
            Refusal::NoRoom => panic!("there is room"),
        }
    }

    #[test]
    fn each_scope_unit_and_window_has_its_own_bucket() {
        for (house, scope, unit, rate, fit) in [
            (House::new(r#", "limits": ["3/second"]"#, "", ""), Scope::Credential, Unit::Messages, "3/second", 3),
            (House::new("", r#", "limits": ["2/day", "9/minute"]"#, ""), Scope::Domain, Unit::Messages, "2/day", 2),
            (House::new("", "", r#", "recipient_limits": ["5/hour"]"#), Scope::Tenant, Unit::Recipients, "5/hour", 2),
            (
                House::new(r#", "recipient_limits": ["7/second", "4/minute"]"#, "", ""),
                Scope::Credential,
                Unit::Recipients,
                "4/minute",
                2,
            ),
        ] {
            let limits = Limits::new(clock());
            for n in 0..fit {
                assert_eq!(limits.check(&house.spenders(), 1), Ok(()), "{rate} {n}");
                limits.reserve(&house.spenders(), one(2)).unwrap().keep();
            }
            let over = over(limits.reserve(&house.spenders(), one(2)).unwrap_err());
            assert_eq!((over.scope, over.unit, over.rate.to_string().as_str()), (scope, unit, rate));
        }
    }

    #[test]
    fn a_check_spends_nothing_and_looks_one_ahead() {
        let house = House::new(r#", "limits": ["1/minute"], "recipient_limits": ["3/minute"]"#, "", "");
        let (clock, who) = (clock(), house.spenders());
        let limits = Limits::new(clock.clone());
        for so_far in [0, 0, 1, 2, 2] {
            assert_eq!(limits.check(&who, so_far), Ok(()));
        }
        let fourth = over(limits.check(&who, 3).unwrap_err());
        assert_eq!(
            (fourth.unit, fourth.closed),
            (Unit::Recipients, crate::base::gcra::Closed::TooMuch { empty: clock.now() })
        );
        limits.reserve(&who, one(3)).unwrap().keep();
        let next = over(limits.check(&who, 0).unwrap_err());
        assert_eq!((next.unit, next.opens()), (Unit::Messages, clock.now().plus(Duration::from_secs(60))));
        clock.advance(Duration::from_secs(60));
        assert_eq!(limits.check(&who, 0), Ok(()));
    }

    #[test]
    fn all_limits_spend_or_none_and_the_one_that_opens_last_is_told() {
        let house = House::new(
            r#", "limits": ["10/second", "2/minute"]"#,
            r#", "limits": ["4/hour"]"#,
            r#", "limits": ["100/day"], "recipient_limits": ["50/hour"]"#,
        );
        let clock = clock();
        let limits = Limits::new(clock.clone());
        for felt in ["2/minute", "4/hour"] {
            for _ in 0..2 {
                limits.reserve(&house.spenders(), one(1)).unwrap().keep();
            }
            assert_eq!(over(limits.reserve(&house.spenders(), one(1)).unwrap_err()).rate.to_string(), felt);
            clock.advance(Duration::from_secs(60));
        }
        // What the domain refused was not taken from the tenant: 4 messages are gone, and 96 are left.
        let tenant = Spenders::default().with_tenant(Some(&house.tenant));
        assert!(limits.check(&tenant, 0).is_ok());
        assert!(limits.reserve(&tenant, Amount { messages: 97, recipients: 1 }).is_err());
        assert!(limits.reserve(&tenant, Amount { messages: 96, recipients: 1 }).is_ok());
    }

    #[test]
    fn a_reservation_that_is_not_kept_is_given_back() {
        let house = House::new(r#", "limits": ["2/day"]"#, r#", "recipient_limits": ["9/hour"]"#, "");
        let limits = Limits::new(clock());
        limits.reserve(&house.spenders(), one(4)).unwrap().keep();
        for _ in 0..20 {
            drop(limits.reserve(&house.spenders(), one(5)).unwrap());
        }
        let last = limits.reserve(&house.spenders(), one(5)).unwrap();
        assert!(limits.check(&house.spenders(), 0).is_err());
        last.keep();
        assert!(limits.reserve(&house.spenders(), one(1)).is_err());
    }

    #[test]
    fn our_own_mail_and_the_unlimited_spend_nothing() {
        let limits = Limits::new(clock());
        let house = House::new("", "", "");
        for who in [Spenders::default(), house.spenders(), Spenders::default().with_tenant(None)] {
            limits.reserve(&who, Amount { messages: u32::MAX, recipients: u32::MAX }).unwrap().keep();
        }
        assert_eq!(limits.ledger().length(), 0);
    }

    #[test]
    fn a_changed_limit_starts_anew() {
        let (old, new) =
            (House::new(r#", "limits": ["1/day"]"#, "", ""), House::new(r#", "limits": ["2/day"]"#, "", ""));
        let limits = Limits::new(clock());
        limits.reserve(&old.spenders(), one(1)).unwrap().keep();
        assert!(limits.check(&old.spenders(), 0).is_err() && limits.check(&new.spenders(), 0).is_ok());
    }

    #[test]
    fn the_table_is_bounded_and_forgets_the_idle() {
        let clock = clock();
        let limits = Limits::of_at_most(4, clock.clone());
        let tenant =
            |n: usize| -> TenantLimits { read(&format!(r#"{{"name": "t{n}", "limits": ["5/second", "9/minute"]}}"#)) };
        let tenants: Vec<_> = (0..4).map(tenant).collect();
        let who = |n: usize| Spenders::default().with_tenant(Some(&tenants[n]));
        for n in [0, 1, 0, 1] {
            limits.reserve(&who(n), one(1)).unwrap().keep();
        }
        assert_eq!(limits.reserve(&who(2), one(1)).unwrap_err(), Refusal::NoRoom);
        assert!(limits.reserve(&who(1), one(1)).is_ok(), "who is there already stays");
        clock.advance(Duration::from_secs(60));
        limits.reserve(&who(2), one(1)).unwrap().keep();
        limits.reserve(&who(3), one(1)).unwrap().keep();
        assert_eq!(limits.ledger().length(), 4);
    }

    #[test]
    fn threads_together_spend_exactly_the_count() {
        let house = House::new(r#", "limits": ["500/day"]"#, r#", "limits": ["800/day"]"#, "");
        let limits = Limits::new(clock());
        let kept: usize = std::thread::scope(|scope| {
            let sending = || {
                (0..400).filter(|_| limits.reserve(&house.spenders(), one(1)).map(Reservation::keep).is_ok()).count()
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(sending)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(kept, 500);
    }

    #[test]
    fn the_names_of_saved_buckets_are_read_again() {
        for text in ["credential:messages:100/hour:app:with@colons", "tenant:recipients:4294967295/day:acme"] {
            assert_eq!(ledger::Key::parse(text).unwrap().to_string(), text);
        }
        for wrong in
            ["", "user:messages:1/day:x", "tenant:bytes:1/day:x", "tenant:messages:0/day:x", "tenant:messages:1/day"]
        {
            assert!(ledger::Key::parse(wrong).is_none(), "{wrong}");
        }
    }

    #[derive(Clone, Debug)]
    struct Act {
        pause_ms: u64,
        recipients: u32,
        keep: bool,
    }

    fn acts() -> impl Strategy<Value = Vec<Act>> {
        let pause = prop_oneof![Just(0_u64), 0..100_u64, 0..2_000_u64];
        let act = (pause, 1..5_u32, prop::bool::weighted(0.7));
        prop::collection::vec(act.prop_map(|(pause_ms, recipients, keep)| Act { pause_ms, recipients, keep }), 1..150)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Of what was kept, no window of any limit holds more than its burst and its count.
        #[test]
        fn several_windows_hold_at_once(acts in acts()) {
            let house = House::new(r#", "limits": ["3/second", "20/minute"]"#, r#", "recipient_limits": ["8/second", "60/minute"]"#, "");
            let clock = clock();
            let (limits, mut kept) = (Limits::new(clock.clone()), Vec::new());
            for act in acts {
                clock.advance(Duration::from_millis(act.pause_ms));
                if let Ok(reservation) = limits.reserve(&house.spenders(), one(act.recipients)) && act.keep {
                    reservation.keep();
                    kept.push((clock.now(), act.recipients));
                }
            }
            for (start, _) in &kept {
                for (seconds, messages, recipients) in [(1, 6, 16), (60, 40, 120)] {
                    let end = start.plus(Duration::from_secs(seconds));
                    let within: Vec<_> = kept.iter().filter(|(at, _)| at >= start && *at < end).collect();
                    prop_assert!(within.len() <= messages, "{} messages in {} s", within.len(), seconds);
                    prop_assert!(within.iter().map(|(_, n)| n).sum::<u32>() <= recipients);
                }
            }
        }
    }
}

use super::*;
use proptest::prelude::*;

const BOUNDS: Bounds =
    Bounds { rate_max: 10.0, rate_min: 0.1, connections_max: 20, recovery: Duration::from_secs(3_600) };
const SLOW: Action = Action::Slow(Duration::from_secs(60));

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn at(n: u64) -> Time {
    Time::default().plus(seconds(n))
}

#[test]
fn a_site_starts_at_its_ceiling_and_a_complaint_halves_it() {
    let mut pace = Pace::new(BOUNDS, at(0));
    assert_eq!((pace.rate(), pace.connections()), (10.0, 20));
    pace.on_reply(SLOW, "421 4.7.0 slow down", at(100));
    assert_eq!((pace.rate(), pace.connections()), (5.0, 10));
    assert_eq!(
        pace.snapshot(at(100)).to_string(),
        "5/s of 10/s, 10 of 20 connections, since 1970-01-01T00:01:40.000Z because 421 4.7.0 slow down"
    );
}

#[test]
fn one_bad_reply_in_thousands_halves_nothing() {
    let mut pace = Pace::new(BOUNDS, at(0));
    for n in 0..10_000 {
        match n % 1_000 {
            999 => pace.on_reply(SLOW, "451 4.7.0 try again", at(n)),
            _ => pace.on_success(at(n)),
        }
    }
    assert_eq!(pace.rate(), 10.0);
    // One in fifty is another matter.
    for n in 10_000..11_000 {
        match n % 50 {
            49 => pace.on_reply(SLOW, "451 4.7.0 try again", at(n)),
            _ => pace.on_success(at(n)),
        }
    }
    assert!(pace.rate() < 5.0, "{}", pace.rate());
}

#[test]
fn many_connections_that_hear_the_same_are_one_complaint() {
    let mut pace = Pace::new(BOUNDS, at(0));
    for _ in 0..20 {
        pace.on_reply(SLOW, "421 too many connections", at(10));
    }
    assert_eq!((pace.rate(), pace.connections()), (5.0, 10));
}

#[test]
fn a_suspension_doubles_when_it_did_not_help_and_is_forgotten_after_calm() {
    let suspend = Action::Suspend(seconds(1_800));
    let mut pace = Pace::new(BOUNDS, at(0));
    let (mut now, mut took) = (at(0), Vec::new());
    for _ in 0..8 {
        pace.on_reply(suspend, "TSS04", now);
        assert!(pace.is_suspended(now));
        let until = pace.next_slot(now);
        took.push(until.since(now).as_secs());
        now = until.plus(seconds(10));
        assert!(!pace.is_suspended(now));
    }
    assert_eq!(took, [1_800, 3_600, 7_200, 14_400, 28_800, 57_600, 86_400, 86_400]);
    now = now.plus(limits::SUSPENSION_MAX * 5);
    pace.on_reply(suspend, "TSS04", now);
    assert_eq!(pace.next_slot(now).since(now), seconds(1_800));
}

/// Trap 58: what was let in before a suspension is held back by it, and an operator's word ends it.
#[test]
fn while_suspended_nothing_begins_until_somebody_resumes() {
    let mut pace = Pace::new(BOUNDS, at(0));
    pace.suspend(at(500), "by hand", at(10));
    pace.suspend(at(300), "shorter", at(20));
    assert_eq!(pace.next_slot(at(20)), at(500));
    assert!(pace.snapshot(at(20)).to_string().ends_with("; suspended until 1970-01-01T00:08:20.000Z because by hand"));
    pace.resume(at(30));
    assert_eq!(pace.next_slot(at(30)), at(30));
    pace.suspend(at(20), "past", at(40));
    assert!(!pace.is_suspended(at(40)));
}

#[test]
fn an_operator_sets_the_rate_and_takes_it_back() {
    let mut pace = Pace::new(BOUNDS, at(0));
    pace.set_rate(2.0, at(0));
    pace.on_reply(SLOW, "421", at(5));
    assert_eq!(pace.rate(), 2.0);
    assert!(pace.snapshot(at(5)).to_string().contains("set by hand"));
    pace.set_rate(1_000.0, at(6));
    assert_eq!(pace.rate(), 10.0);
    pace.set_rate(f64::NAN, at(6));
    assert_eq!(pace.rate(), 10.0);
    // Below the floor of what a receiver can do: who says ten a day means it.
    pace.set_rate(10.0 / 86_400.0, at(6));
    pace.take(at(6));
    assert!(pace.next_slot(at(6)).since(at(6)) > seconds(8_000));
    pace.unset_rate(at(7));
    let snapshot = pace.snapshot(at(7));
    assert!(!snapshot.is_set && snapshot.slowed.is_some(), "what the receiver said holds on");
    assert_eq!(pace.rate(), 5.0);
    assert!(pace.next_slot(at(7)) <= at(8), "nobody waits for a slot of the old rate");
}

#[test]
fn what_was_not_used_is_not_saved_up() {
    let mut pace = Pace::new(BOUNDS, at(0));
    let now = at(1_000);
    let at_once = (0..100)
        .take_while(|_| {
            pace.next_slot(now) <= now && {
                pace.take(now);
                true
            }
        })
        .count();
    assert_eq!(at_once, 10);
    assert_eq!(pace.next_slot(now), now.plus(Duration::from_millis(100)));
    pace.refund(now);
    assert_eq!(pace.next_slot(now), now);
}

#[test]
fn a_long_reason_is_cut_between_letters() {
    let mut pace = Pace::new(BOUNDS, at(0));
    pace.on_reply(SLOW, &"\u{e9}".repeat(1_000), at(0));
    let (_, why) = pace.snapshot(at(0)).slowed.unwrap();
    assert!(why.len() <= limits::PACE_REASON_BYTES_MAX && why.chars().all(|c| c == '\u{e9}'));
}

#[derive(Clone, Debug)]
enum Act {
    Success,
    Slow(u64),
    Suspend(u64),
    Take,
    Refund,
    Set(f64),
    Resume,
    Unset,
    Wait(u64),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        8 => Just(Act::Success),
        3 => (0_u64..100_000).prop_map(Act::Slow),
        1 => (0_u64..100_000).prop_map(Act::Suspend),
        6 => Just(Act::Take),
        1 => Just(Act::Refund),
        1 => (-10.0..1e9_f64).prop_map(Act::Set),
        1 => Just(Act::Resume),
        1 => Just(Act::Unset),
        6 => (0_u64..5_000).prop_map(Act::Wait),
    ];
    proptest::collection::vec(act, 0..120)
}

fn bounds() -> impl Strategy<Value = Bounds> {
    (prop_oneof![Just(f64::NAN), 0.0..500.0_f64], prop_oneof![Just(-1.0), 0.0..500.0_f64], 0_u32..200, 0_u64..90_000)
        .prop_map(|(rate_max, rate_min, connections_max, recovery)| Bounds {
            rate_max,
            rate_min,
            connections_max,
            recovery: seconds(recovery),
        })
}

fn play(pace: &mut Pace, act: &Act, now: &mut Time) {
    match act {
        Act::Success => pace.on_success(*now),
        Act::Slow(hold) => pace.on_reply(Action::Slow(seconds(*hold)), "slow", *now),
        Act::Suspend(during) => pace.on_reply(Action::Suspend(seconds(*during)), "stop", *now),
        Act::Take => pace.take(*now),
        Act::Refund => pace.refund(*now),
        Act::Set(rate) => pace.set_rate(*rate, *now),
        Act::Resume => pace.resume(*now),
        Act::Unset => pace.unset_rate(*now),
        Act::Wait(wait) => *now = now.plus(seconds(*wait)),
    }
}

proptest! {
    #[test]
    fn never_below_the_floor_and_never_above_the_ceiling(bounds in bounds(), acts in acts()) {
        let mut now = at(1_000_000);
        let mut pace = Pace::new(bounds, now);
        let sane = bounds.sane();
        for act in &acts {
            play(&mut pace, act, &mut now);
            let least = if pace.snapshot(now).is_set { RATE_LEAST.min(sane.rate_min) } else { sane.rate_min };
            prop_assert!(pace.rate() >= least && pace.rate() <= sane.rate_max, "{}", pace.rate());
            prop_assert!((1..=sane.connections_max).contains(&pace.connections()));
            prop_assert!(pace.next_slot(now) >= now);
            prop_assert!(!pace.snapshot(now).to_string().is_empty());
        }
    }

    /// Whatever was said: after the longest hold and the recovery it goes at its ceiling again.
    #[test]
    fn it_recovers_within_its_time(bounds in bounds(), acts in acts()) {
        let mut now = at(1_000_000);
        let mut pace = Pace::new(bounds, now);
        for act in acts.iter().filter(|act| !matches!(act, Act::Set(_))) {
            play(&mut pace, act, &mut now);
        }
        let sane = bounds.sane();
        now = now.plus(limits::SUSPENSION_MAX + sane.recovery + seconds(1));
        pace.on_success(now);
        prop_assert_eq!((pace.rate(), pace.connections()), (sane.rate_max, sane.connections_max));
        prop_assert!(pace.snapshot(now).slowed.is_none() && !pace.is_suspended(now));
    }

    /// Who asks for a slot before each message never exceeds the rate by more than one second's worth.
    #[test]
    fn slots_keep_the_rate(rate in 0.01..200.0_f64, asks in proptest::collection::vec(0_u64..3_000_000, 1..200)) {
        let mut pace = Pace::new(Bounds { rate_max: rate, rate_min: 0.001, ..BOUNDS }, at(0));
        let (mut now, mut begun) = (at(0), 0_u32);
        for micros in asks {
            now = now.plus(Duration::from_micros(micros));
            while pace.next_slot(now) <= now {
                pace.take(now);
                begun += 1;
            }
        }
        let most = rate * now.since(at(0)).as_secs_f64() + rate.max(1.0) + 1.0;
        prop_assert!(f64::from(begun) <= most, "{begun} of {most}");
    }
}

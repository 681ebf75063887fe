//! Limits over a store: what was spent outlives a restart, a crash forgets only what was not saved yet,
//! and nodes that share a store share their limits. On both engines, with clocks set by hand.

use crate::stores::{Fresh, on_both};
use gatepost::base::clock::{Clock, Time};
use gatepost::base::random::Random;
use gatepost::base::settings::read_json;
use gatepost::model::tenant::TenantLimits;
use gatepost::policy::limits::{Amount, Limits, Refusal, Reservation, Spenders};
use gatepost::store::Store;
use gatepost::store::dialect::Engine;
use gatepost::store::open::Opening;
use std::time::Duration;

on_both! {
    what_was_spent_outlives_a_restart
    a_crash_forgets_only_what_was_not_saved
    what_is_refunded_after_it_was_saved_is_given_back_there_too
    what_two_nodes_spend_adds_up
    restarts_between_all_messages_change_nothing
    a_store_that_is_gone_costs_nothing_that_was_spent
    rows_that_cannot_be_believed_or_read_close_nothing
    many_limits_are_saved_and_loaded
    empty_limits_are_swept
}

const ONE: Amount = Amount { messages: 1, recipients: 1 };
const HOUR: Duration = Duration::from_secs(3_600);

fn tenant(name: &str, limits: &str) -> TenantLimits {
    let json = format!(r#"{{"name": "{name}", "limits": {limits}}}"#);
    read_json(&json, &[]).unwrap_or_else(|findings| panic!("{json}: {findings:?}"))
}

fn of(tenant: &TenantLimits) -> Spenders<'_> {
    Spenders::default().with_tenant(Some(tenant))
}

fn clock() -> Clock {
    Clock::set(Clock::System.now())
}

async fn open(fresh: &Fresh, clock: &Clock) -> Store {
    Store::open(Opening { clock: clock.clone(), ..fresh.opening() }).await.unwrap()
}

/// A node that just started.
async fn node(store: &Store, clock: &Clock) -> Limits {
    let limits = Limits::new(clock.clone());
    limits.load(store).await.unwrap();
    limits
}

/// Sends as many messages as it may; how many that were.
fn send_all(limits: &Limits, who: &TenantLimits) -> usize {
    (0..1_000).take_while(|_| limits.reserve(&of(who), ONE).map(Reservation::keep).is_ok()).count()
}

fn send(limits: &Limits, who: &TenantLimits, count: usize) {
    for n in 0..count {
        limits.reserve(&of(who), ONE).unwrap_or_else(|refusal| panic!("message {n}: {refusal:?}")).keep();
    }
}

fn opens(limits: &Limits, who: &TenantLimits) -> Option<Time> {
    limits.check(&of(who), 0).err().as_ref().and_then(Refusal::opens)
}

async fn what_was_spent_outlives_a_restart(fresh: &Fresh) {
    let (clock, acme) = (clock(), tenant("acme", r#"["3/hour", "9/second", "500/minute", "100/day"]"#));
    let store = open(fresh, &clock).await;
    let limits = node(&store, &clock).await;
    assert_eq!(send_all(&limits, &acme), 3);
    limits.save(&store).await;
    let before = opens(&limits, &acme);
    assert_eq!(before, Some(clock.now().plus(HOUR / 3)));
    store.close().await;
    // Only what lasts is saved: nobody restarts within a second.
    let buckets = fresh.texts("SELECT bucket FROM limits").await;
    assert_eq!(buckets, ["tenant:messages:3/hour:acme", "tenant:messages:100/day:acme"].map(String::from).into());

    clock.advance(HOUR / 6);
    let store = open(fresh, &clock).await;
    let limits = node(&store, &clock).await;
    assert_eq!(opens(&limits, &acme), before);
    clock.advance(HOUR / 6);
    assert_eq!(send_all(&limits, &acme), 1);
    assert_eq!(send_all(&limits, &tenant("rival", r#"["3/hour"]"#)), 3);
}

async fn a_crash_forgets_only_what_was_not_saved(fresh: &Fresh) {
    let (clock, acme) = (clock(), tenant("acme", r#"["10/day"]"#));
    let store = open(fresh, &clock).await;
    let limits = node(&store, &clock).await;
    send(&limits, &acme, 4);
    limits.save(&store).await;
    send(&limits, &acme, 2);
    drop(limits);
    assert_eq!(send_all(&node(&store, &clock).await, &acme), 6);
}

async fn what_is_refunded_after_it_was_saved_is_given_back_there_too(fresh: &Fresh) {
    let (clock, acme) = (clock(), tenant("acme", r#"["10/day"]"#));
    let store = open(fresh, &clock).await;
    let limits = node(&store, &clock).await;
    send(&limits, &acme, 3);
    let refused_later = limits.reserve(&of(&acme), Amount { messages: 5, recipients: 1 }).unwrap();
    limits.save(&store).await;
    assert_eq!(send_all(&node(&store, &clock).await, &acme), 2);
    drop(refused_later);
    limits.save(&store).await;
    assert_eq!(send_all(&node(&store, &clock).await, &acme), 7);
    // Given back before it was saved, it never shows there.
    drop(limits.reserve(&of(&acme), ONE).unwrap());
    fresh.sql("UPDATE limits SET updated_at = 0").await;
    limits.save(&store).await;
    assert_eq!(fresh.count("limits WHERE updated_at > 0").await, 0);
}

async fn what_two_nodes_spend_adds_up(fresh: &Fresh) {
    let (clock, acme) = (clock(), tenant("acme", r#"["10/hour"]"#));
    let store = open(fresh, &clock).await;
    let (one, two) = (node(&store, &clock).await, node(&store, &clock).await);
    send(&one, &acme, 4);
    send(&two, &acme, 3);
    one.save(&store).await;
    two.save(&store).await;
    assert_eq!(send_all(&node(&store, &clock).await, &acme), 3, "the third node knows of both");
    if !store.is_shared() {
        return;
    }
    // The second heard of the first when it saved; the first hears of the second with the next round.
    assert_eq!(send_all(&two, &acme), 3);
    two.save(&store).await;
    one.save(&store).await;
    assert_eq!(send_all(&one, &acme), 0);
    // Both spend what was free at once: the sum stands, and both wait for as long as it takes.
    clock.advance(HOUR);
    send(&one, &acme, 10);
    send(&two, &acme, 10);
    for node in [&one, &two, &one] {
        node.save(&store).await;
    }
    let free = clock.now().plus(HOUR + HOUR / 10);
    assert_eq!((opens(&one, &acme), opens(&two, &acme)), (Some(free), Some(free)));
}

/// A day of somebody who sends in bursts: each time the pause before, and how much.
fn bursts(seed: u64) -> Vec<(Duration, Amount, bool)> {
    let random = Random::seeded(seed);
    let pause = |kind| match kind {
        0 => 0,
        1 => random.below(60),
        _ => random.below(1_500),
    };
    let burst = |_| {
        let pause = Duration::from_secs(pause(random.below(3)));
        (pause, Amount { messages: 1 + random.below(3) as u32, recipients: 1 }, random.below(4) > 0)
    };
    (0..80).map(burst).collect()
}

async fn restarts_between_all_messages_change_nothing(fresh: &Fresh) {
    let (clock, acme) = (clock(), tenant("acme", r#"["7/hour", "40/day"]"#));
    let store = open(fresh, &clock).await;
    let steady = Limits::new(clock.clone());
    for (n, (pause, amount, keep)) in bursts(1).into_iter().enumerate() {
        clock.advance(pause);
        let restarted = node(&store, &clock).await;
        let (this, that) = (restarted.reserve(&of(&acme), amount), steady.reserve(&of(&acme), amount));
        assert_eq!(this.as_ref().err(), that.as_ref().err(), "burst {n}");
        if let (Ok(this), Ok(that), true) = (this, that, keep) {
            this.keep();
            that.keep();
        }
        restarted.save(&store).await;
    }
}

/// Only one node can use a file.
#[test]
fn nodes_in_step_spend_like_one() {
    crate::stores::run(Engine::Postgres, two_nodes_against_one);
}

/// When each knows what the other spent, two are as good as one.
async fn two_nodes_against_one(fresh: &Fresh) {
    let (clock, acme) = (clock(), tenant("acme", r#"["7/hour", "40/day"]"#));
    let store = open(fresh, &clock).await;
    let (steady, nodes) = (Limits::new(clock.clone()), [node(&store, &clock).await, node(&store, &clock).await]);
    for (n, (pause, amount, _)) in bursts(2).into_iter().enumerate() {
        clock.advance(pause);
        let this = nodes[n % 2].reserve(&of(&acme), amount).map(Reservation::keep);
        assert_eq!(this, steady.reserve(&of(&acme), amount).map(Reservation::keep), "burst {n}");
        for node in [&nodes[n % 2], &nodes[1 - n % 2]] {
            node.save(&store).await;
        }
    }
}

async fn a_store_that_is_gone_costs_nothing_that_was_spent(fresh: &Fresh) {
    let (clock, acme) = (clock(), tenant("acme", r#"["10/day"]"#));
    let store = open(fresh, &clock).await;
    let limits = node(&store, &clock).await;
    send(&limits, &acme, 4);
    store.close().await;
    limits.save(&store).await;
    send(&limits, &acme, 1);
    limits.save(&store).await;
    let store = open(fresh, &clock).await;
    assert_eq!(fresh.count("limits").await, 0);
    limits.save(&store).await;
    assert_eq!(send_all(&node(&store, &clock).await, &acme), 5);
}

async fn rows_that_cannot_be_believed_or_read_close_nothing(fresh: &Fresh) {
    let (clock, acme) = (clock(), tenant("acme", r#"["10/day"]"#));
    let store = open(fresh, &clock).await;
    let (now, years) = (clock.now().micros(), Duration::from_secs(10 * 365 * 86_400));
    let far = clock.now().plus(years).micros();
    fresh.sql(&format!("INSERT INTO limits VALUES ('tenant:messages:10/day:acme', {far}, {now})")).await;
    fresh.sql(&format!("INSERT INTO limits VALUES ('tenant:pigeons:1/moon:acme', {far}, {now})")).await;
    let limits = node(&store, &clock).await;
    send(&limits, &acme, 4);
    limits.save(&store).await;
    assert_eq!(send_all(&limits, &acme), 6);
    assert_eq!(send_all(&node(&store, &clock).await, &acme), 6, "the row was set right");
}

async fn many_limits_are_saved_and_loaded(fresh: &Fresh) {
    let (clock, count) = (clock(), 2_345);
    let tenants: Vec<_> = (0..count).map(|n| tenant(&format!("t{n}"), r#"["2/hour"]"#)).collect();
    let store = open(fresh, &clock).await;
    let limits = node(&store, &clock).await;
    for tenant in &tenants {
        send(&limits, tenant, 1);
    }
    limits.save(&store).await;
    assert_eq!(fresh.count("limits").await, count);
    let limits = node(&store, &clock).await;
    assert!(tenants.iter().all(|tenant| send_all(&limits, tenant) == 1));
}

async fn empty_limits_are_swept(fresh: &Fresh) {
    let (clock, hourly, daily) = (clock(), tenant("h", r#"["1/hour"]"#), tenant("d", r#"["1/day"]"#));
    let store = open(fresh, &clock).await;
    let limits = node(&store, &clock).await;
    send(&limits, &hourly, 1);
    send(&limits, &daily, 1);
    limits.save(&store).await;
    clock.advance(HOUR);
    assert_eq!(store.purge_limits().await, Ok(0), "another node's clock may be behind");
    clock.advance(HOUR + Duration::from_secs(1));
    assert_eq!(store.purge_limits().await, Ok(1));
    assert_eq!(fresh.texts("SELECT bucket FROM limits").await, ["tenant:messages:1/day:d".to_owned()].into());
}

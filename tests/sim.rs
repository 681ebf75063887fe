//! The queue against a nasty world: a seed makes mail, mail servers that refuse, stall, lie and vanish, and
//! crashes of ours at any moment. Time is the runtime's and runs ahead, so days of retries pass in a moment.
//! Then the promises are checked: nothing accepted is lost, what is settled is true, what came twice came in
//! the window in which it may.
//!
//! A failing seed prints itself and what was said on every connection. `GATEPOST_SEEDS=100..200` chooses.

#[path = "sim/fairness.rs"]
mod fairness;
#[path = "sim/judge.rs"]
mod judge;
#[path = "sim/remote.rs"]
mod remote;
#[path = "sim/world.rs"]
mod world;

use std::ops::Range;
use std::panic::AssertUnwindSafe;
use world::World;

/// Seeds of every test run; more with `make sim`.
const SEEDS: Range<u64> = 0..20;
const SEEDS_OF_LONG: Range<u64> = 0..10_000;
/// A long run says where it is.
const TOLD_EVERY: u64 = 500;

#[test]
fn no_promise_is_broken_in_a_nasty_world() {
    run(chosen(SEEDS));
}

#[test]
#[ignore = "minutes: make sim"]
fn sim_long() {
    run(chosen(SEEDS_OF_LONG));
}

fn chosen(usual: Range<u64>) -> Range<u64> {
    let Ok(text) = std::env::var("GATEPOST_SEEDS") else { return usual };
    let (from, to) = text.split_once("..").unwrap_or_else(|| panic!("GATEPOST_SEEDS is FROM..TO, not {text}"));
    let number = |text: &str| text.parse().unwrap_or_else(|why| panic!("GATEPOST_SEEDS {text:?}: {why}"));
    number(from)..number(to)
}

fn run(seeds: Range<u64>) {
    let mut sum = judge::Sum::default();
    for seed in seeds.clone() {
        let transcript = remote::Transcript::default();
        let run = AssertUnwindSafe(|| live(seed, &transcript));
        match std::panic::catch_unwind(run) {
            Ok(found) => {
                sum.add(&found);
                let lived = seed + 1 - seeds.start;
                if lived.is_multiple_of(TOLD_EVERY) {
                    println!("{lived} seeds so far: {sum}");
                }
            }
            Err(_) => {
                panic!("seed {seed} broke a promise; GATEPOST_SEEDS={seed}..{} repeats it\n{transcript}", seed + 1)
            }
        }
    }
    println!("{} seeds: {sum}", seeds.end - seeds.start);
}

fn live(seed: u64, transcript: &remote::Transcript) -> judge::Sum {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let found = runtime.block_on(async {
        let world = World::new(seed, transcript.clone()).await;
        world.live().await
    });
    runtime.shutdown_background();
    found
}

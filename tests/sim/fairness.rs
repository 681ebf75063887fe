//! Promise 7: what one tenant sends in masses, and who does not answer, costs nobody else his time.

use super::remote::{Mood, Transcript};
use super::world::World;
use gatepost::policy::limits::Limits;
use gatepost::submit::pipeline::Submission;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

const OTHERS: usize = 120;
const CALM: Mood = Mood { trouble: 0, delay: Duration::from_millis(50) };
const IN_MEMORY: usize = 300;

/// What waits beside the mail that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Beside {
    Nothing,
    /// So much of another tenant, to another destination.
    Mailing(u32),
    /// To hosts that answer nobody.
    Dead,
}

#[test]
fn a_mailing_to_one_destination_delays_no_other() {
    beside_a_mailing_of(1_000);
}

#[test]
#[ignore = "minutes: make sim"]
fn a_mailing_of_a_hundred_thousand_delays_no_other() {
    beside_a_mailing_of(100_000);
}

fn beside_a_mailing_of(mails: u32) {
    let (alone, beside) = (time_of_others(Beside::Nothing), time_of_others(Beside::Mailing(mails)));
    println!("{alone:?} alone, {beside:?} beside a mailing of {mails}");
    assert!(beside <= alone.mul_f64(1.1), "{alone:?} alone, {beside:?} beside a mailing of {mails}");
}

#[test]
fn a_destination_that_answers_nobody_delays_no_other() {
    let (alone, beside) = (time_of_others(Beside::Nothing), time_of_others(Beside::Dead));
    assert!(beside <= alone.mul_f64(1.1), "{alone:?} alone, {beside:?} beside a dead destination");
}

/// How long the mail of tenant two takes, in the runtime's time.
fn time_of_others(beside: Beside) -> Duration {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let took = runtime.block_on(async {
        let world = World::with_mood(7, CALM, Transcript::default()).await;
        let start = world.start_with(&busy_house(), IN_MEMORY).await;
        let submission = Arc::new(Submission::new(start.ledger.clone(), Limits::new(world.clock.clone())));
        let masses: Vec<_> = match beside {
            Beside::Nothing => Vec::new(),
            Beside::Mailing(mails) => (0..mails).map(|n| world.to("one", &format!("mass-{n}@d0.example"))).collect(),
            Beside::Dead => (0..600).map(|n| world.to("one", &format!("dead-{n}@d4.example"))).collect(),
        };
        let mut writers = JoinSet::new();
        for intake in masses {
            if writers.len() >= 64 {
                writers.join_next().await.unwrap().unwrap();
            }
            let submission = submission.clone();
            writers.spawn(async move { submission.accept(intake, 100).await.map(drop).unwrap() });
        }
        while let Some(done) = writers.join_next().await {
            done.unwrap();
        }
        let began = Instant::now();
        for n in 0..OTHERS {
            let (submission, intake) = (submission.clone(), world.to("two", &format!("other-{n}@d2.example")));
            writers.spawn(async move { submission.accept(intake, 100).await.map(drop).unwrap() });
        }
        let arrived = || world.record.all().iter().filter(|one| one.recipient.starts_with("other")).count();
        while arrived() < OTHERS {
            assert!(began.elapsed() < Duration::from_secs(3_600), "{} of the others came", arrived());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let took = began.elapsed();
        start.kill(writers).await;
        took
    });
    runtime.shutdown_background();
    took
}

fn busy_house() -> String {
    super::world::HOUSE.replace("connections = 12", "connections = 40").replace("expire = \"2d\"", "expire = \"5d\"")
}

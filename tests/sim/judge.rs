//! What must be true when a world has come to rest.

use super::world::{IN_MEMORY_MAX, Promised, Start, World};
use gatepost::mail::envelope::ReversePath;
use gatepost::model::delivery::{Delivery, State};
use gatepost::queue::details;
use std::collections::HashMap;

/// What was found over many worlds: a run that checks nothing shows it here.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum {
    pub promised: u64,
    pub delivered: u64,
    pub returned: u64,
    pub reports: u64,
    pub twice: u64,
    pub recovered: u64,
}

impl Sum {
    pub fn add(&mut self, other: &Self) {
        self.promised += other.promised;
        self.delivered += other.delivered;
        self.returned += other.returned;
        self.reports += other.reports;
        self.twice += other.twice;
        self.recovered += other.recovered;
    }
}

impl std::fmt::Display for Sum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { promised, delivered, returned, reports, twice, recovered } = self;
        write!(
            f,
            "{promised} recipients promised, {delivered} delivered, {returned} returned with {reports} reports, \
             {recovered} recovered from a crash, {twice} came twice"
        )
    }
}

/// Deliveries of what was promised that have no end yet.
pub async fn unfinished(start: &Start, promised: &[Promised]) -> usize {
    let mut unfinished = 0;
    for one in promised {
        let deliveries = start.store.deliveries_of(&one.message, "").await.unwrap();
        unfinished += deliveries.iter().filter(|delivery| !delivery.state.is_final()).count();
    }
    unfinished
}

pub async fn judge(world: &World, start: &Start) -> Sum {
    let mut sum = Sum::default();
    let taken = world.record.all();
    let mut by_recipient: HashMap<&str, (u64, u64)> = HashMap::new();
    for one in &taken {
        let (answered, silent) = by_recipient.entry(&one.recipient).or_default();
        *(if one.answered { answered } else { silent }) += 1;
    }
    let reports: Vec<String> = taken
        .iter()
        .filter(|one| one.recipient.starts_with("app@"))
        .map(|one| String::from_utf8_lossy(&one.message).into_owned())
        .collect();
    for promised in world.promised() {
        let message =
            start.store.message(&promised.message).await.unwrap().expect("a message that was promised is there");
        let deliveries = start.store.deliveries_of(&promised.message, "").await.unwrap();
        let events = start.store.events_of(&promised.message, "").await.unwrap();
        for recipient in &promised.recipients {
            sum.promised += 1;
            let delivery = deliveries.iter().find(|d| d.recipient.to_string() == *recipient);
            let delivery = delivery.unwrap_or_else(|| panic!("{recipient} was promised, and has no delivery"));
            let recovered = events
                .iter()
                .filter(|event| event.kind == "delivery.recovered" && event.delivery.as_ref() == Some(&delivery.id))
                .count() as u64;
            sum.recovered += recovered;
            let (answered, silent) = by_recipient.get(recipient.as_str()).copied().unwrap_or_default();
            check_end(recipient, delivery, (answered, silent), recovered, &mut sum);
            if matches!(delivery.state, State::Bounced | State::Failed) && message.sender != ReversePath::Null {
                let wished = details::wishes(&delivery.details).unwrap().notify;
                let told = reports.iter().filter(|report| report.contains(recipient.as_str())).count();
                match wished {
                    Some(gatepost::mail::envelope::Notify::Never) => {
                        assert_eq!(told, 0, "{recipient} wished for no report")
                    }
                    _ => assert!(told > 0, "the sender of {recipient} was never told: {:?}", delivery.reason),
                }
            }
        }
    }
    sum.reports = reports.len() as u64;
    let (in_memory, free) = start.ledger.ready.in_memory();
    assert_eq!((in_memory, free), (0, IN_MEMORY_MAX), "a place was lost");
    assert_eq!(start.ledger.ready.room.taken(), 0, "memory was lost");
    sum
}

/// What a remote took, what we say of it, and what may excuse a difference.
fn check_end(recipient: &str, delivery: &Delivery, (answered, silent): (u64, u64), recovered: u64, sum: &mut Sum) {
    let state = delivery.state;
    match state {
        State::Delivered => {
            sum.delivered += 1;
            assert!(answered > 0, "{recipient} counts as delivered, and nobody said that he took it");
        }
        State::Bounced | State::Failed => {
            sum.returned += 1;
            assert!(
                answered == 0 || recovered > 0,
                "{recipient} counts as {state:?}, and was taken: {:?}",
                delivery.reason
            );
        }
        other => panic!("{recipient} ended as {other:?}"),
    }
    let times = answered + silent;
    assert!(
        times <= 1 + silent + recovered,
        "{recipient} came {times} times, {silent} of them in silence, and was recovered {recovered} times"
    );
    sum.twice += u64::from(times > 1);
}

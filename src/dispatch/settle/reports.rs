//! Which ends are told to the sender, and the reports that tell several of them at once.

use super::super::Dispatch;
use super::rows::{Ending, Plan, Report, Verdict};
use super::{End as Tried, Known, Try};
use crate::base::clock::Time;
use crate::model::delivery::{Delivery, State};
use crate::model::outcome::Why;
use crate::queue::bounce::{self, Around, End, Ended};
use crate::store::queue;

/// A delivery whose sender is told of it.
pub(super) struct About {
    delivery: Delivery,
    known: Known,
    kind: Kind,
    host: Option<String>,
    at: Time,
    ending: Ending,
}

/// What is written of a delivery, before it is known whether somebody is told.
pub(super) struct Sorted<'a> {
    pub delivery: Delivery,
    pub known: Option<Known>,
    pub verdict: &'a Verdict,
    pub end: &'a Tried,
    pub ending: Ending,
}

enum Kind {
    Failed(Why),
    Delayed(Why),
    Delivered,
    Relayed,
}

impl About {
    /// Told in one report: the same of the same message.
    fn goes_with(&self, other: &Self) -> bool {
        let is_success = |kind: &Kind| matches!(kind, Kind::Delivered | Kind::Relayed);
        let is_alike = match (&self.kind, &other.kind) {
            (Kind::Failed(_), Kind::Failed(_)) | (Kind::Delayed(_), Kind::Delayed(_)) => true,
            (one, two) => is_success(one) && is_success(two),
        };
        is_alike && self.delivery.message == other.delivery.message
    }

    fn ended(&self) -> Ended<'_> {
        let end = match &self.kind {
            Kind::Failed(why) => End::Failed(why),
            Kind::Delayed(why) => End::Delayed(why),
            Kind::Delivered => End::Delivered,
            Kind::Relayed => End::Relayed,
        };
        Ended { delivery: &self.delivery, end, host: self.host.as_deref(), at: self.at }
    }
}

impl Dispatch {
    /// The rows and the place of a settled delivery go into the plan, or to those of whom a sender is told.
    pub(super) fn sort(&self, settled: Sorted<'_>, plan: &mut Plan, reported: &mut Vec<About>) {
        let Sorted { delivery, known, verdict, end, mut ending } = settled;
        let now = self.now();
        let (Some(known), Some(kind)) = (known, self.kind(&delivery, verdict, end, now)) else {
            return plan.endings.push(ending);
        };
        let told = match end {
            Tried::Tried(_, told) => Some(&**told),
            Tried::Untried(_) | Tried::Suppressed(_) | Tried::PutOff(..) | Tried::Unread(..) | Tried::GivenBack => None,
        };
        let host = told.and_then(|told| told.host.clone());
        let at = told.map_or(now, |told: &Try| told.started_at);
        if matches!(kind, Kind::Delayed(_)) {
            ending.change = ending.change.with(queue::warned(&delivery.id, now));
        }
        let about = About { delivery, known, kind, host, at, ending };
        let directory = self.ledger.directory.load();
        if bounce::is_wanted(about.known.message(), &about.delivery, &about.ended().end, &directory) {
            reported.push(about);
        } else {
            plan.endings.push(about.ending);
        }
    }

    fn kind(&self, delivery: &Delivery, verdict: &Verdict, end: &Tried, now: Time) -> Option<Kind> {
        let relays = || matches!(end, Tried::Tried(_, told) if told.tells_success);
        match (verdict.state, &verdict.why) {
            (State::Bounced | State::Failed, Some(why)) => Some(Kind::Failed(why.clone())),
            (State::Deferred, Some(why)) if self.is_late(delivery, now) => Some(Kind::Delayed(why.clone())),
            (State::Sent | State::Delivered, _) if delivery.is_away() => (!relays()).then_some(Kind::Relayed),
            (State::Delivered, _) => Some(Kind::Delivered),
            _ => None,
        }
    }

    /// Has it waited so long that its sender may wonder, and was not told yet?
    fn is_late(&self, delivery: &Delivery, now: Time) -> bool {
        let after = self.settings().delay_report;
        delivery.warned_at.is_none() && !after.is_zero() && now.since(delivery.created_at) >= after
    }

    /// One report for all deliveries of a message that ended together.
    pub(super) fn group_reports(&self, abouts: Vec<About>, plan: &mut Plan) {
        let mut groups: Vec<Vec<About>> = Vec::new();
        for about in abouts {
            let goes_with = |group: &&mut Vec<About>| group[0].goes_with(&about);
            match groups.iter_mut().find(goes_with) {
                Some(group) => group.push(about),
                None => groups.push(vec![about]),
            }
        }
        let directory = self.ledger.directory.load_full();
        let around = Around {
            directory: &directory,
            hostname: &self.around.hello,
            random: &self.ledger.random,
            now: self.now(),
        };
        for group in groups {
            let ended: Vec<_> = group.iter().map(|about| about.ended()).collect();
            let known = &group[0].known;
            let report = bounce::report(known.message(), known.body(), &ended, &around);
            let endings = group.into_iter().map(|about| about.ending);
            match report {
                Some(report) => plan.reports.push(Report { report, endings: endings.collect() }),
                None => plan.endings.extend(endings),
            }
        }
    }
}

//! Which ends are told to the sender, and the reports that tell several of them at once.

use super::super::Dispatch;
use super::rows::{Plan, Report, Verdict};
use super::{End as Tried, Try};
use crate::base::clock::Time;
use crate::model::delivery::{Delivery, State};
use crate::model::outcome::Why;
use crate::queue::bounce::{self, Around, End, Ended};
use crate::queue::ready::{Mail, Place};
use crate::store::{Change, queue};
use std::sync::Arc;

/// A delivery whose sender is told of it.
pub(super) struct About {
    delivery: Delivery,
    mail: Arc<Mail>,
    kind: Kind,
    host: Option<String>,
    at: Time,
    change: Change,
    place: Option<Place>,
}

/// What is written of a delivery, before it is known whether somebody is told.
pub(super) struct Sorted<'a> {
    pub delivery: Delivery,
    pub mail: Option<Arc<Mail>>,
    pub verdict: &'a Verdict,
    pub end: &'a Tried,
    pub change: Change,
    pub place: Option<Place>,
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
        is_alike && Arc::ptr_eq(&self.mail, &other.mail)
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
        let Sorted { delivery, mail, verdict, end, mut change, place } = settled;
        let now = self.now();
        let (Some(mail), Some(kind)) = (mail, self.kind(&delivery, verdict, end, now)) else {
            return plan.add(change, place);
        };
        let told = match end {
            Tried::Tried(_, told) => Some(&**told),
            Tried::Untried(_) | Tried::Suppressed(_) | Tried::PutOff(..) | Tried::GivenBack => None,
        };
        let host = told.and_then(|told| told.host.clone());
        let at = told.map_or(now, |told: &Try| told.started_at);
        if matches!(kind, Kind::Delayed(_)) {
            change = change.with(queue::warned(&delivery.id, now));
        }
        let about = About { delivery, mail, kind, host, at, change, place };
        let directory = self.ledger.directory.load();
        if bounce::is_wanted(&about.mail.message, &about.delivery, &about.ended().end, &directory) {
            reported.push(about);
        } else {
            plan.add(about.change, about.place);
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
            let mail = group[0].mail.clone();
            let report = bounce::report(&mail.message, &mail.prepared, &ended, &around);
            let (mut change, mut places) = (Change::default(), Vec::with_capacity(group.len()));
            for about in group {
                let About { change: rows, place, .. } = about;
                change = change.and(rows);
                places.extend(place);
            }
            match report {
                Some(report) => plan.reports.push(Report { report, change, places }),
                None => plan.add_all(change, places),
            }
        }
    }
}

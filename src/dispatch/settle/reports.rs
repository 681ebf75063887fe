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
    /// Gives back rows and place of a delivery of which nobody wants to hear.
    pub(super) fn about(
        &self,
        delivery: Delivery,
        mail: Option<Arc<Mail>>,
        verdict: &Verdict,
        end: &Tried,
        (mut change, place): (Change, Option<Place>),
    ) -> Result<Box<About>, (Change, Option<Place>)> {
        let now = self.now();
        let (Some(mail), Some(kind)) = (mail, self.kind(&delivery, verdict, end, now)) else { return Err((change, place)) };
        let told = match end {
            Tried::Tried(_, told) => Some(&**told),
            Tried::Untried(_) | Tried::PutOff(..) | Tried::GivenBack => None,
        };
        let host = told.and_then(|told| told.host.clone());
        let is_delay = matches!(kind, Kind::Delayed(_));
        let at = told.map_or(now, |told: &Try| told.started_at);
        if is_delay {
            change = change.with(queue::warned(&delivery.id, now));
        }
        let about = About { delivery, mail, kind, host, at, change, place };
        let directory = self.ledger.directory.load();
        match bounce::is_wanted(&about.mail.message, &about.delivery, &about.ended().end, &directory) {
            true => Ok(Box::new(about)),
            false => Err((about.change, about.place)),
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
    pub(super) fn group_reports(&self, abouts: Vec<Box<About>>, plan: &mut Plan) {
        let mut groups: Vec<Vec<Box<About>>> = Vec::new();
        for about in abouts {
            let goes_with = |group: &&mut Vec<Box<About>>| group[0].goes_with(&about);
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
                let About { change: rows, place, .. } = *about;
                change = change.and(rows);
                places.extend(place);
            }
            match report {
                Some(report) => plan.reports.push(Report { report, change, places }),
                None => {
                    plan.change = std::mem::take(&mut plan.change).and(change);
                    plan.places.append(&mut places);
                }
            }
        }
    }
}

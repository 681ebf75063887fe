//! From a course to its site: the way is looked up once, its site found by what connections are shared by, and
//! whatever waited for it goes onto the site's lane.

use super::Dispatch;
use super::lookup::{Lookup, Routed, Terms};
use super::settle::{End, Settled, Try};
use super::site::{Away, Kind, Site};
use crate::base::clock::Time;
use crate::base::limits;
use crate::base::shutdown::Phase;
use crate::model::delivery::State;
use crate::model::outcome::{Outcome, Why};
use crate::queue::course::{Course, End as Goal};
use crate::queue::ready::Item;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// Looks up what is not routed yet, side by side, until the daemon drains.
pub(super) async fn look_up(dispatch: Arc<Dispatch>) {
    let mut asking = JoinSet::new();
    loop {
        tokio::select! {
            () = dispatch.shutdown.reached(Phase::Draining) => return,
            () = dispatch.ledger.ready.unrouted.rung() => {
                for course in dispatch.ledger.ready.take_unrouted() {
                    asking.spawn(dispatch.clone().route(course));
                }
            }
            Some(_) = asking.join_next() => {}
        }
    }
}

impl Dispatch {
    async fn route(self: Arc<Self>, course: Course) {
        let local = match &course.end {
            Goal::Mailbox(..) | Goal::Store => Some(("desk", Kind::Desk)),
            Goal::Sandbox => Some(("sandbox", Kind::Sandbox)),
            Goal::Mx(_) | Goal::Relay(..) => None,
        };
        let now = self.now();
        if let Some((key, kind)) = local {
            let site = self.sites.get_or_make(key, now, || {
                Site::new(key.to_owned(), kind, &self.ledger.ready.calls, Terms::local(), now)
            });
            return self.lead(&course, &site, limits::ROUTE_KEPT_MAX);
        }
        // Invariant: the semaphore is never closed.
        let Ok(_turn) = self.lookups.acquire().await else { return };
        match self.find(&course).await {
            Ok(routed) => {
                let key = routed.way.key();
                let good_for = routed.good_for.clamp(limits::ROUTE_KEPT_MIN, limits::ROUTE_KEPT_MAX);
                let site = self.sites.get_or_make(&key, now, || {
                    let kind = Kind::Away(Away { way: routed.way, takes: routed.takes });
                    let calls = &self.ledger.ready.calls;
                    Site::new(routed.name, kind, calls, routed.terms, now)
                });
                self.lead(&course, &site, good_for);
            }
            Err(why) => {
                let began = now;
                let settled =
                    self.ledger.ready.give_up(&course).into_iter().map(|item| lost(item, &why, began, self.now()));
                self.settler.settle(settled.collect()).await;
            }
        }
    }

    fn lead(&self, course: &Course, site: &Arc<Site>, good_for: Duration) {
        let destination = course.destination();
        site.serves(&destination, self.orders.is_known(&destination));
        self.set_pace(site);
        self.ledger.ready.route(course, &site.lane, self.now().plus(good_for));
    }

    async fn find(&self, course: &Course) -> Result<Routed, Why> {
        let (directory, settings) = (self.ledger.directory.load_full(), self.ledger.settings.load_full());
        let lookup = Lookup { directory: &directory, settings: &settings, finder: &self.finder };
        let looked = lookup.look(course).await;
        if let Goal::Mx(domain) = &course.end {
            self.keep(domain, &looked.trail).await;
        }
        looked.routed
    }
}

/// A try that ended before there was anybody to ask.
fn lost(item: Item, why: &Why, began: Time, now: Time) -> Settled {
    let outcome = match why.status.class() {
        5 => Outcome::Never(why.clone()),
        _ => Outcome::Later(why.clone()),
    };
    let told = Try { took: now.since(began), ..Try::begun(began, State::Delivered) };
    Settled::new(item, End::Tried(outcome, Box::new(told)))
}

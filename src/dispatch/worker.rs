//! A worker: one connection to a site, and the loop that uses it. It takes what is next, tries it, hands on what
//! came of it, and leaves when nothing came for a while.

use super::Dispatch;
use super::happenings::TriesBroken;
use super::settle::{End, Known, Settled};
use super::site::{Hired, Kind, Site, Turn};
use crate::base::clock::Time;
use crate::base::limits;
use crate::base::observe::Happening;
use crate::base::shutdown::Phase;
use crate::deliver::session::Session;
use crate::mail::status::Status;
use crate::model;
use crate::model::delivery::Delivery;
use crate::model::outcome::category::BROKEN;
use crate::model::outcome::{Blame, Why};
use crate::queue::ready::{Item, Mail};
use futures_util::FutureExt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;

pub(super) struct Worker {
    pub dispatch: Arc<Dispatch>,
    pub site: Arc<Site>,
    pub session: Option<Session>,
    hired: Hired,
    _connection: OwnedSemaphorePermit,
}

impl Worker {
    pub fn new(dispatch: Arc<Dispatch>, hired: Hired, connection: OwnedSemaphorePermit) -> Self {
        Self { dispatch, site: hired.site().clone(), session: None, hired, _connection: connection }
    }

    pub async fn run(mut self) {
        while let Some(items) = self.next().await {
            self.work(items).await;
        }
        if let Some(session) = self.session.take() {
            session.quit().await;
        }
    }

    /// What is next for this worker; none when it is time to go.
    async fn next(&mut self) -> Option<Vec<Item>> {
        let mut rested = false;
        loop {
            if self.dispatch.is_draining() || self.site.is_crowded() || self.site.lane.is_closed() {
                return None;
            }
            let now = self.dispatch.now();
            match self.site.turn(now) {
                Turn::Suspended => return None,
                Turn::At(slot) => self.wait_for_turn(slot.since(now)).await,
                Turn::Now => {
                    let items = self.site.lane.try_take(self.site.recipients_max());
                    self.hired.has_begun();
                    if !items.is_empty() {
                        return Some(items);
                    }
                    self.site.give_back_turn(now);
                    if rested {
                        return None;
                    }
                    rested = !self.rest().await;
                }
            }
        }
    }

    /// Waits for something to do; false when nothing came in the time that a connection is kept.
    async fn rest(&mut self) -> bool {
        let idle = self.dispatch.settings().idle;
        let began = tokio::time::Instant::now();
        tokio::select! {
            () = self.site.lane.rest(idle) => began.elapsed() < idle,
            () = self.dispatch.shutdown.reached(Phase::Draining) => false,
        }
    }

    /// A slow pace does not hold a connection open for nothing.
    async fn wait_for_turn(&mut self, wait: Duration) {
        if wait > self.dispatch.settings().idle
            && let Some(session) = self.session.take()
        {
            session.quit().await;
        }
        tokio::select! {
            () = tokio::time::sleep(wait.min(limits::TURN_LOOK_EVERY)) => {}
            () = self.dispatch.shutdown.reached(Phase::Draining) => {}
        }
    }

    async fn work(&mut self, items: Vec<Item>) {
        let (items, over) = self.dispatch.check(items).await;
        self.dispatch.settler.settle(over).await;
        for (n, part) in self.dispatch.parted(items).into_iter().enumerate() {
            if n == 0 || self.has_turn().await {
                self.work_on(part).await;
                self.retire_session().await;
            } else {
                let back = part.into_iter().map(|item| Settled::new(item, End::GivenBack));
                self.dispatch.settler.settle(back.collect()).await;
            }
        }
    }

    /// Each transaction is a turn of the site's pace; false when there is none any more.
    async fn has_turn(&mut self) -> bool {
        loop {
            let now = self.dispatch.now();
            match self.site.turn(now) {
                _ if self.dispatch.is_draining() => return false,
                Turn::Suspended => return false,
                Turn::At(slot) => self.wait_for_turn(slot.since(now)).await,
                Turn::Now => return true,
            }
        }
    }

    async fn work_on(&mut self, items: Vec<Item>) {
        let held: Vec<_> = items.iter().map(|item| (item.delivery.clone(), item.mail.clone())).collect();
        let tried = AssertUnwindSafe(self.try_them(items)).catch_unwind().await;
        let settled = tried.unwrap_or_else(|_| {
            // A mistake of ours costs this connection and some time, and never a mail.
            self.session = None;
            broken(held, self.dispatch.now())
        });
        self.dispatch.settler.settle(settled).await;
    }

    async fn try_them(&mut self, items: Vec<Item>) -> Vec<Settled> {
        match &self.site.kind {
            Kind::Away(_) => self.attempt(items).await,
            Kind::Desk => self.dispatch.file(items),
            Kind::Sandbox => self.dispatch.capture(items).await,
        }
    }

    /// A connection is used so often and so long, and then made anew: behind a balancer may be better hosts.
    async fn retire_session(&mut self) {
        let settings = self.dispatch.settings();
        let is_over = |session: &Session| {
            session.transactions() >= settings.connection_messages
                || session.opened_at().elapsed() >= settings.connection_age
                || settings.idle.is_zero()
        };
        if self.session.as_ref().is_some_and(is_over)
            && let Some(session) = self.session.take()
        {
            session.quit().await;
        }
    }
}

/// Deliveries whose try ended in a panic. What they said is in the log.
fn broken(held: Vec<(Delivery, Arc<Mail>)>, now: Time) -> Vec<Settled> {
    TriesBroken { deliveries: held.len() }.record();
    let put_off = |(delivery, mail)| {
        let why = Why {
            blame: Blame::Us,
            kind: model::outcome::Kind::Soft,
            category: BROKEN.to_owned(),
            status: Status::new(4, 3, 0),
            code: None,
            text: "a fault of this server broke the try; see its log".to_owned(),
        };
        let end = End::PutOff(now.plus(limits::BROKEN_PAUSE), why);
        Settled { delivery, known: Some(Known::Whole(mail)), end, place: None }
    };
    held.into_iter().map(put_off).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::budget::Budget;
    use crate::base::id;
    use crate::base::random::Random;
    use crate::mail::envelope::{MailParams, ReversePath};
    use crate::model::delivery::State;
    use crate::model::message::{Message, Origin};

    /// Should its time be over with this try, its sender hears of it: so its message goes with it.
    #[test]
    fn a_broken_try_keeps_its_message_for_the_report() {
        let (now, random) = (Time::from_micros(1_795_262_400_000_000), Random::seeded(1));
        let message = Message {
            id: id::new(now, &random),
            tenant: id::new(now, &random),
            origin: Origin::Submitted,
            submitter: None,
            peer: None,
            sender: ReversePath::Null,
            from_domain: "example.com".parse().unwrap(),
            subject: String::new(),
            header_id: String::new(),
            stream: "transactional".into(),
            size: 1,
            sandboxed_at: None,
            template: None,
            details: "{}".into(),
            created_at: now,
        };
        let delivery = Delivery {
            id: id::new(now, &random),
            message: message.id.clone(),
            tenant: message.tenant.clone(),
            recipient: "bob@example.net".parse().unwrap(),
            destination: "mx:example.net".into(),
            stream: "transactional".into(),
            state: State::Leased,
            reason: None,
            attempts: 1,
            due_at: now,
            expires_at: now,
            lease: None,
            wanted: None,
            warned_at: None,
            details: "{}".into(),
            created_at: now,
        };
        let room = Budget::new(1, "test").share();
        let mail = Arc::new(Mail::new(message, MailParams::default(), Arc::new(Vec::new()), room));
        let settled = broken(vec![(delivery, mail.clone())], now);
        assert!(matches!(&settled[..], [Settled { known: Some(Known::Whole(kept)), .. }] if Arc::ptr_eq(kept, &mail)));
    }
}

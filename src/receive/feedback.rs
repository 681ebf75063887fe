//! What comes back to a return path of ours: reports on mail that left, and what is none. Nobody is answered, no
//! route is read and no ticket is made of it: the report is read, what it changes is committed, and whoever sent the
//! message hears of it as he would from our own queue.

mod meaning;

use super::happenings::{CameBack, What};
use super::pipeline::Reception;
use crate::base::clock::Time;
use crate::base::id;
use crate::base::limits;
use crate::base::observe::Happening;
use crate::mail::dsn::Action;
use crate::mail::dsn::read::{self, About, Reported};
use crate::model::delivery::Delivery;
use crate::model::event::Event;
use crate::model::intake::Intake;
use crate::model::message::{Form, Message};
use crate::model::outcome::Why;
use crate::policy::return_path::Returned;
use crate::queue::bounce::{self, Around, End, Ended};
use crate::queue::late_bounce::{self, Late, REPORTED, Stage};
use crate::queue::ledger::refusal;
use crate::smtp::reply::Reply;
use crate::store::{Change, StoreError, queue};

const NOT_READ: Reply = Reply::new(451, 3, 0, "the report cannot be taken in now, try again later");
const TOO_EARLY: Reply = Reply::new(451, 3, 0, "what this is about is still being sent, try again later");

/// One delivery, and what a report says of it.
struct Said<'a> {
    delivery: &'a Delivery,
    about: &'a About,
    why: Why,
}

impl Reception {
    /// Takes in a message to a return path. Ok is on disk, or nothing that anybody would miss.
    pub(super) async fn take_back(&self, intake: &Intake, returned: &Returned) -> Result<(), Reply> {
        let found = self.look_up(returned).await.map_err(unreadable)?;
        let Some((message, deliveries)) = found else {
            CameBack { message: None, what: What::Nothing, deliveries: 0 }.record();
            return Ok(());
        };
        match read::read(&intake.message) {
            Some(reported) => self.heed(intake, returned, &message, &deliveries, &reported).await,
            None => self.keep_words(intake, returned, &message).await,
        }
    }

    /// What a token names: the message, and its deliveries that may be meant. None when they are gone.
    async fn look_up(&self, returned: &Returned) -> Result<Option<(Message, Vec<Delivery>)>, StoreError> {
        let store = &self.ledger.store;
        let (message, deliveries) = match returned {
            Returned::Delivery(id) => match store.entry(id).await? {
                Some(entry) => (entry.delivery.message.clone(), vec![entry.delivery]),
                None => return Ok(None),
            },
            Returned::Message(id) => {
                let mut deliveries: Vec<Delivery> = Vec::new();
                loop {
                    let after = deliveries.last().map(|last| last.id.to_string()).unwrap_or_default();
                    let page = store.deliveries_of(id, &after).await?;
                    let is_last = (page.len() as i64) < limits::PAGE_ROWS_MAX;
                    deliveries.extend(page);
                    if is_last || deliveries.len() >= limits::RECIPIENTS_MAX as usize {
                        break (id.clone(), deliveries);
                    }
                }
            }
        };
        Ok(store.message(&message).await?.map(|message| (message, deliveries)))
    }

    /// Does what a report says, all of it in one commit.
    async fn heed(
        &self,
        intake: &Intake,
        returned: &Returned,
        message: &Message,
        deliveries: &[Delivery],
        reported: &Reported,
    ) -> Result<(), Reply> {
        let now = self.ledger.clock.now();
        let said = self.said(returned, deliveries, reported);
        let events = match said.iter().all(|said| said.about.action == Action::Failed) {
            true => Vec::new(),
            false => self.ledger.store.newest_events_of(&message.id).await.map_err(unreadable)?,
        };
        let (mut change, mut told, mut what) = (Change::default(), Vec::new(), What::Known);
        for said in &said {
            let (rows, end) = match (said.about.action, late_bounce::stage(said.delivery)) {
                (Action::Failed, Stage::Open) => return Err(TOO_EARLY),
                (Action::Failed, Stage::Taken) => (self.bounced(message, said, now), End::Failed(&said.why)),
                (Action::Failed, Stage::Told) => continue,
                (action, stage) => match self.other_news(said, stage, &events, now) {
                    Some((rows, _)) if action == Action::Delayed => (rows, End::Delayed(&said.why)),
                    Some((rows, end)) => (rows, end),
                    None => continue,
                },
            };
            change = change.and(rows);
            what = if said.about.action == Action::Failed { What::Bounce } else { what.max_report() };
            let host = said.about.remote.as_deref().or(reported.by.as_deref());
            told.push(Ended { delivery: said.delivery, end, host, at: now });
        }
        let count = told.len();
        if count > 0 {
            self.commit(intake, message, &told, change, now).await?;
        }
        CameBack { message: Some(&message.id), what, deliveries: count }.record();
        Ok(())
    }

    /// Which delivery each recipient of the report is, once each.
    fn said<'a>(&self, returned: &Returned, deliveries: &'a [Delivery], reported: &'a Reported) -> Vec<Said<'a>> {
        let mut said: Vec<Said<'a>> = Vec::new();
        // A failure says more than what was said before it.
        let mut all: Vec<&About> = reported.recipients.iter().collect();
        all.sort_by_key(|about| about.action != Action::Failed);
        for about in all {
            let host = about.remote.as_deref().or(reported.by.as_deref()).unwrap_or_default();
            for delivery in meaning::meant(returned, deliveries, about) {
                if said.iter().all(|known| known.delivery.id != delivery.id) {
                    said.push(Said { delivery, about, why: meaning::why(&self.replies.load(), about, host) });
                }
            }
        }
        said
    }

    fn bounced(&self, message: &Message, said: &Said<'_>, now: Time) -> Change {
        let late = Late {
            message,
            delivery: said.delivery,
            why: &said.why,
            remote: said.about.remote.as_deref(),
            names_recipient: meaning::names(said.about, &said.delivery.recipient),
        };
        late_bounce::rows(&late, now, &self.ledger.random)
    }

    /// A delay, or a success that its sender wished to hear of: told once.
    fn other_news(&self, said: &Said<'_>, stage: Stage, events: &[Event], now: Time) -> Option<(Change, End<'static>)> {
        let (delivery, action) = (said.delivery, said.about.action);
        let word = format!("\"action\":\"{}\"", action.word());
        let is_same = |event: &Event| event.kind == REPORTED && event.delivery.as_ref() == Some(&delivery.id);
        if stage != Stage::Taken || events.iter().any(|event| is_same(event) && event.data.contains(&word)) {
            return None;
        }
        let diagnostic = said.about.diagnostic.as_deref();
        let event = late_bounce::reported(delivery, action.word(), diagnostic, now, &self.ledger.random);
        let change = Change { events: vec![event], ..Change::default() };
        match action {
            // Its sender may have heard of a delay from us, before the server took it.
            Action::Delayed if delivery.warned_at.is_some() => None,
            Action::Delayed => Some((change.with(queue::warned_once(&delivery.id, now)), End::Delivered)),
            Action::Delivered => Some((change, End::Delivered)),
            Action::Relayed | Action::Expanded => Some((change, End::Relayed)),
            Action::Failed => None,
        }
    }

    /// The rows, and the report to whoever sent the message if he is to have one.
    async fn commit(
        &self,
        intake: &Intake,
        message: &Message,
        told: &[Ended<'_>],
        change: Change,
        now: Time,
    ) -> Result<(), Reply> {
        let directory = self.ledger.directory.load_full();
        let around = Around { directory: &directory, hostname: &intake.hop.by, random: &self.ledger.random, now };
        let is_wanted = |one: &Ended<'_>| bounce::is_wanted(message, one.delivery, &one.end, &directory);
        let body = match told.iter().any(is_wanted) {
            false => None,
            true => self.ledger.store.body(&message.id, Form::Prepared).await.map_err(unreadable)?,
        };
        // What was purged is told of without its text.
        match bounce::report(message, body.as_deref(), told, &around) {
            Some(report) => self.outward.report(&report, change).await.map(|_| ()),
            None => self.ledger.store.write(change).await.map(|_| ()),
        }
        .map_err(|error| refusal(&error))
    }

    /// What came back and is no report: an old kind of bounce, or a machine that answers. Its beginning is kept.
    async fn keep_words(&self, intake: &Intake, returned: &Returned, message: &Message) -> Result<(), Reply> {
        let events = self.ledger.store.newest_events_of(&message.id).await.map_err(unreadable)?;
        let known = events.iter().filter(|event| event.kind == RETURNED).count();
        if known < limits::RETURNED_KEPT_MAX {
            let event = self.words(intake, returned, message);
            let kept = self.ledger.store.write(Change { events: vec![event], ..Change::default() }).await;
            kept.map_err(|error| refusal(&error))?;
        }
        CameBack { message: Some(&message.id), what: What::Words, deliveries: 0 }.record();
        Ok(())
    }

    fn words(&self, intake: &Intake, returned: &Returned, message: &Message) -> Event {
        let now = self.ledger.clock.now();
        let read::Words { subject, text } = read::words(&intake.message);
        let delivery = match returned {
            Returned::Delivery(id) => Some(id.clone()),
            Returned::Message(_) => None,
        };
        Event {
            id: id::new(now, &self.ledger.random),
            kind: RETURNED.to_owned(),
            at: now,
            tenant: Some(message.tenant.clone()),
            message: Some(message.id.clone()),
            delivery,
            data: serde_json::json!({ "subject": subject, "text": text }).to_string(),
        }
    }
}

const RETURNED: &str = "email.returned";

impl What {
    fn max_report(self) -> Self {
        if self == Self::Bounce { self } else { Self::Report }
    }
}

fn unreadable(error: StoreError) -> Reply {
    tracing::warn!(%error, "what a report is about cannot be looked up");
    NOT_READ
}

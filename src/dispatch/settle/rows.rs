//! The rows of what came of tries: pure, but for chance in ids and in the next pauses.

use super::super::Dispatch;
use super::super::happenings::DeliverySettled;
use super::reports::Sorted;
use super::{End, Known, Settled, Try};
use crate::base::clock::Time;
use crate::base::id;
use crate::base::observe::Happening;
use crate::base::random::Random;
use crate::deliver::outcome::network;
use crate::model::delivery::{Attempt, Delivery, Settlement, State};
use crate::model::event::Event;
use crate::model::message::Message;
use crate::model::outcome::category::{EXPIRED, POSSIBLY_DELIVERED};
use crate::model::outcome::{Blame, Outcome, Why};
use crate::model::suppression::Suppression;
use crate::queue::bounce;
use crate::queue::happenings::{Found, RecipientSuppressed};
use crate::queue::ready::Place;
use crate::queue::schedule::{self, Next};
use crate::queue::simulator::{self, Script};
use crate::queue::suppress;
use crate::store::{Change, suppressions};
use serde_json::json;

/// What is to be written.
pub(super) struct Plan {
    /// Of all that need no report.
    pub endings: Vec<Ending>,
    pub reports: Vec<Report>,
}

/// The rows of one delivery, and its place until they are on disk.
pub(super) struct Ending {
    pub change: Change,
    pub _place: Option<Place>,
}

/// A report to a sender, and what is written with it.
pub(super) struct Report {
    pub report: bounce::Report,
    pub endings: Vec<Ending>,
}

/// What a delivery becomes.
pub(super) struct Verdict {
    pub state: State,
    due_at: Time,
    /// Tries so far: what was not tried does not count.
    attempts: i64,
    pub why: Option<Why>,
}

impl Dispatch {
    pub(super) fn plan(&self, settled: Vec<Settled>) -> Plan {
        let now = self.now();
        let mut plan = Plan { endings: Vec::with_capacity(settled.len()), reports: Vec::new() };
        let mut reported = Vec::new();
        for Settled { delivery, known, end, place } in settled {
            let verdict = self.verdict(&delivery, &end, now);
            let change = self.rows(&delivery, known.as_ref().map(Known::message), &verdict, &end, now);
            DeliverySettled { delivery: &delivery, state: verdict.state, why: verdict.why.as_ref(), took: took(&end) }
                .record();
            let ending = Ending { change, _place: place };
            let sorted = Sorted { delivery, known, verdict: &verdict, end: &end, ending };
            self.sort(sorted, &mut plan, &mut reported);
        }
        self.group_reports(reported, &mut plan);
        plan
    }

    fn verdict(&self, delivery: &Delivery, end: &End, now: Time) -> Verdict {
        let untried = delivery.attempts - 1;
        match end {
            End::GivenBack => Verdict { state: State::Ready, due_at: now, attempts: untried, why: None },
            End::PutOff(until, why) => match schedule::put_off(*until, now, delivery.expires_at) {
                Next::At(due_at) => later(due_at, untried, why.clone()),
                Next::Expired => expired(delivery, now, untried, why),
            },
            End::Suppressed(why) => {
                RecipientSuppressed { recipient: &delivery.recipient, why, found: Found::BeforeTry }.record();
                Verdict { state: State::Suppressed, due_at: now, attempts: untried, why: None }
            }
            End::Unread(until, why) => later(*until, untried, why.clone()),
            End::Untried(outcome) => self.of_outcome(delivery, outcome, untried, now, State::Failed),
            End::Tried(outcome, told) => self.of_outcome(delivery, outcome, delivery.attempts, now, told.taken_as),
        }
    }

    fn of_outcome(&self, delivery: &Delivery, outcome: &Outcome, attempts: i64, now: Time, taken_as: State) -> Verdict {
        match outcome {
            Outcome::Done => Verdict { state: taken_as, due_at: now, attempts, why: None },
            Outcome::Later(why) => {
                let retry = &self.settings().retry;
                match schedule::after_try(retry, delivery.attempts, now, delivery.expires_at, &self.ledger.random) {
                    Next::At(due_at) => later(due_at, attempts, why.clone()),
                    Next::Expired => expired(delivery, now, attempts, why),
                }
            }
            Outcome::Never(why) => {
                // What the other side refused, in words or by its DNS, came back; what we gave up has failed.
                let is_theirs = matches!(why.blame, Blame::Remote | Blame::Network) && why.category != EXPIRED;
                let state = if is_theirs { State::Bounced } else { State::Failed };
                Verdict { state, due_at: now, attempts, why: Some(why.clone()) }
            }
        }
    }

    fn rows(&self, delivery: &Delivery, message: Option<&Message>, verdict: &Verdict, end: &End, now: Time) -> Change {
        let settlement = Settlement {
            delivery: delivery.id.clone(),
            lease: self.ledger.lease.clone(),
            state: verdict.state,
            reason: reason(delivery, verdict, end),
            attempts: verdict.attempts,
            due_at: verdict.due_at,
            at: now,
        };
        let mut change = Change { settlements: vec![settlement], ..Change::default() };
        if let End::Tried(outcome, told) = end {
            change.attempts.push(self.attempt_row(delivery, outcome, told));
        }
        change.events.extend(self.event(delivery, message, verdict, end, now));
        if verdict.state == State::Captured && simulator::script(&delivery.recipient) == Some(Script::Complain) {
            change.events.push(self.complaint(delivery, now));
        }
        let suppression = suppression(delivery, message, verdict, now, &self.ledger.random);
        change.steps.extend(suppression.iter().map(suppressions::suppress));
        change
    }

    fn attempt_row(&self, delivery: &Delivery, outcome: &Outcome, told: &Try) -> Attempt {
        Attempt {
            delivery: delivery.id.clone(),
            number: delivery.attempts,
            node: self.ledger.lease.node.clone(),
            started_at: told.started_at,
            took: told.took,
            outcome: outcome.word(),
            host: told.host.clone(),
            address: told.address.clone(),
            tls: told.tls.clone(),
            reply: told.reply.clone(),
            details: attempt_details(outcome, told),
        }
    }

    /// What a simulated recipient says who calls the mail spam.
    fn complaint(&self, delivery: &Delivery, now: Time) -> Event {
        let data = json!({ "recipient": delivery.recipient.to_string(), "source": "simulator", "sandbox": true });
        Event {
            id: id::new(now, &self.ledger.random),
            kind: "email.complained".to_owned(),
            at: now,
            tenant: Some(delivery.tenant.clone()),
            message: Some(delivery.message.clone()),
            delivery: Some(delivery.id.clone()),
            data: data.to_string(),
        }
    }

    fn event(
        &self,
        delivery: &Delivery,
        message: Option<&Message>,
        verdict: &Verdict,
        end: &End,
        now: Time,
    ) -> Option<Event> {
        let kind = match (verdict.state, end) {
            (State::Sent, _) => "email.sent",
            (State::Delivered, _) => "email.delivered",
            (State::Captured, _) => "email.captured",
            (State::Bounced, _) => "email.bounced",
            (State::Failed, _) => "email.failed",
            (State::Deferred, End::Tried(..) | End::Untried(_)) => "email.deferred",
            (State::Suppressed, _) => "email.suppressed",
            // Nothing happened that anybody waits to hear of.
            _ => return None,
        };
        let is_sandboxed = message.is_some_and(|message| message.sandboxed_at.is_some())
            || verdict.state == State::Captured
            || simulator::is_played(&delivery.recipient);
        Some(Event {
            id: id::new(now, &self.ledger.random),
            kind: kind.to_owned(),
            at: now,
            tenant: Some(delivery.tenant.clone()),
            message: Some(delivery.message.clone()),
            delivery: Some(delivery.id.clone()),
            data: data(delivery, verdict, end, is_sandboxed),
        })
    }
}

fn attempt_details(outcome: &Outcome, told: &Try) -> String {
    let mut details = serde_json::Map::new();
    if let Some(dialogue) = &told.dialogue {
        details.insert("dialogue".to_owned(), json!(dialogue));
    }
    // Of what was not taken nobody asks how it was signed: the next try signs anew.
    if *outcome == Outcome::Done {
        if let Some(signature) = &told.sent.signature {
            details.insert("signature".to_owned(), json!(**signature));
        }
        if told.sent.is_converted {
            details.insert("converted".to_owned(), json!(true));
        }
    }
    serde_json::Value::Object(details).to_string()
}

fn suppression(
    delivery: &Delivery,
    message: Option<&Message>,
    verdict: &Verdict,
    now: Time,
    random: &Random,
) -> Option<Suppression> {
    let (message, why) = (message?, verdict.why.as_ref()?);
    let bounced = verdict.state == State::Bounced;
    bounced.then(|| suppress::by_bounce(message, delivery, why, now, random)).flatten()
}

fn later(due_at: Time, attempts: i64, why: Why) -> Verdict {
    Verdict { state: State::Deferred, due_at, attempts, why: Some(why) }
}

fn expired(delivery: &Delivery, now: Time, attempts: i64, why: &Why) -> Verdict {
    let why = network::expired(Some(why), delivery.created_at).why().cloned();
    Verdict { state: State::Failed, due_at: now, attempts, why }
}

/// Why it is where it is; what is given back keeps what was known of it.
fn reason(delivery: &Delivery, verdict: &Verdict, end: &End) -> Option<String> {
    if let End::Suppressed(why) = end {
        return Some(why.clone());
    }
    match (&verdict.why, verdict.state) {
        (Some(why), _) => Some(why.text.clone()),
        (None, State::Ready) => delivery.reason.clone(),
        (None, _) => None,
    }
}

fn took(end: &End) -> Option<&Try> {
    match end {
        End::Tried(_, told) => Some(told),
        End::Untried(_) | End::Suppressed(_) | End::PutOff(..) | End::Unread(..) | End::GivenBack => None,
    }
}

/// What webhooks will say of it.
fn data(delivery: &Delivery, verdict: &Verdict, end: &End, is_sandboxed: bool) -> String {
    let mut data = json!({ "recipient": delivery.recipient.to_string(), "attempt": verdict.attempts });
    if let Some(told) = took(end) {
        data["host"] = json!(told.host);
        data["reply"] = json!(told.reply);
    }
    if let End::Suppressed(why) = end {
        data["reason"] = json!(why);
    }
    if let Some(why) = &verdict.why {
        data["bounce"] = json!({
            "kind": why.kind.word(),
            "category": why.category,
            "smtp_code": why.code,
            "enhanced_code": why.status.to_string(),
            "diagnostic": why.text,
            "source": if why.code.is_some() { "smtp" } else { "us" },
        });
    }
    // RFC 1047: it may be there already, and will be sent again.
    if verdict.why.as_ref().is_some_and(|why| why.category == POSSIBLY_DELIVERED) {
        data["possible_duplicate"] = json!(true);
    }
    if verdict.state == State::Deferred {
        data["next_attempt_at"] = json!(verdict.due_at.to_string());
    }
    if is_sandboxed {
        data["sandbox"] = json!(true);
    }
    data.to_string()
}

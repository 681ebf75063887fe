//! The last step in the sandbox: everything was done but this, and this is played. What a simulated recipient
//! answers is judged like any server's answer; nothing leaves.

use super::Dispatch;
use super::settle::{End, Settled, Try};
use crate::mail::status::Status;
use crate::model::delivery::State;
use crate::model::outcome::category::SLOW;
use crate::model::outcome::{Blame, Kind, Outcome, Why};
use crate::queue::ready::Item;
use crate::queue::simulator::{self, Refusal, Script};
use std::time::Duration;

impl Dispatch {
    pub(super) fn capture(&self, items: Vec<Item>) -> Vec<Settled> {
        let capture = |item: Item| {
            let end = match simulator::script(&item.delivery.recipient) {
                None => self.taken("captured by the sandbox"),
                Some(Script::Refuse(refusal)) => self.refused(&refusal),
                Some(Script::Take { after }) if !self.has_waited(&item, after) => self.slow(&item, after),
                Some(Script::Take { .. } | Script::Complain) => self.taken(simulator::TAKEN),
            };
            Settled::new(item, end)
        };
        items.into_iter().map(capture).collect()
    }

    fn taken(&self, reply: &str) -> End {
        let told = Try { reply: Some(reply.to_owned()), ..self.played() };
        End::Tried(Outcome::Done, Box::new(told))
    }

    fn refused(&self, refusal: &Refusal) -> End {
        let answer = refusal.answer();
        let judgement = self.replies().classify(&answer);
        let status = answer.status.map_or_else(String::new, |status| format!("{status} "));
        let reply = format!("{} {status}{}", answer.code, answer.text);
        End::Tried(judgement.outcome, Box::new(Try { reply: Some(reply), ..self.played() }))
    }

    fn has_waited(&self, item: &Item, after: Duration) -> bool {
        self.now().since(item.delivery.created_at) >= after
    }

    /// It takes its time and nobody's connection.
    fn slow(&self, item: &Item, after: Duration) -> End {
        let why = Why {
            blame: Blame::Remote,
            kind: Kind::Soft,
            category: SLOW.to_owned(),
            status: Status::new(4, 4, 2),
            code: None,
            text: format!("simulated slowness: it takes {} s", after.as_secs()),
        };
        End::PutOff(item.delivery.created_at.plus(after), why)
    }

    fn played(&self) -> Try {
        Try { host: Some("sandbox".to_owned()), ..Try::begun(self.now(), State::Captured) }
    }
}

//! The last step in the sandbox: everything was done but this, and this is played. What a simulated recipient
//! answers is judged like any server's answer; nothing leaves.

use super::Dispatch;
use super::settle::{End, Sent, Settled, Try};
use crate::mail::status::Status;
use crate::model::delivery::State;
use crate::model::outcome::category::SLOW;
use crate::model::outcome::{Blame, Kind, Outcome, Why};
use crate::queue::ready::Item;
use crate::queue::simulator::{self, Refusal, Script};
use std::time::Duration;

impl Dispatch {
    pub(super) async fn capture(&self, items: Vec<Item>) -> Vec<Settled> {
        let mut settled = Vec::with_capacity(items.len());
        for item in items {
            let end = match simulator::script(&item.delivery.recipient) {
                None => self.taken(&item, "captured by the sandbox").await,
                Some(Script::Refuse(refusal)) => self.refused(&refusal),
                Some(Script::Take { after }) if !self.has_waited(&item, after) => self.slow(&item, after),
                Some(Script::Take { .. } | Script::Complain) => self.taken(&item, simulator::TAKEN).await,
            };
            settled.push(Settled::new(item, end));
        }
        settled
    }

    async fn taken(&self, item: &Item, reply: &str) -> End {
        match self.unsent_letter(item).await {
            Ok(signature) => {
                let sent = Sent { signature, is_converted: false };
                let told = Try { reply: Some(reply.to_owned()), sent, ..self.played() };
                End::Tried(Outcome::Done, Box::new(told))
            }
            Err(outcome) => End::Untried(outcome),
        }
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

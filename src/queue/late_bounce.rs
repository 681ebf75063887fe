//! What a report says that comes after a server took the mail: a delivery that was sent, or delivered, becomes
//! bounced. Planned here, committed above, once: the same report again finds nothing left to change.

use super::suppress;
use crate::base::clock::Time;
use crate::base::id;
use crate::base::random::Random;
use crate::model::delivery::{Delivery, State};
use crate::model::event::Event;
use crate::model::message::Message;
use crate::model::outcome::Why;
use crate::store::{Change, queue, suppressions};
use serde_json::json;

/// May a report change this delivery?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// A server took it.
    Taken,
    /// It is being tried: what came of it is not written yet. The report comes again.
    Open,
    /// It waits to be tried again, so the next try will tell; or it is over, and was told before.
    Told,
}

pub fn stage(delivery: &Delivery) -> Stage {
    match delivery.state {
        // Nobody outside has what never left.
        _ if !delivery.is_away() => Stage::Told,
        state if state.is_final() && state.may_become(State::Bounced) => Stage::Taken,
        State::Leased => Stage::Open,
        _ => Stage::Told,
    }
}

/// A failure that was reported.
#[derive(Clone, Copy, Debug)]
pub struct Late<'a> {
    pub message: &'a Message,
    pub delivery: &'a Delivery,
    pub why: &'a Why,
    /// The host that said so.
    pub remote: Option<&'a str>,
    /// The report names the very recipient; what an alias or a list behind it could not reach says nothing of him.
    pub names_recipient: bool,
}

/// The delivery's end, its event, and the suppression when it was for good.
pub fn rows(late: &Late<'_>, now: Time, random: &Random) -> Change {
    let Late { message, delivery, why, .. } = late;
    let suppression = suppress::by_bounce(message, delivery, why, now, random).filter(|_| late.names_recipient);
    let mut change = Change::of(queue::late_bounce(&delivery.id, &why.text, now));
    change.events.push(event(late, suppression.is_some(), now, random));
    change.steps.extend(suppression.iter().map(suppressions::suppress));
    change
}

fn event(late: &Late<'_>, is_suppressed: bool, now: Time, random: &Random) -> Event {
    let Late { message, delivery, why, remote, .. } = late;
    let mut data = json!({
        "recipient": delivery.recipient.to_string(),
        "bounce": {
            "kind": why.kind.word(),
            "category": why.category,
            "smtp_code": why.code,
            "enhanced_code": why.status.to_string(),
            "diagnostic": why.text,
            "remote_mta": remote,
            "source": "dsn",
            "suppressed": is_suppressed,
        },
    });
    if message.sandboxed_at.is_some() {
        data["sandbox"] = json!(true);
    }
    about(delivery, "email.bounced", data.to_string(), now, random)
}

/// Something else that a report said of a delivery: what it was put off for, or that it arrived.
pub fn reported(delivery: &Delivery, action: &str, said: Option<&str>, now: Time, random: &Random) -> Event {
    let data = json!({ "recipient": delivery.recipient.to_string(), "action": action, "diagnostic": said });
    about(delivery, REPORTED, data.to_string(), now, random)
}

pub const REPORTED: &str = "email.reported";

fn about(delivery: &Delivery, kind: &str, data: String, now: Time, random: &Random) -> Event {
    Event {
        id: id::new(now, random),
        kind: kind.to_owned(),
        at: now,
        tenant: Some(delivery.tenant.clone()),
        message: Some(delivery.message.clone()),
        delivery: Some(delivery.id.clone()),
        data,
    }
}

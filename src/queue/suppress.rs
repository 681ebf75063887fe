//! Which bounces end all mail to an address: one rule, whether a server says no in the dialogue or in a report that
//! comes later.

use super::simulator;
use crate::base::clock::Time;
use crate::base::id;
use crate::base::random::Random;
use crate::model::delivery::Delivery;
use crate::model::message::Message;
use crate::model::outcome::{Kind, Why};
use crate::model::suppression::{Cause, Suppressed, Suppression, Whence};

/// Who is suppressed for this bounce; none when it was not for good, or nobody real said it.
pub fn by_bounce(message: &Message, delivery: &Delivery, why: &Why, now: Time, random: &Random) -> Option<Suppression> {
    let is_real = message.sandboxed_at.is_none() && !simulator::is_played(&delivery.recipient);
    (why.kind == Kind::Hard && is_real && delivery.is_away()).then(|| Suppression {
        id: id::new(now, random),
        tenant: delivery.tenant.clone(),
        domain: String::new(),
        stream: String::new(),
        whom: Suppressed::Address(delivery.recipient.clone()),
        reason: Cause::HardBounce,
        origin: Whence::System,
        note: why.text.clone(),
        created_at: now,
        expires_at: None,
    })
}

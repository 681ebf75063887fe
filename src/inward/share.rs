//! What one tenant gets of a message from the world: its own copy, with its own recipients.

use crate::base::clock::Time;
use crate::base::id::MessageId;
use crate::base::limits;
use crate::base::random::Random;
use crate::mail::domain_name::DomainName;
use crate::mail::envelope::Recipient;
use crate::mail::header::{Ending, Header};
use crate::mail::message::Edit;
use crate::mail::text::readable;
use crate::model::delivery::{Lease, NextHop};
use crate::model::directory::Directory;
use crate::model::intake::Intake;
use crate::model::name::Name;
use crate::model::stream::INBOUND;
use crate::policy::routes::Decision;
use crate::queue::accept::{self, Acceptance, Destined, Discarded, Entry, Mode, Planned, Seating};
use crate::queue::finish::Finish;
use crate::queue::ledger::tenant_id;
use crate::queue::ready::Ready;
use crate::queue::settings::{self, Settings};
use crate::smtp::reply::Reply;
use std::sync::Arc;

/// What all shares of a message have in common.
pub(super) struct Circumstances<'a> {
    pub intake: &'a Intake,
    pub header: &'a Header<'a>,
    /// The id that the sender is told, and that stands in our Received field.
    pub told: &'a MessageId,
    pub directory: &'a Directory,
    pub settings: &'a Settings,
    pub ready: &'a Arc<Ready>,
    pub lease: &'a Lease,
    pub random: &'a Random,
    pub now: Time,
}

pub(super) struct Share<'a> {
    tenant: &'a Name,
    recipients: Vec<(&'a Recipient, &'a Decision)>,
}

/// The recipients by their tenants, in the order of the envelope.
pub(super) fn shares<'a>(recipients: &'a [Recipient], decisions: &'a [Decision]) -> Vec<Share<'a>> {
    let mut shares: Vec<Share<'a>> = Vec::new();
    for (recipient, decision) in recipients.iter().zip(decisions) {
        match shares.iter_mut().find(|share| *share.tenant == decision.tenant) {
            Some(share) => share.recipients.push((recipient, decision)),
            None => shares.push(Share { tenant: &decision.tenant, recipients: vec![(recipient, decision)] }),
        }
    }
    shares
}

impl Share<'_> {
    pub fn plan(&self, around: &Circumstances<'_>, id: MessageId) -> Result<Planned, Reply> {
        let header_id = around.header.message_id.map(|field| readable(field.value(), limits::HEADER_ID_BYTES_MAX));
        let acceptance = Acceptance {
            id,
            tenant: tenant_id(around.directory, self.tenant)?,
            from_domain: from_domain(around.intake, around.header),
            header_id: header_id.unwrap_or_default(),
            subject: accept::subject(around.header),
            bytes: around.intake.message.len(),
            mode: match around.settings.mode {
                settings::Mode::Live => Mode::Live,
                settings::Mode::Sandbox => Mode::Sandbox,
            },
            stream: INBOUND,
            prepared: with_received(around),
            finish: Finish::default(),
            links: None,
            deliveries: self.recipients.iter().flat_map(|(to, decision)| destined(to, decision)).collect(),
            discarded: self.recipients.iter().filter_map(|(to, decision)| discarded(to, decision)).collect(),
            now: around.now,
            expire: around.settings.expire,
        };
        let seating = Seating { ready: around.ready, lease: around.lease, retry: &around.settings.retry };
        Ok(accept::plan(acceptance, around.intake, &seating, around.random))
    }
}

/// What our desk or the store takes has arrived with this commit; a relay's share is sent on.
fn destined<'a>(recipient: &'a Recipient, decision: &Decision) -> impl Iterator<Item = Destined<'a>> {
    let (held, rule) = (decision.is_held(), decision.rule.to_string());
    decision.hops().into_iter().map(move |hop| {
        let entry = match hop {
            _ if held => Entry::Hold,
            NextHop::Mailbox(_) | NextHop::Store => Entry::Keep,
            NextHop::Relay(_) | NextHop::Mx => Entry::Send,
        };
        Destined { recipient, hop, entry, rule: Some(rule.clone()) }
    })
}

fn discarded<'a>(recipient: &'a Recipient, decision: &Decision) -> Option<Discarded<'a>> {
    decision.hops().is_empty().then(|| Discarded { recipient, rule: decision.rule.to_string() })
}

/// The message as it came, under our Received field (RFC 5321 4.4). Nothing else is touched: somebody may
/// have signed it.
fn with_received(around: &Circumstances<'_>) -> Vec<u8> {
    let only = match around.intake.envelope.recipients.as_slice() {
        [one] => Some(&one.address),
        _ => None,
    };
    // Text without any header would go on with our field, or look like the next: an empty line parts them.
    let has_no_header = around.header.ending == Ending::Text && around.header.bytes == 0;
    let edit = Edit {
        on_top: vec![around.intake.hop.field(around.told, only)],
        empty_line_at: has_no_header.then_some(0),
        message: &around.intake.message,
        ..Edit::default()
    };
    edit.apply()
}

/// Under which domain the message is listed: what it says of itself, whoever wrote it.
fn from_domain(intake: &Intake, header: &Header<'_>) -> DomainName {
    let authors = header.authors().unwrap_or_default();
    let address = authors.first().or(intake.envelope.sender.address());
    address.map_or_else(|| intake.hop.by.clone(), |address| address.domain().clone())
}

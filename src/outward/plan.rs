//! What becomes of one message before the commit: which way each recipient's copy takes, how it looks when it
//! leaves, and the rows of all that.

use super::complete::{self, Client, Completed, Given, Lacking, Leaves};
use super::links::{self, Drafting, Voices};
use super::suppressed::Suppressed;
use super::{CHANGED, Leaving, NO_STREAM, NOBODYS, Outward};
use crate::base::clock::Time;
use crate::base::id::{self, MessageId, TenantId};
use crate::base::limits;
use crate::base::observe::Happening;
use crate::mail::envelope::Recipient;
use crate::mail::header::Header;
use crate::mail::text::readable;
use crate::model::credential::Credential;
use crate::model::delivery::NextHop;
use crate::model::directory::{Directory, Entry as Served, Source};
use crate::model::domain::{Domain, Via};
use crate::model::event::Event;
use crate::model::intake::Intake;
use crate::model::message::Form;
use crate::model::name::Name;
use crate::model::stream::{Stream, TRANSACTIONAL};
use crate::model::wishes::Wishes;
use crate::policy::routes;
use crate::proof::Signing;
use crate::queue::accept::{self, Acceptance, Destined, Discarded, Entry, Mode, Planned, Seating};
use crate::queue::finish::Finish;
use crate::queue::happenings::{Found, RecipientSuppressed};
use crate::queue::ledger::tenant_id;
use crate::queue::{settings, simulator};
use crate::smtp::reply::Reply;
use crate::store::Step;
use crate::store::mail::Body;
use std::borrow::Cow;
use std::str::FromStr;
use std::sync::Arc;

/// A message as it is stored for sending.
struct Dressed {
    prepared: Vec<u8>,
    given_id: Option<String>,
    finish: Finish,
    /// What became of its links, for people; none where nobody asked for anything.
    links: Option<serde_json::Value>,
    rows: Vec<Step>,
    /// As it came, where that is kept too and nobody had kept it.
    submitted: Option<Arc<Vec<u8>>>,
}

/// Whose message it is, and what it is part of.
struct Kin<'a> {
    id: &'a MessageId,
    tenant: &'a TenantId,
    domain: &'a Served<Domain>,
    submitter: Option<&'a Credential>,
    stream: &'a Stream,
    leaves: Leaves,
}

impl Outward {
    /// Everything that is decided before the commit.
    pub(super) fn plan(&self, leaving: &mut Leaving, suppressed: &Suppressed) -> Result<(MessageId, Planned), Reply> {
        // It becomes what is sent, in its own memory.
        let message = std::mem::take(&mut leaving.intake.message);
        let (leaving, bytes) = (&*leaving, message.len());
        let intake = &leaving.intake;
        let (directory, settings) = (self.ledger.directory.load(), self.ledger.settings.load());
        let now = self.ledger.clock.now();
        let id: MessageId = id::new(now, &self.ledger.random);
        let header = Header::read(&message);
        let domain = domain_of(&directory, intake, &header)?;
        let submitter = submitter(&directory, intake);
        let via = way_of(&domain.value.relay, &intake.wishes);
        let stream = stream_of(&directory, &domain.tenant, intake, submitter)?;
        let (mut deliveries, discarded) = destinations(&directory, intake, via, suppressed)?;
        if let Some(why) = &leaving.held {
            hold(&mut deliveries, why);
        }
        let tenant = tenant_id(&directory, &domain.tenant)?;
        let leaves = leaves(&directory, &domain.tenant, via);
        let kin = Kin { id: &id, tenant: &tenant, domain, submitter, stream: &stream, leaves };
        let (lacking, own_id, subject) = (Lacking::of(&header), header_id(&header), accept::subject(&header));
        let mut dressed = self.dress(message, &lacking, leaving, &kin, now);
        let acceptance = Acceptance {
            id: id.clone(),
            tenant: tenant.clone(),
            from_domain: domain.value.name.clone(),
            header_id: dressed.given_id.unwrap_or(own_id),
            subject,
            bytes,
            mode: mode(&settings, via, submitter, &intake.wishes),
            stream: stream.name.as_str(),
            prepared: dressed.prepared,
            finish: dressed.finish,
            links: dressed.links,
            deliveries,
            discarded,
            now,
            expire: intake.wishes.expire_after.unwrap_or(settings.expire),
        };
        let seating = Seating { ready: &self.ledger.ready, lease: &self.ledger.lease, retry: &settings.retry };
        let mut planned = accept::plan(acceptance, intake, &seating, &self.ledger.random);
        // Nothing is kept of what is forgotten.
        if !planned.change.messages.is_empty() {
            planned.change.steps.extend(dressed.rows);
            planned.change.events.extend(leaving.note.as_ref().map(|note| self.noted(note, &id, &tenant, now)));
            let submitted = leaving.submitted.clone().or_else(|| dressed.submitted.take());
            planned.change.bodies.extend(submitted.map(|bytes| Body::new(id.clone(), Form::Submitted, bytes)));
        }
        Ok((id, planned))
    }

    fn noted(&self, note: &super::Note, id: &MessageId, tenant: &TenantId, now: Time) -> Event {
        Event {
            id: id::new(now, &self.ledger.random),
            kind: note.kind.to_owned(),
            at: now,
            tenant: Some(tenant.clone()),
            message: Some(id.clone()),
            delivery: None,
            data: note.data.to_string(),
        }
    }

    /// The header completed, the links prepared: all that is the same for every recipient.
    fn dress(&self, message: Vec<u8>, lacking: &Lacking, leaving: &Leaving, kin: &Kin<'_>, now: Time) -> Dressed {
        let intake = &leaving.intake;
        let (domain, keys) = (&kin.domain.value, self.ledger.keys.load());
        let is_host_ready = self.footings.tracking(domain).is_ready();
        let keyring = self.ledger.keyring.load();
        let drafting =
            Drafting { message: kin.id, tenant: kin.tenant, keyring: &keyring, now, random: &self.ledger.random };
        let host = domain.tracking.as_ref().filter(|_| is_host_ready).map(|tracking| tracking.host.as_str());
        let unsubscribe = host.and_then(|host| drafting.unsubscribe(host));
        let given = Given {
            id: kin.id,
            domain: &domain.name,
            tenant: &kin.domain.tenant,
            client: if domain.hide_client { Client::Hidden } else { Client::Named },
            stream: Some(kin.stream),
            leaves: kin.leaves,
            unsubscribe: unsubscribe.as_deref(),
        };
        let holds_key_for = |name: &str| {
            name.parse().is_ok_and(|name| matches!(keys.of(&name), Signing::With(_) | Signing::Unusable(_)))
        };
        let voices = Voices {
            intake,
            stream: kin.stream,
            credential: kin.submitter,
            domain,
            is_host_ready,
            holds_key_for: &holds_key_for,
        };
        let tracked = links::decide(&voices, &message);
        let is_wanted = tracked.is_ok() && leaving.submitted.is_none();
        let submitted = is_wanted.then(|| Arc::new(message.clone()));
        let Completed { message, given_id, token } = complete::complete(message, lacking, intake, &given);
        let mut slots: Vec<_> = token.into_iter().map(links::header_slot).collect();
        let is_to_be_signed = complete::is_ours(intake.origin) && !matches!(keys.of(&domain.name), Signing::None);
        let finish = |slots| Finish { slots, is_to_be_signed };
        match tracked {
            Ok(tracked) => {
                let made = links::prepare(message, &tracked, &drafting);
                slots.extend(made.slots);
                let (prepared, rows, submitted) = (made.bytes, made.rows, submitted.filter(|_| made.is_rewritten));
                Dressed { prepared, given_id, finish: finish(slots), links: Some(made.note), rows, submitted }
            }
            Err(why) => Dressed {
                prepared: message,
                given_id,
                finish: finish(slots),
                links: why.told(),
                rows: Vec::new(),
                submitted: None,
            },
        }
    }
}

/// Everything that would leave waits for a human.
fn hold(deliveries: &mut [Destined<'_>], why: &str) {
    for delivery in deliveries.iter_mut().filter(|delivery| delivery.entry == Entry::Send) {
        (delivery.entry, delivery.rule) = (Entry::Hold, Some(why.to_owned()));
    }
}

/// The domain that a message leaves for: its first author's, or its envelope's when nobody wrote it.
pub(super) fn domain_of<'a>(
    directory: &'a Directory,
    intake: &Intake,
    header: &Header<'_>,
) -> Result<&'a Served<Domain>, Reply> {
    let authors = header.authors().unwrap_or_default();
    let domain = authors.first().or(intake.envelope.sender.address()).map(|address| address.domain());
    domain.and_then(|domain| directory.domain(domain)).ok_or(NOBODYS)
}

/// The login that a message came by, when it came by one.
pub(super) fn submitter<'a>(directory: &'a Directory, intake: &Intake) -> Option<&'a Credential> {
    let login = intake.submitter.as_deref()?;
    directory.credential(login).map(|credential| &credential.value)
}

/// How a message leaves: as it wishes, else as its domain says. Out of a sandbox no wish leads.
fn way_of<'a>(domains: &'a Via, wishes: &'a Wishes) -> &'a Via {
    match (domains, &wishes.relay) {
        (Via::Direct | Via::Relay(_), Some(wish)) => wish,
        (Via::Sandbox, _) | (_, None) => domains,
    }
}

/// A tenant's own relay takes orders from its own mail; one of the file is everybody's.
fn leaves(directory: &Directory, tenant: &Name, via: &Via) -> Leaves {
    match via {
        Via::Direct | Via::Sandbox => Leaves::ToRecipients,
        Via::Relay(name) => match directory.relay(tenant, name).map(|relay| &relay.source) {
            Some(Source::Store { .. }) => Leaves::ToRecipients,
            Some(Source::File) | None => Leaves::BySharedRelay,
        },
    }
}

/// The stream that a message names, else its credential's, else the transactional one.
pub(super) fn stream_of<'a>(
    directory: &'a Directory,
    tenant: &Name,
    intake: &Intake,
    submitter: Option<&Credential>,
) -> Result<Cow<'a, Stream>, Reply> {
    let transactional = || Name::from_str(TRANSACTIONAL).ok();
    let named = intake.wishes.stream.clone().or_else(|| submitter?.stream.clone()).or_else(transactional);
    // It was there when the message was judged.
    named.and_then(|name| directory.stream(tenant, &name)).ok_or(NO_STREAM)
}

pub(super) fn mode(settings: &settings::Settings, via: &Via, submitter: Option<&Credential>, wishes: &Wishes) -> Mode {
    if wishes.sandbox || submitter.is_some_and(|credential| credential.sandbox) {
        return Mode::Sandbox;
    }
    match (settings.mode, via) {
        (settings::Mode::Sandbox, _) | (_, Via::Sandbox) => Mode::Sandbox,
        (settings::Mode::Live, Via::Direct | Via::Relay(_)) => Mode::Live,
    }
}

pub(super) fn header_id(header: &Header<'_>) -> String {
    header.message_id.map(|field| readable(field.value(), limits::HEADER_ID_BYTES_MAX)).unwrap_or_default()
}

/// The ways to all recipients, and those for whom nothing is kept.
pub(super) fn destinations<'a>(
    directory: &Directory,
    intake: &'a Intake,
    via: &Via,
    suppressed: &Suppressed,
) -> Result<(Vec<Destined<'a>>, Vec<Discarded<'a>>), Reply> {
    let (mut ways, mut discarded) = (Vec::with_capacity(intake.envelope.recipients.len()), Vec::new());
    for (n, recipient) in intake.envelope.recipients.iter().enumerate() {
        match routes::resolve_outgoing(directory, &intake.hop.by, &recipient.address).answer() {
            Ok(None) => ways.push(match suppressed.reason(n) {
                Some(why) => silenced(via, recipient, why),
                None => away(via, recipient),
            }),
            Ok(Some(decision)) if decision.hops().is_empty() => {
                discarded.push(Discarded { recipient, rule: decision.rule.to_string() });
            }
            Ok(Some(decision)) => ways.extend(home(decision, recipient)),
            // It was accepted at RCPT.
            Err(_) => return Err(CHANGED),
        }
    }
    Ok((ways, discarded))
}

/// To the world, the way that the sender's domain takes; no relay gets what only plays the world.
fn away<'a>(via: &Via, recipient: &'a Recipient) -> Destined<'a> {
    let hop = match via {
        _ if simulator::is_played(&recipient.address) => NextHop::Mx,
        Via::Relay(name) => NextHop::Relay(name.clone()),
        Via::Direct | Via::Sandbox => NextHop::Mx,
    };
    Destined { recipient, hop, entry: Entry::Send, rule: None }
}

/// Nothing is sent there; the way that it would have taken is shown.
fn silenced<'a>(via: &Via, recipient: &'a Recipient, why: &str) -> Destined<'a> {
    RecipientSuppressed { recipient: &recipient.address, why, found: Found::AtAccept }.record();
    Destined { entry: Entry::Suppress, rule: Some(why.to_owned()), ..away(via, recipient) }
}

/// To one of our own recipients. A ticket is delivered like any other mail; what is only kept has arrived.
fn home(decision: routes::Decision, recipient: &Recipient) -> impl Iterator<Item = Destined<'_>> {
    let held = decision.is_held();
    decision.hops().into_iter().map(move |hop| {
        let entry = match hop {
            _ if held => Entry::Hold,
            NextHop::Store => Entry::Keep,
            NextHop::Mx | NextHop::Relay(_) | NextHop::Mailbox(_) => Entry::Send,
        };
        Destined { recipient, hop, entry, rule: Some(decision.rule.to_string()) }
    })
}

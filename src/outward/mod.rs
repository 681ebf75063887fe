//! The only way out: everything that leaves is accepted here, whoever wrote it.

mod complete;
mod happenings;
mod report;

use crate::base::id::{self, MessageId};
use crate::base::limits;
use crate::mail::envelope::Recipient;
use crate::mail::header::Header;
use crate::mail::text::readable;
use crate::model::credential::Credential;
use crate::model::delivery::NextHop;
use crate::model::directory::{Directory, Entry as Served};
use crate::model::domain::{Domain, Via};
use crate::model::event::Event;
use crate::model::intake::Intake;
use crate::model::message::Form;
use crate::policy::routes;
use crate::queue::accept::{self, Acceptance, Destined, Discarded, Entry, Mode, Planned, Seating};
use crate::queue::ledger::{Ledger, tenant_id};
use crate::queue::{settings, simulator};
use crate::smtp::reply::Reply;
use crate::store::Change;
use crate::store::mail::Body;
use std::sync::Arc;

const NOBODYS: Reply = Reply::new(550, 7, 1, "From names no domain that is served here");
const CHANGED: Reply = Reply::new(451, 3, 0, "what is done with a recipient has changed meanwhile, send it again");

/// A message as it leaves, with what only its acceptance knows.
pub struct Leaving {
    pub intake: Intake,
    /// What its sender gave us, when it was changed before.
    pub submitted: Option<Arc<Vec<u8>>>,
    /// Why nothing of it is sent before a human has decided.
    pub held: Option<String>,
    /// What is told beside its acceptance.
    pub note: Option<Note>,
}

/// An event of a message that has no id yet.
pub struct Note {
    pub kind: &'static str,
    pub data: serde_json::Value,
}

impl From<Intake> for Leaving {
    fn from(intake: Intake) -> Self {
        Self { intake, submitted: None, held: None, note: None }
    }
}

pub struct Outward {
    ledger: Arc<Ledger>,
}

impl Outward {
    pub fn new(ledger: Arc<Ledger>) -> Self {
        Self { ledger }
    }

    /// Takes a message whose sender was judged. Ok is on disk, together with the caller's `extra` rows;
    /// after an error nothing of it is left.
    pub async fn accept(&self, intake: Intake, extra: Change) -> Result<MessageId, Reply> {
        let (id, planned) = self.plan(&intake)?;
        self.ledger.enter(&id, &intake, planned.with(extra)).await?;
        Ok(id)
    }

    /// The same for messages that one was made into: all of them in one commit, or none. Their ids, in their order.
    pub async fn accept_all(&self, leaving: Vec<Leaving>, extra: Change) -> Result<Vec<MessageId>, Reply> {
        let (mut ids, mut all) = (Vec::with_capacity(leaving.len()), Planned::default());
        for one in &leaving {
            let (id, planned) = self.plan_one(one)?;
            ids.push(id);
            all = all.and(planned);
        }
        let entered: Vec<_> = ids.iter().zip(leaving.iter().map(|one| &one.intake)).collect();
        self.ledger.enter_all(&entered, all.with(extra)).await?;
        Ok(ids)
    }

    fn plan_one(&self, leaving: &Leaving) -> Result<(MessageId, Planned), Reply> {
        let (id, mut planned) = self.plan_held(&leaving.intake, leaving.held.as_deref())?;
        // Nothing is kept of what is forgotten.
        let Some(message) = planned.change.messages.first() else { return Ok((id, planned)) };
        let (tenant, now) = (message.tenant.clone(), message.created_at);
        if let Some(note) = &leaving.note {
            planned.change.events.push(Event {
                id: id::new(now, &self.ledger.random),
                kind: note.kind.to_owned(),
                at: now,
                tenant: Some(tenant),
                message: Some(id.clone()),
                delivery: None,
                data: note.data.to_string(),
            });
        }
        if let Some(submitted) = &leaving.submitted {
            planned.change.bodies.push(Body::new(id.clone(), Form::Submitted, submitted.clone()));
        }
        Ok((id, planned))
    }

    /// Everything that is decided before the commit.
    fn plan(&self, intake: &Intake) -> Result<(MessageId, Planned), Reply> {
        self.plan_held(intake, None)
    }

    /// With a reason, everything that would leave waits for a human.
    fn plan_held(&self, intake: &Intake, held: Option<&str>) -> Result<(MessageId, Planned), Reply> {
        let directory = self.ledger.directory.load();
        let settings = self.ledger.settings.load();
        let now = self.ledger.clock.now();
        let id: MessageId = id::new(now, &self.ledger.random);
        let header = Header::read(&intake.message);
        let domain = domain_of(&directory, intake, &header)?;
        let (mut deliveries, discarded) = destinations(&directory, intake, &domain.value.relay)?;
        if let Some(why) = held {
            for delivery in deliveries.iter_mut().filter(|delivery| delivery.entry == Entry::Send) {
                (delivery.entry, delivery.rule) = (Entry::Hold, Some(why.to_owned()));
            }
        }
        let (prepared, given_id) = complete::complete(intake, &header, &id, &domain.value.name);
        let acceptance = Acceptance {
            id: id.clone(),
            tenant: tenant_id(&directory, &domain.tenant)?,
            from_domain: domain.value.name.clone(),
            header_id: header_id(&header, given_id),
            mode: mode(&settings, &domain.value.relay, submitter(&directory, intake)),
            prepared,
            deliveries,
            discarded,
            now,
            expire: settings.expire,
        };
        let seating = Seating { ready: &self.ledger.ready, lease: &self.ledger.lease, retry: &settings.retry };
        Ok((id, accept::plan(acceptance, intake, &header, &seating, &self.ledger.random)))
    }
}

/// The domain that a message leaves for: its first author's, or its envelope's when nobody wrote it.
fn domain_of<'a>(directory: &'a Directory, intake: &Intake, header: &Header<'_>) -> Result<&'a Served<Domain>, Reply> {
    let authors = header.authors().unwrap_or_default();
    let domain = authors.first().or(intake.envelope.sender.address()).map(|address| address.domain());
    domain.and_then(|domain| directory.domain(domain)).ok_or(NOBODYS)
}

/// The login that a message came by, when it came by one.
fn submitter<'a>(directory: &'a Directory, intake: &Intake) -> Option<&'a Credential> {
    let login = intake.submitter.as_deref()?;
    directory.credential(login).map(|credential| &credential.value)
}

fn mode(settings: &settings::Settings, via: &Via, submitter: Option<&Credential>) -> Mode {
    if submitter.is_some_and(|credential| credential.sandbox) {
        return Mode::Sandbox;
    }
    match (settings.mode, via) {
        (settings::Mode::Sandbox, _) | (_, Via::Sandbox) => Mode::Sandbox,
        (settings::Mode::Live, Via::Direct | Via::Relay(_)) => Mode::Live,
    }
}

fn header_id(header: &Header<'_>, given: Option<String>) -> String {
    let own = || header.message_id.map(|field| readable(field.value(), limits::HEADER_ID_BYTES_MAX));
    given.or_else(own).unwrap_or_default()
}

/// The ways to all recipients, and those for whom nothing is kept.
fn destinations<'a>(
    directory: &Directory,
    intake: &'a Intake,
    via: &Via,
) -> Result<(Vec<Destined<'a>>, Vec<Discarded<'a>>), Reply> {
    let (mut ways, mut discarded) = (Vec::with_capacity(intake.envelope.recipients.len()), Vec::new());
    for recipient in &intake.envelope.recipients {
        match routes::resolve_outgoing(directory, &intake.hop.by, &recipient.address).answer() {
            Ok(None) => ways.push(away(via, recipient)),
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

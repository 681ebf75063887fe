//! The only way out: everything that leaves is accepted here, whoever wrote it.

mod complete;
mod happenings;
mod report;
mod suppressed;

use crate::base::id::{self, MessageId};
use crate::base::limits;
use crate::base::observe::Happening;
use crate::mail::envelope::Recipient;
use crate::mail::header::Header;
use crate::mail::text::readable;
use crate::model::credential::Credential;
use crate::model::delivery::NextHop;
use crate::model::directory::{Directory, Entry as Served};
use crate::model::domain::{Domain, Via};
use crate::model::intake::Intake;
use crate::policy::routes;
use crate::queue::accept::{self, Acceptance, Destined, Discarded, Entry, Mode, Planned, Seating};
use crate::queue::happenings::{Found, RecipientSuppressed};
use crate::queue::ledger::{Ledger, tenant_id};
use crate::queue::{settings, simulator};
use crate::smtp::reply::Reply;
use crate::store::Change;
use std::sync::Arc;
use suppressed::Suppressed;

const NOBODYS: Reply = Reply::new(550, 7, 1, "From names no domain that is served here");
const CHANGED: Reply = Reply::new(451, 3, 0, "what is done with a recipient has changed meanwhile, send it again");

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
        let suppressed = self.suppressed(&intake).await?;
        let (id, planned) = self.plan(&intake, &suppressed)?;
        self.ledger.enter(&id, &intake, planned.with(extra)).await?;
        Ok(id)
    }

    /// Everything that is decided before the commit.
    fn plan(&self, intake: &Intake, suppressed: &Suppressed) -> Result<(MessageId, Planned), Reply> {
        let directory = self.ledger.directory.load();
        let settings = self.ledger.settings.load();
        let now = self.ledger.clock.now();
        let id: MessageId = id::new(now, &self.ledger.random);
        let header = Header::read(&intake.message);
        let domain = domain_of(&directory, intake, &header)?;
        let (deliveries, discarded) = destinations(&directory, intake, &domain.value.relay, suppressed)?;
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

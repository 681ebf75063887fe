//! The only way out: everything that leaves is accepted here, whoever wrote it.

pub mod complete;
mod happenings;
mod mended;
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
use crate::model::directory::{Directory, Entry as Served, Source};
use crate::model::domain::{Domain, Via};
use crate::model::intake::Intake;
use crate::model::name::Name;
use crate::model::stream::{Stream, TRANSACTIONAL};
use crate::model::wishes::Wishes;
use crate::policy::routes;
use crate::queue::accept::{self, Acceptance, Destined, Discarded, Entry, Mode, Planned, Seating};
use crate::queue::happenings::{Found, RecipientSuppressed};
use crate::queue::ledger::{Ledger, tenant_id};
use crate::queue::{settings, simulator};
use crate::smtp::reply::Reply;
use crate::store::Change;
use complete::{Client, Completed, Given, Leaves};
use std::borrow::Cow;
use std::str::FromStr;
use std::sync::Arc;
use suppressed::Suppressed;

const NOBODYS: Reply = Reply::new(550, 7, 1, "From names no domain that is served here");
const NO_STREAM: Reply = Reply::new(451, 3, 0, "the stream of this message is gone, send it again");
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
        self.accept_with(intake, |_| extra).await
    }

    /// The same, with rows that name the message.
    pub async fn accept_with(
        &self,
        intake: Intake,
        extra: impl FnOnce(&MessageId) -> Change,
    ) -> Result<MessageId, Reply> {
        let intake = mended::mended(intake).await;
        let suppressed = self.suppressed(&intake).await?;
        let (id, planned) = self.plan(&intake, &suppressed)?;
        let extra = extra(&id);
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
        let submitter = submitter(&directory, intake);
        let via = way_of(&domain.value.relay, &intake.wishes);
        let stream = stream_of(&directory, &domain.tenant, intake, submitter)?;
        let (deliveries, discarded) = destinations(&directory, intake, via, suppressed)?;
        let given = Given {
            id: &id,
            domain: &domain.value.name,
            tenant: &domain.tenant,
            client: if domain.value.hide_client { Client::Hidden } else { Client::Named },
            stream: Some(&stream),
            leaves: leaves(&directory, &domain.tenant, via),
            unsubscribe: None,
        };
        let Completed { message: prepared, given_id, .. } = complete::complete(intake, &header, &given);
        let acceptance = Acceptance {
            id: id.clone(),
            tenant: tenant_id(&directory, &domain.tenant)?,
            from_domain: domain.value.name.clone(),
            header_id: header_id(&header, given_id),
            mode: mode(&settings, via, submitter, &intake.wishes),
            stream: stream.name.as_str(),
            prepared,
            deliveries,
            discarded,
            now,
            expire: intake.wishes.expire_after.unwrap_or(settings.expire),
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
fn stream_of<'a>(
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

fn mode(settings: &settings::Settings, via: &Via, submitter: Option<&Credential>, wishes: &Wishes) -> Mode {
    if wishes.sandbox || submitter.is_some_and(|credential| credential.sandbox) {
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

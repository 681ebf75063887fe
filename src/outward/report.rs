//! Reports on their way out: they leave under the tenant of the mail that they are about, and when they have
//! nowhere to go they end here. What they report is committed with them, or without them, in one piece.

use super::Outward;
use super::complete::{self, Client, Completed, Given, Lacking, Leaves};
use super::happenings::ReportDropped;
use super::plan::{destinations, header_id, mode};
use super::suppressed::Suppressed;
use crate::base::id::{self, MessageId};
use crate::base::observe::Happening;
use crate::mail::domain_name::DomainName;
use crate::mail::envelope::Envelope;
use crate::mail::header::Header;
use crate::model::directory::Directory;
use crate::model::domain::Via;
use crate::model::event::Event;
use crate::model::intake::Intake;
use crate::model::name::Name;
use crate::model::stream::TRANSACTIONAL;
use crate::policy::routes;
use crate::proof::Signing;
use crate::queue::accept::{self, Acceptance, Mode, Planned, Seating};
use crate::queue::bounce::Report;
use crate::queue::finish::Finish;
use crate::queue::ledger::Entered;
use crate::store::{Change, StoreError};

/// Why a report has nowhere to go; reads after "…: ".
type Nowhere = String;

impl Outward {
    /// Takes a report together with the rows of what it reports. Ok is on disk: the report's own id, or
    /// nothing of it but an event that says why. After an error nothing is left of either.
    pub async fn report(&self, report: &Report, extra: Change) -> Result<Option<MessageId>, StoreError> {
        match self.plan_report(report) {
            Ok((id, planned)) => {
                self.ledger.commit(&[Entered::of(&id, &report.intake)], planned.with(extra)).await?;
                Ok(Some(id))
            }
            Err(why) => {
                let dropped = Change { events: vec![self.dropped(report, &why)], ..Change::default() };
                self.ledger.store.write(dropped.and(extra)).await?;
                ReportDropped { message: &report.about, recipient: &recipients(&report.intake), why: &why }.record();
                Ok(None)
            }
        }
    }

    fn plan_report(&self, report: &Report) -> Result<(MessageId, Planned), Nowhere> {
        let directory = self.ledger.directory.load();
        let settings = self.ledger.settings.load();
        let intake = &report.intake;
        let header = Header::read(&intake.message);
        let from = from_domain(&directory, intake, &header)?;
        // Our host name has no domain's way: it sends like one that says nothing.
        let via = directory.domain(&from).map_or(&Via::Direct, |domain| &domain.value.relay);
        check_recipients(&directory, intake)?;
        // A report goes where it has to.
        let (deliveries, discarded) =
            destinations(&directory, intake, via, &Suppressed::default()).map_err(|reply| reply.text().to_owned())?;
        let now = self.ledger.clock.now();
        let id: MessageId = id::new(now, &self.ledger.random);
        let given = Given {
            id: &id,
            domain: &from,
            tenant: &Name::default_tenant(),
            client: Client::Named,
            stream: None,
            leaves: Leaves::ToRecipients,
            unsubscribe: None,
        };
        let Completed { message: prepared, given_id, .. } =
            complete::complete(intake.message.clone(), &Lacking::of(&header), intake, &given);
        let is_to_be_signed = !matches!(self.ledger.keys.load().of(&from), Signing::None);
        let acceptance = Acceptance {
            id: id.clone(),
            tenant: report.tenant.clone(),
            from_domain: from,
            header_id: given_id.unwrap_or_else(|| header_id(&header)),
            subject: accept::subject(&header),
            bytes: intake.message.len(),
            mode: if report.is_sandboxed { Mode::Sandbox } else { mode(&settings, via, None, &intake.wishes) },
            stream: TRANSACTIONAL,
            prepared,
            finish: Finish { slots: Vec::new(), is_to_be_signed },
            links: None,
            deliveries,
            discarded,
            now,
            expire: settings.expire,
        };
        let seating = Seating { ready: &self.ledger.ready, lease: &self.ledger.lease, retry: &settings.retry };
        Ok((id, accept::plan(acceptance, intake, &seating, &self.ledger.random)))
    }

    fn dropped(&self, report: &Report, why: &str) -> Event {
        let now = self.ledger.clock.now();
        let data = serde_json::json!({ "recipient": recipients(&report.intake), "reason": why });
        Event {
            id: id::new(now, &self.ledger.random),
            kind: "report.dropped".to_owned(),
            at: now,
            tenant: Some(report.tenant.clone()),
            message: Some(report.about.clone()),
            delivery: None,
            data: data.to_string(),
        }
    }
}

/// Who reports: a domain of ours, or this host by its name.
fn from_domain(directory: &Directory, intake: &Intake, header: &Header<'_>) -> Result<DomainName, Nowhere> {
    let authors = header.authors().unwrap_or_default();
    let domain = authors.first().map(|address| address.domain());
    let ours = domain.filter(|domain| directory.domain(domain).is_some() || **domain == intake.hop.by);
    ours.cloned().ok_or_else(|| "it comes from no domain that is served here".to_owned())
}

/// RFC 5321 6.1: what cannot be told is not told to anyone else.
fn check_recipients(directory: &Directory, intake: &Intake) -> Result<(), Nowhere> {
    for recipient in &intake.envelope.recipients {
        let resolved = routes::resolve_outgoing(directory, &intake.hop.by, &recipient.address);
        resolved.answer().map_err(|reply| reply.text().to_owned())?;
    }
    Ok(())
}

fn recipients(intake: &Intake) -> String {
    let Envelope { recipients, .. } = &intake.envelope;
    recipients.iter().map(|recipient| recipient.address.to_string()).collect::<Vec<_>>().join(", ")
}

//! Who of a message's recipients is not written to any more: found before its rows are planned, shown among its
//! deliveries. The sender hears 250 all the same.

use super::Outward;
use super::plan::{domain_of, stream_of, submitter};
use crate::mail::address::Address;
use crate::mail::header::Header;
use crate::model::intake::Intake;
use crate::policy::suppression::{self, Asked};
use crate::queue::ledger::{refusal, tenant_id};
use crate::smtp::reply::Reply;

/// Why each recipient of an envelope is not written to, in its order; empty when all of them are.
#[derive(Debug, Default)]
pub(super) struct Suppressed(Vec<Option<String>>);

impl Suppressed {
    pub fn reason(&self, recipient: usize) -> Option<&str> {
        self.0.get(recipient)?.as_deref()
    }
}

impl Outward {
    /// Memory answers for nearly everybody; the store is asked about whom it may hold.
    pub(super) async fn suppressed(&self, intake: &Intake) -> Result<Suppressed, Reply> {
        let (index, now) = (self.ledger.directory.suppressed(), self.ledger.clock.now());
        if !suppression::applies(intake.origin) || index.holds_nobody(now) {
            return Ok(Suppressed::default());
        }
        let directory = self.ledger.directory.load_full();
        let header = Header::read(&intake.message);
        let domain = domain_of(&directory, intake, &header)?;
        let stream = stream_of(&directory, &domain.tenant, intake, submitter(&directory, intake))?;
        let asked = Asked {
            tenant: &tenant_id(&directory, &domain.tenant)?,
            domain: domain.value.name.as_str(),
            stream: stream.name.as_str(),
            ignored: intake.wishes.ignore_suppression,
            now,
        };
        let addresses: Vec<&Address> = intake.envelope.recipients.iter().map(|to| &to.address).collect();
        let found = suppression::among(index, &self.ledger.store, asked, &addresses).await.map_err(|error| {
            tracing::warn!(%error, "suppressions cannot be looked up");
            refusal(&error)
        })?;
        if found.iter().all(Option::is_none) {
            return Ok(Suppressed::default());
        }
        Ok(Suppressed(found.iter().map(|found| found.as_ref().map(suppression::reason)).collect()))
    }
}

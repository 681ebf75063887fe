//! Who is not written to any more: an address or a whole domain, for a tenant, for one of its domains, for
//! one of its streams.

use super::change::Step;
use super::error::StoreError;
use super::open::Store;
use super::statement::{Binds, Columns, fetch_all, fetch_one, statements};
use super::words;
use crate::base::clock::Time;
use crate::base::id::{SuppressionId, TenantId};
use crate::base::limits;
use crate::mail::address::Address;
use crate::model::suppression::{Cause, Suppressed, Suppression, Whence};
use sqlx::any::AnyRow;

statements! {
    // What is there keeps its name and its age. The stronger of the two holds: for ever before a time, and
    // the later time. Who complained is not made one who merely could not be reached.
    SUPPRESS = "INSERT INTO suppressions (id, tenant_id, domain, stream, address, reason, origin, note, created_at,
        expires_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $9)
        ON CONFLICT (tenant_id, address, domain, stream) DO UPDATE SET
        reason = CASE WHEN suppressions.reason = 'complaint' THEN 'complaint' ELSE excluded.reason END,
        origin = excluded.origin, note = excluded.note, updated_at = excluded.updated_at,
        expires_at = CASE WHEN suppressions.expires_at IS NULL OR excluded.expires_at IS NULL THEN NULL
            WHEN suppressions.expires_at > excluded.expires_at THEN suppressions.expires_at
            ELSE excluded.expires_at END";
    SUPPRESSION_AT = "SELECT id, tenant_id, domain, stream, address, reason, origin, note, created_at, expires_at
        FROM suppressions WHERE tenant_id = $1 AND address = $2 AND domain = $3 AND stream = $4";
    LIFT_SUPPRESSION = "DELETE FROM suppressions WHERE id = $1 AND tenant_id = $2";
    SUPPRESSIONS = "SELECT id, tenant_id, domain, stream, address, reason, origin, note, created_at, expires_at
        FROM suppressions WHERE tenant_id = $1 AND (address, domain, stream) > ($2, $3, $4)
        ORDER BY address, domain, stream LIMIT $5";
    SUPPRESSION = "SELECT id, tenant_id, domain, stream, address, reason, origin, note, created_at, expires_at
        FROM suppressions WHERE id = $1";
    SUPPRESSIONS_AT = "SELECT id, tenant_id, domain, stream, address, reason, origin, note, created_at, expires_at
        FROM suppressions WHERE tenant_id = $1 AND address = $2 ORDER BY domain, stream LIMIT $3";
    SUPPRESSED_SINCE = "SELECT tenant_id, address, updated_at, id FROM suppressions
        WHERE (updated_at, id) > ($1, $2) ORDER BY updated_at, id LIMIT $3";
    SUPPRESSED_ALL = "SELECT tenant_id, address, domain, stream FROM suppressions
        WHERE (tenant_id, address, domain, stream) > ($1, $2, $3, $4)
        ORDER BY tenant_id, address, domain, stream LIMIT $5";
    // The first half are addresses, the second their domains.
    SUPPRESSIONS_OF = "SELECT id, tenant_id, domain, stream, address, reason, origin, note, created_at, expires_at
        FROM suppressions WHERE tenant_id = $1 AND domain IN ('', $2) AND stream IN ('', $3)
        AND (expires_at IS NULL OR expires_at > $4) AND address IN ($5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15,
        $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37,
        $38, $39, $40, $41, $42, $43, $44, $45, $46, $47, $48, $49, $50, $51, $52, $53, $54, $55, $56, $57, $58, $59,
        $60, $61, $62, $63, $64, $65, $66, $67, $68)";
}

/// The step that suppresses; what is suppressed already keeps its first date.
pub fn suppress(suppression: &Suppression) -> Step {
    let binds = Binds::default()
        .text(suppression.id.as_str())
        .text(suppression.tenant.as_str())
        .text(&suppression.domain)
        .text(&suppression.stream)
        .text(&suppression.whom.key())
        .text(suppression.reason.word())
        .text(suppression.origin.word())
        .text(&suppression.note)
        .int(suppression.created_at.micros())
        .maybe_int(suppression.expires_at.map(Time::micros));
    Step::one(&SUPPRESS, binds)
}

/// The step that lifts one of this tenant's; a conflict when there is none.
pub fn lift_suppression(tenant: &TenantId, id: &SuppressionId) -> Step {
    Step::one(&LIFT_SUPPRESSION, Binds::default().text(id.as_str()).text(tenant.as_str()))
}

impl Store {
    /// Why this tenant does not write to this address, as this domain, in this stream; the strictest if
    /// there are several.
    pub async fn suppression_of(
        &self,
        tenant: &TenantId,
        address: &Address,
        domain: &str,
        stream: &str,
        now: Time,
    ) -> Result<Option<Suppression>, StoreError> {
        let found = self.suppressions_of(tenant, std::slice::from_ref(address), domain, stream, now).await?;
        Ok(found.into_iter().next().flatten())
    }

    /// The same for many addresses: one answer for each, in their order.
    pub async fn suppressions_of(
        &self,
        tenant: &TenantId,
        addresses: &[Address],
        domain: &str,
        stream: &str,
        now: Time,
    ) -> Result<Vec<Option<Suppression>>, StoreError> {
        let mut answers = Vec::with_capacity(addresses.len());
        for addresses in addresses.chunks(limits::SUPPRESSIONS_AT_ONCE) {
            let mut binds = Binds::default().text(tenant.as_str()).text(domain).text(stream).int(now.micros());
            let keys: Vec<_> = addresses.iter().map(Suppressed::both_keys).collect();
            for n in 0..limits::SUPPRESSIONS_AT_ONCE {
                binds.push_text(keys.get(n).map_or("", |(address, _)| address).to_owned());
            }
            for n in 0..limits::SUPPRESSIONS_AT_ONCE {
                binds.push_text(keys.get(n).map_or("", |(_, domain)| domain).to_owned());
            }
            let rows = fetch_all(self.reads(), &SUPPRESSIONS_OF, binds).await?;
            let found: Vec<Suppression> = rows.iter().map(read).collect::<Result<_, _>>()?;
            answers.extend(addresses.iter().map(|address| strictest(&found, address).cloned()));
        }
        Ok(answers)
    }

    /// The one at exactly this place, whether it has expired or not.
    pub async fn suppression_at(
        &self,
        tenant: &TenantId,
        whom: &Suppressed,
        domain: &str,
        stream: &str,
    ) -> Result<Option<Suppression>, StoreError> {
        let binds = Binds::default().text(tenant.as_str()).text(&whom.key()).text(domain).text(stream);
        fetch_one(self.reads(), &SUPPRESSION_AT, binds).await?.as_ref().map(read).transpose()
    }

    /// A page of a tenant's suppressions in the order of their addresses, behind this one.
    pub async fn suppressions(
        &self,
        tenant: &TenantId,
        after: Option<&Suppression>,
    ) -> Result<Vec<Suppression>, StoreError> {
        let key = after.map_or_else(String::new, |s| s.whom.key());
        let (domain, stream) = after.map_or(("", ""), |s| (s.domain.as_str(), s.stream.as_str()));
        let binds = Binds::default().text(tenant.as_str()).text(&key).text(domain).text(stream);
        let rows = fetch_all(self.reads(), &SUPPRESSIONS, binds.int(limits::PAGE_ROWS_MAX)).await?;
        rows.iter().map(read).collect()
    }

    /// A page of them in the same order behind a place: the address as it is called, its domain, its stream.
    pub async fn suppressions_behind(
        &self,
        tenant: &TenantId,
        (key, domain, stream): (&str, &str, &str),
        rows: i64,
    ) -> Result<Vec<Suppression>, StoreError> {
        let binds = Binds::default().text(tenant.as_str()).text(key).text(domain).text(stream).int(rows);
        fetch_all(self.reads(), &SUPPRESSIONS, binds).await?.iter().map(read).collect()
    }

    /// One address, in all its scopes.
    pub async fn suppressions_at(&self, tenant: &TenantId, whom: &Suppressed) -> Result<Vec<Suppression>, StoreError> {
        let binds = Binds::default().text(tenant.as_str()).text(&whom.key()).int(limits::PAGE_ROWS_MAX);
        fetch_all(self.reads(), &SUPPRESSIONS_AT, binds).await?.iter().map(read).collect()
    }

    pub async fn suppression(&self, id: &SuppressionId) -> Result<Option<Suppression>, StoreError> {
        let binds = Binds::default().text(id.as_str());
        fetch_one(self.reads(), &SUPPRESSION, binds).await?.as_ref().map(read).transpose()
    }

    /// Who was suppressed since then, page by page: whose, and what it is called.
    pub async fn suppressed_since(&self, since: Time, mut take: impl FnMut(&TenantId, &str)) -> Result<(), StoreError> {
        let (mut at, mut id) = (since.micros(), String::new());
        loop {
            let binds = Binds::default().int(at).text(&id).int(limits::SUPPRESSIONS_PAGE_ROWS);
            let rows = fetch_all(self.reads(), &SUPPRESSED_SINCE, binds).await?;
            for row in &rows {
                take(&words::id(&row.text("tenant_id")?)?, &row.text("address")?);
            }
            match rows.last() {
                Some(last) if rows.len() as i64 == limits::SUPPRESSIONS_PAGE_ROWS => {
                    (at, id) = (last.int("updated_at")?, last.text("id")?);
                }
                _ => return Ok(()),
            }
        }
    }

    /// The same of all there are.
    pub async fn all_suppressed(&self, mut take: impl FnMut(&TenantId, &str)) -> Result<(), StoreError> {
        let mut behind: [String; 4] = Default::default();
        loop {
            let [tenant, address, domain, stream] = &behind;
            let binds = Binds::default().text(tenant).text(address).text(domain).text(stream);
            let binds = binds.int(limits::SUPPRESSIONS_PAGE_ROWS);
            let rows = fetch_all(self.reads(), &SUPPRESSED_ALL, binds).await?;
            for row in &rows {
                take(&words::id(&row.text("tenant_id")?)?, &row.text("address")?);
            }
            match rows.last() {
                Some(last) if rows.len() as i64 == limits::SUPPRESSIONS_PAGE_ROWS => {
                    behind =
                        [last.text("tenant_id")?, last.text("address")?, last.text("domain")?, last.text("stream")?];
                }
                _ => return Ok(()),
            }
        }
    }
}

/// A complaint before all else; then for ever before a time, and the later time before the earlier.
fn strictest<'a>(found: &'a [Suppression], address: &Address) -> Option<&'a Suppression> {
    let covering = found.iter().filter(|suppression| suppression.whom.covers(address));
    let end = |suppression: &Suppression| suppression.expires_at.map_or(i64::MAX, Time::micros);
    covering.max_by_key(|suppression| (suppression.reason == Cause::Complaint, end(suppression)))
}

fn read(row: &AnyRow) -> Result<Suppression, StoreError> {
    let whom = row.text("address")?;
    Ok(Suppression {
        id: words::id(&row.text("id")?)?,
        tenant: words::id(&row.text("tenant_id")?)?,
        domain: row.text("domain")?,
        stream: row.text("stream")?,
        whom: words::value(&whom)?,
        reason: words::parse(&row.text("reason")?, Cause::ALL, Cause::word)?,
        origin: words::parse(&row.text("origin")?, Whence::ALL, Whence::word)?,
        note: row.text("note")?,
        created_at: Time::from_micros(row.int("created_at")?),
        expires_at: words::time(row.maybe_int("expires_at")?),
    })
}

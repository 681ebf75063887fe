//! What is known of other domains' TLS: their MTA-STS policies, which hold through a restart, and how TLS
//! went with them, day by day.

use super::change::{Change, Step};
use super::error::StoreError;
use super::open::Store;
use super::statement::{Binds, Columns, fetch_all, statements};
use super::words;
use crate::base::clock::Time;
use crate::base::limits;
use crate::mail::domain_name::DomainName;
use crate::model::tls_report::{StsMode, StsPolicy, TlsCount};
use std::time::Duration;

statements! {
    // Two nodes may fetch a policy at once: the later answer stays.
    PUT_STS_POLICY = "INSERT INTO sts_policies (domain, policy_id, mode, mx, max_age, fetched_at, text)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (domain) DO UPDATE SET policy_id = excluded.policy_id, mode = excluded.mode, mx = excluded.mx,
        max_age = excluded.max_age, fetched_at = excluded.fetched_at, text = excluded.text
        WHERE sts_policies.fetched_at <= excluded.fetched_at";
    STS_POLICIES = "SELECT domain, policy_id, mode, mx, max_age, fetched_at, text FROM sts_policies WHERE domain > $1
        ORDER BY domain LIMIT $2";
    ADD_TLS_RESULT = "INSERT INTO tls_results (day, domain, policy, host, result, count)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (day, domain, policy, host, result) DO UPDATE SET count = tls_results.count + excluded.count";
    TLS_RESULTS = "SELECT day, domain, policy, host, result, count FROM tls_results
        WHERE day = $1 AND (domain, policy, host, result) > ($2, $3, $4, $5)
        ORDER BY domain, policy, host, result LIMIT $6";
}

/// The step that keeps a policy, unless a later one is kept already.
pub fn put_sts_policy(policy: &StsPolicy) -> Step {
    let binds = Binds::default()
        .text(policy.domain.as_str())
        .text(&policy.id)
        .text(policy.mode.word())
        .text(&serde_json::json!(policy.mx).to_string())
        .int(i64::try_from(policy.max_age.as_secs()).unwrap_or(i64::MAX))
        .int(policy.fetched_at.micros())
        .text(&policy.text);
    Step::any(&PUT_STS_POLICY, binds)
}

/// The change that adds what was counted, in one order everywhere: nodes that add to the same rows wait for
/// each other, never in a ring.
pub fn add_tls_results(mut counts: Vec<TlsCount>) -> Change {
    counts.sort();
    let steps = counts.iter().map(|counted| {
        let binds = Binds::default()
            .int(counted.day)
            .text(&counted.domain)
            .text(&counted.policy)
            .text(&counted.host)
            .text(&counted.result)
            .int(i64::try_from(counted.count).unwrap_or(i64::MAX));
        Step::one(&ADD_TLS_RESULT, binds)
    });
    steps.fold(Change::default(), Change::with)
}

impl Store {
    /// A page of the policies, by domain, behind `after` ("" for the first).
    pub async fn sts_policies(&self, after: &str) -> Result<Vec<StsPolicy>, StoreError> {
        let binds = Binds::default().text(after).int(limits::QUEUE_ROWS_MAX);
        let rows = fetch_all(self.reads(), &STS_POLICIES, binds).await?;
        rows.iter()
            .map(|row| {
                let domain: DomainName = words::value(&row.text("domain")?)?;
                Ok(StsPolicy {
                    domain,
                    id: row.text("policy_id")?,
                    mode: words::parse(&row.text("mode")?, StsMode::ALL, StsMode::word)?,
                    mx: serde_json::from_str(&row.text("mx")?).map_err(StoreError::damaged)?,
                    max_age: Duration::from_secs(words::size(row.int("max_age")?)? as u64),
                    fetched_at: Time::from_micros(row.int("fetched_at")?),
                    text: row.text("text")?,
                })
            })
            .collect()
    }

    /// A page of one day's counts behind this one.
    pub async fn tls_results(&self, day: i64, after: Option<&TlsCount>) -> Result<Vec<TlsCount>, StoreError> {
        let mut binds = Binds::default().int(day);
        for text in after.map_or([""; 4], |c| [&*c.domain, &*c.policy, &*c.host, &*c.result]) {
            binds.push_text(text.to_owned());
        }
        let rows = fetch_all(self.reads(), &TLS_RESULTS, binds.int(limits::QUEUE_ROWS_MAX)).await?;
        rows.iter()
            .map(|row| {
                Ok(TlsCount {
                    day: row.int("day")?,
                    domain: row.text("domain")?,
                    policy: row.text("policy")?,
                    host: row.text("host")?,
                    result: row.text("result")?,
                    count: words::size(row.int("count")?)? as u64,
                })
            })
            .collect()
    }
}

//! `gatepost suppression`: who is not written to any more, and what to do about it. Each command is a question to the
//! daemon.

use super::arguments::{Scope, Suppression};
use super::daemon::{Daemon, encoded, query};
use super::table::{Align, Table, plain};
use super::{Failure, show};
use crate::base::limits;
use crate::config::Origin;
use serde_json::{Value, json};

const SUPPRESSIONS: &str = "/api/v1/suppressions";

pub fn run(origin: &Origin, what: Suppression) -> Result<(), Failure> {
    let daemon = Daemon::of(origin)?;
    match what {
        Suppression::List { tenant, json } => list(&daemon, tenant.as_deref(), json),
        Suppression::Add { address, scope, reason, note, until } => {
            let Scope { tenant, domain, stream } = &scope;
            let body = json!({
                "address": address, "tenant": tenant, "domain": domain, "stream": stream,
                "reason": reason, "note": note, "expires_at": until,
            });
            let row = daemon.post(SUPPRESSIONS, &body)?;
            show(&format!("{} is suppressed ({}).\n", word(&row["address"]), word(&row["id"])))
        }
        Suppression::Remove { address, scope } => remove(&daemon, &address, &scope),
        Suppression::Check { address, scope } => check(&daemon, &address, &scope),
    }
}

fn list(daemon: &Daemon, tenant: Option<&str>, json: bool) -> Result<(), Failure> {
    let columns = ["ADDRESS", "DOMAIN", "STREAM", "REASON", "SINCE", "UNTIL", "NOTE"];
    let mut table = Table::new(&columns.map(|name| (name, Align::Left)));
    let (mut after, size) = (None::<String>, limits::PAGE_ROWS_MAX.to_string());
    loop {
        let pairs = [("tenant", tenant), ("limit", Some(size.as_str())), ("after", after.as_deref())];
        let page = daemon.get(&query(SUPPRESSIONS, &pairs))?;
        let rows = page["data"].as_array().map(Vec::as_slice).unwrap_or_default();
        match json {
            true => rows.iter().try_for_each(|row| show(&format!("{row}\n")))?,
            false if rows.is_empty() && after.is_none() => show("Nobody is suppressed.\n")?,
            false => show(&table.rows(&rows.iter().map(cells).collect::<Vec<_>>()))?,
        }
        match page["next"].as_str() {
            Some(next) => after = Some(next.to_owned()),
            None => return Ok(()),
        }
    }
}

fn cells(row: &Value) -> Vec<String> {
    ["address", "domain", "stream", "reason", "created_at", "expires_at", "note"].map(|name| word(&row[name])).to_vec()
}

/// Lifts what is suppressed in this very scope.
fn remove(daemon: &Daemon, address: &str, scope: &Scope) -> Result<(), Failure> {
    let pairs = [("address", Some(address)), ("tenant", scope.tenant.as_deref())];
    let found = daemon.get(&query(SUPPRESSIONS, &pairs))?;
    let is_meant = |row: &&Value| {
        row["domain"].as_str() == scope.domain.as_deref() && row["stream"].as_str() == scope.stream.as_deref()
    };
    let row = found["data"].as_array().and_then(|rows| rows.iter().find(is_meant));
    let id = row.and_then(|row| row["id"].as_str()).ok_or_else(|| {
        let others = found["data"].as_array().map_or(0, Vec::len);
        let hint = if others > 0 { "; it is for a --domain or a --stream, see `suppression list`" } else { "" };
        Failure::Because(format!("{} is not suppressed like this{hint}", plain(address)))
    })?;
    daemon.delete(&format!("{SUPPRESSIONS}/{}", encoded(id)))?;
    show(&format!("{} is written to again.\n", plain(address)))
}

fn check(daemon: &Daemon, address: &str, scope: &Scope) -> Result<(), Failure> {
    let Scope { tenant, domain, stream } = scope;
    let pairs = [
        ("address", Some(address)),
        ("tenant", tenant.as_deref()),
        ("domain", domain.as_deref()),
        ("stream", stream.as_deref()),
    ];
    let answer = daemon.get(&query(&format!("{SUPPRESSIONS}/check"), &pairs))?;
    let found = &answer["suppression"];
    if answer["suppressed"] != true {
        return show(&format!("{} is written to.\n", plain(address)));
    }
    let until = found["expires_at"].as_str().map(|until| format!(" until {}", plain(until))).unwrap_or_default();
    let (whom, reason, since, note) =
        (word(&found["address"]), word(&found["reason"]), word(&found["created_at"]), word(&found["note"]));
    show(&format!("{} is suppressed since {since}{until}: {whom}, {reason}. {note}\n", plain(address)))
}

fn word(value: &Value) -> String {
    plain(value.as_str().unwrap_or_default())
}

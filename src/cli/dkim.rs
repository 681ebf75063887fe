//! `gatepost dkim`: makes keys, shows them with the records that belong into the DNS, and rotates them.

use super::arguments::{Dkim, WhichAlgorithm};
use super::daemon::{Daemon, encoded, query};
use super::table::plain;
use super::{Failure, show};
use crate::config::Origin;
use serde_json::{Value, json};

pub fn run(origin: &Origin, what: Dkim) -> Result<(), Failure> {
    let daemon = Daemon::of(origin)?;
    match what {
        Dkim::New { domain, selector, algorithm } => {
            let body = json!({ "selector": selector, "algorithm": word_of(algorithm) });
            let answer = daemon.post(&keys_of(&domain), &body).map_err(|failure| failure.about(&domain))?;
            made(&answer)
        }
        Dkim::Rotate { domain } => {
            let path = format!("{}/rotate", keys_of(&domain));
            let answer = daemon.post(&path, &json!({})).map_err(|failure| failure.about(&domain))?;
            made(&answer)
        }
        Dkim::Show { domain: Some(domain), json } => {
            let answer = daemon.get(&keys_of(&domain)).map_err(|failure| failure.about(&domain))?;
            shown(&answer, json)?;
            match rows(&answer) {
                [] if !json => show(&format!("{} has no DKIM key: its mail is not signed.\n", plain(&domain))),
                _ => Ok(()),
            }
        }
        Dkim::Show { domain: None, json } => show_all(&daemon, json),
    }
}

fn keys_of(domain: &str) -> String {
    format!("/api/v1/domains/{}/dkim-keys", encoded(domain))
}

fn word_of(algorithm: WhichAlgorithm) -> &'static str {
    match algorithm {
        WhichAlgorithm::Rsa => "rsa",
        WhichAlgorithm::Ed25519 => "ed25519",
        WhichAlgorithm::Both => "both",
    }
}

fn rows(answer: &Value) -> &[Value] {
    answer["data"].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn made(answer: &Value) -> Result<(), Failure> {
    shown(answer, false)?;
    show("\nPublish this in the DNS. `gatepost dkim show` looks whether it is there.\n")
}

fn show_all(daemon: &Daemon, json: bool) -> Result<(), Failure> {
    let (mut after, mut any): (Option<String>, bool) = (None, false);
    loop {
        let answer = daemon.get(&query("/api/v1/dkim-keys", &[("limit", Some("100")), ("after", after.as_deref())]))?;
        any |= !rows(&answer).is_empty();
        shown(&answer, json)?;
        match answer["next"].as_str() {
            Some(next) if after.as_deref() != Some(next) => after = Some(next.to_owned()),
            _ => break,
        }
    }
    if any || json { Ok(()) } else { show("No domain has a DKIM key: no mail is signed.\n") }
}

fn shown(answer: &Value, json: bool) -> Result<(), Failure> {
    rows(answer).iter().try_for_each(|row| show(&if json { format!("{row}\n") } else { key(row) }))
}

/// A key in three or four lines, the second of which is a line of a zone.
fn key(row: &Value) -> String {
    let word = |value: &Value| plain(value.as_str().unwrap_or_default());
    let since = row["since"].as_str().map(|since| format!(" since {}", plain(since))).unwrap_or_default();
    let whence = if row["source"] == "file" { ", of the configuration" } else { "" };
    let mut text = format!(
        "{} {} ({}{whence}): {}{since}\n  {}\n",
        word(&row["domain"]),
        word(&row["selector"]),
        word(&row["algorithm"]),
        word(&row["stage"]),
        word(&row["record"]["zone_line"]),
    );
    if let Some(found) = row["dns"]["found"].as_str() {
        text.push_str(&format!("  the DNS has {}\n", plain(found)));
    }
    text.push_str(&format!("  {}\n", word(&row["next"])));
    text
}

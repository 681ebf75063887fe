//! `gatepost dns`: the records that a domain needs, as lines of a zone file, and what is found of them. All of it
//! can be pasted: what is said about the records stands behind semicolons, and so does a record that is there
//! already in other words, before which something has to be done, or of which nobody knows what is there.
//!
//! Ends with 1 when a record is wrong, when one that is required was not found, or when tracking or the return path is
//! not ready. What is only recommended may be missing.

use super::daemon::{Daemon, encoded};
use super::table::plain;
use super::{Failure, show, wait};
use crate::config::{Environment, Origin};
use crate::daemon::records;
use crate::policy::readiness::{Part, is_checked};
use serde_json::{Value, json};
use std::io::IsTerminal;

pub fn run(origin: &Origin, domain: &str, json: bool) -> Result<(), Failure> {
    let path = format!("/api/v1/domains/{}/verify", encoded(domain));
    let answer = match Daemon::of(origin)?.post_if_running(&path, &json!({}))? {
        Some(answer) => answer,
        None => alone(origin, domain)?,
    };
    let colours = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    show(&if json { format!("{answer}\n") } else { said(&answer, if colours { Colours::On } else { Colours::Off }) })?;
    if is_good(&answer) { Ok(()) } else { Err(Failure::Told) }
}

/// Asks the DNS by itself: the configuration says enough.
fn alone(origin: &Origin, domain: &str) -> Result<Value, Failure> {
    let config = origin.load(&Environment::of_process()).config.ok_or(Failure::Configuration)?;
    let name = domain.parse().map_err(|why| Failure::Because(format!("\"{}\": {why}", plain(domain))))?;
    let looked = wait(records::look_alone(&config, &name))?.map_err(Failure::Because)?;
    let mut shown = looked.ok_or_else(|| {
        let why = "is no [[domain]] of the configuration, and no daemon runs that could know more";
        Failure::Because(format!("{name} {why}"))
    })?;
    let of_file = config.domain.iter().find(|known| known.name == name);
    if of_file.is_some_and(|domain| Part::ALL.into_iter().any(|part| is_checked(domain, part))) {
        shown.notes.push("no daemon runs: whether tracking and return path are ready is not known".to_owned());
    }
    serde_json::to_value(&shown).map_err(Failure::because)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Colours {
    On,
    Off,
}

impl Colours {
    fn paint(self, status: &str, text: String) -> String {
        let code = match status {
            "found" => "32",
            "wrong" => "31",
            _ => "33",
        };
        if self == Self::On { format!("\x1b[{code}m{text}\x1b[0m") } else { text }
    }
}

fn is_good(answer: &Value) -> bool {
    let fails = |record: &Value| match record["status"].as_str() {
        Some("found") => false,
        Some("wrong") => true,
        _ => record["required"] == true,
    };
    let not_ready = |part: &str| answer[part]["ready"] == false;
    !list(&answer["records"]).iter().any(fails) && !not_ready("tracking") && !not_ready("return_path")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn word(value: &Value) -> String {
    plain(value.as_str().unwrap_or_default())
}

fn said(answer: &Value, colours: Colours) -> String {
    let records = list(&answer["records"]);
    let found = records.iter().filter(|record| record["status"] == "found").count();
    let mut text = format!("; {}: {found} of {} records found\n", word(&answer["name"]), records.len());
    for record in records {
        text.push('\n');
        text.push_str(&one(record, colours));
    }
    let ends: Vec<_> = [("tracking", "tracking by"), ("return_path", "return path")]
        .iter()
        .filter(|(part, _)| answer[*part].is_object())
        .map(|(part, words)| stand(words, &answer[*part], colours))
        .chain(list(&answer["notes"]).iter().map(|note| format!("; {}\n", word(note))))
        .collect();
    if !ends.is_empty() {
        text.push('\n');
        text.push_str(&ends.concat());
    }
    text
}

fn one(record: &Value, colours: Colours) -> String {
    let status = word(&record["status"]);
    let mark = match status.as_str() {
        "found" => "✓",
        "wrong" => "✗",
        "missing" => "–",
        _ => "?",
    };
    let weight = if record["required"] == true { "" } else { ", recommended" };
    let why = record["reason"].as_str().or(record["note"].as_str()).map(|why| format!(": {}", plain(why)));
    let head = format!("{mark} {}{weight}: {status}{}", title(record), why.unwrap_or_default());
    let mut text = format!("; {}\n", colours.paint(&status, head));
    let observed: Vec<String> = list(&record["observed"]).iter().map(word).collect();
    let value = word(&record["value"]);
    let as_wanted = status == "found" && observed == [value.clone()];
    if !as_wanted {
        observed.iter().for_each(|there| text.push_str(&format!(";   there is: {there}\n")));
    }
    match (record["zone_line"].as_str().map(plain), status.as_str()) {
        (Some(line), "wrong" | "missing") => text.push_str(&format!("{line}\n")),
        (Some(line), "found") if as_wanted => text.push_str(&format!("{line}\n")),
        // What is right in other words stays as it is.
        (_, "found") => {}
        // Nobody knows what is there: a second one beside it might do harm.
        (Some(line), _) => text.push_str(&format!("; {line}\n")),
        (None, _) => {
            let (host, kind) = (word(&record["host"]), word(&record["type"]));
            let value = if kind == "TXT" { format!("\"{value}\"") } else { value };
            text.push_str(&format!("; {host}. IN {kind} {value}\n;   first: {}\n", word(&record["first"])));
        }
    }
    text
}

fn title(record: &Value) -> String {
    let host = word(&record["host"]);
    match record["purpose"].as_str().unwrap_or_default() {
        "spf" => "SPF".to_owned(),
        "dkim" => format!("DKIM key {}", host.split("._domainkey.").next().unwrap_or_default()),
        "dmarc" => "DMARC".to_owned(),
        "mx" => "MX".to_owned(),
        "return_path_mx" => "MX of the return path".to_owned(),
        "return_path_spf" => "SPF of the return path".to_owned(),
        "tracking" => "tracking host".to_owned(),
        "mta_sts" => "MTA-STS".to_owned(),
        "mta_sts_host" => "host of the MTA-STS policy".to_owned(),
        "tls_rpt" => "reports about TLS".to_owned(),
        other => plain(other),
    }
}

fn stand(words: &str, stand: &Value, colours: Colours) -> String {
    let host = word(&stand["host"]);
    let (status, text) = match stand["reason"].as_str() {
        None => ("found", format!("✓ {words} {host}: ready")),
        Some(why) => ("wrong", format!("✗ {words} {host}: not ready: {}", plain(why))),
    };
    format!("; {}\n", colours.paint(status, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> Value {
        let record =
            |purpose: &str, kind: &str, host: &str, value: &str, line: Option<&str>, required, status: &str| {
                json!({
                    "purpose": purpose, "type": kind, "host": host, "value": value, "zone_line": line,
                    "required": required, "status": status, "observed": [], "checked_at": "2026-11-21T00:00:00.000Z",
                })
            };
        let with = |mut record: Value, more: Value| {
            for (name, value) in more.as_object().unwrap() {
                record[name] = value.clone();
            }
            record
        };
        let spf = "v=spf1 a:mail.example.com ~all";
        let spf_line = "example.com. IN TXT \"v=spf1 a:mail.example.com ~all\"";
        let dmarc_line = "_dmarc.example.com. IN TXT \"v=DMARC1; p=none\"";
        json!({
            "object": "domain", "name": "example.com", "status": "incomplete",
            "records": [
                with(record("spf", "TXT", "example.com", spf, Some(spf_line), true, "found"), json!({"observed": [spf]})),
                with(
                    record("dkim", "TXT", "gp1._domainkey.example.com", "v=DKIM1; p=AA", Some("gp1._domainkey.example.com. IN TXT \"v=DKIM1; p=AA\""), true, "wrong"),
                    json!({"observed": ["v=DKIM1; p=BB\u{1b}[2J"], "reason": "p= is another key"}),
                ),
                record("dmarc", "TXT", "_dmarc.example.com", "v=DMARC1; p=none", Some(dmarc_line), false, "missing"),
                with(
                    record("mx", "MX", "example.com", "10 mail.example.com", Some("example.com. IN MX 10 mail.example.com."), true, "found"),
                    json!({"observed": ["5 box.example.com"], "note": "others are asked before us"}),
                ),
                with(
                    record("tracking", "CNAME", "t.example.com", "mail.example.com", Some("t.example.com. IN CNAME mail.example.com."), true, "unknown"),
                    json!({"reason": "the server answered SERVFAIL"}),
                ),
                with(
                    record("mta_sts_host", "CNAME", "mta-sts.example.com", "…", None, false, "missing"),
                    json!({"first": "put in the web server that has the policy"}),
                ),
            ],
            "notes": ["a note"],
            "tracking": {"host": "https://t.example.com", "ready": false, "reason": "it has not been checked yet"},
            "return_path": {"host": "rp.example.com", "ready": true},
        })
    }

    #[test]
    fn everything_is_said_and_all_of_it_can_be_pasted() {
        let want = "\
; example.com: 2 of 6 records found

; ✓ SPF: found
example.com. IN TXT \"v=spf1 a:mail.example.com ~all\"

; ✗ DKIM key gp1: wrong: p= is another key
;   there is: v=DKIM1; p=BB?[2J
gp1._domainkey.example.com. IN TXT \"v=DKIM1; p=AA\"

; – DMARC, recommended: missing
_dmarc.example.com. IN TXT \"v=DMARC1; p=none\"

; ✓ MX: found: others are asked before us
;   there is: 5 box.example.com

; ? tracking host: unknown: the server answered SERVFAIL
; t.example.com. IN CNAME mail.example.com.

; – host of the MTA-STS policy, recommended: missing
; mta-sts.example.com. IN CNAME …
;   first: put in the web server that has the policy

; ✗ tracking by https://t.example.com: not ready: it has not been checked yet
; ✓ return path rp.example.com: ready
; a note
";
        let text = said(&answer(), Colours::Off);
        assert_eq!(text, want);
        assert!(crate::dns::zone::Zone::parse(&text).is_ok());
    }

    #[test]
    fn colours_are_around_what_is_said_and_never_around_a_record() {
        let text = said(&answer(), Colours::On);
        assert!(text.contains("; \u{1b}[32m✓ SPF: found\u{1b}[0m\n"));
        assert!(text.contains("; \u{1b}[31m✗ DKIM key gp1: wrong: p= is another key\u{1b}[0m\n"));
        assert!(text.contains("\nexample.com. IN TXT"));
    }

    #[test]
    fn the_end_tells_whether_something_has_to_be_done() {
        let with = |status: &str, required: bool| json!({"records": [{"status": status, "required": required}]});
        for (answer, good) in [
            (with("found", true), true),
            (with("missing", true), false),
            (with("unknown", true), false),
            (with("wrong", true), false),
            (with("wrong", false), false),
            (with("missing", false), true),
            (with("unknown", false), true),
            (json!({"records": [], "tracking": {"ready": false}}), false),
            (json!({"records": [], "return_path": {"ready": false}}), false),
            (json!({"records": [], "tracking": {"ready": true}, "return_path": {"ready": true}}), true),
            (json!({"records": []}), true),
        ] {
            assert_eq!(is_good(&answer), good, "{answer}");
        }
    }
}

//! `gatepost status`: how the running daemon is, by its own account.

use super::daemon::Daemon;
use super::{Failure, show};
use crate::config::Origin;
use serde_json::{Map, Value};

pub fn run(origin: &Origin, json: bool) -> Result<(), Failure> {
    let answer = Daemon::of(origin)?.get("/api/v1/status")?;
    show(&if json { format!("{answer}\n") } else { sentences(&answer) })
}

/// The answer for people.
fn sentences(status: &Value) -> String {
    let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let config = &status["config"];
    let mut lines = vec![
        format!(
            "gatepost {}, {}, up {} s since {}",
            word(&status["version"]),
            word(&status["phase"]),
            status["uptime_seconds"],
            word(&status["started_at"])
        ),
        match status["ready"].as_bool() {
            Some(true) => "ready".to_owned(),
            _ => format!("not ready: {}", list(&status["reasons"])),
        },
        match status["store"]["reason"].as_str() {
            None => format!("store {}: {}", word(&status["store"]["engine"]), word(&status["store"]["state"])),
            Some(why) => {
                format!("store {}: {}, {why}", word(&status["store"]["engine"]), word(&status["store"]["state"]))
            }
        },
        format!(
            "configuration {}, generation {}, loaded {}",
            config["file"].as_str().unwrap_or("of the quickstart"),
            config["generation"],
            word(&config["loaded_at"])
        ),
    ];
    if let Some(why) = config["refused"].as_str() {
        lines.push(format!("the last reload was refused:\n  {}", why.replace('\n', "\n  ")));
    }
    for why in config["left_out"].as_array().into_iter().flatten() {
        lines.push(format!("left out: {}", word(why)));
    }
    if let Some(delivery) = status["delivery"].as_object() {
        lines.push(on_the_way_out(delivery));
    }
    for listener in status["listeners"].as_array().into_iter().flatten() {
        let (door, address) = (word(&listener["door"]), word(&listener["address"]));
        lines.push(format!("{door:<12} {address:<24} {} connections", listener["connections"]));
    }
    lines.join("\n") + "\n"
}

fn on_the_way_out(delivery: &Map<String, Value>) -> String {
    let count = |key: &str| delivery.get(key).and_then(Value::as_u64).unwrap_or_default();
    let mut line = format!(
        "delivery: {} of {} in memory, {} connections to {} sites",
        count("in_memory"),
        count("in_memory_max"),
        count("connections"),
        count("sites")
    );
    if let Some(since) = delivery.get("oldest_due_at").and_then(Value::as_str) {
        line.push_str(&format!(", the oldest that waits is due since {since}"));
    }
    match count("suspended") {
        0 => line,
        suspended => format!("{line}, {suspended} destinations suspended"),
    }
}

fn list(reasons: &Value) -> String {
    let reasons: Vec<_> = reasons.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    reasons.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_reads_as_sentences() {
        let status = serde_json::json!({
            "version": "0.1.0", "phase": "running", "started_at": "2026-11-21T00:00:00.000Z", "uptime_seconds": 7,
            "ready": false, "reasons": ["store: down"],
            "config": {"file": null, "generation": 2, "loaded_at": "2026-11-21T00:00:01.000Z", "refused": "a\nb", "left_out": ["c"]},
            "store": {"engine": "sqlite", "state": "down"},
            "delivery": {"in_memory": 12, "in_memory_max": 20000, "sites": 2, "connections": 3, "oldest_due_at": "2026-11-21T00:00:03.000Z", "suspended": 1},
            "listeners": [{"door": "mx", "address": "127.0.0.1:2525", "connections": 3}]
        });
        let text = sentences(&status);
        for part in [
            "up 7 s",
            "not ready: store: down",
            "quickstart",
            "refused:\n  a\n  b\nleft out: c",
            "127.0.0.1:2525",
            "12 of 20000 in memory, 3 connections to 2 sites, the oldest that waits is due since 2026-11-21T00:00:03.000Z",
            "1 destinations suspended",
            "3 conn",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}

//! `gatepost explain`: what would become of a message, step by step, and which rule decides.

use super::daemon::{Daemon, query};
use super::table::{Align, Table, plain};
use super::{Failure, show};
use crate::config::Origin;
use serde_json::Value;

pub fn run(origin: &Origin, from: &str, to: &str, json: bool) -> Result<(), Failure> {
    let path = query("/api/v1/explain", &[("from", Some(from)), ("to", Some(to))]);
    let answer = Daemon::of(origin)?.get(&path)?;
    show(&if json { format!("{answer}\n") } else { said(&answer) })
}

fn said(answer: &Value) -> String {
    let word = |value: &Value| plain(value.as_str().unwrap_or_default());
    let outcome = match answer["outcome"].as_str() {
        Some("sent") => "it would be sent",
        Some("waits") => "it would wait",
        Some("suppressed") => "it would be taken and not sent: the recipient is suppressed",
        Some("kept") => "it would stay here",
        Some("captured") => "the sandbox would capture it, and nothing would be sent",
        Some("held") => "it would wait for an operator",
        Some("discarded") => "it would be taken and forgotten",
        Some("refused") => "it would be refused",
        _ => "it is not known what would become of it",
    };
    let mut text = format!("from {} to {}: {outcome}\n\n", word(&answer["from"]), word(&answer["to"]));
    for step in answer["steps"].as_array().into_iter().flatten() {
        text.push_str(&format!("  {:<12} {}\n", word(&step["about"]), word(&step["text"])));
        if let Some(rule) = step["rule"].as_str() {
            text.push_str(&format!("  {:<12} by {}\n", "", plain(rule)));
        }
    }
    if let Some(destination) = answer["destination"].as_str() {
        text.push_str(&format!("\nIt would queue for {}.\n", plain(destination)));
    }
    let hosts = answer["hosts"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !hosts.is_empty() {
        text.push('\n');
        text.push_str(&columns().rows(&hosts.iter().map(host).collect::<Vec<_>>()));
    }
    text
}

fn columns() -> Table {
    Table::new(&[
        ("HOST", Align::Left),
        ("PREFERENCE", Align::Right),
        ("PORT", Align::Right),
        ("TLS", Align::Left),
        ("ADDRESSES", Align::Left),
    ])
}

fn host(host: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().map_or("-".to_owned(), str::to_owned);
    let addresses = host["addresses"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let addresses = addresses.collect::<Vec<_>>().join(", ");
    let last = match host["left_out"].as_str() {
        Some(why) => format!("not tried: {why}"),
        None if addresses.is_empty() => "looked up when it is connected to".to_owned(),
        None => addresses,
    };
    let preference = host["preference"].as_u64().map_or("-".to_owned(), |preference| preference.to_string());
    vec![text(&host["host"]), preference, host["port"].to_string(), text(&host["tls"]), last]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_explanation_reads_from_top_to_bottom() {
        let answer = serde_json::json!({
            "object": "explanation", "from": "app@example.com", "to": "anna@gmail.com", "outcome": "sent",
            "steps": [
                {"about": "sender", "text": "example.com is served here", "rule": "[[domain]] example.com"},
                {"about": "destination", "text": "at most 100/minute\u{1b}"},
            ],
            "destination": "mx:gmail.com",
            "hosts": [
                {"host": "mx1.gmail.com", "preference": 5, "port": 25, "tls": "verified", "addresses": ["192.0.2.1", "2001:db8::1"]},
                {"host": "old.gmail.com", "port": 25, "addresses": [], "left_out": "not in its policy"},
            ],
        });
        let want = "\
from app@example.com to anna@gmail.com: it would be sent

  sender       example.com is served here
               by [[domain]] example.com
  destination  at most 100/minute?

It would queue for mx:gmail.com.

HOST           PREFERENCE  PORT  TLS       ADDRESSES
mx1.gmail.com           5    25  verified  192.0.2.1, 2001:db8::1
old.gmail.com           -    25  -         not tried: not in its policy
";
        assert_eq!(said(&answer), want);
    }
}

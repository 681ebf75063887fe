//! The queue in words and columns, made from the daemon's answers. Nothing here asks anything.

use crate::cli::table::{Align, Table, plain};
use serde_json::Value;

/// The columns of `queue list`.
pub fn deliveries() -> Table {
    Table::new(&[
        ("ID", Align::Left),
        ("STATUS", Align::Left),
        ("FROM", Align::Left),
        ("TO", Align::Left),
        ("DESTINATION", Align::Left),
        ("TRIES", Align::Right),
        ("NEXT", Align::Left),
        ("WHY", Align::Left),
    ])
}

pub fn delivery(row: &Value) -> Vec<String> {
    vec![
        word(&row["id"]),
        word(&row["status"]),
        word(&row["from"]),
        word(&row["to"]),
        word(&row["destination"]),
        row["attempts"].to_string(),
        moment(&row["next_at"]),
        word(&row["reason"]),
    ]
}

/// The columns of `queue destinations`.
pub fn destinations() -> Table {
    Table::new(&[
        ("DESTINATION", Align::Left),
        ("QUEUED", Align::Right),
        ("SENDING", Align::Right),
        ("DEFERRED", Align::Right),
        ("SCHEDULED", Align::Right),
        ("HELD", Align::Right),
        ("OLDEST", Align::Left),
        ("STANDING", Align::Left),
    ])
}

pub fn destination(row: &Value) -> Vec<String> {
    let waiting = &row["waiting"];
    let count = |status: &str| match waiting[status].as_u64().unwrap_or_default() {
        count if row["more"][status] == true => format!("{count}+"),
        count => count.to_string(),
    };
    vec![
        word(&row["id"]),
        count("queued"),
        count("sending"),
        count("deferred"),
        count("scheduled"),
        count("held"),
        moment(&row["oldest_at"]),
        standing(row),
    ]
}

/// What is done about a destination, in words.
pub fn standing(row: &Value) -> String {
    let mut parts = Vec::new();
    if let Some(suspension) = row["suspended"].as_object() {
        let until = match suspension.get("until").and_then(Value::as_str) {
            Some(until) => format!("until {}", seconds(until)),
            None => "until it is resumed".to_owned(),
        };
        let by = suspension.get("by").and_then(Value::as_str).unwrap_or("nobody knows whom");
        let why = suspension.get("reason").and_then(Value::as_str).map(|why| format!(": {why}")).unwrap_or_default();
        parts.push(format!("suspended {until} by {by}{why}"));
    }
    if let Some(rate) = row["rate"].as_str() {
        parts.push(format!("at most {rate}"));
    }
    if let Some(open) = row["connections"].as_u64().filter(|open| *open > 0) {
        let most = row["connections_max"].as_u64().map(|most| format!(" of {most}")).unwrap_or_default();
        parts.push(format!("{open}{most} connections"));
    }
    if let Some(rule) = row["rule"].as_str() {
        parts.push(format!("rule {rule}"));
    }
    if let Some(why) = row["last_error"].as_str() {
        parts.push(format!("last put off: {why}"));
    }
    if parts.is_empty() { "open".to_owned() } else { parts.join(", ") }
}

/// What an action did, or would do.
pub fn action(answer: &Value) -> String {
    let name = word(&answer["action"]);
    let count = |key: &str| answer[key].as_u64().unwrap_or_default();
    if answer["confirmed"] != true {
        let about = if answer["at_least"] == true { "more than " } else { "" };
        return format!("{name} would change {about}{}\n", deliveries_of(count("matched")));
    }
    let mut text = format!("{name}: {} changed\n", deliveries_of(count("done")));
    let mut add = |count: u64, what: &str| {
        if count > 0 {
            text.push_str(&format!("  {count} {what}\n"));
        }
    };
    add(count("pending"), "being tried: it takes effect when the try has ended");
    add(count("unchanged"), "as wanted already");
    add(count("missed"), "changed too often meanwhile: say it again");
    add(count("refused"), "not possible:");
    let refusals = answer["refusals"].as_array().map(Vec::as_slice).unwrap_or_default();
    for refused in refusals {
        let (id, status, reason) = (word(&refused["id"]), word(&refused["status"]), word(&refused["reason"]));
        text.push_str(&format!("    {id} ({status}): {reason}\n"));
    }
    if count("refused") > refusals.len() as u64 {
        text.push_str(&format!("    and {} more\n", count("refused") - refusals.len() as u64));
    }
    text
}

pub fn deliveries_of(count: u64) -> String {
    if count == 1 { "1 delivery".to_owned() } else { format!("{count} deliveries") }
}

/// The whole life of a message: what the daemon tells of each delivery, its tries, and what happened.
pub fn email(email: &Value) -> String {
    let mut lines = vec![word(&email["story"])];
    let facts = [("tenant", &email["tenant"]), ("stream", &email["stream"]), ("message-id", &email["message_id"])];
    let facts = facts.map(|(name, value)| format!("{name} {}", word(value)));
    lines.push(format!("  {}", facts.join(", ")));
    lines.extend(wished(email));
    for delivery in email["deliveries"].as_array().into_iter().flatten() {
        lines.push(String::new());
        lines.push(word(&delivery["story"]));
        lines.extend(delivery["tries"].as_array().into_iter().flatten().map(one_try));
    }
    let events = email["timeline"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !events.is_empty() {
        lines.push(String::new());
        lines.push("What happened:".to_owned());
        lines.extend(events.iter().map(one_event));
    }
    if email["truncated"] == true {
        lines.push(String::new());
        lines.push("There is more than is shown here: ask for one delivery (dl_…).".to_owned());
    }
    lines.join("\n") + "\n"
}

/// What its sender wished beside the envelope, and the headers that said so.
fn wished(email: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    let tags: Vec<_> = email["tags"].as_array().into_iter().flatten().map(word).collect();
    if !tags.is_empty() {
        lines.push(format!("  tags {}", tags.join(", ")));
    }
    let metadata = email["metadata"].as_object().into_iter().flatten();
    let metadata: Vec<_> = metadata.map(|(key, value)| format!("{}={}", plain(key), word(value))).collect();
    if !metadata.is_empty() {
        lines.push(format!("  metadata {}", metadata.join(", ")));
    }
    for removed in email["details"]["removed"].as_array().into_iter().flatten() {
        lines.push(format!("  taken out: {}: {}", word(&removed["name"]), word(&removed["value"])));
    }
    lines.extend(links(&email["details"]["links"]));
    lines
}

/// What became of its links, and why those were left alone that were.
fn links(links: &Value) -> Vec<String> {
    if let Some(why) = links["untracked"].as_str() {
        return vec![format!("  links not tracked: {}", plain(why).replace('_', " "))];
    }
    let Some(found) = links["found"].as_u64() else { return Vec::new() };
    let mut lines = vec![format!("  links: {} of {found} tracked", links["tracked"].as_u64().unwrap_or_default())];
    for skipped in links["skipped"].as_array().into_iter().flatten() {
        lines.push(format!("  left alone ({}): {}", word(&skipped["why"]).replace('_', " "), word(&skipped["url"])));
    }
    lines.extend(links["notes"].as_array().into_iter().flatten().map(|note| format!("  note: {}", word(note))));
    lines
}

fn one_try(tried: &Value) -> String {
    let took = format!("{:.1} s", tried["took_ms"].as_f64().unwrap_or_default() / 1_000.0);
    let tls = tried["tls"].as_str().map_or("in clear".to_owned(), plain);
    let host = match (tried["host"].as_str(), tried["address"].as_str()) {
        (Some(host), Some(address)) => format!("{} [{}], {tls}", plain(host), plain(address)),
        (Some(one), None) | (None, Some(one)) => format!("{}, {tls}", plain(one)),
        // Nobody was spoken to, in clear or otherwise.
        (None, None) => "no host".to_owned(),
    };
    let reply = tried["reply"].as_str().map(|reply| format!(": {}", plain(reply))).unwrap_or_default();
    let (number, at, outcome) = (tried["number"].to_string(), moment(&tried["at"]), word(&tried["outcome"]));
    let mut text = format!("  try {number:<2} {at}  {took:>7}  {outcome:<13}  {host}{reply}");
    // A recorded conversation, line by line.
    let dialogue = tried["details"]["dialogue"].as_str().into_iter().flat_map(str::lines);
    let dialogue = dialogue.map(str::to_owned).chain(
        tried["details"]["dialogue"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|line| line.as_str().map(str::to_owned)),
    );
    for line in dialogue {
        text.push_str(&format!("\n         {}", plain(&line)));
    }
    text
}

fn one_event(event: &Value) -> String {
    let mut text = format!("  {}  {:<20}", moment(&event["at"]), word(&event["kind"]));
    if let Some(delivery) = event["delivery_id"].as_str() {
        text.push_str(&format!("  {}", plain(delivery)));
    }
    let data = event["data"].as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
    let data: Vec<_> = data.map(|(name, value)| format!("{}: {}", plain(name), word(value))).collect();
    if !data.is_empty() {
        text.push_str(&format!("  {}", data.join(", ")));
    }
    text.trim_end().to_owned()
}

/// A text as it is, anything else as JSON; a dash for nothing.
pub fn word(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) if text.is_empty() => "-".to_owned(),
        Value::String(text) => plain(text),
        other => plain(&other.to_string()),
    }
}

/// A moment to the second.
fn moment(value: &Value) -> String {
    value.as_str().map_or("-".to_owned(), seconds)
}

/// RFC 3339 with a space and without a fraction: `2026-11-21 14:20:05Z`.
fn seconds(text: &str) -> String {
    let text = plain(text);
    match text.split_once('.') {
        Some((whole, _)) => format!("{}Z", whole.replacen('T', " ", 1)),
        None => text.replacen('T', " ", 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_list_aligns_and_says_why() {
        let rows = [
            json!({"id": "dl_1", "status": "deferred", "from": "app@example.com", "to": "anna@gmail.com",
                "destination": "mx:gmail.com", "attempts": 3, "next_at": "2026-11-21T14:20:05.123Z",
                "reason": "451 4.7.1 greylisted\u{1b}[31m"}),
            json!({"id": "dl_22", "status": "held", "from": "<>", "to": "b@example.net",
                "destination": "relay:upstream", "attempts": 0, "next_at": null, "reason": null}),
        ];
        let want = "\
ID     STATUS    FROM             TO              DESTINATION     TRIES  NEXT                  WHY
dl_1   deferred  app@example.com  anna@gmail.com  mx:gmail.com        3  2026-11-21 14:20:05Z  451 4.7.1 greylisted?[31m
dl_22  held      <>               b@example.net   relay:upstream      0  -                     -
";
        assert_eq!(deliveries().rows(&rows.map(|row| delivery(&row))), want);
    }

    #[test]
    fn links_say_what_became_of_them() {
        let told = json!({"found": 3, "tracked": 2, "skipped": [{"part": "html", "url": "https://a.example/\u{1b}", "why": "opted_out"}],
            "notes": ["no pixel: x"]});
        let want = ["  links: 2 of 3 tracked", "  left alone (opted out): https://a.example/?", "  note: no pixel: x"];
        assert_eq!(links(&told), want);
        assert_eq!(links(&json!({"untracked": "host_not_ready"})), ["  links not tracked: host not ready"]);
        assert!(links(&Value::Null).is_empty());
    }

    #[test]
    fn destinations_say_what_waits_and_how_they_stand() {
        let none = json!({"queued": 0, "sending": 0, "deferred": 0, "scheduled": 0, "held": 0});
        let rows = [
            json!({"id": "mx:gmail.com", "oldest_at": "2026-11-21T10:00:00.000Z", "rate": "100/minute", "connections": 5,
                "connections_max": 20, "waiting": {"queued": 10000, "sending": 5, "deferred": 12, "scheduled": 0, "held": 1},
                "more": {"queued": true}, "last_error": "421 slow down",
                "suspended": {"until": "2026-11-21T12:00:00.000Z", "by": "throttled", "reason": null}}),
            json!({"id": "relay:upstream", "oldest_at": null, "suspended": null, "rate": null, "connections": 0, "waiting": none}),
        ];
        let want = "\
DESTINATION     QUEUED  SENDING  DEFERRED  SCHEDULED  HELD  OLDEST                STANDING
mx:gmail.com    10000+        5        12          0     1  2026-11-21 10:00:00Z  suspended until 2026-11-21 12:00:00Z by throttled, at most 100/minute, 5 of 20 connections, last put off: 421 slow down
relay:upstream       0        0         0          0     0  -                     open
";
        assert_eq!(destinations().rows(&rows.map(|row| destination(&row))), want);
    }

    #[test]
    fn an_action_says_what_it_would_do_and_what_it_did() {
        let preview = json!({"action": "hold", "confirmed": false, "matched": 1, "at_least": false});
        assert_eq!(action(&preview), "hold would change 1 delivery\n");
        let many = json!({"action": "cancel", "confirmed": false, "matched": 10000, "at_least": true});
        assert_eq!(action(&many), "cancel would change more than 10000 deliveries\n");
        let done = json!({"action": "retry", "confirmed": true, "done": 2, "pending": 1, "unchanged": 0, "refused": 3,
            "missed": 0, "refusals": [{"id": "dl_1", "status": "held", "reason": "it is held: release it"}]});
        let want = "\
retry: 2 deliveries changed
  1 being tried: it takes effect when the try has ended
  3 not possible:
    dl_1 (held): it is held: release it
    and 2 more
";
        assert_eq!(action(&done), want);
    }

    #[test]
    fn a_life_is_told_with_its_tries_and_events() {
        let life = json!({
            "story": "em_1 \"Hi\" of app@example.com was submitted.", "tenant": "default", "stream": "transactional",
            "message_id": "<1@example.com>", "truncated": true,
            "deliveries": [{
                "story": "To anna@gmail.com (dl_1): put off. Next: it is tried again.",
                "tries": [
                    {"number": 1, "at": "2026-11-21T10:00:01.000Z", "took_ms": 812, "outcome": "later:remote",
                     "host": "mx.gmail.com", "address": "192.0.2.1", "tls": "TLSv1.3", "reply": "451 4.7.1 wait",
                     "details": {"dialogue": ["S: 220 hi", "C: EHLO us"]}},
                    {"number": 2, "at": "2026-11-21T10:05:01.000Z", "took_ms": 30000, "outcome": "later:network",
                     "host": null, "address": null, "tls": null, "reply": null, "details": {}},
                ],
            }],
            "timeline": [
                {"at": "2026-11-21T10:00:00.500Z", "kind": "email.queued", "delivery_id": null, "data": {"recipients": 1}},
                {"at": "2026-11-21T10:06:00.500Z", "kind": "email.held", "delivery_id": "dl_1", "data": {"by": "root", "note": null}},
            ],
        });
        let want = "\
em_1 \"Hi\" of app@example.com was submitted.
  tenant default, stream transactional, message-id <1@example.com>

To anna@gmail.com (dl_1): put off. Next: it is tried again.
  try 1  2026-11-21 10:00:01Z    0.8 s  later:remote   mx.gmail.com [192.0.2.1], TLSv1.3: 451 4.7.1 wait
         S: 220 hi
         C: EHLO us
  try 2  2026-11-21 10:05:01Z   30.0 s  later:network  no host

What happened:
  2026-11-21 10:00:00Z  email.queued          recipients: 1
  2026-11-21 10:06:00Z  email.held            dl_1  by: root

There is more than is shown here: ask for one delivery (dl_…).
";
        assert_eq!(email(&life), want);
    }
}

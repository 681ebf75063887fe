//! The queue at the command line: what waits is listed, shown, held, released and given up, by the real
//! program.

use crate::running::{Daemon, Smtp, Yard};
use serde_json::Value;

/// Everything here is sent with HOLDFOR: it waits for its time, whatever delivers.
const MAIL: &str = r#"
[dns]
zone_file = "world.zone"

[[listener]]
kind = "submission"
bind = ["127.0.0.1:0"]
plain_auth = "loopback"

[[domain]]
name = "example.com"

[[credential]]
username = "app"
password = "open sesame"
domains = ["example.com"]

[[destination]]
match = ["mx:mx.gmail.example"]
rate = "100/minute"
"#;

fn yard() -> Yard {
    let yard = Yard::with(MAIL);
    yard.write("world.zone", "gmail.example. 300 IN MX 10 mx.gmail.example.\nmx.gmail.example. 300 IN A 192.0.2.9\n");
    yard
}

/// Its id.
fn sends(daemon: &Daemon, recipients: &[&str]) -> String {
    let mut client = Smtp::greeted(daemon.address("submission"));
    client.ask("EHLO client.example");
    client.ask("AUTH PLAIN AGFwcABvcGVuIHNlc2FtZQ==");
    assert!(client.ask("MAIL FROM:<app@example.com> HOLDFOR=3600").starts_with("250"));
    for recipient in recipients {
        assert!(client.ask(&format!("RCPT TO:<{recipient}>")).starts_with("250"));
    }
    assert!(client.ask("DATA").starts_with("354"));
    let reply = client.ask("From: app@example.com\r\nSubject: hello\r\n\r\ntext\r\n.");
    let (_, id) = reply.trim_end().rsplit_once("queued as ").unwrap_or_else(|| panic!("{reply}"));
    id.to_owned()
}

#[track_caller]
fn says(yard: &Yard, words: &[&str]) -> String {
    let ran = yard.run(words);
    assert_eq!(ran.code, Some(0), "{words:?}: {ran:?}");
    ran.out
}

#[track_caller]
fn refuses(yard: &Yard, words: &[&str]) -> String {
    let ran = yard.run(words);
    assert_eq!(ran.code, Some(1), "{words:?}: {ran:?}");
    ran.err
}

#[test]
fn an_operator_finds_holds_releases_and_cancels_what_waits() {
    let yard = yard();
    let mut daemon = yard.start();
    assert_eq!(says(&yard, &["queue", "list"]), "The queue is empty.\n");
    let first = sends(&daemon, &["anna@gmail.example", "bob@gmail.example"]);
    let second = sends(&daemon, &["carl@elsewhere.example"]);

    let list = says(&yard, &["queue", "list"]);
    let lines: Vec<_> = list.lines().collect();
    assert_eq!((lines.len(), lines[4]), (5, "3 deliveries"), "{list}");
    assert!(lines[0].starts_with("ID ") && lines[1].contains("scheduled") && list.contains("mx:gmail.example"));
    let column = |line: &str| line.find("mx:").map(|at| line[..at].chars().count());
    assert_eq!(column(lines[1]), column(lines[3]), "columns align: {list}");

    let one = says(&yard, &["queue", "list", "--domain", "elsewhere.example", "--from", "example.com", "--json"]);
    let row: Value = serde_json::from_str(&one).unwrap();
    assert_eq!((row["email_id"].as_str(), row["to"].as_str()), (Some(second.as_str()), Some("carl@elsewhere.example")));
    assert!(says(&yard, &["queue", "list", "--limit", "2"]).contains("2 deliveries shown, and there are more"));
    assert_eq!(says(&yard, &["queue", "list", "--state", "held"]), "Nothing in the queue is like this.\n");

    let ran = yard.run(&["queue", "hold", "--destination", "gmail.example"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), "hold would change 2 deliveries\n"));
    assert_eq!(ran.err, "gatepost: nothing was changed; say it again with --yes to do it\n");
    let held = says(&yard, &["queue", "hold", "--destination", "gmail.example", "--yes", "--note", "they asked"]);
    assert_eq!(held, "hold: 2 deliveries changed\n");
    assert!(says(&yard, &["queue", "list", "--state", "held"]).contains(": they asked"));

    let life = says(&yard, &["queue", "show", &first]);
    for part in ["was submitted by app", "held", "Next: nothing, until somebody releases", "email.held", "they asked"] {
        assert!(life.contains(part), "{part} in {life}");
    }
    assert_eq!(says(&yard, &["queue", "release", &first]), "release: 2 deliveries changed\n");
    assert_eq!(says(&yard, &["queue", "list", "--state", "held"]), "Nothing in the queue is like this.\n");
    let table = says(&yard, &["queue", "destinations"]);
    assert!(table.starts_with("DESTINATION ") && table.contains("mx:gmail.example"), "{table}");

    assert_eq!(says(&yard, &["queue", "cancel", "--all", "--yes"]), "cancel: 3 deliveries changed\n");
    assert_eq!(says(&yard, &["queue", "list"]), "The queue is empty.\n");
    assert!(says(&yard, &["queue", "list", "--state", "canceled"]).contains("3 deliveries\n"));
    daemon.stops();
}

#[test]
fn what_cannot_be_done_says_why_and_what_to_do() {
    let yard = yard();
    let asked = yard.run(&["queue", "list"]);
    assert_eq!(asked.code, Some(1));
    assert!(asked.err.contains("no daemon answers at") && asked.err.contains("is it running?"), "{}", asked.err);
    let mut daemon = yard.start();
    let id = sends(&daemon, &["anna@gmail.example"]);
    for (words, part) in [
        (&["queue", "list", "--state", "hold"][..], "did you mean \"held\"?"),
        (&["queue", "list", "--from", "app@example.com"], "did you mean \"example.com\"?"),
        (&["queue", "show", "em_x"], "em_x: there is no message"),
        (&["queue", "cancel"], "--all is the whole queue"),
        (&["queue", "cancel", "em_x"], "em_x: there is no message"),
        (&["queue", "reroute", "--to", "upstream", &id], "there is no relay \"upstream\""),
        (&["queue", "retry", "--tenant", "nobody", "--yes"], "there is no tenant \"nobody\""),
        (&["explain", "--from", "x", "--to", "a@gmail.example"], "\"from\" takes an address"),
    ] {
        let said = refuses(&yard, words);
        assert!(said.starts_with("gatepost: ") && said.contains(part), "{words:?}: {said}");
    }
    assert_eq!(yard.run(&["queue", "cancel", &id, "--all"]).code, Some(2), "an id and everything contradict");
    daemon.stops();
}

#[test]
fn a_way_is_explained_with_the_rules_that_decide() {
    let yard = yard();
    let mut daemon = yard.start();
    let said = says(&yard, &["explain", "--from", "app@example.com", "--to", "anna@gmail.example"]);
    for part in [
        "from app@example.com to anna@gmail.example: it would be sent\n",
        "by [[domain]] example.com",
        "at most 100/minute",
        "by [[destination]] mx:mx.gmail.example",
        "It would queue for mx:gmail.example.",
        "mx.gmail.example",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }
    let said = says(&yard, &["explain", "--from", "x@elsewhere.example", "--to", "nobody@example.com", "--json"]);
    let answer: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(answer["outcome"], "refused");
    assert!(answer["steps"][1]["text"].as_str().unwrap().contains("550 5.1.1"), "{answer}");
    daemon.stops();
}

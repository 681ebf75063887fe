//! Keys at the command line, with the real daemon and a DNS in a file: made, published, seen, rotated; and those
//! that the configuration names.

use crate::config::SIGNING_KEY;
use crate::running::Yard;
use serde_json::Value;

const TABLES: &str = "[dns]\nzone_file = \"world.zone\"\n[[domain]]\nname = \"example.com\"\n\
    [[domain]]\nname = \"named.example\"\n";
const NAMED: &str = "dkim = [{ selector = \"here\", key = \"named.pem\" }]\n";

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

/// The lines of a zone in what a command printed.
fn zone_lines(text: &str) -> String {
    text.lines().filter(|line| line.contains(" IN TXT ")).map(|line| format!("{}\n", line.trim())).collect()
}

#[test]
fn a_key_is_made_published_seen_and_rotated() {
    let yard = Yard::with(TABLES);
    yard.write("world.zone", "");
    assert!(refuses(&yard, &["dkim", "new", "example.com"]).contains("no daemon answers"));
    let mut daemon = yard.start();
    assert_eq!(says(&yard, &["dkim", "show"]), "No domain has a DKIM key: no mail is signed.\n");
    assert_eq!(says(&yard, &["dkim", "show", "example.com"]), "example.com has no DKIM key: its mail is not signed.\n");

    let made = says(&yard, &["dkim", "new", "example.com", "--selector", "gp1", "--algorithm", "both"]);
    let lines: Vec<_> = made.lines().collect();
    assert!(lines[0].starts_with("example.com gp1 (rsa): pending since 20"), "{made}");
    assert!(lines[1].starts_with("  gp1._domainkey.example.com. IN TXT \"v=DKIM1; k=rsa; p=MII"), "{made}");
    assert!(lines[4].starts_with("  gp1-ed._domainkey.example.com. IN TXT \"v=DKIM1; k=ed25519; p="), "{made}");
    assert!(made.ends_with("Publish this in the DNS. `gatepost dkim show` looks whether it is there.\n"), "{made}");
    let before = says(&yard, &["dkim", "show", "example.com"]);
    assert_eq!(before.matches("the DNS has no record there").count(), 2, "{before}");
    // It is one of the records that the domain needs.
    let asked = || Some(yard.run(&["dns", "example.com"]).out).filter(|out| out.contains("gp1-ed._domainkey"));
    crate::running::eventually(asked).unwrap_or_else(|| panic!("{:?}", yard.run(&["dns", "example.com"])));

    yard.write("world.zone", &zone_lines(&made));
    daemon.reloads();
    let after = says(&yard, &["dkim", "show", "example.com"]);
    assert_eq!(
        after.matches("the DNS has this record\n  it signs; leave the record where it is").count(),
        2,
        "{after}"
    );
    daemon.said("a DKIM key moved on");

    let rotated = says(&yard, &["dkim", "rotate", "example.com"]);
    assert_eq!(rotated.matches(": pending since").count(), 2, "{rotated}");
    assert!(refuses(&yard, &["dkim", "rotate", "example.com"]).contains("being rotated already"));
    yard.write("world.zone", &format!("{}{}", zone_lines(&made), zone_lines(&rotated)));
    daemon.reloads();
    let both = says(&yard, &["dkim", "show", "example.com", "--json"]);
    let stages: Vec<_> = both
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["stage"].as_str().unwrap().to_owned())
        .collect();
    let count = |stage: &str| stages.iter().filter(|one| *one == stage).count();
    assert_eq!((count("active"), count("published")), (2, 2), "{both}");
    assert_eq!(says(&yard, &["dkim", "show"]).matches("example.com gp").count(), 4);

    for (words, why) in [
        (&["dkim", "new", "example.com", "--selector", "gp1"][..], "this selector has a key"),
        (&["dkim", "new", "elsewhere.example"], "no domain of ours"),
        (&["dkim", "rotate", "named.example"], "has no active key to rotate"),
        (&["dkim", "show", "a b"], "a domain name has labels"),
        (&["dkim", "new", "example.com", "--selector", "a_b c"], "\"selector\" takes a selector"),
    ] {
        let said = refuses(&yard, words);
        assert!(said.contains(why), "{words:?}: {said}");
    }
    daemon.stops();
}

#[test]
fn a_key_of_the_configuration_signs_at_once_and_a_bad_one_changes_nothing() {
    let yard = Yard::with(&format!("{TABLES}{NAMED}"));
    yard.write("world.zone", "");
    let missing = yard.run(&["check"]);
    assert_eq!(missing.code, Some(78), "{missing:?}");
    assert!(missing.out.contains("named.pem cannot be read"), "{missing:?}");
    yard.write("named.pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    let bad = yard.run(&["check"]);
    assert_eq!(bad.code, Some(78), "{bad:?}");
    assert!(bad.out.contains("named.pem cannot be used: not a key that signs mail"), "{bad:?}");

    yard.write("named.pem", SIGNING_KEY);
    assert!(says(&yard, &["check"]).contains("named.pem holds a key that signs (ed25519)"));
    let mut daemon = yard.start();
    let shown = says(&yard, &["dkim", "show", "named.example"]);
    assert!(shown.starts_with("named.example here (ed25519, of the configuration): active\n"), "{shown}");
    assert!(refuses(&yard, &["dkim", "rotate", "named.example"]).contains("stand in the configuration"));

    yard.write("named.pem", "nothing\n");
    assert!(daemon.refuses().contains("named.pem cannot be used"));
    assert_eq!(says(&yard, &["dkim", "show", "named.example"]), shown, "the old one stays in force");
    daemon.stops();
}

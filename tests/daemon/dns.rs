//! `gatepost dns` and the API behind it, in all the ways in which a zone can be: the whole output is a golden, and can
//! be pasted into the zone it is about.

use crate::running::{Daemon, Ran, Yard, eventually, get};
use serde_json::Value;
use std::path::PathBuf;

const CONFIGURATION: &str = r#"
[dns]
zone_file = "zone.txt"

[[http]]
bind = ["127.0.0.1:0"]

[[listener]]
kind = "mx"
bind = ["127.0.0.1:0"]

[[source]]
name = "out"
addresses = [{ address = "192.0.2.1" }, { address = "2001:db8::1" }]

[[relay]]
name = "upstream"
host = "smtp.provider.example"

[[domain]]
name = "example.com"
source = "out"
return_path = "recipient"
tracking = { host = "https://t.example.com" }
dkim = [{ selector = "gp1", key = "gp1.pem" }]

[[domain]]
name = "relayed.example"
relay = "upstream"

[[mailbox]]
name = "support"
address = "support@example.com"
"#;

/// An Ed25519 key that signs for tests only, and its public half.
const KEY: &str = "-----BEGIN PRIVATE KEY-----\n\
MFECAQEwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9ggSEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n\
-----END PRIVATE KEY-----\n";
const PUBLIC: &str = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

const RIGHT: &str = "\
$ORIGIN example.com.
mail A 192.0.2.1
@ MX 10 mail
@ TXT \"v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::1 -all\"
gp1._domainkey TXT \"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQ\" \"HOg7hcvPapiMlrwIaaPcHURo=\"
_dmarc TXT \"v=DMARC1; p=quarantine\"
rp MX 10 mail
rp TXT \"v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 ~all\"
t CNAME mail
_smtp._tls TXT \"v=TLSRPTv1; rua=mailto:postmaster@example.com\"
";

fn yard(zone: &str) -> Yard {
    let yard = Yard::with(CONFIGURATION);
    yard.write("gp1.pem", KEY);
    yard.write("zone.txt", zone);
    yard
}

/// Without times, which differ; compares, or writes it when asked to.
fn is_golden(name: &str, ran: &Ran) {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests/golden/dns", name].iter().collect();
    if std::env::var_os("GATEPOST_BLESS").is_some() {
        std::fs::write(&path, &ran.out).unwrap();
    }
    let want = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(ran.out, want, "{name}; GATEPOST_BLESS=1 writes it anew");
}

#[test]
fn a_zone_with_everything_is_found() {
    let yard = yard(RIGHT);
    let ran = yard.run(&["dns", "example.com"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    is_golden("right.txt", &ran);
}

#[test]
fn what_is_missing_can_be_pasted_as_it_is_said() {
    let yard = yard("mail.example.com. A 192.0.2.1\n");
    let ran = yard.run(&["dns", "example.com"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.out.contains(&format!("p={PUBLIC}")));
    is_golden("missing.txt", &ran);
    yard.write("zone.txt", &format!("mail.example.com. A 192.0.2.1\n{}", ran.out));
    let ran = yard.run(&["dns", "example.com"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(ran.out.matches(": found\n").count(), 8, "{}", ran.out);
}

#[test]
fn what_is_wrong_is_shown_beside_what_would_do() {
    let wrong = RIGHT
        .replace("ip4:192.0.2.0/24 ip6:2001:db8::1 -all", "include:_spf.provider.example -all")
        .replace("11qYAYKxCrfVS/7TyWQ", "11qYAYKxCrfVS/7TyWX")
        .replace("p=quarantine", "p=monitor")
        .replace("rp MX 10 mail", "rp MX 10 elsewhere.example.");
    let yard = yard(&format!("{wrong}_spf.provider.example. TXT \"v=spf1 ip4:198.51.100.0/24 -all\"\n"));
    let ran = yard.run(&["dns", "example.com"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    is_golden("wrong.txt", &ran);
}

#[test]
fn a_server_that_fails_makes_nothing_missing() {
    let yard = yard("mail.example.com. A 192.0.2.1\nexample.com. SERVFAIL\n");
    let ran = yard.run(&["dns", "example.com"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    is_golden("fails.txt", &ran);
}

#[test]
fn a_relayed_domain_is_told_whom_to_ask() {
    let yard = yard("relayed.example. TXT \"v=spf1 include:_spf.provider.example ~all\"\n");
    let ran = yard.run(&["dns", "relayed.example"]);
    assert_eq!(ran.code, Some(0), "only what is recommended is missing: {ran:?}");
    is_golden("relayed.txt", &ran);
}

#[test]
fn what_is_no_domain_of_ours_is_said_so() {
    let yard = yard(RIGHT);
    for (asked, words) in [
        ("other.example", "other.example is no [[domain]] of the configuration, and no daemon runs"),
        ("not a name", "\"not a name\": a domain name has labels"),
    ] {
        let ran = yard.run(&["dns", asked]);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.err.contains(words), "{ran:?}");
    }
    let _daemon = yard.start();
    let ran = yard.run(&["dns", "other.example"]);
    assert!(ran.code == Some(1) && ran.err.contains("other.example is no domain of ours"), "{ran:?}");
    let ran = yard.run(&["dns", "not a name"]);
    assert!(ran.code == Some(1) && ran.err.contains("the path takes a domain"), "{ran:?}");
}

#[test]
fn a_key_that_cannot_be_read_is_a_mistake_in_the_configuration() {
    let yard = yard(RIGHT);
    yard.write("gp1.pem", "no key\n");
    let ran = yard.run(&["dns", "example.com"]);
    assert_eq!(ran.code, Some(78), "{ran:?}");
    assert!(ran.err.contains("no private key in this file"), "{ran:?}");
}

// --- the running daemon -----------------------------------------------------------------------------------

fn records(daemon: &Daemon, name: &str) -> (u16, Value) {
    let (code, text) = daemon.control(&format!("/api/v1/domains/{name}/records"));
    (code, serde_json::from_str(&text).unwrap())
}

#[test]
fn the_api_tells_of_every_record_what_was_found() {
    let yard = yard(RIGHT);
    let daemon = yard.start();
    let (code, answer) = records(&daemon, "example.com");
    assert_eq!((code, answer["object"].as_str(), answer["name"].as_str()), (200, Some("domain"), Some("example.com")));
    let all = answer["records"].as_array().unwrap();
    let purposes: Vec<_> = all.iter().map(|record| record["purpose"].as_str().unwrap()).collect();
    let want = [
        "spf",
        "dkim",
        "dmarc",
        "mx",
        "return_path_mx",
        "return_path_spf",
        "tracking",
        "mta_sts",
        "mta_sts_host",
        "tls_rpt",
    ];
    assert_eq!(purposes, want);
    for record in all {
        for key in ["type", "host", "value", "required", "status", "observed", "checked_at"] {
            assert!(!record[key].is_null(), "{key} of {record}");
        }
    }
    assert_eq!(all[0]["value"], "v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 ~all");
    assert_eq!((&all[0]["status"], &all[0]["required"]), (&"found".into(), &true.into()));
    assert_eq!(all[0]["observed"][0], "v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::1 -all");
    // No web server of ours listens on 443 here.
    assert_eq!((&answer["status"], &answer["tracking"]["ready"]), (&"verified".into(), &false.into()));
    assert_eq!(records(&daemon, "other.example").0, 404);
    assert_eq!(records(&daemon, "a..b").0, 400);
    assert_eq!(daemon.control("/api/v1/domains/example.com/records?limit=1").0, 400);
    assert_eq!(get(daemon.address("http"), "/api/v1/domains/example.com/records").0, 401);
}

#[test]
fn a_running_daemon_is_asked_and_says_what_it_saw() {
    let yard = yard(RIGHT);
    let daemon = yard.start();
    let ran = yard.run(&["dns", "example.com"]);
    let won = || daemon.all().contains("its return path leads here, and is used from now on").then_some(());
    assert!(eventually(won).is_some(), "{}", daemon.all());
    assert!(ran.out.contains("; ✓ return path rp.example.com: ready\n"), "{ran:?}");
    assert!(ran.out.contains("; ✗ tracking by https://t.example.com: not ready: "), "{ran:?}");
    assert_eq!(ran.code, Some(1), "tracking is not ready: {ran:?}");
    assert!(!ran.out.contains('\x1b'), "no colours into a pipe");
    let ran = yard.run(&["dns", "example.com", "--json"]);
    let answer: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(answer["return_path"]["ready"], true, "{answer}");
}

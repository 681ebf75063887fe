//! The configuration, from outside: what an admin writes, and what is said about it.
//!
//! `GATEPOST_BLESS=1 cargo test --test all config` writes the expected files anew; read the
//! difference before you commit it.

use gatepost::base::settings::{Change, Shape, Table};
use gatepost::config::explain::{self, Colours};
use gatepost::config::load::load_text;
use gatepost::config::{Config, Environment, Loaded, Severity, load, quickstart, reference, restart_needed};
use proptest::prelude::*;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

pub const PASSWORD: &str = "hunter2-correct-horse";
pub const SCRAM: &str = "SCRAM-SHA-256$4096:c2FsdA==$c3RvcmVkc3RvcmVkc3RvcmVkc3RvcmVkc3RvcmVkeHg=:c2VydmVyc2VydmVyc2VydmVyc2VydmVyc2VydmVyeHg=";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub fn environment() -> Environment {
    Environment::default()
        .on_machine("mail.example.com")
        .with("APP_PASSWORD", PASSWORD)
        .with("APP_SCRAM", SCRAM)
        .with("PORT", "2500")
        .with("BAD_PORT", "hunter2-not-a-port")
        .with("EMPTY", "")
        .with("SHOUT", "yes")
}

/// An Ed25519 key as some tools write it: RFC 8463 A.2, no secret.
pub const SIGNING_KEY: &str = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=\n";

/// A directory with every file that the examples name.
fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text, mode) in [
        ("certs/server.pem", "x", 0o644),
        ("certs/server.key", "x", 0o600),
        ("certs/mail.example.net.pem", "x", 0o644),
        ("certs/mail.example.net.key", "x", 0o600),
        ("dkim/example.com.gp1.pem", SIGNING_KEY, 0o600),
        ("dkim/other.pem", SIGNING_KEY, 0o600),
        ("zone.txt", "x", 0o644),
        ("replies.toml", "", 0o644),
        ("other.toml", "", 0o644),
        ("secrets/master.key", "0123456789abcdef0123456789abcdef\n", 0o600),
        ("secrets/upstream", "hunter2-correct-horse\n", 0o600),
        ("secrets/windows", "hunter2-correct-horse\r\n", 0o600),
        ("secrets/two-lines", "hunter2\n\n", 0o600),
        ("secrets/open", "hunter2-correct-horse\n", 0o644),
        ("secrets/empty", "\n", 0o600),
        ("secrets/binary", "\u{fffd}", 0o600),
    ] {
        let path = directory.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
    }
    std::fs::write(directory.path().join("secrets/binary"), [0xff, 0xfe]).unwrap();
    std::fs::write(directory.path().join("secrets/long"), "x".repeat(70_000)).unwrap();
    std::fs::set_permissions(directory.path().join("secrets/long"), PermissionsExt::from_mode(0o600)).unwrap();
    directory
}

fn loaded(text: &str) -> Loaded {
    load_text("gatepost.toml", text.to_owned(), directory().path(), &environment())
}

#[track_caller]
fn good(text: &str) -> Config {
    good_in(directory().path(), text)
}

#[track_caller]
fn good_in(directory: &Path, text: &str) -> Config {
    let loaded = load_text("gatepost.toml", text.to_owned(), directory, &environment());
    let report = explain::report(&loaded, Colours::Never);
    loaded.config.unwrap_or_else(|| panic!("{report}"))
}

/// Compares with a file of the repository, or writes it when asked to.
#[track_caller]
fn assert_is_file(path: &Path, text: &str) {
    if std::env::var_os("GATEPOST_BLESS").is_some() {
        std::fs::write(path, text).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        kept == text,
        "{} is out of date; GATEPOST_BLESS=1 cargo test --test all config\nwants:\n{text}",
        path.display()
    );
}

// --- what is said about mistakes ------------------------------------------------------------------

#[test]
fn every_mistake_is_explained_as_in_the_golden_files() {
    let mut cases: Vec<_> = std::fs::read_dir(root().join("tests/golden/config"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    cases.sort();
    assert!(cases.len() >= 40, "{} cases", cases.len());
    let directory = directory();
    let mut wrong = Vec::new();
    for case in cases {
        let text = std::fs::read_to_string(&case).unwrap();
        let name = case.file_name().unwrap().to_str().unwrap();
        let loaded = load_text(name, text, directory.path(), &environment());
        assert_eq!(loaded.config.is_none(), loaded.findings.iter().any(|f| f.severity == Severity::Error), "{name}");
        let mut shown = explain::report(&loaded, Colours::Never);
        shown.push_str("\n--- one line each\n");
        shown.push_str(&explain::lines(&loaded).join("\n"));
        shown.push('\n');
        let shown = shown.replace(directory.path().to_str().unwrap(), "DIR");
        assert!(!shown.contains("hunter2"), "{name} shows a secret:\n{shown}");
        let want = case.with_extension("want");
        if std::env::var_os("GATEPOST_BLESS").is_some() {
            std::fs::write(&want, &shown).unwrap();
        }
        if std::fs::read_to_string(&want).unwrap_or_default() != shown {
            wrong.push(format!("=== {name}\n{shown}"));
        }
    }
    assert!(wrong.is_empty(), "GATEPOST_BLESS=1 cargo test --test all config\n{}", wrong.join("\n"));
}

#[test]
fn a_file_that_cannot_be_read_is_a_finding() {
    let directory = directory();
    let path = directory.path().join("none.toml");
    let missing = load(&path, &environment());
    assert!(missing.config.is_none());
    assert!(explain::lines(&missing)[0].contains("none.toml: error: the configuration cannot be read: No such file"));
    std::fs::write(&path, b"[server]\nhostname = \"\xff\"\n").unwrap();
    assert!(explain::lines(&load(&path, &environment()))[0].ends_with("line 2 is not UTF-8"));
    std::fs::write(&path, vec![b'\n'; 9 << 20]).unwrap();
    assert!(explain::lines(&load(&path, &environment()))[0].contains("longer than 8388608 bytes"));
}

#[test]
fn findings_are_bounded_and_errors_come_first() {
    let networks = "[[credential]]\nusername = \"a\"\ndomains = [\"*\"]\nnetworks = [\"1.0.0.0/6\"]\n".repeat(150);
    let loaded = loaded(&format!("{networks}\n[server]\ncolour = 1\n"));
    assert_eq!(loaded.findings.len(), 101);
    assert!(loaded.findings.iter().any(|finding| finding.message.contains("twice")));
    assert!(loaded.findings[100].message.ends_with("more findings are not shown"));
}

/// Ten thousand customers in one file: read without comparing each with each.
#[test]
fn a_large_file_is_read_and_its_mistakes_are_found() {
    let mut text = String::new();
    for i in 0..10_000 {
        text.push_str(&format!(
            "[[domain]]\nname = \"d{i}.example\"\n[[credential]]\nusername = \"c{i}\"\npassword = \"x\"\n\
             domains = [\"d{i}.example\"]\n[[mailbox]]\nname = \"m{i}\"\naddress = \"m@d{i}.example\"\n\
             [[route]]\nrecipient = \"m@d{i}.example\"\nactions = [{{ ticket = \"m{i}\" }}]\n"
        ));
    }
    assert_eq!(good(&text).domain.len(), 10_000);
    let wrong = loaded(&text.replace("domains = [\"d", "domains = [\"D"));
    assert!(wrong.findings.is_empty(), "names are compared without case");
    let wrong = loaded(&text.replace("domains = [\"d", "domains = [\"x"));
    assert_eq!(wrong.findings.len(), 101);
    let broken = loaded(&"x\n".repeat(100_000));
    assert_eq!(broken.findings.len(), 101);
    let many = loaded(&"[[http]]\nbind = [\"127.0.0.1:0\"]\n".repeat(1_001));
    assert!(many.findings.iter().any(|finding| finding.message.contains("more than 1000 addresses")));
}

#[test]
fn colours_are_used_only_when_asked_for() {
    let loaded = loaded("[server]\ncolour = 1\n");
    assert!(!explain::report(&loaded, Colours::Never).contains('\u{1b}'));
    assert!(explain::report(&loaded, Colours::Always).contains('\u{1b}'));
}

// --- values -----------------------------------------------------------------------------------------

#[test]
fn an_empty_file_is_the_defaults_on_a_machine_with_a_full_name() {
    let config = good("");
    assert_eq!(config.server.hostname.as_str(), "mail.example.com");
    assert_eq!(config.server.data_dir, Path::new("/var/lib/gatepost"));
    assert_eq!(config.store.url.location(&config.server.data_dir).to_string(), "sqlite:/var/lib/gatepost/gatepost.db");
    assert!(config.listener.is_empty() && config.dns.zone_file.is_none());
    let nameless = load_text("g.toml", String::new(), Path::new(""), &Environment::default().on_machine("mail"));
    assert!(nameless.config.is_none());
    assert!(explain::lines(&nameless)[0].contains("the machine's own name, \"mail\", is not a full one"));
}

#[test]
fn scalars_come_from_the_environment_or_their_default() {
    let delivery = |port: &str| good(&format!("[delivery]\nport = {port}\n")).delivery.port;
    assert_eq!(delivery("2525"), 2525);
    assert_eq!(delivery("{ env = \"PORT\" }"), 2500);
    assert_eq!(delivery("{ env = \"PORT\", default = 26 }"), 2500);
    assert_eq!(delivery("{ env = \"ABSENT\", default = 26 }"), 26);
    let listener = good(
        "[[listener]]\nkind = { env = \"K\", default = \"mx\" }\nbind = [{ env = \"B\", default = \"[::1]:25\" }]\n",
    );
    assert_eq!(listener.listener[0].bind[0].to_string(), "[::1]:25");
    // An empty variable switches an optional setting off.
    assert_eq!(good("[server]\nuser = { env = \"EMPTY\", default = \"gatepost\" }\n").server.user, None);
    assert_eq!(good("[dns]\nservers = [\"192.0.2.53\"]\nzone_file = \"\"\n").dns.servers[0].0.port(), 53);
}

#[test]
fn the_store_url_of_the_environment_wins() {
    let with = |text: &str, url: &str| {
        let environment = environment().with("GATEPOST_STORE_URL", url);
        load_text("gatepost.toml", text.to_owned(), Path::new(""), &environment)
    };
    for text in ["", "[store]\n", "[store]\nurl = \"sqlite:x.db\"\n", "[store]\nurl = { env = \"ABSENT\" }\n"] {
        let config = with(text, "postgres://gp:hunter2@db/x").config.unwrap();
        assert_eq!(config.store.url.to_string(), "postgres://gp:***@db/x", "{text}");
    }
    let wrong = explain::lines(&with("[store]\nurl = \"sqlite:x.db\"\n", "mysql://gp:hunter2@db/x"));
    assert!(
        wrong[0].starts_with("gatepost.toml:2:7: error: \"url\", from the environment variable GATEPOST_STORE_URL,")
    );
    assert!(!wrong[0].contains("hunter2"));
}

#[test]
fn secrets_have_three_forms() {
    let secret = |form: &str| {
        let text = format!("[[relay]]\nname = \"r\"\nhost = \"r.example\"\nusername = \"u\"\npassword = {form}\n");
        good(&text).relay[0].password.clone().unwrap().expose().clone()
    };
    for form in [
        format!("\"{PASSWORD}\""),
        "{ file = \"secrets/upstream\" }".to_owned(),
        "{ file = \"secrets/windows\" }".to_owned(),
        "{ env = \"APP_PASSWORD\" }".to_owned(),
        "{ env = \"APP_PASSWORD\", default = \"x\" }".to_owned(),
        format!("{{ env = \"ABSENT\", default = \"{PASSWORD}\" }}"),
    ] {
        assert_eq!(secret(&form), PASSWORD, "{form}");
    }
    assert_eq!(secret("{ file = \"secrets/two-lines\" }"), "hunter2\n", "only one line break is the editor's");
}

#[test]
fn no_secret_is_printed_with_the_configuration() {
    let config = good(&format!(
        "[server]\nmaster_key = \"{PASSWORD}\"\n[store]\nurl = \"postgres://gp:{PASSWORD}@db/x\"\n\
         [[relay]]\nname = \"r\"\nhost = \"r.example\"\nusername = \"u\"\npassword = \"{PASSWORD}\"\n\
         [[credential]]\nusername = \"c\"\ndomains = [\"*\"]\npassword = \"{PASSWORD}\"\nscram = \"{SCRAM}\"\n"
    ));
    let shown = format!("{config:#?}");
    assert!(!shown.contains(PASSWORD) && !shown.contains("SCRAM") && shown.contains("***"), "{shown}");
}

#[test]
fn the_quickstart_keeps_to_this_machine() {
    let loaded = quickstart(&Environment::default());
    assert!(loaded.findings.is_empty(), "{}", explain::report(&loaded, Colours::Never));
    let config = loaded.config.unwrap();
    assert_eq!(config.server.data_dir, Path::new("./gatepost-data"));
    let smtp = config.listener.iter().flat_map(|listener| &listener.bind);
    let bound: Vec<_> = smtp.chain(config.http.iter().flat_map(|http| &http.bind)).map(ToString::to_string).collect();
    assert_eq!(bound, ["127.0.0.1:2587", "127.0.0.1:2525", "127.0.0.1:8025"]);
    assert_eq!(config.delivery.mode, gatepost::queue::settings::Mode::Sandbox);
}

// --- files made from the descriptions ---------------------------------------------------------------

fn shipped() -> String {
    std::fs::read_to_string(root().join("conf/gatepost.toml")).unwrap()
}

/// Every option set: the comment marks of options removed.
pub fn uncommented() -> String {
    let is_option = |line: &&str| line.strip_prefix('#').is_some_and(|rest| rest.starts_with(|c: char| c != ' '));
    shipped().lines().map(|line| if is_option(&line) { &line[1..] } else { line }).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_shipped_configuration_says_what_the_program_takes() {
    assert_is_file(&root().join("conf/gatepost.toml"), &reference::configuration());
}

#[test]
fn the_shipped_configuration_is_good_as_it_is_and_with_everything_set() {
    for text in [shipped(), uncommented()] {
        let loaded = loaded(&text);
        assert!(loaded.findings.is_empty(), "{}", explain::report(&loaded, Colours::Never));
    }
    let config = good(&uncommented());
    assert_eq!((config.relay.len(), config.domain.len(), config.credential.len()), (1, 1, 1));
    assert_eq!((config.mailbox.len(), config.route.len(), config.listener.len()), (1, 1, 2));
    assert_eq!(config.domain[0].dkim.len(), 1);
    assert!(config.domain[0].tracking.is_some());
}

#[test]
fn options_shown_with_their_default_change_nothing() {
    let set: Vec<_> = shipped().lines().filter(|line| !line.starts_with("# ")).map(str::to_owned).collect();
    let (mut text, mut in_delivery) = (String::new(), false);
    for line in set {
        let line = line.trim_start_matches('#');
        if line.starts_with('[') {
            in_delivery = line == "[delivery]";
        }
        // What has no default is an example.
        if in_delivery && !line.starts_with("replies = ") {
            text.push_str(&format!("{line}\n"));
        }
    }
    assert!(text.contains("retry = "));
    assert_eq!(good(&text).delivery, good("").delivery);
}

#[test]
fn the_manual_says_which_changes_are_live() {
    let path = root().join("docs/OPERATIONS.md");
    let manual = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = manual.split_once("<!-- settings:").unwrap();
    let (mark, rest) = rest.split_once("-->\n").unwrap();
    let (_, after) = rest.split_once("<!-- end of settings -->").unwrap();
    let table = reference::live_table();
    assert_is_file(&path, &format!("{before}<!-- settings:{mark}-->\n{table}<!-- end of settings -->{after}"));
}

// --- live or restart --------------------------------------------------------------------------------

/// A configuration that sets everything, and for each key another value.
pub const CHANGES: &[(&str, &str, &str)] = &[
    ("server.hostname", "hostname = \"mail.example.com\"", "hostname = \"mx.example.com\""),
    ("server.data_dir", "data_dir = \"/var/lib/gatepost\"", "data_dir = \"/srv\""),
    ("server.master_key", "{ file = \"secrets/master.key\" }", "\"another\""),
    ("server.log", "log = \"text\"", "log = \"json\""),
    ("server.log_file", "gatepost.log\"", "other.log\""),
    ("server.user", "user = \"gatepost\"", "user = \"mail\""),
    ("server.group", "group = \"gatepost\"", "group = \"mail\""),
    ("server.drain", "drain = \"30s\"", "drain = \"5s\""),
    ("store.url", "url = \"sqlite:gatepost.db\"", "url = \"sqlite:other.db\""),
    ("store.read_connections", "read_connections = 4", "read_connections = 5"),
    ("store.write_connections", "write_connections = 2", "write_connections = 3"),
    ("tls.certificate", "certs/server.pem", "zone.txt"),
    ("tls.key", "certs/server.key", "secrets/upstream"),
    ("certificate[].certificate", "certs/mail.example.net.pem", "zone.txt"),
    ("certificate[].key", "certs/mail.example.net.key", "secrets/upstream"),
    ("listener[].kind", "kind = \"submission\"", "kind = \"mx\""),
    ("listener[].bind", "0.0.0.0:587", "0.0.0.0:588"),
    ("listener[].tls", "tls = \"starttls\"\n\n# Where AUTH", "tls = \"implicit\"\n\n# Where AUTH"),
    ("listener[].plain_auth", "plain_auth = \"tls\"", "plain_auth = \"loopback\""),
    ("listener[].transcripts", "transcripts = [\"192.0.2.7/32\"]", "transcripts = []"),
    ("listener[].bare_line_ends", "bare_line_ends = \"refuse\"", "bare_line_ends = \"normalise\""),
    ("listener[].proxies", "proxies = [\"10.0.0.5\", ", "proxies = ["),
    ("listener[].session_tickets", "session_tickets = \"one\"", "session_tickets = \"none\""),
    ("smtp.connections", "connections = 10000", "connections = 9999"),
    ("smtp.connections_per_address", "connections_per_address = 200", "connections_per_address = 199"),
    ("smtp.connections_per_net", "connections_per_net = 500", "connections_per_net = 499"),
    ("smtp.connection_rate", "600/minute", "601/minute"),
    ("smtp.message_bytes_max", "message_bytes_max = 52428800", "message_bytes_max = 52428801"),
    ("smtp.recipients_max", "recipients_max = 1000", "recipients_max = 999"),
    ("smtp.recipients_per_connection", "recipients_per_connection = 100000", "recipients_per_connection = 99999"),
    ("smtp.messages_per_connection", "messages_per_connection = 1000", "messages_per_connection = 999"),
    ("smtp.received_max", "received_max = 100", "received_max = 99"),
    ("smtp.body_memory", "body_memory = 268435456", "body_memory = 268435457"),
    ("smtp.data_rate_min", "data_rate_min = 512", "data_rate_min = 511"),
    ("http[].bind", "127.0.0.1:8025", "127.0.0.1:8026"),
    ("http[].serves", "serves = [\"api\", ", "serves = ["),
    ("dns.servers", "127.0.0.1:5353", "127.0.0.1:5354"),
    ("dns.zone_file", "zone.txt", "certs/server.pem"),
    ("delivery.port", "port = 25\n", "port = 26\n"),
    ("delivery.mode", "mode = \"live\"", "mode = \"sandbox\""),
    ("delivery.retry", "retry = [\"1m\"", "retry = [\"2m\""),
    ("delivery.expire", "expire = \"5d\"", "expire = \"4d\""),
    ("delivery.delay_report", "delay_report = \"4h\"", "delay_report = \"0s\""),
    ("delivery.replies", "replies = \"replies.toml\"", "replies = \"other.toml\""),
    ("delivery.connections_per_destination", "_destination = 20", "_destination = 21"),
    ("delivery.connections", "connections = 1000\n", "connections = 1001\n"),
    ("delivery.recipients_per_transaction", "recipients_per_transaction = 50", "recipients_per_transaction = 51"),
    ("delivery.idle", "idle = \"5s\"", "idle = \"6s\""),
    ("delivery.connection_messages", "connection_messages = 100", "connection_messages = 101"),
    ("delivery.connection_age", "connection_age = \"5m\"", "connection_age = \"6m\""),
    ("delivery.in_flight", "in_flight = 10000", "in_flight = 9999"),
    ("delivery.memory", "\nmemory = 67108864", "\nmemory = 67108865"),
    ("delivery.record_dialogues", "record_dialogues = \"failures\"", "record_dialogues = \"all\""),
    ("relay[].name", "name = \"upstream\"", "name = \"other\""),
    ("relay[].host", "smtp.provider.example", "smtp2.provider.example"),
    ("relay[].port", "port = 587", "port = 588"),
    ("relay[].tls", "tls = \"starttls\"\n\n# The account", "tls = \"implicit\"\n\n# The account"),
    ("relay[].username", "username = \"user\"", "username = \"user2\""),
    ("relay[].password", "{ file = \"secrets/upstream\" }", "\"another\""),
    ("relay[].verify", "verify = true\n", "#verify = true\nhost = \"127.0.0.1\"\nverify = false\n"),
    ("relay[].protocol", "protocol = \"smtp\"", "protocol = \"lmtp\""),
    ("relay[].auth", "auth = \"auto\"", "auth = \"scram-sha-256\""),
    ("relay[].connections", "connections = 10\n", "connections = 9\n"),
    ("relay[].rate", "rate = \"100/minute\"", "rate = \"101/minute\""),
    (
        "source[].name",
        "[[source]]",
        "[[source]]\nname = \"another\"\naddresses = [{ address = \"192.0.2.7\" }]\n[[source]]",
    ),
    (
        "source[].addresses[]",
        "addresses = [{ address = \"192.0.2.1\"",
        "addresses = [{ address = \"192.0.2.2\" }, { address = \"192.0.2.1\"",
    ),
    ("source[].addresses[].address", "[{ address = \"192.0.2.1\"", "[{ address = \"192.0.2.2\""),
    ("source[].addresses[].hello", "hello = \"out1.example.com\"", "hello = \"out2.example.com\""),
    ("destination[].match", "match = [\"inside.example\", ", "match = ["),
    (
        "destination[].rate",
        "\nrate = \"100/minute\"\n\n# Connections to each",
        "\nrate = \"99/minute\"\n\n# Connections to each",
    ),
    ("destination[].connections", "connections = 5\n", "connections = 6\n"),
    ("destination[].recipients_per_transaction", "recipients_per_transaction = 20", "recipients_per_transaction = 21"),
    (
        "destination[].source",
        "[[destination]]",
        "[[destination]]\nmatch = [\"example.org\"]\nsource = \"pool\"\n[[destination]]",
    ),
    (
        "destination[].tls",
        "[[destination]]",
        "[[destination]]\nmatch = [\"example.org\"]\ntls = \"required\"\n[[destination]]",
    ),
    (
        "destination[].protocol",
        "[[destination]]",
        "[[destination]]\nmatch = [\"example.org\"]\nhost = \"10.0.0.1\"\nprotocol = \"lmtp\"\n[[destination]]",
    ),
    (
        "destination[].host",
        "[[destination]]",
        "[[destination]]\nmatch = [\"example.org\"]\nhost = \"10.0.0.1\"\n[[destination]]",
    ),
    ("destination[].port", "[[destination]]", "[[destination]]\nmatch = [\"example.org\"]\nport = 26\n[[destination]]"),
    ("tenant[].name", "name = \"acme\"", "name = \"acme2\""),
    ("tenant[].limits", "200/minute", "201/minute"),
    ("tenant[].recipient_limits", "100000/day", "100001/day"),
    ("tenant[].bounces", "bounces = \"report\"", "bounces = \"event\""),
    ("templates.directory", "directory = \"templates\"", "directory = \"mails\""),
    ("domain[].name", "[[domain]]", "[[domain]]\nname = \"other.example\"\n[[domain]]"),
    ("domain[].tenant", "[[domain]]", "[[domain]]\nname = \"other.example\"\ntenant = \"acme\"\n[[domain]]"),
    ("domain[].relay", "relay = \"direct\"", "relay = \"upstream\""),
    ("domain[].source", "[[domain]]", "[[domain]]\nname = \"other.example\"\nsource = \"pool\"\n[[domain]]"),
    ("domain[].hide_client", "hide_client = false", "hide_client = true"),
    ("domain[].return_path", "return_path = \"keep\"", "return_path = \"recipient\""),
    ("domain[].limits", "100/minute", "101/minute"),
    ("domain[].recipient_limits", "20000/day", "20001/day"),
    ("domain[].tracking", "tracking = {", "#tracking = {"),
    ("domain[].tracking.host", "https://t.example.com\", opens", "https://u.example.com\", opens"),
    ("domain[].tracking.opens", "opens = true, ", "opens = false, "),
    ("domain[].tracking.clicks", "clicks = \"html\"", "clicks = \"all\""),
    ("domain[].tracking.pixel", "pixel = \"bottom\"", "pixel = \"top\""),
    ("domain[].tracking.exclude", "exclude = [\"bank.example\"]", "exclude = []"),
    ("domain[].tracking.sensitive", "sensitive = [\"password\"]", "sensitive = []"),
    ("domain[].tracking.check", ", check = true", ", check = false"),
    ("domain[].dkim[]", "dkim = [", "#dkim = ["),
    ("domain[].dkim[].selector", "selector = \"gp1\"", "selector = \"gp2\""),
    ("domain[].dkim[].key", "dkim/example.com.gp1.pem", "dkim/other.pem"),
    ("credential[].username", "username = \"app@example.com\"", "username = \"app2\""),
    ("credential[].password", "{ env = \"APP_PASSWORD\" }", "\"another\""),
    (
        "credential[].scram",
        "{ env = \"APP_SCRAM\" }",
        "\"SCRAM-SHA-256$4096:c2FsdA==$c2VydmVyc2VydmVyc2VydmVyc2VydmVyc2VydmVyeHg=:c3RvcmVkc3RvcmVkc3RvcmVkc3RvcmVkc3RvcmVkeHg=\"",
    ),
    ("credential[].domains", "domains = [\"example.com\"]", "domains = [\"*\"]"),
    (
        "credential[].tenant",
        "[[credential]]",
        "[[credential]]\nusername = \"b\"\ndomains = [\"*\"]\npassword = \"x\"\ntenant = \"acme\"\n[[credential]]",
    ),
    ("credential[].from", "from = []", "from = [\"10.0.0.0/8\"]"),
    ("credential[].sandbox", "sandbox = false", "sandbox = true"),
    (
        "credential[].stream",
        "stream = \"bulk\"\n\n# Whether opens of its",
        "stream = \"transactional\"\n\n# Whether opens of its",
    ),
    ("credential[].opens", "opens = false\n\n# Which clicks in its", "opens = true\n\n# Which clicks in its"),
    ("credential[].clicks", "clicks = \"none\"", "clicks = \"all\""),
    ("credential[].compatible", "[\"postmark\", \"mailgun\"]", "[\"postmark\"]"),
    ("credential[].ignore_suppression", "ignore_suppression = false", "ignore_suppression = true"),
    ("stream[].name", "name = \"newsletter\"", "name = \"digest\""),
    ("stream[].tenant", "[[stream]]", "[[stream]]\nname = \"b\"\nkind = \"bulk\"\ntenant = \"acme\"\n[[stream]]"),
    ("stream[].kind", "kind = \"bulk\"", "kind = \"transactional\""),
    ("stream[].opens", "opens = false\n\n# Which clicks are", "opens = true\n\n# Which clicks are"),
    ("stream[].clicks", "clicks = \"html\"\n\n# Its List-Id", "clicks = \"all\"\n\n# Its List-Id"),
    ("stream[].list_id", "list_id = \"news.example.com\"", "list_id = \"digest.example.com\""),
    ("stream[].unsubscribe", "unsubscribe = \"auto\"", "unsubscribe = \"none\""),
    ("credential[].limits", "20/second", "21/second"),
    ("credential[].recipient_limits", "5000/hour", "5001/hour"),
    (
        "credential[].networks",
        "[[credential]]",
        "[[credential]]\nusername = \"b\"\ndomains = [\"*\"]\nnetworks = [\"10.0.0.0/8\"]\n[[credential]]",
    ),
    ("mailbox[].name", "[[mailbox]]", "[[mailbox]]\nname = \"sales\"\naddress = \"sales@example.com\"\n[[mailbox]]"),
    ("mailbox[].address", "address = \"support@example.com\"", "address = \"help@example.com\""),
    ("mailbox[].reply_domain", "reply.example.com", "answer.example.com"),
    (
        "mailbox[].tenant",
        "[[mailbox]]",
        "[[domain]]\nname = \"acme.example\"\ntenant = \"acme\"\n[[mailbox]]\nname = \"acme\"\naddress = \"support@acme.example\"\ntenant = \"acme\"\n[[mailbox]]",
    ),
    ("route[].recipient", "recipient = \"support@example.com\"", "recipient = \"*@example.com\""),
    ("route[].actions", "actions = [{ ticket = \"support\" }]", "actions = [{ discard = true }]"),
];

/// Every key that the descriptions know, with what its change needs.
pub fn keys() -> Vec<(String, Change)> {
    fn walk(table: &Table, path: &str, keys: &mut Vec<(String, Change)>) {
        for field in table.fields {
            let list = matches!(&field.shape, Shape::List(of) if of.table().is_some());
            let name = format!("{path}{}{}", field.name, if list { "[]" } else { "" });
            if let Some(inner) = field.shape.table() {
                walk(inner, &format!("{name}."), keys);
            }
            keys.push((name, field.change));
        }
    }
    let mut keys = Vec::new();
    walk(&Config::TABLE, "", &mut keys);
    // The tables of the file themselves are their keys.
    keys.retain(|(key, _)| key.contains('.'));
    keys
}

/// The configuration with one key changed.
#[track_caller]
pub fn changed(base: &str, key: &str, from: &str, to: &str) -> String {
    assert!(base.contains(from), "{key}: {from}");
    let text = base.replacen(from, to, 1);
    match key {
        "relay[].verify" => text.replacen("host = \"smtp.provider.example\"\n", "", 1),
        _ => text,
    }
}

#[test]
fn each_key_is_live_or_waits_for_a_restart_as_described() {
    let base = uncommented();
    let directory = directory();
    let old = good_in(directory.path(), &base);
    let keys = keys();
    for (key, _) in &keys {
        assert!(CHANGES.iter().any(|(changed, ..)| changed == key), "no change of {key} is tested");
    }
    for (key, from, to) in CHANGES {
        let (_, change) = keys.iter().find(|(known, _)| known == key).unwrap_or_else(|| panic!("{key} is no key"));
        let new = good_in(directory.path(), &changed(&base, key, from, to));
        assert!(new != old, "{key} changes nothing");
        let waits: &[&str] = if *change == Change::Restart { &[key] } else { &[] };
        assert_eq!(restart_needed(&old, &new), waits, "{key}");
        let kept = new.clone().keeping_restart_values(&old);
        assert_eq!(kept == old, *change == Change::Restart, "{key}: a live value is taken, another kept");
        assert!(restart_needed(&old, &kept).is_empty());
    }
}

// --- no text is too strange ---------------------------------------------------------------------------

fn strange() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("=".to_owned()),
        Just("\"\"\"".to_owned()),
        Just("[[".to_owned()),
        Just("]".to_owned()),
        Just("{ env = ".to_owned()),
        Just("{".to_owned()),
        Just("\n".to_owned()),
        Just("password = \"é".to_owned()),
        Just("é\u{1f600}".to_owned()),
        Just("\0".to_owned()),
        Just("1979-05-27T07:32:00Z".to_owned()),
        Just("99999999999999999999999999999999999999999999".to_owned()),
        any::<String>(),
    ];
    let edits = prop::collection::vec((any::<prop::sample::Index>(), 0..60_usize, piece), 1..12);
    (any::<bool>(), edits).prop_map(|(all, edits)| {
        let mut text = if all { uncommented() } else { shipped() };
        for (at, length, piece) in edits {
            let start = text.floor_char_boundary(at.index(text.len() + 1));
            let end = text.ceil_char_boundary((start + length).min(text.len()));
            text.replace_range(start..end, &piece);
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_broken_text_around_a_password_shows_it(before in strange(), behind in strange(), last in any::<String>()) {
        let secret = format!("\n[[credential]]\nusername = \"x\"\npassword = \"{PASSWORD}\" ");
        let text = format!("{before}{secret}{last}\n{behind}");
        let loaded = load_text("gatepost.toml", text, Path::new("/nonexistent"), &environment());
        let shown = explain::report(&loaded, Colours::Never) + &explain::lines(&loaded).join("\n");
        prop_assert!(!shown.contains("hunter2"), "{}", shown);
    }

    #[test]
    fn no_text_makes_loading_or_explaining_panic(text in strange()) {
        let loaded = load_text("gatepost.toml", text, Path::new("/nonexistent"), &environment());
        explain::report(&loaded, Colours::Always);
        for line in explain::lines(&loaded) {
            prop_assert!(!line.contains(PASSWORD));
        }
    }
}

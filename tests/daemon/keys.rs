//! Every key there is, changed under a running daemon: a live one is in force, another is named and
//! keeps its value. The list of changes is the one of `tests/all/config.rs`, where it is complete.

use super::tls::Made;
use crate::config::{CHANGES, PASSWORD, SCRAM, SIGNING_KEY, changed, environment, keys, uncommented};
use crate::ports;
use crate::running::{Daemon, Yard};
use gatepost::base::settings::Change;
use gatepost::config::{Config, load};
use nix::unistd::{Gid, Group, Uid, User};
use serde_json::Value;

/// A folder with every file that the configuration names.
fn yard() -> Yard {
    let yard = Yard::empty();
    for folder in ["certs", "secrets", "dkim", "templates", "mails"] {
        std::fs::create_dir(yard.path(folder)).unwrap();
    }
    let pair = Made::new("mail.example.com");
    pair.write(&yard, "certs/server");
    pair.write(&yard, "certs/copy");
    pair.write(&yard, "certs/mail.example.net");
    yard.write("secrets/master.key", &"0123456789abcdef".repeat(4));
    yard.write("secrets/upstream", "hunter2-correct-horse\n");
    yard.write("dkim/example.com.gp1.pem", SIGNING_KEY);
    yard.write("dkim/other.pem", SIGNING_KEY);
    yard.write("zone.txt", "example.com A 192.0.2.1\n");
    yard.write("other.txt", "example.com A 192.0.2.2\n");
    yard.write("replies.toml", "");
    yard.write("other.toml", "");
    yard
}

/// What the shipped configuration names, as this machine and this test have it.
fn localised(text: &str, ports: &[u16; 5]) -> String {
    let user = User::from_uid(Uid::effective()).unwrap().unwrap().name;
    let group = Group::from_gid(Gid::effective()).unwrap().unwrap().name;
    let [submission, other_submission, mx, http, other_http] = ports.map(|port| format!("127.0.0.1:{port}\""));
    [
        ("/var/lib/gatepost", "data"),
        ("/var/log/gatepost/", ""),
        ("user = \"gatepost\"", &format!("user = \"{user}\"")),
        ("group = \"gatepost\"", &format!("group = \"{group}\"")),
        ("0.0.0.0:587\"", &submission),
        ("0.0.0.0:588\"", &other_submission),
        ("0.0.0.0:25\"", &mx),
        ("127.0.0.1:8025\"", &http),
        ("127.0.0.1:8026\"", &other_http),
    ]
    .into_iter()
    .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// Changes that would do for reading a file, and not for a daemon that uses it or for us to see it:
/// certificates have to fit, and of secrets only whether they are there can be seen.
fn change(base: &str, (key, from, to): &(&str, &str, &str)) -> String {
    let off = |text: &str, line: &str| changed(text, key, line, &format!("#{line}"));
    match *key {
        "tls.certificate" => changed(base, key, from, "certs/copy.pem"),
        "tls.key" => changed(base, key, from, "certs/copy.key"),
        "certificate[].certificate" => changed(base, key, from, "certs/copy.pem"),
        "certificate[].key" => changed(base, key, from, "certs/copy.key"),
        "dns.zone_file" => changed(base, key, from, "other.txt"),
        "relay[].password" => off(&off(base, "username = \"user\""), "password = { file = \"secrets/upstream\" }"),
        "credential[].password" => off(base, "password = { env = \"APP_PASSWORD\" }"),
        "credential[].scram" => off(base, "scram = { env = \"APP_SCRAM\" }"),
        _ => changed(base, key, from, to),
    }
}

fn read(yard: &Yard, text: &str) -> Config {
    let loaded = load(&yard.write("gatepost.toml", text), &environment());
    loaded.config.unwrap_or_else(|| panic!("{:?}", loaded.findings))
}

/// What the daemon goes by, as it says.
fn in_force(daemon: &Daemon) -> Vec<(String, String)> {
    let (code, text) = daemon.control("/api/v1/settings");
    assert_eq!(code, 200, "{text}");
    let page: Value = serde_json::from_str(&text).unwrap();
    let word = |setting: &Value, key: &str| setting[key].as_str().unwrap().to_owned();
    page["settings"].as_array().unwrap().iter().map(|s| (word(s, "path"), word(s, "value"))).collect()
}

#[test]
fn every_key_takes_effect_at_a_reload_or_is_named_as_waiting() {
    let (yard, ports) = (yard(), [(); 5].map(|()| ports::known()));
    let shipped = uncommented();
    let base = read(&yard, &localised(&shipped, &ports));
    let mut serve = yard.command(&["serve"]);
    serve.env("APP_PASSWORD", PASSWORD).env("APP_SCRAM", SCRAM);
    let mut daemon = yard.launch_as(serve).ready();
    assert_eq!(in_force(&daemon), base.shown());

    for (key, needs) in keys() {
        let line = CHANGES.iter().find(|(changed, ..)| *changed == key).unwrap();
        let new = read(&yard, &localised(&change(&shipped, line), &ports));
        let waiting = daemon.reload_warnings();
        let named: Vec<_> = waiting.iter().filter_map(|line| line.split_once(" key=")).map(|(_, key)| key).collect();
        let expected = new.clone().keeping_restart_values(&base);
        assert_eq!(in_force(&daemon), expected.shown(), "{key}");
        match needs {
            Change::Restart => {
                assert_eq!(named, [key.as_str()]);
                assert_eq!(expected.shown(), base.shown(), "{key}");
            }
            Change::Live => {
                assert!(named.is_empty(), "{key}: {waiting:?}");
                assert_ne!(expected.shown(), base.shown(), "{key}: nothing of the change can be seen");
            }
        }
    }

    // All that waits, at once: each is named, and none is taken.
    let all = CHANGES.iter().filter(|(changed, ..)| keys().contains(&((*changed).to_owned(), Change::Restart)));
    let text = all.fold(shipped.clone(), |text, line| change(&text, line));
    read(&yard, &localised(&text, &ports));
    let waiting = daemon.reload_warnings();
    assert_eq!(waiting.len(), keys().iter().filter(|(_, needs)| *needs == Change::Restart).count(), "{waiting:?}");
    assert_eq!(in_force(&daemon), base.shown());
    daemon.stops();
}

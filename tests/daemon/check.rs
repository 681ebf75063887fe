//! `gatepost check`: every mistake in one run, one line each for scripts, with carets for people, and
//! nothing made or changed by looking.

use super::tls::Made;
use crate::postgres::Cluster;
use crate::running::{DOORS, Ran, Yard};
use nix::unistd::{Uid, User};
use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Every file below a folder, with what a look could change.
fn footprint(folder: &Path) -> BTreeMap<PathBuf, (u64, u64, u32, i64, i64)> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let (path, metadata) = (entry.path(), entry.metadata().unwrap());
        if metadata.is_dir() {
            found.extend(footprint(&path));
        }
        // SQLite's shared memory: whoever looks leaves a mark in it, and nothing of it is kept.
        let is_scratch = path.to_string_lossy().ends_with("-shm");
        let times = if is_scratch { (0, 0) } else { (metadata.mtime(), metadata.mtime_nsec()) };
        found.insert(path, (metadata.ino(), metadata.len(), metadata.mode(), times.0, times.1));
    }
    found
}

/// Checks, and makes sure that only looking was done.
fn check(yard: &Yard) -> Ran {
    let before = footprint(yard.folder());
    let ran = yard.run(&["check"]);
    assert_eq!(footprint(yard.folder()), before, "{ran:?}");
    ran
}

/// A check that finds this one mistake.
fn finds(yard: &Yard, place: &str, words: &[&str]) {
    let ran = check(yard);
    assert_eq!(ran.code, Some(78), "{ran:?}");
    let [line] = ran.out.lines().collect::<Vec<_>>()[..] else { panic!("one line: {ran:?}") };
    assert!(line.contains(place) && line.contains(": error: "), "{place} in {line}");
    for word in words {
        assert!(line.contains(word), "{word} in {line}");
    }
}

#[test]
fn five_mistakes_are_five_lines_and_five_carets() {
    let yard = Yard::with(
        "hostnme = \"mail.example.com\"\n[[listener]]\nkind = \"mix\"\nbind = [\"127.0.0.1\"]\n[delivery]\nexpire = 5\n\
         [[route]]\nrecipient = \"a@example.com\"\nactions = [{ ticket = \"suport\" }]\n\
         [[mailbox]]\nname = \"support\"\naddress = \"support@example.com\"\n[[domain]]\nname = \"example.com\"\n",
    );
    let ran = check(&yard);
    assert_eq!(ran.code, Some(78), "{ran:?}");
    let file = yard.path("gatepost.toml").display().to_string();
    let lines: Vec<_> = ran.out.lines().collect();
    let expected = ["5:1: error: ", "7:8: error: ", "8:9: error: ", "10:10: error: ", "13:23: error: "];
    assert_eq!(lines.len(), expected.len(), "{ran:?}");
    for (line, place) in lines.iter().zip(expected) {
        assert!(line.starts_with(&format!("{file}:{place}")), "{place} in {line}");
    }
    assert_eq!(ran.err.matches("error: ").count(), expected.len(), "{ran:?}");
    let carets = ran.err.lines().filter(|line| line.trim_start_matches(['|', ' ']).starts_with('^')).count();
    assert_eq!(carets, expected.len(), "{ran:?}");
    assert!(ran.err.contains("5 | hostnme = \"mail.example.com\"\n"), "{}", ran.err);
    assert!(!yard.path("data").exists());
}

#[test]
fn a_good_file_is_told_what_was_looked_at() {
    let yard = Yard::with(DOORS);
    let ran = check(&yard);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{ran:?}");
    assert!(ran.out.contains("ok: no certificate is named") && ran.out.contains("is not there yet"), "{ran:?}");
    let mut daemon = yard.start();
    // Under a running daemon, which writes as it likes: without a look at the files' times.
    let ran = yard.run(&["check"]);
    assert!(ran.code == Some(0) && ran.out.contains("opens, version"), "{ran:?}");
    daemon.stops();
    let ran = check(&yard);
    assert!(ran.code == Some(0) && ran.out.contains("opens, version"), "{ran:?}");
    // After a crash there is a log to recover, which a look leaves to the daemon.
    let mut daemon = yard.start();
    daemon.crash();
    assert_eq!(yard.run(&["check"]).code, Some(0));
    yard.start().stops();
}

#[test]
fn a_store_under_another_key_or_none_is_found() {
    let yard = Yard::with(DOORS);
    yard.start().stops();
    let key = yard.path("data/master.key");
    let kept = std::fs::read_to_string(&key).unwrap();
    std::fs::write(&key, "0123456789abcdef".repeat(4)).unwrap();
    finds(&yard, "gatepost.toml", &["was made under another master key", "server.master_key"]);
    std::fs::write(&key, "hunter2").unwrap();
    finds(&yard, "gatepost.toml", &["master key", "64 hex digits"]);
    std::fs::remove_file(&key).unwrap();
    finds(&yard, "gatepost.toml", &["was made under another master key"]);
    std::fs::write(&key, &kept).unwrap();
    assert_eq!(check(&yard).code, Some(0));
    // What is no store at all.
    std::fs::write(yard.path("data/gatepost.db"), "this is a letter to my aunt\n".repeat(500)).unwrap();
    finds(&yard, "gatepost.toml", &["gatepost.db"]);
}

#[test]
fn certificates_are_opened_and_tried() {
    let (one, two) = (Made::new("mail.example.com"), Made::new("mail.example.com"));
    let yard = Yard::with(&format!("[tls]\ncertificate = \"server.pem\"\nkey = \"server.key\"\n{DOORS}"));
    one.write(&yard, "server");
    let ran = check(&yard);
    assert!(ran.code == Some(0) && ran.out.contains("ok: the certificate and its key fit"), "{ran:?}");
    yard.write("server.key", &two.key);
    finds(&yard, "gatepost.toml:7:7:", &["server.key: this key does not belong to the certificate in"]);
    yard.write("server.key", "hunter2");
    finds(&yard, "gatepost.toml:7:7:", &["server.key: no private key in this file"]);
    one.write(&yard, "server");
    yard.write("server.pem", &one.certificate[..one.certificate.len() / 2]);
    finds(&yard, "gatepost.toml:6:15:", &["server.pem: damaged PEM"]);
    std::fs::remove_file(yard.path("server.pem")).unwrap();
    finds(&yard, "gatepost.toml:6:15:", &["server.pem cannot be read"]);
}

#[test]
fn certificates_for_other_names_are_tried_too() {
    let (one, two) = (Made::new("mail.example.net"), Made::new("mail.example.net"));
    let pair = |name: &str| format!("[[certificate]]\ncertificate = \"{name}.pem\"\nkey = \"{name}.key\"\n");
    let yard = Yard::with(&format!("{}{}{DOORS}", pair("one"), pair("two")));
    one.write(&yard, "one");
    two.write(&yard, "two");
    let ran = check(&yard);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.out.contains("one.pem is shown for mail.example.net"), "{ran:?}");
    assert!(ran.out.contains(":9:15: warning: an earlier certificate is for mail.example.net too"), "{ran:?}");
    yard.write("two.key", &one.key);
    finds(&yard, "gatepost.toml:10:7:", &["two.key: this key does not belong to the certificate in"]);
    Made::new("192.0.2.1").write(&yard, "two");
    finds(&yard, "gatepost.toml:9:15:", &["two.pem: no DNS name in this certificate"]);
    std::fs::remove_file(yard.path("two.pem")).unwrap();
    finds(&yard, "gatepost.toml:9:15:", &["two.pem cannot be read"]);
}

#[test]
fn a_table_of_replies_is_read_with_its_lines() {
    let yard = Yard::with(&format!("[delivery]\nreplies = \"replies.toml\"\n{DOORS}"));
    yard.write("replies.toml", "[[reply]]\ncode = \"4xx\"\nkind = \"soft\"\ncategory = \"theirs\"\n");
    assert_eq!(check(&yard).code, Some(0));
    yard.write("replies.toml", "[[reply]]\ncode = \"4xx\"\nkind = \"sotf\"\ncategory = \"theirs\"\n");
    let said = ["replies.toml cannot be used: line 3: \"sotf\" is none of hard, soft, block; did you mean \"soft\"?"];
    finds(&yard, "gatepost.toml:6:11:", &said);
    std::fs::remove_file(yard.path("replies.toml")).unwrap();
    finds(&yard, "gatepost.toml:6:11:", &["replies.toml cannot be used: it cannot be read"]);
}

#[test]
fn a_zone_file_is_read_line_by_line() {
    let yard = Yard::with(&format!("[dns]\nzone_file = \"zone.txt\"\n{DOORS}"));
    yard.write("zone.txt", "example.com MX 10 mx.example.com\n");
    let ran = check(&yard);
    assert!(ran.code == Some(0) && ran.out.contains("zone.txt answers instead of the DNS"), "{ran:?}");
    yard.write("zone.txt", "example.com MX mx.example.com\nexample.com A 192.0.2.1\n\n$TTL 60\n");
    let ran = check(&yard);
    assert_eq!(ran.code, Some(78), "{ran:?}");
    let [first, second] = ran.out.lines().collect::<Vec<_>>()[..] else { panic!("two lines: {ran:?}") };
    assert!(first.contains("gatepost.toml:6:13: error: ") && first.contains("zone.txt:1: MX takes"), "{first}");
    assert!(second.contains("zone.txt:4: $TTL is not understood"), "{second}");
}

#[test]
fn a_database_is_asked() {
    let cluster = Cluster::private();
    let url = cluster.create_database();
    let yard = Yard::with(&format!("[store]\nurl = \"{url}\"\n{DOORS}"));
    let ran = check(&yard);
    assert!(ran.code == Some(0) && ran.out.contains("is reached and empty"), "{ran:?}");
    let name = url.rsplit('/').next().unwrap();
    let tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'";
    assert!(cluster.query(name, tables).is_empty(), "a check makes no tables");
    cluster.stop();
    finds(&yard, "gatepost.toml:6:7:", &["Connection refused"]);
    yard.configure(&format!("[store]\nurl = \"{}nowhere\"\n{DOORS}", url));
    cluster.start();
    finds(&yard, "gatepost.toml:6:7:", &["does not exist"]);
}

#[test]
fn what_the_service_user_cannot_read_is_a_warning() {
    let user = User::from_name("nobody").unwrap().expect("every machine has the user nobody");
    assert_ne!(Uid::effective(), user.uid, "the test has to be somebody");
    let yard = Yard::empty();
    let pair = Made::new("mail.example.com");
    pair.write(&yard, "server");
    yard.write("relay.secret", "hunter2");
    let rest = format!(
        "[tls]\ncertificate = \"server.pem\"\nkey = \"server.key\"\n{DOORS}[[relay]]\nname = \"up\"\n\
         host = \"smtp.provider.example\"\nusername = \"u\"\npassword = {{ file = \"relay.secret\" }}\n"
    );
    yard.configure_server("user = \"nobody\"", &rest);
    let ran = check(&yard);
    assert_eq!(ran.code, Some(0), "warnings are no errors: {ran:?}");
    let warnings: Vec<_> = ran.out.lines().filter(|line| line.contains(": warning: ")).collect();
    let unreadable = ["gatepost.toml", "server.pem", "server.key", "relay.secret"];
    assert_eq!(warnings.len(), unreadable.len(), "{ran:?}");
    for name in unreadable {
        let words = format!("the user \"nobody\" cannot read {}", yard.path(name).display());
        assert!(warnings.iter().any(|line| line.contains(&words)), "{words} in {warnings:?}");
    }
    for name in unreadable {
        std::fs::set_permissions(yard.path(name), Permissions::from_mode(0o640)).unwrap();
        let _ = nix::unistd::chown(&yard.path(name), None, Some(user.gid));
    }
    if Uid::effective().is_root() {
        assert!(!check(&yard).out.contains("warning"), "what its group may read is enough");
    }
    yard.configure_server("user = \"gatepost-nobody-such\"", DOORS);
    finds(&yard, "gatepost.toml:4:8:", &["there is no such user"]);
}

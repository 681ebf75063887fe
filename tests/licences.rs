//! What Gatepost is made of: every crate's licence is one we may ship, NOTICE carries what those
//! licences ask for, docs/DEPENDENCIES.md gives a reason for each direct crate, and one crypto backend
//! is all there is. `GATEPOST_BLESS=1` (`make notice`) writes NOTICE anew.

use crate::source::root;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Licences that let anyone ship the binary under our own, best first: of a choice we take the first.
/// A crate under another one needs a decision, and its line here.
const ALLOWED: [&str; 12] = [
    "Apache-2.0",
    "MIT",
    "MIT-0",
    "ISC",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "Zlib",
    "BSL-1.0",
    "Unlicense",
    "CC0-1.0",
    "Unicode-3.0",
    "CDLA-Permissive-2.0",
];

/// File by file: whoever changes a file of it gives that file away. Of no weight where it is not shipped, so crates
/// that only the tests use may be under it.
const ALLOWED_IN_TESTS: &str = "MPL-2.0";

/// C code inside crates, whose own licence lies deeper than the crate's.
const INSIDE: [(&str, &str); 2] = [("aws-lc-sys", "aws-lc/LICENSE"), ("zstd-sys", "zstd/LICENSE")];

/// A second crypto backend, or a bridge to the system's, would double what has to be trusted.
const FORBIDDEN: [&str; 4] = ["ring", "openssl-sys", "native-tls", "rsa"];

/// `name version` → licence expression, of what is compiled for Linux.
fn crates(edges: &str) -> BTreeMap<String, String> {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--target", "x86_64-unknown-linux-gnu", "--prefix", "none"])
        .args(["--edges", edges, "--format", "{p}|{l}"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(tree.status.success(), "cargo tree: {}", String::from_utf8_lossy(&tree.stderr));
    let mut crates = BTreeMap::new();
    for line in String::from_utf8_lossy(&tree.stdout).lines() {
        let Some((package, licence)) = line.trim_end_matches(" (*)").split_once('|') else { continue };
        let mut words = package.split(' ');
        let (Some(name), Some(version)) = (words.next(), words.next()) else { continue };
        if name != "gatepost" {
            crates.insert(format!("{name} {}", version.trim_start_matches('v')), licence.to_owned());
        }
    }
    crates
}

// --- licence expressions ----------------------------------------------------------------------------

/// The licences we take a crate under: all of an AND, the best of an OR; None when one is not allowed.
fn chosen(expression: &str) -> Option<BTreeSet<String>> {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let (licences, rest) = any_of(&words)?;
    rest.is_empty().then_some(licences)
}

type Parsed<'a> = (BTreeSet<String>, &'a [&'a str]);

fn any_of<'a>(words: &'a [&'a str]) -> Option<Parsed<'a>> {
    let (mut best, mut rest) = all_of(words)?;
    while let ["OR", after @ ..] = rest {
        let (other, left) = all_of(after)?;
        if rank(&other) < rank(&best) {
            best = other;
        }
        rest = left;
    }
    Some((best, rest))
}

fn all_of<'a>(words: &'a [&'a str]) -> Option<Parsed<'a>> {
    let (mut all, mut rest) = single(words)?;
    while let ["AND", after @ ..] = rest {
        let (more, left) = single(after)?;
        all.extend(more);
        rest = left;
    }
    Some((all, rest))
}

fn single<'a>(words: &'a [&'a str]) -> Option<Parsed<'a>> {
    match words {
        ["(", inside @ ..] => {
            let (licences, rest) = any_of(inside)?;
            Some((licences, rest.strip_prefix(&[")"])?))
        }
        // An exception only adds rights.
        [licence, "WITH", _, rest @ ..] | [licence, rest @ ..] => Some((BTreeSet::from([(*licence).to_owned()]), rest)),
        [] => None,
    }
}

/// The worst licence of a set; one that is not allowed ranks behind all.
fn rank(licences: &BTreeSet<String>) -> usize {
    let place = |l: &String| ALLOWED.iter().position(|a| a == l).unwrap_or(ALLOWED.len());
    licences.iter().map(place).max().unwrap_or(ALLOWED.len())
}

#[test]
fn of_a_choice_the_best_licence_is_taken() {
    let take = |expression: &str| chosen(expression).map(|l| l.into_iter().collect::<Vec<_>>().join("+"));
    assert_eq!(take("MIT/Apache-2.0").as_deref(), Some("Apache-2.0"));
    assert_eq!(take("GPL-2.0 OR MIT").as_deref(), Some("MIT"));
    assert_eq!(take("(MIT OR Apache-2.0) AND Unicode-3.0").as_deref(), Some("Apache-2.0+Unicode-3.0"));
    assert_eq!(take("Apache-2.0 WITH LLVM-exception").as_deref(), Some("Apache-2.0"));
    assert_eq!(take(""), None);
    assert_eq!(rank(&chosen("MIT AND GPL-3.0").expect("an expression")), ALLOWED.len());
}

#[test]
fn every_crate_has_a_licence_we_may_ship() {
    // The tests' own crates too: they are read and run, if not shipped.
    let shipped = crates("normal,build");
    for (name, expression) in crates("normal,build,dev") {
        let is_for_tests = !shipped.contains_key(&name) && expression == ALLOWED_IN_TESTS;
        let allowed = is_for_tests || chosen(&expression).is_some_and(|licences| rank(&licences) < ALLOWED.len());
        assert!(allowed, "{name} is under `{expression}`: replace it, or decide and add the licence to ALLOWED");
    }
}

#[test]
fn one_crypto_backend_is_compiled() {
    // Cargo.lock may name `ring`: a switched-off option of rustls-webpki. What counts is what is built.
    for name in crates("normal,build,dev").keys() {
        let name = name.split(' ').next().unwrap_or_default();
        assert!(!FORBIDDEN.contains(&name), "{name} is compiled; see who asks: cargo tree --invert {name}");
    }
}

// --- NOTICE -----------------------------------------------------------------------------------------

/// `name version` → the folder of its source.
fn folders() -> BTreeMap<String, PathBuf> {
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--locked", "--format-version", "1", "--filter-platform", "x86_64-unknown-linux-gnu"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(metadata.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&metadata.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout).expect("cargo metadata is JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    packages
        .iter()
        .filter_map(|package| {
            let text = |field: &str| package[field].as_str();
            let folder = Path::new(text("manifest_path")?).parent()?.to_owned();
            Some((format!("{} {}", text("name")?, text("version")?), folder))
        })
        .collect()
}

/// What a crate asks to be passed on: its licence files, and under the Apache licence (whose text is
/// ours too) only a NOTICE.
fn statements(name: &str, folder: &Path, apache: bool) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("a folder lists").path())
        .filter(|path| {
            let file = path.file_name().unwrap_or_default().to_string_lossy().to_uppercase();
            let stating: &[&str] =
                if apache { &["NOTICE"] } else { &["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE"] };
            path.is_file() && stating.iter().any(|word| file.starts_with(word))
        })
        .collect();
    files.sort();
    let crate_name = name.split(' ').next().unwrap_or_default();
    files.extend(INSIDE.iter().filter(|(inside, _)| *inside == crate_name).map(|(_, file)| folder.join(file)));
    files
        .iter()
        .map(|file| std::fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display())))
        .map(|text| text.replace('\r', "").lines().map(str::trim_end).collect::<Vec<_>>().join("\n").trim().to_owned())
        .collect()
}

fn is_apache(text: &str) -> bool {
    text.trim_start().starts_with("Apache License")
}

fn is_mit(text: &str) -> bool {
    text.contains("Permission is hereby granted, free of charge") && text.len() < 1_600
}

fn notice() -> String {
    let (crates, folders) = (crates("normal,build"), folders());
    let (mut table, mut mit) = (String::new(), String::new());
    let mut others: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (name, expression) in &crates {
        let licences = chosen(expression).unwrap_or_default();
        let taken = licences.iter().cloned().collect::<Vec<_>>().join(" and ");
        let _ = writeln!(table, "  {name:<42} {taken}");
        let folder = folders.get(name).unwrap_or_else(|| panic!("{name} has no source"));
        for text in statements(name, folder, licences.iter().all(|licence| licence == "Apache-2.0")) {
            if is_mit(&text) {
                let holders = text.lines().map(str::trim).filter(|line| line.to_lowercase().starts_with("copyright"));
                holders.for_each(|holder| mit.push_str(&format!("  {name}: {holder}\n")));
            } else if !is_apache(&text) {
                others.entry(text).or_default().push(name);
            }
        }
    }
    let mut page = format!(
        "{NOTICE_HEAD}\n{table}\n{RULE}\nMIT: copyright notices. The text of the licence is LICENSE-MIT's.\n\n{mit}"
    );
    for (text, names) in others {
        let _ = write!(page, "\n{RULE}\n{}\n\n{text}\n", names.join(", "));
    }
    page
}

const RULE: &str = "--------------------------------------------------------------------------------";

const NOTICE_HEAD: &str = "\
Gatepost
Copyright (c) 2026 the Gatepost authors

Gatepost is licensed under either of the Apache License, Version 2.0 (LICENSE-APACHE) or the MIT
license (LICENSE-MIT) at your option.

The binary contains, or was built with, the third-party crates below, each under the licence named
(where a crate offers a choice, the one we take). SQLite, inside libsqlite3-sys, is in the public
domain. After the table follow the notices that these licences ask to be passed on.

This file is written by `make notice` and compared by `make test`.
";

#[test]
fn the_notice_names_every_crate() {
    let (file, wanted) = (root().join("NOTICE"), notice());
    if std::env::var_os("GATEPOST_BLESS").is_some() {
        std::fs::write(&file, &wanted).expect("NOTICE is writable");
    }
    let found = std::fs::read_to_string(&file).unwrap_or_default();
    let lacking: Vec<&str> = wanted.lines().filter(|line| !found.lines().any(|l| l == *line)).collect();
    assert!(
        found == wanted,
        "NOTICE is not what Cargo.lock says: run `make notice`. It lacks:\n{}",
        lacking.join("\n")
    );
}

// --- docs/DEPENDENCIES.md -------------------------------------------------------------------------------

/// The crate names in the first column of the table under a heading.
fn documented(page: &str, heading: &str) -> BTreeSet<String> {
    let section = page.split("\n## ").find(|section| section.starts_with(heading));
    let rows = section.unwrap_or_else(|| panic!("docs/DEPENDENCIES.md has no section {heading}")).lines();
    let first_cells = rows.filter_map(|line| line.strip_prefix("| `")?.split(" |").next());
    first_cells
        .flat_map(|cell| cell.split(',').map(|n| n.trim().trim_matches('`').to_owned()).collect::<Vec<_>>())
        .collect()
}

#[test]
fn every_direct_crate_has_its_reason() {
    let page = std::fs::read_to_string(root().join("docs/DEPENDENCIES.md")).expect("docs/DEPENDENCIES.md");
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).expect("Cargo.toml");
    let manifest: toml::Table = manifest.parse().expect("Cargo.toml is TOML");
    let direct = |table: &str| -> BTreeSet<String> {
        manifest
            .get(table)
            .and_then(toml::Value::as_table)
            .into_iter()
            .flatten()
            .map(|(name, _)| name.clone())
            .collect()
    };
    assert_eq!(documented(&page, "In the binary"), direct("dependencies"), "left: documented, right: Cargo.toml");
    // A crate of the binary may have a second line for what only tests switch on.
    let tests: BTreeSet<String> = direct("dev-dependencies").difference(&direct("dependencies")).cloned().collect();
    assert_eq!(documented(&page, "In the tests"), tests, "left: documented, right: Cargo.toml");
    let early: Vec<String> = documented(&page, "Decided").intersection(&direct("dependencies")).cloned().collect();
    assert!(early.is_empty(), "{early:?} have arrived: move their rows");
}

//! The plan of the house, kept true: `src/lib.rs` names the floors, and this file reads every source
//! and fails on an import that goes up or sideways, on a room without a floor, on SQL outside the store, on an unwrap without a
//! stated invariant, and on names that say nothing. It prints, and never fails on, the longest files
//! and functions.

use crate::source::{Source, rust_files};
use std::collections::BTreeMap;
use std::io::Write;

/// `main.rs` stands above every room of the plan.
const MAIN_FLOOR: u32 = 11;

/// The room that alone speaks SQL.
const SQL_ROOM: &str = "store";

/// Words that name nothing: what is in such a file or type has an owner with a better word.
const EMPTY_WORDS: [&str; 8] = ["util", "utils", "utility", "utilities", "helper", "helpers", "manager", "managers"];

/// Room → floor.
type Plan = BTreeMap<String, u32>;

/// `// floor 3: words`, then `pub mod store;` and its neighbours.
fn plan(lib: &str) -> Result<Plan, String> {
    let (mut rooms, mut floor) = (Plan::new(), None);
    for (i, line) in lib.lines().enumerate() {
        let line = line.trim();
        if let Some(rest) = line.strip_prefix("// floor ") {
            let digits = rest.split(':').next().unwrap_or_default();
            floor = Some(digits.parse().map_err(|_| format!("src/lib.rs:{}: no floor number in `{line}`", i + 1))?);
        } else if let Some(room) = line.strip_prefix("pub mod ").or(line.strip_prefix("mod ")) {
            let room = room.trim_end_matches(';').to_owned();
            let floor = floor.ok_or(format!("src/lib.rs:{}: `{room}` stands before the first floor", i + 1))?;
            rooms.insert(room, floor);
        }
    }
    rooms.insert("main".into(), MAIN_FLOOR);
    Ok(rooms)
}

/// `src/smtpd/login.rs` is the module `smtpd::login`.
fn module_path(file: &str) -> Vec<String> {
    let inside = file.trim_start_matches("src/").trim_end_matches(".rs");
    let mut path: Vec<String> = inside.split('/').map(str::to_owned).collect();
    if path.last().is_some_and(|last| last == "mod") {
        path.pop();
    }
    path
}

/// A path that starts at the root of the crate: its first segment, `*`, or nothing for the root itself.
struct Import {
    line: usize,
    room: String,
}

/// Reads `crate::…`, `gatepost::…` and `super::…` paths, groups included, wherever they stand.
struct Imports<'a> {
    source: &'a Source,
    found: Vec<Import>,
}

impl Imports<'_> {
    fn of(file: &str, source: &Source) -> Vec<Import> {
        let mut imports = Imports { source, found: Vec::new() };
        // Inline modules deepen the path that `super` climbs.
        let (mut path, mut braces) = (module_path(file), Vec::new());
        let mut at = 0;
        while at < source.words.len() {
            let (word, next) = (source.word(at), source.word(at + 1));
            let before = |back: usize| at.checked_sub(back).map_or("", |i| source.word(i));
            // A path's middle does not start one; a leading `::` does.
            let starts = before(1) != "::" || !before(2).starts_with(|c: char| c.is_alphanumeric() || c == '_');
            let root = matches!(word, "crate" | "gatepost");
            if starts && (root || word == "super") && (next == "::" || before(1) == "use") {
                at = imports.tree(at, &path);
                continue;
            }
            match word {
                "mod" if source.word(at + 2) == "{" => {
                    path.push(next.to_owned());
                    braces.push(true);
                    at += 2;
                }
                "{" => braces.push(false),
                "}" if braces.pop() == Some(true) => {
                    path.pop();
                }
                _ => {}
            }
            at += 1;
        }
        imports.found
    }

    /// Follows one path from `base`; returns the word behind it.
    fn tree(&mut self, mut at: usize, base: &[String]) -> usize {
        let mut path = base.to_vec();
        let line = self.source.words.get(at).map_or(0, |w| w.line);
        loop {
            match self.source.word(at) {
                "crate" | "gatepost" => path.clear(),
                "super" => drop(path.pop()),
                "self" => {}
                "{" => {
                    let end = self.source.closing(at);
                    at += 1;
                    while at < end {
                        at = if self.source.word(at) == "," { at + 1 } else { self.tree(at, &path) };
                    }
                    return end + 1;
                }
                segment => path.push(segment.to_owned()),
            }
            at += 1;
            if self.source.word(at) != "::" {
                break;
            }
            at += 1;
        }
        self.found.push(Import { line, room: path.first().cloned().unwrap_or_default() });
        // `as name` belongs to this path.
        if self.source.word(at) == "as" { at + 2 } else { at }
    }
}

fn check_imports(plan: &Plan, file: &str, source: &Source, findings: &mut Vec<String>) {
    let room = &module_path(file)[0];
    if room == "lib" {
        return;
    }
    let Some(floor) = plan.get(room) else {
        findings.push(format!("{file}:1: `{room}` is not in the plan: name it under its floor in src/lib.rs"));
        return;
    };
    for Import { line, room: other } in Imports::of(file, source) {
        if other == *room {
            continue;
        }
        let Some(above) = plan.get(&other) else {
            let named = if other.is_empty() { "the whole crate" } else { other.as_str() };
            findings
                .push(format!("{file}:{line}: {room} imports {named}, which is no room of the plan: name the room"));
            continue;
        };
        if above > floor {
            findings.push(format!(
                "{file}:{line}: {room} (floor {floor}) imports {other} (floor {above}): nothing calls upward; \
                 return a value, write an event row or ring a bell of the ground floor"
            ));
        } else if above == floor {
            findings.push(format!(
                "{file}:{line}: {room} (floor {floor}) imports {other} (floor {above}): rooms of one floor do not know \
                 each other; what both need sinks a floor, what joins them rises one"
            ));
        }
    }
}

/// The lines that `#[cfg(test)]` takes out of the product, and the names of modules it keeps in files.
fn test_lines(source: &Source) -> (Vec<std::ops::RangeInclusive<usize>>, Vec<String>) {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let (mut ranges, mut files) = (Vec::new(), Vec::new());
    for at in 0..source.words.len() {
        if !MARK.iter().enumerate().all(|(i, mark)| source.word(at + i) == *mark) {
            continue;
        }
        let item = at + MARK.len();
        let end = (item..source.words.len()).find(|i| matches!(source.word(*i), "{" | ";")).unwrap_or(item);
        if source.word(end) == "{" {
            ranges.push(source.words[at].line..=source.words[source.closing(end)].line);
        } else if source.word(end - 2) == "mod" {
            files.push(source.word(end - 1).to_owned());
        }
    }
    (ranges, files)
}

fn check_unwraps(file: &str, source: &Source, findings: &mut Vec<String>) {
    let (tests, _) = test_lines(source);
    for at in 0..source.words.len() {
        let call = source.word(at + 1);
        if source.word(at) != "." || !matches!(call, "unwrap" | "expect") || source.word(at + 2) != "(" {
            continue;
        }
        let line = source.words[at + 1].line;
        let stated =
            source.comments.iter().any(|c| c.line + 3 >= line && c.line <= line && c.text.contains("nvariant"));
        if !stated && !tests.iter().any(|range| range.contains(&line)) {
            findings.push(format!(
                "{file}:{line}: .{call}() without its reason: return a typed error, or state the invariant in a \
                 comment `// Invariant: …` just above"
            ));
        }
    }
}

fn check_sql(file: &str, source: &Source, findings: &mut Vec<String>) {
    if module_path(file)[0] == SQL_ROOM {
        return;
    }
    for pair in source.words.windows(2).filter(|pair| pair[0].text == "sqlx" && pair[1].text == "::") {
        findings.push(format!("{file}:{}: sqlx outside src/{SQL_ROOM}: only the store knows a database", pair[0].line));
    }
    for string in &source.strings {
        let words: Vec<&str> = string.text.split_whitespace().collect();
        let pair = |a: &str, b: &str| words.windows(2).any(|w| w[0] == a && w[1] == b);
        let later =
            |a: &str, b: &str| words.iter().position(|w| *w == a).is_some_and(|from| words[from..].contains(&b));
        if later("SELECT", "FROM") || pair("INSERT", "INTO") || later("UPDATE", "SET") || pair("DELETE", "FROM") {
            findings.push(format!(
                "{file}:{}: SQL outside src/{SQL_ROOM}: give the store a named call for it",
                string.line
            ));
        }
    }
}

fn is_empty_name(name: &str) -> bool {
    let mut words = String::new();
    for c in name.chars() {
        if c.is_uppercase() {
            words.push('_');
        }
        words.extend(c.to_lowercase());
    }
    words.split('_').any(|word| EMPTY_WORDS.contains(&word))
}

fn check_names(file: &str, source: &Source, findings: &mut Vec<String>) {
    const NAMING: [&str; 9] = ["fn", "struct", "enum", "trait", "mod", "type", "const", "static", "union"];
    let mut complain = |line: usize, name: &str| {
        findings.push(format!("{file}:{line}: `{name}` names nothing: say what it owns or does"));
    };
    for part in module_path(file).iter().filter(|part| is_empty_name(part)) {
        complain(1, part);
    }
    for pair in source.words.windows(2) {
        if NAMING.contains(&pair[0].text.as_str()) && is_empty_name(&pair[1].text) {
            complain(pair[1].line, &pair[1].text);
        }
    }
}

/// Everything that is wrong with a tree of `(file, text)`, `src/lib.rs` among them.
fn inspect(files: &[(String, String)]) -> Vec<String> {
    let Some((_, lib)) = files.iter().find(|(file, _)| file == "src/lib.rs") else {
        return vec!["src/lib.rs is missing: it is the plan of the house".into()];
    };
    let plan = match plan(lib) {
        Ok(plan) => plan,
        Err(finding) => return vec![finding],
    };
    let sources: Vec<(&str, Source)> = files.iter().map(|(file, text)| (file.as_str(), Source::read(text))).collect();
    // `#[cfg(test)] mod tests;` puts a whole file outside the product.
    let test_modules: Vec<Vec<String>> = sources
        .iter()
        .flat_map(|(file, source)| {
            test_lines(source).1.into_iter().map(|name| {
                let mut path = module_path(file);
                path.push(name);
                path
            })
        })
        .collect();
    let mut findings = Vec::new();
    for (file, source) in &sources {
        check_imports(&plan, file, source, &mut findings);
        if !test_modules.iter().any(|test| module_path(file).starts_with(test)) {
            check_unwraps(file, source, &mut findings);
        }
        check_sql(file, source, &mut findings);
        check_names(file, source, &mut findings);
    }
    // A group may name one room several times in a line.
    findings.dedup();
    findings
}

/// `(lines, "file:line name")` of every function that has a body.
fn functions(file: &str, source: &Source) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for at in 0..source.words.len() {
        if source.word(at) != "fn" || !source.word(at + 1).starts_with(|c: char| c.is_alphabetic() || c == '_') {
            continue;
        }
        let mut end = at;
        while end < source.words.len() && !matches!(source.word(end), "{" | ";") {
            end = if matches!(source.word(end), "(" | "[") { source.closing(end) + 1 } else { end + 1 };
        }
        if source.word(end) == "{" {
            let (first, last) = (source.words[at].line, source.words[source.closing(end)].line);
            found.push((last - first + 1, format!("{file}:{first} {}", source.word(at + 1))));
        }
    }
    found
}

fn longest(title: &str, mut rows: Vec<(usize, String)>) -> String {
    rows.sort_by(|a, b| b.cmp(a));
    let mut page = format!("\n{title}:\n");
    for (lines, name) in rows.into_iter().take(10) {
        page.push_str(&format!("  {lines:>5}  {name}\n"));
    }
    page
}

#[test]
fn every_room_keeps_to_its_floor() {
    let files = rust_files("src");
    let (mut lengths, mut bodies) = (Vec::new(), Vec::new());
    for (file, text) in &files {
        let source = Source::read(text);
        lengths.push((source.lines, file.clone()));
        bodies.extend(functions(file, &source));
    }
    // Not through print!, which a passing test swallows: the list is for whoever reads the run.
    let page = longest("longest files", lengths) + &longest("longest functions", bodies);
    let _ = std::io::stderr().write_all(page.as_bytes());
    let findings = inspect(&files);
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

// --- the checker, checked on small houses ---------------------------------------------------------

const LIB: &str = "// floor 0: ground\npub mod base;\n\n// floor 3: the world\npub mod store;\npub mod net;\n\n\
                   // floor 7: doors\npub mod smtpd;\n";

fn inspect_one(file: &str, text: &str) -> Vec<String> {
    inspect(&[("src/lib.rs".into(), LIB.into()), (file.into(), text.into())])
}

#[track_caller]
fn found(file: &str, text: &str, wanted: &[&str]) {
    let findings = inspect_one(file, text);
    assert_eq!(findings.len(), wanted.len(), "{findings:#?}");
    for (finding, want) in findings.iter().zip(wanted) {
        assert!(finding.contains(want), "{finding}\n  should hold: {want}");
    }
}

#[test]
fn an_import_from_below_is_right() {
    found("src/smtpd/mod.rs", "use crate::{base::id, store::Store};\nuse crate::smtpd::x;\n", &[]);
    found("src/main.rs", "use gatepost::smtpd;\nfn main() { gatepost::base::run() }\n", &[]);
}

#[test]
fn an_upward_import_is_found() {
    found(
        "src/base/id.rs",
        "use std::fmt;\nuse crate::store::Store;\n",
        &["src/base/id.rs:2: base (floor 0) imports store (floor 3)"],
    );
    found(
        "src/store/mod.rs",
        "fn a() {\n  crate::smtpd::start()\n}",
        &["src/store/mod.rs:2: store (floor 3) imports smtpd"],
    );
    found("src/store/mod.rs", "fn a() -> ::gatepost::smtpd::X {}", &["imports smtpd (floor 7)"]);
    found("src/store/mod.rs", "macro_rules! m { () => { $crate::smtpd::x() } }", &["imports smtpd (floor 7)"]);
}

#[test]
fn a_sideways_import_is_found() {
    found("src/net/dial.rs", "use crate::store::Row;", &["net (floor 3) imports store (floor 3): rooms of one floor"]);
}

#[test]
fn a_group_is_opened_and_each_line_named() {
    let text = "use crate::{\n    base::{id, clock},\n    net::dial as d,\n    smtpd::{self, listener},\n};\n";
    found("src/store/mod.rs", text, &["src/store/mod.rs:3: store (floor 3) imports net", "src/store/mod.rs:4: "]);
    found("src/store/mod.rs", "use {std::fmt, crate::net};", &["imports net"]);
}

#[test]
fn climbing_out_by_super_is_found() {
    found("src/store/mod.rs", "use super::smtpd;", &["imports smtpd"]);
    found("src/store/a/b.rs", "use super::super::super::net::X;", &["imports net"]);
    found("src/store/a/b.rs", "use super::super::net::X;\nuse super::{c, super::{d, super::net}};", &["b.rs:2: store"]);
    found(
        "src/store/a.rs",
        "mod tests {\n use super::*;\n use super::super::super::net;\n}\nuse super::x;",
        &["a.rs:3"],
    );
}

#[test]
fn the_crate_as_a_whole_is_not_imported() {
    found("src/store/mod.rs", "use crate::*;", &["imports *, which is no room"]);
    found("src/store/mod.rs", "use crate as all;", &["imports the whole crate"]);
    found("src/store/mod.rs", "use crate::{self as all};", &["imports the whole crate"]);
    found("src/store/mod.rs", "pub(crate) fn a() {}\npub(super) fn b() {}", &[]);
}

#[test]
fn comments_and_strings_import_nothing() {
    let text = "// use crate::smtpd::x;\n/* crate::smtpd */ /// [`crate::smtpd`]\nconst A: &str = \"crate::smtpd\";";
    found("src/base/id.rs", text, &[]);
}

#[test]
fn a_room_outside_the_plan_is_found() {
    found("src/attic/mod.rs", "", &["`attic` is not in the plan"]);
    assert!(inspect(&[("src/lib.rs".into(), "pub mod base;".into())])[0].contains("before the first floor"));
}

#[test]
fn an_unwrap_needs_its_invariant() {
    found("src/base/a.rs", "fn a() {\n  b()\n    .unwrap();\n}", &["src/base/a.rs:3: .unwrap() without its reason"]);
    found("src/base/a.rs", "fn a() { b().expect(\"x\") } // fine", &[".expect()"]);
    found("src/base/a.rs", "// Invariant: b never fails\n// here.\nfn a() { b().expect(\"x\") }", &[]);
    found("src/base/a.rs", "// Invariant: far away\n\n\n\nfn a() { b().unwrap() }", &[".unwrap()"]);
    found("src/base/a.rs", "fn a() { b().unwrap_or(1).unwrap_or_default() }", &[]);
    found(
        "src/base/a.rs",
        "#[cfg(test)]\nmod tests {\n fn a() { b().unwrap() }\n}\nfn c() { d().unwrap() }",
        &["a.rs:5"],
    );
    let tree = [
        ("src/lib.rs".into(), LIB.into()),
        ("src/base/mod.rs".into(), "#[cfg(test)]\nmod tests;\nmod a;".into()),
        ("src/base/tests.rs".into(), "fn a() { b().unwrap() }".into()),
    ];
    assert_eq!(inspect(&tree), Vec::<String>::new());
}

#[test]
fn sql_lives_in_the_store() {
    for sql in ["SELECT a\\n FROM b", "INSERT INTO t VALUES (1)", "UPDATE t SET a = 1", "DELETE FROM t"] {
        found("src/net/a.rs", &format!("const Q: &str = \"{sql}\";"), &["src/net/a.rs:1: SQL outside src/store"]);
        found("src/store/a.rs", &format!("const Q: &str = \"{sql}\";"), &[]);
    }
    found("src/net/a.rs", "use sqlx::Row;", &["src/net/a.rs:1: sqlx outside src/store"]);
    found("src/net/a.rs", "// SELECT a FROM b\nconst A: &str = \"select one from the list, SET or DELETE\";", &[]);
}

#[test]
fn empty_names_are_found() {
    found("src/net/string_utils.rs", "", &["`string_utils` names nothing"]);
    found(
        "src/net/a.rs",
        "pub struct ConnectionManager;\nfn read_helper() {}",
        &["`ConnectionManager`", "`read_helper`"],
    );
    found("src/net/a.rs", "struct Utilisation; fn helped() {}", &[]);
}

#[test]
fn functions_are_measured_from_their_name_to_their_brace() {
    let source = Source::read("fn a(x: [u8; 3]) {\n  fn b() {}\n}\ntrait T { fn c(); }\nstruct S { f: fn(u8) }");
    assert_eq!(functions("f", &source), [(3, "f:1 a".to_owned()), (1, "f:2 b".to_owned())]);
}

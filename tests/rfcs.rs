//! docs/RFCS.md, built from the marks in the source, so that it cannot say more than the code does:
//!
//! ```text
//! // RFC 5321 4.5.3.1.8, 4.5.3.1.10: at least 100 recipients …      met, at this line
//! // partly: RFC 5321 4.5.4.1, retries …                           met in part
//! // unmet: RFC 3461 5.2.2, relayed DSN                             known, and not met
//! ```
//!
//! A rule named with its section is met wherever in a comment it stands; the two other marks begin
//! theirs. `GATEPOST_BLESS=1` (`make rfcs`) writes the page anew.

use crate::source::{Source, root, rust_files};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    Met,
    Partly,
    Unmet,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Mark {
    rfc: u32,
    /// Numbers, so that 4.10 stands behind 4.9; an appendix begins with a letter and stands last.
    section: Vec<(bool, u32, String)>,
    standing: Standing,
    words: String,
}

impl Mark {
    fn section(&self) -> String {
        self.section.iter().map(|(_, _, part)| part.as_str()).collect::<Vec<_>>().join(".")
    }
}

fn section(text: &str) -> Option<Vec<(bool, u32, String)>> {
    let parts: Vec<_> = text
        .split('.')
        .map(|part| (part.parse::<u32>().is_err(), part.parse().unwrap_or(0), part.to_owned()))
        .collect();
    let fits = |(named, _, part): &(bool, u32, String)| {
        !named || (part.len() == 1 && part.bytes().all(|b| b.is_ascii_uppercase()))
    };
    parts.iter().all(fits).then_some(parts)
}

/// The marks of one comment line: `RFC 5321 4.1.1, 4.1.2; RFC 6531 3.3: words`, after its standing.
fn marks(comment: &str) -> Vec<Mark> {
    let (standing, text) = match comment.split_once(": ") {
        Some(("unmet", rest)) => (Standing::Unmet, rest),
        Some(("partly", rest)) => (Standing::Partly, rest),
        _ => (Standing::Met, comment),
    };
    let (mut marks, mut rest) = (Vec::new(), text);
    while let Some(at) = rest.find("RFC ") {
        let first = rest.len() == text.len() && at == 0;
        let number = &rest[at + 4..];
        let end = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
        rest = &number[end..];
        let Ok(rfc) = number[..end].parse() else { continue };
        let mut sections = Vec::new();
        // The first section follows the number, the others a comma; words end the list.
        loop {
            let next = if sections.is_empty() { rest.strip_prefix(' ') } else { rest.strip_prefix(", ") };
            let Some(next) = next else { break };
            let end = next.find(|c: char| !c.is_ascii_alphanumeric() && c != '.').unwrap_or(next.len());
            let Some(found) = section(next[..end].trim_end_matches('.')) else { break };
            sections.push(found);
            rest = &next[end..];
        }
        // A whole RFC is a mark where it opens the comment, and elsewhere only a mention.
        if sections.is_empty() && first {
            sections.push(Vec::new());
        }
        marks.extend(sections.into_iter().map(|section| Mark { rfc, section, standing, words: String::new() }));
    }
    let words = rest.trim_start_matches([':', ',', ' ', '.']).trim_end().to_owned();
    if standing != Standing::Met {
        marks.iter_mut().for_each(|mark| mark.words.clone_from(&words));
    }
    marks
}

fn page(files: &[(String, String)]) -> String {
    let mut rows: BTreeMap<Mark, BTreeSet<&str>> = BTreeMap::new();
    for (file, text) in files {
        for mark in Source::read(text).comments.iter().flat_map(|comment| marks(&comment.text)) {
            rows.entry(mark).or_default().insert(file);
        }
    }
    let mut page = String::from(
        "# The RFCs, as far as the code cites them\n\n\
         Written by `make rfcs` from the marks in the source and compared by `make test`: a rule stands here because a\n\
         line obeys it and says so, or because a comment admits that none does.\n",
    );
    let titles = [(Standing::Met, "Met"), (Standing::Partly, "Partly"), (Standing::Unmet, "Not met")];
    for (standing, title) in titles {
        let _ = write!(page, "\n## {title}\n\n");
        let mut none = true;
        for (mark, files) in rows.iter().filter(|(mark, _)| mark.standing == standing) {
            if std::mem::take(&mut none) {
                page.push_str("| RFC | section | where | |\n|---|---|---|---|\n");
            }
            let files = files.iter().map(|f| format!("`{f}`")).collect::<Vec<_>>().join(" ");
            let _ = writeln!(page, "| {} | {} | {files} | {} |", mark.rfc, mark.section(), mark.words);
        }
        if none {
            page.push_str("Nothing is marked so.\n");
        }
    }
    page
}

#[test]
fn the_page_says_what_the_marks_say() {
    let (file, wanted) = (root().join("docs/RFCS.md"), page(&rust_files("src")));
    if std::env::var_os("GATEPOST_BLESS").is_some() {
        std::fs::write(&file, &wanted).expect("docs/RFCS.md is writable");
    }
    let found = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(found == wanted, "docs/RFCS.md is not what the marks say: run `make rfcs`");
}

#[test]
fn marks_are_read_as_they_are_written() {
    let read = |comment: &str| -> Vec<String> {
        let show = |m: &Mark| format!("{:?} {} {} {}", m.standing, m.rfc, m.section(), m.words);
        marks(comment).iter().map(|m| show(m).trim_end().to_owned()).collect()
    };
    assert_eq!(read("RFC 5321 4.5.3.1.8, 4.5.3.1.10: at least 100"), ["Met 5321 4.5.3.1.8", "Met 5321 4.5.3.1.10"]);
    assert_eq!(read("RFC 5321 4.1.1.1; RFC 6531 3.3: words"), ["Met 5321 4.1.1.1", "Met 6531 3.3"]);
    assert_eq!(read("unmet: RFC 3461 5.2.2, relayed DSN"), ["Unmet 3461 5.2.2 relayed DSN"]);
    assert_eq!(read("partly: RFC 5321 4.5.4.1: no own queue"), ["Partly 5321 4.5.4.1 no own queue"]);
    assert_eq!(read("RFC 3339 in UTC"), ["Met 3339"]);
    assert_eq!(read("RFC 5321 D.2: an example"), ["Met 5321 D.2"]);
    assert_eq!(
        read("Takes it. RFC 3207 4.1: when it fails (RFC 6409 6.1) or, as RFC 1 says,"),
        ["Met 3207 4.1", "Met 6409 6.1"]
    );
    assert_eq!(read("as RFC 5321 says"), [""; 0]);
    let text = "// RFC 5321 4.10: a\n// RFC 5321 4.9: b\nconst A: &str = \"// RFC 1 1\";\n// partly: RFC 821 2, x";
    let page = page(&[("src/a.rs".into(), text.into())]);
    let (ninth, tenth) = (page.find("| 5321 | 4.9 |"), page.find("| 5321 | 4.10 |"));
    assert!(ninth.is_some() && ninth < tenth, "{page}");
    assert!(page.contains("| 821 | 2 | `src/a.rs` | x |") && !page.contains("| 1 |"), "{page}");
}

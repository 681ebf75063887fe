//! Messages before and after their links were rewritten. Under golden/links each `.eml` has what is planned for it
//! (`.settings`), what becomes of it (`.want`), what is said about its links (`.links`), and why (`.why`). Its name
//! begins with the number of the rule that it shows. `GATEPOST_BLESS=1` writes `.want`, `.links` and the table of
//! rules anew.

use gatepost::content::rewrite::{Clicks, Fate, PixelPlace, Plan, Rewritten, Target, rewrite};
use gatepost::content::{slot, token};
use gatepost::mail::domain_name::DomainName;
use mail_parser::{MessageParser, PartType};
use regex::{Captures, Regex};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// What each rule is about. Those that are missing here are about other rooms: signing, redirects, bots, the host's
/// TLS, previews, headers.
const RULES: [(u32, &str); 16] = [
    (1, "references decoded once"),
    (2, "tokens, not patterns; nothing written anew"),
    (3, "Outlook's comments"),
    (4, "schemes"),
    (5, "what is never tracked"),
    (6, "fragments"),
    (7, "transfer encodings"),
    (8, "charsets"),
    (9, "parts that are shown"),
    (10, "signed and encrypted"),
    (13, "plain text"),
    (14, "AMP"),
    (15, "the pixel"),
    (16, "slots"),
    (21, "rewritten before"),
    (25, "left alone when in doubt"),
];

/// So many messages show a rule at least, and all rules together.
const FIXTURES_MIN: usize = 5;
const FIXTURES_ALL_MIN: usize = 150;

const HOST: &str = "https://t.example.com";

fn folder() -> PathBuf {
    crate::source::root().join("tests/golden/links")
}

struct Golden {
    path: PathBuf,
    message: Vec<u8>,
    settings: BTreeMap<String, String>,
}

fn goldens() -> Vec<Golden> {
    let files = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "eml")).collect();
    files.sort();
    files.into_iter().map(Golden::read).collect()
}

impl Golden {
    fn read(path: PathBuf) -> Self {
        let settings = std::fs::read_to_string(path.with_extension("settings")).unwrap_or_default();
        let settings = settings.lines().map(|line| line.split_once(": ").expect("key: value"));
        let settings = settings.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        Self { message: std::fs::read(&path).unwrap(), settings, path }
    }

    fn name(&self) -> String {
        self.path.file_stem().unwrap().to_str().unwrap().to_owned()
    }

    fn words(&self, key: &str) -> Vec<String> {
        let text = self.settings.get(key).map(String::as_str).unwrap_or_default();
        text.split(", ").filter(|word| !word.is_empty()).map(str::to_owned).collect()
    }

    /// With the destination of each number.
    fn rewritten(&self, message: &[u8]) -> (Rewritten, Vec<String>) {
        let known = ["host", "clicks", "pixel", "exclude", "sensitive", "never"];
        assert!(self.settings.keys().all(|key| known.contains(&key.as_str())), "{}", self.path.display());
        let said = |key: &str| self.settings.get(key).map(String::as_str);
        let clicks = match said("clicks") {
            None | Some("html") => Clicks::Html,
            Some("all") => Clicks::All,
            Some("none") => Clicks::None,
            Some(other) => panic!("clicks: {other}"),
        };
        let pixel = match said("pixel") {
            None | Some("bottom") => Some(PixelPlace::Bottom),
            Some("top") => Some(PixelPlace::Top),
            Some("none") => None,
            Some(other) => panic!("pixel: {other}"),
        };
        let exclude: Vec<DomainName> = self.words("exclude").iter().map(|name| name.parse().unwrap()).collect();
        let (sensitive, never) = (self.words("sensitive"), self.words("never"));
        let mut targets = Vec::new();
        let mut draft = |number: u16, target: Target<'_>| {
            assert_eq!(usize::from(number), targets.len());
            targets.push(match target {
                Target::Pixel => "pixel".to_owned(),
                Target::Url(url) => url.to_owned(),
            });
            Some(token_of(number))
        };
        let mut plan = Plan {
            host: said("host").unwrap_or(HOST),
            clicks,
            pixel,
            exclude: &exclude,
            sensitive: &sensitive,
            never: &never,
            draft: &mut draft,
        };
        let made = rewrite(message.to_vec(), &mut plan);
        (made, targets)
    }
}

fn token_of(number: u16) -> String {
    format!("Link-{number:03}{}", "A".repeat(token::TAIL_CHARS))
}

/// What is said about it.
fn report(made: &Rewritten) -> String {
    let mut text = String::new();
    for link in &made.links {
        let fate = match link.fate {
            Fate::Tracked(number) => format!("tracked as {number}"),
            Fate::Skipped(why) => format!("{}: {why}", why.word()),
        };
        writeln!(text, "{} {:?} {fate}", link.part.word(), link.url).unwrap();
    }
    for slot in &made.slots {
        writeln!(text, "slot {:?} at {}, decoded {}, {} wide", slot.encoding, slot.at, slot.offset, slot.width)
            .unwrap();
    }
    made.notes.iter().for_each(|note| writeln!(text, "note {note}").unwrap());
    text
}

fn compare(path: &Path, made: &[u8], wrong: &mut Vec<String>) {
    if std::env::var_os("GATEPOST_BLESS").is_some() {
        std::fs::write(path, made).unwrap();
    } else if std::fs::read(path).unwrap_or_default() != made {
        wrong.push(format!("{}:\n{}", path.display(), String::from_utf8_lossy(made)));
    }
}

#[test]
fn messages_look_as_they_should() {
    let mut wrong = Vec::new();
    for golden in goldens() {
        let (made, _) = golden.rewritten(&golden.message);
        compare(&golden.path.with_extension("want"), &made.message, &mut wrong);
        compare(&golden.path.with_extension("links"), report(&made).as_bytes(), &mut wrong);
        assert!(golden.path.with_extension("why").exists(), "{} has no .why", golden.name());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn every_rule_is_shown_by_some_messages() {
    let names: Vec<String> = goldens().iter().map(Golden::name).collect();
    let mut table =
        String::from("Rules of rewriting, and the messages that show them (written by tests/rewrite.rs).\n");
    let mut shown = 0;
    for (rule, about) in RULES {
        let mark = format!("r{rule:02}-");
        let mine: Vec<&str> = names.iter().filter_map(|name| name.strip_prefix(&mark)).collect();
        assert!(mine.len() >= FIXTURES_MIN, "rule {rule} ({about}) is shown by {mine:?} only");
        write!(table, "\n{rule}. {about}: {}\n", mine.join(", ")).unwrap();
        shown += mine.len();
    }
    assert_eq!(shown, names.len(), "a message shows no rule: {names:?}");
    assert!(shown >= FIXTURES_ALL_MIN, "only {shown} messages are left");
    let mut wrong = Vec::new();
    compare(&folder().join("RULES.txt"), table.as_bytes(), &mut wrong);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn slots_are_where_they_say_and_take_what_is_written() {
    for golden in goldens() {
        let (made, _) = golden.rewritten(&golden.message);
        let mut filled = made.message.clone();
        for slot in &made.slots {
            let text = String::from_utf8(slot::read(&filled, slot).unwrap()).unwrap();
            let blank = "A".repeat(token::TAIL_CHARS);
            let head = text.strip_suffix(&blank).unwrap_or_else(|| panic!("{}: {text}", golden.name()));
            let text = format!("{head}{}", &"-_9zZ".repeat(9)[..token::TAIL_CHARS]);
            slot::write(&mut filled, slot, text.as_bytes()).unwrap();
            assert_eq!(slot::read(&filled, slot).unwrap(), text.as_bytes());
        }
        assert_eq!(filled.len(), made.message.len());
        let lines = |message: &[u8]| memchr::memchr_iter(b'\n', message).collect::<Vec<_>>();
        assert_eq!(lines(&filled), lines(&made.message), "{}", golden.name());
    }
}

#[test]
fn a_message_is_rewritten_once() {
    // Where our own marks were taken out, nobody can know the second time: what is rewritten is kept, not made again.
    let is_marked = |golden: &Golden| {
        let message = String::from_utf8_lossy(&golden.message).to_lowercase().replace("=\r\n", "").replace(" \r\n", "");
        message.contains("data-no-track") || message.contains("notrack://")
    };
    for golden in goldens().into_iter().filter(|golden| !is_marked(golden)) {
        let (made, _) = golden.rewritten(&golden.message);
        let (again, targets) = golden.rewritten(&made.message);
        assert_eq!(
            again.message.escape_ascii().to_string(),
            made.message.escape_ascii().to_string(),
            "{}",
            golden.name()
        );
        assert!(targets.is_empty() && again.slots.is_empty(), "{}: {targets:?}", golden.name());
    }
}

#[test]
fn wherever_they_are_cut_nothing_fails() {
    // A long one is cut at a thousand places.
    for golden in goldens() {
        for end in (0..golden.message.len()).step_by(3.max(golden.message.len() / 1_000)) {
            let (made, _) = golden.rewritten(&golden.message[..end]);
            assert!(made.slots.iter().all(|slot| slot::read(&made.message, slot).is_ok()), "{}", golden.name());
        }
    }
}

// --- nothing but the places that may -----------------------------------------------------------------------

/// What another program decodes on both sides differs by tracked links, by the pixel, and by our marks; headers and
/// all other parts are the same byte for byte.
#[test]
fn nothing_changes_but_links_and_pixel() {
    for golden in goldens() {
        let (made, targets) = golden.rewritten(&golden.message);
        let parser = MessageParser::default();
        let (before, after) = (parser.parse(&golden.message).unwrap(), parser.parse(&made.message).unwrap());
        assert_eq!(before.parts.len(), after.parts.len(), "{}", golden.name());
        for (old, new) in before.parts.iter().zip(&after.parts) {
            let header = |raw: &[u8], from: u32, to: u32| {
                let text = String::from_utf8_lossy(&raw[from as usize..to as usize]).into_owned();
                text.replace("Content-Transfer-Encoding: 7bit", "Content-Transfer-Encoding: quoted-printable")
            };
            let was = header(&golden.message, old.offset_header, old.offset_body);
            let is = header(&made.message, new.offset_header, new.offset_body);
            assert!(was == is || is.contains("quoted-printable"), "{}: {is}", golden.name());
            let text = |body: &PartType<'_>| match body {
                PartType::Text(text) | PartType::Html(text) => Some(text.to_string()),
                _ => None,
            };
            match (text(&old.body), text(&new.body)) {
                (Some(old), Some(new)) => same_but_links(&golden, &old, &new, &targets),
                _ => {
                    let raw = |raw: &[u8], from: u32, to: u32| raw[from as usize..to as usize].to_vec();
                    let is_holder = matches!(old.body, PartType::Multipart(_) | PartType::Message(_));
                    let was = raw(&golden.message, old.offset_body, old.offset_end);
                    let is = raw(&made.message, new.offset_body, new.offset_end);
                    assert!(is_holder || was == is, "{}", golden.name());
                }
            }
        }
    }
}

/// Walks both texts together. What stands in the old where the new has a tracked link leads where its token does.
fn same_but_links(golden: &Golden, old: &str, new: &str, targets: &[String]) {
    let name = golden.name();
    let host = regex::escape(golden.settings.get("host").map_or(HOST, String::as_str));
    let marks = r#"(?i)\s+data-no-track\b(\s*=\s*("[^"]*"|'[^']*'|[^\s>]+))?|(\+|&#43;|&#x2b;|&plus;)no( \r\n)?track"#;
    let marks = Regex::new(marks).unwrap();
    let pixel = Regex::new(&format!(r#"<img src="{host}/t/Link-[^>]*>"#)).unwrap();
    let tracked = Regex::new(&format!(r"{host}/t/Link-(\d{{3}})A{{43}}")).unwrap();
    // AMP keeps our mark, whose link is not tracked either way.
    let (old, new) = (marks.replace_all(old, ""), marks.replace_all(new, "").into_owned());
    let new = pixel.replace_all(&new, "");
    let (mut rest, mut at) = (&*old, 0);
    for found in tracked.captures_iter(&new) {
        let place = found.get(0).unwrap();
        let same = &new[at..place.start()];
        rest = rest.strip_prefix(same).unwrap_or_else(|| panic!("{name}: {same:?} is not in {rest:?}"));
        let target = &targets[found[1].parse::<usize>().unwrap()];
        let behind =
            tracked.find_at(&new, place.end()).map_or(&new[place.end()..], |next| &new[place.end()..next.start()]);
        // The shortest that leads there, with what is the same behind it.
        let length = rest
            .char_indices()
            .map(|(at, c)| at + c.len_utf8())
            .find(|length| rest[*length..].starts_with(behind) && leads_to(&rest[..*length], target))
            .unwrap_or_else(|| panic!("{name}: nothing in {rest:?} leads to {target}"));
        rest = &rest[length..];
        at = place.end();
    }
    assert_eq!(rest, &new[at..], "{name}");
}

/// As a browser reads it, by other means than the code under test: of the names, those that the messages have.
fn leads_to(written: &str, target: &str) -> bool {
    static FLOWED: LazyLock<Regex> = LazyLock::new(|| Regex::new(r" \r\n>* ?").unwrap());
    static REFERENCE: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"&(?:#[xX]([0-9a-fA-F]+);?|#([0-9]+);?|([A-Za-z][A-Za-z0-9]*[;=]?))").unwrap());
    let text = FLOWED.replace_all(written, "").replace(['\r', '\n', '\t'], "");
    let text = REFERENCE.replace_all(&text, |found: &Captures<'_>| {
        let number = |group: usize, radix| found.get(group).map(|digits| u32::from_str_radix(digits.as_str(), radix));
        match number(1, 16).or(number(2, 10)) {
            Some(Ok(0x80)) => "\u{20ac}".to_owned(),
            Some(code) => char::from_u32(code.unwrap()).unwrap().to_string(),
            None => match &found[3] {
                "amp;" | "amp" => "&",
                "apos;" => "'",
                "colon;" => ":",
                "copy" => "\u{a9}",
                "eacute;" => "\u{e9}",
                "equals;" => "=",
                "num;" => "#",
                "para" => "\u{b6}",
                "period;" => ".",
                "quest;" => "?",
                "quot;" => "\"",
                "reg;" => "\u{ae}",
                "sol;" => "/",
                "uuml;" => "\u{fc}",
                _ => &found[0],
            }
            .to_owned(),
        }
    });
    text.trim() == target
}

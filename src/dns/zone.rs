//! A text zone that answers everything instead of the DNS, for tests and the quickstart: one record a
//! line, `name [TTL] [IN] type value`, as in a master file (RFC 1035 5.1) without its parentheses and
//! blank owners. A name with a dot at its end is full; others are meant below `$ORIGIN`, by default the
//! root. What is not in it does not exist.
//!
//! For tests of trust and trouble: `$PROVEN name` declares everything at and below a name as proven by
//! DNSSEC, and the types SERVFAIL and TIMEOUT stand for servers that fail or are silent about a name.

mod line;

use super::{Answer, Data, Failure, Kind, Proof};
use crate::base::limits;
use crate::mail::domain_name::DomainName;
use line::Line;
use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

#[derive(Debug, Default)]
pub struct Zone {
    records: HashMap<DomainName, Vec<Entry>>,
    /// Every name that exists: owners, and what lies between them and the root (RFC 4592 2.2.2).
    names: HashSet<DomainName>,
    /// Below these everything is as DNSSEC had proven it; none: below the root.
    proven: Vec<Option<DomainName>>,
}

/// What a line of the zone gives its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    Data(Data),
    Alias(DomainName),
    /// Its servers answer SERVFAIL.
    Fails,
    /// Its servers do not answer.
    Silent,
}

/// A zone file that cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub struct BadZone {
    pub path: PathBuf,
    /// Each with its line, when it stands on one.
    pub mistakes: Vec<(Option<usize>, String)>,
}

impl BadZone {
    /// One text for each mistake: `zone.txt:3: …`.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.mistakes.iter().map(|(line, why)| match line {
            Some(line) => format!("{}:{line}: {why}", self.path.display()),
            None => format!("{}: {why}", self.path.display()),
        })
    }
}

impl std::fmt::Display for BadZone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.lines().collect::<Vec<_>>().join("\n"))
    }
}

impl std::error::Error for BadZone {}

impl Zone {
    pub fn load(path: &Path) -> Result<Self, BadZone> {
        let bad = |mistakes| BadZone { path: path.to_owned(), mistakes };
        let text = read(path).map_err(|why| bad(vec![(None, why)]))?;
        Self::parse(&text).map_err(|mistakes| bad(mistakes.into_iter().map(|(line, why)| (Some(line), why)).collect()))
    }

    /// Reads a whole zone, or says what is wrong with which lines.
    pub fn parse(text: &str) -> Result<Self, Vec<(usize, String)>> {
        let (mut zone, mut origin, mut mistakes) = (Self::default(), None, Vec::new());
        for (number, text) in (1..).zip(text.lines()) {
            let read = line::read(text, origin.as_ref()).and_then(|line| match line {
                Line::Nothing => Ok(()),
                Line::Origin(name) => {
                    origin = name;
                    Ok(())
                }
                Line::Proven(name) => {
                    zone.proven.push(name);
                    Ok(())
                }
                Line::Record(name, entry) => zone.add(name, entry),
            });
            if let Err(why) = read {
                mistakes.push((number, why));
            }
            if mistakes.len() == limits::ZONE_MISTAKES_MAX {
                break;
            }
        }
        if mistakes.is_empty() { Ok(zone) } else { Err(mistakes) }
    }

    fn add(&mut self, name: DomainName, entry: Entry) -> Result<(), String> {
        let entries = self.records.entry(name.clone()).or_default();
        let is_alias = |entry: &Entry| matches!(entry, Entry::Alias(_));
        // RFC 1034 3.6.2: an alias has nothing else.
        if !entries.is_empty() && (is_alias(&entry) || entries.iter().any(is_alias)) {
            return Err(format!("{name} has a CNAME, and then nothing else"));
        }
        entries.push(entry);
        let mut above = Some(name.as_str());
        while let Some(part) = above {
            // Invariant: what is left of a name behind a dot is a name.
            self.names.insert(part.parse().expect("part of a name"));
            above = part.split_once('.').map(|(_, parent)| parent);
        }
        Ok(())
    }

    fn proof(&self, name: &DomainName) -> Proof {
        let within = |above: &Option<DomainName>| above.as_ref().is_none_or(|above| name.is_within(above));
        if self.proven.iter().any(within) { Proof::Secure } else { Proof::Unproven }
    }

    /// What the name has, behind its aliases; and these.
    fn behind<'a>(&'a self, name: &'a DomainName) -> Result<(&'a DomainName, &'a [Entry], Vec<Data>), Failure> {
        let (mut name, mut aliases) = (name, Vec::new());
        for _ in 0..=limits::DNS_ALIASES_MAX {
            match self.records.get(name).map(Vec::as_slice) {
                Some([Entry::Alias(target)]) => {
                    let proof = self.proof(name);
                    aliases.push(Data::Alias { owner: name.clone(), target: target.clone(), proof });
                    name = target;
                }
                Some(entries) => return Ok((name, entries, aliases)),
                None if self.names.contains(name) => return Ok((name, &[], aliases)),
                None => return Err(Failure::NoSuchName),
            }
        }
        Err(Failure::Temporary { why: format!("its aliases go in a circle, or past {}", limits::DNS_ALIASES_MAX) })
    }

    pub(super) async fn ask(&self, name: &DomainName, kind: Kind) -> Result<Answer<Vec<Data>>, Failure> {
        if self.behind(name).is_ok_and(|(_, entries, _)| entries.contains(&Entry::Silent)) {
            // Whoever asks has a deadline, as for a server that is silent.
            std::future::pending::<()>().await;
        }
        self.answer(name, kind)
    }

    fn answer(&self, name: &DomainName, kind: Kind) -> Result<Answer<Vec<Data>>, Failure> {
        let (end, entries, aliases) = self.behind(name)?;
        if entries.contains(&Entry::Fails) {
            return Err(Failure::Temporary { why: "the server answered SERVFAIL".to_owned() });
        }
        let unproven = |alias: &Data| matches!(alias, Data::Alias { proof: Proof::Unproven, .. });
        let proof = if aliases.iter().any(unproven) { Proof::Unproven } else { self.proof(end) };
        let aliases = aliases.into_iter().filter(|_| matches!(kind, Kind::A | Kind::Aaaa));
        let data = entries.iter().filter_map(|entry| match entry {
            Entry::Data(data) if is_of(kind, data) => Some(data.clone()),
            _ => None,
        });
        Ok(Answer { value: aliases.chain(data).collect(), proof })
    }
}

fn is_of(kind: Kind, data: &Data) -> bool {
    match data {
        Data::Mx(..) => kind == Kind::Mx,
        Data::Address(IpAddr::V4(_)) => kind == Kind::A,
        Data::Address(IpAddr::V6(_)) => kind == Kind::Aaaa,
        Data::Text(_) => kind == Kind::Txt,
        Data::Tlsa(_) => kind == Kind::Tlsa,
        Data::Alias { .. } => matches!(kind, Kind::A | Kind::Aaaa),
    }
}

fn read(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(limits::ZONE_FILE_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(|why| format!("cannot be read: {why}"))?;
    if bytes.len() as u64 > limits::ZONE_FILE_BYTES_MAX {
        return Err(format!("larger than {} bytes", limits::ZONE_FILE_BYTES_MAX));
    }
    String::from_utf8(bytes).map_err(|_| "not UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::{MailHost, Tlsa};
    use super::*;

    const ZONE: &str = "\
; a whole zone
$ORIGIN example.com.
@            3600 IN MX 10 mx1
@            MX 20 mx2.example.net. ; elsewhere
@            TXT \"v=spf1 -all\"
mx1   IN 300 A 192.0.2.1
mx1          AAAA 2001:db8::1
_25._tcp.mx1 TLSA 3 1 1 0123456789ABCDEF 0123456789abcdef
www          cname mx1
far          CNAME www
loop         CNAME pool
pool         CNAME loop
lost         CNAME nowhere.example.
deep.below   A 192.0.2.9
long         TXT \"a \\\"quoted\\\" ; \" \"\\065\\\\\" bare

$ORIGIN .
example.org MX 0 .
Bücher.example A 192.0.2.5
";

    fn name(text: &str) -> DomainName {
        text.parse().unwrap()
    }

    #[test]
    fn it_answers_as_a_server_would() {
        let zone = Zone::parse(ZONE).unwrap();
        let asked = |text: &str, kind: Kind| {
            let answered = zone.answer(&name(text), kind).map(|answer| answer.value);
            answered.map(|data| data.into_iter().filter(|data| !matches!(data, Data::Alias { .. })).collect::<Vec<_>>())
        };
        let host = |text: &str| MailHost::Named(name(text));
        assert_eq!(
            asked("example.com", Kind::Mx).unwrap(),
            [Data::Mx(10, host("mx1.example.com")), Data::Mx(20, host("mx2.example.net"))]
        );
        assert_eq!(asked("example.org", Kind::Mx).unwrap(), [Data::Mx(0, MailHost::Nobody)]);
        assert_eq!(asked("example.com", Kind::Txt).unwrap(), [Data::Text(b"v=spf1 -all".to_vec())]);
        assert_eq!(asked("long.example.com", Kind::Txt).unwrap(), [Data::Text(b"a \"quoted\" ; A\\bare".to_vec())]);
        assert_eq!(asked("xn--bcher-kva.example", Kind::A).unwrap().len(), 1);
        for alias in ["mx1.example.com", "www.example.com", "far.example.com"] {
            assert_eq!(asked(alias, Kind::A).unwrap(), [Data::Address("192.0.2.1".parse().unwrap())], "{alias}");
            assert_eq!(asked(alias, Kind::Aaaa).unwrap(), [Data::Address("2001:db8::1".parse().unwrap())], "{alias}");
            assert_eq!(asked(alias, Kind::Mx), Ok(vec![]), "{alias}");
        }
        for there in ["below.example.com", "_tcp.mx1.example.com", "com"] {
            assert_eq!(asked(there, Kind::A), Ok(vec![]), "{there}");
        }
        for absent in ["nowhere.example.com", "a.mx1.example.com", "lost.example.com", "example.net"] {
            assert_eq!(asked(absent, Kind::A), Err(Failure::NoSuchName), "{absent}");
        }
        assert!(matches!(asked("loop.example.com", Kind::A), Err(Failure::Temporary { .. })));
        let tlsa = Tlsa {
            usage: 3,
            selector: 1,
            matching: 1,
            data: [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef].repeat(2),
        };
        assert_eq!(asked("_25._tcp.mx1.example.com", Kind::Tlsa).unwrap(), [Data::Tlsa(tlsa)]);
    }

    #[tokio::test(start_paused = true)]
    async fn it_can_be_trusted_and_it_can_fail_when_a_test_says_so() {
        let zone = Zone::parse(
            "$PROVEN good.example\nmx.good.example CNAME a.good.example\na.good.example A 192.0.2.1\n\
             out.good.example CNAME bad.example\nbad.example A 192.0.2.2\nin.example CNAME a.good.example\n\
             fails.example SERVFAIL\nsilent.example TIMEOUT\n",
        )
        .unwrap();
        for (asked, proof) in [
            ("a.good.example", Proof::Secure),
            ("mx.good.example", Proof::Secure),
            ("out.good.example", Proof::Unproven),
            ("bad.example", Proof::Unproven),
            ("in.example", Proof::Unproven),
        ] {
            assert_eq!(zone.ask(&name(asked), Kind::A).await.unwrap().proof, proof, "{asked}");
        }
        let alias = |owner: &str, target: &str, proof| Data::Alias { owner: name(owner), target: name(target), proof };
        let out = zone.ask(&name("out.good.example"), Kind::A).await.unwrap().value;
        assert_eq!(out[0], alias("out.good.example", "bad.example", Proof::Secure), "an alias is proven by itself");
        assert!(matches!(zone.ask(&name("fails.example"), Kind::Mx).await, Err(Failure::Temporary { .. })));
        let resolver = super::super::Resolver::new(super::super::Source::Zone(zone));
        assert!(matches!(resolver.mx(&name("silent.example")).await, Err(Failure::Temporary { .. })));
    }

    #[test]
    fn every_mistake_is_named_with_its_line() {
        for (text, why) in [
            ("example.com", "type is missing"),
            ("example.com 300 IN", "type is missing"),
            (" MX 10 mx", "a record begins with its name"),
            ("example.com MX mx.example.com", "MX takes a preference and a host"),
            ("example.com MX 65536 mx", "MX takes"),
            ("example.com MX 10 mx extra", "MX takes"),
            ("example.com A 192.0.2", "A takes an IPv4 address"),
            ("example.com A 2001:db8::1", "A takes"),
            ("example.com AAAA 192.0.2.1", "AAAA takes an IPv6 address"),
            ("example.com TXT", "TXT takes"),
            ("example.com TXT \"open", "a quote is not closed"),
            ("example.com TXT \"\\25\"", "a backslash"),
            ("example.com TXT \"\\256\"", "a backslash"),
            ("example.com TLSA 3 1 1", "TLSA takes"),
            ("example.com TLSA 3 1 1 abc", "TLSA takes"),
            ("example.com TLSA 3 1 256 ab", "TLSA takes"),
            ("example.com CNAME", "CNAME takes a name"),
            (
                "example.com SOA a b 1 2 3 4 5",
                "the types here are MX, A, AAAA, TXT, TLSA, CNAME, SERVFAIL and TIMEOUT, not SOA",
            ),
            ("$PROVEN", "$PROVEN takes a name"),
            ("example.com SERVFAIL now", "SERVFAIL takes nothing"),
            ("example.com CH A 192.0.2.1", "not CH"),
            ("a..b A 192.0.2.1", "\"a..b\": a domain name has labels"),
            (". A 192.0.2.1", "the root has no records here"),
            ("@ A 192.0.2.1", "the root has no records here"),
            ("example.com A (192.0.2.1)", "parentheses are not understood"),
            ("$ORIGIN", "$ORIGIN takes a name"),
            ("$INCLUDE other.txt", "$INCLUDE is not understood"),
        ] {
            let mistakes = Zone::parse(&format!("; one\nok.example A 192.0.2.1\n{text}\n")).unwrap_err();
            let [(3, said)] = &mistakes[..] else { panic!("{text}: {mistakes:?}") };
            assert!(said.contains(why), "{text}: {said}");
        }
        let twice = Zone::parse(
            "a.example CNAME b.example\na.example A 192.0.2.1\n\nb.example A 192.0.2.1\nb.example CNAME c\n",
        );
        assert_eq!(twice.unwrap_err().iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 5]);
        assert_eq!(Zone::parse(&"what\n".repeat(100)).unwrap_err().len(), limits::ZONE_MISTAKES_MAX);
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("zone.txt");
        let said = |path: &Path| Zone::load(path).unwrap_err().to_string();
        assert!(said(&path).ends_with("zone.txt: cannot be read: No such file or directory (os error 2)"));
        std::fs::write(&path, b"a.example TXT \xff\n").unwrap();
        assert!(said(&path).ends_with("zone.txt: not UTF-8"));
        std::fs::write(&path, "a.example A 1\nb.example\n").unwrap();
        let lines = said(&path);
        let [first, second] = lines.lines().collect::<Vec<_>>()[..] else { panic!("{lines}") };
        assert!(first.contains("zone.txt:1: A takes an IPv4 address") && second.contains("zone.txt:2: "), "{lines}");
    }
}

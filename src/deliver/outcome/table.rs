//! The table of replies: read from a file, checked whole, asked for each answer.

use super::meaning::Meaning;
use super::{Action, Answer, End};
use crate::base::limits;
use crate::base::settings::{Scalar, nearest};
use crate::mail::status::Status;
use crate::model::outcome::{Blame, Kind};
use regex::bytes::{RegexBuilder, RegexSet, RegexSetBuilder};
use serde::Deserialize;
use std::io::Read;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use toml::Spanned;

static BUILT_IN: &str = include_str!("../../../conf/replies.toml");

/// The rules in their order, and the texts of all of them as one automaton: a reply is read once.
pub struct Replies {
    entries: Vec<Entry>,
    texts: RegexSet,
}

pub(super) struct Entry {
    codes: Vec<CodePattern>,
    statuses: Vec<StatusPattern>,
    /// Which pattern of the set.
    text: Option<usize>,
    /// With a dot in front; one of them.
    hosts: Vec<String>,
    kind: Option<Kind>,
    category: String,
    pub end: Option<End>,
    pub blame: Option<Blame>,
    pub action: Option<Action>,
}

/// What is wrong with a table, and in which line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadReplies {
    pub line: Option<usize>,
    pub why: String,
}

impl std::fmt::Display for BadReplies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.why),
            None => f.write_str(&self.why),
        }
    }
}

impl std::error::Error for BadReplies {}

impl Replies {
    /// The table that comes with the program.
    pub fn built_in() -> Arc<Self> {
        static REPLIES: LazyLock<Arc<Replies>> = LazyLock::new(|| {
            // Invariant: it is the same text in every run, and a test reads it.
            Arc::new(Replies::parse(BUILT_IN).expect("the table of replies that is built in can be read"))
        });
        REPLIES.clone()
    }

    /// The operator's table, or the one that comes with the program.
    pub fn open(file: Option<&Path>) -> Result<Arc<Self>, BadReplies> {
        match file {
            Some(file) => Self::read(file).map(Arc::new),
            None => Ok(Self::built_in()),
        }
    }

    fn read(file: &Path) -> Result<Self, BadReplies> {
        let wrong = |why: String| BadReplies { line: None, why };
        let mut text = String::new();
        std::fs::File::open(file)
            .and_then(|file| file.take(limits::REPLIES_BYTES_MAX + 1).read_to_string(&mut text))
            .map_err(|why| wrong(format!("it cannot be read: {why}")))?;
        if text.len() as u64 > limits::REPLIES_BYTES_MAX {
            return Err(wrong(format!("it is longer than {} bytes", limits::REPLIES_BYTES_MAX)));
        }
        Self::parse(&text)
    }

    pub fn parse(text: &str) -> Result<Self, BadReplies> {
        let line = |at: usize| Some(text[..at.min(text.len())].matches('\n').count() + 1);
        let file: File = toml::from_str(text).map_err(|why| BadReplies {
            line: why.span().and_then(|s| line(s.start)),
            why: why.message().to_owned(),
        })?;
        if file.reply.len() > limits::REPLIES_MAX {
            let why = format!("there are more than {} replies in it", limits::REPLIES_MAX);
            return Err(BadReplies { line: None, why });
        }
        let (mut entries, mut texts) = (Vec::with_capacity(file.reply.len()), Vec::new());
        for written in &file.reply {
            let at = written.span().start;
            let entry = Entry::read(written.get_ref(), &mut texts)
                .map_err(|(span, why)| BadReplies { line: line(span.unwrap_or(at)), why })?;
            entries.push(entry);
        }
        let texts = RegexSetBuilder::new(&texts)
            .case_insensitive(true)
            .unicode(false)
            .size_limit(limits::REPLIES_PATTERNS_BYTES_MAX)
            .dfa_size_limit(limits::REPLIES_PATTERNS_BYTES_MAX)
            .build()
            .map_err(|_| BadReplies {
                line: None,
                why: format!("its texts compile to more than {} bytes together", limits::REPLIES_PATTERNS_BYTES_MAX),
            })?;
        Ok(Self { entries, texts })
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The first rule that this answer fits.
    pub(super) fn first(&self, answer: &Answer<'_>, text: &str) -> Option<&Entry> {
        let found = self.texts.matches(text.as_bytes());
        self.entries.iter().find(|entry| {
            entry.text.is_none_or(|text| found.matched(text))
                && (entry.codes.is_empty() || entry.codes.iter().any(|code| code.is_match(answer.code)))
                && (entry.statuses.is_empty()
                    || answer.status.is_some_and(|s| entry.statuses.iter().any(|pattern| pattern.is_match(s))))
                && (entry.hosts.is_empty() || entry.hosts.iter().any(|suffix| is_below(answer.host, suffix)))
        })
    }
}

/// Is a host below `.example`, or that name itself?
fn is_below(host: &str, suffix: &str) -> bool {
    let ends = |host: &str, end: &str| {
        host.len()
            .checked_sub(end.len())
            .is_some_and(|from| host.as_bytes()[from..].eq_ignore_ascii_case(end.as_bytes()))
    };
    let host = host.strip_suffix('.').unwrap_or(host);
    ends(host, suffix) || host.eq_ignore_ascii_case(&suffix[1..])
}

impl Entry {
    /// None: the rule only says what to do, and codes say what it means.
    pub fn meaning(&self) -> Option<Meaning<'_>> {
        let kind = self.kind?;
        Some(Meaning { kind, category: &self.category, status: status_of(&self.category, kind) })
    }

    fn read(written: &Written, texts: &mut Vec<String>) -> Result<Self, Wrong> {
        let list = |field: &Option<Spanned<String>>| -> Vec<(String, usize)> {
            field.iter().flat_map(|f| f.get_ref().split('|').map(|w| (w.trim().to_owned(), f.span().start))).collect()
        };
        let codes = list(&written.code);
        let codes = codes.iter().map(|(word, at)| CodePattern::parse(word).ok_or((Some(*at), bad_code(word))));
        let statuses = list(&written.status);
        let statuses =
            statuses.iter().map(|(word, at)| StatusPattern::parse(word).ok_or((Some(*at), bad_status(word))));
        let hosts = list(&written.host);
        let hosts = hosts.iter().map(|(word, at)| suffix(word).ok_or((Some(*at), bad_host(word))));
        let entry = Self {
            codes: codes.collect::<Result<_, _>>()?,
            statuses: statuses.collect::<Result<_, _>>()?,
            hosts: hosts.collect::<Result<_, _>>()?,
            text: written.text.as_ref().map(|text| pattern(text, texts)).transpose()?,
            kind: Some(word(&written.kind, &Kind::ALL.map(|kind| (kind.word(), kind)))?),
            category: category(&written.category)?,
            end: written.outcome.as_ref().map(|end| word(end, &ENDS)).transpose()?,
            blame: written.blame.as_ref().map(|b| word(b, &Blame::ALL.map(|b| (b.word(), b)))).transpose()?,
            action: action(written)?,
        };
        if entry.codes.is_empty() && entry.statuses.is_empty() && entry.text.is_none() && entry.hosts.is_empty() {
            return Err((None, "a reply needs code, status, text or host: this one would be every reply".to_owned()));
        }
        Ok(entry)
    }
}

/// Where (a byte of the file) and why.
type Wrong = (Option<usize>, String);

const ENDS: [(&str, End); 2] = [("later", End::Later), ("never", End::Never)];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    reply: Vec<Spanned<Written>>,
}

/// One rule as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    code: Option<Spanned<String>>,
    status: Option<Spanned<String>>,
    text: Option<Spanned<String>>,
    host: Option<Spanned<String>>,
    kind: Spanned<String>,
    category: Spanned<String>,
    outcome: Option<Spanned<String>>,
    blame: Option<Spanned<String>>,
    action: Option<Spanned<String>>,
    #[serde(rename = "for")]
    during: Option<Spanned<String>>,
}

/// One word of a fixed list.
fn word<T: Copy>(written: &Spanned<String>, words: &[(&'static str, T)]) -> Result<T, Wrong> {
    let found = words.iter().find(|(word, _)| word == written.get_ref());
    found.map(|(_, value)| *value).ok_or_else(|| {
        let near = nearest(written.get_ref(), words.iter().map(|(word, _)| *word));
        let help = near.map(|near| format!("; did you mean \"{near}\"?")).unwrap_or_default();
        let list: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        (Some(written.span().start), format!("\"{}\" is none of {}{help}", written.get_ref(), list.join(", ")))
    })
}

fn category(written: &Spanned<String>) -> Result<String, Wrong> {
    let is_word = |text: &str| {
        !text.is_empty()
            && text.len() <= limits::NAME_BYTES_MAX
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    let text = written.get_ref();
    if is_word(text) {
        return Ok(text.clone());
    }
    Err((Some(written.span().start), format!("\"{text}\" is no category: small letters, digits and _")))
}

fn pattern(written: &Spanned<String>, texts: &mut Vec<String>) -> Result<usize, Wrong> {
    let wrong = |why: &str| (Some(written.span().start), format!("\"{}\" {why}", written.get_ref()));
    let built = RegexBuilder::new(written.get_ref())
        .case_insensitive(true)
        .unicode(false)
        .size_limit(limits::PATTERN_BYTES_MAX)
        .dfa_size_limit(limits::PATTERN_BYTES_MAX)
        .build();
    match built {
        Ok(regex) if regex.is_match(b"") => Err(wrong("is found in every text")),
        Ok(_) => {
            texts.push(written.get_ref().clone());
            Ok(texts.len() - 1)
        }
        Err(regex::Error::CompiledTooBig(_)) => Err(wrong("compiles to too much")),
        Err(_) => Err(wrong("is no regular expression")),
    }
}

fn action(written: &Written) -> Result<Option<Action>, Wrong> {
    let Some(action) = &written.action else {
        return match &written.during {
            Some(during) => Err((Some(during.span().start), "\"for\" without \"action\"".to_owned())),
            None => Ok(None),
        };
    };
    let make: fn(Duration) -> Action =
        word(action, &[("slow", Action::Slow as fn(_) -> _), ("suspend", Action::Suspend)])?;
    let Some(during) = &written.during else {
        return Err((Some(action.span().start), "\"action\" needs \"for\", a time like \"10m\"".to_owned()));
    };
    let time = <Duration as Scalar>::parse(during.get_ref()).ok();
    let time = time.filter(|time| *time <= limits::SUSPENSION_MAX && !time.is_zero());
    time.map(|time| Some(make(time))).ok_or_else(|| {
        let longest = limits::SUSPENSION_MAX.as_secs() / 3_600;
        (Some(during.span().start), format!("\"{}\" is no time from 1s to {longest}h", during.get_ref()))
    })
}

/// `550`, `55x`, `5xx`.
struct CodePattern {
    from: u16,
    to: u16,
}

impl CodePattern {
    fn parse(text: &str) -> Option<Self> {
        let digits = text.trim_end_matches('x');
        let is_code = text.len() == 3 && matches!(text.as_bytes()[0], b'4' | b'5');
        let number: u16 = digits.parse().ok().filter(|_| is_code && digits.bytes().all(|b| b.is_ascii_digit()))?;
        let span = 10_u16.pow((3 - digits.len()) as u32);
        Some(Self { from: number * span, to: number * span + span - 1 })
    }

    fn is_match(&self, code: u16) -> bool {
        (self.from..=self.to).contains(&code)
    }
}

fn bad_code(text: &str) -> String {
    format!("\"{text}\" is no code like 550, 45x or 4xx")
}

/// `5.1.1`, `5.1.*`, `*.2.2`.
struct StatusPattern([Option<u16>; 3]);

impl StatusPattern {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.').map(|part| match part {
            "*" => Some(None),
            part if part.bytes().all(|b| b.is_ascii_digit()) => part.parse().ok().filter(|n| *n <= 999).map(Some),
            _ => None,
        });
        let three = [parts.next()??, parts.next()??, parts.next()??];
        let class_is_good = matches!(three[0], None | Some(4 | 5));
        (parts.next().is_none() && class_is_good).then_some(Self(three))
    }

    fn is_match(&self, status: Status) -> bool {
        let given = [u16::from(status.class()), status.subject(), status.detail()];
        self.0.iter().zip(given).all(|(wanted, given)| wanted.is_none_or(|wanted| wanted == given))
    }
}

fn bad_status(text: &str) -> String {
    format!("\"{text}\" is no enhanced code like 5.1.1 or 4.7.*")
}

/// `*.example.net` and `example.net` both mean the name and all below it.
fn suffix(text: &str) -> Option<String> {
    let name = text.strip_prefix("*.").unwrap_or(text);
    let good = |label: &str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    name.split('.').all(good).then(|| format!(".{name}"))
}

fn bad_host(text: &str) -> String {
    format!("\"{text}\" is no host like *.example.net")
}

/// For a reply that brought no enhanced code: what its category would have had.
fn status_of(category: &str, kind: Kind) -> Status {
    let (subject, detail) = match category {
        "unknown_user" => (1, 1),
        "bad_domain" => (1, 2),
        "bad_address" => (1, 3),
        "moved" => (1, 6),
        "bad_sender" => (1, 8),
        "no_mail" => (1, 10),
        "disabled" => (2, 1),
        "mailbox_full" => (2, 2),
        "system_full" => (3, 1),
        "not_available" | "not_accepting" => (3, 2),
        "too_large" => (3, 4),
        "connection" => (4, 2),
        "dns" => (4, 3),
        "busy" => (4, 5),
        "loop" => (4, 6),
        "too_many_recipients" => (5, 3),
        "protocol" => (5, 0),
        "content" => (6, 0),
        "login" => (7, 8),
        "tls_required" => (7, 10),
        "authentication" => (7, 26),
        "reverse_dns" => (7, 25),
        _ => match kind {
            Kind::Block => (7, 1),
            Kind::Hard => (1, 0),
            Kind::Soft => (0, 0),
        },
    };
    Status::new(4, subject, detail)
}

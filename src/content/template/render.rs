//! From a template and values to the texts of one mail.

use super::context::{Context, Said, Seen};
use super::filled::{Bodies, Filled, Made, Ready, Rendered};
use super::filters;
use super::html_text::html_to_text;
use super::judge;
use super::library::{Library, Shelf, Template, key_of};
use super::locale::Locale;
use super::mistake::Mistake;
use super::source::{Content, Piece, SubjectRule};
use super::variables::{Account, OURS, Values, missing};
use crate::base::limits;
use crate::base::name::Name;
use minijinja::value::Value;
use minijinja::{Error, ErrorKind};
use std::error::Error as _;
use std::io;

/// What a client submitted, as templates see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Submitted {
    pub subject: Option<String>,
    pub html: Option<String>,
    pub text: Option<String>,
}

/// What a template is rendered with.
pub struct Asked<'a> {
    pub locale: Option<&'a Locale>,
    pub values: &'a Values,
    pub submitted: &'a Submitted,
}

/// The texts that are chosen for a language.
struct Chosen<'a> {
    subject: Option<(Option<&'a Locale>, &'a Content)>,
    preheader: Option<(Option<&'a Locale>, &'a Content)>,
    /// HTML and text of one language, never of two.
    body: (Option<&'a Locale>, &'a Content),
}

impl<'a> Template<'a> {
    /// What is needed and not there, and what is there and not needed.
    pub fn account(&self, locale: Option<&Locale>, values: &Values) -> Account {
        let Some(chosen) = self.choose(locale) else { return Account::default() };
        let keys = self.keys(&chosen);
        let judged = || keys.iter().filter_map(|key| Some((key, self.judged.get(key)?)));
        let used = |name: &str| judged().any(|(key, judged)| self.shelf.uses(key, judged, name, 0));
        let needed = judged().flat_map(|(_, judged)| {
            judged.variables.iter().map(|(name, _)| name.as_str()).filter(|name| !judged.asked.contains(*name))
        });
        Account::of(&self.source.variables, used, needed, values)
    }

    /// All of it as texts.
    pub fn render(&self, asked: &Asked<'_>) -> Result<Rendered, Mistake> {
        self.fill(asked).map(Filled::rendered)
    }

    /// As far as something could go wrong.
    pub fn fill<'b>(&self, asked: &Asked<'b>) -> Result<Filled<'b>, Mistake>
    where
        'a: 'b,
    {
        let label = self.source.label();
        let chosen = self.choose(asked.locale).ok_or_else(|| Mistake::new(&label, "it has neither HTML nor text"))?;
        let (locale, content) = chosen.body;
        let source = self.source;
        let mut filled = Filled {
            subject: String::new(),
            preheader: None,
            locale: locale.map(Locale::as_str),
            seen: Seen::of(&label, &source.variables, asked.values)?,
            bodies: Bodies::of(asked.submitted),
            html: None,
            text: Made::Written(String::new()),
        };
        filled.subject = self.subject(&chosen, asked, &filled)?;
        if let Some((locale, content)) = chosen.preheader
            && content.preheader.is_some()
        {
            let context = filled.context();
            let made = self.piece(locale, Piece::Preheader, &context, asked.values)?.written(&context);
            let made = made.split_whitespace().collect::<Vec<_>>().join(" ");
            filled.preheader = Some(made).filter(|text| !text.is_empty());
        }
        let whole = filled.whole();
        let html = match &content.html {
            Some(_) => Some(self.piece(locale, Piece::Html, &whole, asked.values)?),
            None => None,
        };
        let hidden = filled.preheader.as_deref().filter(|_| !self.shows_preheader(locale));
        let (html, text) = match (html, &content.text) {
            (html, Some(_)) => (html, self.piece(locale, Piece::Text, &whole, asked.values)?),
            (Some(html), None) => {
                let html = html.written(&whole);
                let text = html_to_text(&html);
                (Some(Made::Written(html)), Made::Written(text))
            }
            (None, None) => (None, Made::Written(String::new())),
        };
        let html = match (html, hidden) {
            (Some(html), Some(hidden)) => Some(Made::Written(with_preheader(&html.written(&whole), hidden))),
            (html, _) => html,
        };
        (filled.html, filled.text) = (html, text);
        Ok(filled)
    }

    /// As it would be with the examples that it declares.
    pub(super) fn render_examples(&self) -> Result<(), Mistake> {
        let examples = self.source.variables.iter().filter_map(|v| Some((v.name.clone(), v.example.clone()?)));
        let values = Values::new(examples.collect());
        let submitted =
            Submitted { subject: None, html: Some("<p>body_html</p>".to_owned()), text: Some("body_text".to_owned()) };
        for (locale, _) in &self.source.contents {
            self.render(&Asked { locale: locale.as_ref(), values: &values, submitted: &submitted })?;
        }
        Ok(())
    }

    fn choose(&self, locale: Option<&Locale>) -> Option<Chosen<'a>> {
        let chain: Vec<Option<&str>> = locale.iter().flat_map(|l| l.chain().map(Some)).chain([None]).collect();
        let first = |has: fn(&Content) -> bool| {
            let source = self.source;
            chain.iter().find_map(|wanted| {
                let of = |(of, _): &&(Option<Locale>, Content)| of.as_ref().map(Locale::as_str) == *wanted;
                let (of, content) = source.contents.iter().find(of).filter(|(_, content)| has(content))?;
                Some((of.as_ref(), content))
            })
        };
        Some(Chosen {
            subject: first(|content| content.subject.is_some()),
            preheader: first(|content| content.preheader.is_some()),
            body: first(Content::has_body)?,
        })
    }

    fn keys(&self, chosen: &Chosen<'_>) -> Vec<String> {
        let key = |of: Option<(Option<&Locale>, &Content)>, piece| {
            of.filter(|(_, content)| content.piece(piece).is_some()).map(|(l, _)| key_of(self.source, l, piece))
        };
        let body = Some(chosen.body);
        let all = [
            key(chosen.subject, Piece::Subject),
            key(chosen.preheader, Piece::Preheader),
            key(body, Piece::Html),
            key(body, Piece::Text),
        ];
        all.into_iter().flatten().collect()
    }

    fn subject(&self, chosen: &Chosen<'_>, asked: &Asked<'_>, filled: &Filled<'_>) -> Result<String, Mistake> {
        let submitted = asked.submitted.subject.as_deref().map(str::trim).filter(|text| !text.is_empty());
        let own = chosen.subject.map(|(locale, _)| locale);
        match (self.source.subject_rule, submitted, own) {
            (SubjectRule::Submitted, Some(text), _) | (SubjectRule::Template, Some(text), None) => Ok(text.to_owned()),
            (_, None, None) => Ok(String::new()),
            (_, _, Some(locale)) => {
                let [html, text] = filled.bodies.said();
                let ours = [html, text, Some(Said::text(submitted)), None, None];
                let context = Context { seen: &filled.seen, ours };
                let line = self.piece(locale, Piece::Subject, &context, asked.values)?.written(&context);
                one_line(&line, asked.values).map_err(|mistake| Mistake { template: self.source.label(), ..mistake })
            }
        }
    }

    fn piece<'b>(
        &self,
        locale: Option<&Locale>,
        piece: Piece,
        context: &Context<'_>,
        values: &Values,
    ) -> Result<Made<'b>, Mistake>
    where
        'a: 'b,
    {
        let key = key_of(self.source, locale, piece);
        let plain = self.judged.get(&key).and_then(|judged| judged.plain.as_ref());
        if let Some(plain) = plain.and_then(|plain| Ready::of(plain, context, piece.is_html())) {
            return Ok(Made::Plain(plain));
        }
        let template = self.shelf.environment.get_template(&key);
        let made = template.and_then(|template| run(&template, context.value()));
        let made = made.map_err(|error| explain(&error, self.shelf, &self.source.label(), piece.word(), values))?;
        Ok(Made::Written(made))
    }

    fn shows_preheader(&self, locale: Option<&Locale>) -> bool {
        let key = key_of(self.source, locale, Piece::Html);
        self.judged.get(&key).is_some_and(|judged| self.shelf.uses(&key, judged, "preheader", 0))
    }
}

/// A subject or body that a client submitted and that is the template itself.
pub struct InPlace<'a> {
    shelf: &'a Shelf,
    pub values: &'a Values,
}

/// Which text of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Subject,
    Html,
    Text,
}

impl Library {
    pub fn in_place<'a>(&'a self, tenant: &Name, values: &'a Values) -> InPlace<'a> {
        InPlace { shelf: self.shelf(tenant), values }
    }
}

impl InPlace<'_> {
    /// None: there is nothing to fill in, and the text stays as it is.
    pub fn render(&self, part: Part, text: &str) -> Result<Option<String>, Mistake> {
        if !["{{", "{%", "{# "].iter().any(|mark| text.contains(mark)) {
            return Ok(None);
        }
        let (word, name) = match part {
            Part::Subject => ("Subject", ":::subject"),
            Part::Html => ("its HTML", ":::html"),
            Part::Text => ("its text", ":::text"),
        };
        let faulty = |fault: judge::Fault| Mistake::new("", fault.why).at(word, Some(fault.line));
        let prepared = judge::prepared(text).map_err(faulty)?;
        let judged = judge::judge(&prepared).map_err(faulty)?;
        if let Some(reference) = judged.references.iter().find(|reference| reference.extends) {
            return Err(Mistake::new("", "a message extends no layout").at(word, Some(reference.line)));
        }
        let seen = Seen::of("", &[], self.values)?;
        let context = Context { seen: &seen, ours: [None; OURS.len()] };
        let plain = judged.plain.as_ref().and_then(|plain| Ready::of(plain, &context, part == Part::Html));
        let made = match plain {
            Some(plain) => Made::Plain(plain).written(&context),
            None => {
                let template = self.shelf.environment.template_from_named_str(name, &prepared);
                let made = template.and_then(|template| run(&template, context.value()));
                made.map_err(|error| explain(&error, self.shelf, "", word, self.values))?
            }
        };
        if part == Part::Subject { one_line(&made, self.values).map(Some) } else { Ok(Some(made)) }
    }

    /// Variables that none of these texts uses.
    pub fn account(&self, texts: &[&str]) -> Account {
        let judged: Vec<_> =
            texts.iter().filter_map(|text| judge::prepared(text).and_then(|text| judge::judge(&text)).ok()).collect();
        let used = |name: &str| judged.iter().any(|j| j.variables.iter().any(|(used, _)| used == name));
        let needed = judged.iter().flat_map(|judged| {
            judged.variables.iter().map(|(name, _)| name.as_str()).filter(|name| !judged.asked.contains(*name))
        });
        Account::of(&[], used, needed, self.values)
    }
}

/// Takes so many bytes and no more.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > limits::TEMPLATE_OUTPUT_BYTES_MAX {
            return Err(io::Error::other("too long"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn run(template: &minijinja::Template<'_, '_>, context: Value) -> Result<String, Error> {
    filters::begin();
    let mut out = Bounded(Vec::with_capacity(template.source().len() + 1_024));
    template.render_captured_to(context, &mut out)?;
    // Invariant: the engine writes whole texts.
    Ok(String::from_utf8(out.0).unwrap_or_default())
}

/// What the engine says, in words of whoever wrote the template.
fn explain(error: &Error, shelf: &Shelf, label: &str, word: &str, values: &Values) -> Mistake {
    // What happened in an included text is told by the error inside.
    let mut deepest = error;
    while let Some(inner) = deepest.source().and_then(|inner| inner.downcast_ref::<Error>()) {
        deepest = inner;
    }
    let expression = deepest.template_source().zip(deepest.range()).and_then(|(text, range)| {
        // The engine points at `.b` of `a.b`.
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
        let before = text.get(..range.start)?;
        text.get(before.trim_end_matches(is_name).len()..range.end)
    });
    let mistake = match deepest.kind() {
        ErrorKind::UndefinedError => {
            let name = expression.map_or("?", |text| text.trim().split('|').next().unwrap_or_default().trim());
            let near = missing(label, name, values);
            if values.get(name).is_some() {
                Mistake::new(label, format!("something in \"{name}\" is missing")).about(name)
            } else {
                near
            }
        }
        ErrorKind::OutOfFuel => Mistake::new(
            label,
            format!("it takes more than {} steps: is there an endless loop?", limits::TEMPLATE_STEPS_MAX),
        ),
        ErrorKind::WriteFailure => {
            Mistake::new(label, format!("it makes more than {} bytes", limits::TEMPLATE_OUTPUT_BYTES_MAX))
        }
        kind => {
            let why = deepest.detail().map_or_else(|| kind.to_string(), str::to_owned);
            Mistake::new(label, why)
        }
    };
    let (of, place) = deepest.name().map_or((None, None), |key| shelf.place(key, deepest.line()));
    let (place, line) = place.unwrap_or_else(|| (word.to_owned(), deepest.line()));
    let mistake = mistake.at(place, line);
    Mistake { template: of.unwrap_or(mistake.template), ..mistake }
}

/// RFC 5322 2.1.1, 3.6.5: a subject is one line. White space that the template's writer put around it is no part
/// of it; a line end anywhere else came with a value, and may be somebody's try to write fields of their own.
fn one_line(text: &str, values: &Values) -> Result<String, Mistake> {
    let line = text.trim();
    if line.contains(['\r', '\n', '\0']) {
        let mistake = match values.line_ender() {
            Some(name) => Mistake::new("", format!("variable \"{name}\" has a line end in it, and stands in a header"))
                .about(name),
            None => Mistake::new("", "it has more than one line"),
        };
        return Err(mistake.at(Piece::Subject.word(), None));
    }
    if line.len() > limits::TEMPLATE_SUBJECT_BYTES_MAX {
        let why = format!("it has more than {} bytes", limits::TEMPLATE_SUBJECT_BYTES_MAX);
        return Err(Mistake::new("", why).at(Piece::Subject.word(), None));
    }
    Ok(line.chars().filter(|c| !c.is_control()).collect())
}

pub(super) fn escape_into(html: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\n' => html.push_str("<br>\n"),
            c => html.push(c),
        }
    }
}

/// Readers show the first words of a mail beside its subject: these stand there, and nowhere else.
fn with_preheader(html: &str, preheader: &str) -> String {
    let at = behind_body(html).unwrap_or(0);
    let mut made = String::with_capacity(html.len() + preheader.len() + 160);
    made.push_str(&html[..at]);
    made.push_str("<div style=\"display:none;max-height:0;overflow:hidden;mso-hide:all\">");
    escape_into(&mut made, preheader);
    made.push_str("</div>");
    made.push_str(&html[at..]);
    made
}

/// Behind the tag that opens the body.
fn behind_body(html: &str) -> Option<usize> {
    let lower = html.to_ascii_lowercase();
    let is_tag = |at: &usize| matches!(lower.as_bytes().get(at + 5), Some(b'>' | b' ' | b'\t' | b'\r' | b'\n'));
    let at = lower.match_indices("<body").map(|(at, _)| at).find(is_tag)?;
    let mut quote = None;
    for (offset, byte) in lower.bytes().enumerate().skip(at) {
        match (quote, byte) {
            (None, b'>') => return Some(offset + 1),
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), byte) if open == byte => quote = None,
            _ => {}
        }
    }
    None
}

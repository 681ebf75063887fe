//! The links of an HTML text, and the places where a pixel may stand, found and not changed. Browsers and mail
//! programs read HTML by the standard, so this does too (`tokens`, `entities`); Outlook reads comments as well, so
//! what stands in its conditional comments is found there.

mod entities;
mod tokens;

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use tokens::{Attribute, Rest, Tag, Token, Tokens, is_name};

/// What is in the text.
#[derive(Debug, Default)]
pub struct Found {
    /// In their order.
    pub places: Vec<Place>,
    /// Our own sign that a link is not to be tracked, with the white space before it: nobody else needs it.
    pub marks: Vec<Range<usize>>,
    /// Behind the last byte before which one more element is the body's last, or first.
    pub bottom: Option<usize>,
    pub top: Option<usize>,
    /// Images: where their addresses stand.
    pub images: Vec<Range<usize>>,
}

/// A value that leads somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Between its quotes.
    pub value: Range<usize>,
    pub element: Element,
    /// In a comment that only Outlook reads.
    pub is_hidden: bool,
    /// Somebody wrote beside it that it is not to be tracked.
    pub is_opted_out: bool,
    /// Where it leads. None: its bytes are no UTF-8.
    pub url: Option<String>,
    /// The first of the places that are one link to whoever reads the mail: a button and its twin for Outlook.
    pub leader: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    Anchor,
    Area,
    /// An Outlook shape.
    Vml,
}

/// Why it is better left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unclear {
    /// Whether what follows is text or tags depends on what a reader makes of SVG and MathML.
    Foreign,
    TooMany,
}

/// Finds them, at most so many.
pub fn find(html: &[u8], places_max: usize) -> Result<Found, Unclear> {
    let mut search = Search { html, found: Found::default(), places_max, edges: Edges::default(), foreign: [0; 2] };
    let rest = search.read(0..html.len(), false)?;
    let Search { mut found, edges, .. } = search;
    pair(&mut found.places);
    let at_end = html.trim_ascii_end().len();
    found.bottom = edges.body_end.or(edges.html_end).or((rest == Rest::Text).then_some(at_end));
    // Without any frame the whole text is the body.
    let frameless = (!edges.has_frame).then(|| behind_doctype(html));
    found.top = edges.body_start.or(edges.head_end).or(frameless).or(found.bottom);
    Ok(found)
}

/// Where a link leads: HTML's references decoded once, and then what every browser does with it first (URL 4.4):
/// white space around it is cut off, and tabs and line ends within it are taken out.
pub fn destination(value: &[u8]) -> Option<String> {
    let decoded = entities::decode(std::str::from_utf8(value).ok()?);
    let trimmed = decoded.trim_matches(['\t', '\n', '\x0c', '\r', ' ']);
    if memchr::memchr3(b'\t', b'\n', b'\r', trimmed.as_bytes()).is_none() {
        return Some(match decoded {
            Cow::Owned(whole) if whole.len() == trimmed.len() => whole,
            _ => trimmed.to_owned(),
        });
    }
    Some(trimmed.chars().filter(|c| !matches!(c, '\t' | '\n' | '\r')).collect())
}

/// Where in a value, as it is written, this beginning of what it leads to is over.
pub fn written_before(value: &[u8], beginning: &str) -> Option<usize> {
    // It is a scheme: short, even if each of its letters is a reference.
    let bound = value.len().min(16 * beginning.len() + 64);
    (0..=bound).rev().find(|end| destination(&value[..*end]).is_some_and(|url| url.eq_ignore_ascii_case(beginning)))
}

/// HTML 13.2.6.4.1: an element before the doctype would leave it without effect, and the mail would look as in the
/// nineties. A byte order mark is one only where it begins the text.
fn behind_doctype(html: &[u8]) -> usize {
    const MARK: &[u8] = b"\xef\xbb\xbf";
    let behind = if html.starts_with(MARK) { MARK.len() } else { 0 };
    let mut rest = &html[behind..];
    loop {
        rest = rest.trim_ascii_start();
        let is_doctype = rest.get(..9).is_some_and(|begin| begin.eq_ignore_ascii_case(b"<!doctype"));
        let end = match rest {
            // Those are whole comments: nobody writes them before a doctype.
            [b'<', b'!', b'-', b'-', b'>', ..] | [b'<', b'!', b'-', b'-', b'-', b'>', ..] => None,
            [b'<', b'!', b'-', b'-', text @ ..] => memchr::memmem::find(text, b"-->").map(|at| at + 7),
            [b'<', b'!' | b'?', ..] => memchr::memchr(b'>', rest).map(|at| at + 1),
            _ => None,
        };
        let Some(end) = end else { return behind };
        rest = &rest[end..];
        if is_doctype {
            return html.len() - rest.len();
        }
    }
}

/// Tags that say where the body is.
#[derive(Debug, Default)]
struct Edges {
    has_frame: bool,
    head_end: Option<usize>,
    body_start: Option<usize>,
    body_end: Option<usize>,
    html_end: Option<usize>,
}

struct Search<'a> {
    html: &'a [u8],
    found: Found,
    places_max: usize,
    edges: Edges,
    /// So many `<svg>` and `<math>` are open.
    foreign: [usize; 2],
}

/// What a name means here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Link(Element),
    Image,
    /// Its content is no HTML.
    Raw,
    Svg,
    Math,
    Html,
    Head,
    Body,
    Other,
}

impl Kind {
    fn of(name: &[u8]) -> Self {
        const RAW: [&[u8]; 10] = [
            b"script",
            b"style",
            b"textarea",
            b"title",
            b"xmp",
            b"iframe",
            b"noembed",
            b"noframes",
            b"noscript",
            b"plaintext",
        ];
        let is = |word: &[u8]| name.eq_ignore_ascii_case(word);
        match name[0] | 0x20 {
            b'a' if name.len() == 1 => Self::Link(Element::Anchor),
            b'a' if is(b"area") => Self::Link(Element::Area),
            b'v' if name.get(1) == Some(&b':') => Self::Link(Element::Vml),
            b'b' if is(b"body") => Self::Body,
            b'h' if is(b"html") => Self::Html,
            b'h' if is(b"head") => Self::Head,
            b'i' if is(b"img") => Self::Image,
            b'm' if is(b"math") => Self::Math,
            b's' if is(b"svg") => Self::Svg,
            b's' | b't' | b'x' | b'i' | b'n' | b'p' if RAW.iter().any(|word| is(word)) => Self::Raw,
            _ => Self::Other,
        }
    }
}

impl Search<'_> {
    fn read(&mut self, within: Range<usize>, is_hidden: bool) -> Result<Rest, Unclear> {
        let mut tokens = Tokens::of(self.html, within);
        loop {
            let token = tokens.next();
            if tokens.take_section() && self.foreign != [0; 2] {
                return Err(Unclear::Foreign);
            }
            let Some(token) = token else { return Ok(tokens.rest) };
            match token {
                Token::Start(tag) => self.start(&mut tokens, &tag, is_hidden)?,
                Token::End(tag) if !is_hidden => self.end(&tag),
                Token::Comment(text) if !is_hidden => {
                    if let Some(inner) = conditional(self.html, text) {
                        self.read(inner, true)?;
                    }
                }
                Token::End(_) | Token::Comment(_) => {}
            }
        }
    }

    fn start(&mut self, tokens: &mut Tokens<'_>, tag: &Tag, is_hidden: bool) -> Result<(), Unclear> {
        let name = &self.html[tag.name.clone()];
        let edges = &mut self.edges;
        match Kind::of(name) {
            Kind::Link(element) => self.link(tokens, tag, element, is_hidden)?,
            Kind::Image if !is_hidden => {
                let source = first(tokens.attributes(tag), self.html, b"src");
                self.found.images.extend(source);
            }
            Kind::Raw if self.foreign != [0; 2] => return self.foreign_text(tokens, tag),
            Kind::Raw => tokens.skip_raw(name),
            Kind::Svg if !is_hidden && !tag.is_self_closing => self.foreign[0] += 1,
            Kind::Math if !is_hidden && !tag.is_self_closing => self.foreign[1] += 1,
            Kind::Html | Kind::Head if !is_hidden => edges.has_frame = true,
            Kind::Body if !is_hidden => {
                edges.has_frame = true;
                edges.body_start.get_or_insert(tag.place.end);
            }
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, tag: &Tag) {
        let edges = &mut self.edges;
        match Kind::of(&self.html[tag.name.clone()]) {
            Kind::Svg => self.foreign[0] = self.foreign[0].saturating_sub(1),
            Kind::Math => self.foreign[1] = self.foreign[1].saturating_sub(1),
            // In a mail that quotes another with all its frame, the last is ours.
            Kind::Body => edges.body_end = Some(tag.place.start),
            Kind::Html => edges.html_end = Some(tag.place.start),
            Kind::Head => {
                edges.head_end.get_or_insert(tag.place.end);
            }
            _ => {}
        }
    }

    /// HTML 13.2.6.5: in SVG a title, a style or a script has tags in it like other elements. Where there are none,
    /// all readers agree.
    fn foreign_text(&self, tokens: &mut Tokens<'_>, tag: &Tag) -> Result<(), Unclear> {
        let (ahead, name) = (tokens.ahead(), &self.html[tag.name.clone()]);
        let next = memchr::memchr(b'<', ahead).map(|at| &ahead[at..]);
        let is_plain = next.is_some_and(|next| next.starts_with(b"</") && is_name(&next[2..], name));
        if is_plain && !tag.is_self_closing { Ok(()) } else { Err(Unclear::Foreign) }
    }

    fn link(&mut self, tokens: &Tokens<'_>, tag: &Tag, element: Element, is_hidden: bool) -> Result<(), Unclear> {
        let (mut value, mut is_opted_out) = (None, false);
        for attribute in tokens.attributes(tag) {
            let name = &self.html[attribute.name.clone()];
            if name.eq_ignore_ascii_case(b"href") {
                // HTML 13.2.5.33: of two, the first.
                value.get_or_insert(attribute.value.clone());
            } else if is_opt_out(name, &self.html[attribute.value.clone()]) {
                is_opted_out = true;
                if name.eq_ignore_ascii_case(OUR_MARK) {
                    self.found.marks.push(mark(self.html, &attribute));
                }
            }
        }
        let Some(value) = value else { return Ok(()) };
        if self.found.places.len() >= self.places_max {
            return Err(Unclear::TooMany);
        }
        let url = destination(&self.html[value.clone()]);
        let leader = self.found.places.len();
        self.found.places.push(Place { value, element, is_hidden, is_opted_out, url, leader });
        Ok(())
    }
}

fn first(attributes: tokens::Attributes<'_>, html: &[u8], name: &[u8]) -> Option<Range<usize>> {
    let mut attributes = attributes;
    attributes.find(|found| html[found.name.clone()].eq_ignore_ascii_case(name)).map(|found| found.value)
}

const OUR_MARK: &[u8] = b"data-no-track";

/// What senders write who know other services: ours and theirs. A sign that has values is heard when it says so.
fn is_opt_out(name: &[u8], value: &[u8]) -> bool {
    let is = |word: &[u8]| name.eq_ignore_ascii_case(word);
    let says = |word: &[u8]| value.trim_ascii().eq_ignore_ascii_case(word);
    match name[0] | 0x20 {
        b'd' => is(OUR_MARK) || is(b"data-pm-no-track") || is(b"disable-tracking") && says(b"true"),
        b's' => is(b"ses:no-track"),
        b'c' => is(b"clicktracking") && says(b"off"),
        b'm' => is(b"mautic:disable-tracking") && says(b"true"),
        _ => false,
    }
}

/// The bytes of an attribute that can go, so that its neighbours stay two.
fn mark(html: &[u8], attribute: &Attribute) -> Range<usize> {
    let start = attribute.name.start;
    let space = html[..start].iter().rev().take_while(|b| tokens::is_space(**b)).count();
    let next = html.get(attribute.end);
    // `<a data-no-track="x"href=…>`, `href=x data-no-track/>`: without it they would become one word.
    let is_apart = next.is_some_and(|b| tokens::is_space(*b) || *b == b'>');
    if is_apart { start - space..attribute.end } else { start..attribute.end }
}

/// What Outlook reads of a comment: `[if mso]>…<![endif]`.
fn conditional(html: &[u8], comment: Range<usize>) -> Option<Range<usize>> {
    let text = &html[comment.clone()];
    let condition = text.trim_ascii_start();
    if !condition.get(..3).is_some_and(|begin| begin.eq_ignore_ascii_case(b"[if")) {
        return None;
    }
    let start = memchr::memmem::find(text, b"]>")? + 2;
    let end = memchr::memmem::rfind(text, b"<![endif]").filter(|end| *end >= start).unwrap_or(text.len());
    Some(comment.start + start..comment.start + end)
}

/// Finds the places that are one link: what only Outlook sees, and the next anchor that leads to the same place.
/// Where none follows, an Outlook shape belongs to an anchor beside it in the comment, or to the one before.
fn pair(places: &mut [Place]) {
    let mut hidden: Vec<usize> = Vec::new();
    let mut before = None;
    for at in 0..places.len() {
        if places[at].is_hidden || places[at].element == Element::Vml {
            hidden.push(at);
            continue;
        }
        let lone: Vec<usize> = hidden.drain(..).filter(|twin| !lead(places, *twin, at)).collect();
        pair_hidden(places, &lone, before);
        before = Some(at);
    }
    pair_hidden(places, &hidden, before);
}

/// Makes one link of two places that lead to the same, under the earlier.
fn lead(places: &mut [Place], twin: usize, visible: usize) -> bool {
    let is_same = places[twin].url.is_some() && places[twin].url == places[visible].url;
    if is_same {
        let leader = places[twin].leader.min(places[visible].leader);
        (places[twin].leader, places[visible].leader) = (leader, leader);
    }
    is_same
}

fn pair_hidden(places: &mut [Place], lone: &[usize], before: Option<usize>) {
    if lone.is_empty() {
        return;
    }
    let anchors: HashMap<String, usize> = lone
        .iter()
        .filter(|at| places[**at].element != Element::Vml)
        .filter_map(|at| Some((places[*at].url.clone()?, *at)))
        .collect();
    for shape in lone.iter().filter(|at| places[**at].element == Element::Vml).copied().collect::<Vec<_>>() {
        let beside = places[shape].url.as_ref().and_then(|url| anchors.get(url).copied());
        if let Some(anchor) = beside.or(before) {
            lead(places, shape, anchor);
        }
    }
}

#[cfg(test)]
mod tests;

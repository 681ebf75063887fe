//! Links that tell who followed them, and an image that tells that a mail was opened, put into a message that
//! otherwise stays byte for byte as it was. Rewriting never fails: what could be read in two ways is left alone, and
//! a note says why. Done once for a message; what differs by recipient is left blank, in slots.

mod charset;
mod fate;
mod note;
mod parts;
mod remade;
mod transfer;

use super::html_links::{self, Element};
use super::slot::Slot;
use super::text_links;
use crate::base::limits;
use crate::mail::domain_name::DomainName;
use crate::mail::header::Fields;
use fate::{Rules, comparable, upstream_tracker};
use parts::{Leaf, Walk};
use remade::{assemble, replace};
use std::collections::{BTreeSet, HashSet};
use std::ops::Range;
use transfer::{Body, Edit};

pub use fate::{Fate, Skip};
pub use note::{Doubt, NoPixel, Note};

/// Which links are rewritten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clicks {
    /// None; but what a sender wrote for us alone is taken out all the same.
    None,
    #[default]
    Html,
    /// Those of plain text too.
    All,
}

/// Where in the body the pixel stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PixelPlace {
    #[default]
    Bottom,
    Top,
}

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    Pixel,
    Url(&'a str),
}

pub struct Plan<'a> {
    /// `https://t.example.com`, perhaps with a port.
    pub host: &'a str,
    pub clicks: Clicks,
    /// None: no opens.
    pub pixel: Option<PixelPlace>,
    /// Hosts, and all below them, that are never tracked.
    pub exclude: &'a [DomainName],
    /// Plain texts: a link with one of them in its path or query is never tracked, in any case of letters.
    pub sensitive: &'a [String],
    /// Links that are never tracked. Those of List-Unsubscribe are found in the header.
    pub never: &'a [String],
    /// A token for the link of this number, its tail blank; none when it cannot be tracked. Its characters are
    /// those that a URL has unreserved (RFC 3986 2.3).
    pub draft: &'a mut dyn FnMut(u16, Target<'_>) -> Option<String>,
}

#[derive(Debug)]
pub struct Rewritten {
    pub message: Vec<u8>,
    /// Something in it is not as it was.
    pub is_changed: bool,
    /// One for each place where a token stands, in their order.
    pub slots: Vec<Slot>,
    /// All that were looked at, in the order of the message.
    pub links: Vec<Link>,
    pub notes: Vec<Note>,
}

/// Which kind of part a link stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkPart {
    Html,
    Text,
    Amp,
}

impl LinkPart {
    pub fn word(self) -> &'static str {
        match self {
            Self::Html => "html",
            Self::Text => "text",
            Self::Amp => "amp",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub part: LinkPart,
    /// Where it leads, as a browser would understand it.
    pub url: String,
    pub fate: Fate,
}

/// Rewrites a message, as far as that can be done without doubt.
pub fn rewrite(mut message: Vec<u8>, plan: &mut Plan<'_>) -> Rewritten {
    let mut walk = parts::walk(&message);
    let mut texts = read_texts(&message, &mut walk);
    let never = plan.never.iter().cloned().chain(unsubscribe_targets(&message));
    let rules = Rules::new(plan.host, plan.exclude, plan.sensitive, never);
    let words = Words { link: &format!("{}/t/", plan.host), pixel: &format!("<img src=\"{}/t/", plan.host) };
    let mut work = Work {
        opted_out: opted_out(&texts),
        rules,
        plan,
        words,
        next: 0,
        pixel: None,
        links: Vec::new(),
        services: BTreeSet::new(),
        notes: std::mem::take(&mut walk.notes),
    };
    let edits: Vec<Vec<Edit<'_>>> = texts.iter_mut().map(|text| work.edits_of(text, walk.is_sealed)).collect();
    work.note_pixel(&texts, walk.is_sealed);
    let Work { links, mut notes, services, .. } = work;
    notes.extend(services.into_iter().map(|service| Note::UpstreamTracker { service }));
    let is_changed = edits.iter().any(|edits| !edits.is_empty());
    let mut slots = Vec::new();
    if is_changed {
        let (place, with, made) = assemble(&message, walk.has_version, &mut texts, &edits);
        slots = made;
        replace(&mut message, place, &with);
    }
    Rewritten { message, is_changed, slots, links, notes }
}

/// What stands before tokens.
#[derive(Clone, Copy)]
struct Words<'a> {
    link: &'a str,
    pixel: &'a str,
}

/// A part, decoded and read.
struct Text<'a> {
    leaf: Leaf,
    body: Body<'a>,
    found: Found,
}

enum Found {
    Html(html_links::Found),
    Plain(Vec<text_links::Place>),
}

fn read_texts<'a>(message: &'a [u8], walk: &mut Walk) -> Vec<Text<'a>> {
    let mut texts = Vec::with_capacity(walk.leaves.len());
    let mut left = limits::LINKS_MAX;
    for leaf in std::mem::take(&mut walk.leaves) {
        let number = leaf.number;
        match read_text(message, leaf, left) {
            Ok(Some(text)) => {
                left -= match &text.found {
                    Found::Html(found) => found.places.len(),
                    Found::Plain(places) => places.len(),
                };
                texts.push(text);
            }
            // RFC 4880 6.2: armour in the text itself.
            Ok(None) => walk.seal(number),
            Err(why) => walk.notes.push(Note::Untouched { part: number, why }),
        }
    }
    texts
}

/// None: it is signed or encrypted as a text.
fn read_text(message: &[u8], leaf: Leaf, links_max: usize) -> Result<Option<Text<'_>>, Doubt> {
    let body = Body::decode(&message[leaf.entity.body.clone()], leaf.entity.encoding)?;
    let masked = leaf.charset.masked(&body.text).map_err(|_| Doubt::Charset)?;
    if memchr::memmem::find(&masked, b"-----BEGIN PGP ").is_some() {
        return Ok(None);
    }
    let found = if leaf.part == LinkPart::Text {
        let places = text_links::find(&masked, leaf.lines);
        if places.len() > links_max {
            return Err(Doubt::TooManyLinks);
        }
        Found::Plain(places)
    } else {
        Found::Html(html_links::find(&masked, links_max).map_err(|why| match why {
            html_links::Unclear::Foreign => Doubt::Foreign,
            html_links::Unclear::TooMany => Doubt::TooManyLinks,
        })?)
    };
    Ok(Some(Text { leaf, body, found }))
}

/// RFC 2369 3.2, RFC 8058: the links that unsubscribe, wherever else they stand.
fn unsubscribe_targets(message: &[u8]) -> Vec<String> {
    let mut targets = Vec::new();
    for field in Fields::of(message).filter(|field| field.is("list-unsubscribe")) {
        let value = field.unfolded();
        let mut rest = &value[..];
        while let Some(open) = memchr::memchr(b'<', rest) {
            rest = &rest[open + 1..];
            let Some(close) = memchr::memchr(b'>', rest) else { break };
            // RFC 2369 2: white space in it means nothing.
            let target: Vec<u8> = rest[..close].iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
            targets.extend(String::from_utf8(target).ok());
            rest = &rest[close..];
        }
    }
    targets
}

/// Our scheme for "not tracked", without which it is a link like others.
fn without_mark(url: &str) -> Option<(Range<usize>, String)> {
    let end = url.find(':')?;
    let start = end.checked_sub("+notrack".len())?;
    let is_marked = url.get(start..end)?.eq_ignore_ascii_case("+notrack")
        && ["http", "https"].iter().any(|scheme| url[..start].eq_ignore_ascii_case(scheme))
        && url[end..].starts_with("://");
    is_marked.then(|| (start..end, url[..start].to_owned() + &url[end..]))
}

/// What the sender opted out in HTML, as `comparable` has it.
fn opted_out(texts: &[Text<'_>]) -> HashSet<String> {
    let mut urls = HashSet::new();
    for text in texts {
        let Found::Html(found) = &text.found else { continue };
        for place in &found.places {
            let Some(url) = &place.url else { continue };
            match without_mark(url) {
                Some((_, bare)) => drop(urls.insert(comparable(&bare))),
                None if place.is_opted_out => drop(urls.insert(comparable(url))),
                None => {}
            }
        }
    }
    urls
}

struct Work<'a, 'p> {
    plan: &'a mut Plan<'p>,
    rules: Rules<'p>,
    words: Words<'a>,
    opted_out: HashSet<String>,
    /// The number of the next link.
    next: u16,
    /// The token of the pixel: parts that are shown together count as one opening.
    pixel: Option<Result<String, NoPixel>>,
    links: Vec<Link>,
    services: BTreeSet<&'static str>,
    notes: Vec<Note>,
}

impl<'a> Work<'a, '_> {
    /// The changes of a part, in their order.
    fn edits_of(&mut self, text: &mut Text<'_>, is_sealed: bool) -> Vec<Edit<'a>> {
        let Text { leaf, body, found } = text;
        match found {
            Found::Plain(places) => self.plain(leaf, body, places),
            Found::Html(found) => {
                let mut edits = self.html(leaf, body, found);
                if leaf.part == LinkPart::Html {
                    edits.extend(found.marks.iter().cloned().map(Edit::removal));
                    edits.extend(self.pixel(body, found, is_sealed));
                    edits.sort_by_key(|edit| (edit.place.start, edit.place.end));
                    self.note_clip(leaf, body, &edits);
                }
                edits
            }
        }
    }

    fn html(&mut self, leaf: &Leaf, body: &Body<'_>, found: &mut html_links::Found) -> Vec<Edit<'a>> {
        let part = leaf.part;
        // Of each leader: its fate, and which edit has its token.
        let mut fates: Vec<Option<(Fate, usize)>> = vec![None; found.places.len()];
        let mut out = vec![false; found.places.len()];
        for place in &found.places {
            out[place.leader] |= place.is_opted_out || place.url.as_deref().and_then(without_mark).is_some();
        }
        // With room for the pixel.
        let mut edits: Vec<Edit<'a>> = Vec::with_capacity(found.places.len() + found.marks.len() + 1);
        self.links.reserve_exact(if self.plan.clicks == Clicks::None { 0 } else { found.places.len() });
        for (at, place) in found.places.iter_mut().enumerate() {
            // AMP knows one kind of link.
            if part == LinkPart::Amp && (place.element != Element::Anchor || place.is_hidden) {
                continue;
            }
            let value = &body.text[place.value.clone()];
            let Some(url) = place.url.take() else {
                let url = String::from_utf8_lossy(value).into_owned();
                self.list(part, url, Fate::Skipped(Skip::Charset));
                continue;
            };
            if let Some((mark, bare)) = without_mark(&url) {
                edits.extend(unmark(value, place.value.start, &url, mark));
                self.list(part, bare, Fate::Skipped(Skip::OptedOut));
                continue;
            }
            let (fate, token) = match &fates[place.leader] {
                Some((fate, with)) => (*fate, edits.get(*with).and_then(|edit| edit.token.clone())),
                None => {
                    let optout = out[place.leader].then_some(Skip::OptedOut);
                    self.decide(&url, leaf, optout)
                }
            };
            if fates[place.leader].is_none() {
                fates[place.leader] = Some((fate, edits.len()));
            }
            if let Fate::Tracked(_) = fate {
                edits.push(self.tracked(place.value.clone(), token));
            }
            debug_assert!(place.leader <= at);
            self.list(part, url, fate);
        }
        edits
    }

    fn plain(&mut self, leaf: &Leaf, body: &Body<'_>, places: &[text_links::Place]) -> Vec<Edit<'a>> {
        let mut edits = Vec::new();
        for place in places {
            let written = &body.text[place.at.clone()];
            let url = match &place.url {
                Ok(url) => url.clone(),
                Err(_) => String::from_utf8_lossy(written).into_owned(),
            };
            if let Some((mark, bare)) = without_mark(&url) {
                // Even where its end is not clear, its beginning is.
                let from = place.at.start + text_links::written_before(written, mark.start);
                let to = place.at.start + text_links::written_before(written, mark.end);
                edits.push(Edit::removal(from..to));
                self.list(LinkPart::Text, bare, Fate::Skipped(Skip::OptedOut));
                continue;
            }
            if self.plan.clicks != Clicks::All {
                continue;
            }
            let unclear = place.url.as_ref().err().map(|why| match why {
                text_links::Unclear::NotAscii => Skip::NotAscii,
                text_links::Unclear::End => Skip::UnclearEnd,
                text_links::Unclear::Broken => Skip::Broken,
                text_links::Unclear::Inside => Skip::Scheme,
            });
            let opted_out = self.is_opted_out_elsewhere(&url).then_some(Skip::OptedOutElsewhere);
            let (fate, token) = self.decide(&url, leaf, unclear.or(opted_out));
            if let Fate::Tracked(_) = fate {
                edits.push(self.tracked(place.at.clone(), token));
            }
            self.list(LinkPart::Text, url, fate);
        }
        edits
    }

    fn is_opted_out_elsewhere(&self, url: &str) -> bool {
        !self.opted_out.is_empty() && self.opted_out.contains(&comparable(url))
    }

    fn list(&mut self, part: LinkPart, url: String, fate: Fate) {
        // Nothing is asked about links where none is wanted.
        if self.plan.clicks != Clicks::None {
            self.links.push(Link { part, url, fate });
        }
    }

    /// What becomes of a link, and its token if it is tracked.
    fn decide(&mut self, url: &str, leaf: &Leaf, reason: Option<Skip>) -> (Fate, Option<String>) {
        let skipped = |skip| (Fate::Skipped(skip), None);
        if self.plan.clicks == Clicks::None {
            return skipped(Skip::OptedOut);
        }
        // That it cannot be tracked at all says more.
        if let Err(skip) = self.rules.judge(url) {
            return skipped(skip);
        }
        let amp_reason =
            || (leaf.part == LinkPart::Amp && self.is_opted_out_elsewhere(url)).then_some(Skip::OptedOutElsewhere);
        if let Some(skip) = reason.or_else(amp_reason) {
            return skipped(skip);
        }
        if !url.is_ascii() && !leaf.charset.is_utf8() {
            return skipped(Skip::Charset);
        }
        self.services.extend(upstream_tracker(url));
        match self.token(Target::Url(url)) {
            Some((number, token)) => (Fate::Tracked(number), Some(token)),
            None => skipped(Skip::NoToken),
        }
    }

    /// A token under the next number.
    fn token(&mut self, target: Target<'_>) -> Option<(u16, String)> {
        let number = self.next;
        let next = number.checked_add(1)?;
        let is_unreserved = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
        let token = (self.plan.draft)(number, target)?;
        let is_fit = !token.is_empty() && token.bytes().all(is_unreserved);
        debug_assert!(is_fit, "a token of other characters would have to be escaped");
        self.next = next;
        is_fit.then_some((number, token))
    }

    fn tracked(&self, place: Range<usize>, token: Option<String>) -> Edit<'a> {
        Edit { place, before: self.words.link, token, behind: "" }
    }

    fn pixel(&mut self, body: &Body<'_>, found: &html_links::Found, is_sealed: bool) -> Option<Edit<'a>> {
        let wanted = self.plan.pixel?;
        if is_sealed {
            return None;
        }
        let is_ours = |place: &Range<usize>| {
            let source = html_links::destination(&body.text[place.clone()]);
            source.is_some_and(|url| self.rules.is_own_token(&url))
        };
        if found.images.iter().any(is_ours) {
            self.notes.push(Note::NoPixel { why: NoPixel::There });
            return None;
        }
        let place = match wanted {
            PixelPlace::Bottom => found.bottom,
            PixelPlace::Top => found.top,
        };
        let Some(at) = place else {
            self.notes.push(Note::NoPixel { why: NoPixel::NoPlace });
            return None;
        };
        if self.pixel.is_none() {
            let drafted = self.token(Target::Pixel).map(|(_, token)| token).ok_or(NoPixel::NoToken);
            self.pixel = Some(drafted);
        }
        let token = self.pixel.as_ref()?.as_ref().ok()?;
        Some(Edit { place: at..at, before: self.words.pixel, token: Some(token.clone()), behind: PIXEL_END })
    }

    /// Why there is none in the whole message.
    fn note_pixel(&mut self, texts: &[Text<'_>], is_sealed: bool) {
        if self.plan.pixel.is_none() {
            return;
        }
        let has_html = texts.iter().any(|text| text.leaf.part == LinkPart::Html);
        let why = match &self.pixel {
            _ if is_sealed => NoPixel::Sealed,
            _ if !has_html => NoPixel::NoHtml,
            Some(Err(why)) => *why,
            _ => return,
        };
        self.notes.push(Note::NoPixel { why });
    }

    fn note_clip(&mut self, leaf: &Leaf, body: &Body<'_>, edits: &[Edit<'_>]) {
        let before = body.text.len();
        let added: usize = edits.iter().map(Edit::bytes).sum();
        let removed: usize = edits.iter().map(|edit| edit.place.len()).sum();
        if before <= limits::HTML_CLIP_BYTES && before + added > limits::HTML_CLIP_BYTES + removed {
            self.notes.push(Note::Clipped { part: leaf.number });
        }
    }
}

/// Takes our mark out of a value, however it is written.
fn unmark<'a>(value: &[u8], start: usize, url: &str, mark: Range<usize>) -> Option<Edit<'a>> {
    let from = html_links::written_before(value, &url[..mark.start])?;
    let to = html_links::written_before(value, &url[..mark.end])?;
    Some(Edit::removal(start + from..start + to))
}

/// One dot that nobody sees. Its size is said twice, for readers that go by one of the two, and nothing hides it:
/// what is hidden is not fetched.
const PIXEL_END: &str = "\" alt=\"\" width=\"1\" height=\"1\" border=\"0\" style=\"width:1px;height:1px;border:0\">";

#[cfg(test)]
mod tests;

//! Links that tell who followed them, and an image that tells that a mail was opened, put into a message that
//! otherwise stays byte for byte as it was. Rewriting never fails: what could be read in two ways is left alone, and
//! a note says why. Done once for a message; what differs by recipient is left blank, in slots.

mod charset;
mod fate;
mod note;
mod parts;
mod transfer;

use super::html_links::{self, Element};
use super::slot::Slot;
use super::text_links;
use crate::base::limits;
use crate::mail::domain_name::DomainName;
use crate::mail::header::Fields;
use fate::{Rules, comparable, upstream_tracker};
use parts::{Leaf, Walk};
use std::borrow::Cow;
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
pub struct Rewritten<'a> {
    pub message: Cow<'a, [u8]>,
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
pub fn rewrite<'a>(message: &'a [u8], plan: &mut Plan<'_>) -> Rewritten<'a> {
    let mut walk = parts::walk(message);
    let texts = read_texts(message, &mut walk);
    let never = plan.never.iter().cloned().chain(unsubscribe_targets(message));
    let rules = Rules::new(plan.host, plan.exclude, plan.sensitive, never);
    let mut work = Work {
        opted_out: opted_out(&texts),
        rules,
        plan,
        next: 0,
        pixel: None,
        links: Vec::new(),
        services: BTreeSet::new(),
        notes: std::mem::take(&mut walk.notes),
    };
    let edits: Vec<Vec<Edit>> = texts.iter().map(|text| work.edits_of(text, walk.is_sealed)).collect();
    work.note_pixel(&texts, walk.is_sealed);
    let Work { links, mut notes, services, .. } = work;
    notes.extend(services.into_iter().map(|service| Note::UpstreamTracker { service }));
    let (made, slots) = assemble(message, walk.has_version, &texts, &edits);
    Rewritten { message: made, slots, links, notes }
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
    let mut texts = Vec::new();
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
    opted_out: HashSet<String>,
    /// The number of the next link.
    next: u16,
    /// The token of the pixel: parts that are shown together count as one opening.
    pixel: Option<Result<String, NoPixel>>,
    links: Vec<Link>,
    services: BTreeSet<&'static str>,
    notes: Vec<Note>,
}

impl Work<'_, '_> {
    /// The changes of a part, in their order.
    fn edits_of(&mut self, text: &Text<'_>, is_sealed: bool) -> Vec<Edit> {
        match &text.found {
            Found::Plain(places) => self.plain(text, places),
            Found::Html(found) => {
                let mut edits = self.html(text, found);
                if text.leaf.part == LinkPart::Html {
                    let marks = found.marks.iter().cloned();
                    edits.extend(marks.map(|place| Edit { place, text: String::new(), token: None }));
                    edits.extend(self.pixel(text, found, is_sealed));
                    edits.sort_by_key(|edit| (edit.place.start, edit.place.end));
                    self.note_clip(text, &edits);
                }
                edits
            }
        }
    }

    fn html(&mut self, text: &Text<'_>, found: &html_links::Found) -> Vec<Edit> {
        let part = text.leaf.part;
        let mut fates: Vec<Option<(Fate, String)>> = vec![None; found.places.len()];
        let mut out = vec![false; found.places.len()];
        for place in &found.places {
            out[place.leader] |= place.is_opted_out || place.url.as_deref().and_then(without_mark).is_some();
        }
        let mut edits = Vec::new();
        for (at, place) in found.places.iter().enumerate() {
            // AMP knows one kind of link.
            if part == LinkPart::Amp && (place.element != Element::Anchor || place.is_hidden) {
                continue;
            }
            let value = &text.body.text[place.value.clone()];
            let Some(url) = &place.url else {
                let url = String::from_utf8_lossy(value).into_owned();
                self.list(part, url, Fate::Skipped(Skip::Charset));
                continue;
            };
            if let Some((mark, bare)) = without_mark(url) {
                edits.extend(unmark(value, place.value.start, url, mark));
                self.list(part, bare, Fate::Skipped(Skip::OptedOut));
                continue;
            }
            let (fate, token) = match &fates[place.leader] {
                Some(known) => known.clone(),
                None => {
                    let optout = out[place.leader].then_some(Skip::OptedOut);
                    self.decide(url, text, optout)
                }
            };
            if let Fate::Tracked(_) = fate {
                edits.push(tracked(self.plan.host, place.value.clone(), &token));
            }
            fates[place.leader] = Some((fate, token));
            debug_assert!(place.leader <= at);
            self.list(part, url.clone(), fate);
        }
        edits
    }

    fn plain(&mut self, text: &Text<'_>, places: &[text_links::Place]) -> Vec<Edit> {
        let mut edits = Vec::new();
        for place in places {
            let written = &text.body.text[place.at.clone()];
            let url = match &place.url {
                Ok(url) => url.clone(),
                Err(_) => String::from_utf8_lossy(written).into_owned(),
            };
            if let Some((mark, bare)) = without_mark(&url) {
                // Even where its end is not clear, its beginning is.
                let from = place.at.start + text_links::written_before(written, mark.start);
                let to = place.at.start + text_links::written_before(written, mark.end);
                edits.push(Edit { place: from..to, text: String::new(), token: None });
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
            let (fate, token) = self.decide(&url, text, unclear.or(opted_out));
            if let Fate::Tracked(_) = fate {
                edits.push(tracked(self.plan.host, place.at.clone(), &token));
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
    fn decide(&mut self, url: &str, text: &Text<'_>, reason: Option<Skip>) -> (Fate, String) {
        let skipped = |skip| (Fate::Skipped(skip), String::new());
        if self.plan.clicks == Clicks::None {
            return skipped(Skip::OptedOut);
        }
        // That it cannot be tracked at all says more.
        if let Err(skip) = self.rules.judge(url) {
            return skipped(skip);
        }
        let amp_reason =
            || (text.leaf.part == LinkPart::Amp && self.is_opted_out_elsewhere(url)).then_some(Skip::OptedOutElsewhere);
        if let Some(skip) = reason.or_else(amp_reason) {
            return skipped(skip);
        }
        if !url.is_ascii() && !text.leaf.charset.is_utf8() {
            return skipped(Skip::Charset);
        }
        self.services.extend(upstream_tracker(url));
        match self.token(Target::Url(url)) {
            Some((number, token)) => (Fate::Tracked(number), token),
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

    fn pixel(&mut self, text: &Text<'_>, found: &html_links::Found, is_sealed: bool) -> Option<Edit> {
        let wanted = self.plan.pixel?;
        if is_sealed {
            return None;
        }
        let is_ours = |place: &Range<usize>| {
            let source = html_links::destination(&text.body.text[place.clone()]);
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
        Some(pixel(self.plan.host, at, token))
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

    fn note_clip(&mut self, text: &Text<'_>, edits: &[Edit]) {
        let before = text.body.text.len();
        let added: usize = edits.iter().map(|edit| edit.text.len()).sum();
        let removed: usize = edits.iter().map(|edit| edit.place.len()).sum();
        if before <= limits::HTML_CLIP_BYTES && before + added > limits::HTML_CLIP_BYTES + removed {
            self.notes.push(Note::Clipped { part: text.leaf.number });
        }
    }
}

/// Takes our mark out of a value, however it is written.
fn unmark(value: &[u8], start: usize, url: &str, mark: Range<usize>) -> Option<Edit> {
    let from = html_links::written_before(value, &url[..mark.start])?;
    let to = html_links::written_before(value, &url[..mark.end])?;
    Some(Edit { place: start + from..start + to, text: String::new(), token: None })
}

fn tracked(host: &str, place: Range<usize>, token: &str) -> Edit {
    let text = format!("{host}/t/{token}");
    let end = text.len();
    Edit { place, token: Some(end - token.len()..end), text }
}

/// One dot that nobody sees. Its size is said twice, for readers that go by one of the two, and nothing hides it:
/// what is hidden is not fetched.
fn pixel(host: &str, at: usize, token: &str) -> Edit {
    let before = format!("<img src=\"{host}/t/");
    let start = before.len();
    let behind = "\" alt=\"\" width=\"1\" height=\"1\" border=\"0\" style=\"width:1px;height:1px;border:0\">";
    Edit { place: at..at, text: before + token + behind, token: Some(start..start + token.len()) }
}

/// A message in which some parts are replaced.
fn assemble<'a>(
    message: &'a [u8],
    has_version: bool,
    texts: &[Text<'_>],
    edits: &[Vec<Edit>],
) -> (Cow<'a, [u8]>, Vec<Slot>) {
    const QUOTED_PRINTABLE: &[u8] = b"Content-Transfer-Encoding: quoted-printable\r\n";
    const VERSION: &[u8] = b"MIME-Version: 1.0\r\n";
    let (mut made, mut slots, mut at) = (Vec::new(), Vec::new(), 0);
    let is_changed = edits.iter().any(|edits| !edits.is_empty());
    if !is_changed {
        return (Cow::Borrowed(message), slots);
    }
    let more: usize = edits.iter().flatten().map(|edit| edit.text.len()).sum();
    made.reserve(message.len() + more + more / 16);
    for (text, edits) in texts.iter().zip(edits).filter(|(_, edits)| !edits.is_empty()) {
        let changed = text.body.with(edits);
        let entity = &text.leaf.entity;
        if changed.is_requoted {
            // The label goes where it was, or behind the other fields.
            let mut label = Some(QUOTED_PRINTABLE);
            for place in &entity.encodings {
                made.extend_from_slice(&message[at..place.start]);
                made.extend_from_slice(label.take().unwrap_or_default());
                at = place.end;
            }
            made.extend_from_slice(&message[at..entity.fields_end]);
            at = entity.fields_end;
            // RFC 2045 4: a message that was none of MIME is one now.
            if !has_version && text.leaf.number == 1 {
                made.extend_from_slice(VERSION);
            }
            made.extend_from_slice(label.take().unwrap_or_default());
        }
        made.extend_from_slice(&message[at..entity.body.start]);
        let start = made.len();
        slots.extend(changed.slots.into_iter().map(|slot| slot.behind(start)));
        made.extend_from_slice(&changed.bytes);
        at = entity.body.end;
    }
    made.extend_from_slice(&message[at..]);
    (Cow::Owned(made), slots)
}

#[cfg(test)]
mod tests;

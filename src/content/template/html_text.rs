//! HTML as plain text: for readers who want none, and for the part that a mail should have beside its HTML.
//! Headings, lists, tables and links are told apart as one would write them in a mail.
//!
//! One pass over the tags, no tree: what is left open closes nothing, and nothing of it can go wrong. Entities are
//! decoded once.

use mail_parser::decoders::html::add_html_token;

/// How HTML reads without its tags.
pub fn html_to_text(html: &str) -> String {
    let mut reader = Reader::default();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        reader.words(&rest[..at]);
        rest = match Tag::read(&rest[at..]) {
            Some((tag, behind)) => {
                let skipped = reader.tag(&tag, behind);
                &behind[skipped..]
            }
            // A sign of its own.
            None => {
                reader.words("<");
                &rest[at + 1..]
            }
        };
    }
    reader.words(rest);
    reader.end()
}

/// One tag, or a comment, which has no name.
struct Tag<'a> {
    name: String,
    closes: bool,
    attributes: &'a str,
}

impl<'a> Tag<'a> {
    /// The tag that begins here, and what is behind it.
    fn read(text: &'a str) -> Option<(Self, &'a str)> {
        if let Some(comment) = text.strip_prefix("<!--") {
            let behind = comment.find("-->").map_or("", |at| &comment[at + 3..]);
            return Some((Self { name: String::new(), closes: false, attributes: "" }, behind));
        }
        let inner = &text[1..];
        let (closes, inner) = inner.strip_prefix('/').map_or((false, inner), |inner| (true, inner));
        if !inner.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '!' | '?')) {
            return None;
        }
        let name_end = inner.find(|c: char| c.is_whitespace() || matches!(c, '>' | '/')).unwrap_or(inner.len());
        let end = tag_end(inner);
        let attributes = inner.get(name_end..end).unwrap_or_default();
        let behind = inner.get(end + 1..).unwrap_or_default();
        Some((Self { name: inner[..name_end].to_ascii_lowercase(), closes, attributes }, behind))
    }

    fn attribute(&self, wanted: &str) -> Option<String> {
        let mut rest = self.attributes;
        loop {
            rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '/');
            if rest.is_empty() {
                return None;
            }
            let end = rest.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(rest.len());
            let (name, behind) = rest.split_at(end.max(rest.chars().next().map_or(0, char::len_utf8)));
            let behind = behind.trim_start();
            let Some(value) = behind.strip_prefix('=') else {
                rest = behind;
                continue;
            };
            let value = value.trim_start();
            let (value, after) = match value.chars().next() {
                Some(quote @ ('"' | '\'')) => value[1..].split_once(quote).unwrap_or((&value[1..], "")),
                _ => value.split_at(value.find(char::is_whitespace).unwrap_or(value.len())),
            };
            if name.eq_ignore_ascii_case(wanted) {
                return Some(decoded(value));
            }
            rest = after;
        }
    }
}

/// Where a tag's `>` is: not in a quoted value.
fn tag_end(text: &str) -> usize {
    let mut quote = None;
    for (at, byte) in text.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return at,
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), byte) if open == byte => quote = None,
            _ => {}
        }
    }
    text.find('>').unwrap_or(text.len())
}

/// Entities decoded, once.
fn decoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let end =
            rest.bytes().take(33).position(|b| b == b';').filter(|end| {
                rest.as_bytes()[1..*end].iter().all(|b| b.is_ascii_alphanumeric() || *b == b'#') && *end > 1
            });
        match end {
            Some(end) => {
                add_html_token(&mut out, &rest.as_bytes()[..=end], false);
                rest = &rest[end + 1..];
            }
            None => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    out.retain(|c| !matches!(c, '\0' | '\r'));
    out
}

/// What stands between the reader and the next word.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Gap {
    #[default]
    None,
    Space,
    Line,
    Paragraph,
}

#[derive(Default)]
struct Reader {
    out: String,
    gap: Gap,
    /// Numbers of the ordered lists that are open, none for others.
    lists: Vec<Option<usize>>,
    quotes: usize,
    /// A quotation has just begun or ended: the empty line there is nobody's.
    at_border: bool,
    preformatted: usize,
    /// Where an open link leads, and where its words begin.
    link: Option<(String, usize)>,
    /// Something stands in the table row already.
    in_row: bool,
    /// A heading began here; its level.
    heading: Option<(usize, u8)>,
    /// Is the next word the first behind a list's mark?
    marked: bool,
}

impl Reader {
    fn wants(&mut self, gap: Gap) {
        // What follows a list's mark stands on its line.
        if !self.marked {
            self.gap = self.gap.max(gap);
        }
    }

    fn line(&mut self) {
        while self.out.ends_with(' ') {
            self.out.pop();
        }
        self.out.push('\n');
    }

    fn indent(&mut self) {
        self.out.extend(std::iter::repeat_n("> ", self.quotes.min(8)));
        let depth = self.lists.len().min(8).saturating_sub(if self.marked { 1 } else { 0 });
        self.out.extend(std::iter::repeat_n("  ", depth));
    }

    fn settle(&mut self) {
        let is_first = self.out.is_empty();
        match self.gap {
            _ if is_first => self.indent(),
            Gap::None => {}
            Gap::Space => self.out.push(' '),
            Gap::Line | Gap::Paragraph => {
                self.line();
                if self.gap == Gap::Paragraph {
                    let quotes = if self.at_border { 0 } else { self.quotes.min(8) };
                    self.out.extend(std::iter::repeat_n("> ", quotes));
                    self.line();
                }
                self.indent();
            }
        }
        (self.gap, self.at_border) = (Gap::None, false);
    }

    fn words(&mut self, raw: &str) {
        if raw.is_empty() {
            return;
        }
        let text = decoded(raw);
        if self.preformatted > 0 {
            for (n, line) in text.split('\n').enumerate() {
                if n > 0 {
                    self.gap = Gap::None;
                    self.line();
                    self.indent();
                }
                if !line.is_empty() {
                    self.settle();
                    self.out.push_str(line);
                }
            }
            return;
        }
        let is_space = |c: char| matches!(c, ' ' | '\t' | '\n' | '\u{c}');
        // Invisible, there to fill what readers show beside the subject.
        let is_filler = |c: char| matches!(c, '\u{200b}' | '\u{200c}' | '\u{200d}' | '\u{feff}' | '\u{ad}' | '\u{34f}');
        if text.starts_with(is_space) {
            self.wants(Gap::Space);
        }
        let mut is_first = true;
        for word in text.split(is_space) {
            let word: String = word.chars().filter(|c| !is_filler(*c)).collect();
            let word = word.replace('\u{a0}', " ");
            if word.trim().is_empty() {
                continue;
            }
            if !is_first {
                self.wants(Gap::Space);
            }
            self.settle();
            self.marked = false;
            self.out.push_str(&word);
            is_first = false;
        }
        if !is_first && text.ends_with(is_space) {
            self.wants(Gap::Space);
        }
    }

    /// How many bytes behind the tag belong to it and are no text.
    fn tag(&mut self, tag: &Tag<'_>, behind: &str) -> usize {
        match (tag.name.as_str(), tag.closes) {
            ("style" | "script" | "head" | "title" | "template" | "noframes" | "svg", false) => {
                return closing(behind, &tag.name);
            }
            ("div" | "span", false) if is_hidden(tag) => return closing(behind, &tag.name),
            ("br", _) => self.broken(),
            ("hr", _) => self.rule(),
            ("p" | "form" | "dl" | "figure", _) => self.wants(Gap::Paragraph),
            ("h1" | "h2" | "h3" | "h4" | "h5" | "h6", closes) => self.heading(tag.name.as_bytes()[1] - b'0', closes),
            ("ul" | "ol" | "menu", closes) => self.list(tag, closes),
            ("li", false) => self.item(),
            ("blockquote", closes) => self.quote(closes),
            ("pre", closes) => {
                self.wants(Gap::Paragraph);
                self.preformatted = if closes { self.preformatted.saturating_sub(1) } else { self.preformatted + 1 };
            }
            ("tr", _) => {
                self.wants(Gap::Line);
                self.in_row = false;
            }
            ("td" | "th", false) => self.cell(),
            ("table", _) => self.wants(Gap::Paragraph),
            ("a", false) => self.open_link(tag),
            ("a", true) => self.close_link(),
            ("img", false) => self.image(tag),
            ("dd", false) => {
                self.wants(Gap::Line);
                self.words("  ");
            }
            (
                "div" | "li" | "section" | "article" | "header" | "footer" | "main" | "nav" | "aside" | "address"
                | "center" | "dt" | "caption" | "body" | "thead" | "tbody" | "tfoot" | "figcaption" | "fieldset"
                | "option",
                _,
            ) => self.wants(Gap::Line),
            _ => {}
        }
        0
    }

    fn broken(&mut self) {
        self.marked = false;
        // Two in a row are an empty line.
        self.gap = match self.gap {
            Gap::Line | Gap::Paragraph => Gap::Paragraph,
            Gap::None | Gap::Space => Gap::Line,
        };
    }

    fn rule(&mut self) {
        self.gap = Gap::Paragraph;
        self.settle();
        self.out.push_str("----------");
        self.gap = Gap::Paragraph;
    }

    fn heading(&mut self, level: u8, closes: bool) {
        if let (true, Some((from, level))) = (closes, self.heading.take())
            && level <= 2
        {
            let line = self.out[from.min(self.out.len())..].trim();
            let width = line.lines().last().unwrap_or_default().chars().count();
            if (1..=70).contains(&width) {
                let mark = if level == 1 { "=" } else { "-" };
                self.gap = Gap::Line;
                self.settle();
                self.out.push_str(&mark.repeat(width));
            }
        }
        self.wants(Gap::Paragraph);
        self.heading = (!closes).then_some((self.out.len(), level));
    }

    fn list(&mut self, tag: &Tag<'_>, closes: bool) {
        let is_inner = self.lists.len() > usize::from(closes);
        self.wants(if is_inner { Gap::Line } else { Gap::Paragraph });
        if closes {
            self.lists.pop();
        } else if self.lists.len() < 64 {
            let start = tag.attribute("start").and_then(|start| start.parse::<usize>().ok()).unwrap_or(1);
            self.lists.push((tag.name == "ol").then(|| start.saturating_sub(1)));
        }
    }

    fn item(&mut self) {
        self.marked = false;
        self.wants(Gap::Line);
        let mark = match self.lists.last_mut() {
            Some(Some(number)) => {
                *number = number.saturating_add(1);
                format!("{number}. ")
            }
            _ => "- ".to_owned(),
        };
        self.marked = true;
        self.settle();
        self.out.push_str(&mark);
    }

    fn quote(&mut self, closes: bool) {
        self.wants(Gap::Paragraph);
        self.at_border = true;
        self.quotes = if closes { self.quotes.saturating_sub(1) } else { self.quotes + 1 };
    }

    fn cell(&mut self) {
        if self.in_row && self.gap <= Gap::Space && !self.out.is_empty() {
            self.gap = Gap::None;
            self.out.truncate(self.out.trim_end_matches(' ').len());
            self.out.push_str(" | ");
        }
        self.in_row = true;
    }

    fn open_link(&mut self, tag: &Tag<'_>) {
        let href = tag.attribute("href").unwrap_or_default();
        let href: String = href.chars().filter(|c| !c.is_control() && !c.is_whitespace()).collect();
        self.link = (!href.is_empty() && !href.starts_with('#')).then_some((href, self.out.len()));
    }

    /// `words (https://…)`; a link that is its own words, and one without words, stands alone.
    fn close_link(&mut self) {
        let Some((href, from)) = self.link.take() else { return };
        let words = self.out[from.min(self.out.len())..].trim();
        let plain = href.strip_prefix("mailto:").or_else(|| href.strip_prefix("tel:")).unwrap_or(&href);
        let same = |words: &str| {
            let bare = |text: &str| {
                let text = text.trim_start_matches("https://").trim_start_matches("http://");
                text.trim_end_matches('/').to_lowercase()
            };
            bare(words) == bare(plain)
        };
        if words.is_empty() {
            self.settle();
            self.out.push_str(plain);
        } else if !same(words) {
            self.out.push_str(&format!(" ({plain})"));
        }
        self.marked = false;
    }

    fn image(&mut self, tag: &Tag<'_>) {
        let alt = tag.attribute("alt").unwrap_or_default();
        let alt = alt.split_whitespace().collect::<Vec<_>>().join(" ");
        if !alt.is_empty() {
            self.settle();
            self.marked = false;
            self.out.push_str(&alt);
        }
    }

    fn end(mut self) -> String {
        let mut text = String::with_capacity(self.out.len() + 1);
        self.out.truncate(self.out.trim_end().len());
        for line in self.out.lines() {
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// Up to behind the tag that closes this one; all of it when nothing does.
fn closing(behind: &str, name: &str) -> usize {
    let (bytes, mut depth, mut from) = (behind.as_bytes(), 1_usize, 0);
    let is_at = |at: usize, mark: &[u8]| bytes.get(at..at + mark.len()).is_some_and(|b| b.eq_ignore_ascii_case(mark));
    while let Some(at) = behind[from..].find('<').map(|at| from + at) {
        let (close, open) = (format!("</{name}"), format!("<{name}"));
        let ends_name = |at: usize| !matches!(bytes.get(at), Some(b) if b.is_ascii_alphanumeric());
        if is_at(at, close.as_bytes()) && ends_name(at + close.len()) {
            depth -= 1;
            if depth == 0 {
                return behind[at..].find('>').map_or(behind.len(), |end| at + end + 1);
            }
        } else if matches!(name, "div" | "span") && is_at(at, open.as_bytes()) && ends_name(at + open.len()) {
            depth += 1;
        }
        from = at + 1;
    }
    behind.len()
}

fn is_hidden(tag: &Tag<'_>) -> bool {
    tag.attribute("style").is_some_and(|style| {
        let style: String = style.to_ascii_lowercase().chars().filter(|c| !c.is_whitespace()).collect();
        style.contains("display:none")
    })
}

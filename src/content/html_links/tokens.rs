//! Tags and comments of an HTML text, with the places where they stand (HTML 13.2.5, the tokenizer). It follows the
//! standard where a reader could be told something else than we: in which bytes are tags, and what are their
//! attributes. What a character means, and what the tree becomes, is not asked here.

use memchr::{memchr, memchr_iter, memchr2, memmem};
use std::ops::Range;

/// What stands between texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    Start(Tag),
    End(Tag),
    /// What is between the marks of a comment; one that does not end goes to the end.
    Comment(Range<usize>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// From its `<` to behind its `>`.
    pub place: Range<usize>,
    pub name: Range<usize>,
    pub is_self_closing: bool,
}

/// All of it from the white space behind what was before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    pub name: Range<usize>,
    /// Without its quotes; empty when there is none.
    pub value: Range<usize>,
    /// From its name to behind its value, quotes included.
    pub end: usize,
}

/// Where the tags end: what stands behind the last of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// Text: a tag that was put there would be one.
    Text,
    /// A tag, a comment or a script that does not end.
    Unfinished,
}

/// Reads forward. No bytes make it go back further than one tag.
#[derive(Clone, Debug)]
pub struct Tokens<'a> {
    /// The whole text; what is behind `end` does not exist.
    html: &'a [u8],
    at: usize,
    pub rest: Rest,
    /// Since it was asked last, there was a `<![CDATA[`: a section in SVG, and a comment elsewhere.
    saw_section: bool,
}

pub const fn is_space(byte: u8) -> bool {
    matches!(byte, b'\t' | b'\n' | b'\x0c' | b'\r' | b' ')
}

impl<'a> Tokens<'a> {
    /// The places are those of the whole text.
    pub fn of(html: &'a [u8], within: Range<usize>) -> Self {
        Self { html: &html[..within.end], at: within.start, rest: Rest::Text, saw_section: false }
    }

    /// Something does not end.
    fn unfinished(&mut self) -> Option<Token> {
        self.at = self.html.len();
        self.rest = Rest::Unfinished;
        None
    }

    /// HTML 13.2.5.43 to 52: a comment whose text begins here.
    fn comment(&mut self, start: usize) -> Option<Token> {
        let inner = &self.html[start..];
        for end in memchr_iter(b'>', inner) {
            let text = &inner[..end];
            // HTML 13.2.5.43, 44: `<!-->` and `<!--->` are whole comments.
            let mark = match text {
                [] => 0,
                b"-" => 1,
                [.., b'-', b'-'] => 2,
                // HTML 13.2.5.52: `--!>` ends it too.
                [.., b'-', b'-', b'!'] => 3,
                _ => continue,
            };
            self.at = start + end + 1;
            return Some(Token::Comment(start..start + end - mark));
        }
        self.unfinished()
    }

    /// A tag whose name begins here, to its end. None when it has none.
    fn tag(&self, at: usize, name: usize) -> Option<Tag> {
        let length = self.html[name..].iter().position(|b| is_space(*b) || matches!(b, b'/' | b'>'))?;
        let mut attributes = Attributes { html: self.html, at: name + length, is_self_closing: false, is_done: false };
        while attributes.next().is_some() {}
        attributes.is_done.then(|| Tag {
            place: at..attributes.at,
            name: name..name + length,
            is_self_closing: attributes.is_self_closing,
        })
    }

    pub fn attributes(&self, tag: &Tag) -> Attributes<'a> {
        Attributes { html: self.html, at: tag.name.end, is_self_closing: false, is_done: false }
    }

    /// Goes behind the text of an element in which there are no tags, before the tag that ends it.
    pub fn skip_raw(&mut self, name: &[u8]) {
        let end = if name.eq_ignore_ascii_case(b"script") {
            script_end(&self.html[self.at..])
        } else if name.eq_ignore_ascii_case(b"plaintext") {
            // HTML 13.2.5.5: nothing ends it.
            None
        } else {
            raw_end(&self.html[self.at..], name)
        };
        match end {
            Some(end) => self.at += end,
            None => {
                self.unfinished();
            }
        }
    }

    pub fn take_section(&mut self) -> bool {
        std::mem::take(&mut self.saw_section)
    }

    /// What was not read yet.
    pub fn ahead(&self) -> &'a [u8] {
        &self.html[self.at..]
    }
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        loop {
            let Some(found) = memchr(b'<', &self.html[self.at..]) else {
                // The rest stays what it is known to be.
                self.at = self.html.len();
                return None;
            };
            let at = self.at + found;
            let behind = &self.html[at + 1..];
            match behind {
                [b'a'..=b'z' | b'A'..=b'Z', ..] => {
                    let Some(tag) = self.tag(at, at + 1) else { return self.unfinished() };
                    self.at = tag.place.end;
                    return Some(Token::Start(tag));
                }
                [b'/', b'a'..=b'z' | b'A'..=b'Z', ..] => {
                    let Some(tag) = self.tag(at, at + 2) else { return self.unfinished() };
                    self.at = tag.place.end;
                    return Some(Token::End(tag));
                }
                [b'!', b'-', b'-', ..] => return self.comment(at + 4),
                // HTML 13.2.5.6, 7, 42: `</>` is nothing. A doctype, `<![CDATA[` outside of SVG, `<![if …]>` and
                // whatever else is no name end with the first `>`.
                [b'!' | b'?', ..] | [b'/', _, ..] => {
                    self.saw_section |= behind.starts_with(b"![CDATA[");
                    match memchr(b'>', behind) {
                        Some(end) => self.at = at + 1 + end + 1,
                        None => return self.unfinished(),
                    }
                }
                [] | [b'/'] => return self.unfinished(),
                _ => self.at = at + 1,
            }
        }
    }
}

/// HTML 13.2.5.32 and following: the attributes of a tag, up to its end.
#[derive(Clone, Debug)]
pub struct Attributes<'a> {
    html: &'a [u8],
    /// Behind the tag when it is done.
    pub at: usize,
    is_self_closing: bool,
    /// It came to the end of the tag, not to that of the text.
    is_done: bool,
}

impl Attributes<'_> {
    fn skip_space(&mut self) {
        while self.html.get(self.at).is_some_and(|b| is_space(*b)) {
            self.at += 1;
        }
    }

    /// HTML 13.2.5.35 to 39. Behind `=`: the value, and where it is over. None: the text ended in it.
    fn value(&mut self) -> Option<(Range<usize>, usize)> {
        self.skip_space();
        let (start, rest) = (self.at, &self.html[self.at..]);
        match rest {
            [quote @ (b'"' | b'\''), rest @ ..] => {
                let length = memchr(*quote, rest)?;
                Some((start + 1..start + 1 + length, start + length + 2))
            }
            // An unquoted one may begin with anything else; `>` ends the tag before it began.
            _ => {
                let length = rest.iter().position(|b| is_space(*b) || *b == b'>')?;
                Some((start..start + length, start + length))
            }
        }
    }
}

impl Iterator for Attributes<'_> {
    type Item = Attribute;

    fn next(&mut self) -> Option<Attribute> {
        if self.is_done {
            return None;
        }
        loop {
            self.skip_space();
            match self.html[self.at..] {
                [] => return None,
                [b'>', ..] => {
                    self.at += 1;
                    self.is_done = true;
                    return None;
                }
                [b'/', b'>', ..] => {
                    self.at += 2;
                    (self.is_done, self.is_self_closing) = (true, true);
                    return None;
                }
                [b'/', ..] => self.at += 1,
                _ => break,
            }
        }
        let start = self.at;
        // HTML 13.2.5.32: a sign of equality in front belongs to the name.
        let length = 1 + self.html[start + 1..].iter().position(|b| is_space(*b) || matches!(b, b'/' | b'>' | b'='))?;
        let name = start..start + length;
        self.at = name.end;
        self.skip_space();
        if self.html.get(self.at) != Some(&b'=') {
            // The white space may stand before the next one.
            return Some(Attribute { value: name.end..name.end, end: name.end, name });
        }
        self.at += 1;
        let (value, end) = match self.value() {
            Some(found) => found,
            None => {
                self.at = self.html.len();
                return None;
            }
        };
        self.at = end;
        Some(Attribute { name, value, end })
    }
}

/// HTML 13.2.5.9 to 14: where the end tag of this name begins.
fn raw_end(text: &[u8], name: &[u8]) -> Option<usize> {
    memmem::find_iter(text, b"</").find(|at| is_name(&text[at + 2..], name))
}

/// Does the name stand here, and nothing more of it?
pub fn is_name(text: &[u8], name: &[u8]) -> bool {
    let is_whole = |next: &u8| is_space(*next) || matches!(next, b'/' | b'>');
    text.get(..name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name))
        && text.get(name.len()).is_some_and(is_whole)
}

/// HTML 13.2.5.15 to 31: in a script, a comment may hide a script within, and that one's end with it.
fn script_end(text: &[u8]) -> Option<usize> {
    /// HTML calls them script data, escaped and double escaped.
    #[derive(Clone, Copy, PartialEq)]
    enum Depth {
        Plain,
        Comment,
        Script,
    }
    let (mut depth, mut at) = (Depth::Plain, 0);
    loop {
        at += memchr2(b'<', b'-', &text[at..])?;
        let here = &text[at..];
        at += 1;
        match depth {
            Depth::Plain if here.starts_with(b"<!--") => {
                depth = Depth::Comment;
                // Its dashes may be those of the end: `<!-->`.
                at += 1;
            }
            Depth::Comment | Depth::Script if here.starts_with(b"-->") => depth = Depth::Plain,
            Depth::Plain | Depth::Comment if here.starts_with(b"</") && is_name(&here[2..], b"script") => {
                return Some(at - 1);
            }
            Depth::Comment if here[0] == b'<' && is_name(&here[1..], b"script") => depth = Depth::Script,
            Depth::Script if here.starts_with(b"</") && is_name(&here[2..], b"script") => depth = Depth::Comment,
            _ => {}
        }
    }
}

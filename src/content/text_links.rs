//! The links of a plain text: what a mail program would make one of. Where programs differ in where it ends, it is
//! said to be unclear, and nobody touches it. RFC 3986 appendix C, and RFC 3676 for texts whose lines flow.

use memchr::memmem;
use std::borrow::Cow;
use std::ops::Range;

/// An absolute link with an authority, whatever may be wrong with it otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// In the text, from its scheme to its end: with the line breaks and quotation marks that flowed text put in.
    pub at: Range<usize>,
    pub url: Result<String, Unclear>,
}

/// Programs differ in where it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unclear {
    /// Letters beyond ASCII, of which some programs make the end and others do not.
    NotAscii,
    /// A sign that ends it for some.
    End,
    /// It seems to go on in the next line.
    Broken,
    /// It stands in another that is none of the web: `mailto:a@b.example?body=https://…`.
    Inside,
}

/// How the lines of a text are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    AsTheyAre,
    /// RFC 3676 with DelSp=yes: a line that ends with a space goes on in the next, without the space. Without DelSp
    /// there is always a space between, and no link goes over it.
    Flowed,
}

/// Schemes that lead to the web, and ours for "not tracked".
const SCHEMES: [&str; 4] = ["https", "http", "https+notrack", "http+notrack"];

/// Finds all of them.
pub fn find(text: &[u8], lines: Lines) -> Vec<Place> {
    if lines == Lines::AsTheyAre || memmem::find(text, b" \r\n").is_none() {
        return find_in(text);
    }
    let joined = Joined::of(text);
    let mut places = find_in(&joined.text);
    for place in &mut places {
        place.at = joined.place(place.at.start)..joined.place(place.at.end - 1) + 1;
    }
    places
}

/// Where in a link, as it is written, this many bytes of it are over: line breaks that flowed text put in are none of
/// them.
pub fn written_before(written: &[u8], bytes: usize) -> usize {
    let mut at = 0;
    for _ in 0..bytes {
        if let Some(line) = written.get(at..).and_then(|rest| rest.strip_prefix(b" \r\n")) {
            let depth = line.iter().take_while(|b| **b == b'>').count();
            at += 3 + depth + usize::from(line.get(depth) == Some(&b' '));
        }
        at += 1;
    }
    at.min(written.len())
}

fn find_in(text: &[u8]) -> Vec<Place> {
    let (mut places, mut at) = (Vec::new(), 0);
    while let Some(found) = memmem::find(&text[at..], b"://") {
        let colon = at + found;
        at = colon + 3;
        let Some(start) = scheme_start(text, at - found - 3, colon) else { continue };
        let (length, url) = extent(text, start, at);
        let url = if is_inside(&text[..start]) { Err(Unclear::Inside) } else { url };
        at = start + length;
        places.push(Place { at: start..at, url });
    }
    places
}

/// Where the scheme before this colon begins, if it is one of ours and no part of another word.
fn scheme_start(text: &[u8], from: usize, colon: usize) -> Option<usize> {
    let letters = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
    let length = text[from..colon].iter().rev().take(SCHEMES[2].len() + 1).take_while(|b| letters(b)).count();
    let scheme = &text[colon - length..colon];
    SCHEMES.iter().any(|known| scheme.eq_ignore_ascii_case(known.as_bytes())).then_some(colon - length)
}

/// Does the word before it begin another link? One of the web would have been found.
fn is_inside(before: &[u8]) -> bool {
    /// Those that come without slashes.
    const OTHERS: [&[u8]; 5] = [b"mailto:", b"sms:", b"data:", b"javascript:", b"view-source:"];
    const WORD_BYTES_MAX: usize = 1_000;
    let is_apart = |b: &u8| !b.is_ascii_graphic() || b"<>\"'()[]{}|*`,;".contains(b);
    let length = before.iter().rev().take(WORD_BYTES_MAX).take_while(|b| !is_apart(b)).count();
    let word = &before[before.len() - length..];
    memmem::find(word, b"://").is_some()
        || OTHERS.iter().any(|scheme| word.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme)))
}

/// How long the link is that begins here, and what it is.
fn extent(text: &[u8], start: usize, authority: usize) -> (usize, Result<String, Unclear>) {
    let is_end = |b: &u8| b.is_ascii_whitespace() || b.is_ascii_control() || matches!(b, b'<' | b'>' | b'"');
    let rest = &text[authority..];
    let run = rest.iter().position(|b| is_end(b) || !b.is_ascii()).unwrap_or(rest.len());
    let whole = authority - start + run;
    let before = start.checked_sub(1).map(|at| text[at]);
    let behind = &rest[run..];
    if before == Some(b'<') {
        // RFC 3986 appendix C: the brackets say where it ends, and nothing in them is punctuation.
        return match behind {
            [b'>', ..] => (whole, link(&text[start..start + whole])),
            [b'\r' | b'\n', ..] => (whole, Err(Unclear::Broken)),
            [byte, ..] if !byte.is_ascii() => (whole, Err(Unclear::NotAscii)),
            _ => (whole, Err(Unclear::End)),
        };
    }
    if let [first, ..] = behind
        && !first.is_ascii()
        && !is_closing(behind)
    {
        return (whole, Err(Unclear::NotAscii));
    }
    let length = without_punctuation(&text[start..start + whole]);
    if length <= authority - start {
        return (whole, Err(Unclear::End));
    }
    let found = &text[start..start + length];
    let url = match () {
        () if is_unclear(found) => Err(Unclear::End),
        () if length == whole && goes_on(text, start + whole) => Err(Unclear::Broken),
        () => link(found),
    };
    (length, url)
}

fn link(bytes: &[u8]) -> Result<String, Unclear> {
    // It is ASCII: what is not ended it.
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| Unclear::NotAscii)
}

/// Signs of UTF-8 with which a link ends for everybody: spaces, closing quotation marks and brackets, full stops of
/// scripts that put no space behind them.
fn is_closing(bytes: &[u8]) -> bool {
    const CLOSING: [char; 23] = [
        '\u{a0}', '\u{2003}', '\u{200b}', '\u{201d}', '\u{2019}', '\u{201c}', '\u{2018}', '\u{bb}', '\u{ab}',
        '\u{203a}', '\u{2039}', '\u{2026}', '\u{3000}', '\u{3001}', '\u{3002}', '\u{300d}', '\u{300f}', '\u{3011}',
        '\u{ff01}', '\u{ff09}', '\u{ff0c}', '\u{ff1a}', '\u{ff1f}',
    ];
    CLOSING.iter().any(|c| bytes.starts_with(c.encode_utf8(&mut [0; 4]).as_bytes()))
}

/// Without the punctuation of the sentence around it: full stops and their like, and brackets that were not opened
/// in it.
fn without_punctuation(url: &[u8]) -> usize {
    let mut length = url.len();
    let open = |mark: u8, length: usize| url[..length].iter().filter(|b| **b == mark).count();
    // Only as many as a sentence has: what ends with a thousand brackets is no link.
    for _ in 0..16 {
        let opening = match url[..length].last() {
            Some(b'.' | b',' | b';' | b':' | b'!' | b'?' | b'\'') => None,
            Some(b')') => Some((b'(', b')')),
            Some(b']') => Some((b'[', b']')),
            Some(b'}') => Some((b'{', b'}')),
            _ => return length,
        };
        if opening.is_some_and(|(opens, closes)| open(opens, length) >= open(closes, length)) {
            return length;
        }
        length -= 1;
    }
    length
}

/// Does it have something in it, or at its end, that some programs end it with?
fn is_unclear(url: &[u8]) -> bool {
    let ends_so =
        matches!(url.last(), Some(b'*' | b'_' | b'~' | b'|' | b'`' | b'.' | b',' | b';' | b':' | b'!' | b'?'));
    let mut depth = 0_i32;
    let is_open = url.iter().any(|b| {
        depth += i32::from(*b == b'(') - i32::from(*b == b')');
        depth < 0
    });
    // Two links with nothing but a comma between.
    let is_list = memmem::find_iter(url, b"://").skip(1).any(|at| {
        let word = url[..at].iter().rev().take_while(|b| b.is_ascii_alphabetic()).count();
        matches!(url[at - word - 1], b',' | b';' | b'|')
    });
    ends_so || is_open || is_list
}

/// A long line that ends with the link, before one that begins like the rest of one.
fn goes_on(text: &[u8], end: usize) -> bool {
    const LONG: usize = 60;
    let Some(next) = text[end..].strip_prefix(b"\r\n").or_else(|| text[end..].strip_prefix(b"\n")) else {
        return false;
    };
    let line = text[..end].iter().rev().take(LONG).take_while(|b| **b != b'\n').count();
    let word = next.iter().take(1_000).take_while(|b| b.is_ascii_graphic()).collect::<Vec<_>>();
    let looks_so = word.iter().any(|b| matches!(b, b'/' | b'=' | b'&' | b'%' | b'?' | b'_' | b'#'));
    let is_another = word.windows(3).any(|three| three.iter().map(|b| **b).eq(*b"://"));
    line >= LONG && looks_so && !is_another
}

/// A text with its flowed lines joined.
struct Joined<'a> {
    text: Cow<'a, [u8]>,
    /// Where pieces of it begin, there and in the text as it came.
    pieces: Vec<(usize, usize)>,
}

impl<'a> Joined<'a> {
    /// RFC 3676 4: lines of one depth of quotation are joined where the one before ends with a space, which goes.
    fn of(text: &'a [u8]) -> Self {
        let (mut joined, mut pieces) = (Vec::with_capacity(text.len()), Vec::new());
        // The depth of the line before, when it goes on.
        let mut flows: Option<usize> = None;
        let mut at = 0;
        while at < text.len() {
            let end = memchr::memchr(b'\n', &text[at..]).map_or(text.len(), |length| at + length + 1);
            let line = &text[at..end];
            let depth = line.iter().take_while(|b| **b == b'>').count();
            let stuffed = usize::from(line.get(depth) == Some(&b' '));
            let content = &line[depth + stuffed..];
            let is_same = flows == Some(depth);
            if flows.is_some() && !is_same {
                // RFC 3676 4.5: a line of another depth begins a new paragraph.
                joined.extend_from_slice(b"\r\n");
            }
            // What stands before the text of a line that goes on is no part of it.
            let from = if is_same { at + depth + stuffed } else { at };
            // RFC 3676 4.3: the line above a signature ends with a space and does not flow.
            let goes_on = content.ends_with(b" \r\n") && content != b"-- \r\n";
            let to = if goes_on { end - 3 } else { end };
            pieces.push((joined.len(), from));
            joined.extend_from_slice(&text[from.min(to)..to]);
            flows = goes_on.then_some(depth);
            at = end;
        }
        Self { text: Cow::Owned(joined), pieces }
    }

    /// Where a byte of it stands in the text.
    fn place(&self, at: usize) -> usize {
        let piece = self.pieces.partition_point(|(start, _)| *start <= at) - 1;
        let (start, from) = self.pieces[piece];
        from + (at - start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(text: &str) -> Vec<Result<String, Unclear>> {
        find(text.as_bytes(), Lines::AsTheyAre).into_iter().map(|place| place.url).collect()
    }

    #[test]
    fn a_link_ends_where_programs_agree_that_it_does() {
        for (text, want) in [
            ("see https://a.example/b.", "https://a.example/b"),
            ("(see https://a.example/b).", "https://a.example/b"),
            ("(https://a.example/b?)!", "https://a.example/b"),
            ("https://a.example/w/X_(y)", "https://a.example/w/X_(y)"),
            ("(https://a.example/w/X_(y))", "https://a.example/w/X_(y)"),
            ("[https://a.example/b]", "https://a.example/b"),
            ("[text](https://a.example/b), more", "https://a.example/b"),
            ("'https://a.example/b'", "https://a.example/b"),
            ("\"https://a.example/b\"", "https://a.example/b"),
            ("<https://a.example/b.>", "https://a.example/b."),
            ("<https://a.example/b)>", "https://a.example/b)"),
            ("https://a.example/docs/", "https://a.example/docs/"),
            ("https://a.example?x=1", "https://a.example?x=1"),
            ("https://a.example/!$*@'|,;x", "https://a.example/!$*@'|,;x"),
            ("HTTPS://A.Example/b", "HTTPS://A.Example/b"),
            ("Link:http://a.example/b\r\nnext", "http://a.example/b"),
            ("https://a.example/r?to=https://b.example/c", "https://a.example/r?to=https://b.example/c"),
            ("https://a.example/b\u{201d} and", "https://a.example/b"),
            ("https://a.example/b\u{3002}", "https://a.example/b"),
            // Quotation marks that open in one language and close in another.
            ("\u{bb}https://a.example/b\u{ab}", "https://a.example/b"),
            ("\u{201a}https://a.example/b\u{2018}", "https://a.example/b"),
            ("[ftp://a.example/](https://a.example/b)", "https://a.example/b"),
            ("https+notrack://a.example/b", "https+notrack://a.example/b"),
            ("https://a.example/#x", "https://a.example/#x"),
            ("https://[::1]/", "https://[::1]/"),
            ("https://a.example/1\tb", "https://a.example/1"),
        ] {
            assert_eq!(found(text), [Ok(want.to_owned())], "{text}");
        }
    }

    #[test]
    fn what_flowed_text_put_into_a_link_is_no_part_of_it() {
        for (written, bytes, at) in [
            (&b"https+notrack://a"[..], 5, 5),
            (b"https+no \r\ntrack://a", 5, 5),
            (b"https+no \r\ntrack://a", 13, 16),
            (b"https \r\n>> +notrack://a", 6, 12),
            (b"https \r\n +notrack://a", 6, 10),
            (b"ht", 5, 2),
        ] {
            assert_eq!(written_before(written, bytes), at, "{}", written.escape_ascii());
        }
    }

    #[test]
    fn where_they_differ_nobody_touches_it() {
        for (text, why) in [
            ("https://a.example/*", Unclear::End),
            ("*https://a.example/b*", Unclear::End),
            ("_https://a.example/b_ ", Unclear::End),
            ("(https://a.example/b)c", Unclear::End),
            ("https://a.example/b,https://b.example/c", Unclear::End),
            ("https://a.example/b\u{fc}cher", Unclear::NotAscii),
            ("https://b\u{fc}cher.example/", Unclear::NotAscii),
            ("<https://a.example/\u{fc}>", Unclear::NotAscii),
            ("<https://a.example/b c>", Unclear::End),
            ("<https://a.example/very\r\nlong>", Unclear::Broken),
            ("https://.", Unclear::End),
            ("mailto:a@a.example?body=https://a.example/b", Unclear::Inside),
            ("<MAILTO:a@a.example?body=see:https://a.example/b>", Unclear::Inside),
            ("whatsapp://send?text=https://a.example/b", Unclear::Inside),
            ("view-source:https://a.example/b", Unclear::Inside),
            (
                "https://a.example/a/very/long/path/that/goes/on/and/on/and/on/and\r\n/on/to/the=next\r\n",
                Unclear::Broken,
            ),
        ] {
            assert_eq!(found(text), [Err(why)], "{text}");
        }
    }

    #[test]
    fn what_is_no_link_of_the_web_is_none() {
        for text in [
            "ftp://a.example",
            "xhttp://a.example",
            "a+https://b",
            "//a.example",
            "mailto:a@b.example",
            "://",
            "http:/",
        ] {
            assert_eq!(found(text), [], "{text}");
        }
        assert_eq!(found("view-source:https://a.example/").len(), 1);
    }

    #[test]
    fn flowed_lines_are_joined_as_their_reader_joins_them() {
        for (text, url, at) in [
            (
                "x https://a.example/long \r\npath/here \r\n.\r\n",
                "https://a.example/longpath/here",
                "https://a.example/long \r\npath/here",
            ),
            (
                "x https://a.example/long \r\npath/here  \r\n.\r\n",
                "https://a.example/longpath/here",
                "https://a.example/long \r\npath/here",
            ),
            (
                "> https://a.example/long \r\n> path\r\nx",
                "https://a.example/longpath",
                "https://a.example/long \r\n> path",
            ),
            ("> https://a.example/long \r\n>> path\r\nx", "https://a.example/long", "https://a.example/long"),
            ("https://a.example/b \r\n", "https://a.example/b", "https://a.example/b"),
            ("-- \r\nhttps://a.example/b\r\n", "https://a.example/b", "https://a.example/b"),
            (" https://a.example/b\r\n", "https://a.example/b", "https://a.example/b"),
        ] {
            let places = find(text.as_bytes(), Lines::Flowed);
            assert_eq!(places.len(), 1, "{text:?}");
            assert_eq!(places[0].url.as_deref(), Ok(url), "{text:?}");
            assert_eq!(&text[places[0].at.clone()], at, "{text:?}");
        }
        let places = find(b"https://a.example/long \r\npath", Lines::AsTheyAre);
        assert_eq!(places[0].url.as_deref(), Ok("https://a.example/long"));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn places_are_in_order_and_hold_what_they_say(
            text in "(https?://|\\+notrack|[a-c.,;:!?()<>\\[\\]\"'*_/ \u{fc}\u{201d}>-]| \r\n|\r\n|> ){0,40}",
        ) {
            for lines in [Lines::AsTheyAre, Lines::Flowed] {
                let mut at = 0;
                for place in find(text.as_bytes(), lines) {
                    prop_assert!(place.at.start >= at && place.at.end > place.at.start);
                    at = place.at.end;
                    if let Ok(url) = place.url {
                        prop_assert!(!url.contains(char::is_whitespace));
                        let here = &text[place.at];
                        prop_assert!(lines == Lines::Flowed || here == url);
                        prop_assert!(here.starts_with("http"));
                    }
                }
            }
        }
    }
}

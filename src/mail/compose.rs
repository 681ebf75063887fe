//! A message put together of texts and parts (RFC 2045, RFC 2046): only as deep as it has to be, in lines of ASCII,
//! so that everybody can take it. And a message taken apart into the texts that people read and the parts that
//! are only carried, byte for byte.

mod text;

use super::header::{Field, Fields};
use super::mime::{Encoding, Entity, NoParts, Structure, Unnamed, split};
use crate::base::limits;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mail_parser::HeaderValue;
use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::charsets::map::charset_decoder;
use mail_parser::decoders::quoted_printable::quoted_printable_decode;
use mail_parser::parsers::MessageStream;
use std::fmt::Display;
use std::ops::Range;
use text::Measured;

/// What a message is made of, as far as its reader sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    pub html: Option<Written>,
    pub text: Option<Written>,
    /// Other forms of the same: a calendar's, beside text and HTML.
    pub alternatives: Vec<Range<usize>>,
    /// What the HTML shows: images, named by their Content-ID.
    pub inline: Vec<Range<usize>>,
    pub attachments: Vec<Range<usize>>,
}

/// A text of a message: what it says, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    pub text: String,
    /// Header and body.
    pub entity: Range<usize>,
    /// Its Content-Type field, if it has one.
    pub kind: Option<Range<usize>>,
    /// Its Content-Transfer-Encoding fields.
    pub encodings: Vec<Range<usize>>,
    pub fields_end: usize,
    pub body: Range<usize>,
}

/// Why a message cannot be taken apart; each is a sentence's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    Signed,
    Structure,
    TooDeep,
    TooMany,
    Encoding,
    Charset,
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Signed => "it is signed (multipart/signed), and the signature would not hold any more",
            Self::Structure => "its MIME structure can be read in more than one way",
            Self::TooDeep => "its parts are nested too deep",
            Self::TooMany => "it has too many parts",
            Self::Encoding => "a text in it is not in the encoding that it says",
            Self::Charset => "a text in it is in a character set that nobody knows here",
        })
    }
}

/// What a part says of itself.
struct Label {
    kind: String,
    subtype: String,
    charset: Option<String>,
    /// It has a name, or is to be saved.
    is_file: bool,
    at: Option<Range<usize>>,
}

impl Label {
    fn read(entity: &[u8], from: usize) -> Self {
        let (mut label, mut is_file) = (None, false);
        for field in Fields::of(entity) {
            if field.is("content-type") && label.is_none() {
                label = content_type(&field).map(|found| (found, field.range()));
            } else if field.is("content-disposition") {
                is_file = content_type(&field).is_some_and(|disposition| {
                    disposition.c_type.eq_ignore_ascii_case("attachment") || disposition.attribute("filename").is_some()
                });
            }
        }
        let Some((found, at)) = label else {
            return Self { kind: "text".into(), subtype: "plain".into(), charset: None, is_file, at: None };
        };
        Self {
            kind: found.c_type.to_ascii_lowercase(),
            subtype: found.c_subtype.as_deref().unwrap_or_default().to_ascii_lowercase(),
            charset: found.attribute("charset").map(str::to_owned),
            is_file: is_file || found.attribute("name").is_some(),
            at: Some(from + at.start..from + at.end),
        }
    }

    fn is_text(&self, subtype: &str) -> bool {
        self.kind == "text" && self.subtype == subtype && !self.is_file
    }
}

fn content_type(field: &Field<'_>) -> Option<mail_parser::ContentType<'static>> {
    let line = [field.value(), b"\r\n"].concat();
    match MessageStream::new(&line).parse_content_type().into_owned() {
        HeaderValue::ContentType(found) => Some(found),
        _ => None,
    }
}

/// Where a part stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Around {
    Nothing,
    Mixed,
    Alternative,
    Related,
}

/// Takes a message apart.
pub fn parts(message: &[u8]) -> Result<Parts, Unreadable> {
    let mut found = Parts::default();
    let mut reader = Reader { message, found: &mut found, entities: 0 };
    reader.entity(0..message.len(), Around::Nothing, 0)?;
    Ok(found)
}

struct Reader<'a> {
    message: &'a [u8],
    found: &'a mut Parts,
    entities: usize,
}

impl Reader<'_> {
    fn entity(&mut self, within: Range<usize>, around: Around, depth: usize) -> Result<(), Unreadable> {
        self.entities += 1;
        if self.entities > limits::MIME_PARTS_MAX {
            return Err(Unreadable::TooMany);
        }
        let entity = Entity::read(self.message, within.clone(), Unnamed::Text);
        let label = Label::read(&self.message[within.clone()], within.start);
        if around == Around::Nothing && label.at.is_some() && entity.flaw.is_some() {
            return Err(Unreadable::Structure);
        }
        match &entity.structure {
            Structure::Signed if around == Around::Nothing => Err(Unreadable::Signed),
            Structure::Multipart { boundary, is_digest: false } => {
                if depth >= limits::MIME_DEPTH_MAX {
                    return Err(Unreadable::TooDeep);
                }
                let boundary = boundary.as_deref().ok_or(Unreadable::Structure)?;
                let room = limits::MIME_PARTS_MAX - self.entities;
                let inner = split(self.message, entity.body.clone(), boundary, room).map_err(|why| match why {
                    NoParts::None => Unreadable::Structure,
                    NoParts::TooMany => Unreadable::TooMany,
                })?;
                let inside = match label.subtype.as_str() {
                    "alternative" => Around::Alternative,
                    "related" => Around::Related,
                    _ => Around::Mixed,
                };
                inner.parts.into_iter().try_for_each(|part| self.entity(part, inside, depth + 1))
            }
            _ if label.is_text("plain") && self.found.text.is_none() && around != Around::Related => {
                self.found.text = Some(self.written(&entity, &label, within)?);
                Ok(())
            }
            _ if label.is_text("html") && self.found.html.is_none() => {
                self.found.html = Some(self.written(&entity, &label, within)?);
                Ok(())
            }
            // Alone it is the whole message: its fields are the message's, and it has none of its own to carry.
            _ if around == Around::Nothing => Err(Unreadable::Structure),
            _ => {
                match around {
                    Around::Related => self.found.inline.push(within),
                    Around::Alternative => self.found.alternatives.push(within),
                    Around::Mixed | Around::Nothing => self.found.attachments.push(within),
                }
                Ok(())
            }
        }
    }

    fn written(&self, entity: &Entity, label: &Label, within: Range<usize>) -> Result<Written, Unreadable> {
        let raw = &self.message[entity.body.clone()];
        let bytes = match entity.encoding {
            Encoding::SevenBit | Encoding::Unrestricted => raw.to_vec(),
            Encoding::QuotedPrintable => quoted_printable_decode(raw).ok_or(Unreadable::Encoding)?,
            Encoding::Base64 => base64_decode(raw).ok_or(Unreadable::Encoding)?,
            Encoding::Other => return Err(Unreadable::Encoding),
        };
        Ok(Written {
            text: decoded(bytes, label.charset.as_deref())?,
            entity: within,
            kind: label.at.clone(),
            encodings: entity.encodings.clone(),
            fields_end: entity.fields_end,
            body: entity.body.clone(),
        })
    }
}

/// RFC 2046 4.1.2. What says nothing, or ASCII, and is UTF-8 is meant as such.
fn decoded(bytes: Vec<u8>, charset: Option<&str>) -> Result<String, Unreadable> {
    let charset = charset.unwrap_or("us-ascii").trim().to_ascii_lowercase();
    if matches!(charset.as_str(), "us-ascii" | "ascii" | "utf-8" | "utf8" | "unknown-8bit") {
        return Ok(
            String::from_utf8(bytes).unwrap_or_else(|wrong| String::from_utf8_lossy(wrong.as_bytes()).into_owned())
        );
    }
    let decode = charset_decoder(charset.as_bytes()).ok_or(Unreadable::Charset)?;
    Ok(decode(&bytes))
}

/// A body to be written, with what is carried along as it came.
#[derive(Clone, Default)]
pub struct Body<'a> {
    pub text: Option<&'a dyn Display>,
    pub html: Option<&'a dyn Display>,
    /// Whole entities: header, empty line, body.
    pub alternatives: Vec<&'a [u8]>,
    pub inline: Vec<&'a [u8]>,
    pub attachments: Vec<&'a [u8]>,
}

/// The texts of a body.
#[derive(Clone, Copy)]
struct Texts<'a> {
    plain: Option<Measured<'a>>,
    html: Option<Measured<'a>>,
}

/// The fields of an entity of ours, and the boundary before it.
const FIELDS_BYTES: usize = 128;

impl Body<'_> {
    /// Its fields and itself, behind whatever header there is. `boundary` gives a new one each time: found nowhere
    /// in what is carried, since chance made it.
    pub fn write(&self, out: &mut Vec<u8>, mut boundary: impl FnMut() -> String) {
        let texts = Texts { plain: self.text.map(Measured::of), html: self.html.map(Measured::of) };
        out.reserve_exact(self.bytes(&texts));
        out.extend_from_slice(b"MIME-Version: 1.0\r\n");
        if self.attachments.is_empty() {
            return self.alternative(&texts, out, &mut boundary);
        }
        multipart(out, "mixed", &boundary(), |out, next| {
            next(out);
            self.alternative(&texts, out, &mut boundary);
            for part in &self.attachments {
                next(out);
                out.extend_from_slice(part);
            }
        });
    }

    /// How long it becomes, or a little more.
    fn bytes(&self, texts: &Texts<'_>) -> usize {
        let carried = [&self.alternatives, &self.inline, &self.attachments].into_iter().flatten();
        let carried: usize = carried.map(|part| part.len() + FIELDS_BYTES).sum();
        let texts = [texts.plain, texts.html].into_iter().flatten();
        // Three multiparts in each other, at most.
        carried + texts.map(|text| text.encoded_bytes() + FIELDS_BYTES).sum::<usize>() + 3 * FIELDS_BYTES / 2
    }

    fn alternative(&self, texts: &Texts<'_>, out: &mut Vec<u8>, boundary: &mut impl FnMut() -> String) {
        let forms = usize::from(self.text.is_some()) + usize::from(self.html.is_some()) + self.alternatives.len();
        if forms < 2 {
            return self.forms(texts, out, boundary, |_| {});
        }
        // RFC 2046 5.1.4: the best comes last.
        multipart(out, "alternative", &boundary(), |out, next| self.forms(texts, out, boundary, next));
    }

    fn forms(
        &self,
        texts: &Texts<'_>,
        out: &mut Vec<u8>,
        boundary: &mut impl FnMut() -> String,
        next: impl Fn(&mut Vec<u8>),
    ) {
        if let Some(plain) = &texts.plain {
            next(out);
            text(out, "plain", plain);
        }
        if let Some(html) = &texts.html {
            next(out);
            self.related(out, html, boundary);
        }
        for part in &self.alternatives {
            next(out);
            out.extend_from_slice(part);
        }
        if self.text.is_none() && self.html.is_none() && self.alternatives.is_empty() {
            text(out, "plain", &Measured::of(&""));
        }
    }

    /// RFC 2387: HTML with what it shows.
    fn related(&self, out: &mut Vec<u8>, html: &Measured<'_>, boundary: &mut impl FnMut() -> String) {
        if self.inline.is_empty() {
            return text(out, "html", html);
        }
        multipart(out, "related; type=\"text/html\"", &boundary(), |out, next| {
            next(out);
            text(out, "html", html);
            for part in &self.inline {
                next(out);
                out.extend_from_slice(part);
            }
        });
    }
}

fn multipart(out: &mut Vec<u8>, kind: &str, boundary: &str, write: impl FnOnce(&mut Vec<u8>, &dyn Fn(&mut Vec<u8>))) {
    put(out, &["Content-Type: multipart/", kind, ";\r\n\tboundary=\"", boundary, "\"\r\n"]);
    // RFC 2046 5.1.1: the line end before a boundary belongs to the boundary.
    write(out, &|out| put(out, &["\r\n--", boundary, "\r\n"]));
    put(out, &["\r\n--", boundary, "--\r\n"]);
}

fn put(out: &mut Vec<u8>, words: &[&str]) {
    words.iter().for_each(|word| out.extend_from_slice(word.as_bytes()));
}

fn text(out: &mut Vec<u8>, subtype: &str, text: &Measured<'_>) {
    put(out, &["Content-Type: text/", subtype, "; charset=utf-8\r\n"]);
    text.write(out);
}

/// The field that says how, an empty line, and the text in it.
pub fn encoded(out: &mut Vec<u8>, text: &str) {
    let text = Measured::of(&text);
    out.reserve_exact(text.encoded_bytes() + FIELDS_BYTES);
    text.write(out);
}

/// A field of text that people read: what is not plain ASCII in encoded words of at most 75 characters (RFC 2047 2),
/// folded. Nothing in the text can end the field.
pub fn unstructured(name: &str, text: &str) -> String {
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    let is_plain = text.bytes().all(|b| matches!(b, b' '..=b'~')) && !text.contains("=?");
    let mut field = format!("{name}:");
    let mut column = field.len();
    let words: Vec<String> = if is_plain && text.split(' ').all(|word| word.len() <= 900) {
        text.split(' ').map(str::to_owned).collect()
    } else {
        encoded_words(&text)
    };
    for (n, word) in words.iter().enumerate() {
        // RFC 5322 2.1.1: 78 characters, where there is a space to fold at. A line of white space alone is none.
        let fold = n > 0 && column + 1 + word.len() > 76 && !word.is_empty();
        field.push_str(if fold { "\r\n " } else { " " });
        column = if fold { 1 } else { column + 1 };
        field.push_str(word);
        column += word.len();
    }
    let end = field.trim_end().len();
    field.truncate(end);
    field.push_str("\r\n");
    field
}

/// RFC 2047 5 (3): no word ends within a character.
fn encoded_words(text: &str) -> Vec<String> {
    /// 75 without `=?utf-8?B?` and `?=`, in groups of four.
    const BYTES: usize = 45;
    let (mut words, mut from) = (Vec::new(), 0);
    while from < text.len() {
        let end = text.floor_char_boundary((from + BYTES).min(text.len()));
        words.push(format!("=?utf-8?B?{}?=", STANDARD.encode(&text[from..end])));
        from = end;
    }
    words
}

/// A Content-Type field with its text's new character set; everything else of it as it was.
pub fn with_utf8(field: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(field).replace("\r\n", "");
    let (name, value) = text.split_once(':').unwrap_or(("Content-Type", &text));
    let mut made = format!("{name}:");
    for (n, piece) in pieces(value).iter().enumerate() {
        let piece = piece.trim();
        let is_charset = piece.split('=').next().is_some_and(|name| name.trim().eq_ignore_ascii_case("charset"));
        if piece.is_empty() || (n > 0 && is_charset) {
            continue;
        }
        made.push_str(if n == 0 { " " } else { ";\r\n\t" });
        made.push_str(piece);
    }
    made.push_str(";\r\n\tcharset=utf-8\r\n");
    made.into_bytes()
}

/// Between semicolons that stand in no quotation.
fn pieces(value: &str) -> Vec<&str> {
    let (mut found, mut from, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, byte) in value.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b';' if !quoted => {
                found.push(&value[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    found.push(&value[from..]);
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn boundaries() -> impl FnMut() -> String {
        let mut n = 0;
        move || {
            n += 1;
            format!("=_{n}")
        }
    }

    fn written(body: &Body<'_>) -> String {
        let mut out = Vec::new();
        body.write(&mut out, boundaries());
        String::from_utf8(out).unwrap()
    }

    fn with_line_ends(text: &str) -> String {
        let mut lines = text.replace("\r\n", "\n").replace('\r', "\n").replace('\n', "\r\n");
        if !lines.is_empty() && !lines.ends_with('\n') {
            lines.push_str("\r\n");
        }
        lines
    }

    #[test]
    fn a_message_is_only_as_deep_as_it_has_to_be() {
        let part = b"Content-Type: image/png\r\nContent-ID: <a>\r\n\r\nPNG".as_slice();
        let depth = |body: Body<'_>| written(&body).matches("multipart/").count();
        assert_eq!(depth(Body { text: Some(&"x"), ..Body::default() }), 0);
        assert_eq!(depth(Body { html: Some(&"x"), ..Body::default() }), 0);
        assert_eq!(depth(Body { text: Some(&"x"), html: Some(&"x"), ..Body::default() }), 1);
        assert_eq!(depth(Body { html: Some(&"x"), inline: vec![part], ..Body::default() }), 1);
        let all = Body {
            text: Some(&"x"),
            html: Some(&"y"),
            inline: vec![part],
            attachments: vec![part],
            alternatives: vec![part],
        };
        assert_eq!(depth(all.clone()), 3);
        let message = written(&all);
        let found = parts(message.as_bytes()).unwrap();
        assert_eq!((found.text.unwrap().text.as_str(), found.html.unwrap().text.as_str()), ("x\r\n", "y\r\n"));
        for carried in [&found.inline, &found.attachments, &found.alternatives] {
            assert_eq!(&message.as_bytes()[carried[0].clone()], part);
        }
    }

    #[test]
    fn texts_are_decoded_from_their_encoding_and_charset() {
        let message =
            b"Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
            Gr=FC=DFe\r\n";
        assert_eq!(parts(message).unwrap().text.unwrap().text, "Gr\u{fc}\u{df}e\r\n");
        let message =
            b"Content-Type: TEXT/HTML; charset=\"UTF-8\"\r\nContent-Transfer-Encoding: BASE64\r\n\r\nPGI+w7w8L2I+\r\n";
        assert_eq!(parts(message).unwrap().html.unwrap().text, "<b>\u{fc}</b>");
        for (message, why) in [
            ("Content-Type: text/plain; charset=klingon\r\n\r\nx", Unreadable::Charset),
            ("Content-Type: multipart/signed; boundary=a\r\n\r\n--a\r\n\r\nx\r\n--a--\r\n", Unreadable::Signed),
            ("Content-Type: multipart/mixed\r\n\r\nx", Unreadable::Structure),
            ("Content-Type: application/pdf\r\n\r\nx", Unreadable::Structure),
        ] {
            assert_eq!(parts(message.as_bytes()), Err(why), "{message}");
        }
        assert_eq!(parts(b"Subject: x\r\n\r\nplain\r\n").unwrap().text.unwrap().text, "plain\r\n");
        let named = "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: text/plain; name=x.txt\r\n\r\nx\r\n--a--\r\n";
        let found = parts(named.as_bytes()).unwrap();
        assert_eq!((found.text, found.attachments.len()), (None, 1), "a file is no text of the message");
    }

    #[test]
    fn a_charset_is_changed_and_nothing_else() {
        let field = b"Content-Type: text/plain; charset=iso-8859-1;\r\n format=flowed; x=\"a;charset=b\"\r\n";
        let expected = "Content-Type: text/plain;\r\n\tformat=flowed;\r\n\tx=\"a;charset=b\";\r\n\tcharset=utf-8\r\n";
        assert_eq!(String::from_utf8(with_utf8(field)).unwrap(), expected);
    }

    proptest! {
        #[test]
        fn any_subject_is_one_field_that_reads_as_it_was(text in "([a-z =?\\PC]|\r|\n|\0| ){0,200}") {
            let field = unstructured("Subject", &text);
            let name_and_value = field.strip_suffix("\r\n").unwrap();
            for (n, line) in name_and_value.split("\r\n").enumerate() {
                prop_assert!(n == 0 || line.starts_with(' '));
                prop_assert!(line.is_ascii() && !line.contains(['\r', '\n', '\0']) && line.len() <= 998);
                for word in line.split(' ').filter(|word| word.starts_with("=?utf-8?B?")) {
                    prop_assert!(word.len() <= 75);
                }
            }
            prop_assert_eq!(Fields::of(field.as_bytes()).count(), 1);
            let meant: String = text.chars().filter(|c| !c.is_control()).collect();
            let read = crate::mail::text::readable(&name_and_value.as_bytes()["Subject:".len()..], 4_000);
            let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
            prop_assert_eq!(squeezed(&read), squeezed(&meant));
        }

        #[test]
        fn any_texts_come_back_and_every_line_is_short(text in "([a-z. -=]|\u{e9}|\u{6771}|\r\n|\n){0,300}", html in "\\PC{0,300}") {
            let message = written(&Body { text: Some(&text), html: Some(&html), ..Body::default() });
            prop_assert!(message.is_ascii());
            prop_assert!(message.split("\r\n").all(|line| line.len() <= 76 && !line.contains(['\r', '\n'])));
            let found = parts(message.as_bytes()).unwrap();
            prop_assert_eq!(found.text.unwrap().text, with_line_ends(&text));
            prop_assert_eq!(found.html.unwrap().text, with_line_ends(&html));
        }

        #[test]
        fn no_message_breaks_the_reader(message in "(Content-Type: multipart/mixed; boundary=a\r\n|Content-Type: text/html\r\n|\r\n|--a\r\n|--a--\r\n|charset=|x|=|;|\\PC){0,40}") {
            let _ = parts(message.as_bytes());
            let _ = with_utf8(message.as_bytes());
        }
    }
}

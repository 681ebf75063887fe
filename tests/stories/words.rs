//! What stands in the lines of a story: texts with escapes and insertions, which become bytes, and
//! patterns, which a reply is held against.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// What insertions speak of.
#[derive(Clone, Debug)]
pub struct Here {
    /// The address the client connects from: each telling of a story has its own.
    pub me: String,
    /// Another of its own, for a client behind a balancer.
    pub other: String,
    /// Which time it is, in a line that is said several times.
    pub n: usize,
}

/// The bytes of a text. `\r \n \t \0 \\ \{ \} \xNN` are escapes; insertions are `{me}`,
/// `{other}`, `{n}`, `{500 x text}` (the text so many times) and `{b64 text}`.
pub fn bytes(text: &str, here: &Here) -> Result<Vec<u8>, String> {
    let (mut out, mut rest) = (Vec::new(), text);
    while let Some(c) = rest.chars().next() {
        rest = match c {
            '\\' => escape(&rest[1..], &mut out)?,
            '{' => {
                let end = closing(rest).ok_or_else(|| format!("no }} for the {{ in {text:?}"))?;
                out.extend(insertion(&rest[1..end], here)?);
                &rest[end + 1..]
            }
            c => {
                out.extend_from_slice(&rest.as_bytes()[..c.len_utf8()]);
                &rest[c.len_utf8()..]
            }
        };
    }
    Ok(out)
}

/// One escape, behind its backslash; answers what follows it.
fn escape<'a>(rest: &'a str, out: &mut Vec<u8>) -> Result<&'a str, String> {
    let letter = rest.bytes().next().ok_or("a backslash at the end: write \\\\")?;
    out.push(match letter {
        b'r' => b'\r',
        b'n' => b'\n',
        b't' => b'\t',
        b'0' => 0,
        b'\\' | b'{' | b'}' => letter,
        b'x' => {
            let digits = rest.get(1..3).ok_or("\\x needs two digits")?;
            out.push(u8::from_str_radix(digits, 16).map_err(|_| format!("\\x{digits} is no byte"))?);
            return Ok(&rest[3..]);
        }
        other => return Err(format!("\\{} is no escape", other as char)),
    });
    Ok(&rest[1..])
}

/// Where the insertion at the start of the text ends.
fn closing(text: &str) -> Option<usize> {
    let (mut depth, mut escaped) = (0, false);
    for (at, b) in text.bytes().enumerate() {
        match b {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'{' => depth += 1,
            b'}' if depth == 1 => return Some(at),
            b'}' => depth -= 1,
            _ => {}
        }
    }
    None
}

fn insertion(inner: &str, here: &Here) -> Result<Vec<u8>, String> {
    match inner {
        "me" => return Ok(here.me.clone().into_bytes()),
        "other" => return Ok(here.other.clone().into_bytes()),
        "n" => return Ok(here.n.to_string().into_bytes()),
        _ => {}
    }
    if let Some(text) = inner.strip_prefix("b64 ") {
        return Ok(STANDARD.encode(bytes(text, here)?).into_bytes());
    }
    match inner.split_once(" x ").map(|(times, text)| (times.parse::<usize>(), text)) {
        Some((Ok(times), text)) => Ok(bytes(text, here)?.repeat(times)),
        _ => Err(format!("{{{inner}}} is no insertion")),
    }
}

/// A line of a reply, with `…` for anything.
#[derive(Debug)]
pub struct Pattern(String);

impl Pattern {
    pub fn new(text: &str, here: &Here) -> Result<Self, String> {
        String::from_utf8(bytes(text, here)?).map(Self).map_err(|_| format!("{text:?} is not UTF-8"))
    }

    pub fn fits(&self, line: &str) -> bool {
        let mut pieces = self.0.split('…');
        let Some(mut rest) = line.strip_prefix(pieces.next().unwrap_or_default()) else { return false };
        let mut pieces: Vec<&str> = pieces.collect();
        let Some(last) = pieces.pop() else { return rest.trim_end().is_empty() };
        for piece in pieces {
            let Some(at) = rest.find(piece) else { return false };
            rest = &rest[at + piece.len()..];
        }
        rest.trim_end().ends_with(last.trim_end())
    }
}

#[test]
fn texts_become_bytes() {
    let here = Here { me: "127.1.0.1".into(), other: "127.2.0.1".into(), n: 7 };
    for (text, wanted) in [
        (r"a\r\n\0\x80\\\{", b"a\r\n\0\x80\\{".as_slice()),
        ("u{n}@[{me}]", b"u7@[127.1.0.1]"),
        ("{3 x ab}", b"ababab"),
        (r"{2 x {n}\}}", b"7}7}"),
        (r"{b64 \0app\0pw}", b"AGFwcABwdw=="),
        ("bücher", "bücher".as_bytes()),
    ] {
        assert_eq!(bytes(text, &here).unwrap(), wanted, "{text}");
    }
    for text in ["\\", "\\q", "\\x1", "{", "{b65 a}", "{x x a}"] {
        assert!(bytes(text, &here).is_err(), "{text}");
    }
}

#[test]
fn patterns_fit_whole_lines() {
    let here = Here { me: String::new(), other: String::new(), n: 0 };
    let fits = |pattern: &str, line: &str| Pattern::new(pattern, &here).unwrap().fits(line);
    assert!(fits("250 2.0.0 …", "250 2.0.0 OK") && fits("250 OK", "250 OK ") && fits("334", "334 "));
    assert!(fits("221 … goodbye", "221 2.0.0 mail.example.com says goodbye") && fits("a…b…c", "a1b2bc"));
    assert!(!fits("250 2.0.0", "250 2.0.0 OK") && !fits("250 …", "251 OK") && !fits("a…b…c", "a1c2b"));
    assert!(!fits("250 …", "250-more") && !fits("aa…aa", "aaa"));
}

//! RFC 2046 5.1.1: where the parts of a multipart begin and end.

use memchr::memmem;
use std::ops::Range;

/// A multipart, taken apart. What stands before, between and behind is nobody's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    /// Before the first boundary line.
    pub preamble: Range<usize>,
    /// Header and body of each, without the CRLF that belongs to the boundary behind it.
    pub parts: Vec<Range<usize>>,
    /// Behind the line that closes it.
    pub epilogue: Range<usize>,
}

/// A boundary line.
struct Line {
    /// Where its dashes begin.
    at: usize,
    /// Where its own line end begins, and where that is over.
    text_end: usize,
    end: usize,
    closes: bool,
}

/// Why it cannot be taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoParts {
    /// No line in it begins a part.
    None,
    TooMany,
}

/// Takes apart the body of a multipart. One that nothing closes ends with its body.
pub fn split(message: &[u8], body: Range<usize>, boundary: &[u8], parts_max: usize) -> Result<Parts, NoParts> {
    let mark = [b"\r\n--", boundary].concat();
    let finder = memmem::Finder::new(&mark);
    let first = first_line(message, &body, &finder).filter(|line| !line.closes).ok_or(NoParts::None)?;
    let mut found = Parts { preamble: body.start..first.at, parts: Vec::new(), epilogue: body.end..body.end };
    let mut line = first;
    while !line.closes {
        if found.parts.len() >= parts_max {
            return Err(NoParts::TooMany);
        }
        let next = next_line(message, line.text_end, body.end, &finder);
        // An empty part has one CRLF in all: it ends the line before it and belongs to the line behind it.
        let end = next.as_ref().map_or(body.end, |next| (next.at - 2).max(line.end));
        found.parts.push(line.end..end);
        match next {
            Some(next) => line = next,
            None => return Ok(found),
        }
    }
    found.epilogue = line.end..body.end;
    Ok(found)
}

fn first_line(message: &[u8], body: &Range<usize>, finder: &memmem::Finder<'_>) -> Option<Line> {
    // The CRLF before the first may be the one that ends the header.
    let dashes = &finder.needle()[2..];
    let at_start =
        message[body.clone()].starts_with(dashes).then(|| line_at(message, body.start, body.end, dashes.len()));
    at_start.flatten().or_else(|| next_line(message, body.start, body.end, finder))
}

fn next_line(message: &[u8], from: usize, end: usize, finder: &memmem::Finder<'_>) -> Option<Line> {
    let found = finder.find_iter(&message[from..end]);
    found.map(|at| from + at + 2).find_map(|at| line_at(message, at, end, finder.needle().len() - 2))
}

/// RFC 2046 5.1.1: behind the boundary there is nothing but two dashes, which close, and white space. A line that
/// goes on belongs to another boundary, or to a part.
fn line_at(message: &[u8], at: usize, end: usize, dashes: usize) -> Option<Line> {
    let behind = &message[at + dashes..end];
    let (closes, padding) = behind.strip_prefix(b"--").map_or((false, behind), |padding| (true, padding));
    let space = padding.iter().position(|b| !matches!(b, b' ' | b'\t')).unwrap_or(padding.len());
    let text_end = end - padding.len() + space;
    match &message[text_end..end] {
        [] => Some(Line { at, text_end, end, closes }),
        [b'\r', b'\n', ..] => Some(Line { at, text_end, end: text_end + 2, closes }),
        _ => None,
    }
}

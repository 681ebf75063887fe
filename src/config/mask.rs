//! Where secrets stand in the text of a configuration file. What was read as a secret is known
//! exactly; where the syntax is broken the text is looked over as well, and rather too much is hidden.

use crate::base::settings::Span;
use regex::Regex;
use std::sync::LazyLock;

/// What stands in for a secret.
pub const STARS: &str = "***";

static SECRET_KEY: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(?i)\b[\w.-]*(?:pass|secret|token|scram|master_key)[\w-]*["']?[ \t]*(?:[=:]\s*)?"#)
        // Invariant: a constant expression that the tests compile.
        .expect("a valid expression")
});
static URL_PASSWORD: LazyLock<Regex> = LazyLock::new(|| {
    // Invariant: a constant expression that the tests compile.
    Regex::new(r"://[^\s/@]*:([^\r\n]+)@").expect("a valid expression")
});

/// Passwords in URLs, anywhere in the text.
pub fn in_urls(text: &str) -> Vec<Span> {
    URL_PASSWORD.captures_iter(text).filter_map(|found| Some(found.get(1)?.range().into())).collect()
}

/// Values behind keys that sound like secrets, by the look of the text alone.
pub fn by_look(text: &str) -> Vec<Span> {
    let (mut spans, mut at) = (Vec::new(), 0);
    // Each search begins behind the last value: a text of nothing but keys is still read only once.
    while let Some(key) = SECRET_KEY.find_at(text, at) {
        let value = Span { start: key.end(), end: value_end(text, key.end()) };
        at = value.end.max(key.end());
        spans.push(value);
    }
    spans
}

/// The end of what may be one value: of its line, of a text in three quotes, of a list or table.
fn value_end(text: &str, start: usize) -> usize {
    let value = &text[start..];
    let line = value.find(['\r', '\n']).unwrap_or(value.len());
    for (open, close) in [('[', ']'), ('{', '}')] {
        if value.starts_with(open) {
            return start + value.find(close).map_or(value.len(), |end| end.max(line));
        }
    }
    for quotes in ["\"\"\"", "'''"] {
        if let Some(inner) = value.strip_prefix(quotes) {
            return inner.find(quotes).map_or(text.len(), |end| start + 2 * quotes.len() + end);
        }
    }
    start + line
}

/// In order, without overlaps and without empty ones.
pub fn merged(mut spans: Vec<Span>) -> Vec<Span> {
    spans.retain(|span| span.start < span.end);
    spans.sort();
    let mut merged: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        match merged.last_mut() {
            Some(last) if span.start < last.end => last.end = last.end.max(span.end),
            _ => merged.push(span),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden<'a>(text: &'a str, spans: &[Span]) -> Vec<&'a str> {
        spans.iter().map(|span| &text[span.start..span.end]).collect()
    }

    #[test]
    fn secrets_are_seen_in_broken_text() {
        let text = "a = 1\nPassWord= \"hunter2\nb = { db_password = 'x' }\nscram = \"\"\"\none\ntwo";
        assert_eq!(hidden(text, &by_look(text)), ["\"hunter2", "'x' }", "\"\"\"\none\ntwo"]);
        let text = "token: y\npassword z\nsecret =\nline\nscram = [\n'a',\n'b'] # c\nd = 1";
        assert_eq!(hidden(text, &by_look(text)), ["y", "z", "line", "[\n'a',\n'b'"]);
    }

    #[test]
    fn passwords_are_seen_in_urls() {
        let text = "url = \"postgres://gp:hun@t/er2@db/x\" # https://a.example/b";
        assert_eq!(hidden(text, &in_urls(text)), ["hun@t/er2"]);
    }

    #[test]
    fn spans_are_merged() {
        let span = |start, end| Span { start, end };
        assert_eq!(merged(vec![span(5, 9), span(1, 3), span(2, 4), span(7, 7)]), [span(1, 4), span(5, 9)]);
    }
}

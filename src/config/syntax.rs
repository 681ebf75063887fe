//! TOML into the tree that settings are read from. The only file that knows the TOML parser.

use crate::base::settings::{Entry, Finding, Kind, Node, Span};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The tree of a text, as far as it can be understood, and every mistake of syntax in it.
pub fn parse(text: &str) -> (Node, Vec<Finding>) {
    let (root, errors) = DeTable::parse_recoverable(text);
    let mut findings: Vec<_> = errors.iter().map(|error| finding(error, text)).collect();
    let node = Node { span: Span::default(), kind: table(root.get_ref(), &mut findings) };
    (node, findings)
}

fn finding(error: &toml::de::Error, text: &str) -> Finding {
    // The parser says `description, expected what`; the second half belongs at the place.
    let message = error.message().lines().next().unwrap_or("syntax error");
    let (what, expected) = match message.split_once(", ") {
        Some((what, expected)) => (what, Some(expected)),
        None => (message, None),
    };
    let span = error.span().map(|range| clipped(range.into(), text));
    let finding = Finding::error(span, format!("syntax: {what}"));
    match expected {
        Some(expected) => finding.label(expected),
        None => finding,
    }
}

/// Inside the text, and on character borders, whatever the parser thinks.
fn clipped(span: Span, text: &str) -> Span {
    let start = text.floor_char_boundary(span.start);
    Span { start, end: text.ceil_char_boundary(span.end).max(start) }
}

// Depth is bounded by the parser's own recursion limit.
fn table(table: &DeTable<'_>, findings: &mut Vec<Finding>) -> Kind {
    let mut entries: Vec<_> = table
        .iter()
        .map(|(key, value)| Entry {
            key: key.get_ref().to_string(),
            key_span: key.span().into(),
            node: node(value, findings),
        })
        .collect();
    // The parser sorts keys by name; people read them in their order.
    entries.sort_by_key(|entry| entry.key_span);
    Kind::Table(entries)
}

fn node(value: &Spanned<DeValue<'_>>, findings: &mut Vec<Finding>) -> Node {
    let span = value.span().into();
    let kind = match value.get_ref() {
        DeValue::String(text) => Kind::Text(text.to_string()),
        DeValue::Integer(number) => match i128::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Kind::Integer(number.to_string()),
            Err(_) => {
                findings.push(Finding::error(span, "this number is too large"));
                Kind::Integer("0".to_owned())
            }
        },
        DeValue::Float(number) => Kind::Float(number.to_string()),
        DeValue::Boolean(value) => Kind::Bool(*value),
        DeValue::Datetime(time) => Kind::Time(time.to_string()),
        DeValue::Array(items) => Kind::List(items.iter().map(|item| node(item, findings)).collect()),
        DeValue::Table(entries) => table(entries, findings),
    };
    Node { span, kind }
}

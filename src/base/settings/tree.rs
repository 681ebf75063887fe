//! A settings file as a tree: values and the bytes at which each was written. Deliberately without
//! `Debug`: a node may hold a secret.

use std::collections::HashMap;

/// Bytes of the source, from `start` up to, not including, `end`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    pub start: usize,
    pub end: usize,
}

impl From<std::ops::Range<usize>> for Span {
    fn from(range: std::ops::Range<usize>) -> Self {
        Self { start: range.start, end: range.end }
    }
}

/// Lists of which not every element could be read: by the list's place, the elements that were.
pub type Partial = HashMap<Span, Vec<usize>>;

pub struct Node {
    /// Where the value stands; for a table its header, for the whole file its beginning.
    pub span: Span,
    pub kind: Kind,
}

pub enum Kind {
    Text(String),
    /// As written, without underscores, in decimal: whether it fits is the reader's question.
    Integer(String),
    Float(String),
    Bool(bool),
    Time(String),
    List(Vec<Node>),
    Table(Vec<Entry>),
}

pub struct Entry {
    pub key: String,
    pub key_span: Span,
    pub node: Node,
}

impl Kind {
    /// What it is, for a message.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Integer(_) => "a whole number",
            Self::Float(_) => "a number with a point",
            Self::Bool(_) => "true or false",
            Self::Time(_) => "a date or time",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

impl Node {
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.kind {
            Kind::Table(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }

    /// The node at a path like `domain[1].dkim[0].key`, or the last one on the way to it. An index
    /// counts what was read: elements with mistakes are passed over.
    pub fn at(&self, path: &str, partial: &Partial) -> (&Node, Found) {
        let mut node = self;
        for step in path.split(['.', '[']) {
            let next = match (step.strip_suffix(']').map(str::parse::<usize>), &node.kind) {
                (Some(Ok(index)), Kind::List(items)) => match partial.get(&node.span) {
                    Some(read) => read.get(index).and_then(|index| items.get(*index)),
                    None => items.get(index),
                },
                _ => node.entry(step).map(|entry| &entry.node),
            };
            match next {
                Some(next) => node = next,
                None => return (node, Found::PartOfTheWay),
            }
        }
        (node, Found::Whole)
    }
}

/// How much of a path the file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    Whole,
    PartOfTheWay,
}

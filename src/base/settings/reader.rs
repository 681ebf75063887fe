//! Walks the tree of a settings file, collects what is wrong with it, and remembers where secrets
//! stand.

use super::environment::Environment;
use super::finding::{Finding, Severity, nearest};
use super::section::Table;
use super::tree::{Entry, Kind, Node, Partial, Span};
use super::value::Value;
use std::path::{Path, PathBuf};

pub struct Reader<'a> {
    environment: &'a Environment,
    directory: &'a Path,
    subject: String,
    findings: Vec<Finding>,
    masks: Vec<Span>,
    secret_files: Vec<(Span, PathBuf)>,
    partial: Partial,
    outside: Outside,
}

/// May values come from files and variables of this machine?
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outside {
    Open,
    Closed,
}

/// What a reader learnt beside the values.
pub struct Read {
    pub findings: Vec<Finding>,
    /// Where secrets stand: never to be shown.
    pub masks: Vec<Span>,
    /// Files that secrets were read from, and where they are named.
    pub secret_files: Vec<(Span, PathBuf)>,
    pub partial: Partial,
}

impl<'a> Reader<'a> {
    /// Relative paths are meant from `directory`.
    pub fn new(environment: &'a Environment, directory: &'a Path) -> Self {
        Self {
            environment,
            directory,
            subject: String::new(),
            findings: Vec::new(),
            masks: Vec::new(),
            secret_files: Vec::new(),
            partial: Partial::new(),
            outside: Outside::Open,
        }
    }

    /// For settings that were not written by this machine's admin: they name no file and no variable.
    pub fn closed(environment: &'a Environment, directory: &'a Path) -> Self {
        Self { outside: Outside::Closed, ..Self::new(environment, directory) }
    }

    /// Reports a value that would come from outside; false where it may.
    pub(super) fn refuses_outside(&mut self, node: &Node, what: &str) -> bool {
        if self.outside == Outside::Open {
            return false;
        }
        self.mask_texts(node);
        let message = format!("{} takes no {what} in the store", self.subject);
        let label = "an entry of the store is the same on every node, and reads nothing of this machine";
        self.report(Finding::error(node.span, message).label(label).help("give the value itself"));
        true
    }

    pub fn finish(self) -> Read {
        let Self { findings, masks, secret_files, partial, .. } = self;
        Read { findings, masks, secret_files, partial }
    }

    pub fn environment(&self) -> &'a Environment {
        self.environment
    }

    pub fn directory(&self) -> &'a Path {
        self.directory
    }

    /// The key whose value is being read, in quotes: what a message is about.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    pub fn about(&mut self, key: &str) {
        self.subject = format!("\"{key}\"");
    }

    pub fn report(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// A secret came from this file.
    pub fn secret_is_in(&mut self, path: PathBuf, named_at: Span) {
        self.secret_files.push((named_at, path));
    }

    /// Nothing written here may be shown.
    pub fn mask(&mut self, span: Span) {
        self.masks.push(span);
    }

    /// Of the list at this place only these elements could be read.
    pub fn list_is_partial(&mut self, list: Span, read: Vec<usize>) {
        self.partial.insert(list, read);
    }

    /// Opens a table for reading its fields; reports keys that it does not know.
    pub fn open<'n>(&mut self, node: &'n Node, table: &'static Table) -> Option<Open<'n>> {
        let Kind::Table(entries) = &node.kind else {
            let mut finding = Finding::error(node.span, format!("{} takes a table", self.subject));
            finding = finding.label(format!("this is {}", node.kind.name()));
            if matches!(node.kind, Kind::List(_)) {
                finding = finding.help(format!("write {}", table.header));
            }
            self.report(finding);
            return None;
        };
        for entry in entries.iter().filter(|entry| table.field(&entry.key).is_none()) {
            if may_be_secret(&entry.key, table) {
                self.mask_texts(&entry.node);
            }
            let finding = Finding::error(entry.key_span, format!("unknown key \"{}\" in {}", entry.key, table.header));
            self.report(finding.suggest(&entry.key, table.fields.iter().map(|field| field.name)));
        }
        Some(Open { entries, span: node.span, table })
    }

    fn mask_texts(&mut self, node: &Node) {
        match &node.kind {
            Kind::Table(entries) => entries.iter().for_each(|entry| self.mask_texts(&entry.node)),
            Kind::List(items) => items.iter().for_each(|item| self.mask_texts(item)),
            _ => self.mask(node.span),
        }
    }

    /// Reports the keys of a value form such as `{ env = … }` that do not belong there.
    pub(super) fn only_keys(&mut self, node: &Node, known: &[&'static str]) -> bool {
        let Kind::Table(entries) = &node.kind else { return true };
        let mut all_known = true;
        for entry in entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            all_known = false;
            self.mask_texts(&entry.node);
            let finding = Finding::error(entry.key_span, format!("unknown key \"{}\" in {}", entry.key, self.subject));
            self.report(finding.suggest(&entry.key, known.iter().copied()));
        }
        all_known
    }

    /// The NAME in `{ env = "NAME" }`.
    pub(super) fn variable_name(&mut self, node: &Node) -> Option<String> {
        let entry = node.entry("env")?;
        if let Kind::Text(name) = &entry.node.kind {
            return Some(name.clone());
        }
        let finding = Finding::error(entry.node.span, "\"env\" takes the name of an environment variable");
        self.report(finding.label(format!("this is {}", entry.node.kind.name())));
        None
    }

    pub(super) fn missing_variable<T>(&mut self, node: &Node, name: &str) -> Option<T> {
        let span = node.entry("env").map_or(node.span, |entry| entry.node.span);
        let message = format!("{} needs the environment variable {name}", self.subject);
        self.report(
            Finding::error(span, message).label("not set, and there is no default").help("set it, or add default = …"),
        );
        None
    }
}

/// A mistyped `password` is still a password: a value is shown only when its key is nearly one that
/// holds no secret.
fn may_be_secret(key: &str, table: &Table) -> bool {
    let near = nearest(key, table.fields.iter().map(|field| field.name)).and_then(|name| table.field(name));
    !near.is_some_and(|field| field.shape.is_plain())
}

/// A table whose fields are being read.
pub struct Open<'n> {
    entries: &'n [Entry],
    span: Span,
    table: &'static Table,
}

impl<'n> Open<'n> {
    fn entry(&self, key: &str) -> Option<&'n Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// The value of a key; none when it is absent, or wrong (which is reported).
    pub fn given<T: Value>(&self, key: &'static str, reader: &mut Reader<'_>) -> Option<T> {
        let entry = self.entry(key)?;
        reader.about(key);
        T::read(&entry.node, reader)
    }

    pub fn required<T: Value>(&self, key: &'static str, reader: &mut Reader<'_>) -> Option<T> {
        if self.entry(key).is_none() {
            let finding = Finding::error(self.span, format!("missing key \"{key}\" in {}", self.table.header));
            reader.report(finding.label(format!("\"{key}\" is required here")));
        }
        self.given(key, reader)
    }

    /// A value that is looked for elsewhere when the file does not give it. What stands for a wrong
    /// value is never used: an error was reported.
    pub fn found<T: Value>(&self, key: &'static str, reader: &mut Reader<'_>, find: fn(&mut Reader<'_>) -> T) -> T {
        let before = reader.findings.len();
        let given = self.given(key, reader);
        let wrong = reader.findings[before..].iter().any(|finding| finding.severity == Severity::Error);
        given.unwrap_or_else(|| {
            let before = reader.findings.len();
            let value = find(reader);
            if wrong {
                reader.findings.truncate(before);
            }
            for finding in &mut reader.findings[before..] {
                finding.span = finding.span.or(Some(self.span));
            }
            value
        })
    }

    /// A table inside the file that may be absent as a whole: then all its fields are at their defaults.
    pub fn section<T: Value>(&self, key: &'static str, reader: &mut Reader<'_>) -> Option<T> {
        let absent = Node { span: self.span, kind: Kind::Table(Vec::new()) };
        self.given(key, reader).or_else(|| T::read(&absent, reader))
    }

    /// Reports a value outside its bounds. An optional value that is absent is inside.
    pub fn check_within<T: Value + PartialOrd>(
        &self,
        key: &'static str,
        value: &T,
        range: std::ops::RangeInclusive<T>,
        reader: &mut Reader<'_>,
    ) {
        if range.contains(value) || value.write().is_none() {
            return;
        }
        let span = self.entry(key).map_or(self.span, |entry| entry.node.span);
        let text = |value: &T| value.write().unwrap_or_default();
        let (from, to) = (text(range.start()), text(range.end()));
        reader.report(Finding::error(span, format!("\"{key}\" must be from {from} to {to}")).label("out of range"));
    }
}

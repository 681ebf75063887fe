//! Reads a configuration file: text, tree, settings, checks. Everything wrong with it is found in one
//! run; a `Config` comes out only when nothing is.

use super::{Config, check, mask, server, syntax};
use crate::base::limits;
use crate::base::settings::{Entry, Environment, Finding, Found, Kind, Node, Partial, Reader, Severity, Span, Value};
use std::io::Read;
use std::path::{Path, PathBuf};

/// What came of reading a file. Deliberately without `Debug`: the text may hold secrets.
pub struct Loaded {
    /// None when there are errors.
    pub config: Option<Config>,
    /// Where the daemon lives, as far as that can be read when the rest is wrong: a refused reload must
    /// not keep commands from asking the daemon that goes on.
    pub data_dir: Option<PathBuf>,
    /// In the order of the file; first those that stand nowhere in it.
    pub findings: Vec<Finding>,
    pub source: Source,
    /// Files that secrets were read from, and where they are named.
    pub secret_files: Vec<(Span, PathBuf)>,
}

/// The text that was read, for showing places in it.
pub struct Source {
    /// The file's name as it was given.
    pub name: String,
    pub(super) text: String,
    pub(super) masks: Vec<Span>,
    tree: Node,
    partial: Partial,
}

impl Source {
    /// Where a setting stands, by a path like `domain[0].dkim[1].key`; the nearest table on the way
    /// there when it is not given.
    pub fn place(&self, path: &str) -> Span {
        self.tree.at(path, &self.partial).0.span
    }

    pub fn is_given(&self, path: &str) -> bool {
        self.tree.at(path, &self.partial).1 == Found::Whole
    }

    /// Was every element of this list read? Else what seems to be missing may only be mistyped.
    pub fn is_whole(&self, path: &str) -> bool {
        let (node, found) = self.tree.at(path, &self.partial);
        match (found, &node.kind) {
            (Found::Whole, Kind::List(_)) => !self.partial.contains_key(&node.span),
            // A text where a list should be, or nothing at all.
            (found, _) => found == Found::PartOfTheWay,
        }
    }
}

impl Loaded {
    /// Adds what only a later look could find (a store that does not open, a key that is none).
    pub fn add(&mut self, finding: Finding) {
        if finding.severity == Severity::Error {
            self.config = None;
        }
        self.findings.push(finding);
        self.findings.sort_by_key(|finding| finding.span);
    }
}

/// Reads and checks a file. Relative paths in it are meant from its own directory.
pub fn load(path: &Path, environment: &Environment) -> Loaded {
    let name = path.display().to_string();
    match read_text(path) {
        Ok(text) => {
            let directory = path.parent().unwrap_or(Path::new(""));
            load_text(&name, text, directory, environment)
        }
        Err(why) => {
            let finding = Finding::error(None, format!("the configuration cannot be read: {why}"));
            let tree = Node { span: Span::default(), kind: Kind::Table(Vec::new()) };
            let source = Source { name, text: String::new(), masks: Vec::new(), tree, partial: Partial::new() };
            Loaded { config: None, data_dir: None, findings: vec![finding], source, secret_files: Vec::new() }
        }
    }
}

/// The built-in configuration of the quickstart; its paths are meant from the working directory.
pub fn quickstart(environment: &Environment) -> Loaded {
    let text = include_str!("../../conf/quickstart.toml").to_owned();
    load_text("conf/quickstart.toml (built in)", text, Path::new(""), environment)
}

fn read_text(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(limits::CONFIG_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(|why| why.to_string())?;
    if bytes.len() as u64 > limits::CONFIG_BYTES_MAX {
        return Err(format!("it is longer than {} bytes", limits::CONFIG_BYTES_MAX));
    }
    String::from_utf8(bytes).map_err(|why| {
        let good = &why.as_bytes()[..why.utf8_error().valid_up_to()];
        let line = good.iter().filter(|b| **b == b'\n').count() + 1;
        format!("line {line} is not UTF-8")
    })
}

/// Reads and checks a text as if it stood in a file of this name.
pub fn load_text(name: &str, text: String, directory: &Path, environment: &Environment) -> Loaded {
    let (mut tree, mut findings) = syntax::parse(&text);
    override_store(&mut tree, environment);
    let syntax = SyntaxErrors::of(&findings, &text);

    let mut reader = Reader::new(environment, directory);
    let config = Config::read(&tree, &mut reader);
    let read = reader.finish();
    if findings.len() < limits::CONFIG_FINDINGS_MAX {
        findings.extend(read.findings.into_iter().filter(|finding| syntax.let_stand(finding)));
    }

    let masks = mask::merged(
        [read.masks, mask::in_urls(&text), if syntax.any() { mask::by_look(&text) } else { Vec::new() }].concat(),
    );
    let source = Source { name: name.to_owned(), text, masks, tree, partial: read.partial };
    if let (Some(config), false) = (&config, syntax.any()) {
        findings.extend(check::check(config, &source));
    }
    findings.sort_by_key(|finding| finding.span);
    bound(&mut findings);
    let good = findings.iter().all(|finding| finding.severity == Severity::Warning);
    let data_dir = data_dir(&source, environment, directory);
    Loaded { config: config.filter(|_| good), data_dir, findings, source, secret_files: read.secret_files }
}

fn data_dir(source: &Source, environment: &Environment, directory: &Path) -> Option<PathBuf> {
    match source.tree.at("server.data_dir", &source.partial) {
        (node, Found::Whole) => PathBuf::read(node, &mut Reader::new(environment, directory)),
        _ => Some(server::DATA_DIR.into()),
    }
}

/// `GATEPOST_STORE_URL` wins over the file: read as if `store.url` were `{ env = … }`.
fn override_store(tree: &mut Node, environment: &Environment) {
    const VARIABLE: &str = "GATEPOST_STORE_URL";
    if environment.get(VARIABLE).is_none() {
        return;
    }
    let Kind::Table(tables) = &mut tree.kind else { return };
    let (store, span) = entry_or_empty(tables, "store", Span::default());
    let Kind::Table(settings) = &mut store.node.kind else { return };
    let (url, span) = entry_or_empty(settings, "url", span);
    let name = Node { span, kind: Kind::Text(VARIABLE.to_owned()) };
    url.node.kind = Kind::Table(vec![Entry { key: "env".to_owned(), key_span: span, node: name }]);
}

/// The entry of a key, made when it is absent, and where it stands.
fn entry_or_empty<'a>(entries: &'a mut Vec<Entry>, key: &str, span: Span) -> (&'a mut Entry, Span) {
    let index = entries.iter().position(|entry| entry.key == key).unwrap_or_else(|| {
        let node = Node { span, kind: Kind::Table(Vec::new()) };
        entries.push(Entry { key: key.to_owned(), key_span: span, node });
        entries.len() - 1
    });
    let entry = &mut entries[index];
    let span = entry.node.span;
    (entry, span)
}

/// Where the syntax is broken, the tree is a guess: what else is wrong there, or missing, is not said.
struct SyntaxErrors {
    /// The lines with mistakes, as bytes of the text.
    lines: Vec<Span>,
    /// A header or a text without end swallows or misplaces what follows it.
    first: Option<usize>,
}

impl SyntaxErrors {
    fn of(findings: &[Finding], text: &str) -> Self {
        let spans = findings.iter().map(|finding| finding.span.unwrap_or_default());
        let lines: Vec<_> = spans.map(|span| line_of(text, span)).collect();
        let first = lines.iter().filter(|line| !is_plain(&text[line.start..line.end])).map(|line| line.start).min();
        Self { lines, first }
    }

    fn any(&self) -> bool {
        !self.lines.is_empty()
    }

    fn let_stand(&self, finding: &Finding) -> bool {
        let Some(span) = finding.span.filter(|_| self.any()) else { return !self.any() };
        let in_broken_line = |line: &Span| line.start <= span.end && span.start <= line.end;
        let after_broken_structure = self.first.is_some_and(|first| span.start >= first);
        !finding.message.starts_with("missing key") && !after_broken_structure && !self.lines.iter().any(in_broken_line)
    }
}

/// A line `key = value` that neither opens nor closes anything beyond itself.
fn is_plain(line: &str) -> bool {
    let line = line.trim_start();
    line.contains('=')
        && !line.starts_with('[')
        && !line.contains("\"\"\"")
        && !line.contains("'''")
        && line.matches(['[', '{']).count() == line.matches([']', '}']).count()
}

fn line_of(text: &str, span: Span) -> Span {
    let start = text[..span.start].rfind('\n').map_or(0, |at| at + 1);
    Span { start, end: text[span.end..].find('\n').map_or(text.len(), |at| span.end + at) }
}

fn bound(findings: &mut Vec<Finding>) {
    let more = findings.len().saturating_sub(limits::CONFIG_FINDINGS_MAX);
    if more > 0 {
        // Errors first: a bound must never hide the reason for a refusal.
        findings.sort_by_key(|finding| (finding.severity, finding.span));
        findings.truncate(limits::CONFIG_FINDINGS_MAX);
        let has_error = findings.iter().any(|finding| finding.severity == Severity::Error);
        let message = format!("{more} more findings are not shown");
        findings.push(if has_error { Finding::error(None, message) } else { Finding::warning(None, message) });
    }
}

//! What a setting's type must be able to do: be read from a node, written back, and compared for
//! changes that need a restart. Scalars, lists and optional values do it here; tables by `settings!`.

use super::finding::Finding;
use super::reader::Reader;
use super::scalar::{Form, Scalar, Wrong};
use super::section::Shape;
use super::tree::{Kind, Node};

/// What stands in for a secret.
const HIDDEN: &str = "***";

pub trait Value: Sized + Clone + PartialEq {
    const SHAPE: Shape;

    /// The value of a node; none when it is wrong, which the reader then knows.
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self>;

    /// As it is written in a file; none for what has no text (absent, or a secret).
    fn write(&self) -> Option<String>;

    /// Adds every value at or below this path as it would be written, secrets as stars.
    fn show(&self, path: &str, shown: &mut Vec<(String, String)>) {
        shown.push((path.to_owned(), self.write().unwrap_or_else(|| HIDDEN.to_owned())));
    }

    /// Adds the paths of settings below this one that differ and need a restart.
    fn restart_changes(&self, _old: &Self, _path: &str, _changes: &mut Vec<String>) {}

    /// Takes back the old values of settings that need a restart.
    fn keep_restart_values(&mut self, _old: &Self) {}
}

impl<T: Scalar> Value for T {
    const SHAPE: Shape = Shape::Scalar { expects: T::EXPECTS, words: T::WORDS };

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        if matches!(node.kind, Kind::Table(_)) {
            return if reader.refuses_outside(node, "variable") { None } else { from_environment(node, reader) };
        }
        if T::NAMES_A_FILE && reader.refuses_outside(node, "file") {
            return None;
        }
        let text = match (T::FORM, &node.kind) {
            (Form::Text, Kind::Text(text)) | (Form::Integer, Kind::Integer(text)) => text,
            (Form::Bool, Kind::Bool(true)) => "true",
            (Form::Bool, Kind::Bool(false)) => "false",
            (_, other) => {
                let finding = Finding::error(node.span, format!("{} takes {}", reader.subject(), expected::<T>()));
                let finding = finding.label(format!("this is {}", other.name()));
                reader.report(match quotes::<T>(other) {
                    Some(help) => finding.help(help),
                    None => finding,
                });
                return None;
            }
        };
        if T::is_secret(text) {
            reader.mask(node.span);
        }
        match T::parse(text) {
            Ok(value) => Some(value.within(reader.directory())),
            Err(wrong) => {
                reader.report(refusal::<T>(node, reader.subject(), wrong));
                None
            }
        }
    }

    fn write(&self) -> Option<String> {
        Some(Scalar::write(self))
    }
}

/// What quotes, or their absence, would make of a value of the wrong form.
fn quotes<T: Scalar>(kind: &Kind) -> Option<&'static str> {
    match (T::FORM, kind) {
        (Form::Text, Kind::Integer(text) | Kind::Float(text) | Kind::Time(text)) => {
            T::parse(text).is_ok().then_some("put it in quotes")
        }
        (Form::Integer | Form::Bool, Kind::Text(text)) => T::parse(text).is_ok().then_some("write it without quotes"),
        _ => None,
    }
}

fn expected<T: Scalar>() -> String {
    if T::WORDS.is_empty() {
        return T::EXPECTS.to_owned();
    }
    let words: Vec<_> = T::WORDS.iter().map(|word| format!("\"{word}\"")).collect();
    format!("{} {}", T::EXPECTS, words.join(", "))
}

fn refusal<T: Scalar>(node: &Node, subject: &str, wrong: Wrong) -> Finding {
    let mut finding = Finding::error(node.span, format!("{subject} takes {}", expected::<T>()));
    finding.label = wrong.why;
    finding.help = wrong.help;
    finding
}

/// `{ env = "NAME", default = … }`: the variable's text, or the default in its own form.
fn from_environment<T: Scalar>(node: &Node, reader: &mut Reader<'_>) -> Option<T> {
    let subject = reader.subject().to_owned();
    if node.entry("env").is_none() {
        reader.report(
            Finding::error(node.span, format!("{subject} takes {}", expected::<T>()))
                .label("this is a table")
                .help("only { env = \"NAME\", default = … } may stand here"),
        );
        return None;
    }
    let form_is_right = reader.only_keys(node, &["env", "default"]);
    let name = reader.variable_name(node)?;
    let (Some(text), true) = (reader.environment().get(&name).map(str::to_owned), form_is_right) else {
        return match node.entry("default") {
            Some(entry) if form_is_right => T::read(&entry.node, reader),
            Some(_) => None,
            None => reader.missing_variable(node, &name),
        };
    };
    match T::parse(&text) {
        Ok(value) => Some(value.within(reader.directory())),
        Err(wrong) => {
            // The variable's text is not shown: platforms put passwords there.
            let subject = format!("{subject}, from the environment variable {name},");
            reader.report(refusal::<T>(node, &subject, wrong));
            None
        }
    }
}

impl<T: Value> Value for Vec<T> {
    const SHAPE: Shape = Shape::List(&T::SHAPE);

    /// An element with a mistake is left out, and remembered, so that places are still found.
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let Kind::List(items) = &node.kind else {
            let subject = reader.subject().to_owned();
            let found = node.kind.name();
            let (what, help) = match T::SHAPE {
                Shape::Table(table) => ("a list of tables", format!("write {}", table.list_header())),
                _ => ("a list", "put it in brackets: [ … ]".to_owned()),
            };
            let finding = Finding::error(node.span, format!("{subject} takes {what}"));
            reader.report(finding.label(format!("this is {found}")).help(help));
            return None;
        };
        let (mut values, mut read) = (Vec::with_capacity(items.len()), Vec::with_capacity(items.len()));
        for (index, item) in items.iter().enumerate() {
            if let Some(value) = T::read(item, reader) {
                values.push(value);
                read.push(index);
            }
        }
        if read.len() < items.len() {
            reader.list_is_partial(node.span, read);
        }
        Some(values)
    }

    fn write(&self) -> Option<String> {
        let items: Option<Vec<_>> = self.iter().map(Value::write).collect();
        Some(format!("[{}]", items?.join(", ")))
    }

    /// A list of tables as its elements, any other as one value.
    fn show(&self, path: &str, shown: &mut Vec<(String, String)>) {
        match self.write() {
            Some(text) if T::SHAPE.table().is_none() => shown.push((path.to_owned(), text)),
            _ => self.iter().enumerate().for_each(|(n, value)| value.show(&format!("{path}[{n}]"), shown)),
        }
    }
}

/// An empty text is the same as an absent value, so that a variable can switch a setting off.
impl<T: Value> Value for Option<T> {
    const SHAPE: Shape = T::SHAPE;

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let is_empty = |node: &Node| matches!(&node.kind, Kind::Text(text) if text.is_empty());
        let from_variable = node
            .entry("env")
            .and_then(|entry| if let Kind::Text(name) = &entry.node.kind { Some(name.as_str()) } else { None })
            .and_then(|name| reader.environment().get(name));
        let empty = match from_variable {
            Some(text) => text.is_empty(),
            None => is_empty(node) || node.entry("default").is_some_and(|entry| is_empty(&entry.node)),
        };
        if empty && node.entry("file").is_none() { Some(None) } else { T::read(node, reader).map(Some) }
    }

    fn write(&self) -> Option<String> {
        self.as_ref().and_then(Value::write)
    }

    fn show(&self, path: &str, shown: &mut Vec<(String, String)>) {
        if let Some(value) = self {
            value.show(path, shown);
        }
    }
}

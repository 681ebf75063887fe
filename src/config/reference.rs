//! Text made from the descriptions of the settings: `conf/gatepost.toml`, and the table in
//! docs/OPERATIONS.md that says which changes are live. Tests keep both files equal to it.

use super::Config;
use crate::base::settings::{Change, Field, Given, Shape, Table};

const WIDTH: usize = 100;

const INTRODUCTION: &str = "\
# The configuration of Gatepost: every option, its default, and what it means.
#
# A line that begins with \"#\" and no space is an option that is not set: remove the \"#\" to set it.
# `gatepost check --config FILE` finds all mistakes; SIGHUP reloads, and keeps the old configuration if
# there is one. A relative path is meant from the directory of this file.
#
# Every value on one line may also be { env = \"NAME\", default = … }: the text of an environment
# variable. Every secret is a text, { file = \"…\" } or { env = \"…\" }. GATEPOST_STORE_URL overrides
# store.url. Times are written like \"30s\", \"5m\", \"2h30m\", \"5d\".
";

/// A second listener, for those who also receive mail.
const MX: &str = "
[[listener]]
kind = \"mx\"
bind = [\"0.0.0.0:25\"]
";

/// The whole of `conf/gatepost.toml`.
pub fn configuration() -> String {
    let mut text = INTRODUCTION.to_owned();
    for (field, table) in tables() {
        text.push('\n');
        comment(&mut text, "# ", &format!("--- {}", sentence(table.doc)));
        // What would not work before it is filled in stands as a comment.
        let off = matches!(field.shape, Shape::List(_)) && !matches!(field.name, "listener" | "http");
        text.push_str(if off { "#" } else { "" });
        text.push_str(table.header);
        text.push('\n');
        for field in table.fields {
            option(&mut text, field, off);
        }
        if field.name == "listener" {
            text.push_str(MX);
        }
    }
    text
}

/// The tables of the file, with the field of `Config` that holds each.
fn tables() -> impl Iterator<Item = (&'static Field, &'static Table)> {
    Config::TABLE.fields.iter().filter_map(|field| Some((field, field.shape.table()?)))
}

fn option(text: &mut String, field: &Field, off: bool) {
    text.push('\n');
    comment(text, "# ", &described(field));
    for inner in field.shape.table().map_or(&[][..], |table| table.fields) {
        comment(text, "#   ", &format!("{}: {}", inner.name, described(inner)));
    }
    let required = matches!(field.given, Given::Required { .. });
    let mark = if off || !required { "#" } else { "" };
    text.push_str(&format!("{mark}{} = {}\n", field.name, example(field)));
}

/// What it is, which values it takes, where it is bounded, its default, what a change needs.
fn described(field: &Field) -> String {
    let mut text = sentence(field.doc);
    if let Some(words) = words(&field.shape) {
        text.push_str(&format!(" One of {words}."));
    }
    if let Some(bounds) = field.bounds {
        let (from, to) = bounds();
        text.push_str(&format!(" From {from} to {to}."));
    }
    text.push_str(&match default(field) {
        Some(default) => format!(" Default: {default}."),
        None => " Required.".to_owned(),
    });
    if field.change == Change::Restart {
        text.push_str(" A change needs a restart.");
    }
    text
}

fn words(shape: &Shape) -> Option<String> {
    match shape {
        Shape::Scalar { words, .. } if !words.is_empty() => Some(words.join(" | ")),
        Shape::List(of) => words(of),
        _ => None,
    }
}

/// The default as it would be written; none when the key is required.
fn default(field: &Field) -> Option<String> {
    match &field.given {
        Given::Required { .. } => None,
        Given::Optional { .. } | Given::Section => Some("none".to_owned()),
        Given::Default { text, .. } => Some(text().unwrap_or_else(|| "none".to_owned())),
        Given::Found { whence, .. } => Some((*whence).to_owned()),
    }
}

/// What stands behind the `=`: the default when there is one to show, else an example.
fn example(field: &Field) -> String {
    match &field.given {
        Given::Required { example } | Given::Optional { example } | Given::Found { example, .. } => {
            (*example).to_owned()
        }
        Given::Default { example: Some(example), .. } => (*example).to_owned(),
        Given::Default { text, .. } => text().unwrap_or_default(),
        Given::Section => String::new(),
    }
}

/// Doc comment lines as one paragraph that ends with a full stop.
fn sentence(doc: &[&str]) -> String {
    let mut text = doc.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
    if !text.ends_with('.') {
        text.push('.');
    }
    text
}

/// A paragraph as comment lines that are not too long to read.
fn comment(text: &mut String, mark: &str, paragraph: &str) {
    let mut line = mark.to_owned();
    for word in paragraph.split_whitespace() {
        if line.len() + word.len() > WIDTH && line.len() > mark.len() {
            text.push_str(line.trim_end());
            text.push('\n');
            line = mark.to_owned();
        }
        line.push_str(word);
        line.push(' ');
    }
    text.push_str(line.trim_end());
    text.push('\n');
}

/// The section "Live or restart" of docs/OPERATIONS.md: a table of every key.
pub fn live_table() -> String {
    let mut text = String::from("| Key | A change is | Default | What it is |\n|---|---|---|---|\n");
    for (field, table) in tables() {
        rows(&mut text, &key(field.name, &field.shape), table);
    }
    text
}

fn rows(text: &mut String, path: &str, table: &Table) {
    for field in table.fields {
        let path = format!("{path}.{}", key(field.name, &field.shape));
        let change = match field.change {
            Change::Live => "live",
            Change::Restart => "**restart**",
        };
        let default = match (&field.given, default(field)) {
            (_, None) => "required".to_owned(),
            (Given::Default { .. }, Some(default)) => format!("`{default}`"),
            (_, Some(words)) => words,
        };
        let row = [format!("`{path}`"), change.to_owned(), default, sentence(field.doc)];
        text.push_str(&format!("| {} |\n", row.map(|cell| cell.replace('|', "\\|")).join(" | ")));
        if let Some(inner) = field.shape.table() {
            rows(text, &path, inner);
        }
    }
}

fn key(name: &str, shape: &Shape) -> String {
    match shape {
        Shape::List(of) if of.table().is_some() => format!("{name}[]"),
        _ => name.to_owned(),
    }
}

//! Secrets in settings: plain text, `{ file = "…" }` or `{ env = "…" }`. Where one is written is
//! masked before anything is reported about it.

use super::finding::Finding;
use super::reader::Reader;
use super::section::Shape;
use super::tree::{Entry, Kind, Node};
use super::value::Value;
use crate::base::limits;
use crate::base::secret::Secret;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use zeroize::Zeroize;

impl Value for Secret<String> {
    const SHAPE: Shape = Shape::Secret;

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        match &node.kind {
            Kind::Text(text) => {
                reader.mask(node.span);
                Some(Secret::new(text.clone()))
            }
            Kind::Table(_) if reader.refuses_outside(node, "file and no variable") => None,
            Kind::Table(entries) => from_form(node, entries, reader),
            other => {
                reader.mask(node.span);
                let finding = Finding::error(node.span, format!("{} takes a secret", reader.subject()));
                reader.report(finding.label(format!("this is {}", other.name())).help(FORMS));
                None
            }
        }
    }

    fn write(&self) -> Option<String> {
        None
    }
}

const FORMS: &str = "write a text, { file = \"…\" } or { env = \"…\" }";

fn from_form(node: &Node, entries: &[Entry], reader: &mut Reader<'_>) -> Option<Secret> {
    for entry in entries.iter().filter(|entry| entry.key != "file" && entry.key != "env") {
        reader.mask(entry.node.span);
    }
    let form_is_right = reader.only_keys(node, &["file", "env", "default"]);
    match (node.entry("file"), node.entry("env")) {
        (Some(file), None) if form_is_right => {
            if let Some(default) = node.entry("default") {
                reader.report(Finding::error(default.key_span, "a default belongs to { env = … }, not to a file"));
                return None;
            }
            from_file(file, reader)
        }
        (None, Some(_)) => {
            let name = reader.variable_name(node)?;
            match (reader.environment().get(&name).map(str::to_owned), node.entry("default")) {
                _ if !form_is_right => None,
                (Some(text), _) => Some(Secret::new(text)),
                (None, Some(default)) => Secret::read(&default.node, reader),
                (None, None) => reader.missing_variable(node, &name),
            }
        }
        (Some(_), None) => None,
        _ => {
            let finding = Finding::error(node.span, format!("{} takes a secret", reader.subject()));
            reader.report(finding.label("this names neither a file nor a variable, or both").help(FORMS));
            None
        }
    }
}

fn from_file(entry: &Entry, reader: &mut Reader<'_>) -> Option<Secret> {
    let Kind::Text(name) = &entry.node.kind else {
        let finding = Finding::error(entry.node.span, "\"file\" takes the path of a file");
        reader.report(finding.label(format!("this is {}", entry.node.kind.name())));
        return None;
    };
    let path = reader.directory().join(name);
    let read = read_file(&path);
    reader.secret_is_in(path, entry.node.span);
    match read {
        Ok((secret, Seen::ByOwner)) => Some(secret),
        Ok((secret, Seen::ByEveryone)) => {
            reader.report(
                Finding::warning(entry.node.span, format!("the secret in {name} can be read by everyone"))
                    .label("readable by every user of this machine")
                    .help(format!("chmod o-r {name}")),
            );
            Some(secret)
        }
        Err(why) => {
            reader.report(Finding::error(entry.node.span, format!("the secret in {name} cannot be used")).label(why));
            None
        }
    }
}

/// Who can read a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    ByOwner,
    ByEveryone,
}

fn read_file(path: &Path) -> Result<(Secret, Seen), String> {
    // Looked at before it is opened: opening a pipe would wait for a writer.
    let metadata = std::fs::metadata(path).map_err(|why| why.to_string())?;
    if !metadata.is_file() {
        return Err("this is not a regular file".to_owned());
    }
    let seen = if metadata.permissions().mode() & 0o004 == 0 { Seen::ByOwner } else { Seen::ByEveryone };
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(|why| why.to_string())?;
    if let Err(why) = file.take(limits::SECRET_FILE_BYTES_MAX + 1).read_to_string(&mut text) {
        text.zeroize();
        return Err(why.to_string());
    }
    if text.len() as u64 > limits::SECRET_FILE_BYTES_MAX {
        text.zeroize();
        return Err(format!("it is longer than {} bytes", limits::SECRET_FILE_BYTES_MAX));
    }
    // Editors and `echo` end a file with a line break that is not part of the password.
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    if text.is_empty() { Err("it is empty".to_owned()) } else { Ok((Secret::new(text), seen)) }
}

//! Templates from a folder: one folder for each, in it `template.toml` and the texts.
//!
//! `subject`, `preheader`, `html`, `text`, in a language `html.de`, `text.de-at`; with `.txt`, `.html` or `.j2` behind
//! it for editors. What is short may stand in `template.toml` instead.

use super::locale::Locale;
use super::mistake::Mistake;
use super::source::{Content, Kind, Piece, Source, SubjectRule, Text};
use super::variables::{Declared, Type};
use crate::base::limits;
use crate::base::name::Name;
use crate::base::settings::nearest;
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// A file as it was read; its path as people are shown it.
#[derive(Clone, Debug)]
pub struct File {
    pub name: String,
    pub path: String,
    pub text: String,
}

/// What lies in the folder of one template.
#[derive(Clone, Debug)]
pub struct Folder {
    pub name: String,
    pub path: String,
    pub files: Vec<File>,
}

const ABOUT: &str = "template.toml";
const KEYS: [&str; 6] = ["kind", "version", "authoritative", "variables", "subject", "preheader"];
const VARIABLE_KEYS: [&str; 5] = ["type", "optional", "default", "example", "description"];

/// A template from its folder; everything that is wrong with it.
pub fn read(folder: &Folder) -> Result<Source, Vec<Mistake>> {
    let name: Name = folder.name.parse().map_err(|why| vec![at(&folder.name, &folder.path, None, format!("{why}"))])?;
    let mut mistakes = Vec::new();
    let mut source = Source {
        name,
        kind: Kind::Email,
        version: 1,
        subject_rule: SubjectRule::Submitted,
        variables: Vec::new(),
        contents: Vec::new(),
    };
    let mut contents: BTreeMap<Option<Locale>, Content> = BTreeMap::new();
    if let Some(about) = folder.files.iter().find(|file| file.name == ABOUT) {
        About { file: about, template: folder.name.clone() }.read(&mut source, &mut contents, &mut mistakes);
    }
    for file in folder.files.iter().filter(|file| file.name != ABOUT) {
        let wrong = |why: String| at(&folder.name, &file.path, None, why);
        match piece_of(&file.name) {
            Ok((piece, locale)) => {
                let content = contents.entry(locale).or_default();
                let text = Text { text: file.text.clone(), file: Some(file.path.clone()), above: 0 };
                if content.piece(piece).is_some() {
                    mistakes.push(wrong(format!("the {} is there twice", piece.word())));
                }
                set(content, piece, text);
            }
            Err(why) => mistakes.push(wrong(why)),
        }
    }
    if !contents.values().any(Content::has_body) {
        mistakes.push(at(&folder.name, &folder.path, None, "there is neither a file html nor a file text".to_owned()));
    } else if !contents.get(&None).is_some_and(Content::has_body) {
        let why = "html or text without a language is missing: it is for everybody whose language is not there";
        mistakes.push(at(&folder.name, &folder.path, None, why.to_owned()));
    }
    source.contents = contents.into_iter().collect();
    if mistakes.is_empty() { Ok(source) } else { Err(mistakes) }
}

fn at(template: &str, path: &str, line: Option<usize>, why: String) -> Mistake {
    Mistake::new(template, why).at(path, line)
}

pub(super) fn set(content: &mut Content, piece: Piece, text: Text) {
    let place = match piece {
        Piece::Subject => &mut content.subject,
        Piece::Preheader => &mut content.preheader,
        Piece::Html => &mut content.html,
        Piece::Text => &mut content.text,
    };
    *place = Some(text);
}

/// `html`, `html.de`, `text.de-AT.txt`, `html.j2`, `body.html` is none.
fn piece_of(file: &str) -> Result<(Piece, Option<Locale>), String> {
    let mut words = file.split('.');
    let first = words.next().unwrap_or_default();
    let Some(piece) = Piece::ALL.into_iter().find(|piece| piece.word() == first) else {
        let hint = nearest(first, Piece::ALL.into_iter().map(Piece::word));
        let hint = hint.map(|near| format!("; did you mean \"{near}\"?")).unwrap_or_default();
        return Err(format!("a template has template.toml, subject, preheader, html and text{hint}"));
    };
    let mut rest: Vec<_> = words.collect();
    rest.pop_if(|last| matches!(*last, "j2" | "jinja" | "txt" | "html" | "htm"));
    rest.pop_if(|last| matches!(*last, "txt" | "html" | "htm"));
    match rest.as_slice() {
        [] => Ok((piece, None)),
        [locale] => locale.parse().map(|locale| (piece, Some(locale))).map_err(str::to_owned),
        _ => Err("a file's name is a text and a language, like html.de".to_owned()),
    }
}

struct About<'a> {
    file: &'a File,
    template: String,
}

impl About<'_> {
    /// Where a key stands: its first line that begins with it.
    fn line(&self, key: &str) -> Option<usize> {
        let begins = |line: &str| {
            let line = line.trim_start_matches(['[', ' ', '\t']);
            let line = line.strip_prefix("variables.").unwrap_or(line);
            line.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with(['=', ']', '.']))
        };
        self.file.text.lines().position(begins).map(|at| at + 1)
    }

    fn wrong(&self, key: &str, why: String) -> Mistake {
        at(&self.template, &self.file.path, self.line(key), why)
    }

    fn unknown(&self, key: &str, known: &[&'static str]) -> Mistake {
        let hint = match nearest(key, known.iter().copied()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("known here: {}", known.join(", ")),
        };
        self.wrong(key, format!("unknown key \"{key}\": {hint}"))
    }

    fn read(&self, source: &mut Source, contents: &mut BTreeMap<Option<Locale>, Content>, wrong: &mut Vec<Mistake>) {
        let table = match self.file.text.parse::<toml::Table>() {
            Ok(table) => table,
            Err(error) => {
                let before = error.span().map(|span| &self.file.text[..span.start.min(self.file.text.len())]);
                let line = before.map(|before| before.matches('\n').count() + 1);
                wrong.push(at(&self.template, &self.file.path, line, error.message().to_owned()));
                return;
            }
        };
        for (key, value) in &table {
            match (key.as_str(), value) {
                ("kind", toml::Value::String(word)) if Kind::of_word(word).is_some() => {
                    source.kind = Kind::of_word(word).unwrap_or(Kind::Email);
                }
                ("kind", _) => {
                    wrong.push(self.wrong(key, "\"kind\" takes \"email\", \"layout\" or \"partial\"".into()))
                }
                ("version", toml::Value::Integer(number)) if (1..=i64::from(i32::MAX)).contains(number) => {
                    source.version = u32::try_from(*number).unwrap_or(1);
                }
                ("version", _) => wrong.push(self.wrong(key, "\"version\" takes a number from 1 on".into())),
                ("authoritative", toml::Value::Boolean(is)) => {
                    source.subject_rule = if *is { SubjectRule::Template } else { SubjectRule::Submitted };
                }
                ("authoritative", _) => wrong.push(self.wrong(key, "\"authoritative\" takes true or false".into())),
                ("variables", toml::Value::Table(variables)) => self.variables(variables, source, wrong),
                ("variables", _) => wrong.push(self.wrong(key, "variables stand in tables: [variables.name]".into())),
                (piece @ ("subject" | "preheader"), value) => self.short(piece, value, contents, wrong),
                (key, _) => wrong.push(self.unknown(key, &KEYS)),
            }
        }
    }

    /// A text, or one for each language: `subject = { default = "…", de = "…" }`.
    fn short(
        &self,
        word: &str,
        value: &toml::Value,
        contents: &mut BTreeMap<Option<Locale>, Content>,
        wrong: &mut Vec<Mistake>,
    ) {
        let piece = if word == "subject" { Piece::Subject } else { Piece::Preheader };
        let above = self.line(word).map_or(0, |line| line - 1);
        let text = |text: &str| Text { text: text.to_owned(), file: Some(self.file.path.clone()), above };
        match value {
            toml::Value::String(only) => set(contents.entry(None).or_default(), piece, text(only)),
            toml::Value::Table(texts) => {
                for (locale, value) in texts {
                    let of = if locale == "default" { Ok(None) } else { locale.parse().map(Some) };
                    match (of, value) {
                        (Ok(of), toml::Value::String(one)) => set(contents.entry(of).or_default(), piece, text(one)),
                        (Ok(_), _) => {
                            wrong.push(self.wrong(word, format!("\"{word}\" takes a text for each language")))
                        }
                        (Err(why), _) => wrong.push(self.wrong(word, why.to_owned())),
                    }
                }
            }
            _ => wrong.push(self.wrong(word, format!("\"{word}\" takes a text"))),
        }
    }

    fn variables(&self, table: &toml::Table, source: &mut Source, wrong: &mut Vec<Mistake>) {
        for (name, value) in table {
            // name = "text" says the type alone.
            let fields = match value {
                toml::Value::String(_) => [("type".to_owned(), value.clone())].into_iter().collect(),
                toml::Value::Table(fields) => fields.clone(),
                _ => {
                    wrong.push(self.wrong(name, format!("variable \"{name}\" takes a type, or a table")));
                    continue;
                }
            };
            if let Some(key) = fields.keys().find(|key| !VARIABLE_KEYS.contains(&key.as_str())) {
                wrong.push(self.unknown(key, &VARIABLE_KEYS));
            }
            let json = |key: &str| fields.get(key).and_then(|value| serde_json::to_value(value).ok());
            match declared(name, &json) {
                Ok(variable) => source.variables.push(variable),
                Err(why) => wrong.push(self.wrong(name, why)),
            }
        }
        if source.variables.len() > limits::TEMPLATE_FILES_MAX {
            wrong.push(self.wrong("variables", format!("more than {} variables", limits::TEMPLATE_FILES_MAX)));
        }
    }
}

/// One variable from what is said of it: the same in a file and in a request.
pub(super) fn declared(name: &str, field: &dyn Fn(&str) -> Option<Json>) -> Result<Declared, String> {
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !is_name || name.len() > limits::NAME_BYTES_MAX {
        return Err(format!("\"{name}\" is no name for a variable: letters, digits and _"));
    }
    if super::variables::OURS.contains(&name) {
        return Err(format!("variable \"{name}\" is there by itself"));
    }
    let kind = match field("type") {
        None => Type::Text,
        Some(word) => word.as_str().and_then(Type::of_word).ok_or_else(|| {
            let words: Vec<_> = Type::ALL.into_iter().map(Type::word).collect();
            format!("the type of variable \"{name}\" is one of {}", words.join(", "))
        })?,
    };
    let optional = match field("optional") {
        None => false,
        Some(Json::Bool(optional)) => optional,
        Some(_) => return Err(format!("\"optional\" of variable \"{name}\" takes true or false")),
    };
    let typed = |key: &str| match field(key) {
        None | Some(Json::Null) => Ok(None),
        Some(value) => match kind.take(&value) {
            Some(value) => Ok(Some(value.into_owned())),
            None => Err(format!("the {key} of variable \"{name}\" is no {}", kind.word())),
        },
    };
    let description = field("description").and_then(|text| text.as_str().map(str::to_owned)).unwrap_or_default();
    Ok(Declared {
        name: name.to_owned(),
        kind,
        optional,
        default: typed("default")?,
        example: typed("example")?,
        description,
    })
}

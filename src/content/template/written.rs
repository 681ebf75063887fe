//! A version of a template as JSON: as a request gives it, as an answer shows it, and as the store keeps it, one
//! text for each language.

use super::files::{declared, set};
use super::locale::Locale;
use super::source::{Content, Kind, Piece, Source, SubjectRule, Text};
use crate::base::limits;
use crate::base::name::Name;
use serde_json::{Map, Value as Json, json};

/// What a field may not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    pub field: String,
    pub why: String,
}

fn wrong(field: impl Into<String>, why: impl Into<String>) -> Wrong {
    Wrong { field: field.into(), why: why.into() }
}

impl Source {
    /// From `{subject, preheader, html, text, authoritative, variables: {name: {…}}, locales: {de: {…}}}`.
    pub fn of_json(name: Name, kind: Kind, version: u32, fields: &Map<String, Json>) -> Result<Self, Wrong> {
        let mut source = Self {
            name,
            kind,
            version,
            subject_rule: SubjectRule::Submitted,
            variables: Vec::new(),
            contents: vec![(None, content(fields, "")?)],
        };
        match fields.get("authoritative") {
            None | Some(Json::Null | Json::Bool(false)) => {}
            Some(Json::Bool(true)) => source.subject_rule = SubjectRule::Template,
            Some(_) => return Err(wrong("authoritative", "takes true or false")),
        }
        match fields.get("variables") {
            None | Some(Json::Null) => {}
            Some(Json::Object(variables)) => {
                for (name, said) in variables {
                    let field = |key: &str| match said {
                        // "name": "number" says the type alone.
                        Json::String(_) => (key == "type").then(|| said.clone()),
                        said => said.get(key).cloned(),
                    };
                    let variable = declared(name, &field).map_err(|why| wrong(format!("variables.{name}"), why))?;
                    source.variables.push(variable);
                }
            }
            Some(_) => return Err(wrong("variables", "takes an object: {\"name\": {\"type\": \"text\"}}")),
        }
        match fields.get("locales") {
            None | Some(Json::Null) => {}
            Some(Json::Object(locales)) => {
                for (locale, texts) in locales {
                    let path = format!("locales.{locale}");
                    let of: Locale = locale.parse().map_err(|why: &str| wrong(&path, why))?;
                    let texts = texts.as_object().ok_or_else(|| wrong(&path, "takes an object of texts"))?;
                    source.contents.push((Some(of), content(texts, &path)?));
                }
            }
            Some(_) => return Err(wrong("locales", "takes an object: {\"de\": {\"html\": \"…\"}}")),
        }
        if !source.contents[0].1.has_body() {
            return Err(wrong("html", "is missing, and so is \"text\": give one of them"));
        }
        if source.bytes() > limits::TEMPLATE_SOURCE_BYTES_MAX {
            return Err(wrong(
                "html",
                format!("has with all other texts more than {} bytes", limits::TEMPLATE_SOURCE_BYTES_MAX),
            ));
        }
        Ok(source)
    }

    fn bytes(&self) -> usize {
        let texts = self.contents.iter().flat_map(|(_, content)| Piece::ALL.map(|piece| content.piece(piece)));
        texts.flatten().map(|text| text.text.len()).sum()
    }

    /// Language and JSON of each row.
    pub fn to_rows(&self) -> Vec<(String, String)> {
        let rows = self.contents.iter().map(|(locale, content)| {
            let mut fields = texts(content);
            if locale.is_none() {
                fields.insert("authoritative".into(), (self.subject_rule == SubjectRule::Template).into());
                fields.insert("variables".into(), self.variables_json());
            }
            (locale.as_ref().map(Locale::to_string).unwrap_or_default(), Json::Object(fields).to_string())
        });
        rows.collect()
    }

    /// From its rows; what does not fit is a damaged row.
    pub fn of_rows(name: Name, kind: Kind, version: u32, rows: &[(&str, &str)]) -> Result<Self, String> {
        let (mut fields, mut locales) = (Map::new(), Map::new());
        for (locale, content) in rows {
            let read: Map<String, Json> = serde_json::from_str(content).map_err(|why| why.to_string())?;
            if locale.is_empty() {
                fields = read;
            } else {
                locales.insert((*locale).to_owned(), Json::Object(read));
            }
        }
        fields.insert("locales".to_owned(), Json::Object(locales));
        Self::of_json(name, kind, version, &fields).map_err(|Wrong { field, why }| format!("{field} {why}"))
    }

    /// As it was given.
    pub fn to_json(&self) -> Map<String, Json> {
        let mut fields = Map::new();
        let mut locales = Map::new();
        for (locale, content) in &self.contents {
            match locale {
                None => fields.extend(texts(content)),
                Some(locale) => drop(locales.insert(locale.to_string(), Json::Object(texts(content)))),
            }
        }
        fields.insert("authoritative".into(), (self.subject_rule == SubjectRule::Template).into());
        fields.insert("variables".into(), self.variables_json());
        fields.insert("locales".into(), Json::Object(locales));
        fields
    }

    fn variables_json(&self) -> Json {
        let variables = self.variables.iter().map(|variable| {
            let said = json!({
                "type": variable.kind.word(),
                "optional": variable.optional,
                "default": variable.default,
                "example": variable.example,
                "description": variable.description,
            });
            (variable.name.clone(), said)
        });
        Json::Object(variables.collect())
    }

    /// Everything that it says, to be searched.
    pub fn all_text(&self) -> String {
        let mut all = self.name.to_string();
        for (_, content) in &self.contents {
            for text in Piece::ALL.into_iter().filter_map(|piece| content.piece(piece)) {
                all.push(' ');
                all.push_str(&text.text);
            }
        }
        all
    }
}

fn content(fields: &Map<String, Json>, path: &str) -> Result<Content, Wrong> {
    let mut content = Content::default();
    for piece in Piece::ALL {
        match fields.get(piece.word()) {
            None | Some(Json::Null) => {}
            Some(Json::String(text)) => set(&mut content, piece, Text::new(text.as_str())),
            Some(_) => {
                let field = if path.is_empty() { piece.word().to_owned() } else { format!("{path}.{}", piece.word()) };
                return Err(wrong(field, "takes a text"));
            }
        }
    }
    Ok(content)
}

fn texts(content: &Content) -> Map<String, Json> {
    let texts = Piece::ALL.into_iter().filter_map(|piece| Some((piece.word(), content.piece(piece)?)));
    texts.map(|(word, text)| (word.to_owned(), Json::String(text.text.clone()))).collect()
}

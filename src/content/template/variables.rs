//! The values that a template is given: what it declares, what is missing, what nobody asked for.

use super::mistake::Mistake;
use crate::base::settings::nearest;
use serde_json::{Map, Value as Json};
use std::borrow::Cow;
use std::sync::Arc;

/// What a variable is declared to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Type {
    #[default]
    Text,
    Number,
    Boolean,
    List,
    Object,
    /// http, https, mailto or tel: never what a browser runs.
    Url,
    /// RFC 3339, the day alone or with its time.
    Date,
}

impl Type {
    pub const ALL: [Self; 7] =
        [Self::Text, Self::Number, Self::Boolean, Self::List, Self::Object, Self::Url, Self::Date];

    pub fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::List => "list",
            Self::Object => "object",
            Self::Url => "url",
            Self::Date => "date",
        }
    }

    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }

    /// The value as this type. Clients that can only write text may do so: a number, yes or no, or JSON.
    pub fn take(self, given: &Json) -> Option<Cow<'_, Json>> {
        let read = |text: &str| serde_json::from_str::<Json>(text).ok();
        match (self, given) {
            (Self::Text, Json::String(_) | Json::Number(_) | Json::Bool(_))
            | (Self::Number, Json::Number(_))
            | (Self::Boolean, Json::Bool(_))
            | (Self::List, Json::Array(_))
            | (Self::Object, Json::Object(_)) => Some(Cow::Borrowed(given)),
            (Self::Url, Json::String(text)) => is_url(text).then_some(Cow::Borrowed(given)),
            (Self::Date, Json::String(text)) => is_date(text).then_some(Cow::Borrowed(given)),
            (Self::Boolean, Json::String(text)) => match text.as_str() {
                "true" | "yes" | "1" => Some(Cow::Owned(true.into())),
                "false" | "no" | "0" => Some(Cow::Owned(false.into())),
                _ => None,
            },
            (Self::Number, Json::String(text)) => read(text).filter(Json::is_number).map(Cow::Owned),
            (Self::List, Json::String(text)) => read(text).filter(Json::is_array).map(Cow::Owned),
            (Self::Object, Json::String(text)) => read(text).filter(Json::is_object).map(Cow::Owned),
            _ => None,
        }
    }
}

fn is_url(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let is_plain = !text.chars().any(|c| c.is_control() || c.is_whitespace());
    let is_known = match scheme.to_ascii_lowercase().as_str() {
        "http" | "https" => rest.strip_prefix("//").is_some_and(|host| !host.is_empty()),
        "mailto" | "tel" => !rest.is_empty(),
        _ => false,
    };
    is_plain && is_known
}

fn is_date(text: &str) -> bool {
    use time::format_description::well_known::Rfc3339;
    let day = text.get(..10).unwrap_or_default();
    let whole = if text.len() == 10 { format!("{day}T00:00:00Z") } else { text.to_owned() };
    time::OffsetDateTime::parse(&whole, &Rfc3339).is_ok()
}

#[derive(Clone, Debug, PartialEq)]
pub struct Declared {
    pub name: String,
    pub kind: Type,
    /// It may be left out, and is then empty.
    pub optional: bool,
    pub default: Option<Json>,
    pub example: Option<Json>,
    pub description: String,
}

impl Eq for Declared {}

/// Names that the house gives itself.
pub(super) const OURS: [&str; 5] = ["body_html", "body_text", "subject", "preheader", "locale"];
/// Which of them is no text of its own, but said in others.
pub(super) const PREHEADER: usize = 3;

/// Variables for all recipients, and over them those of one.
#[derive(Clone, Debug, Default)]
pub struct Values {
    common: Arc<Map<String, Json>>,
    own: Map<String, Json>,
}

impl Values {
    pub fn new(common: Map<String, Json>) -> Self {
        Self { common: Arc::new(common), own: Map::new() }
    }

    /// The same with those of one recipient, which win.
    pub fn of_one(&self, own: Map<String, Json>) -> Self {
        Self { common: self.common.clone(), own }
    }

    pub(super) fn len(&self) -> usize {
        self.common.len() + self.own.len()
    }

    pub fn get(&self, name: &str) -> Option<&Json> {
        self.own.get(name).or_else(|| self.common.get(name))
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        let common = self.common.keys().filter(|name| !self.own.contains_key(*name));
        self.own.keys().chain(common).map(String::as_str)
    }

    /// A text among them, at any depth of a list or object, that could end a line.
    pub(super) fn line_ender(&self) -> Option<&str> {
        self.names().find(|name| self.get(name).is_some_and(ends_a_line))
    }
}

fn ends_a_line(value: &Json) -> bool {
    match value {
        Json::String(text) => text.contains(['\r', '\n', '\0']),
        Json::Array(values) => values.iter().any(ends_a_line),
        Json::Object(values) => values.values().any(ends_a_line),
        Json::Null | Json::Bool(_) | Json::Number(_) => false,
    }
}

/// What came of comparing what is needed with what was given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Needed, and not there.
    pub missing: Vec<String>,
    /// Given, and used nowhere.
    pub unused: Vec<String>,
}

impl Account {
    pub(super) fn of<'a>(
        declared: &'a [Declared],
        used: impl Fn(&str) -> bool,
        needed: impl Iterator<Item = &'a str>,
        values: &Values,
    ) -> Self {
        let mut missing: Vec<_> = declared
            .iter()
            .filter(|variable| !variable.optional && variable.default.is_none())
            .map(|variable| variable.name.as_str())
            .chain(needed.filter(|name| !declared.iter().any(|variable| variable.name == **name)))
            .filter(|name| values.get(name).is_none() && !OURS.contains(name))
            .map(str::to_owned)
            .collect();
        missing.sort();
        missing.dedup();
        let is_known = |name: &str| declared.iter().any(|variable| variable.name == name) || used(name);
        let mut unused: Vec<_> = values.names().filter(|name| !is_known(name)).map(str::to_owned).collect();
        unused.sort();
        Self { missing, unused }
    }
}

/// Named, with the nearest of what was given instead.
pub(super) fn missing(template: &str, name: &str, values: &Values) -> Mistake {
    let names: Vec<_> = values.names().collect();
    let hint = nearest(name, names.iter().copied()).filter(|_| name.len() > 2);
    let hint = hint.map(|near| format!("; did you mean it by \"{near}\"?")).unwrap_or_default();
    Mistake::new(template, format!("variable \"{name}\" is missing{hint}")).about(name)
}

pub(super) fn kind_of(value: &Json) -> &'static str {
    match value {
        Json::Null => "nothing",
        Json::Bool(_) => "true or false",
        Json::Number(_) => "a number",
        Json::String(_) => "another text",
        Json::Array(_) => "a list",
        Json::Object(_) => "an object",
    }
}

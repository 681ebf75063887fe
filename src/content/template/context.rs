//! What a template sees of the values that it is given, and of what the house says beside them: as they were given,
//! and, from the first text on that needs the engine, as that has them.

use super::filters::{Markup, write_text, write_value};
use super::mistake::Mistake;
use super::variables::{Declared, OURS, Values, kind_of, missing};
use minijinja::value::{Object, Value};
use serde_json::Value as Json;
use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::sync::Arc;

/// The values that a mail is made of, checked against what is declared, with the defaults of what was left out.
#[derive(Debug)]
pub(super) struct Seen<'a> {
    /// By name.
    values: Vec<(&'a str, Cow<'a, Json>)>,
    /// The same as the engine has them, from the first text on that it writes.
    converted: OnceCell<Arc<BTreeMap<String, Value>>>,
}

impl<'a> Seen<'a> {
    pub fn of(template: &str, declared: &'a [Declared], values: &'a Values) -> Result<Self, Mistake> {
        let mut seen = Vec::with_capacity(values.len() + declared.len());
        for name in values.names() {
            if let Some(value) = values.get(name).filter(|_| !declared.iter().any(|variable| variable.name == name)) {
                seen.push((name, Cow::Borrowed(value)));
            }
        }
        for variable in declared {
            let name = variable.name.as_str();
            let value = match values.get(name).filter(|value| !(value.is_null() && variable.optional)) {
                Some(given) => variable.kind.take(given).ok_or_else(|| {
                    let why =
                        format!("variable \"{name}\" takes a {}, and got {}", variable.kind.word(), kind_of(given));
                    Mistake::new(template, why).about(name)
                })?,
                None => match (&variable.default, variable.optional) {
                    (Some(default), _) => Cow::Borrowed(default),
                    (None, true) => Cow::Owned(Json::Null),
                    (None, false) => return Err(missing(template, name, values)),
                },
            };
            seen.push((name, value));
        }
        // Of two declarations of one name the last counts: behind a stable sort it is the last of them.
        seen.sort_by_key(|(name, _)| *name);
        Ok(Self { values: seen, converted: OnceCell::new() })
    }

    fn get(&self, name: &str) -> Option<&Json> {
        let behind = self.values.partition_point(|(known, _)| *known <= name);
        let (known, value) = &self.values[behind.checked_sub(1)?];
        (*known == name).then_some(value)
    }

    fn converted(&self) -> Arc<BTreeMap<String, Value>> {
        let convert = || self.values.iter().map(|(name, value)| ((*name).to_owned(), value_of(value))).collect();
        self.converted.get_or_init(|| Arc::new(convert())).clone()
    }
}

/// What stands behind a name.
#[derive(Clone, Copy, Debug)]
pub(super) enum Said<'a> {
    Json(&'a Json),
    Text(&'a str),
    /// Text that is HTML already.
    Markup(&'a str),
    Nothing,
}

impl<'a> Said<'a> {
    pub fn text(text: Option<&'a str>) -> Self {
        text.map_or(Self::Nothing, Self::Text)
    }

    pub fn markup(text: Option<&'a str>) -> Self {
        text.map_or(Self::Nothing, Self::Markup)
    }

    /// As the engine has it.
    fn value(self) -> Value {
        match self {
            Self::Json(json) => value_of(json),
            Self::Text(text) => Value::from(text),
            Self::Markup(text) => Value::from_object(Markup(text.to_owned())),
            Self::Nothing => Value::from(()),
        }
    }

    pub fn is_true(self) -> bool {
        match self {
            Self::Json(Json::String(text)) => !text.is_empty(),
            Self::Text(text) => !text.is_empty(),
            Self::Json(Json::Array(items)) => !items.is_empty(),
            Self::Json(Json::Object(fields)) => !fields.is_empty(),
            // Of these it is a few bytes.
            said => said.value().is_true(),
        }
    }

    pub fn write(self, out: &mut dyn Write, is_html: bool) -> fmt::Result {
        match self {
            Self::Json(Json::String(text)) => write_text(out, is_html, text),
            Self::Text(text) => write_text(out, is_html, text),
            Self::Markup(text) => out.write_str(text),
            said => write_value(out, is_html, &said.value()),
        }
    }
}

/// What a template sees: nothing but this. What the house says itself stands before what was given.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context<'a> {
    pub seen: &'a Seen<'a>,
    /// In the order of `OURS`; what is not said by the house may be given.
    pub ours: [Option<Said<'a>>; OURS.len()],
}

impl<'a> Context<'a> {
    pub fn get(&self, name: &str) -> Option<Said<'a>> {
        let ours = OURS.iter().position(|own| *own == name).and_then(|at| self.ours[at]);
        ours.or_else(|| self.seen.get(name).map(Said::Json))
    }

    /// As the engine has it.
    pub fn value(&self) -> Value {
        let ours = self.ours.map(|said| said.map(Said::value));
        Value::from_object(Converted { seen: self.seen.converted(), ours })
    }
}

#[derive(Debug)]
struct Converted {
    seen: Arc<BTreeMap<String, Value>>,
    ours: [Option<Value>; OURS.len()],
}

impl Object for Converted {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let name = key.as_str()?;
        let ours = OURS.iter().position(|own| *own == name).and_then(|at| self.ours[at].as_ref());
        ours.or_else(|| self.seen.get(name)).cloned()
    }
}

fn value_of(json: &Json) -> Value {
    match json {
        Json::Null => Value::from(()),
        Json::Bool(is) => Value::from(*is),
        Json::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(whole), ..) => Value::from(whole),
            (_, Some(whole), _) => Value::from(whole),
            (.., fraction) => Value::from(fraction.unwrap_or_default()),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => items.iter().map(value_of).collect(),
        Json::Object(fields) => Value::from_pairs(fields.iter().map(|(name, value)| (name.as_str(), value_of(value)))),
    }
}

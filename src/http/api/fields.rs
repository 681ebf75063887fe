//! What a request says: its query or its JSON body as named fields. Each handler takes the fields it knows;
//! what is left is refused by name, so that a mistyped filter never means "everything".

use crate::base::limits;
use crate::base::settings::nearest;
use crate::http::error::{ApiError, Kind};
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use serde_json::{Map, Value};
use std::fmt::Display;
use std::str::FromStr;

/// Fields of a query, a body, or a table in a body.
#[derive(Debug)]
pub(super) struct Fields {
    /// Where they stand: `filter`, or nothing for the outermost.
    within: String,
    given: Map<String, Value>,
    known: Vec<&'static str>,
}

/// The fields of a JSON body; none at all when there is no body.
#[derive(Debug)]
pub(super) struct Body(pub Fields);

pub(super) fn invalid(code: &'static str, message: impl Into<String>) -> ApiError {
    ApiError::new(Kind::InvalidRequest, code, message)
}

impl Fields {
    fn new(within: String, given: Map<String, Value>) -> Self {
        Self { within, given, known: Vec::new() }
    }

    fn of_query(pairs: Vec<(String, String)>) -> Result<Self, ApiError> {
        let mut given = Map::new();
        for (name, text) in pairs {
            if given.contains_key(&name) {
                return Err(invalid("duplicate_field", format!("\"{name}\" is there twice")).with_param(name));
            }
            given.insert(name, Value::String(text));
        }
        Ok(Self::new(String::new(), given))
    }

    fn of_body(bytes: &[u8]) -> Result<Self, ApiError> {
        if bytes.is_empty() {
            return Ok(Self::new(String::new(), Map::new()));
        }
        match serde_json::from_slice(bytes) {
            Ok(Value::Object(given)) => Ok(Self::new(String::new(), given)),
            Ok(_) => Err(invalid("malformed_body", "the body is no JSON object")),
            // Its words name a line and a column, and never what stands there.
            Err(why) => Err(invalid("malformed_body", format!("the body is no JSON: {why}"))),
        }
    }

    fn path(&self, name: &str) -> String {
        if self.within.is_empty() { name.to_owned() } else { format!("{}.{name}", self.within) }
    }

    fn wrong(&self, name: &str, expected: impl Display) -> ApiError {
        let path = self.path(name);
        invalid("invalid_field", format!("\"{path}\" takes {expected}")).with_param(path)
    }

    fn take(&mut self, name: &'static str) -> Option<Value> {
        self.known.push(name);
        self.given.remove(name).filter(|value| !value.is_null())
    }

    pub fn text(&mut self, name: &'static str) -> Result<Option<String>, ApiError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) if text.len() > limits::API_TEXT_BYTES_MAX => {
                Err(self.wrong(name, format_args!("a text of at most {} bytes", limits::API_TEXT_BYTES_MAX)))
            }
            Some(Value::String(text)) if text.chars().any(char::is_control) => {
                Err(self.wrong(name, "a text without control characters"))
            }
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong(name, "a text")),
        }
    }

    /// A text that is something: an address, an id, a rate.
    pub fn parsed<T: FromStr>(&mut self, name: &'static str, expected: &str) -> Result<Option<T>, ApiError>
    where
        T::Err: Display,
    {
        let Some(text) = self.text(name)? else { return Ok(None) };
        text.parse().map(Some).map_err(|why| self.wrong(name, format_args!("{expected}: {why}")))
    }

    /// One word of a list.
    pub fn word<T: Copy>(&mut self, name: &'static str, words: &[(&'static str, T)]) -> Result<Option<T>, ApiError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Ok(Some(*value));
        }
        let all: Vec<_> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        let near = nearest(&text, words.iter().map(|(word, _)| *word));
        let hint = near.map(|near| format!("; did you mean \"{near}\"?")).unwrap_or_default();
        Err(self.wrong(name, format_args!("one of {}{hint}", all.join(", "))))
    }

    /// Whatever stands there, to be looked at by who knows what it has to be.
    pub fn any(&mut self, name: &'static str) -> Option<Value> {
        self.take(name)
    }

    pub fn flag(&mut self, name: &'static str) -> Result<bool, ApiError> {
        match self.take(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(_) => Err(self.wrong(name, "true or false")),
        }
    }

    /// The fields of a table inside; none when it is not there.
    pub fn table(&mut self, name: &'static str) -> Result<Option<Fields>, ApiError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Object(given)) => Ok(Some(Self::new(self.path(name), given))),
            Some(_) => Err(self.wrong(name, "an object")),
        }
    }

    /// Is this field there, null or not?
    pub fn is_named(&self, name: &str) -> bool {
        self.given.contains_key(name)
    }

    /// A page's size: 1 to 100, 20 when nobody says.
    pub fn limit(&mut self) -> Result<usize, ApiError> {
        let Some(text) = self.text("limit")? else { return Ok(limits::API_PAGE_ROWS) };
        let most = limits::PAGE_ROWS_MAX as usize;
        let limit = text.parse().ok().filter(|limit| (1..=most).contains(limit));
        limit.ok_or_else(|| self.wrong("limit", format_args!("a number from 1 to {most}")))
    }

    /// Nothing was said beyond what was taken.
    pub fn end(self) -> Result<(), ApiError> {
        let Some(name) = self.given.keys().next() else { return Ok(()) };
        let path = self.path(name);
        let shown: String = path.chars().take(limits::API_NAME_SHOWN_MAX).filter(|c| !c.is_control()).collect();
        let hint = match nearest(name, self.known.iter().copied()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None if self.known.is_empty() => "none is known here".to_owned(),
            None => format!("known here: {}", self.known.join(", ")),
        };
        Err(invalid("unknown_field", format!("unknown field \"{shown}\": {hint}")).with_param(shown))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Fields {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Query::<Vec<(String, String)>>::from_request_parts(parts, state).await {
            Ok(Query(pairs)) => Self::of_query(pairs),
            Err(_) => Err(invalid("malformed_query", "the query has not the form name=value&name=value")),
        }
    }
}

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let json = request.headers().get(CONTENT_TYPE).is_some_and(|kind| {
            kind.to_str().is_ok_and(|kind| kind.split(';').next().is_some_and(|kind| kind.trim() == "application/json"))
        });
        let bytes = Bytes::from_request(request, state).await.map_err(|why| {
            if why.status() == StatusCode::PAYLOAD_TOO_LARGE {
                return invalid("body_too_large", "the body is longer than any that is taken here")
                    .with_status(StatusCode::PAYLOAD_TOO_LARGE);
            }
            invalid("body_cut", "the body broke off")
        })?;
        // Pages of other sites can post other types on somebody's behalf, never this one.
        if !bytes.is_empty() && !json {
            return Err(invalid("unsupported_media_type", "the body is sent as Content-Type: application/json")
                .with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        }
        Fields::of_body(&bytes).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(text: &str) -> Result<Fields, String> {
        Fields::of_body(text.as_bytes()).map_err(|why| why.message().to_owned())
    }

    fn said<T>(result: Result<T, ApiError>) -> String {
        result.err().unwrap().message().to_owned()
    }

    #[test]
    fn what_nobody_knows_is_refused_by_name() {
        let mut fields = body(r#"{"filter": {"stat": "held"}}"#).unwrap();
        let mut filter = fields.table("filter").unwrap().unwrap();
        filter.text("state").unwrap();
        fields.end().unwrap();
        assert_eq!(said(filter.end()), "unknown field \"filter.stat\": did you mean \"state\"?");
        let query = Fields::of_query(vec![("x\r\ny".into(), String::new())]).unwrap();
        assert_eq!(said(query.end()), "unknown field \"xy\": none is known here");
    }

    #[test]
    fn wrong_values_are_told_what_is_expected() {
        let mut fields = body(r#"{"confirm": "yes", "action": "hols", "filter": [], "to": 7, "a": null}"#).unwrap();
        assert_eq!(said(fields.flag("confirm")), "\"confirm\" takes true or false");
        let words = [("hold", 1), ("release", 2)];
        let expected = "\"action\" takes one of \"hold\", \"release\"; did you mean \"hold\"?";
        assert_eq!(said(fields.word("action", &words)), expected);
        assert_eq!(said(fields.table("filter")), "\"filter\" takes an object");
        assert_eq!(said(fields.text("to")), "\"to\" takes a text");
        assert_eq!(fields.text("a").unwrap(), None, "null is nothing");
        fields.end().unwrap();
        let mut long = body(&format!("{{\"x\": \"{}\"}}", "a".repeat(3000))).unwrap();
        assert!(said(long.text("x")).contains("at most"));
    }

    #[test]
    fn a_page_has_1_to_100_rows() {
        let limit = |text: &str| Fields::of_query(vec![("limit".into(), text.into())]).unwrap().limit();
        assert_eq!((limit("1").unwrap(), limit("100").unwrap()), (1, 100));
        for wrong in ["0", "101", "-1", "x", "", "1e1"] {
            assert_eq!(said(limit(wrong)), "\"limit\" takes a number from 1 to 100", "{wrong}");
        }
        assert_eq!(Fields::of_query(Vec::new()).unwrap().limit().unwrap(), 20);
    }

    #[test]
    fn strange_bodies_are_refused() {
        assert!(body("[]").unwrap_err().contains("no JSON object"));
        assert!(body("{").unwrap_err().contains("line 1"));
        assert!(body(&"[".repeat(10_000)).unwrap_err().contains("recursion"));
        assert!(body("\u{0}").is_err());
        body("").unwrap().end().unwrap();
        let twice = Fields::of_query(vec![("state".into(), "held".into()), ("state".into(), "ready".into())]);
        assert_eq!(said(twice), "\"state\" is there twice");
    }
}

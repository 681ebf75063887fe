//! The running daemon, as a command asks it: over its control socket, and with what it answers made into
//! a value or a sentence.

use super::{Failure, explain_on_stderr, wait};
use crate::config::{Environment, Origin};
use crate::http::control;
use crate::net::unix_http::{self, Answer, NoAnswer};
use hyper::{Method, StatusCode};
use serde_json::Value;
use std::path::PathBuf;

pub struct Daemon {
    socket: PathBuf,
    /// What our file says may be wrong: the daemon refused it, perhaps, and knows more.
    configured: bool,
}

impl Daemon {
    pub fn of(origin: &Origin) -> Result<Self, Failure> {
        let loaded = origin.load(&Environment::of_process());
        explain_on_stderr(&loaded);
        let socket = loaded.data_dir.ok_or(Failure::Configuration)?.join(control::FILE_NAME);
        Ok(Self { socket, configured: loaded.config.is_some() })
    }

    pub fn get(&self, path: &str) -> Result<Value, Failure> {
        self.ask(Method::GET, path, String::new())
    }

    pub fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.ask(Method::POST, path, body.to_string())
    }

    pub fn delete(&self, path: &str) -> Result<Value, Failure> {
        self.ask(Method::DELETE, path, String::new())
    }

    /// The same; none when no daemon runs, for what a command can do by itself.
    pub fn post_if_running(&self, path: &str, body: &Value) -> Result<Option<Value>, Failure> {
        match self.reach(Method::POST, path, body.to_string())? {
            Err(NoAnswer::NotRunning(_)) => Ok(None),
            answer => understood(answer.map_err(Failure::because)?).map(Some),
        }
    }

    fn ask(&self, method: Method, path: &str, body: String) -> Result<Value, Failure> {
        understood(self.reach(method, path, body)?.map_err(Failure::because)?)
    }

    /// A daemon that does not run because of its configuration is no news.
    fn reach(&self, method: Method, path: &str, body: String) -> Result<Result<Answer, NoAnswer>, Failure> {
        match wait(unix_http::ask(&self.socket, method, path, body))? {
            Err(NoAnswer::NotRunning(_)) if !self.configured => Err(Failure::Configuration),
            answer => Ok(answer),
        }
    }
}

fn understood(answer: Answer) -> Result<Value, Failure> {
    let text = String::from_utf8_lossy(&answer.body);
    match answer.status {
        StatusCode::OK | StatusCode::CREATED => {
            serde_json::from_str(&text).map_err(|why| Failure::Because(format!("an unreadable answer: {why}")))
        }
        status => Err(Failure::Because(refusal(status, &text))),
    }
}

/// What the daemon said instead of doing it, and what can be done about it.
fn refusal(status: StatusCode, text: &str) -> String {
    let Ok(answer) = serde_json::from_str::<Value>(text) else {
        return format!("the daemon answered {status}: {}", super::table::plain(text));
    };
    let error = &answer["error"];
    let message = super::table::plain(error["message"].as_str().unwrap_or("it did not say why"));
    let next = match error["type"].as_str() {
        Some("unavailable") => "; ask again in a moment, `gatepost status` says how it is",
        Some("internal") => "; please report it with the lines that its log has for this request",
        _ => "",
    };
    let id = match (error["type"].as_str(), error["request_id"].as_str()) {
        (Some("internal"), Some(id)) => format!(" ({id})"),
        _ => String::new(),
    };
    format!("{message}{next}{id}")
}

/// `name=value&…` of those that are given, as a query behind a path.
pub fn query(path: &str, pairs: &[(&str, Option<&str>)]) -> String {
    let mut text = path.to_owned();
    let mut sign = '?';
    for (name, value) in pairs.iter().filter_map(|(name, value)| Some((name, (*value)?))) {
        text.push(sign);
        text.push_str(&format!("{name}={}", encoded(value)));
        sign = '&';
    }
    text
}

/// RFC 3986 2.3: everything but the unreserved is percent-encoded, so that any text is one segment or value.
pub fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_is_one_value_of_a_query() {
        let pairs = [("from", Some("a+b@example.com")), ("state", None), ("tag", Some("x&limit=1 é"))];
        assert_eq!(query("/queue", &pairs), "/queue?from=a%2Bb%40example.com&tag=x%26limit%3D1%20%C3%A9");
        assert_eq!(query("/queue", &[("a", None)]), "/queue");
    }

    #[test]
    fn a_refusal_says_what_to_do_next() {
        let said = |kind: &str| {
            let text = format!(r#"{{"error":{{"type":"{kind}","message":"no such thing","request_id":"req_1"}}}}"#);
            refusal(StatusCode::BAD_REQUEST, &text)
        };
        assert_eq!(said("not_found"), "no such thing");
        assert!(said("unavailable").contains("ask again in a moment"));
        assert!(said("internal").ends_with("(req_1)"));
        assert_eq!(refusal(StatusCode::BAD_GATEWAY, "<\x1b[2J>"), "the daemon answered 502 Bad Gateway: <?[2J>");
    }
}

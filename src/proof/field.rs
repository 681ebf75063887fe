//! A DKIM-Signature field as it is written: short lines, so that nobody has a reason to fold it anew, and folded
//! only where white space changes nothing.

use super::canonical::{BodyHash, relaxed_field};
use super::key::SigningKey;
use crate::base::clock::Time;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::time::Duration;

const NAME: &str = "DKIM-Signature";

/// RFC 5322 2.1.1: without the line end.
const LINE_CHARS: usize = 78;

/// RFC 6376 3.5: the field up to `b=`, which comes last.
pub struct Unfinished(Folded);

impl Unfinished {
    pub fn new(
        key: &SigningKey,
        body: &BodyHash,
        names: impl ExactSizeIterator<Item = &'static str>,
        now: Time,
        expires: Option<Duration>,
    ) -> Self {
        let seconds = (now.micros() / 1_000_000).max(0);
        let mut field = Folded::new(512 + 32 * names.len());
        // RFC 6376 3.5: never `l=`, which would leave the end of the body to anybody.
        field.tag(&["v=1;"]);
        field.tag(&["a=", key.tag_a(), ";"]);
        field.tag(&["c=relaxed/relaxed;"]);
        field.tag(&["d=", key.domain().as_str(), ";"]);
        field.tag(&["s=", key.selector().as_str(), ";"]);
        field.tag(&["t=", &seconds.to_string(), ";"]);
        if let Some(expires) = expires {
            let last = i64::try_from(expires.as_secs()).unwrap_or(i64::MAX);
            // RFC 6376 3.5: `x=` has to be above `t=`.
            field.tag(&["x=", &seconds.saturating_add(last.max(1)).to_string(), ";"]);
        }
        field.names(names);
        field.tag(&["bh=", body.as_str(), ";"]);
        field.tag(&["b="]);
        Self(field)
    }

    /// RFC 6376 3.7: what is signed of the field itself: with an empty `b=`, and without a line end.
    pub fn canonical(&self, out: &mut Vec<u8>) {
        relaxed_field(NAME, &self.0.text.as_bytes()[NAME.len() + 1..], out);
    }

    /// The whole field, with its last line end.
    pub fn finish(mut self, signature: &[u8]) -> String {
        self.0.anywhere(&STANDARD.encode(signature));
        self.0.text.push_str("\r\n");
        self.0.text
    }
}

struct Folded {
    text: String,
    column: usize,
}

impl Folded {
    fn new(capacity: usize) -> Self {
        let mut text = String::with_capacity(capacity);
        text.push_str(NAME);
        text.push(':');
        Self { column: text.len(), text }
    }

    /// White space, then all of these on one line: on this one if they fit.
    fn tag(&mut self, parts: &[&str]) {
        let chars: usize = parts.iter().map(|part| part.len()).sum();
        if self.column + 1 + chars > LINE_CHARS {
            self.fold();
        } else {
            self.text.push(' ');
            self.column += 1;
        }
        for part in parts {
            self.text.push_str(part);
        }
        self.column += chars;
    }

    /// RFC 6376 3.5: between two names of `h=` white space may stand, and within none.
    fn names(&mut self, names: impl ExactSizeIterator<Item = &'static str>) {
        let last = names.len().saturating_sub(1);
        for (i, name) in names.enumerate() {
            let end = if i == last { ";" } else { ":" };
            if i == 0 {
                self.tag(&["h=", name, end]);
                continue;
            }
            if self.column + name.len() + end.len() > LINE_CHARS {
                self.fold();
            }
            self.text.push_str(name);
            self.text.push_str(end);
            self.column += name.len() + end.len();
        }
    }

    /// RFC 6376 3.2, 3.5: base64 may be folded anywhere.
    fn anywhere(&mut self, mut rest: &str) {
        while !rest.is_empty() {
            if self.column == LINE_CHARS {
                self.fold();
            }
            let (now, later) = rest.split_at(rest.len().min(LINE_CHARS - self.column));
            self.text.push_str(now);
            self.column += now.len();
            rest = later;
        }
    }

    fn fold(&mut self) {
        self.text.push_str("\r\n ");
        self.column = 1;
    }
}

//! Settings that are kept as JSON, one table a text, as they stand in a row of the store: read into the
//! same tree as a file's, and so through the same checks. JSON has no places worth showing: each node gets
//! a number as its place, so that two lists are never taken for one.
//!
//! What is kept in the store is written through the API, by people who may not read this machine's files
//! or variables: forms that look outside (`{ file = … }`, `{ env = … }`, a path) are refused here.

use super::environment::Environment;
use super::finding::{Finding, Severity};
use super::reader::Reader;
use super::tree::{Entry, Kind, Node, Span};
use super::value::Value;
use crate::base::limits;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use std::collections::HashSet;
use std::fmt;
use std::path::Path;

/// Reads one table. `given` are keys whose values are known beside it: they fill what the text leaves
/// out, and a caller compares what the text says with them.
pub fn read_json<T: Value>(text: &str, given: &[(&str, &str)]) -> Result<T, Vec<Finding>> {
    let mut node = parse(text).map_err(|why| vec![Finding::error(None, why)])?;
    if let Kind::Table(entries) = &mut node.kind {
        for (key, value) in given {
            if !entries.iter().any(|entry| entry.key == *key) {
                let value = Node { span: Span::default(), kind: Kind::Text((*value).to_owned()) };
                entries.push(Entry { key: (*key).to_owned(), key_span: Span::default(), node: value });
            }
        }
    }
    let environment = Environment::default();
    let mut reader = Reader::closed(&environment, Path::new(""));
    reader.about("definition");
    let value = T::read(&node, &mut reader);
    let errors: Vec<_> =
        reader.finish().findings.into_iter().filter(|finding| finding.severity == Severity::Error).collect();
    match value {
        Some(value) if errors.is_empty() => Ok(value),
        _ => Err(errors),
    }
}

/// The tree of a text. A key whose value is `null` counts as absent.
fn parse(text: &str) -> Result<Node, String> {
    if text.len() > limits::DEFINITION_BYTES_MAX {
        let max = limits::DEFINITION_BYTES_MAX;
        return Err(format!("a definition has at most {max} bytes"));
    }
    let mut made = 0;
    let mut source = serde_json::Deserializer::from_str(text);
    let node = Branch { made: &mut made }.deserialize(&mut source).and_then(|node| source.end().map(|()| node));
    match node {
        Ok(Some(node)) => Ok(node),
        Ok(None) => Err("null is no definition".to_owned()),
        // The parser names places and what it expected, never a value.
        Err(why) => Err(format!("this is no JSON: {why}")),
    }
}

/// Builds one node, and counts all of them. Depth is bounded by the parser's own recursion limit.
struct Branch<'a> {
    made: &'a mut usize,
}

impl Branch<'_> {
    fn node<E: Error>(self, kind: Kind) -> Result<Option<Node>, E> {
        *self.made += 1;
        if *self.made > limits::DEFINITION_NODES_MAX {
            return Err(E::custom(format!("it holds more than {} values", limits::DEFINITION_NODES_MAX)));
        }
        Ok(Some(Node { span: Span { start: *self.made, end: *self.made }, kind }))
    }
}

impl<'de> DeserializeSeed<'de> for Branch<'_> {
    type Value = Option<Node>;

    fn deserialize<D: serde::Deserializer<'de>>(self, source: D) -> Result<Self::Value, D::Error> {
        source.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Branch<'_> {
    type Value = Option<Node>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        self.node(Kind::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        self.node(Kind::Integer(value.to_string()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        self.node(Kind::Integer(value.to_string()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        self.node(Kind::Float(value.to_string()))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
        self.node(Kind::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element_seed(Branch { made: &mut *self.made })? {
            items.push(item.ok_or_else(|| A::Error::custom("a list holds null"))?);
        }
        self.node(Kind::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut entries, mut keys) = (Vec::new(), HashSet::new());
        while let Some(key) = map.next_key::<String>()? {
            // As in a file: the second of two would win over the first unseen.
            if !keys.insert(key.clone()) {
                return Err(A::Error::custom(format!("the key {key:?} is there twice")));
            }
            if let Some(node) = map.next_value_seed(Branch { made: &mut *self.made })? {
                entries.push(Entry { key, key_span: node.span, node });
            }
        }
        self.node(Kind::Table(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::secret::Secret;
    use crate::base::settings::settings;
    use std::path::PathBuf;

    settings! {
        /// A table.
        pub struct Sample in "[[sample]]" {
            /// Its name.
            live name: String = required("\"a\""),
            /// A port.
            live port: u16 = default(587),
            /// A secret.
            live password: Option<Secret> = optional("\"x\""),
            /// A file.
            live file: Option<PathBuf> = optional("\"x\""),
            /// Words.
            live words: Vec<String> = default(Vec::new()),
        }
    }

    fn read(text: &str) -> Result<Sample, String> {
        read_json(text, &[("name", "given")]).map_err(|findings| findings[0].message.clone())
    }

    #[test]
    fn a_definition_reads_as_its_table_in_the_file() {
        let sample = read(r#"{"port": 25, "password": "hunter2", "words": ["a", "b"]}"#).unwrap();
        assert_eq!((sample.name.as_str(), sample.port, sample.words.len()), ("given", 25, 2));
        assert_eq!(sample.password.unwrap().expose(), "hunter2");
        assert_eq!(read(r#"{"name": "said", "port": null}"#).map(|s| (s.name, s.port)), Ok(("said".into(), 587)));
    }

    #[test]
    fn mistakes_are_found_as_in_the_file() {
        for (text, why) in [
            (r#"{"prt": 25}"#, "unknown key \"prt\" in [[sample]]"),
            (r#"{"port": "25"}"#, "\"port\" takes a port number from 1 to 65535"),
            (r#"{"port": 25.5}"#, "\"port\" takes a port number from 1 to 65535"),
            (r#"{"port": 99999999999999999999}"#, "\"port\" takes a port number from 1 to 65535"),
            (r#"{"port": 1, "port": 2}"#, "this is no JSON: the key \"port\" is there twice at line 1 column 18"),
            (r#"{"words": [null]}"#, "this is no JSON: a list holds null at line 1 column 16"),
            ("null", "null is no definition"),
            ("[]", "\"definition\" takes a table"),
            ("{} {}", "this is no JSON: trailing characters at line 1 column 4"),
        ] {
            assert_eq!(read(text).unwrap_err(), why, "{text}");
        }
    }

    #[test]
    fn nothing_outside_the_store_is_looked_at() {
        for text in [
            r#"{"password": {"file": "/etc/hostname"}}"#,
            r#"{"password": {"env": "HOME"}}"#,
            r#"{"password": {"env": "HOME", "default": "x"}}"#,
            r#"{"name": {"env": "HOME", "default": "x"}}"#,
            r#"{"file": "/etc/hostname"}"#,
            r#"{"words": [{"env": "HOME", "default": "x"}]}"#,
        ] {
            assert!(read(text).unwrap_err().contains("in the store"), "{text}: {:?}", read(text));
        }
    }

    #[test]
    fn a_definition_is_bounded() {
        let deep = "[".repeat(100_000);
        let wide = format!("{{\"words\": [{}1]}}", "1,".repeat(limits::DEFINITION_NODES_MAX));
        let long = format!("{{\"name\": \"{}\"}}", "x".repeat(limits::DEFINITION_BYTES_MAX));
        for text in [deep, wide, long] {
            assert!(read(&text).is_err());
        }
    }
}

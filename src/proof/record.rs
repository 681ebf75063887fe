//! The record under which a key's public half stands in the DNS: as we ask for it, and as it is found there.

use crate::mail::domain_name::DomainName;
use crate::model::dkim::Algorithm;
use crate::model::domain::Selector;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// RFC 1035 3.3: a string of a record has 255 bytes at most.
const STRING_BYTES: usize = 255;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    algorithm: Algorithm,
    bytes: Vec<u8>,
}

/// What a record says of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// The key: what it signs can be verified.
    Same,
    /// RFC 6376 3.6.1: an empty `p=` takes a key back.
    Revoked,
    /// Another key.
    Another,
    /// The key, with tags that forbid what we do with it.
    Restricted,
    /// No record of a key at all.
    Malformed,
}

impl PublicKey {
    pub fn new(algorithm: Algorithm, bytes: Vec<u8>) -> Self {
        Self { algorithm, bytes }
    }

    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// RFC 6376 3.6.1: the text of its record.
    pub fn record(&self) -> String {
        format!("v=DKIM1; k={}; p={}", self.algorithm, STANDARD.encode(&self.bytes))
    }

    /// The record as a line of a zone file.
    pub fn zone_line(&self, domain: &DomainName, selector: &Selector) -> String {
        let record = self.record();
        // Invariant: tags and base64 are ASCII, so every byte is the beginning of a character.
        let strings: Vec<String> = (0..record.len())
            .step_by(STRING_BYTES)
            .map(|at| format!("\"{}\"", &record[at..record.len().min(at + STRING_BYTES)]))
            .collect();
        format!("{}. IN TXT {}", owner(domain, selector), strings.join(" "))
    }

    /// What the text of a record says of this key. The strings of a record are one text (RFC 6376 3.6.2.2).
    pub fn published_in(&self, record: &[u8]) -> Published {
        let Ok(text) = std::str::from_utf8(record) else { return Published::Malformed };
        let tags = Tags(text);
        // RFC 6376 3.6.1: `v=` may be missing, but nothing may stand before it.
        if tags.get("v").is_some_and(|v| v != "DKIM1") || !tags.begins_with_version_if_any() {
            return Published::Malformed;
        }
        let Some(p) = tags.get("p") else { return Published::Malformed };
        let p: String = p.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        if p.is_empty() {
            return Published::Revoked;
        }
        let is_ours = tags.get("k").unwrap_or("rsa") == self.algorithm.as_str()
            && STANDARD.decode(p).is_ok_and(|bytes| bytes == self.bytes);
        let allows = |tag, words: [&str; 2]| {
            tags.get(tag).is_none_or(|list| list.split(':').any(|word| words.contains(&word.trim())))
        };
        match (is_ours, allows("h", ["sha256", "sha256"]) && allows("s", ["*", "email"])) {
            (false, _) => Published::Another,
            (true, false) => Published::Restricted,
            (true, true) => Published::Same,
        }
    }
}

/// RFC 6376 3.6.2.1: where the record of a key stands.
pub fn owner(domain: &DomainName, selector: &Selector) -> String {
    format!("{selector}._domainkey.{domain}")
}

/// RFC 6376 3.2: `tag=value; tag=value`.
struct Tags<'a>(&'a str);

impl<'a> Tags<'a> {
    fn all(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.split(';').filter_map(|tag| tag.split_once('=')).map(|(name, value)| (name.trim(), value.trim()))
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        self.all().find(|(tag, _)| *tag == name).map(|(_, value)| value)
    }

    fn begins_with_version_if_any(&self) -> bool {
        self.all().skip(1).all(|(tag, _)| tag != "v")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8463 A.2.
    const ED25519: &str = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

    fn key() -> PublicKey {
        PublicKey::new(Algorithm::Ed25519, STANDARD.decode(ED25519).unwrap())
    }

    #[test]
    fn a_record_is_what_the_rfc_prints() {
        assert_eq!(key().record(), format!("v=DKIM1; k=ed25519; p={ED25519}"));
        let (domain, selector) = ("football.example.com".parse().unwrap(), "brisbane".parse().unwrap());
        assert_eq!(
            key().zone_line(&domain, &selector),
            format!("brisbane._domainkey.football.example.com. IN TXT \"v=DKIM1; k=ed25519; p={ED25519}\"")
        );
    }

    #[test]
    fn a_long_record_is_cut_into_strings() {
        let long = PublicKey::new(Algorithm::Rsa, vec![0xab; 550]);
        let line = long.zone_line(&"example.com".parse().unwrap(), &"a.b".parse().unwrap());
        let strings: Vec<&str> = line.split('"').skip(1).step_by(2).collect();
        assert!(line.starts_with("a.b._domainkey.example.com. IN TXT \"v=DKIM1; k=rsa; p="));
        assert!(strings.iter().all(|s| s.len() <= 255) && strings.len() == 3, "{line}");
        assert_eq!(strings.concat(), long.record());
    }

    #[test]
    fn what_is_published_is_compared_as_a_verifier_would() {
        for (record, says) in [
            (key().record(), Published::Same),
            (format!("k=ed25519;p={ED25519}"), Published::Same),
            (
                "v=DKIM1;t=y ; k = ed25519; h=sha1: sha256; s=email; n=note; p=11qYAYKxCrfVS/7TyW QHOg7hcvPapiMlrwIaaPcHURo= ;".to_owned(),
                Published::Same,
            ),
            (format!("v=DKIM1; k=ed25519; h=sha1; p={ED25519}"), Published::Restricted),
            (format!("v=DKIM1; k=ed25519; s=tlsrpt; p={ED25519}"), Published::Restricted),
            ("v=DKIM1; k=ed25519; p=".to_owned(), Published::Revoked),
            (format!("v=DKIM1; p={ED25519}"), Published::Another),
            ("v=DKIM1; k=ed25519; p=AAAA".to_owned(), Published::Another),
            ("v=DKIM1; k=ed25519; p=no base64!".to_owned(), Published::Another),
            (format!("v=DKIM2; k=ed25519; p={ED25519}"), Published::Malformed),
            (format!("k=ed25519; v=DKIM1; p={ED25519}"), Published::Malformed),
            ("v=spf1 -all".to_owned(), Published::Malformed),
            (String::new(), Published::Malformed),
        ] {
            assert_eq!(key().published_in(record.as_bytes()), says, "{record}");
        }
        assert_eq!(key().published_in(b"p=\xff"), Published::Malformed);
    }
}

//! Which certificate a client is shown: the one that carries the name it asked for, by itself or by a
//! wildcard, else the one of `[tls]`. The names are the certificate's own; nobody writes them twice.

use super::Pair;
use super::files::{self, BadPair};
use super::settings::Certificate;
use rustls::sign::CertifiedKey;
use std::collections::HashMap;
use std::sync::Arc;

/// A pair, and the names that its certificate is for: lower case, a wildcard as `*.example.com`.
#[derive(Debug)]
pub struct Named {
    pub names: Vec<String>,
    pair: Pair,
}

impl Named {
    /// Reads the pair and its names. One without a DNS name is an error: it would never be shown.
    pub fn read(settings: &Certificate) -> Result<Self, BadPair> {
        let pair = files::load(&settings.certificate, &settings.key)?;
        let names = names(&pair);
        if names.is_empty() {
            return Err(BadPair::Nameless { path: settings.certificate.clone() });
        }
        Ok(Self { names, pair })
    }
}

/// RFC 9525 2.1, 6.3: names are those of the subjectAltName; a common name is none.
fn names(pair: &Pair) -> Vec<String> {
    let Some(Ok(first)) = pair.0.cert.first().map(webpki::EndEntityCert::try_from) else {
        return Vec::new();
    };
    first.valid_dns_names().map(str::to_ascii_lowercase).collect()
}

/// All that our listeners show.
#[derive(Clone, Debug)]
pub struct Shown {
    otherwise: Arc<CertifiedKey>,
    by_name: HashMap<String, Arc<CertifiedKey>>,
}

impl From<Pair> for Shown {
    /// This pair, whatever the client asks for.
    fn from(pair: Pair) -> Self {
        Self { otherwise: pair.0, by_name: HashMap::new() }
    }
}

impl Shown {
    /// Shows this pair too, for its names. A name that is given already stays where it is.
    pub fn add(&mut self, named: Named) {
        for name in named.names {
            self.by_name.entry(name).or_insert_with(|| named.pair.0.clone());
        }
    }

    /// RFC 6066 3: the name in the client's hello, when it sent one. An exact name goes before a wildcard,
    /// which stands for one label (RFC 9525 6.3).
    pub(super) fn choose(&self, asked: Option<&str>) -> Arc<CertifiedKey> {
        let found = asked.and_then(|name| self.by_name.get(name).or_else(|| self.by_name.get(&wildcard_of(name)?)));
        found.unwrap_or(&self.otherwise).clone()
    }
}

fn wildcard_of(name: &str) -> Option<String> {
    name.split_once('.').map(|(_, parent)| format!("*.{parent}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn made(directory: &Path, file: &str, names: &[&str]) -> Certificate {
        let made =
            rcgen::generate_simple_self_signed(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
        let (certificate, key) = (directory.join(format!("{file}.pem")), directory.join(format!("{file}.key")));
        std::fs::write(&certificate, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        Certificate { certificate, key }
    }

    #[test]
    fn the_most_exact_name_wins_and_the_first_of_two() {
        let directory = tempfile::tempdir().unwrap();
        let main = made(directory.path(), "main", &["main.example"]);
        let mut shown = Shown::from(files::load(&main.certificate, &main.key).unwrap());
        let certificates = [
            ("wild", &["*.example.com", "Example.COM"][..]),
            ("exact", &["mail.example.com", "192.0.2.1"]),
            ("late", &["mail.example.com", "late.example.net"]),
        ];
        let mut keys = HashMap::from([("main", shown.otherwise.cert.clone())]);
        for (file, names) in certificates {
            let named = Named::read(&made(directory.path(), file, names)).unwrap();
            keys.insert(file, named.pair.0.cert.clone());
            shown.add(named);
        }
        for (asked, file) in [
            (Some("mail.example.com"), "exact"),
            (Some("smtp.example.com"), "wild"),
            (Some("example.com"), "wild"),
            (Some("a.smtp.example.com"), "main"),
            (Some("late.example.net"), "late"),
            (Some("main.example"), "main"),
            (Some("com"), "main"),
            (Some("*.example.com"), "wild"),
            (Some("192.0.2.1"), "main"),
            (None, "main"),
        ] {
            assert_eq!(shown.choose(asked).cert, keys[file], "{asked:?}");
        }
    }

    #[test]
    fn a_certificate_without_a_name_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let complaint = Named::read(&made(directory.path(), "bare", &["192.0.2.1"])).unwrap_err().to_string();
        assert!(complaint.contains("bare.pem: ") && complaint.contains("no DNS name"), "{complaint}");
    }
}

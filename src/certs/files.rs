//! A certificate chain and a key from PEM files, checked before anything serves them. An error names
//! the file, what is wrong with it, and what would be right.

use super::{Pair, provider};
use crate::base::pem::{self, BadPem};
use rustls::sign::CertifiedKey;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Debug)]
pub enum BadPair {
    Pem {
        path: PathBuf,
        why: BadPem,
    },
    BadCertificate {
        path: PathBuf,
        why: rustls::Error,
    },
    BadKey {
        path: PathBuf,
    },
    Mismatch {
        certificate: PathBuf,
        key: PathBuf,
    },
    /// A certificate that clients cannot ask for.
    Nameless {
        path: PathBuf,
    },
    /// A self-signed pair could not be made.
    NotMade {
        path: PathBuf,
        why: String,
    },
}

impl std::fmt::Display for BadPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Pem { path, why } => write!(f, "{}: {why}", path.display()),
            Self::BadCertificate { path, why } => write!(f, "{}: not a usable certificate: {why}", path.display()),
            Self::BadKey { path } => {
                write!(
                    f,
                    "{}: not a usable private key (RSA from 2048 bits, ECDSA P-256, P-384, Ed25519)",
                    path.display()
                )
            }
            Self::Mismatch { certificate, key } => {
                write!(f, "{}: this key does not belong to the certificate in {}", key.display(), certificate.display())
            }
            Self::Nameless { path } => write!(
                f,
                "{}: no DNS name in this certificate (subjectAltName), so no client can ask for it",
                path.display()
            ),
            Self::NotMade { path, why } => {
                write!(f, "{}: a self-signed certificate could not be made: {why}", path.display())
            }
        }
    }
}

impl std::error::Error for BadPair {}

impl BadPair {
    /// The file at fault.
    pub fn path(&self) -> &Path {
        match self {
            Self::Pem { path, .. }
            | Self::BadCertificate { path, .. }
            | Self::BadKey { path }
            | Self::Nameless { path }
            | Self::NotMade { path, .. }
            | Self::Mismatch { key: path, .. } => path,
        }
    }
}

/// Reads both files and makes sure that they fit each other.
pub fn load(certificate: &Path, key: &Path) -> Result<Pair, BadPair> {
    let in_file = |path: &Path| {
        let path = path.to_owned();
        move |why| BadPair::Pem { path, why }
    };
    let chain = pem::read(certificate).and_then(|text| pem::certificates(&text)).map_err(in_file(certificate))?;
    let private = pem::read(key).and_then(|text| pem::private_key(&text)).map_err(in_file(key))?;
    // First by itself, so that the message can tell a bad key from one that belongs elsewhere.
    if provider().key_provider.load_private_key(private.clone_key()).is_err() {
        return Err(BadPair::BadKey { path: key.to_owned() });
    }
    match CertifiedKey::from_der(chain, private, &provider()) {
        Ok(pair) => Ok(Pair(Arc::new(pair))),
        Err(rustls::Error::InconsistentKeys(_)) => {
            Err(BadPair::Mismatch { certificate: certificate.to_owned(), key: key.to_owned() })
        }
        Err(why) => Err(BadPair::BadCertificate { path: certificate.to_owned(), why }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Files {
        directory: tempfile::TempDir,
    }

    impl Files {
        fn new() -> Self {
            Self { directory: tempfile::tempdir().unwrap() }
        }

        fn with(&self, name: &str, text: &str) -> PathBuf {
            let path = self.directory.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        }
    }

    fn made() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(vec!["mail.example.com".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    fn complaint(certificate: &Path, key: &Path) -> String {
        load(certificate, key).unwrap_err().to_string()
    }

    #[test]
    fn a_pair_that_fits_loads_with_its_whole_chain() {
        let files = Files::new();
        let ((leaf, key), (issuer, _)) = (made(), made());
        let pair = load(&files.with("chain.pem", &format!("{leaf}{issuer}")), &files.with("key.pem", &key)).unwrap();
        assert_eq!(pair.0.cert.len(), 2);
    }

    #[test]
    fn a_complaint_names_the_file_and_what_is_wrong_with_it() {
        let files = Files::new();
        let ((certificate_text, key_text), (_, other)) = (made(), made());
        let (certificate, key) = (files.with("server.pem", &certificate_text), files.with("server.key", &key_text));
        let nowhere = files.directory.path().join("nowhere.pem");
        let cut = &key_text[..key_text.len() / 2];
        let junk = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let hollow = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        let sealed = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        for (certificate, key, file, why) in [
            (&nowhere, &key, "nowhere.pem", "cannot be read: No such file"),
            (&files.with("empty.pem", ""), &key, "empty.pem", "the file is empty"),
            (&files.with("der.pem", "0\u{1}\u{2}"), &key, "der.pem", "it is not PEM"),
            (&key, &certificate, "server.key", "are the two files swapped?"),
            (&files.with("junk.pem", junk), &key, "junk.pem", "not a usable certificate"),
            (&certificate, &certificate, "server.pem", "no private key in this file: it holds a certificate"),
            (&certificate, &files.with("other.key", &other), "other.key", "does not belong to the certificate in"),
            (&certificate, &files.with("cut.key", cut), "cut.key", "damaged PEM"),
            (&certificate, &files.with("hollow.key", hollow), "hollow.key", "not a usable private key"),
            (&certificate, &files.with("sealed.key", sealed), "sealed.key", "encrypted"),
        ] {
            let complaint = complaint(certificate, key);
            assert!(complaint.contains(file) && complaint.contains(why), "{file}: {complaint}");
        }
    }

    #[test]
    fn a_complaint_never_quotes_the_key() {
        let files = Files::new();
        let (certificate, key) = made();
        let secret: String = key.lines().nth(1).unwrap().to_owned();
        let damaged = key.replace("-----END PRIVATE KEY-----", "-----END PRIVATE KEX-----");
        let complaint = complaint(&files.with("server.pem", &certificate), &files.with("server.key", &damaged));
        assert!(!complaint.contains(&secret[..16]), "{complaint}");
    }
}

//! A certificate chain and a key from PEM files, checked before anything serves them. An error names
//! the file, what is wrong with it, and what would be right.

use super::{Pair, provider};
use crate::base::limits;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zeroize::Zeroizing;

#[derive(Debug)]
pub enum BadPair {
    Unreadable {
        path: PathBuf,
        why: io::Error,
    },
    TooLarge {
        path: PathBuf,
    },
    Empty {
        path: PathBuf,
    },
    NoCertificate {
        path: PathBuf,
        found: Found,
    },
    NoKey {
        path: PathBuf,
        found: Found,
    },
    BadPem {
        path: PathBuf,
        why: &'static str,
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

/// What a file holds instead of what it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    NoPem,
    Certificate,
    Key,
    EncryptedKey,
    OtherPem,
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NoPem => "it is not PEM (text with -----BEGIN …----- lines)",
            Self::Certificate => "it holds a certificate instead: are the two files swapped?",
            Self::Key => "it holds a private key instead: are the two files swapped?",
            Self::EncryptedKey => "its key is encrypted, and a daemon has nobody to ask for the passphrase",
            Self::OtherPem => "it holds PEM of another kind",
        })
    }
}

impl std::fmt::Display for BadPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unreadable { path, why } => write!(f, "{}: cannot be read: {why}", path.display()),
            Self::TooLarge { path } => {
                write!(f, "{}: larger than {} bytes, no PEM file is", path.display(), limits::PEM_FILE_BYTES_MAX)
            }
            Self::Empty { path } => write!(f, "{}: the file is empty", path.display()),
            Self::NoCertificate { path, found } => {
                write!(f, "{}: no certificate in this file: {found}", path.display())
            }
            Self::NoKey { path, found } => write!(f, "{}: no private key in this file: {found}", path.display()),
            Self::BadPem { path, why } => write!(f, "{}: damaged PEM: {why}", path.display()),
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
            Self::Unreadable { path, .. }
            | Self::TooLarge { path }
            | Self::Empty { path }
            | Self::NoCertificate { path, .. }
            | Self::NoKey { path, .. }
            | Self::BadPem { path, .. }
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
    let chain = chain_in(certificate, &read(certificate)?)?;
    let private = key_in(key, &read(key)?)?;
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

/// Is there a private key in this file? For keys whose use is another room's matter.
pub fn check_key(path: &Path) -> Result<(), BadPair> {
    key_in(path, &read(path)?).map(|_| ())
}

/// The public half of the private key in this file: SubjectPublicKeyInfo, in DER.
pub fn public_half(path: &Path) -> Result<Vec<u8>, BadPair> {
    let bad = || BadPair::BadKey { path: path.to_owned() };
    let key = key_in(path, &read(path)?)?;
    let signing = provider().key_provider.load_private_key(key).map_err(|_| bad())?;
    signing.public_key().map(|public| public.to_vec()).ok_or_else(bad)
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, BadPair> {
    let unreadable = |why| BadPair::Unreadable { path: path.to_owned(), why };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(limits::PEM_FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    match bytes.len() as u64 {
        0 => Err(BadPair::Empty { path: path.to_owned() }),
        n if n > limits::PEM_FILE_BYTES_MAX => Err(BadPair::TooLarge { path: path.to_owned() }),
        _ => Ok(bytes),
    }
}

fn chain_in(path: &Path, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, BadPair> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    match chain {
        Ok(chain) if chain.is_empty() => Err(BadPair::NoCertificate { path: path.to_owned(), found: found_in(text) }),
        Ok(chain) => Ok(chain),
        Err(why) => Err(BadPair::BadPem { path: path.to_owned(), why: in_words(&why) }),
    }
}

fn key_in(path: &Path, text: &[u8]) -> Result<PrivateKeyDer<'static>, BadPair> {
    PrivateKeyDer::from_pem_slice(text).map_err(|why| match why {
        pem::Error::NoItemsFound => BadPair::NoKey { path: path.to_owned(), found: found_in(text) },
        why => BadPair::BadPem { path: path.to_owned(), why: in_words(&why) },
    })
}

/// The crate's own words would quote lines of the file, and the file may be a key.
fn in_words(why: &pem::Error) -> &'static str {
    match why {
        pem::Error::MissingSectionEnd { .. } => "an -----END …----- line is missing",
        pem::Error::IllegalSectionStart { .. } => "a -----BEGIN …----- line is malformed",
        pem::Error::Base64Decode(_) => "the text between BEGIN and END is not base64",
        _ => "it cannot be decoded",
    }
}

fn found_in(text: &[u8]) -> Found {
    let text = String::from_utf8_lossy(text);
    if !text.contains("-----BEGIN ") {
        Found::NoPem
    } else if text.contains("ENCRYPTED") {
        Found::EncryptedKey
    } else if text.contains("PRIVATE KEY-----") {
        Found::Key
    } else if text.contains("-----BEGIN CERTIFICATE-----") {
        Found::Certificate
    } else {
        Found::OtherPem
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

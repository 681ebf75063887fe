//! PEM files: read within a bound, and complaints that say what is wrong without quoting what may be a key.

use super::limits;
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::io::{self, Read};
use std::path::Path;
use zeroize::Zeroizing;

#[derive(Debug)]
pub enum BadPem {
    Unreadable(io::Error),
    TooLarge,
    Empty,
    NoCertificate(Found),
    NoKey(Found),
    Damaged(&'static str),
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

impl std::fmt::Display for BadPem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unreadable(why) => write!(f, "cannot be read: {why}"),
            Self::TooLarge => write!(f, "larger than {} bytes, no PEM file is", limits::PEM_FILE_BYTES_MAX),
            Self::Empty => f.write_str("the file is empty"),
            Self::NoCertificate(found) => write!(f, "no certificate in this file: {found}"),
            Self::NoKey(found) => write!(f, "no private key in this file: {found}"),
            Self::Damaged(why) => write!(f, "damaged PEM: {why}"),
        }
    }
}

impl std::error::Error for BadPem {}

/// The text of a file; blocks on the disk for a moment.
pub fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, BadPem> {
    let file = std::fs::File::open(path).map_err(BadPem::Unreadable)?;
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(limits::PEM_FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(BadPem::Unreadable)?;
    match bytes.len() as u64 {
        0 => Err(BadPem::Empty),
        n if n > limits::PEM_FILE_BYTES_MAX => Err(BadPem::TooLarge),
        _ => Ok(bytes),
    }
}

/// All certificates of a text, at least one.
pub fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, BadPem> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    match chain {
        Ok(chain) if chain.is_empty() => Err(BadPem::NoCertificate(found_in(text))),
        Ok(chain) => Ok(chain),
        Err(why) => Err(BadPem::Damaged(in_words(&why))),
    }
}

/// The first private key of a text.
pub fn private_key(text: &[u8]) -> Result<PrivateKeyDer<'static>, BadPem> {
    PrivateKeyDer::from_pem_slice(text).map_err(|why| match why {
        pem::Error::NoItemsFound => BadPem::NoKey(found_in(text)),
        why => BadPem::Damaged(in_words(&why)),
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

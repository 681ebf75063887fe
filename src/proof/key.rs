//! A private key that signs mail: from a file, from the store, or new.

use super::record::PublicKey;
use crate::base::pem::{self, BadPem};
use crate::base::secret::Secret;
use crate::mail::domain_name::DomainName;
use crate::model::dkim::Algorithm;
use crate::model::domain::Selector;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::error::KeyRejected;
use aws_lc_rs::rsa::{self, KeySize};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256};
use aws_lc_rs::{digest, rand};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::PrivateKeyDer;
use std::path::Path;
use zeroize::Zeroizing;

/// RFC 8301 3.2: verifiers need not know longer ones.
const RSA_BYTES_MAX: usize = 512;
const SEED_BYTES: usize = 32;

/// Why something is no key that signs; never quotes it.
#[derive(Debug)]
pub enum BadKey {
    Pem(BadPem),
    /// RFC 8301 3.2: signers should use 2048 bits at least.
    TooShort,
    TooLong,
    /// Neither RSA nor Ed25519, or damaged.
    Unusable,
    /// No randomness, no memory: nothing that the caller did.
    NotMade,
}

impl std::fmt::Display for BadKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Pem(why) => why.fmt(f),
            Self::TooShort => {
                f.write_str("an RSA key of fewer than 2048 bits, which receivers trust less and less: make a new one")
            }
            Self::TooLong => f.write_str("an RSA key of more than 4096 bits, which receivers need not know"),
            Self::Unusable => f.write_str("not a key that signs mail: RSA of 2048 to 4096 bits, or Ed25519"),
            Self::NotMade => f.write_str("a key could not be made"),
        }
    }
}

impl std::error::Error for BadKey {}

impl From<BadPem> for BadKey {
    fn from(why: BadPem) -> Self {
        Self::Pem(why)
    }
}

pub enum PrivateKey {
    Rsa(rsa::KeyPair),
    Ed25519(Ed25519KeyPair),
}

impl PrivateKey {
    /// A new one: RSA has 2048 bits, and takes a tenth of a second of a core.
    pub fn generate(algorithm: Algorithm) -> Result<Self, BadKey> {
        match algorithm {
            Algorithm::Rsa => rsa::KeyPair::generate(KeySize::Rsa2048).map(Self::Rsa),
            Algorithm::Ed25519 => Ed25519KeyPair::generate().map(Self::Ed25519),
        }
        .map_err(|_| BadKey::NotMade)
    }

    /// Reads a file; blocks on the disk for a moment.
    pub fn open(path: &Path) -> Result<Self, BadKey> {
        Self::from_text(&pem::read(path)?)
    }

    /// PEM with PKCS#8 (both kinds) or PKCS#1 (RSA), or the 32 bytes of an Ed25519 key in base64, as some tools
    /// write them.
    pub fn from_text(text: &[u8]) -> Result<Self, BadKey> {
        if let Some(key) = from_seed(text) {
            return Ok(key);
        }
        match pem::private_key(text)? {
            PrivateKeyDer::Pkcs8(der) => Self::from_pkcs8(der.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(der) => rsa::KeyPair::from_der(der.secret_pkcs1_der()).map_err(rejected).and_then(rsa),
            _ => Err(BadKey::Unusable),
        }
    }

    pub fn from_pkcs8(der: &[u8]) -> Result<Self, BadKey> {
        match Ed25519KeyPair::from_pkcs8(der) {
            Ok(pair) => Ok(Self::Ed25519(pair)),
            Err(_) => rsa::KeyPair::from_pkcs8(der).map_err(rejected).and_then(rsa),
        }
    }

    /// As it is kept.
    pub fn to_pkcs8(&self) -> Result<Secret<Vec<u8>>, BadKey> {
        let der = match self {
            Self::Rsa(pair) => AsDer::<Pkcs8V1Der<'_>>::as_der(pair).map(|der| der.as_ref().to_vec()),
            Self::Ed25519(pair) => pair.to_pkcs8v1().map(|der| der.as_ref().to_vec()),
        };
        der.map(Secret::new).map_err(|_| BadKey::NotMade)
    }

    pub fn algorithm(&self) -> Algorithm {
        match self {
            Self::Rsa(_) => Algorithm::Rsa,
            Self::Ed25519(_) => Algorithm::Ed25519,
        }
    }

    /// What belongs into the DNS. RFC 6376 3.6.1: of RSA in DER, here with the kind of key as everybody writes it;
    /// RFC 8463 4.2: of Ed25519 the 32 bytes alone.
    pub fn public(&self) -> Result<PublicKey, BadKey> {
        let bytes = match self {
            Self::Rsa(pair) => {
                let der: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(|_| BadKey::NotMade)?;
                der.as_ref().to_vec()
            }
            Self::Ed25519(pair) => pair.public_key().as_ref().to_vec(),
        };
        Ok(PublicKey::new(self.algorithm(), bytes))
    }
}

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PrivateKey({}, ***)", self.algorithm())
    }
}

fn rsa(pair: rsa::KeyPair) -> Result<PrivateKey, BadKey> {
    match pair.public_modulus_len() {
        n if n > RSA_BYTES_MAX => Err(BadKey::TooLong),
        _ => Ok(PrivateKey::Rsa(pair)),
    }
}

fn rejected(why: KeyRejected) -> BadKey {
    match why.description_() {
        "TooSmall" => BadKey::TooShort,
        "TooLarge" => BadKey::TooLong,
        _ => BadKey::Unusable,
    }
}

fn from_seed(text: &[u8]) -> Option<PrivateKey> {
    let mut seed = Zeroizing::new([0; SEED_BYTES + 1]);
    let written = STANDARD.decode_slice(text.trim_ascii(), seed.as_mut()).ok()?;
    if written != SEED_BYTES {
        return None;
    }
    Ed25519KeyPair::from_seed_unchecked(&seed[..SEED_BYTES]).ok().map(PrivateKey::Ed25519)
}

/// A key with the names under which its record stands.
#[derive(Debug)]
pub struct SigningKey {
    domain: DomainName,
    selector: Selector,
    private: PrivateKey,
}

impl SigningKey {
    pub fn new(domain: DomainName, selector: Selector, private: PrivateKey) -> Self {
        Self { domain, selector, private }
    }

    pub fn domain(&self) -> &DomainName {
        &self.domain
    }

    pub fn selector(&self) -> &Selector {
        &self.selector
    }

    pub fn algorithm(&self) -> Algorithm {
        self.private.algorithm()
    }

    pub fn private(&self) -> &PrivateKey {
        &self.private
    }

    /// What a signature costs, in signatures of RSA-2048 and rounded up: it grows with the third power of the key's
    /// length.
    pub fn effort(&self) -> usize {
        match &self.private {
            PrivateKey::Rsa(pair) => pair.public_modulus_len().div_ceil(256).pow(3),
            PrivateKey::Ed25519(_) => 1,
        }
    }

    /// RFC 8301 3.1: never with SHA-1.
    pub(super) fn tag_a(&self) -> &'static str {
        match self.algorithm() {
            Algorithm::Rsa => "rsa-sha256",
            Algorithm::Ed25519 => "ed25519-sha256",
        }
    }

    /// Signs the header as it was made canonical.
    pub(super) fn sign(&self, signed: &[u8]) -> Option<Vec<u8>> {
        match &self.private {
            PrivateKey::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &rand::SystemRandom::new(), signed, &mut signature).ok()?;
                Some(signature)
            }
            // RFC 8463 3: the hash is what is signed.
            PrivateKey::Ed25519(pair) => {
                let hash = digest::digest(&digest::SHA256, signed);
                Some(pair.try_sign(hash.as_ref()).ok()?.as_ref().to_vec())
            }
        }
    }
}

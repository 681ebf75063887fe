//! Who we are in TLS: the certificate and key that our listeners show, from files or made by
//! ourselves. A reload swaps them for new handshakes; connections that stand are not touched.
//!
//! The provider is named here and always passed on, never taken from the process: which crypto a
//! listener uses does not depend on what some other crate installed first.

pub mod files;
pub mod self_signed;
pub mod settings;

use crate::base::settings::words;
use crate::mail::domain_name::DomainName;
use arc_swap::ArcSwap;
use files::BadPair;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, crypto};
use std::path::PathBuf;
use std::sync::Arc;

/// Where the pair comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    Files {
        certificate: PathBuf,
        key: PathBuf,
    },
    /// Made at first start in `data_dir/tls/`, and again when the hostname is another.
    SelfSigned {
        hostname: DomainName,
        data_dir: PathBuf,
    },
}

impl Source {
    /// Reads the pair; blocks on the disk for a moment. On an error nothing that serves has changed.
    pub fn read(&self) -> Result<Pair, BadPair> {
        match self {
            Self::Files { certificate, key } => files::load(certificate, key),
            Self::SelfSigned { hostname, data_dir } => self_signed::load_or_make(hostname, &data_dir.join("tls")),
        }
    }
}

/// A certificate chain and the key of its first certificate, known to fit each other.
#[derive(Clone, Debug)]
pub struct Pair(Arc<CertifiedKey>);

words! {
    /// May a client resume its session by a ticket? Tickets are sealed with a key of the one listener, so
    /// that a session begun under one listener's policy does not continue under another's.
    pub enum Tickets {
        None = "none",
        /// One ticket per handshake: a mail client resumes with the last it got, more are bytes for nothing.
        One = "one",
    }
}

/// The pair in use. Clones share it.
#[derive(Clone, Debug)]
pub struct Certificates(Arc<Current>);

#[derive(Debug)]
struct Current(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl Certificates {
    pub fn new(pair: Pair) -> Self {
        Self(Arc::new(Current(ArcSwap::new(pair.0))))
    }

    /// New handshakes show this pair from now on. A client that resumes by a ticket of the last twelve
    /// hours sees no certificate at all, old or new.
    pub fn swap(&self, pair: Pair) {
        self.0.0.store(pair.0);
    }

    /// What one listener needs; its certificate follows every later `swap`.
    pub fn server_config(&self, tickets: Tickets) -> Result<Arc<ServerConfig>, rustls::Error> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(provider()))
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
            .with_no_client_auth()
            .with_cert_resolver(self.0.clone());
        config.session_storage = Arc::new(NoServerSessionStorage {});
        match tickets {
            Tickets::None => config.send_tls13_tickets = 0,
            Tickets::One => {
                config.ticketer = crypto::aws_lc_rs::Ticketer::new()?;
                config.send_tls13_tickets = 1;
            }
        }
        // RFC 8446 8: early data can be replayed, and mail must not be.
        config.max_early_data_size = 0;
        Ok(Arc::new(config))
    }
}

fn provider() -> crypto::CryptoProvider {
    crypto::aws_lc_rs::default_provider()
}

/// Does the first certificate of this pair carry that name?
fn is_for(pair: &Pair, hostname: &DomainName) -> bool {
    let Ok(name) = rustls::pki_types::ServerName::try_from(hostname.as_str()) else { return false };
    let Some(first) = pair.0.cert.first() else { return false };
    rustls::server::ParsedCertificate::try_from(first)
        .is_ok_and(|parsed| rustls::client::verify_server_name(&parsed, &name).is_ok())
}

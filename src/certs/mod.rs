//! Who we are in TLS: the certificates and keys that our listeners show, from files or made by
//! ourselves, chosen by the name a client asks for. A reload swaps them for new handshakes; connections that stand are not touched.
//!
//! The provider is named here and always passed on, never taken from the process: which crypto a
//! listener uses does not depend on what some other crate installed first.

pub mod by_name;
pub mod files;
pub mod self_signed;
pub mod settings;

use crate::base::settings::words;
use crate::mail::domain_name::DomainName;
use arc_swap::ArcSwap;
use by_name::{Named, Shown};
use files::BadPair;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, crypto};
use settings::Certificate;
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

/// Where everything comes from that our listeners show.
#[derive(Clone, Debug, PartialEq)]
pub struct Sources {
    /// For clients that ask for no name, or for one that no other certificate carries.
    pub otherwise: Source,
    pub by_name: Vec<Certificate>,
}

impl Sources {
    /// Reads all of it, or says which file is at fault; blocks on the disk for a moment.
    pub fn read(&self) -> Result<Shown, BadPair> {
        let mut shown = Shown::from(self.otherwise.read()?);
        for certificate in &self.by_name {
            shown.add(Named::read(certificate)?);
        }
        Ok(shown)
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

/// The certificates in use. Clones share them.
#[derive(Clone, Debug)]
pub struct Certificates(Arc<Current>);

#[derive(Debug)]
struct Current(ArcSwap<Shown>);

impl ResolvesServerCert for Current {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // rustls gives the name in lower case, and none that is no DNS name.
        Some(self.0.load().choose(hello.server_name()))
    }
}

impl Certificates {
    pub fn new(shown: impl Into<Shown>) -> Self {
        Self(Arc::new(Current(ArcSwap::from_pointee(shown.into()))))
    }

    /// New handshakes show these from now on. A client that resumes by a ticket of the last twelve
    /// hours sees no certificate at all, old or new.
    pub fn swap(&self, shown: impl Into<Shown>) {
        self.0.0.store(Arc::new(shown.into()));
    }

    /// What one listener needs; its certificates follow every later `swap`.
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

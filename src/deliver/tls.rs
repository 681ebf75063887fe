//! TLS to other servers: which certificate will do, by the way that leads there, and the sessions that are
//! resumed. Everything is built once; the provider is named here and never taken from the process.
//!
//! Each kind of trust has set-ups and kept sessions of its own: a session that was begun with anyone is never
//! resumed as one with somebody known.

mod dane;

use super::report::ResultType;
use super::way::{Tlsa, Trust};
use crate::base::clock::Time;
use crate::base::limits;
use crate::mail::domain_name::DomainName;
use crate::model::host::Host;
use dane::Dane;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{self, CryptoProvider};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What TLS there is on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsInfo {
    /// `TLSv1.3`
    pub version: &'static str,
    pub cipher: String,
    pub verified: Verified,
    /// Did it go on with a session of before? TLS reports count those once (RFC 8460 4).
    pub resumed: bool,
}

/// How we know who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verified {
    /// We do not.
    Nobody,
    Roots,
    Dane,
}

impl Verified {
    pub fn word(self) -> &'static str {
        match self {
            Self::Nobody => "nobody",
            Self::Roots => "roots",
            Self::Dane => "dane",
        }
    }
}

/// Records and names that one DANE set-up trusts.
type Named = (Vec<Tlsa>, Vec<DomainName>);

/// The set-ups that all connections share.
#[derive(Debug)]
pub struct ClientTls {
    provider: Arc<CryptoProvider>,
    anyone: Arc<ClientConfig>,
    roots: Arc<ClientConfig>,
    by_roots: Arc<dyn ServerCertVerifier>,
    /// Each has sessions of its own.
    dane: Mutex<HashMap<Named, Arc<ClientConfig>>>,
}

impl ClientTls {
    /// Trusting these alone.
    pub fn with_roots(roots: RootCertStore) -> Result<Self, rustls::Error> {
        let provider = Arc::new(crypto::aws_lc_rs::default_provider());
        let verifier: Arc<dyn ServerCertVerifier> = if roots.is_empty() {
            Arc::new(NoRoots(provider.clone()))
        } else {
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
                .build()
                .map_err(|why| rustls::Error::General(why.to_string()))?
        };
        Ok(Self {
            anyone: config(&provider, Arc::new(Anyone(provider.clone())))?,
            roots: config(&provider, verifier.clone())?,
            by_roots: verifier,
            dane: Mutex::default(),
            provider,
        })
    }

    /// What a host's certificate would fail with, were it held to the roots.
    pub(super) fn failure_by_roots(&self, host: &Host, chain: &[CertificateDer<'_>], now: Time) -> Option<ResultType> {
        let (server, others) = chain.split_first()?;
        let Some(name) = server_name(&Trust::Roots, host) else { return Some(ResultType::ValidationFailure) };
        let now = UnixTime::since_unix_epoch(Duration::from_micros(now.micros().max(0).unsigned_abs()));
        let verified = self.by_roots.verify_server_cert(server, others, &name, &[], now);
        verified.err().as_ref().map(ResultType::of)
    }

    /// What a handshake needs to trust like this.
    pub(super) fn config(&self, trust: &Trust) -> Result<Arc<ClientConfig>, rustls::Error> {
        let Trust::Dane { records, names } = trust else {
            return Ok(if *trust == Trust::Roots { self.roots.clone() } else { self.anyone.clone() });
        };
        let mut dane = self.dane.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = dane.get(&(records.clone(), names.clone())) {
            return Ok(config.clone());
        }
        let verifier = Dane::new(records.clone(), names.clone(), self.provider.clone());
        let config = config(&self.provider, Arc::new(verifier))?;
        // Records change with every certificate; what is forgotten costs a full handshake.
        if dane.len() >= limits::DANE_SETUPS_MAX {
            dane.clear();
        }
        dane.insert((records.clone(), names.clone()), config.clone());
        Ok(config)
    }
}

fn config(
    provider: &Arc<CryptoProvider>,
    verifier: Arc<dyn ServerCertVerifier>,
) -> Result<Arc<ClientConfig>, rustls::Error> {
    // RFC 8996 4, 5: TLS 1.2 is the oldest.
    let mut config = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.resumption = Resumption::in_memory_sessions(limits::TLS_SESSIONS_MAX);
    Ok(Arc::new(config))
}

/// RFC 6066 3: the name that is asked for is the host's; with DANE the one at which its records were found
/// (RFC 7672 8.1), which differs when the host is an alias.
pub(super) fn server_name(trust: &Trust, host: &Host) -> Option<ServerName<'static>> {
    let base = match trust {
        Trust::Dane { names, .. } => names.first(),
        Trust::Anyone | Trust::Roots => None,
    };
    match (base.or(host.name()), host) {
        (Some(name), _) => ServerName::try_from(name.as_str().to_owned()).ok(),
        (None, Host::Address(address)) => Some(ServerName::IpAddress((*address).into())),
        (None, Host::Name(_)) => None,
    }
}

/// What a handshake that failed is called in a TLS report.
pub(super) fn failure(why: &io::Error) -> ResultType {
    let why = why.get_ref().and_then(|why| why.downcast_ref::<rustls::Error>());
    // RFC 8460 4.3.1: for whatever has no word of its own: silence, an end, no common version.
    why.map_or(ResultType::ValidationFailure, ResultType::of)
}

pub(super) fn verified(trust: &Trust) -> Verified {
    match trust {
        Trust::Anyone => Verified::Nobody,
        Trust::Roots => Verified::Roots,
        Trust::Dane { .. } => Verified::Dane,
    }
}

/// What the handshake came to.
pub(super) fn info(connection: &ClientConnection, verified: Verified) -> TlsInfo {
    let suite = connection.negotiated_cipher_suite().map(|suite| suite.suite());
    TlsInfo {
        version: match connection.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
            _ => "TLSv1.2",
        },
        cipher: suite.map_or_else(String::new, |suite| format!("{suite:?}")),
        verified,
        resumed: connection.handshake_kind() == Some(rustls::HandshakeKind::Resumed),
    }
}

/// RFC 7435 3: encrypted to anyone is better than in the clear to everyone. Not even the signature of the
/// handshake is looked at: certificates that are too odd to be read must do, too.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// No root is trusted: nobody is.
#[derive(Debug)]
struct NoRoots(Arc<CryptoProvider>);

const UNKNOWN: rustls::Error = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);

impl ServerCertVerifier for NoRoots {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Err(UNKNOWN)
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(UNKNOWN)
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(UNKNOWN)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

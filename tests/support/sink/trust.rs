//! An authority of the test's own, and the certificates that its servers show: good ones, and the three that
//! a client must not believe.

use rcgen::{BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;

const DAY: Duration = Duration::from_secs(86_400);

/// What a server shows to a client that came for a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Showing {
    /// Of this authority, for the name, today.
    Good,
    WrongName,
    Expired,
    /// From an authority that nobody knows.
    OtherAuthority,
}

pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "authority of this test");
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Its own certificate, for a file of trusted roots.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A server that shows this for the name or address.
    pub fn server(&self, name: &str, showing: Showing) -> Arc<ServerConfig> {
        let (certificate, key) = self.issue(name, showing);
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key);
        Arc::new(config.unwrap())
    }

    /// A good certificate and its key in PEM, for servers that are not ours.
    pub fn pair(&self, name: &str) -> (String, String) {
        let (certificate, key) = self.issue(name, Showing::Good);
        (certificate.pem(), key.serialize_pem())
    }

    fn issue(&self, name: &str, showing: Showing) -> (Certificate, KeyPair) {
        let named = if showing == Showing::WrongName { "somebody-else.example" } else { name };
        let mut params = CertificateParams::new([named.to_owned()]).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, named);
        let now = OffsetDateTime::now_utc();
        (params.not_before, params.not_after) = match showing {
            Showing::Expired => (now - 30 * DAY, now - DAY),
            _ => (now - DAY, now + 30 * DAY),
        };
        let key = KeyPair::generate().unwrap();
        let certificate = match showing {
            Showing::OtherAuthority => params.signed_by(&key, &Self::new().0),
            _ => params.signed_by(&key, &self.0),
        };
        (certificate.unwrap(), key)
    }
}

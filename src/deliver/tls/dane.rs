//! DANE for SMTP (RFC 7672): the certificate is the one that the DNS names, whoever signed it. The records were
//! looked up, found secure and usable by the room that chose the way.

use crate::deliver::way::Tlsa;
use crate::mail::domain_name::DomainName;
use aws_lc_rs::digest::{SHA256, SHA512, digest};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, SignatureScheme};
use std::sync::Arc;
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

/// RFC 7672 3.1: PKIX-TA(0) and PKIX-EE(1) are of no use between mail servers.
const DANE_TA: u8 = 2;
const DANE_EE: u8 = 3;

#[derive(Debug)]
pub(super) struct Dane {
    records: Vec<Tlsa>,
    names: Vec<DomainName>,
    provider: Arc<CryptoProvider>,
}

impl Dane {
    pub fn new(records: Vec<Tlsa>, names: Vec<DomainName>, provider: Arc<CryptoProvider>) -> Self {
        Self { records, names, provider }
    }

    /// RFC 7672 3.1.1: it is the server's own certificate or key. Its names and dates say nothing then: the
    /// DNS has said for whom it is and for how long.
    fn is_the_servers(&self, server: &CertificateDer<'_>) -> bool {
        self.records.iter().any(|record| record.usage == DANE_EE && matches(record, server))
    }

    /// RFC 7672 3.1.2: somebody whom the DNS names has signed it, and it is for this host and of today.
    fn is_vouched_for(
        &self,
        server: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), CertificateError> {
        let read = EndEntityCert::try_from(server).map_err(|_| CertificateError::BadEncoding)?;
        let anchors = self.records.iter().filter(|record| record.usage == DANE_TA).flat_map(|record| {
            let in_chain = chain.iter().filter(|certificate| matches(record, certificate)).cloned();
            // RFC 6698 2.1.1: a whole certificate in the record need not be sent by the server.
            let whole = (record.selector == 0 && record.matching == 0).then(|| record.data.clone().into());
            in_chain.chain(whole)
        });
        let anchors: Vec<CertificateDer<'_>> = anchors.collect();
        let anchors: Vec<_> = anchors.iter().filter_map(|anchor| anchor_from_trusted_cert(anchor).ok()).collect();
        let algorithms = self.provider.signature_verification_algorithms.all;
        read.verify_for_usage(algorithms, &anchors, chain, now, KeyUsage::server_auth(), None, None).map_err(
            |why| match why {
                webpki::Error::CertExpired { .. } => CertificateError::Expired,
                webpki::Error::CertNotValidYet { .. } => CertificateError::NotValidYet,
                _ => CertificateError::UnknownIssuer,
            },
        )?;
        self.is_for(&read, host).then_some(()).ok_or(CertificateError::NotValidForName)
    }

    /// RFC 7672 3.2.2: for the host, or one of the names that led to it.
    // partly: RFC 7672 3.2.3, a certificate without subjectAltName is not read for its common name
    fn is_for(&self, server: &EndEntityCert<'_>, host: &ServerName<'_>) -> bool {
        let others = self.names.iter().filter_map(|name| ServerName::try_from(name.as_str()).ok());
        std::iter::once(host.clone()).chain(others).any(|name| server.verify_is_valid_for_subject_name(&name).is_ok())
    }
}

/// RFC 6698 2.1: is it this certificate that the record names?
fn matches(record: &Tlsa, certificate: &CertificateDer<'_>) -> bool {
    let key;
    let selected: &[u8] = match record.selector {
        0 => certificate,
        1 => {
            let Ok(read) = EndEntityCert::try_from(certificate) else { return false };
            key = read.subject_public_key_info();
            &key
        }
        _ => return false,
    };
    match record.matching {
        0 => selected == record.data,
        1 => digest(&SHA256, selected).as_ref() == record.data,
        2 => digest(&SHA512, selected).as_ref() == record.data,
        _ => false,
    }
}

impl ServerCertVerifier for Dane {
    fn verify_server_cert(
        &self,
        server: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if !self.is_the_servers(server) {
            self.is_vouched_for(server, chain, host, now)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

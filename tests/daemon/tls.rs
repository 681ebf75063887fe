//! Certificates of our own making, and clients that trust exactly one of them.

use crate::running::{Smtp, Yard};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, crypto::aws_lc_rs};
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;

pub struct Made {
    pub certificate: String,
    pub key: String,
}

impl Made {
    pub fn new(name: &str) -> Self {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        Self { certificate: made.cert.pem(), key: made.signing_key.serialize_pem() }
    }

    /// One that somebody else made: its certificate alone.
    pub fn read(certificate: &Path) -> Self {
        Self { certificate: std::fs::read_to_string(certificate).unwrap(), key: String::new() }
    }

    /// As `name.pem` and `name.key`.
    pub fn write(&self, yard: &Yard, name: &str) {
        yard.write(&format!("{name}.pem"), &self.certificate);
        yard.write(&format!("{name}.key"), &self.key);
    }
}

pub type Secured = StreamOwned<ClientConnection, TcpStream>;

/// The handshake with a server that must show this very certificate.
pub fn handshake(stream: TcpStream, trusted: &Made) -> io::Result<Secured> {
    handshake_asking(stream, trusted, "mail.example.com")
}

/// The same, asking for the certificate of this name.
fn handshake_asking(mut stream: TcpStream, trusted: &Made, name: &'static str) -> io::Result<Secured> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusted.certificate.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(name).unwrap();
    let mut connection = ClientConnection::new(Arc::new(config), name).unwrap();
    while connection.is_handshaking() {
        connection.complete_io(&mut stream)?;
    }
    Ok(StreamOwned::new(connection, stream))
}

/// A client behind STARTTLS, past its EHLO.
pub fn secured(address: SocketAddr, trusted: &Made) -> io::Result<Smtp<Secured>> {
    secured_asking(address, trusted, "mail.example.com")
}

pub fn secured_asking(address: SocketAddr, trusted: &Made, name: &'static str) -> io::Result<Smtp<Secured>> {
    let mut client = Smtp::greeted(address);
    client.ask("EHLO client.example");
    assert!(client.ask("STARTTLS").starts_with("220 "));
    let mut client = Smtp::on(handshake_asking(client.into_stream(), trusted, name)?);
    assert!(client.ask("EHLO client.example").starts_with("250"));
    Ok(client)
}

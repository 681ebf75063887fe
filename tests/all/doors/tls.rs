//! TLS at the SMTP doors: nothing from the clear survives it, and a new certificate meets new clients.

use super::{Client, House, Tls, made_in};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

fn certificate_in(directory: &Path) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(directory.join("tls/self-signed.pem")).unwrap()
}

/// A client that trusts this one certificate, and remembers sessions.
fn trusting(certificate: &CertificateDer<'static>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap();
    Arc::new(config.with_root_certificates(roots).with_no_client_auth())
}

async fn secured(stream: TcpStream, trust: &Arc<ClientConfig>) -> std::io::Result<Client<TlsStream<TcpStream>>> {
    let name = ServerName::try_from("mail.example.com").unwrap();
    Ok(Client::on(TlsConnector::from(trust.clone()).connect(name, stream).await?))
}

#[tokio::test]
async fn what_is_slipped_in_behind_starttls_is_never_answered() {
    let house = House::new();
    let listener = house.open(Tls::Starttls);
    let mut client = Client::greeted_at(listener.address()).await;
    client.ask("EHLO client.example").await;
    // One packet: the command, and what an attacker appended for the time after the handshake.
    client.say(b"STARTTLS\r\nEHLO attacker.example\r\nMAIL FROM:<forged@b.example>\r\nNOOP\r\n").await;
    assert_eq!(client.reply().await, "220 2.0.0 ready for TLS\r\n");
    assert!(client.heard.is_empty());
    let mut client = secured(client.stream, &trusting(&certificate_in(house.directory.path()))).await.unwrap();
    // The first reply inside TLS is to the first command inside TLS; EHLO from the clear is forgotten.
    assert_eq!(client.ask("MAIL FROM:<a@b.example>").await, "503 5.5.1 EHLO comes first\r\n");
    assert!(!client.ask("EHLO client.example").await.contains("STARTTLS"));
    assert_eq!(client.ask("STARTTLS").await, "503 5.5.1 TLS is already on\r\n");
    assert_eq!(client.ask("QUIT").await, "221 2.0.0 mail.example.com says goodbye\r\n");
    assert_eq!(client.rest().await, "", "TLS ends with a close_notify");
}

#[tokio::test]
async fn plaintext_in_a_later_packet_breaks_the_handshake_and_is_not_answered() {
    let listener = House::new().open(Tls::Starttls);
    let mut client = Client::greeted_at(listener.address()).await;
    client.ask("EHLO client.example").await;
    assert_eq!(client.ask("STARTTLS").await, "220 2.0.0 ready for TLS\r\n");
    client.say(b"EHLO attacker.example\r\nNOOP\r\n").await;
    let mut answer = Vec::new();
    // A TLS alert at most, or a reset.
    let _ = tokio::io::AsyncReadExt::read_to_end(&mut client.stream, &mut answer).await;
    assert!(!answer.windows(4).any(|w| w == b"250 " || w == b"250-"), "{answer:?}");
}

#[tokio::test]
async fn a_swapped_certificate_meets_new_clients_and_spares_the_old() {
    let house = House::new();
    let listener = house.open(Tls::Implicit);
    let old_certificate = certificate_in(house.directory.path());
    let trust_old = trusting(&old_certificate);
    let tcp = async || TcpStream::connect(listener.address()).await.unwrap();
    let mut old = secured(tcp().await, &trust_old).await.unwrap();
    assert_eq!(old.reply().await, "220 mail.example.com ESMTP Gatepost\r\n");

    let elsewhere = tempfile::tempdir().unwrap();
    house.context.certificates.swap(made_in(elsewhere.path()));
    let new_certificate = certificate_in(elsewhere.path());
    let mut new = secured(tcp().await, &trusting(&new_certificate)).await.unwrap();
    assert_eq!(new.reply().await, "220 mail.example.com ESMTP Gatepost\r\n");
    assert_eq!(new.stream.get_ref().1.peer_certificates().unwrap(), [new_certificate]);
    assert!(secured(tcp().await, &trusting(&old_certificate)).await.is_err());
    assert_eq!(old.ask("NOOP").await, "250 2.0.0 OK\r\n");
}

#[tokio::test]
async fn a_ticket_resumes_at_its_own_listener_and_at_no_other() {
    let house = House::new();
    let (here, there) = (house.open(Tls::Implicit), house.open(Tls::Implicit));
    let trust = trusting(&certificate_in(house.directory.path()));
    let kind = async |listener: &gatepost::smtpd::OpenListener| {
        let stream = TcpStream::connect(listener.address()).await.unwrap();
        let mut client = secured(stream, &trust).await.unwrap();
        // The ticket comes with the first bytes behind the handshake.
        client.ask("QUIT").await;
        client.stream.get_ref().1.handshake_kind().unwrap()
    };
    assert_eq!(kind(&here).await, rustls::HandshakeKind::Full);
    assert_eq!(kind(&here).await, rustls::HandshakeKind::Resumed);
    assert_eq!(kind(&there).await, rustls::HandshakeKind::Full);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_shakes_hands_is_let_go() {
    let listener = House::new().open(Tls::Implicit);
    let silent = Client::at(listener.address()).await;
    assert_eq!(silent.rest().await, "");
}

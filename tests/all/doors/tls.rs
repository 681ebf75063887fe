//! TLS at the SMTP doors: nothing from the clear survives it, and a new certificate meets new clients.

use super::{Client, House, Tickets, Tls, made_in};
use gatepost::certs::settings::Certificate;
use gatepost::certs::{Source, Sources};
use rustls::HandshakeKind;
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

fn roots(certificate: &CertificateDer<'static>) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    roots
}

/// A client that trusts this one certificate, and remembers sessions.
fn trusting(certificate: &CertificateDer<'static>) -> Arc<ClientConfig> {
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap();
    Arc::new(config.with_root_certificates(roots(certificate)).with_no_client_auth())
}

async fn secured(stream: TcpStream, trust: &Arc<ClientConfig>) -> std::io::Result<Client<TlsStream<TcpStream>>> {
    let name = ServerName::try_from("mail.example.com").unwrap();
    Ok(Client::on(TlsConnector::from(trust.clone()).connect(name, stream).await?))
}

/// A client that trusts the certificate of this house.
pub(super) async fn secured_by(stream: TcpStream, house: &House) -> Client<TlsStream<TcpStream>> {
    secured(stream, &trusting(&certificate_in(house.directory.path()))).await.unwrap()
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

#[tokio::test]
async fn without_tickets_none_is_sent_and_a_change_meets_new_clients() {
    let house = House::new();
    let listener = house.open(Tls::Implicit);
    let versions = [&rustls::version::TLS13, &rustls::version::TLS12];
    let visit = async |config: &Arc<ClientConfig>| {
        let stream = TcpStream::connect(listener.address()).await.unwrap();
        let mut client = secured(stream, config).await.unwrap();
        client.ask("QUIT").await;
        let tls = client.stream.get_ref().1;
        (tls.handshake_kind().unwrap(), tls.tls13_tickets_received())
    };
    for tickets in [Tickets::None, Tickets::One, Tickets::None] {
        listener.change(gatepost::smtpd::Door { tickets, ..super::door(Tls::Implicit) });
        for version in versions {
            let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_protocol_versions(&[version])
                .unwrap()
                .with_root_certificates(roots(&certificate_in(house.directory.path())));
            let config = Arc::new(config.with_no_client_auth());
            let (first, second) = (visit(&config).await, visit(&config).await);
            let sent = u32::from(tickets == Tickets::One && version.version == rustls::ProtocolVersion::TLSv1_3);
            assert_eq!(first, (HandshakeKind::Full, sent), "{tickets:?} {version:?}");
            let again = if tickets == Tickets::One { HandshakeKind::Resumed } else { HandshakeKind::Full };
            assert_eq!(second, (again, sent), "{tickets:?} {version:?}");
        }
    }
}

#[tokio::test]
async fn each_client_is_shown_the_certificate_of_the_name_it_asks_for() {
    let directory = tempfile::tempdir().unwrap();
    let made = |file: &str, names: &[&str]| {
        let made =
            rcgen::generate_simple_self_signed(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
        let path = |kind: &str| directory.path().join(format!("{file}.{kind}"));
        std::fs::write(path("pem"), made.cert.pem()).unwrap();
        std::fs::write(path("key"), made.signing_key.serialize_pem()).unwrap();
        (Certificate { certificate: path("pem"), key: path("key") }, made.cert.der().clone())
    };
    let (main, main_certificate) = made("main", &["mail.example.com"]);
    let (wild, wild_certificate) = made("wild", &["*.example.net"]);
    let (exact, exact_certificate) = made("exact", &["mx.example.net"]);
    let Certificate { certificate, key } = main;
    let sources = Sources { otherwise: Source::Files { certificate, key }, by_name: vec![wild, exact] };

    let house = House::new();
    let listener = house.open(Tls::Starttls);
    house.context.certificates.swap(sources.read().unwrap());
    let shown = async |asked: &'static str, trusted: &CertificateDer<'static>| {
        let mut client = Client::greeted_at(listener.address()).await;
        client.ask("EHLO client.example").await;
        client.ask("STARTTLS").await;
        let name = ServerName::try_from(asked).unwrap();
        let tls = TlsConnector::from(trusting(trusted)).connect(name, client.stream).await;
        tls.map(|tls| tls.get_ref().1.peer_certificates().unwrap()[0].clone())
    };
    for (asked, certificate) in [
        ("mail.example.com", &main_certificate),
        ("smtp.example.net", &wild_certificate),
        ("SMTP.Example.Net", &wild_certificate),
        ("mx.example.net", &exact_certificate),
    ] {
        assert_eq!(shown(asked, certificate).await.unwrap(), *certificate, "{asked}");
    }
    // For a name of nobody it is the main one, which this client then cannot believe.
    assert!(shown("a.mx.example.net", &wild_certificate).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_shakes_hands_is_let_go() {
    let listener = House::new().open(Tls::Implicit);
    let silent = Client::at(listener.address()).await;
    assert_eq!(silent.rest().await, "");
}

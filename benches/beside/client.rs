//! A mail client, as small as a load generator should be: it pipelines where it may, knows STARTTLS, and
//! resumes TLS sessions when it is told to.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, client::Resumption, crypto::aws_lc_rs};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::{TlsConnector, client::TlsStream};

/// Greeted or in the middle of a session.
pub struct Client<S = TcpStream> {
    stream: BufReader<S>,
}

pub async fn connect(from: IpAddr, to: SocketAddr) -> io::Result<Client> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    let stream = socket.connect(to).await?;
    stream.set_nodelay(true)?;
    let mut client = Client { stream: BufReader::new(stream) };
    client.hears("220").await?;
    Ok(client)
}

impl Client {
    pub async fn starttls(mut self, tls: &TlsConnector) -> io::Result<Client<TlsStream<TcpStream>>> {
        self.asks(b"STARTTLS\r\n", "220").await?;
        let name = ServerName::try_from("mail.example.test").map_err(io::Error::other)?;
        let stream = tls.connect(name, self.stream.into_inner()).await?;
        Ok(Client { stream: BufReader::new(stream) })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub async fn hello(&mut self) -> io::Result<()> {
        self.asks(b"EHLO client.example\r\n", "250").await
    }

    /// One message: the envelope in one flight, then the text, which ends with a line of one dot.
    pub async fn sends(&mut self, recipient: &str, text: &[u8]) -> io::Result<()> {
        self.begins(recipient).await?;
        self.asks(text, "250").await
    }

    /// All of a message but its text.
    pub async fn begins(&mut self, recipient: &str) -> io::Result<()> {
        let envelope = format!("MAIL FROM:<someone@far.example>\r\nRCPT TO:<{recipient}>\r\nDATA\r\n");
        self.says(envelope.as_bytes()).await?;
        self.hears("250").await?;
        self.hears("250").await?;
        self.hears("354").await
    }

    /// Waits so long at most for the server to hang up; its last words are not listened to.
    pub async fn is_closed_within(&mut self, time: Duration) -> bool {
        let last_words = async { while matches!(self.stream.read_line(&mut String::new()).await, Ok(1..)) {} };
        timeout(time, last_words).await.is_ok()
    }

    pub async fn quits(mut self) -> io::Result<()> {
        self.asks(b"QUIT\r\n", "221").await?;
        self.stream.shutdown().await
    }

    async fn asks(&mut self, words: &[u8], code: &str) -> io::Result<()> {
        self.says(words).await?;
        self.hears(code).await
    }

    pub async fn says(&mut self, words: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(words).await?;
        self.stream.get_mut().flush().await
    }

    /// A whole reply with this code.
    pub async fn hears(&mut self, code: &str) -> io::Result<()> {
        let mut line = String::new();
        loop {
            line.clear();
            if self.stream.read_line(&mut line).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if !line.starts_with(code) {
                return Err(io::Error::other(format!("{code} was due, not {line:?}")));
            }
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(());
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Sessions {
    Resumed,
    New,
}

/// Trusts the test authority.
pub fn tls(ca: &Path, sessions: Sessions) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.resumption = match sessions {
        Sessions::Resumed => Resumption::in_memory_sessions(256),
        Sessions::New => Resumption::disabled(),
    };
    Arc::new(config).into()
}

/// A header, then lines up to this many bytes, and the dot.
pub fn text(bytes: usize) -> Vec<u8> {
    let header = "From: someone@far.example\r\nTo: someone@example.test\r\nSubject: load\r\n\
                  Date: Fri, 21 Nov 2025 08:00:00 +0000\r\nMessage-ID: <load@far.example>\r\n\r\n";
    let mut text = header.as_bytes().to_vec();
    // Lines of 80, the last one with what is left.
    while text.len() < bytes {
        let line = (bytes - text.len()).clamp(2, 80);
        text.extend(vec![b'x'; line - 2]);
        text.extend(b"\r\n");
    }
    text.extend(b".\r\n");
    text
}

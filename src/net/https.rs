//! The one client for HTTPS to other people's servers. A question goes to addresses that were looked up
//! before and to no others, never to this machine or its neighbours unless it is told so, is never
//! redirected, and its answer is bounded in bytes and time. One question, one connection.

use super::guard::is_public;
use crate::base::limits;
use crate::mail::domain_name::DomainName;
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Of HTTPS, where nothing else is said.
pub const PORT: u16 = 443;

#[derive(Clone)]
pub struct Https {
    tls: TlsConnector,
    reach: Reach,
}

/// Where it may go.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reach {
    pub private: Private,
    /// Every connection goes there instead, whatever the name: a proxy, or a test.
    pub instead: Option<SocketAddr>,
}

/// Addresses that are not on the open Internet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Private {
    #[default]
    Refused,
    Allowed,
}

/// A GET.
#[derive(Clone, Copy, Debug)]
pub struct Get<'a> {
    /// Whose certificate it must be.
    pub host: &'a DomainName,
    /// Where it is, as looked up.
    pub addresses: &'a [IpAddr],
    pub port: u16,
    pub path: &'a str,
    pub bytes_max: usize,
    pub within: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: StatusCode,
    pub content_type: Option<String>,
    pub body: Vec<u8>,
}

#[derive(Debug)]
pub enum NoAnswer {
    NoAddress,
    /// It has only addresses where a stranger's word must not send us.
    Forbidden(IpAddr),
    Unreachable(io::Error),
    /// It is there, and cannot prove who it is.
    Certificate(String),
    Tls(io::Error),
    BadRequest(String),
    Http(hyper::Error),
    TooLarge(usize),
    TooSlow(Duration),
}

impl std::fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoAddress => f.write_str("it has no address"),
            Self::Forbidden(address) => write!(f, "{address} is not on the open Internet"),
            Self::Unreachable(why) => write!(f, "it cannot be reached: {why}"),
            Self::Certificate(why) => write!(f, "its certificate is not valid: {why}"),
            Self::Tls(why) => write!(f, "TLS with it failed: {why}"),
            Self::BadRequest(why) => write!(f, "not a request that can be sent: {why}"),
            Self::Http(why) => write!(f, "its answer broke off: {why}"),
            Self::TooLarge(most) => write!(f, "its answer is larger than {most} bytes"),
            Self::TooSlow(most) => write!(f, "it did not answer within {} s", most.as_secs()),
        }
    }
}

impl std::error::Error for NoAnswer {}

impl Https {
    pub fn trusting(roots: Arc<RootCertStore>, reach: Reach) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            // Invariant: the provider has suites for both versions.
            .expect("aws-lc-rs knows TLS 1.2 and 1.3");
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self { tls: TlsConnector::from(Arc::new(config)), reach }
    }

    pub async fn get(&self, get: Get<'_>) -> Result<Answer, NoAnswer> {
        timeout(get.within, self.get_without_end(get)).await.unwrap_or(Err(NoAnswer::TooSlow(get.within)))
    }

    async fn get_without_end(&self, get: Get<'_>) -> Result<Answer, NoAnswer> {
        let request = Request::get(get.path)
            .header(HOST, authority(get.host, get.port))
            .header(USER_AGENT, concat!("Gatepost/", env!("CARGO_PKG_VERSION")))
            .header(ACCEPT, "*/*")
            .body(String::new())
            .map_err(|why| NoAnswer::BadRequest(why.to_string()))?;
        let stream = self.connected(get).await?;
        let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
            .max_buf_size(limits::HTTP_BUFFER_BYTES)
            .max_headers(limits::HTTP_HEADERS_MAX)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(NoAnswer::Http)?;
        // The connection moves bytes as long as it is polled, which is as long as we wait for the answer.
        let asking = async {
            let (head, body) = sender.send_request(request).await.map_err(NoAnswer::Http)?.into_parts();
            let content_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
            let content_type = content_type.map(str::to_owned);
            Ok(Answer { status: head.status, content_type, body: collect(body, get.bytes_max).await? })
        };
        tokio::pin!(asking, connection);
        tokio::select! {
            biased;
            answer = &mut asking => answer,
            // It may end first, with the whole answer in its buffers; an error shows in the answer too.
            _ = &mut connection => asking.await,
        }
    }

    async fn connected(&self, get: Get<'_>) -> Result<TlsStream<TcpStream>, NoAnswer> {
        let name = ServerName::try_from(get.host.as_str().to_owned());
        let name = name.map_err(|why| NoAnswer::BadRequest(why.to_string()))?;
        let mut failed = NoAnswer::NoAddress;
        for to in self.targets(get.addresses, get.port)? {
            match timeout(limits::HTTPS_CONNECT_MAX, TcpStream::connect(to)).await {
                Ok(Ok(stream)) => return self.tls.connect(name, stream).await.map_err(tls_failed),
                Ok(Err(why)) => failed = NoAnswer::Unreachable(why),
                Err(_) => failed = NoAnswer::TooSlow(limits::HTTPS_CONNECT_MAX),
            }
        }
        Err(failed)
    }

    /// The addresses that may be tried. One that is forbidden spoils only itself.
    fn targets(&self, addresses: &[IpAddr], port: u16) -> Result<Vec<SocketAddr>, NoAnswer> {
        if let Some(instead) = self.reach.instead {
            return Ok(vec![instead]);
        }
        let allowed = |address: &&IpAddr| self.reach.private == Private::Allowed || is_public(**address);
        let targets = addresses.iter().filter(allowed).take(limits::HTTPS_ADDRESSES_MAX);
        let targets: Vec<_> = targets.map(|address| SocketAddr::new(*address, port)).collect();
        match (targets.is_empty(), addresses.first()) {
            (true, Some(address)) => Err(NoAnswer::Forbidden(*address)),
            _ => Ok(targets),
        }
    }
}

/// RFC 9110 4.2.2, 7.2: the port that everybody knows is left out.
fn authority(host: &DomainName, port: u16) -> String {
    if port == PORT { host.to_string() } else { format!("{host}:{port}") }
}

fn tls_failed(why: io::Error) -> NoAnswer {
    let inner = why.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidCertificate(certificate)) => NoAnswer::Certificate(certificate.to_string()),
        _ => NoAnswer::Tls(why),
    }
}

async fn collect(mut body: Incoming, most: usize) -> Result<Vec<u8>, NoAnswer> {
    let mut whole = Vec::new();
    while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let data: Bytes = frame.map_err(NoAnswer::Http)?.into_data().unwrap_or_default();
        if whole.len() + data.len() > most {
            return Err(NoAnswer::TooLarge(most));
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole)
}

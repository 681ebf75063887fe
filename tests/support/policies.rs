//! A web server for MTA-STS policies on loopback, with a certificate of an authority made here, that does as a
//! test tells it and counts who came.

use gatepost::net::https::{Https, Private, Reach};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::RootCertStore;
use rustls::pki_types::PrivateKeyDer;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

pub struct Policies {
    pub at: SocketAddr,
    /// What it answers, whole: status line, header and body.
    pub answer: Arc<Mutex<Vec<u8>>>,
    pub requests: Arc<AtomicUsize>,
    /// The request that came last.
    pub heard: Arc<Mutex<String>>,
    /// Closed while answers have to wait.
    pub gate: Arc<tokio::sync::Semaphore>,
    pub roots: Arc<RootCertStore>,
}

impl Policies {
    /// With a certificate for these names.
    pub async fn serving(names: &[&str]) -> Self {
        let authority_key = KeyPair::generate().unwrap();
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = authority.self_signed(&authority_key).unwrap();
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let leaf = CertificateParams::new(names).unwrap();
        let leaf = leaf.signed_by(&key, &Issuer::new(authority, authority_key)).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(root.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config =
            rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = config.with_no_client_auth().with_single_cert(vec![leaf.der().clone()], key).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let policies = Self {
            at: listener.local_addr().unwrap(),
            answer: Arc::default(),
            requests: Arc::default(),
            heard: Arc::default(),
            gate: Arc::new(tokio::sync::Semaphore::new(usize::MAX >> 4)),
            roots: Arc::new(roots),
        };
        tokio::spawn(serve(
            listener,
            TlsAcceptor::from(Arc::new(config)),
            (policies.answer.clone(), policies.requests.clone(), policies.heard.clone(), policies.gate.clone()),
        ));
        policies
    }

    /// A client that believes its authority, and finds every name here.
    pub fn client(&self) -> Https {
        Https::trusting(self.roots.clone(), Reach { private: Private::Refused, instead: Some(self.at) })
    }

    pub fn says(&self, head: &str, body: &str) {
        *self.answer.lock().unwrap() = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes();
    }

    pub fn has(&self, policy: &str) {
        self.says("HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n", policy);
    }

    pub fn fails(&self) {
        self.says("HTTP/1.1 503 Later\r\nContent-Type: text/plain\r\n", "");
    }

    pub fn asked(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

type Shared = (Arc<Mutex<Vec<u8>>>, Arc<AtomicUsize>, Arc<Mutex<String>>, Arc<tokio::sync::Semaphore>);

async fn serve(listener: TcpListener, tls: TlsAcceptor, shared: Shared) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let (tls, (answer, requests, heard, gate)) = (tls.clone(), shared.clone());
        tokio::spawn(async move {
            let Ok(mut stream) = tls.accept(stream).await else { return };
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let Ok(byte) = stream.read_u8().await else { return };
                request.push(byte);
            }
            requests.fetch_add(1, Ordering::SeqCst);
            *heard.lock().unwrap() = String::from_utf8(request).unwrap();
            let _open = gate.acquire().await.unwrap();
            let answer = answer.lock().unwrap().clone();
            // A client that has seen enough does not wait for the rest.
            let _ = stream.write_all(&answer).await;
            let _ = stream.shutdown().await;
        });
    }
}

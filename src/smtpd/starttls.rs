//! From bytes in the clear to TLS, within a deadline: behind STARTTLS, or from the first byte on.

use super::happenings::{HandshakeDone, HandshakeFailed};
use crate::base::limits;
use crate::base::observe::Happening;
use rustls::ServerConfig;
use std::io;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Version and cipher suite.
pub(super) type Secured = (&'static str, String);

/// Takes the client's handshake. RFC 3207 4.1: when it fails the connection is of no use to either;
/// none comes back, and why has been recorded. With it comes what it is made of.
pub(super) async fn shake_hands(
    stream: TcpStream,
    config: Arc<ServerConfig>,
) -> Option<(TlsStream<TcpStream>, Secured)> {
    let handshake = TlsAcceptor::from(config).accept(stream);
    let too_slow = || Err(io::Error::new(io::ErrorKind::TimedOut, "the handshake took too long"));
    match timeout(limits::TLS_HANDSHAKE_MAX, handshake).await.unwrap_or_else(|_| too_slow()) {
        Ok(stream) => {
            let (_, tls) = stream.get_ref();
            let suite = tls.negotiated_cipher_suite().map(|suite| suite.suite());
            HandshakeDone { version: tls.protocol_version(), suite }.record();
            let version = match tls.protocol_version() {
                Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
                _ => "TLSv1.2",
            };
            let secured = (version, suite.map_or_else(String::new, |suite| format!("{suite:?}")));
            Some((stream, secured))
        }
        Err(why) => {
            HandshakeFailed { why }.record();
            None
        }
    }
}

//! Connections that speak HTTP/1.1, with bounds on heads, idling and their whole life. HTTP/2 and TLS
//! are the business of the reverse proxy in front (docs/OPERATIONS.md).

use super::auth::Caller;
use super::happenings::ConnectionCut;
use super::router::{Context, Place, router};
use super::settings::Serves;
use crate::base::limits;
use crate::base::observe::Happening;
use crate::base::shutdown::Phase;
use crate::net::listen::{self, Bounds, Drained, Listening, Name, Refusal, Serve, Visit};
use arc_swap::ArcSwap;
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::borrow::Cow;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tower::ServiceExt;

/// An open address of `[[http]]`.
pub struct OpenListener {
    address: SocketAddr,
    site: Arc<Site>,
    context: Context,
    listening: Listening,
}

/// Starts serving on a bound socket. Must be called inside the runtime.
pub fn open(socket: TcpListener, serves: &[Serves], context: &Context) -> io::Result<OpenListener> {
    let address = socket.local_addr()?;
    socket.set_nonblocking(true)?;
    let socket = tokio::net::TcpListener::from_std(socket)?;
    let name = Name { door: "http", address: address.to_string() };
    let bounds = Bounds::in_all(limits::HTTP_CONNECTIONS_MAX);
    // No user of this machine can come by an address, so whose daemon it is does not matter here.
    let site = Arc::new(Site::new(router(context, &Place::Network(serves)), 0));
    let sources = (context.clock.clone(), context.random.clone());
    let listening = listen::open(socket, name, bounds, site.clone(), sources);
    Ok(OpenListener { address, site, context: context.clone(), listening })
}

impl OpenListener {
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn connections(&self) -> usize {
        self.listening.connections()
    }

    /// New connections find this behind the address; those that stand keep what they found.
    pub fn change(&self, serves: &[Serves]) {
        self.site.router.store(Arc::new(router(&self.context, &Place::Network(serves))));
    }

    /// Takes no new connection from now on, and asks the others to leave.
    pub fn close(&self) {
        self.listening.close();
    }

    /// Returns when the address of a closed door is free.
    pub async fn closed(&self) {
        self.listening.closed().await;
    }

    pub async fn drain(self, at_most: Duration) -> Drained {
        self.listening.drain(at_most).await
    }
}

/// What new connections are led into, on an address or on the control socket.
pub(super) struct Site {
    router: ArcSwap<Router>,
    owner: u32,
}

impl Site {
    pub(super) fn new(router: Router, owner: u32) -> Self {
        Self { router: ArcSwap::from_pointee(router), owner }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Serve<S> for Site {
    async fn serve(self: Arc<Self>, stream: S, visit: Visit) {
        let router = Router::clone(&self.router.load());
        let (peer, caller) = (visit.peer, Caller::of(visit.peer, self.owner));
        let service = service_fn(move |request: Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(caller);
            request.extensions_mut().insert(peer);
            router.clone().oneshot(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits::HTTP_HEAD_MAX)
            .max_headers(limits::HTTP_HEADERS_MAX)
            .max_header_size(limits::HTTP_HEAD_BYTES_MAX)
            .max_buf_size(limits::HTTP_BUFFER_BYTES)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = pin!(connection);
        tokio::select! {
            // How a client leaves is its own affair: an error here is a cut line or a malformed head,
            // which hyper has answered where it could.
            _ = connection.as_mut() => return,
            () = visit.leaving.reached(Phase::Draining) => {}
            () = tokio::time::sleep(limits::HTTP_CONNECTION_MAX) => {}
        }
        // The request in progress is answered, and the connection ends with it.
        connection.as_mut().graceful_shutdown();
        if tokio::time::timeout(limits::HTTP_REQUEST_MAX, connection).await.is_err() {
            ConnectionCut { why: "no end to its last request" }.record();
        }
    }

    fn sent_away(&self, _: Refusal) -> Cow<'static, [u8]> {
        let words =
            b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\nRetry-After: 10\r\n\r\n";
        Cow::Borrowed(words)
    }
}

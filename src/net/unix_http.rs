//! A client for HTTP over a unix socket: how the commands speak to the daemon. One request, one
//! connection; bounded in bytes and time.

use crate::base::limits;
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;
use tokio::net::UnixStream;

#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub body: Vec<u8>,
}

#[derive(Debug)]
pub enum NoAnswer {
    /// Nobody listens: there is no such socket, or the daemon that made it is gone.
    NotRunning(PathBuf),
    /// The socket is not ours to use.
    NotAllowed(PathBuf),
    /// The path or query asked for is none.
    BadRequest(hyper::http::Error),
    Io(io::Error),
    Http(hyper::Error),
    TooSlow(Duration),
    TooLarge(usize),
}

impl std::fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotRunning(path) => write!(f, "no daemon answers at {}: is it running?", path.display()),
            Self::NotAllowed(path) => {
                write!(f, "{} is for root and the user that the daemon runs as", path.display())
            }
            Self::BadRequest(why) => write!(f, "not a request that can be sent: {why}"),
            Self::Io(why) => write!(f, "the daemon cannot be asked: {why}"),
            Self::Http(why) => write!(f, "the daemon's answer broke off: {why}"),
            Self::TooSlow(after) => write!(f, "the daemon did not answer within {} s", after.as_secs()),
            Self::TooLarge(most) => write!(f, "the daemon's answer is larger than {most} bytes"),
        }
    }
}

impl std::error::Error for NoAnswer {}

/// Asks the daemon behind this socket. The body is JSON text, or empty.
pub async fn ask(socket: &Path, method: Method, path: &str, body: String) -> Result<Answer, NoAnswer> {
    send(socket, method, path, ("application/json", body)).await
}

/// The same with a body of another type.
pub async fn send(socket: &Path, method: Method, path: &str, (kind, body): (&str, String)) -> Result<Answer, NoAnswer> {
    let most = limits::CONTROL_ANSWER_MAX;
    let asked = ask_without_end(socket, method, path, (kind, body));
    tokio::time::timeout(most, asked).await.unwrap_or(Err(NoAnswer::TooSlow(most)))
}

async fn ask_without_end(
    socket: &Path,
    method: Method,
    path: &str,
    (kind, body): (&str, String),
) -> Result<Answer, NoAnswer> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        // RFC 9112 3.2: every request names a host, also where there is none.
        .header(HOST, "localhost")
        .header(CONTENT_TYPE, kind)
        .body(body)
        .map_err(NoAnswer::BadRequest)?;
    let stream = UnixStream::connect(socket).await.map_err(|why| not_connected(socket, why))?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(NoAnswer::Http)?;
    // The connection moves bytes as long as it is polled, which is as long as we wait for the answer.
    let asking = async {
        let answer = sender.send_request(request).await.map_err(NoAnswer::Http)?;
        let (head, body) = answer.into_parts();
        let body = collect(body, limits::CONTROL_ANSWER_BYTES_MAX).await?;
        Ok(Answer { status: head.status, body })
    };
    tokio::pin!(asking, connection);
    tokio::select! {
        biased;
        answer = &mut asking => answer,
        // It may end first, with the whole answer in its buffers; an error shows in the answer too.
        _ = &mut connection => asking.await,
    }
}

fn not_connected(socket: &Path, why: io::Error) -> NoAnswer {
    match why.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => NoAnswer::NotRunning(socket.to_owned()),
        io::ErrorKind::PermissionDenied => NoAnswer::NotAllowed(socket.to_owned()),
        _ => NoAnswer::Io(why),
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

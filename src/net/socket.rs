//! What can be listened on: an address of the network, or a path on this machine. Both give a stream
//! and who is at its other end.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

/// Who is at the other end, as far as the kernel knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    Address(SocketAddr),
    /// A process on this machine, by the user it ran as when it connected (SO_PEERCRED).
    User(u32),
}

impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Address(address) => write!(f, "{address}"),
            Self::User(uid) => write!(f, "uid {uid}"),
        }
    }
}

/// What can be listened on.
pub trait Socket: Send + Sync + 'static {
    type Stream: Send + 'static;

    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, Peer)>> + Send;

    /// Says this much if it can be said without waiting; the connection is closed right after.
    fn say(stream: &Self::Stream, words: &[u8]);
}

impl Socket for TcpListener {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<(TcpStream, Peer)> {
        let (stream, from) = TcpListener::accept(self).await?;
        // Replies are flushed whole; waiting for more to fill a packet only delays them.
        stream.set_nodelay(true)?;
        Ok((stream, Peer::Address(from)))
    }

    fn say(stream: &TcpStream, words: &[u8]) {
        // A client that was never listened to cannot have filled its window; if it did, it goes unanswered.
        let _ = stream.try_write(words);
    }
}

impl Socket for UnixListener {
    type Stream = UnixStream;

    async fn accept(&self) -> io::Result<(UnixStream, Peer)> {
        let (stream, _) = UnixListener::accept(self).await?;
        let uid = stream.peer_cred()?.uid();
        Ok((stream, Peer::User(uid)))
    }

    fn say(stream: &UnixStream, words: &[u8]) {
        let _ = stream.try_write(words);
    }
}

//! The bytes of a session: commands out, replies in, each within its time; in the clear and then in TLS.

use crate::base::limits;
use crate::deliver::tls::{self, TlsInfo, Verified};
use crate::mail::status::Status;
use crate::model::host::Host;
use crate::model::outcome::{Blame, Kind, Why, category};
use crate::net::dial;
use crate::smtp::dialogue::response::{Fault, Responses, Said};
use crate::smtp::dialogue::transaction::Unexpected;
use crate::smtp::dialogue::transcript::Transcript;
use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, ServerName};
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Why a connection is of no use any more.
#[derive(Debug)]
pub(super) enum Trouble {
    Broken(io::Error),
    /// The remote closed.
    Closed,
    TooSlow(Duration),
    Fault(Fault),
    Unexpected(Unexpected),
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Broken(why) => write!(f, "the connection broke: {why}"),
            Self::Closed => f.write_str("the connection was closed"),
            Self::TooSlow(wait) => write!(f, "no answer within {} s", wait.as_secs()),
            Self::Fault(fault) => fault.fmt(f),
            Self::Unexpected(unexpected) => unexpected.fmt(f),
        }
    }
}

impl Trouble {
    /// As a reason to put mail off.
    pub fn why(&self, host: &Host) -> Why {
        let (category, blame, status) = match self {
            Self::Fault(_) | Self::Unexpected(_) => (category::PROTOCOL, Blame::Remote, Status::new(4, 5, 0)),
            Self::TooSlow(_) => (category::TIMEOUT, Blame::Network, Status::new(4, 4, 2)),
            Self::Broken(_) | Self::Closed => (category::CONNECTION, Blame::Network, Status::new(4, 4, 2)),
        };
        Why::found(blame, Kind::Soft, category, status, format!("{host}: {self}"))
    }
}

impl From<io::Error> for Trouble {
    fn from(why: io::Error) -> Self {
        // Some close with a reset, or without ending TLS: it is the same to us.
        match why.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Self::Closed,
            _ => Self::Broken(why),
        }
    }
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Unexpected> for Trouble {
    fn from(unexpected: Unexpected) -> Self {
        Self::Unexpected(unexpected)
    }
}

/// What the bytes travel in.
#[derive(Debug)]
enum Channel {
    Clear(dial::Stream),
    Secure(Box<TlsStream<dial::Stream>>),
    /// A handshake failed: what comes is the end.
    Gone(tokio::io::Empty),
}

trait Both: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Both for T {}

impl Channel {
    fn both(&mut self) -> &mut dyn Both {
        match self {
            Self::Clear(stream) => stream,
            Self::Secure(stream) => stream,
            Self::Gone(nothing) => nothing,
        }
    }
}

#[derive(Debug)]
pub(super) struct Wire {
    channel: Channel,
    responses: Responses,
    /// Commands that wait to be flushed.
    pub out: Vec<u8>,
    /// The dialogue, while somebody wants it.
    pub transcript: Option<Transcript>,
}

impl Wire {
    pub fn new(stream: dial::Stream) -> Self {
        let transcript = Some(Transcript::default());
        Self { channel: Channel::Clear(stream), responses: Responses::default(), out: Vec::new(), transcript }
    }

    /// One command.
    pub async fn say(&mut self, command: &str, wait: Duration) -> Result<(), Trouble> {
        debug_assert!(!command.contains(['\r', '\n']), "a command is one line");
        self.out.extend_from_slice(command.as_bytes());
        self.out.extend_from_slice(b"\r\n");
        self.flush(wait).await
    }

    /// One line that holds a secret behind these words; it does not stay in the buffer.
    pub async fn say_secret(&mut self, words: &str, secret: &str, wait: Duration) -> Result<(), Trouble> {
        if let Some(transcript) = &mut self.transcript {
            transcript.said_secret(words);
        }
        let line = zeroize::Zeroizing::new(format!("{words}{secret}\r\n").into_bytes());
        self.write(&mut [IoSlice::new(&line)], wait).await
    }

    /// Everything in `out`.
    pub async fn flush(&mut self, wait: Duration) -> Result<(), Trouble> {
        self.flush_with(&[], wait).await
    }

    /// Everything in `out`, and these pieces of a message behind it, in one write where the system takes it.
    pub async fn flush_with(&mut self, pieces: &[&[u8]], wait: Duration) -> Result<(), Trouble> {
        if let Some(transcript) = &mut self.transcript {
            transcript.said(&self.out);
        }
        let out = std::mem::take(&mut self.out);
        let mut slices = Slices::default();
        slices.extend(std::iter::once(out.as_slice()).chain(pieces.iter().copied()));
        let written = self.write(slices.as_mut(), wait).await;
        self.out = out;
        self.out.clear();
        written
    }

    async fn write(&mut self, mut slices: &mut [IoSlice<'_>], wait: Duration) -> Result<(), Trouble> {
        let stream = self.channel.both();
        let writing = async {
            IoSlice::advance_slices(&mut slices, 0);
            while !slices.is_empty() {
                match stream.write_vectored(slices).await? {
                    0 => return Err(io::Error::from(io::ErrorKind::WriteZero)),
                    written => IoSlice::advance_slices(&mut slices, written),
                }
            }
            stream.flush().await
        };
        match timeout(wait, writing).await {
            Ok(written) => Ok(written?),
            Err(_) => Err(Trouble::TooSlow(wait)),
        }
    }

    /// The next reply, whole within this time: one byte a minute does not keep us.
    pub async fn hear(&mut self, wait: Duration) -> Result<Said, Trouble> {
        if let Some(said) = self.responses.take()? {
            return Ok(self.heard(said));
        }
        let said = timeout(wait, self.read()).await.map_err(|_| Trouble::TooSlow(wait))??;
        Ok(self.heard(said))
    }

    async fn read(&mut self) -> Result<Said, Trouble> {
        loop {
            let room = self.responses.room(limits::RESPONSE_READ_BYTES);
            if self.channel.both().read_buf(room).await? == 0 {
                return Err(Trouble::Closed);
            }
            if let Some(said) = self.responses.take()? {
                return Ok(said);
            }
        }
    }

    fn heard(&mut self, said: Said) -> Said {
        if let Some(transcript) = &mut self.transcript {
            transcript.heard(&said);
        }
        said
    }

    /// Has the remote said or done something that nobody asked for? It said goodbye then, or is gone.
    pub async fn is_stale(&mut self) -> bool {
        if !self.responses.is_empty() {
            return true;
        }
        let mut bytes = [0; 1];
        let stream = self.channel.both();
        poll_fn(|cx| {
            let mut buffer = ReadBuf::new(&mut bytes);
            Poll::Ready(Pin::new(&mut *stream).poll_read(cx, &mut buffer).is_ready())
        })
        .await
    }

    /// What the remote has shown, the server's own first; nothing in the clear.
    pub fn certificates(&self) -> &[CertificateDer<'static>] {
        match &self.channel {
            Channel::Secure(stream) => stream.get_ref().1.peer_certificates().unwrap_or_default(),
            Channel::Clear(_) | Channel::Gone(_) => &[],
        }
    }

    /// The handshake. Whether it fails or not, nothing of the old channel is left.
    pub async fn secure(
        &mut self,
        config: Arc<ClientConfig>,
        (name, verified): (ServerName<'static>, Verified),
        wait: Duration,
    ) -> io::Result<TlsInfo> {
        let Channel::Clear(stream) = std::mem::replace(&mut self.channel, Channel::Gone(tokio::io::empty())) else {
            return Err(io::Error::other("TLS inside TLS"));
        };
        // RFC 3207 4.2: what came in the clear and was not asked for is forgotten.
        self.responses.discard();
        let too_slow = || Err(io::Error::new(io::ErrorKind::TimedOut, "the handshake took too long"));
        let shaking = TlsConnector::from(config).connect(name, stream);
        let stream = timeout(wait, shaking).await.unwrap_or_else(|_| too_slow())?;
        let info = tls::info(stream.get_ref().1, verified);
        if let Some(transcript) = &mut self.transcript {
            transcript.secured();
        }
        self.channel = Channel::Secure(Box::new(stream));
        Ok(info)
    }

    /// RFC 5321 4.1.1.10: QUIT, its answer, and the end in good order, all within this time. Nothing depends
    /// on it: whoever does not answer a goodbye is gone, too.
    pub async fn quit(&mut self, wait: Duration) {
        let goodbye = async {
            if self.say("QUIT", wait).await.is_ok() {
                let _ = self.hear(wait).await;
            }
            let _ = self.channel.both().shutdown().await;
        };
        let _ = timeout(wait, goodbye).await;
    }
}

/// A few slices without an allocation.
struct Slices<'a> {
    slices: [IoSlice<'a>; limits::MESSAGE_SLICES_AT_ONCE + 1],
    used: usize,
}

impl Default for Slices<'_> {
    fn default() -> Self {
        Self { slices: std::array::from_fn(|_| IoSlice::new(&[])), used: 0 }
    }
}

impl<'a> Slices<'a> {
    fn extend(&mut self, pieces: impl Iterator<Item = &'a [u8]>) {
        for (slot, piece) in self.slices.iter_mut().zip(pieces) {
            *slot = IoSlice::new(piece);
            self.used += 1;
        }
    }

    fn as_mut(&mut self) -> &mut [IoSlice<'a>] {
        &mut self.slices[..self.used]
    }
}

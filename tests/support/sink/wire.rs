//! The bytes of one connection: lines and blocks in, replies out, all of it written down.

use super::House;
use super::offer::Replies;
use super::seen::Spoken;
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// More than any line that a client may send (RFC 4954 4), and less than any flood.
const LINE_MAX: usize = 16 << 10;

pub struct Wire {
    stream: Box<dyn Stream>,
    /// The same socket, for resetting it.
    socket: TcpStream,
    inbox: Vec<u8>,
    outbox: Vec<u8>,
    pub number: usize,
    pub house: Arc<House>,
    pub tls: bool,
}

impl Wire {
    pub fn new(stream: TcpStream, number: usize, house: Arc<House>) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let stream = stream.into_std()?;
        let socket = TcpStream::from_std(stream.try_clone()?)?;
        let stream = Box::new(TcpStream::from_std(stream)?);
        Ok(Self { stream, socket, inbox: Vec::new(), outbox: Vec::new(), number, house, tls: false })
    }

    /// The next line, with its end.
    pub async fn line(&mut self) -> io::Result<Vec<u8>> {
        let mut looked = 0;
        loop {
            if let Some(at) = self.inbox[looked..].iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.inbox.drain(..=looked + at).collect();
                self.note(Spoken::Command(line.clone()));
                if !line.ends_with(b"\r\n") {
                    self.fault("a line ends with a bare LF");
                }
                return Ok(line);
            }
            looked = self.inbox.len();
            if looked > LINE_MAX {
                self.fault("a line without an end");
                return Err(io::ErrorKind::InvalidData.into());
            }
            self.more().await?;
        }
    }

    /// The text of a message up to its dot, as it was on the wire, without the dot.
    pub async fn text(&mut self) -> io::Result<Vec<u8>> {
        let mut looked = 0;
        loop {
            // The CRLF before a dot at the very beginning is that of DATA.
            if self.inbox.starts_with(b".\r\n") {
                self.inbox.drain(..3);
                self.note(Spoken::Text(b".\r\n".to_vec()));
                return Ok(Vec::new());
            }
            if let Some(at) = memchr::memmem::find(&self.inbox[looked..], b"\r\n.\r\n") {
                let mut text: Vec<u8> = self.inbox.drain(..looked + at + 5).collect();
                self.note(Spoken::Text(text.clone()));
                text.truncate(text.len() - 3);
                return Ok(text);
            }
            looked = self.inbox.len().saturating_sub(4);
            self.more().await?;
        }
    }

    /// A chunk.
    pub async fn block(&mut self, bytes: usize) -> io::Result<Vec<u8>> {
        while self.inbox.len() < bytes {
            self.more().await?;
        }
        let block: Vec<u8> = self.inbox.drain(..bytes).collect();
        self.note(Spoken::Text(block.clone()));
        Ok(block)
    }

    async fn more(&mut self) -> io::Result<()> {
        self.flush().await?;
        let mut bytes = vec![0; 64 << 10];
        let read = self.stream.read(&mut bytes).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.inbox.extend_from_slice(&bytes[..read]);
        Ok(())
    }

    /// One reply of one or more lines.
    pub async fn say(&mut self, reply: &str) -> io::Result<()> {
        let lines: String = reply.lines().map(|line| format!("{line}\r\n")).collect();
        self.raw(lines.as_bytes()).await
    }

    pub async fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.note(Spoken::Reply(bytes.to_vec()));
        self.outbox.extend_from_slice(bytes);
        match self.house.offer.replies {
            Replies::Together => Ok(()),
            Replies::Apart => self.flush().await,
        }
    }

    pub async fn flush(&mut self) -> io::Result<()> {
        if self.outbox.is_empty() {
            return Ok(());
        }
        self.stream.write_all(&self.outbox).await?;
        self.outbox.clear();
        self.stream.flush().await
    }

    /// What the client sent already and nobody has read.
    pub fn has_more(&self) -> bool {
        !self.inbox.is_empty()
    }

    /// RFC 3207 4.2: what came in the clear behind STARTTLS is thrown away, and the client should know it.
    pub async fn secure(&mut self) -> io::Result<()> {
        self.flush().await?;
        if std::mem::take(&mut self.inbox).is_empty() {
            self.handshake().await
        } else {
            self.fault("words in the clear behind STARTTLS");
            Err(io::ErrorKind::InvalidData.into())
        }
    }

    pub async fn handshake(&mut self) -> io::Result<()> {
        let Some(config) = self.house.offer.tls.clone() else { return Err(io::ErrorKind::Unsupported.into()) };
        let clear = std::mem::replace(&mut self.stream, Box::new(tokio::io::empty()));
        match TlsAcceptor::from(config).accept(clear).await {
            Ok(stream) => {
                let name = stream.get_ref().1.server_name().map(str::to_owned);
                self.house.book.write(|seen| {
                    let connection = &mut seen.connections[self.number];
                    (connection.tls, connection.server_name) = (true, name);
                });
                (self.stream, self.tls) = (Box::new(stream), true);
                Ok(())
            }
            Err(why) => {
                self.house.book.write(|seen| seen.connections[self.number].handshake = Some(why.to_string()));
                Err(why)
            }
        }
    }

    /// Says farewell as TCP and TLS have it.
    pub async fn close(&mut self) {
        let _ = self.flush().await;
        let _ = self.stream.shutdown().await;
    }

    pub fn reset(&mut self) {
        let _ = self.socket.set_zero_linger();
    }

    pub fn fault(&self, what: &str) {
        self.house.book.write(|seen| seen.faults.push(format!("connection {}: {what}", self.number)));
    }

    fn note(&self, spoken: Spoken) {
        self.house.book.write(|seen| seen.connections[self.number].spoken.push(spoken));
    }
}

//! The client's end of a connection, in clear or in TLS; and what holds for every line of every reply.

use crate::running::PATIENCE;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use tokio::net::TcpSocket;

pub struct Wire {
    stream: Stream,
    heard: Vec<u8>,
    byte_by_byte: bool,
    /// The code of a reply whose last line has not come yet.
    open_reply: Option<String>,
}

enum Stream {
    Clear(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
    Closed,
}

impl Wire {
    /// From that address of this machine.
    pub fn connect(from: &str, to: SocketAddr, byte_by_byte: bool) -> std::io::Result<Self> {
        let from: IpAddr = from.parse().map_err(std::io::Error::other)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        // std cannot choose the address it connects from.
        let stream = runtime.block_on(async {
            let socket = TcpSocket::new_v4()?;
            socket.bind((from, 0).into())?;
            socket.connect(to).await?.into_std()
        })?;
        stream.set_nonblocking(false)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream: Stream::Clear(stream), heard: Vec::new(), byte_by_byte, open_reply: None })
    }

    /// Whether it could be said shows in what is heard: a server that closes need not read on.
    pub fn say(&mut self, bytes: &[u8]) {
        let piece = if self.byte_by_byte { 1 } else { bytes.len().max(1) };
        for piece in bytes.chunks(piece) {
            let said = match &mut self.stream {
                Stream::Clear(stream) => stream.write_all(piece),
                Stream::Tls(stream) => stream.write_all(piece).and_then(|()| stream.flush()),
                Stream::Closed => return,
            };
            if said.is_err() {
                return;
            }
        }
    }

    /// Hears more; false at the end of the connection.
    fn hear(&mut self) -> Result<bool, String> {
        let mut piece = [0; 4096];
        let read = match &mut self.stream {
            Stream::Clear(stream) => stream.read(&mut piece),
            Stream::Tls(stream) => stream.read(&mut piece),
            Stream::Closed => Ok(0),
        };
        match read {
            Ok(n) => {
                self.heard.extend_from_slice(&piece[..n]);
                Ok(n > 0)
            }
            Err(why) if why.kind() == std::io::ErrorKind::WouldBlock => Err("nothing is said".into()),
            // A reset, or TLS that ends without a goodbye: over is over.
            Err(_) => Ok(false),
        }
    }

    /// The next line of a reply, without its end.
    pub fn line(&mut self) -> Result<String, String> {
        loop {
            if let Some(end) = self.heard.iter().position(|b| *b == b'\n') {
                let line = self.heard.drain(..=end).collect::<Vec<_>>();
                let line = String::from_utf8(line).map_err(|line| format!("not UTF-8: {line:?}"))?;
                self.check_form(&line).map_err(|why| format!("{why}: {line:?}"))?;
                return Ok(line.trim_end_matches("\r\n").to_owned());
            }
            if !self.hear()? {
                return Err(format!("the connection has ended, after {:?}", super::kept::shown(&self.heard)));
            }
        }
    }

    /// Puts a line back, to be heard again.
    pub fn take_back(&mut self, line: &str) {
        self.heard.splice(..0, [line.as_bytes(), b"\r\n"].concat());
    }

    /// RFC 5321 4.2, 4.5.3.1.5; RFC 2034 4: what holds for every reply of every story.
    fn check_form(&mut self, line: &str) -> Result<(), &'static str> {
        let text = line.strip_suffix("\r\n").ok_or("a line ends with CRLF")?;
        if line.len() > 512 {
            return Err("a reply line has at most 512 bytes");
        }
        if !text.bytes().all(|b| matches!(b, b' '..=b'~')) {
            return Err("a reply is printable ASCII");
        }
        let code = text.get(..3).filter(|code| code.bytes().all(|b| b.is_ascii_digit())).ok_or("no code")?;
        if self.open_reply.as_ref().is_some_and(|open| open != code) {
            return Err("the lines of a reply have one code");
        }
        match text.get(3..4) {
            Some("-") => self.open_reply = Some(code.to_owned()),
            Some(" ") | None => self.open_reply = None,
            Some(_) => return Err("a blank or a hyphen follows the code"),
        }
        let class = text.get(4..).and_then(|rest| rest.split_once('.')).map_or("", |(class, _)| class);
        let enhanced = matches!(class, "2" | "4" | "5");
        if enhanced && !code.starts_with(class) {
            return Err("code and enhanced code are of one class");
        }
        match code {
            _ if enhanced => Ok(()),
            // Greetings, answers to EHLO and HELO, and challenges have none.
            "220" | "250" | "334" | "354" => Ok(()),
            _ => Err("no enhanced code"),
        }
    }

    /// Exactly these bytes, whatever they are.
    pub fn exactly(&mut self, bytes: usize) -> Result<Vec<u8>, String> {
        while self.heard.len() < bytes && self.hear()? {}
        Ok(self.heard.drain(..bytes.min(self.heard.len())).collect())
    }

    /// Takes the server's end of the connection; answers what was said before it.
    pub fn end(&mut self) -> Result<Vec<u8>, String> {
        while self.hear()? {}
        Ok(std::mem::take(&mut self.heard))
    }

    pub fn shake_hands(&mut self, trust: &Arc<ClientConfig>) -> Result<(), String> {
        if !self.heard.is_empty() {
            return Err(format!("said before the handshake: {}", super::kept::shown(&self.heard)));
        }
        let Stream::Clear(stream) = std::mem::replace(&mut self.stream, Stream::Closed) else {
            return Err("not in clear".into());
        };
        let name = ServerName::try_from("mail.example.com").map_err(|why| why.to_string())?;
        let connection = ClientConnection::new(trust.clone(), name).map_err(|why| why.to_string())?;
        let mut stream = StreamOwned::new(connection, stream);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock).map_err(|why| why.to_string())?;
        }
        self.stream = Stream::Tls(Box::new(stream));
        Ok(())
    }

    /// The client is gone, in the middle of whatever it was.
    pub fn close(&mut self) {
        self.stream = Stream::Closed;
    }
}

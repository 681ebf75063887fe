//! A wire to PostgreSQL that is cut at the answer a test names: the server did what it was asked, and
//! nobody heard of it.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

#[derive(Clone)]
pub struct Proxy {
    port: u16,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    /// Command tags, in order: at the first of them the connection that brings it is cut.
    cuts: VecDeque<&'static str>,
    open: Vec<TcpStream>,
}

impl Proxy {
    pub fn to(server_port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has a free port");
        let port = listener.local_addr().expect("a bound address").port();
        let proxy = Self { port, shared: Arc::default() };
        let accepting = proxy.clone();
        // Ends with the test process: nobody connects to it any more.
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                accepting.carry(client, server_port);
            }
        });
        proxy
    }

    /// The same database, through this wire.
    pub fn url(&self, url: &str) -> String {
        let (head, tail) = url.split_once("127.0.0.1:").expect("a cluster's url");
        let database = tail.split_once('/').expect("a database").1;
        format!("{head}127.0.0.1:{}/{database}?sslmode=disable", self.port)
    }

    /// Cuts the wire instead of bringing these answers, one after the other.
    pub fn cut_at(&self, tags: &[&'static str]) {
        self.shared.lock().unwrap().cuts = tags.iter().copied().collect();
    }

    /// How many of them have not come yet.
    pub fn cuts_left(&self) -> usize {
        self.shared.lock().unwrap().cuts.len()
    }

    /// Cuts every wire now.
    pub fn cut_all(&self) {
        for stream in self.shared.lock().unwrap().open.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn carry(&self, client: TcpStream, server_port: u16) {
        let Ok(server) = TcpStream::connect(("127.0.0.1", server_port)) else { return };
        for stream in [&client, &server] {
            let _ = stream.set_nodelay(true);
            self.shared.lock().unwrap().open.push(stream.try_clone().expect("a second handle"));
        }
        let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Both);
        });
        let proxy = self.clone();
        std::thread::spawn(move || {
            let _ = proxy.bring_answers(&server, &client);
            let _ = client.shutdown(Shutdown::Both);
            let _ = server.shutdown(Shutdown::Both);
        });
    }

    /// Message by message, up to one at which it is to be cut.
    fn bring_answers(&self, mut server: &TcpStream, mut client: &TcpStream) -> std::io::Result<()> {
        loop {
            let mut head = [0; 5];
            server.read_exact(&mut head)?;
            let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
            let mut message = head.to_vec();
            message.resize(1 + length, 0);
            server.read_exact(&mut message[5..])?;
            if head[0] == b'C' && self.is_cut(&message[5..]) {
                return Ok(());
            }
            client.write_all(&message)?;
        }
    }

    fn is_cut(&self, tag: &[u8]) -> bool {
        let mut shared = self.shared.lock().unwrap();
        let cut = shared.cuts.front().is_some_and(|cut| tag == format!("{cut}\0").as_bytes());
        if cut {
            shared.cuts.pop_front();
        }
        cut
    }
}

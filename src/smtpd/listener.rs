//! An open SMTP listener: made from a bound socket, changed while it stands, drained at its end.

use super::connection;
use super::door::{Context, Door};
use super::proxy;
use super::settings::Tls;
use crate::certs::{Certificates, Tickets};
use crate::net::listen::{self, Drained, Listening, Name, Refusal, Serve, Visit};
use arc_swap::ArcSwap;
use rustls::ServerConfig;
use std::borrow::Cow;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;

pub struct OpenListener {
    address: SocketAddr,
    rooms: Arc<Rooms>,
    listening: Listening,
}

/// Starts serving on a bound socket. Must be called inside the runtime.
pub fn open(socket: TcpListener, door: Door, context: &Context) -> io::Result<OpenListener> {
    let address = socket.local_addr()?;
    socket.set_nonblocking(true)?;
    let socket = tokio::net::TcpListener::from_std(socket)?;
    let name = Name { door: door.word(), address: address.to_string() };
    let bounds = door.smtp.bounds();
    // Made for this listener alone, with its own ticket key, and also where TLS is off for now: a
    // reload may turn it on.
    let tls = Handshakes::new(&context.certificates).map_err(io::Error::other)?;
    let rooms = Arc::new(Rooms { door: ArcSwap::from_pointee(door), tls, context: context.clone() });
    let listening = listen::open(socket, name, bounds, rooms.clone(), (context.clock.clone(), context.random.clone()));
    Ok(OpenListener { address, rooms, listening })
}

impl OpenListener {
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn door(&self) -> Arc<Door> {
        self.rooms.door.load_full()
    }

    pub fn connections(&self) -> usize {
        self.listening.connections()
    }

    /// New connections find this behind the address; those that stand keep what they found. In metrics
    /// the listener keeps the name under which it was opened.
    pub fn change(&self, door: Door) {
        self.listening.change(door.smtp.bounds());
        self.rooms.door.store(Arc::new(door));
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

/// What new connections are led into.
struct Rooms {
    door: ArcSwap<Door>,
    tls: Handshakes,
    context: Context,
}

/// Both ways to shake hands, made once, so that a change of the door cannot fail.
struct Handshakes {
    with_ticket: Arc<ServerConfig>,
    without: Arc<ServerConfig>,
}

impl Handshakes {
    fn new(certificates: &Certificates) -> Result<Self, rustls::Error> {
        Ok(Self {
            with_ticket: certificates.server_config(Tickets::One)?,
            without: certificates.server_config(Tickets::None)?,
        })
    }

    fn of(&self, tickets: Tickets) -> Arc<ServerConfig> {
        match tickets {
            Tickets::One => self.with_ticket.clone(),
            Tickets::None => self.without.clone(),
        }
    }
}

impl Serve<TcpStream> for Rooms {
    async fn serve(self: Arc<Self>, stream: TcpStream, visit: Visit) {
        let door = self.door.load_full();
        let tls = self.tls.of(door.tickets);
        connection::serve(stream, door, tls, &self.context, visit).await;
    }

    fn sent_away(&self, why: Refusal) -> Cow<'static, [u8]> {
        let door = self.door.load();
        let mut words = Vec::new();
        // With implicit TLS the first bytes must be TLS's, and there is no session yet to say it in.
        if door.tls != Tls::Implicit {
            door.smtp.sent_away(why).write(&mut words);
        }
        Cow::Owned(words)
    }

    fn speaks_for_many(&self, address: IpAddr) -> bool {
        proxy::is_proxy(address, &self.door.load().proxies)
    }
}

//! A long line: a proxy in front of a server, through which every byte arrives a while later, however many
//! are on the way.

use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// Blocks on the way at once, in one direction of one connection.
const ON_THE_WAY: usize = 1024;

pub struct Far {
    pub address: SocketAddr,
    _runtime: tokio::runtime::Runtime,
}

impl Far {
    /// A server that is half of `round_trip` away, there and back.
    pub fn from(server: SocketAddr, round_trip: Duration) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let address = crate::ports::loopback();
        let listener = runtime.block_on(TcpListener::bind(address)).unwrap();
        runtime.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, server, round_trip / 2));
            }
        });
        Self { address, _runtime: runtime }
    }
}

async fn carry(client: TcpStream, server: SocketAddr, delay: Duration) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    tokio::spawn(one_way(from_server, to_client, delay));
    one_way(from_client, to_server, delay).await;
}

async fn one_way(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin + Send + 'static, delay: Duration) {
    let (sent, mut arriving) = mpsc::channel::<(Instant, Vec<u8>)>(ON_THE_WAY);
    let arrives = tokio::spawn(async move {
        while let Some((when, bytes)) = arriving.recv().await {
            sleep_until(when).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
        let _ = to.shutdown().await;
    });
    let mut bytes = vec![0; 64 << 10];
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        if sent.send((Instant::now() + delay, bytes[..read].to_vec())).await.is_err() {
            return;
        }
    }
    // The end takes as long as everything else.
    drop(sent);
    let _ = arrives.await;
}

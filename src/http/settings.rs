//! What an admin sets for an HTTP door, in `[[http]]`.

use std::net::SocketAddr;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serves {
    Api,
    Console,
    Tracking,
    Metrics,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    pub bind: Vec<SocketAddr>,
    pub serves: Vec<Serves>,
}

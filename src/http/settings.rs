//! The sockets that speak HTTP.

use crate::base::settings::{settings, words};
use std::net::SocketAddr;

settings! {
    /// Sockets that speak HTTP; TLS is the reverse proxy's.
    pub struct Listener in "[[http]]" {
        /// The addresses to listen on.
        live bind: Vec<SocketAddr> = required("[\"127.0.0.1:8025\"]"),
        /// What is served there: api, console, tracking (opened and clicked links), metrics; health is always.
        live serves: Vec<Serves> = default(vec![Serves::Api, Serves::Console, Serves::Tracking, Serves::Metrics]),
    }
}

words! {
    /// What an HTTP listener serves.
    pub enum Serves {
        Api = "api",
        Console = "console",
        Tracking = "tracking",
        Metrics = "metrics",
    }
}

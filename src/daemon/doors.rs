//! All listeners of the daemon: which ones a configuration wants, which stand open, and the way from one
//! to the other without touching those that stay.

use crate::config::Config;
use crate::http::settings::Serves;
use crate::net::listen::Drained;
use crate::{http, smtpd};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

/// What shall stand behind an address.
#[derive(Clone, Debug, PartialEq)]
pub enum Wanted {
    Smtp(smtpd::Door),
    Http(Vec<Serves>),
}

/// Every address of a configuration, in its order: HTTP first, so that health can be asked for early.
pub fn wanted(config: &Config) -> Vec<(SocketAddr, Wanted)> {
    let http = config
        .http
        .iter()
        .flat_map(|listener| listener.bind.iter().map(|address| (*address, Wanted::Http(listener.serves.clone()))));
    let bounds = Arc::new(config.smtp.clone());
    let smtp = config.listener.iter().flat_map(|listener| {
        let door = smtpd::Door::new(listener, bounds.clone(), config.server.hostname.clone());
        listener.bind.iter().map(move |address| (*address, Wanted::Smtp(door.clone())))
    });
    http.chain(smtp).collect()
}

/// What the doors are made with.
pub struct Contexts {
    pub smtp: smtpd::Context,
    pub http: http::Context,
}

pub struct OpenDoor {
    /// As configured: port 0 stays 0 here.
    configured: SocketAddr,
    wanted: Wanted,
    behind: Behind,
}

enum Behind {
    Smtp(smtpd::OpenListener),
    Http(http::OpenListener),
}

impl OpenDoor {
    pub fn open(configured: SocketAddr, socket: TcpListener, wanted: Wanted, contexts: &Contexts) -> io::Result<Self> {
        let behind = match &wanted {
            Wanted::Smtp(door) => Behind::Smtp(smtpd::open(socket, door.clone(), &contexts.smtp)?),
            Wanted::Http(serves) => Behind::Http(http::open(socket, serves, &contexts.http)?),
        };
        Ok(Self { configured, wanted, behind })
    }

    pub fn word(&self) -> &'static str {
        match &self.behind {
            Behind::Smtp(listener) => listener.door().word(),
            Behind::Http(_) => "http",
        }
    }

    pub fn address(&self) -> SocketAddr {
        match &self.behind {
            Behind::Smtp(listener) => listener.address(),
            Behind::Http(listener) => listener.address(),
        }
    }

    pub fn connections(&self) -> usize {
        match &self.behind {
            Behind::Smtp(listener) => listener.connections(),
            Behind::Http(listener) => listener.connections(),
        }
    }

    /// Takes no new connection from now on.
    pub fn close(&self) {
        match &self.behind {
            Behind::Smtp(listener) => listener.close(),
            Behind::Http(listener) => listener.close(),
        }
    }

    /// Returns when the address of a closed door is free.
    pub async fn closed(&self) {
        match &self.behind {
            Behind::Smtp(listener) => listener.closed().await,
            Behind::Http(listener) => listener.closed().await,
        }
    }

    pub async fn drain(self, at_most: Duration) -> Drained {
        match self.behind {
            Behind::Smtp(listener) => listener.drain(at_most).await,
            Behind::Http(listener) => listener.drain(at_most).await,
        }
    }

    pub fn is_smtp(&self) -> bool {
        matches!(self.behind, Behind::Smtp(_))
    }

    /// Could what is wanted stand behind this very socket?
    fn fits(&self, configured: SocketAddr, wanted: &Wanted) -> bool {
        let same_room =
            matches!((&self.behind, wanted), (Behind::Smtp(_), Wanted::Smtp(_)) | (Behind::Http(_), Wanted::Http(_)));
        same_room && self.configured == configured
    }

    fn change(&mut self, wanted: Wanted) {
        match (&self.behind, &wanted) {
            (Behind::Smtp(listener), Wanted::Smtp(door)) => listener.change(door.clone()),
            (Behind::Http(listener), Wanted::Http(serves)) => listener.change(serves),
            // `fits` was asked before.
            _ => {}
        }
        self.wanted = wanted;
    }
}

/// The way from the doors that stand open to those that are wanted.
pub struct Moves {
    /// Stays open: which one, and what stands behind it from now on.
    pub keep: Vec<(usize, Wanted)>,
    pub open: Vec<(SocketAddr, Wanted)>,
    pub close: Vec<usize>,
}

pub fn moves(open: &[OpenDoor], wanted: Vec<(SocketAddr, Wanted)>) -> Moves {
    let mut moves = Moves { keep: Vec::new(), open: Vec::new(), close: Vec::new() };
    let mut left: Vec<usize> = (0..open.len()).collect();
    for (address, wanted) in wanted {
        match left.iter().position(|n| open[*n].fits(address, &wanted)) {
            Some(at) => moves.keep.push((left.remove(at), wanted)),
            None => moves.open.push((address, wanted)),
        }
    }
    moves.close = left;
    moves
}

/// What `apply` did with the doors that stood open.
pub struct Applied {
    /// How many stay, with something else behind them.
    pub changed: usize,
    pub gone: Vec<OpenDoor>,
}

/// Changes what stays and shall be different, and hands out what goes.
pub fn apply(doors: &mut Vec<OpenDoor>, keep: Vec<(usize, Wanted)>) -> Applied {
    let (mut stays, mut changed) = (vec![false; doors.len()], 0);
    for (n, wanted) in keep {
        stays[n] = true;
        if doors[n].wanted != wanted {
            doors[n].change(wanted);
            changed += 1;
        }
    }
    let mut stays = stays.into_iter();
    let (kept, gone) = std::mem::take(doors).into_iter().partition(|_| stays.next() == Some(true));
    *doors = kept;
    Applied { changed, gone }
}

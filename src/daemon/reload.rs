//! SIGHUP: all of the new configuration, or none of it.
//!
//! First everything that can fail is tried on the side: the file is read and checked, the certificates
//! and the zone read, the new ports bound, the log file opened. Only then the parts are swapped, and nothing of that
//! can fail. One thing alone may be left out and the rest go on: a listener on a port that this process
//! no longer has the right to bind.

use super::directory::Keeper;
use super::doors::{self, Applied, Contexts, Moves, OpenDoor, Wanted};
use super::happenings::{DoorLeftOut, ReloadRefused, Reloaded};
use super::house::{Beside, House};
use super::signing::{self, FileKeys};
use super::sockets::Sockets;
use super::way_out::WayOut;
use super::{build, notify, quickstart, templates};
use crate::base::limits;
use crate::base::observe::{Happening, LogFile};
use crate::base::random::Random;
use crate::certs::Certificates;
use crate::certs::by_name::Shown;
use crate::config::{Config, Environment, Origin, explain, restart_needed};
use crate::content::template::Source;
use crate::deliver::outcome::Replies;
use crate::dns::{self, Resolver};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

/// What a reload works on.
pub struct Reloader {
    pub house: Arc<House>,
    pub keeper: Arc<Keeper>,
    pub sockets: Sockets,
    pub contexts: Contexts,
    pub certificates: Certificates,
    pub resolver: Resolver,
    pub log_file: LogFile,
    pub way_out: Arc<WayOut>,
}

/// Everything of a new configuration that could fail, and did not.
struct Tried {
    config: Config,
    waiting: Vec<String>,
    shown: Shown,
    names: dns::Source,
    beside: Beside,
    signing_keys: FileKeys,
    moves: Moves,
    bound: Vec<(SocketAddr, Wanted, Bound)>,
    left_out: Vec<String>,
}

enum Bound {
    Now(TcpListener),
    /// Its port is held by a listener of ours that is about to close.
    AfterAnotherCloses,
}

impl Reloader {
    pub async fn reload(&self) {
        notify::tell(notify::State::Reloading);
        match self.try_out() {
            Ok(tried) => self.swap(tried).await,
            Err(why) => {
                self.house.refuse(why.join("\n"));
                ReloadRefused { why: &why }.record();
            }
        }
        notify::tell(notify::State::Ready("serving"));
    }

    fn try_out(&self) -> Result<Tried, Vec<String>> {
        let running = self.house.running.load();
        let old_log = running.config.server.log_file.clone();
        let loaded = self.house.origin.load(&Environment::of_process());
        let findings = explain::lines(&loaded);
        let tried = loaded.config.ok_or(findings.clone()).and_then(|mut config| {
            if self.house.origin == Origin::Quickstart {
                quickstart::add_login(&mut config, &Random::System).map_err(|why| vec![why.to_string()])?;
            }
            let waiting = restart_needed(&running.config, &config);
            let config = config.keeping_restart_values(&running.config);
            self.try_parts(config, waiting)
        });
        if tried.is_ok() {
            for finding in findings {
                tracing::warn!(finding, "in the new configuration");
            }
        } else if let Err(why) = self.log_file.switch_to(old_log.as_deref()) {
            // logrotate sends SIGHUP too, and does not care whether the configuration is good.
            tracing::error!(%why, "the log file could not be opened anew; going on in the old one");
        }
        tried
    }

    fn try_parts(&self, config: Config, waiting: Vec<String>) -> Result<Tried, Vec<String>> {
        let templates = templates::read(&config, &self.house.origin)?;
        self.try_rest(config, waiting, templates).map_err(|why| vec![why])
    }

    fn try_rest(&self, config: Config, waiting: Vec<String>, templates: Vec<Source>) -> Result<Tried, String> {
        let shown = build::certificate_sources(&config).read().map_err(|why| why.to_string())?;
        let names = dns::Source::open(&config.dns).map_err(|why| why.to_string())?;
        let replies = Replies::open(config.delivery.replies.as_deref())
            .map_err(|why| format!("delivery.replies cannot be used: {why}"))?;
        let signing_keys = signing::read_files(&config)?;
        let open = self.house.doors();
        let moves = doors::moves(&open, doors::wanted(&config));
        let (mut bound, mut left_out) = (Vec::new(), Vec::new());
        for (address, wanted) in &moves.open {
            let freed = moves.close.iter().any(|n| open[*n].address().port() == address.port());
            match self.sockets.get(*address) {
                Ok(socket) => bound.push((*address, wanted.clone(), Bound::Now(socket))),
                Err(why) if why.is_taken() && freed => {
                    bound.push((*address, wanted.clone(), Bound::AfterAnotherCloses));
                }
                Err(why) if why.is_privilege() => left_out.push(why.to_string()),
                Err(why) => return Err(why.to_string()),
            }
        }
        drop(open);
        self.log_file
            .switch_to(config.server.log_file.as_deref())
            .map_err(|why| format!("server.log_file cannot be opened: {why}"))?;
        let beside = Beside { replies, templates };
        Ok(Tried { config, waiting, shown, names, beside, signing_keys, moves, bound, left_out })
    }

    /// Nothing here can fail but the taking over of a port from one of our own doors.
    async fn swap(&self, tried: Tried) {
        let Tried { config, waiting, shown, names, beside, signing_keys, moves, bound, mut left_out } = tried;
        self.certificates.swap(shown);
        self.resolver.swap(names);
        self.contexts.smtp.bodies.resize(usize::try_from(config.smtp.body_memory).unwrap_or(usize::MAX));
        let Applied { changed, gone } = doors::apply(&mut self.house.doors(), moves.keep);
        let (opened, closed) = (bound.len(), gone.len());
        let_go(gone, config.server.drain).await;
        for (address, wanted, bound) in bound {
            match self.open(address, wanted, bound) {
                Ok(door) => self.house.doors().push(door),
                Err(why) => left_out.push(why),
            }
        }
        for why in &left_out {
            DoorLeftOut { why }.record();
        }
        let generation = self.house.take_up(config, beside, left_out);
        self.house.signer.take_up(signing_keys);
        self.keeper.refresh().await;
        self.way_out.reconfigure(&self.house.running.load().config);
        Reloaded { generation, opened, changed, closed, waiting: &waiting }.record();
    }

    fn open(&self, address: SocketAddr, wanted: Wanted, bound: Bound) -> Result<OpenDoor, String> {
        let socket = match bound {
            Bound::Now(socket) => socket,
            Bound::AfterAnotherCloses => self.sockets.get(address).map_err(|why| why.to_string())?,
        };
        OpenDoor::open(address, socket, wanted, &self.contexts).map_err(|why| format!("{address}: {why}"))
    }
}

/// Doors that are no longer wanted drain in the background; the others do not notice. Their addresses
/// are free when this returns: for a door that opens now, and for the next reload.
async fn let_go(gone: Vec<OpenDoor>, at_most: Duration) {
    for door in &gone {
        door.close();
    }
    let closed = async {
        for door in &gone {
            door.closed().await;
        }
    };
    if tokio::time::timeout(limits::REBIND_MAX, closed).await.is_err() {
        tracing::warn!("a listener that was let go still holds its address");
    }
    for door in gone {
        tokio::spawn(door.drain(at_most));
    }
}

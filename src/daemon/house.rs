//! The daemon's state that its parts may look at: what runs, since when, and how it is.

use super::build::Prepared;
use super::doors::OpenDoor;
use super::happenings::StoreAnswers;
use super::signing::Signer;
use super::way_out::WayOut;
use crate::base::clock::{Clock, Time};
use crate::base::limits;
use crate::base::observe::Happening;
use crate::base::random::Random;
use crate::base::ready::Readiness;
use crate::base::shutdown::{Phase, Shutdown};
use crate::config::{Config, Origin};
use crate::content::template;
use crate::deliver::outcome::Replies;
use crate::http::status;
use crate::model::directory::{Directory, DirectoryHandle};
use crate::policy::limits::Limits;
use crate::policy::readiness::Footings;
use crate::policy::readiness::echo::Echo;
use crate::queue;
use crate::store::Store;
use crate::store::writer::Health;
use crate::submit::login::Logins;
use arc_swap::ArcSwap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// What readiness is made of.
pub const STORE: &str = "store";
pub const LISTENERS: &str = "listeners";
pub const STAYING: &str = "staying";

pub struct House {
    pub origin: Origin,
    pub clock: Clock,
    pub readiness: Readiness,
    pub shutdown: Shutdown,
    pub running: ArcSwap<Running>,
    /// How mail is delivered, as the configuration in force says.
    pub delivery: Arc<ArcSwap<queue::settings::Settings>>,
    /// What remote servers' answers mean.
    pub replies: Arc<ArcSwap<Replies>>,
    pub limits: Limits,
    pub directory: Arc<DirectoryHandle>,
    /// Which domains' links and return paths lead back here.
    pub footings: Footings,
    /// How a tracking host of ours is known.
    pub echo: Echo,
    pub logins: Arc<Logins>,
    /// What mail is made by, files and store together.
    pub templates: Arc<template::Handle>,
    /// The folder's, as the configuration in force was read with.
    pub template_files: ArcSwap<Vec<template::Source>>,
    /// Which keys sign.
    pub signer: Signer,
    /// Set once, when the store is open.
    pub way_out: OnceLock<Arc<WayOut>>,
    started_at: Time,
    doors: Mutex<Vec<OpenDoor>>,
    last_reload: Mutex<LastReload>,
    engine: &'static str,
    /// Why the store is down, when it is.
    store_trouble: ArcSwap<Option<String>>,
}

/// What the last reload did not do.
#[derive(Clone, Default)]
struct LastReload {
    /// All of it, and why.
    refused: Option<String>,
    /// One listener each, and why.
    left_out: Vec<String>,
}

/// What is read with a configuration from files that it names.
pub struct Beside {
    pub replies: Arc<Replies>,
    pub templates: Vec<template::Source>,
}

/// The configuration in force.
pub struct Running {
    pub config: Config,
    pub generation: u64,
    pub loaded_at: Time,
}

impl House {
    pub fn new(prepared: &Prepared, engine: &'static str, clock: Clock) -> Arc<Self> {
        let directory = Arc::new(DirectoryHandle::new(Directory::default()));
        let logins = Logins::new(directory.clone(), clock.clone(), Random::System, &prepared.master_key);
        let (origin, config) = (prepared.origin.clone(), prepared.config.clone());
        let now = clock.now();
        let readiness = Readiness::expecting(&[STORE, LISTENERS, STAYING]);
        readiness.fails(STORE, "the store is being opened");
        readiness.fails(LISTENERS, "listeners are being opened");
        readiness.holds(STAYING);
        Arc::new(Self {
            origin,
            readiness,
            shutdown: Shutdown::default(),
            way_out: OnceLock::new(),
            started_at: now,
            doors: Mutex::new(Vec::new()),
            last_reload: Mutex::default(),
            engine,
            replies: Arc::new(ArcSwap::new(prepared.replies.clone())),
            delivery: Arc::new(ArcSwap::from_pointee(config.delivery.clone())),
            running: ArcSwap::from_pointee(Running { config, generation: 1, loaded_at: now }),
            limits: Limits::new(clock.clone()),
            directory,
            footings: Footings::default(),
            echo: Echo::under(&prepared.master_key),
            logins: Arc::new(logins),
            templates: Arc::default(),
            template_files: ArcSwap::from_pointee(prepared.templates.clone()),
            signer: Signer::default(),
            store_trouble: ArcSwap::from_pointee(Some("it is being opened".to_owned())),
            clock,
        })
    }

    pub fn doors(&self) -> MutexGuard<'_, Vec<OpenDoor>> {
        self.doors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new configuration is in force, but for these listeners.
    pub fn take_up(&self, config: Config, read: Beside, left_out: Vec<String>) -> u64 {
        let generation = self.running.load().generation + 1;
        self.replies.store(read.replies);
        self.template_files.store(Arc::new(read.templates));
        self.delivery.store(Arc::new(config.delivery.clone()));
        self.running.store(Arc::new(Running { config, generation, loaded_at: self.clock.now() }));
        *self.last_reload() = LastReload { refused: None, left_out };
        generation
    }

    /// The last reload was refused, and why.
    pub fn refuse(&self, why: String) {
        self.last_reload().refused = Some(why);
    }

    fn last_reload(&self) -> MutexGuard<'_, LastReload> {
        self.last_reload.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn note_store(&self, health: &Health) {
        let trouble = match health {
            Health::Up => {
                self.readiness.holds(STORE);
                None
            }
            Health::Down { why } => {
                // Without the reason: it may name hosts and paths, and /readyz answers anyone.
                self.readiness.fails(STORE, "the store is down");
                Some(why.clone())
            }
        };
        self.store_trouble.store(Arc::new(trouble));
    }

    /// Follows the store into readiness until the daemon drains: what its writer says at once, and when
    /// nothing is written for a while, whether it still answers at all.
    pub async fn watch_store(self: Arc<Self>, store: Arc<Store>) {
        tokio::select! {
            () = self.follow(&store) => {}
            () = self.shutdown.reached(Phase::Draining) => {}
        }
    }

    async fn follow(&self, store: &Store) {
        let (mut health, mut answered) = (store.health(), true);
        loop {
            let answers = answers(store).await;
            if answers != answered {
                StoreAnswers { answers }.record();
                answered = answers;
            }
            match &*health.borrow_and_update() {
                Health::Up if !answers => self.note_store(&Health::Down { why: "it does not answer".to_owned() }),
                health => self.note_store(health),
            }
            tokio::select! {
                changed = health.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(limits::STORE_PULSE_EVERY) => {}
            }
        }
    }

    pub fn settings(&self) -> status::Settings {
        let running = self.running.load();
        let shown = running.config.shown().into_iter();
        status::Settings {
            generation: running.generation,
            settings: shown.map(|(path, value)| status::Setting { path, value }).collect(),
        }
    }

    fn directory_status(&self) -> status::Directory {
        let directory = self.directory.load();
        status::Directory {
            version: directory.version(),
            domains: directory.domains().len(),
            credentials: directory.credentials().len(),
            relays: directory.relays().len(),
            mailboxes: directory.mailboxes().len(),
            routes: directory.routes().len(),
        }
    }

    fn store_status(&self) -> status::Store {
        let reason = self.store_trouble.load().as_ref().clone();
        let state = if reason.is_none() { "up" } else { "down" };
        status::Store { engine: self.engine.to_owned(), state: state.to_owned(), reason }
    }

    pub fn status(&self) -> status::Status {
        let running = self.running.load();
        let (reasons, last) = (self.readiness.reasons(), self.last_reload().clone());
        let phase = match self.shutdown.phase() {
            Phase::Running => status::Phase::Running,
            Phase::Draining | Phase::Stopped => status::Phase::Draining,
        };
        status::Status {
            version: env!("CARGO_PKG_VERSION"),
            phase,
            started_at: self.started_at.to_string(),
            uptime_seconds: self.clock.now().since(self.started_at).as_secs(),
            ready: reasons.is_empty(),
            reasons,
            config: status::Config {
                file: self.origin.path().map(|path| path.display().to_string()),
                generation: running.generation,
                loaded_at: running.loaded_at.to_string(),
                refused: last.refused,
                left_out: last.left_out,
            },
            store: self.store_status(),
            directory: self.directory_status(),
            delivery: self.way_out.get().map(|way_out| way_out.status()),
            listeners: self.doors().iter().map(listener_status).collect(),
        }
    }
}

async fn answers(store: &Store) -> bool {
    matches!(tokio::time::timeout(limits::STORE_PULSE_MAX, store.now()).await, Ok(Ok(_)))
}

fn listener_status(door: &OpenDoor) -> status::Listener {
    status::Listener {
        door: door.word().to_owned(),
        address: door.address().to_string(),
        connections: door.connections(),
    }
}

//! The life of the daemon, from the configuration to the last word.

use super::build::{self, Prepared};
use super::directory::Keeper;
use super::doors::{self, Contexts, OpenDoor, Wanted};
use super::drain::Behind;
use super::happenings::Started;
use super::house::{House, LISTENERS};
use super::keyring::Keys;
use super::master_key::{self, Provenance};
use super::reload::Reloader;
use super::way_out::WayOut;
use super::{NotStarted, drain, explain, notify, operate, records, signing, templates, welcome};
use crate::base::backoff::Backoff;
use crate::base::budget::Budget;
use crate::base::clock::Clock;
use crate::base::limits;
use crate::base::metrics::{BODY_MEMORY, Metrics};
use crate::base::observe::Happening;
use crate::base::random::Random;
use crate::certs::Certificates;
use crate::config::{Config, Origin};
use crate::dns::{Resolver, Source};
use crate::http::control::{self, OpenControl};
use crate::http::track::{Sightings, Tracking};
use crate::model::delivery::Lease;
use crate::receive::pipeline::Reception;
use crate::store::dialect::Location;
use crate::store::{Store, StoreError};
use crate::submit::pipeline::Submission;
use crate::{http, smtpd, tend};
use nix::unistd::Uid;
use std::io::{self, IsTerminal, stdout};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Serves until SIGTERM. Returns when everything has come to its end. `warnings` about the configuration
/// are the first lines of the log.
pub fn serve(origin: Origin, config: Config, warnings: &[String]) -> Result<(), NotStarted> {
    let begun = Instant::now();
    let prepared = build::prepare(origin, config, warnings)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(NotStarted::new)?;
    let result = runtime.block_on(live(prepared, begun));
    // Tasks that are still there were cut by a deadline; they are not waited for again.
    runtime.shutdown_background();
    result
}

async fn live(mut prepared: Prepared, begun: Instant) -> Result<(), NotStarted> {
    let mut signals = Signals::new()?;
    let engine = match build::store_location(&prepared.config) {
        Location::File(_) => "sqlite",
        Location::Server(_) => "postgres",
    };
    let house = House::new(&prepared, engine, Clock::System);
    let metrics = Metrics::start();
    tokio::spawn(metrics.clone().keep(house.shutdown.clone()));

    let shown = build::certificate_sources(&prepared.config).read().map_err(NotStarted::misconfigured)?;
    let certificates = Certificates::new(shown);
    house.signer.take_up(signing::read_files(&prepared.config).map_err(NotStarted::misconfigured)?);
    let resolver = Resolver::new(Source::open(&prepared.config.dns).map_err(NotStarted::misconfigured)?);
    let http = http_context(&house, metrics);
    let control_path = prepared.config.server.data_dir.join(control::FILE_NAME);
    let control = control::open(&control_path, Uid::effective().as_raw(), &http).map_err(NotStarted::new)?;

    // HTTP first: while the store is being opened, health can be asked for and says so.
    let bound = std::mem::take(&mut prepared.bound);
    let (web, smtp): (Vec<_>, Vec<_>) = doors::wanted(&prepared.config)
        .into_iter()
        .zip(bound)
        .partition(|((_, wanted), _)| matches!(wanted, Wanted::Http(_)));
    open_doors(&house, web, |address, socket, wanted| OpenDoor::open_web(address, socket, wanted, &http))?;
    notify::tell(notify::State::Status("opening the store"));
    let Some(Opened { store, lease, keeper, keys }) = open_or_end(&house, &prepared, &mut signals).await? else {
        drain::drain(&house, None, control).await;
        return Ok(());
    };
    // Looked at once before anyone is told that we are ready, then followed.
    house.note_store(&store.health().borrow());
    tokio::spawn(house.clone().watch_store(store.clone()));
    tokio::spawn(keeper.clone().keep());
    tokio::spawn(tend::keep_suppressions(
        house.directory.clone(),
        store.clone(),
        house.clock.clone(),
        house.shutdown.clone(),
    ));
    tokio::spawn(tend::keep_house(store.clone(), house.shutdown.clone()));
    tokio::spawn(tend::save_limits(house.limits.clone(), store.clone(), house.shutdown.clone()));
    tokio::spawn(templates::keep_uses(house.templates.clone(), store.clone(), house.shutdown.clone()));
    let way_out = Arc::new(WayOut::open(&house, &store, &lease, &keys, &resolver).await?);
    // Both are set here alone, and once.
    let _ = house.way_out.set(way_out.clone());
    let tender = Arc::new(tender(&house, &store, &resolver));
    tokio::spawn(tender.clone().tend(house.shutdown.clone()));
    let queue = http::Queue {
        ledger: way_out.ledger.clone(),
        templates: house.templates.clone(),
        explain: explain::explainer(house.clone(), way_out.clone()),
        stand: Some(operate::stand(way_out.clone())),
        steer: Some(operate::steer(way_out.clone())),
        records: Some(records::open(&house, &store, &resolver)),
        keys: Some(tender),
    };
    let _ = http.queue.set(queue);
    let smtp_context = smtp_context(&house, &way_out, (&certificates, &resolver), &prepared.config.server.data_dir);
    let sightings = follow_links(&house, &http, &store, keys);
    let contexts = Contexts { smtp: smtp_context, http };
    open_doors(&house, smtp, |address, socket, wanted| OpenDoor::open(address, socket, wanted, &contexts))?;
    house.readiness.holds(LISTENERS);
    say_ready(&house, &prepared, &lease, begun);

    let Prepared { sockets, log_file, .. } = prepared;
    let reloader = Reloader {
        house: house.clone(),
        keeper,
        sockets,
        contexts,
        certificates,
        resolver,
        log_file,
        way_out: way_out.clone(),
    };
    serve_signals(&reloader, &mut signals).await;
    end(&house, Behind { store, lease, way_out, sightings }, control, &mut signals).await;
    Ok(())
}

fn http_context(house: &Arc<House>, metrics: Metrics) -> http::Context {
    let (asked, of) = (house.clone(), house.clone());
    http::Context {
        readiness: house.readiness.clone(),
        metrics,
        status: Arc::new(move || asked.status()),
        settings: Arc::new(move || of.settings()),
        queue: Arc::default(),
        tracking: Arc::default(),
        echo: house.echo.clone(),
        clock: Clock::System,
        random: Random::System,
    }
}

/// From here on tracked links are answered, and who follows them is written down.
fn follow_links(house: &House, http: &http::Context, store: &Arc<Store>, keys: Arc<Keys>) -> Arc<Sightings> {
    let sightings = Sightings::start(store.clone(), Clock::System, Random::System);
    let (ring, directory) = (keys.ring(), house.directory.clone());
    let tracking = Tracking::new(ring, store.clone(), directory, sightings.clone(), operate::rotate(keys));
    // It is set here alone, and once.
    let _ = http.tracking.set(tracking);
    sightings
}

fn tender(house: &House, store: &Arc<Store>, resolver: &Resolver) -> tend::dkim::Tender {
    tend::dkim::Tender {
        store: store.clone(),
        resolver: resolver.clone(),
        directory: house.directory.clone(),
        signing: house.signer.keys.clone(),
        clock: house.clock.clone(),
        random: Random::System,
    }
}

/// What the SMTP doors stand on.
fn smtp_context(
    house: &House,
    way_out: &WayOut,
    (certificates, resolver): (&Certificates, &Resolver),
    data_dir: &Path,
) -> smtpd::Context {
    let (clock, random) = (Clock::System, Random::System);
    let ledger = &way_out.ledger;
    let deciders = smtpd::Deciders {
        directory: house.directory.clone(),
        logins: house.logins.clone(),
        submission: Submission::new(ledger.clone(), house.limits.clone())
            .with_templates(house.templates.clone())
            .standing_on(house.footings.clone()),
        reception: Reception::new(ledger.clone(), house.replies.clone(), way_out.return_paths.clone()),
        resolver: resolver.clone(),
        clock: clock.clone(),
    };
    let body_memory = house.running.load().config.smtp.body_memory;
    smtpd::Context {
        certificates: certificates.clone(),
        deciders: Arc::new(deciders),
        bodies: Budget::new(usize::try_from(body_memory).unwrap_or(usize::MAX), BODY_MEMORY),
        clock,
        random,
        transcripts: data_dir.join("transcripts"),
    }
}

type BoundDoor = ((SocketAddr, Wanted), TcpListener);

fn open_doors(
    house: &House,
    bound: Vec<BoundDoor>,
    open: impl Fn(SocketAddr, TcpListener, Wanted) -> io::Result<OpenDoor>,
) -> Result<(), NotStarted> {
    for ((address, wanted), socket) in bound {
        let door = open(address, socket, wanted)
            .map_err(|why| NotStarted::new(format!("cannot listen on {address}: {why}")))?;
        house.doors().push(door);
    }
    Ok(())
}

/// The store, opened; none when we are asked to stop meanwhile. A reload waits until it is open.
async fn open_or_end(
    house: &Arc<House>,
    prepared: &Prepared,
    signals: &mut Signals,
) -> Result<Option<Opened>, NotStarted> {
    let mut opening = pin!(open_store(house, prepared));
    loop {
        tokio::select! {
            // An attempt that is dropped rolls back: nothing is lost that was answered.
            () = signals.end.any() => return Ok(None),
            _ = signals.dump.recv() => dump(house),
            opened = &mut opening => return opened.map(Some),
        }
    }
}

/// The store, our place in it, and who keeps its directory true.
struct Opened {
    store: Arc<Store>,
    lease: Lease,
    keeper: Arc<Keeper>,
    /// What tracked links are made and opened with.
    keys: Arc<Keys>,
}

/// Opens the store, however long it takes to come up. One that refuses us will not change its mind by
/// waiting.
async fn open_store(house: &Arc<House>, prepared: &Prepared) -> Result<Opened, NotStarted> {
    let mut pauses = Backoff::new(limits::STORE_OPEN_PAUSE_FIRST, limits::STORE_OPEN_PAUSE_LONGEST, Random::System);
    let server = &prepared.config.server;
    loop {
        let error = match open_once(house, prepared).await {
            Ok(opened) => return Ok(opened),
            Err(error) => error,
        };
        if !error.is_temporary() {
            if prepared.key_provenance == Provenance::Made {
                master_key::unmake(&server.data_dir);
            }
            let location = build::store_location(&prepared.config);
            return Err(NotStarted::misconfigured(format!("store {location}: {error}")));
        }
        let pause = pauses.pause();
        tracing::error!(%error, ?pause, "the store cannot be opened yet; trying again after a pause");
        tokio::time::sleep(pause).await;
    }
}

async fn open_once(house: &Arc<House>, prepared: &Prepared) -> Result<Opened, StoreError> {
    let store = Arc::new(Store::open(build::opening(prepared)).await?);
    let name = prepared.config.server.hostname.as_str();
    let lease = store.start_node(name, env!("CARGO_PKG_VERSION")).await?;
    let keys = Keys::open(store.clone(), Clock::System, Random::System).await?;
    let keeper = Keeper::start(house.clone(), store.clone(), keys.clone()).await?;
    house.limits.load(&store).await?;
    Ok(Opened { store, lease, keeper, keys })
}

fn say_ready(house: &House, prepared: &Prepared, lease: &Lease, begun: Instant) {
    let doors = house.doors();
    let used: Vec<_> = doors.iter().map(|door| door.address()).collect();
    for address in prepared.sockets.unused(&used) {
        tracing::warn!(%address, "systemd passed a socket that no listener asks for; it waits for a reload that does");
    }
    let location = build::store_location(&prepared.config);
    Started {
        hostname: prepared.config.server.hostname.as_str(),
        engine: location.engine().word(),
        epoch: lease.epoch,
        took: begun.elapsed(),
    }
    .record();
    if prepared.key_provenance == Provenance::Made {
        let path = master_key::path(&prepared.config.server.data_dir);
        tracing::warn!(path = %path.display(), "made the master key: keep a copy apart from the store's backups");
    }
    notify::tell(notify::State::Ready("serving"));
    if prepared.origin == Origin::Quickstart {
        let reader = if stdout().is_terminal() { welcome::Reader::Person } else { welcome::Reader::Anybody };
        print!("{}", welcome::text(&prepared.config, &doors, prepared.password.as_ref(), reader));
    }
}

async fn serve_signals(reloader: &Reloader, signals: &mut Signals) {
    loop {
        tokio::select! {
            _ = signals.reload.recv() => reloader.reload().await,
            _ = signals.dump.recv() => dump(&reloader.house),
            () = signals.end.any() => return,
        }
    }
}

/// SIGUSR1: the state of the daemon into the log, as one line.
fn dump(house: &House) {
    match serde_json::to_string(&house.status()) {
        Ok(status) => tracing::info!(status, "state"),
        Err(why) => tracing::error!(%why, "the state cannot be written down"),
    }
}

/// Drains; a second signal ends it at once.
async fn end(house: &House, behind: Behind, control: OpenControl, signals: &mut Signals) {
    tokio::select! {
        () = drain::drain(house, Some(behind), control) => {}
        () = signals.end.any() => tracing::warn!("asked again: stopping at once; what was answered is safe"),
    }
}

struct Signals {
    reload: Signal,
    dump: Signal,
    end: EndSignals,
}

struct EndSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> Result<Self, NotStarted> {
        let on = |kind| signal(kind).map_err(NotStarted::new);
        Ok(Self {
            reload: on(SignalKind::hangup())?,
            dump: on(SignalKind::user_defined1())?,
            end: EndSignals { terminate: on(SignalKind::terminate())?, interrupt: on(SignalKind::interrupt())? },
        })
    }
}

impl EndSignals {
    async fn any(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

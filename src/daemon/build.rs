//! From a configuration to the parts it describes. What can be done before the threads start, and as
//! root if we are, is `prepare`; the rest needs the runtime.

use super::lock::{self, Lock};
use super::master_key::{self, Provenance};
use super::privilege::Identity;
use super::quickstart;
use super::sockets::Sockets;
use super::{NotStarted, doors, templates};
use crate::base::clock::Clock;
use crate::base::observe::{self, Format, LogFile};
use crate::base::random::Random;
use crate::base::secret::Secret;
use crate::certs;
use crate::config::server::{Log, Server};
use crate::config::{Config, Origin};
use crate::content::template::Source;
use crate::deliver::outcome::Replies;
use crate::store::dialect::Location;
use crate::store::open::Opening;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::stat::{Mode, umask};
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

/// Everything that was there before the first thread.
pub(super) struct Prepared {
    pub origin: Origin,
    pub config: Config,
    pub sockets: Sockets,
    /// One listening socket for each door, in the order of `doors::wanted`.
    pub bound: Vec<TcpListener>,
    pub log_file: LogFile,
    pub master_key: Secret<Vec<u8>>,
    pub key_provenance: Provenance,
    /// What remote servers' answers mean.
    pub replies: Arc<Replies>,
    /// The templates of the folder.
    pub templates: Vec<Source>,
    /// The quickstart's login.
    pub password: Option<quickstart::Password>,
    _possession: Possession,
}

/// Binds, makes the data directory, gives up root, takes the lock, starts the log, finds the key: in this
/// order, so that root does only what needs root and everything else belongs to the user who serves.
pub(super) fn prepare(origin: Origin, mut config: Config, warnings: &[String]) -> Result<Prepared, NotStarted> {
    let sockets = Sockets::from_systemd();
    raise_descriptors();
    let bound = doors::wanted(&config)
        .into_iter()
        .map(|(address, _)| sockets.get(address).map_err(NotStarted::new))
        .collect::<Result<Vec<_>, _>>()?;
    let possession = take_possession(&config)?;
    let log_file = observe::start(&log_settings(&config.server)).map_err(NotStarted::new)?;
    for finding in warnings {
        tracing::warn!(finding, "in the configuration");
    }
    let (master_key, key_provenance) =
        master_key::read_or_make(config.server.master_key.as_ref(), &config.server.data_dir, &Random::System)?;
    let replies = Replies::open(config.delivery.replies.as_deref())
        .map_err(|why| NotStarted::misconfigured(format!("delivery.replies cannot be used: {why}")))?;
    let templates = templates::read(&config, &origin).map_err(|why| NotStarted::misconfigured(why.join("\n")))?;
    let password = match origin {
        Origin::Quickstart => Some(quickstart::add_login(&mut config, &Random::System)?),
        Origin::File(_) => None,
    };
    Ok(Prepared {
        origin,
        config,
        sockets,
        bound,
        log_file,
        master_key,
        key_provenance,
        replies,
        templates,
        password,
        _possession: possession,
    })
}

/// The right to be the one who works on a data directory and its store, as long as it is held.
pub struct Possession {
    _locks: Vec<Lock>,
}

/// Makes the data directory if it is not there, becomes the user who serves, and takes the locks.
pub fn take_possession(config: &Config) -> Result<Possession, NotStarted> {
    // What is made from here on is mail and keys: nobody else's to read.
    umask(Mode::from_bits_truncate(0o077));
    let identity = identity(&config.server)?;
    if let Some(identity) = &identity {
        identity.demand_that_we_may()?;
    }
    make_data_dir(&config.server, identity.as_ref())?;
    if let Some(identity) = &identity {
        identity.become_it()?;
    }
    Ok(Possession { _locks: take_locks(config)? })
}

/// Whom to become, when the configuration says so.
pub fn identity(server: &Server) -> Result<Option<Identity>, NotStarted> {
    match (&server.user, &server.group) {
        (Some(user), group) => Identity::find(user, group.as_deref()).map(Some),
        (None, Some(group)) => Err(NotStarted::misconfigured(format!(
            "server.group = {group:?} without server.user: name the user that goes with it"
        ))),
        (None, None) => Ok(None),
    }
}

fn make_data_dir(server: &Server, identity: Option<&Identity>) -> Result<(), NotStarted> {
    let path = &server.data_dir;
    if path.is_dir() {
        return Ok(());
    }
    make_directories(path).map_err(|why| {
        NotStarted::new(format!(
            "data_dir {} cannot be made: {why}; make it and give it to the user who runs gatepost",
            path.display()
        ))
    })?;
    identity.map_or(Ok(()), |identity| identity.own(path))
}

/// For its owner alone; those on the way to it, which stay root's, for everyone to pass through.
fn make_directories(path: &Path) -> io::Result<()> {
    let missing = |on_the_way: &&Path| !on_the_way.as_os_str().is_empty() && !on_the_way.exists();
    let on_the_way: Vec<_> = path.ancestors().skip(1).take_while(missing).collect();
    for directory in on_the_way.into_iter().rev() {
        fs::create_dir(directory)?;
        // Our umask would close it.
        fs::set_permissions(directory, Permissions::from_mode(0o755))?;
    }
    DirBuilder::new().mode(0o700).create(path)
}

fn take_locks(config: &Config) -> Result<Vec<Lock>, NotStarted> {
    let mut locks = vec![Lock::take(&config.server.data_dir.join(lock::FILE_NAME))?];
    // Also where the store lies in data_dir: another data_dir may name it from outside.
    if let Location::File(path) = store_location(config) {
        locks.push(Lock::take(&Lock::beside(&path))?);
    }
    Ok(locks)
}

fn log_settings(server: &Server) -> observe::Settings {
    let format = match server.log {
        Log::Text => Format::Text,
        Log::Json => Format::Json,
    };
    observe::Settings { format, file: server.log_file.clone() }
}

/// A mail server holds many sockets: take as many descriptors as the system lets us.
fn raise_descriptors() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
    {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

pub fn store_location(config: &Config) -> Location {
    config.store.url.location(&config.server.data_dir)
}

pub(super) fn opening(prepared: &Prepared) -> Opening {
    Opening {
        location: store_location(&prepared.config),
        read_connections: prepared.config.store.read_connections,
        write_connections: prepared.config.store.write_connections,
        master_key: prepared.master_key.clone(),
        clock: Clock::System,
        random: Random::System,
    }
}

/// Where the certificates of our listeners come from.
pub(super) fn certificate_sources(config: &Config) -> certs::Sources {
    certs::Sources { otherwise: certificate_source(config), by_name: config.certificate.clone() }
}

/// Where the one comes from that is shown when no other is asked for.
pub fn certificate_source(config: &Config) -> certs::Source {
    match (&config.tls.certificate, &config.tls.key) {
        (Some(certificate), Some(key)) => certs::Source::Files { certificate: certificate.clone(), key: key.clone() },
        _ => certs::Source::SelfSigned {
            hostname: config.server.hostname.clone(),
            data_dir: config.server.data_dir.clone(),
        },
    }
}

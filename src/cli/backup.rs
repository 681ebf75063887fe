//! `gatepost backup`: a consistent copy of the store, while the daemon runs or not. It reads the store
//! itself: a copy that takes an hour is nobody's request to a daemon that serves mail.

use super::{Failure, load, wait};
use crate::base::clock::Clock;
use crate::base::random::Random;
use crate::config::{Config, Origin};
use crate::daemon::{self, master_key};
use crate::store::backup;
use std::path::Path;

pub fn run(origin: &Origin, file: &Path, with_key: bool) -> Result<(), Failure> {
    let config = load(origin)?;
    let key = if with_key { Some(key_of(&config)?) } else { None };
    let location = daemon::store_location(&config);
    let copied = wait(backup::backup(&location, file, key.as_ref(), &Clock::System, &Random::System))?;
    let summary = copied.map_err(Failure::because)?;
    println!("{}: {summary}", file.display());
    Ok(())
}

fn key_of(config: &Config) -> Result<crate::base::secret::Secret, Failure> {
    let data_dir = &config.server.data_dir;
    let found = master_key::read(config.server.master_key.as_ref(), data_dir).map_err(Failure::because)?;
    found.ok_or_else(|| {
        Failure::Because(format!("there is no master key in {} to put into the backup", data_dir.display()))
    })
}

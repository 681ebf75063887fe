//! `gatepost restore`: a store from a copy. As the user who serves and under the daemon's own locks, so
//! that what is made belongs to the right one and no daemon runs meanwhile.

use super::{Failure, load, wait};
use crate::base::random::Random;
use crate::config::Origin;
use crate::daemon::{self, master_key};
use crate::store::backup;
use std::path::Path;

pub fn run(origin: &Origin, file: &Path) -> Result<(), Failure> {
    let config = load(origin)?;
    let _possession = daemon::take_possession(&config).map_err(Failure::because)?;
    let data_dir = &config.server.data_dir;
    let key = master_key::read(config.server.master_key.as_ref(), data_dir).map_err(Failure::because)?;
    let location = daemon::store_location(&config);
    let restored = wait(backup::restore(file, &location, key.as_ref(), &Random::System))?.map_err(Failure::because)?;
    if let Some(key) = &restored.key {
        master_key::write(key, data_dir).map_err(Failure::because)?;
        println!("{}: the master key, from the backup", master_key::path(data_dir).display());
    }
    println!("{location}: {}", restored.summary);
    Ok(())
}

//! `gatepost serve`: the daemon.

use super::{Failure, load};
use crate::config::Origin;
use crate::daemon;

pub fn run(origin: Origin) -> Result<(), Failure> {
    let config = load(&origin)?;
    daemon::serve(origin, config).map_err(Failure::because)
}

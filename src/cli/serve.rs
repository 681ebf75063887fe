//! `gatepost serve`: the daemon.

use super::{Failure, explain_on_stderr};
use crate::base::observe;
use crate::config::{Environment, Origin, explain};
use crate::daemon;

/// Mistakes are shown with their lines, for whoever just made them. From the start of the log on all
/// that is said goes there, in its form: warnings, and why the daemon did not come up.
pub fn run(origin: Origin) -> Result<(), Failure> {
    let loaded = origin.load(&Environment::of_process());
    if loaded.config.is_none() {
        explain_on_stderr(&loaded);
    }
    let warnings = explain::lines(&loaded);
    let config = loaded.config.ok_or(Failure::Configuration)?;
    match daemon::serve(origin, config, &warnings) {
        Err(why) if observe::is_started() => {
            tracing::error!(%why, "not started");
            Err(Failure::Logged)
        }
        done => done.map_err(Failure::because),
    }
}

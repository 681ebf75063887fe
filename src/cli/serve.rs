//! `gatepost serve`: the daemon.

use super::{Failure, explain_on_stderr};
use crate::base::observe;
use crate::config::{Environment, Origin, explain};
use crate::daemon::{self, Fault, NotStarted};

/// Mistakes are shown with their lines, for whoever just made them. From the start of the log on all
/// that is said goes there, in its form: warnings, and why the daemon did not come up.
pub fn run(origin: Origin) -> Result<(), Failure> {
    let loaded = origin.load(&Environment::of_process());
    if loaded.config.is_none() {
        explain_on_stderr(&loaded);
    }
    let warnings = explain::lines(&loaded);
    let config = loaded.config.ok_or(Failure::Configuration)?;
    daemon::serve(origin, config, &warnings).map_err(|not_started| {
        let NotStarted { why, fault } = not_started;
        if observe::is_started() {
            tracing::error!(%why, "not started");
        } else {
            eprintln!("gatepost: {why}");
        }
        match fault {
            Fault::Configuration => Failure::Configuration,
            Fault::Circumstances => Failure::Told,
        }
    })
}

//! The configuration: one TOML file into the settings of every room, checked as a whole.
//!
//! `load` reads a file and finds all its mistakes; `explain` shows them; `check` holds what can only
//! be judged across tables; `reference` writes `conf/gatepost.toml` and the table of live settings
//! from the same descriptions. Only `daemon::build` takes a `Config` apart: no room receives it whole.

mod check;
pub mod explain;
pub mod load;
mod mask;
pub mod reference;
pub mod server;
mod syntax;

pub use crate::base::settings::{Environment, Finding, Severity};
pub use load::{Loaded, load, quickstart};
pub use server::Server;

use crate::base::settings::{Value, settings};
use crate::model::{
    credential::Credential, destination::Destination, domain::Domain, mailbox::Mailbox, relay::Relay, route::Route,
    source::Source, stream::Stream, tenant::TenantLimits,
};
use crate::{certs, content, dns, http, queue, smtpd, store};
use std::path::{Path, PathBuf};

/// Where a configuration comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    File(PathBuf),
    /// The one that is built in, for whoever just wants to see it run.
    Quickstart,
}

/// Where a configuration is looked for when none was named.
pub const USUAL_PLACE: &str = "/etc/gatepost/gatepost.toml";

impl Origin {
    /// The file that was named; else the one at the usual place; else the quickstart.
    pub fn find(named: Option<PathBuf>) -> Self {
        match named {
            Some(path) => Self::File(path),
            None if Path::new(USUAL_PLACE).exists() => Self::File(USUAL_PLACE.into()),
            None => Self::Quickstart,
        }
    }

    pub fn load(&self, environment: &Environment) -> Loaded {
        match self {
            Self::File(path) => load(path, environment),
            Self::Quickstart => quickstart(environment),
        }
    }

    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Quickstart => None,
        }
    }
}

settings! {
    /// The whole file: one field a table.
    pub struct Config in "the file" {
        /// The server itself.
        live server: Server = section(),
        /// Where mail is kept.
        live store: store::settings::Settings = section(),
        /// The certificate that our listeners show.
        live tls: certs::settings::Settings = section(),
        /// Further certificates, by the names in them.
        live certificate: Vec<certs::settings::Certificate> = default(Vec::new()),
        /// Sockets that speak SMTP.
        live listener: Vec<smtpd::settings::Listener> = default(Vec::new()),
        /// What SMTP clients may take up.
        live smtp: smtpd::settings::Smtp = section(),
        /// Sockets that speak HTTP.
        live http: Vec<http::settings::Listener> = default(Vec::new()),
        /// Where names are looked up.
        live dns: dns::settings::Settings = section(),
        /// How mail is delivered, and tried again.
        live delivery: queue::settings::Settings = section(),
        /// Templates that are files.
        live templates: content::template::settings::Settings = section(),
        /// Smarthosts.
        live relay: Vec<Relay> = default(Vec::new()),
        /// Addresses of ours that mail leaves from.
        live source: Vec<Source> = default(Vec::new()),
        /// Rules for mail to certain places.
        live destination: Vec<Destination> = default(Vec::new()),
        /// What organisations may send, for all their domains together.
        live tenant: Vec<TenantLimits> = default(Vec::new()),
        /// Domains that we serve.
        live domain: Vec<Domain> = default(Vec::new()),
        /// Kinds of mail that organisations send.
        live stream: Vec<Stream> = default(Vec::new()),
        /// Who may submit mail.
        live credential: Vec<Credential> = default(Vec::new()),
        /// Inboxes of the desk.
        live mailbox: Vec<Mailbox> = default(Vec::new()),
        /// Where mail for our domains goes.
        live route: Vec<Route> = default(Vec::new()),
    }
}

/// The keys whose new value waits for a restart, like `store.url`.
pub fn restart_needed(old: &Config, new: &Config) -> Vec<String> {
    let mut changes = Vec::new();
    new.restart_changes(old, "", &mut changes);
    changes
}

impl Config {
    /// Every value in it, as `path` and text; secrets are stars.
    pub fn shown(&self) -> Vec<(String, String)> {
        let mut shown = Vec::new();
        self.show("", &mut shown);
        shown
    }

    /// This configuration as a running daemon can take it: what needs a restart stays as it was in `old`.
    pub fn keeping_restart_values(mut self, old: &Config) -> Config {
        self.keep_restart_values(old);
        self
    }
}

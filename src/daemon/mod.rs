//! The daemon: the only place where the parts meet.
//!
//! `run` leads through its life: `build` makes the parts from a configuration, `doors` opens and changes
//! the listeners, `reload` answers SIGHUP, `drain` SIGTERM. Before the runtime starts its threads, the
//! ports are bound (`sockets`) and root is given up (`privilege`).

mod build;
mod directory;
mod doors;
mod drain;
mod explain;
mod happenings;
mod house;
pub mod keyring;
mod lock;
pub mod master_key;
mod notify;
mod operate;
pub mod privilege;
mod quickstart;
pub mod records;
mod reload;
mod run;
pub mod signing;
mod sockets;
mod templates;
mod way_out;
mod welcome;

pub use build::{Possession, certificate_source, identity, store_location, take_possession};
pub use run::serve;
pub use templates::{folder as templates_folder, read as read_templates};

use std::fmt;

/// Why the daemon did not start. What the user can do stands in the text.
#[derive(Debug)]
pub struct NotStarted {
    pub why: String,
    pub fault: Fault,
}

/// Would another start say the same?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Yes, until somebody changes what the configuration says or names.
    Configuration,
    /// Perhaps not: a port that is held, a disk that is full.
    Circumstances,
}

impl NotStarted {
    fn new(why: impl fmt::Display) -> Self {
        Self { why: why.to_string(), fault: Fault::Circumstances }
    }

    fn misconfigured(why: impl fmt::Display) -> Self {
        Self { why: why.to_string(), fault: Fault::Configuration }
    }
}

impl fmt::Display for NotStarted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for NotStarted {}

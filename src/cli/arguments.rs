//! What can be said on the command line.

use clap::{Parser, Subcommand};
use std::path::PathBuf;

/// A mail gateway in one program: applications submit, the world delivers, agents answer.
#[derive(Parser)]
#[command(name = "gatepost", version, propagate_version = true)]
pub struct Arguments {
    /// The configuration file; without one /etc/gatepost/gatepost.toml, else the quickstart.
    #[arg(long, global = true, env = "GATEPOST_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,

    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Subcommand)]
pub enum Command {
    /// Run the daemon (also without a command).
    Serve,
    /// Check the configuration and everything it names: one line per finding, exit code 78 when bad.
    Check,
    /// Ask the running daemon how it is.
    Status {
        /// The whole answer as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show the settings that the running daemon has in force; secrets are stars.
    Settings,
    /// Turn a password into the lines for its credential: asked for on the terminal, or read from standard
    /// input.
    Password,
    /// Write a consistent copy of the store, while the daemon runs or not.
    Backup {
        /// The file to write; it must not be there yet.
        file: PathBuf,
        /// Put the master key into the copy. Without it, keep the key beside it: one is useless
        /// without the other.
        #[arg(long)]
        with_key: bool,
    },
    /// Make a store from a copy. The daemon must not run, and the store must be empty.
    Restore {
        /// A file that `gatepost backup` wrote.
        file: PathBuf,
    },
}

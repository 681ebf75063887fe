//! The commands: a file each. What concerns a running daemon is asked of it over its control socket;
//! there is no second protocol.

mod arguments;
mod backup;
mod check;
mod daemon;
mod dkim;
mod dns;
mod explain;
mod key;
mod password;
mod queue;
mod restore;
mod serve;
mod settings;
mod status;
mod suppression;
mod table;

use crate::config;
use crate::config::{Config, Environment, Loaded, Origin};
use arguments::{Arguments, Command};
use clap::Parser;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

/// sysexits(3) EX_CONFIG: the configuration is wrong, and starting again will not help.
const BAD_CONFIGURATION: u8 = 78;

pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let origin = Origin::find(arguments.config);
    let done = match arguments.command.unwrap_or(Command::Serve) {
        Command::Serve => serve::run(origin),
        Command::Check => check::run(&origin),
        Command::Status { json } => status::run(&origin, json),
        Command::Settings => settings::run(&origin),
        Command::Queue(what) => queue::run(&origin, what),
        Command::Suppression(what) => suppression::run(&origin, what),
        Command::Explain { from, to, json } => explain::run(&origin, &from, &to, json),
        Command::Key(what) => key::run(&origin, what),
        Command::Dns { domain, json } => dns::run(&origin, &domain, json),
        Command::Dkim(what) => dkim::run(&origin, what),
        Command::Password => password::run(),
        Command::Backup { file, with_key } => backup::run(&origin, &file, with_key),
        Command::Restore { file } => restore::run(&origin, &file),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// Why a command did not do what it was asked to.
enum Failure {
    /// The configuration is wrong; the findings were shown.
    Configuration,
    /// It was told already, in the log or to the terminal.
    Told,
    /// Who reads our answer has seen enough.
    Enough,
    /// One sentence that says what happened and what to do.
    Because(String),
}

impl Failure {
    fn because(why: impl std::fmt::Display) -> Self {
        Self::Because(why.to_string())
    }

    /// Names what it is about, of several.
    fn about(self, what: &str) -> Self {
        match self {
            Self::Because(why) => Self::Because(format!("{}: {why}", table::plain(what))),
            other => other,
        }
    }

    fn report(self) -> ExitCode {
        match self {
            Self::Configuration => ExitCode::from(BAD_CONFIGURATION),
            Self::Told => ExitCode::FAILURE,
            Self::Enough => ExitCode::SUCCESS,
            Self::Because(why) => {
                eprintln!("gatepost: {why}");
                ExitCode::FAILURE
            }
        }
    }
}

/// The configuration, or its errors shown on standard error. Warnings are shown too.
fn load(origin: &Origin) -> Result<Config, Failure> {
    let loaded = origin.load(&Environment::of_process());
    explain_on_stderr(&loaded);
    loaded.config.ok_or(Failure::Configuration)
}

fn explain_on_stderr(loaded: &Loaded) {
    let colours = if std::io::stderr().is_terminal() {
        config::explain::Colours::Always
    } else {
        config::explain::Colours::Never
    };
    eprint!("{}", config::explain::report(loaded, colours));
}

/// Onto standard output, which may be closed before all is said (`| head`).
fn show(text: &str) -> Result<(), Failure> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(why) if why.kind() == std::io::ErrorKind::BrokenPipe => Err(Failure::Enough),
        done => done.map_err(Failure::because),
    }
}

/// A small runtime for a command that has to wait for something.
fn wait<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::because)?;
    Ok(runtime.block_on(work))
}

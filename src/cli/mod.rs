//! The commands: a file each. What concerns a running daemon is asked of it over its control socket;
//! there is no second protocol.

mod arguments;
mod backup;
mod check;
mod password;
mod restore;
mod serve;
mod settings;
mod status;

use crate::config::{Config, Environment, Loaded, Origin, explain};
use crate::http::control;
use crate::net::unix_http::{self, NoAnswer};
use arguments::{Arguments, Command};
use clap::Parser;
use hyper::{Method, StatusCode};
use serde_json::Value;
use std::io::IsTerminal;
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
    /// One sentence that says what happened and what to do.
    Because(String),
}

impl Failure {
    fn because(why: impl std::fmt::Display) -> Self {
        Self::Because(why.to_string())
    }

    fn report(self) -> ExitCode {
        match self {
            Self::Configuration => ExitCode::from(BAD_CONFIGURATION),
            Self::Told => ExitCode::FAILURE,
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
    let colours = if std::io::stderr().is_terminal() { explain::Colours::Always } else { explain::Colours::Never };
    eprint!("{}", explain::report(loaded, colours));
}

/// What the running daemon answers to this question. A configuration with mistakes is no reason not to
/// ask: it was refused, perhaps, and the daemon knows more.
fn ask(origin: &Origin, path: &str) -> Result<String, Failure> {
    let loaded = origin.load(&Environment::of_process());
    explain_on_stderr(&loaded);
    let socket = loaded.data_dir.ok_or(Failure::Configuration)?.join(control::FILE_NAME);
    let answer = match wait(unix_http::ask(&socket, Method::GET, path, String::new()))? {
        Err(NoAnswer::NotRunning(_)) if loaded.config.is_none() => return Err(Failure::Configuration),
        answer => answer.map_err(Failure::because)?,
    };
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    match answer.status {
        StatusCode::OK => Ok(text),
        status => Err(Failure::Because(format!("the daemon answered {status}: {text}"))),
    }
}

fn parsed(answer: &str) -> Result<Value, Failure> {
    serde_json::from_str(answer).map_err(|why| Failure::Because(format!("an unreadable answer: {why}")))
}

/// A small runtime for a command that has to wait for something.
fn wait<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::because)?;
    Ok(runtime.block_on(work))
}

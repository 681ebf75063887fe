//! The server itself: its name, its directory, whom it runs as, where it logs.

use crate::base::limits;
use crate::base::secret::Secret;
use crate::base::settings::{Finding, Reader, settings, words};
use crate::mail::domain_name::DomainName;
use std::path::PathBuf;
use std::time::Duration;

/// Where the daemon lives when nothing else is said.
pub const DATA_DIR: &str = "/var/lib/gatepost";

settings! {
    /// The server itself.
    pub struct Server in "[server]" {
        /// The full name by which other mail servers know this one: in greetings, EHLO and Received.
        live hostname: DomainName = found(
            machine_name, "the machine's own name, when that is a full one", "\"mail.example.com\""
        ),
        /// The directory of the store, the keys and the control socket.
        restart data_dir: PathBuf = default(PathBuf::from(DATA_DIR)),
        /// The key that seals every other secret in the store; absent: made in data_dir at first start.
        restart master_key: Option<Secret> = optional("{ file = \"secrets/master.key\" }"),
        /// How the log is written: text for people, json for machines.
        restart log: Log = default(Log::Text),
        /// A file to log to beside journald or stderr; opened anew at each reload, for logrotate.
        live log_file: Option<PathBuf> = optional("\"/var/log/gatepost/gatepost.log\""),
        /// The user to become once all ports are open.
        restart user: Option<String> = optional("\"gatepost\""),
        /// The group to become; absent: the user's own.
        restart group: Option<String> = optional("\"gatepost\""),
        /// How long work in flight may take to end when the server stops.
        live drain: Duration = default(limits::DRAIN_MAX) within Duration::ZERO..=limits::DRAIN_MAX,
    }
}

words! {
    /// How the log is written.
    pub enum Log {
        Text = "text",
        Json = "json",
    }
}

/// The machine's name, when it is one that other mail servers can look up.
fn machine_name(reader: &mut Reader<'_>) -> DomainName {
    let machine = reader.environment().machine_name();
    match machine.map(str::parse::<DomainName>) {
        Some(Ok(name)) if name.as_str().contains('.') => name,
        _ => {
            let why = match machine {
                Some(name) => format!("the machine's own name, {name:?}, is not a full one"),
                None => "the machine has no name of its own".to_owned(),
            };
            reader.report(
                Finding::error(None, "missing key \"hostname\" in [server]")
                    .label(why)
                    .help("write hostname = \"mail.example.com\", the name in the DNS for this machine's address"),
            );
            unusable()
        }
    }
}

/// RFC 6761 6.4: a name that never resolves. It stands only where an error was reported.
fn unusable() -> DomainName {
    // Invariant: a constant that is a domain name.
    "hostname.invalid".parse().expect("a valid name")
}

//! The programs that people send mail with, against the real daemon: Python's smtplib, swaks, msmtp, curl,
//! Postfix and Exim, over STARTTLS and over TLS from the first byte, with a certificate that they verify.
//!
//! What a client was told is held against the store after the daemon has died without a farewell
//! (`kill -9`): each message is there, byte for byte below our Received field, and nothing else is.

#[path = "clients/curl.rs"]
mod curl;
#[path = "clients/exim.rs"]
pub mod exim;
#[path = "clients/msmtp.rs"]
mod msmtp;
#[path = "clients/postfix.rs"]
mod postfix;
#[path = "clients/python.rs"]
mod python;
#[path = "clients/stored.rs"]
mod stored;
#[path = "clients/swaks.rs"]
mod swaks;
#[path = "clients/watched.rs"]
pub mod watched;

use crate::running::{Daemon, Ran, Yard};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use stored::Stored;

const LOGIN: &str = "app@example.com";
const STRANGER: &str = "someone@far.example";
const PASSWORD: &str = "correct horse \\ battery=staple";

/// What every client is given to send: dots at the start of lines, UTF-8, blanks at the end of a line,
/// an empty line at the end, and all fields that a submission server would add.
const MESSAGE: &str = "From: App <app@example.com>\r\n\
    To: one@elsewhere.example\r\n\
    Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\
    Date: Fri, 21 Nov 2025 08:00:00 +0000\r\n\
    Message-ID: <from-a-real-client@example.com>\r\n\
    MIME-Version: 1.0\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\
    Content-Transfer-Encoding: 8bit\r\n\
    \r\n\
    .\r\n\
    ..two dots, then a line that ends with blanks  \r\n\
    Grüße aus Köln\r\n\
    \r\n\
    .hidden\r\n\
    \r\n";

/// The world that our MX looks senders up in, and where mail waits: nobody can say where recipients are.
const WORLD: &str = "far.example. 300 IN MX 10 mx.far.example.\nelsewhere.example SERVFAIL\n";

const HOUSE: &str = r#"
[dns]
zone_file = "world.zone"

[[listener]]
kind = "submission"
bind = ["127.0.0.1:0"]

[[listener]]
kind = "submission"
bind = ["127.0.0.1:0"]
tls = "implicit"

[[listener]]
kind = "mx"
bind = ["127.0.0.1:0"]

[[domain]]
name = "example.com"

[[credential]]
username = "app@example.com"
password = 'correct horse \ battery=staple'
domains = ["example.com"]

[[route]]
recipient = "*@example.com"
actions = [{ store = true }]
"#;

/// A daemon with a door of each kind, and one login.
struct House {
    yard: Yard,
    daemon: Daemon,
    starttls: SocketAddr,
    implicit: SocketAddr,
    mx: SocketAddr,
}

impl House {
    fn open() -> Self {
        let (certificate, key) = (certs().join("test-server.pem"), certs().join("test-server.key"));
        let tls = format!("\n[tls]\ncertificate = {certificate:?}\nkey = {key:?}\n");
        let yard = Yard::with(&(HOUSE.to_owned() + &tls));
        yard.write("world.zone", WORLD);
        let daemon = yard.start();
        let submission = daemon.addresses("submission");
        let mx = daemon.address("mx");
        Self { starttls: submission[0], implicit: submission[1], mx, yard, daemon }
    }

    /// A message as the client reads it from a file.
    fn file(&self, text: &str) -> PathBuf {
        self.yard.write("message.eml", text)
    }

    /// A program of this machine that ends by itself, and ends well.
    fn runs(&self, package: &str, command: &mut Command) -> Ran {
        let ran = self.tries(package, command);
        assert_eq!(ran.code, Some(0), "{command:?}\n{}\n{}\n{}", ran.out, ran.err, self.daemon.all());
        ran
    }

    fn tries(&self, package: &str, command: &mut Command) -> Ran {
        let name = command.get_program().to_string_lossy().into_owned();
        assert!(
            name.contains('/') || in_path(&name),
            "{name} is needed: install Debian's package {package}, or run `make packages`"
        );
        Ran::of(command.current_dir(self.yard.folder()).env("HOME", self.yard.folder()).env("LC_ALL", "C.UTF-8"))
    }

    /// Ends the daemon as a power cut would, and reads what is in the store.
    fn stored(mut self) -> Vec<Stored> {
        self.daemon.crash();
        stored::all(&self.yard.path("data/gatepost.db"))
    }

    /// There is one message, as it was sent, and a trace that says how it came.
    fn stored_one(self, message: &str, with: &str) -> Stored {
        let log = self.daemon.all();
        let mut stored = self.stored();
        assert_eq!(stored.len(), 1, "{log}");
        let one = stored.remove(0);
        one.is(message, with);
        one
    }
}

fn certs() -> PathBuf {
    crate::source::root().join("certs/test-only-not-secret")
}

fn ca() -> String {
    certs().join("test-ca.pem").display().to_string()
}

fn in_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).exists())
}

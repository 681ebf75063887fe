//! Servers that only accept: Gatepost's MX with a route that stores, and Postfix with every message held.

use crate::servers::{Server, Setup, files};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

pub const RECIPIENT: &str = "someone@example.test";

pub fn setup() -> Setup {
    // Where the senders' domain is looked up.
    let zone = "far.example. 300 IN MX 10 mx.far.example.\n";
    Setup { gatepost: Box::new(gatepost), zone, postfix: postfix(), signer: None, environment: Vec::new() }
}

/// How many messages it keeps.
pub fn kept(server: Server, folder: &Path) -> usize {
    match server {
        Server::Gatepost => messages(&folder.join("data/gatepost.db")),
        Server::Postfix => {
            ["hold", "incoming", "active"].map(|queue| files(&folder.join("queue").join(queue))).iter().sum()
        }
    }
}

fn certificate(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("certs/test-only-not-secret").join(name)
}

pub fn ca() -> PathBuf {
    certificate("test-ca.pem")
}

fn gatepost(address: SocketAddr) -> String {
    let (certificate, key) = (certificate("test-server.pem"), certificate("test-server.key"));
    format!(
        r#"
[tls]
certificate = {certificate:?}
key = {key:?}

[smtp]
connections = 30000
messages_per_connection = 1000000

[[listener]]
kind = "mx"
bind = ["{address}"]

[[domain]]
name = "example.test"

[[route]]
recipient = "*@example.test"
actions = [{{ store = true }}]
"#
    )
}

/// Every message is held, the least that it can do with one; no limit, no logging of its own (a log in a
/// file would be one more process of its), no pause for a queue manager that has nothing to do, and room
/// for all sessions at once. It flushes each message before its 250, as it always does.
fn postfix() -> String {
    let (certificate, key) = (certificate("test-server.pem"), certificate("test-server.key"));
    format!(
        "maillog_file =
disable_dns_lookups = yes
default_process_limit = 200
in_flow_delay = 0
relay_domains = example.test
smtpd_recipient_restrictions = check_recipient_access static:HOLD, reject_unauth_destination
smtpd_client_connection_count_limit = 0
smtpd_tls_security_level = may
smtpd_tls_cert_file = {}
smtpd_tls_key_file = {}
",
        certificate.display(),
        key.display()
    )
}

fn messages(database: &Path) -> usize {
    let store = rusqlite::Connection::open(database).unwrap();
    let count = store.query_row("SELECT count(*) FROM messages", [], |row| row.get::<_, i64>(0)).unwrap();
    count as usize
}

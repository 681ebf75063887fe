//! Servers that relay: what they are given goes to one smarthost, in the clear, over as many connections at
//! once as either may open to one destination by default.

use crate::opendkim::{SELECTOR, Signer};
use crate::servers::{Server, Setup, files};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

pub const DOMAIN: &str = "far.example";
pub const SENDER: &str = "someone@far.example";
pub const RECIPIENT: &str = "someone@example.test";

/// Between two tries of a message that was put off, in the row about those.
pub const RETRY_SECONDS: u32 = 5;

pub fn setup(smarthost: SocketAddr, environment: Vec<(&'static str, PathBuf)>) -> Setup {
    let gatepost = Box::new(move |address| gatepost(address, smarthost, ""));
    Setup { gatepost, zone: "", postfix: postfix(smarthost), signer: None, environment }
}

/// The same, and every message is signed: by ourselves, and for Postfix by OpenDKIM.
pub fn signing(smarthost: SocketAddr, signer: &Signer) -> Setup {
    let dkim = format!("dkim = [{{ selector = {SELECTOR:?}, key = {:?} }}]", signer.key);
    let gatepost = Box::new(move |address| gatepost(address, smarthost, &dkim));
    let milter = format!("smtpd_milters = inet:{}\nmilter_default_action = tempfail\n", signer.address);
    let postfix = postfix(smarthost) + &milter;
    Setup { gatepost, zone: "", postfix, signer: Some(signer.clone()), environment: Vec::new() }
}

/// How many messages are still to be delivered.
pub fn waiting(server: Server, folder: &Path) -> usize {
    match server {
        Server::Gatepost => unfinished(&folder.join("data/gatepost.db")),
        Server::Postfix => ["maildrop", "incoming", "active", "deferred"]
            .map(|queue| files(&folder.join("queue").join(queue)))
            .iter()
            .sum(),
    }
}

fn unfinished(database: &Path) -> usize {
    let store = rusqlite::Connection::open(database).unwrap();
    let sql = "SELECT count(*) FROM deliveries WHERE finished_at IS NULL";
    store.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap() as usize
}

fn gatepost(address: SocketAddr, smarthost: SocketAddr, of_domain: &str) -> String {
    format!(
        r#"
[smtp]
messages_per_connection = 1000000

[delivery]
retry = ["{RETRY_SECONDS}s"]

[[listener]]
kind = "submission"
bind = ["{address}"]
plain_auth = "loopback"

[[relay]]
name = "smarthost"
host = "{}"
port = {}
tls = "none"

[[domain]]
name = "far.example"
relay = "smarthost"
{of_domain}

[[credential]]
username = "generator"
domains = ["far.example"]
networks = ["127.0.0.0/8"]
"#,
        smarthost.ip(),
        smarthost.port()
    )
}

/// No limit of its own and no log (which would be one more process of its), all connections to the smarthost
/// from the first message on, room for all sessions at once, and the same pause before the next try.
fn postfix(smarthost: SocketAddr) -> String {
    format!(
        "maillog_file =
disable_dns_lookups = yes
default_process_limit = 200
in_flow_delay = 0
relayhost = [{}]:{}
smtp_tls_security_level = none
initial_destination_concurrency = 20
smtpd_client_connection_count_limit = 0
queue_run_delay = {RETRY_SECONDS}s
minimal_backoff_time = {RETRY_SECONDS}s
maximal_backoff_time = {RETRY_SECONDS}s
import_environment = MAIL_CONFIG LD_LIBRARY_PATH SASL_PATH TZ LD_PRELOAD GATEPOST_BENCH_FLUSH_US GATEPOST_BENCH_FLUSHES
",
        smarthost.ip(),
        smarthost.port()
    )
}

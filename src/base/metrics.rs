//! Numbers about the house, in the form Prometheus reads. Every metric is declared in the table
//! below with its kind, unit and sentence; rooms name it through its constant, so a name is spelled
//! once and a metric that is not described does not exist.
//!
//! The recorder has no listener of its own: `http/health.rs` serves what `render` returns.

use super::limits;
use super::shutdown::{Phase, Shutdown};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use std::fmt::Write;
use std::sync::OnceLock;

macro_rules! declare {
    ($($kind:ident $unit:ident $constant:ident = $name:literal: $sentence:literal;)*) => {
        $(#[doc = $sentence] pub const $constant: &str = concat!("gatepost_", $name);)*

        fn describe() {
            $(declare!(@$kind $constant, metrics::Unit::$unit, $sentence);)*
        }

        #[cfg(test)]
        const NAMES: &[&str] = &[$($constant),*];
    };
    (@counter $name:expr, $unit:expr, $sentence:expr) => { metrics::describe_counter!($name, $unit, $sentence) };
    (@gauge $name:expr, $unit:expr, $sentence:expr) => { metrics::describe_gauge!($name, $unit, $sentence) };
    (@histogram $name:expr, $unit:expr, $sentence:expr) => { metrics::describe_histogram!($name, $unit, $sentence) };
}

// Labels are bounded sets: a door, one of our addresses, a reason that is a word in the source, a
// route pattern. Never a client's address, a mail address or a path as asked for.
declare! {
    gauge Count CONNECTIONS = "connections": "Connections open now, by door and address.";
    counter Count CONNECTIONS_OPENED = "connections_opened_total": "Connections taken, by door and address.";
    counter Count CONNECTIONS_REFUSED = "connections_refused_total": "Connections sent away at once, by door and why.";
    counter Count CONNECTIONS_CUT = "connections_cut_total": "Connections that did not end by themselves, by door and why.";
    counter Count ACCEPT_FAILURES = "accept_failures_total": "Failed accepts (no descriptors, no memory), by door.";
    counter Count PROXY_REFUSED = "proxy_refused_total": "Connections of listed proxies closed for want of a right PROXY header, by why.";
    counter Count SMTP_COMMANDS = "smtp_commands_total": "SMTP commands answered, by first digit of the reply.";
    counter Count SMTP_BOUNDS = "smtp_bounds_total": "SMTP connections closed at a bound, by which.";
    counter Count SMTP_TRANSCRIPTS = "smtp_transcripts_total": "SMTP conversations written down on request.";
    counter Count DELIVERY_CONNECTIONS = "delivery_connections_total": "Connections to other mail servers, by TLS version and by what verified it.";
    counter Count DELIVERY_UNOPENED = "delivery_unopened_total": "Mail servers and addresses that did not do, by where it ended.";
    counter Count DELIVERY_FAULTS = "delivery_faults_total": "Connections given up for a reply that was none or had no end, by where.";
    gauge Bytes MAIL_MEMORY = "delivery_bytes": "Memory taken by messages that are being delivered.";
    gauge Count DELIVERIES_IN_MEMORY = "deliveries_in_memory": "Deliveries that this node holds, waiting or being tried.";
    counter Count DELIVERIES_SETTLED = "deliveries_settled_total": "Tries, and decisions without one, by what the delivery became.";
    histogram Seconds DELIVERY_SECONDS = "delivery_seconds": "Time of a try, from its begin to the last answer.";
    counter Count SETTLE_FAILURES = "settle_failures_total": "Times that the store did not take outcomes.";
    counter Count SETTLEMENTS_REFUSED = "settlements_refused_total": "Deliveries whose outcome the store refuses for good, by what is left of them there.";
    counter Count FEED_FAILURES = "feed_failures_total": "Times that the queue could not be read.";
    counter Count TRIES_BROKEN = "tries_broken_total": "Tries that a fault of ours broke.";
    counter Count REPORTS_NOT_SENT = "reports_not_sent_total": "Delivery reports that could not be sent.";
    counter Count MESSAGES_CONVERTED = "messages_converted_total": "Messages written in 7-bit lines for a host that takes nothing else, once for each try.";
    counter Count MESSAGES_NOT_SIGNED = "messages_not_signed_total": "Tries that a missing key, or a message that cannot be signed, kept from being sent, by why.";
    counter Count SITES_SLOWED = "sites_slowed_total": "Times that a receiver asked for less.";
    gauge Count DESTINATIONS_SUSPENDED = "destinations_suspended": "Destinations that an operator has suspended.";
    counter Count DESTINATIONS_STEERED = "destinations_steered_total": "Orders of operators about destinations, by which.";
    counter Count SITES_DOWN = "sites_down_total": "Times that no host of a destination could be reached.";
    counter Count TEMPLATES_RENDERED = "templates_rendered_total": "Messages that a template made.";
    counter Count TEMPLATE_FAILURES = "template_failures_total": "Messages that a template could not make, by what became of them instead.";
    histogram Seconds TEMPLATE_SECONDS = "template_seconds": "Time to make a message of a template, with all its copies.";
    gauge Bytes BODY_MEMORY = "smtp_body_bytes": "Memory taken by bodies that are being received.";
    gauge Count LIMIT_BUCKETS = "limit_buckets": "Limits of which something is spent, as counted every few seconds.";
    counter Count LIMITS_REACHED = "limits_reached_total": "Mail put off by a limit, by scope and unit.";
    counter Count LIMITS_UNSAVED = "limits_unsaved_total": "Times that what was spent of the limits could not be saved.";
    counter Count TLS_HANDSHAKES = "tls_handshakes_total": "TLS handshakes as a server, by version, or failed.";
    gauge Count DOMAINS_NOT_READY = "domains_not_ready": "Domains whose tracking host or return path does not lead here, by part.";
    histogram Seconds DNS_SECONDS = "dns_lookup_seconds": "Time of a DNS lookup, by type and outcome; its count is the lookups.";
    counter Count MESSAGES_ACCEPTED = "messages_accepted_total": "Messages taken and on disk, by where they came from.";
    counter Count MESSAGES_NOT_KEPT = "messages_not_kept_total": "Messages that the store did not take; their senders were told to try again.";
    counter Count DELIVERIES_RECOVERED = "deliveries_recovered_total": "Deliveries taken from nodes that died in the middle of a try.";
    counter Count BEATS_MISSED = "beats_missed_total": "Times that this node could not say in the store that it lives.";
    gauge Count SUPPRESSIONS = "suppressions": "Suppressed addresses and domains that this node knows of.";
    counter Count SUPPRESSIONS_UNREAD = "suppressions_unread_total": "Times that the suppressed could not be read.";
    counter Count RECIPIENTS_SUPPRESSED = "recipients_suppressed_total": "Recipients that were not written to, by when it was found: at accept or before a try.";
    counter Count RETURNS = "returns_total": "Messages to our return paths, by what they were.";
    counter Count RETURN_PATHS_TURNED = "return_paths_turned_total": "Times that the return path of a domain came into use or fell out of it.";
    counter Count DKIM_TURNS = "dkim_keys_total": "DKIM keys of our making that came to a stage, or whose record is missing, by which.";
    counter Count REPORTS_DROPPED = "reports_dropped_total": "Reports to senders that had nowhere to go.";
    counter Count LOGINS = "logins_total": "Logins, by how they were taken or why they were refused.";
    counter Count LOGIN_CHECKS = "login_checks_total": "Passwords that were checked against a hash: the dear part of a login.";
    counter Count LOGIN_BANS = "login_bans_total": "Times that addresses were sent away for failed logins.";
    counter Count STORE_COMMANDS = "store_commands_total": "Changes that the store's writer came to an end with.";
    histogram Seconds STORE_COMMIT_SECONDS = "store_commit_seconds": "Time from a group's first row to its answer; its count is the groups.";
    counter Count STORE_SLOW = "store_slow_total": "Store calls over 200 ms, by statement.";
    counter Count STORE_UNKNOWN_COMMITS = "store_unknown_commits_total": "Commits whose outcome had to be asked for.";
    counter Count STORE_DOWN = "store_down_total": "Times the store went down.";
    gauge Bytes STORE_LOG_BYTES = "store_wal_bytes": "Size of SQLite's log beside the store.";
    counter Count RELOADS = "reloads_total": "Configurations taken by a reload.";
    counter Count RELOAD_FAILURES = "reload_failures_total": "Reloads refused, and listeners left out of one.";
    counter Count LINKS_FOLLOWED = "tracking_requests_total": "Requests for tracked links, images and unsubscribe pages, by what they were.";
    counter Count SIGHTINGS_LOST = "tracking_lost_total": "Opens and clicks that were answered and not written down, by why.";
    counter Count LINK_KEYS_MADE = "tracking_keys_made_total": "Keys of tracked links made by an operator's order.";
    counter Count HTTP_REQUESTS = "http_requests_total": "HTTP requests answered, by route and status.";
    histogram Seconds HTTP_SECONDS = "http_request_seconds": "Time from a request's head to its answer's head, by route.";
}

/// Upper edges of the buckets of every histogram, in seconds: from a commit to a slow remote server.
const BUCKETS: &[f64] = &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

#[derive(Clone, Debug)]
pub struct Metrics(PrometheusHandle);

impl Metrics {
    /// Starts counting. The recorder is one for the process (the `metrics` facade knows no other), so
    /// asking again gives the same one.
    pub fn start() -> Self {
        static STARTED: OnceLock<Metrics> = OnceLock::new();
        STARTED.get_or_init(Self::install).clone()
    }

    fn install() -> Self {
        // Invariant: `set_buckets` fails on an empty list only, and BUCKETS is not empty.
        let builder = PrometheusBuilder::new().set_buckets(BUCKETS).expect("there are buckets");
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        // Whoever installed another recorder before us keeps it, and ours renders the process alone.
        if metrics::set_global_recorder(recorder).is_ok() {
            describe();
        }
        Self(handle)
    }

    /// The whole page, with the process's own figures as they are now.
    pub fn render(&self) -> String {
        self.0.run_upkeep();
        let mut page = self.0.render();
        render_process(&mut page);
        page
    }

    /// Folds waiting samples from time to time, until the daemon stops; scraping alone would leave
    /// memory to a scraper that never comes.
    pub async fn keep(self, shutdown: Shutdown) {
        loop {
            tokio::select! {
                () = shutdown.reached(Phase::Stopped) => return,
                () = tokio::time::sleep(limits::METRICS_UPKEEP) => self.0.run_upkeep(),
            }
        }
    }
}

/// The process as the kernel sees it, under the names that every dashboard for Prometheus expects
/// (no prefix of ours). A figure that cannot be read is left out.
fn render_process(page: &mut String) {
    let figures = [
        ("process_resident_memory_bytes", "Resident memory size in bytes.", resident_bytes()),
        ("process_open_fds", "Open file descriptors.", open_files()),
        ("process_max_fds", "File descriptors this process may open.", files_max()),
        ("process_start_time_seconds", "Start of the process since 1970 in seconds.", start_seconds()),
    ];
    for (name, help, value) in figures {
        if let Some(value) = value {
            // Invariant: writing to a String cannot fail.
            let _ = writeln!(page, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}\n");
        }
    }
}

/// proc_pid_status(5): `VmRSS:     1234 kB`.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024)
}

fn open_files() -> Option<u64> {
    // The listing itself holds one descriptor open.
    Some(std::fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1) as u64)
}

fn files_max() -> Option<u64> {
    nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE).ok().map(|(soft, _)| soft)
}

/// proc_pid_stat(5): field 22 counts clock ticks since boot, and user space always sees 100 a second;
/// proc_stat(5): `btime` is the boot in seconds since 1970.
fn start_seconds() -> Option<u64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name (field 2) may hold spaces and brackets: count from the last bracket.
    let ticks: u64 = stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()?;
    let boot = std::fs::read_to_string("/proc/stat").ok()?;
    let boot: u64 = boot.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    Some(boot + ticks / 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_shows_counts_with_their_sentence_and_the_process() {
        let page = Metrics::start();
        metrics::counter!(ACCEPT_FAILURES, "door" => "a test").increment(2);
        metrics::histogram!(HTTP_SECONDS, "route" => "a test").record(0.003);
        let page = page.render();
        assert!(page.contains("# HELP gatepost_accept_failures_total Failed accepts"), "{page}");
        assert!(page.contains("gatepost_accept_failures_total{door=\"a test\"} 2"), "{page}");
        assert!(page.contains("gatepost_http_request_seconds_bucket{route=\"a test\",le=\"0.005\"} 1"), "{page}");
        for figure in ["resident_memory_bytes", "open_fds", "max_fds", "start_time_seconds"] {
            let value = page.lines().find_map(|line| line.strip_prefix(&format!("process_{figure} ")));
            assert!(value.is_some_and(|value| value.parse::<u64>().unwrap() > 0), "{figure} in {page}");
        }
    }

    #[test]
    fn the_start_lies_in_the_past_and_after_the_boot() {
        let now = crate::base::clock::Clock::System.now().micros() / 1_000_000;
        let started = i64::try_from(start_seconds().unwrap()).unwrap();
        assert!(started <= now + 1 && started > now - 86_400, "{started} against {now}");
    }

    #[test]
    fn every_name_is_unique_and_has_our_prefix() {
        let unique: std::collections::BTreeSet<_> = NAMES.iter().collect();
        assert_eq!(unique.len(), NAMES.len());
        assert!(NAMES.iter().all(|name| name.starts_with("gatepost_")));
    }
}

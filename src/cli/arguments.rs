//! What can be said on the command line.

use clap::{Args, Parser, Subcommand, ValueEnum};
use serde_json::{Map, Value};
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
    /// Look at what waits to be sent, and steer it.
    #[command(subcommand)]
    Queue(Queue),
    /// Say who is not written to any more.
    #[command(subcommand)]
    Suppression(Suppression),
    /// Say what would become of a message, and which rule decides.
    Explain {
        /// The sender; "<>" for a bounce.
        #[arg(long, value_name = "ADDRESS")]
        from: String,
        /// The recipient.
        #[arg(long, value_name = "ADDRESS")]
        to: String,
        /// The whole answer as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Make keys.
    #[command(subcommand)]
    Key(Key),
    /// Show the DNS records that a domain needs, ready to paste, and what is found of them. Exit code 1 when one is
    /// wrong, or one that is required is not found.
    Dns {
        /// One of our domains.
        domain: String,
        /// The whole answer as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Make, show and rotate the keys that sign mail.
    #[command(subcommand)]
    Dkim(Dkim),
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

#[derive(Subcommand)]
pub enum Key {
    /// Make tracked links and return paths with a new key from now on. Those in mail that was sent keep working.
    RotateLinks {
        /// The whole answer as JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Subcommand)]
pub enum Dkim {
    /// Make a key and print the record for the DNS; it signs once that was seen there.
    New {
        /// A domain of ours.
        domain: String,
        /// The name of the record below _domainkey; without it one after the day.
        #[arg(long, value_name = "NAME")]
        selector: Option<String>,
        /// Receivers all know RSA, and not all Ed25519; both sign side by side.
        #[arg(long, value_enum, default_value = "rsa")]
        algorithm: WhichAlgorithm,
    },
    /// Keys with their records, how far they are, and what the DNS says now.
    Show {
        /// Without it all domains, and without a look into the DNS.
        domain: Option<String>,
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Make a new key beside each that signs; when the new one signs, the old one retires by itself.
    Rotate {
        /// A domain of ours.
        domain: String,
    },
}

#[derive(Clone, Copy, ValueEnum)]
pub enum WhichAlgorithm {
    Rsa,
    Ed25519,
    Both,
}

#[derive(Subcommand)]
pub enum Queue {
    /// What waits, one line a delivery.
    List {
        #[command(flatten)]
        filter: Filter,
        /// Show so many at most; without it all.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        limit: Option<u64>,
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// The whole life of a message: where it is, why, since when, and what happens next.
    Show {
        /// A message (em_…) or one of its deliveries (dl_…).
        id: String,
        /// The whole answer as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Try again now what waits for its time.
    Retry(Target),
    /// Stop deliveries until they are released.
    Hold(Target),
    /// Let held deliveries go on.
    Release(Target),
    /// Give deliveries up; their senders are not told.
    Cancel(Target),
    /// Send deliveries another way than they were planned for.
    Reroute {
        /// direct, or the name of a [[relay]].
        #[arg(long, value_name = "WAY")]
        to: String,
        #[command(flatten)]
        target: Target,
    },
    /// How much waits for each destination, and what is done about it.
    Destinations {
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Send nothing to a destination for a while; mail for it is taken and waits.
    Suspend {
        /// Like gmail.com, mx:gmail.com or relay:upstream.
        destination: String,
        /// For how long, like 2h; without it until it is resumed.
        #[arg(long, value_name = "TIME")]
        r#for: Option<String>,
        /// Why, for whoever looks at it next.
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        #[arg(long)]
        json: bool,
    },
    /// Send to a suspended destination again.
    Resume {
        /// Like gmail.com, mx:gmail.com or relay:upstream.
        destination: String,
        #[arg(long)]
        json: bool,
    },
    /// Bound how many messages a destination is sent, instead of what it and the configuration say.
    Rate {
        /// Like gmail.com, mx:gmail.com or relay:upstream.
        destination: String,
        /// Like 100/minute; none: what the configuration says again.
        rate: String,
        #[arg(long)]
        json: bool,
    },
}

#[derive(Subcommand)]
pub enum Suppression {
    /// Who is not written to any more, one line each.
    List {
        /// Of this tenant, instead of the default one.
        #[arg(long, value_name = "NAME")]
        tenant: Option<String>,
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Write to an address, or to a whole domain, no more.
    Add {
        /// Like bob@example.net, or *@example.net.
        address: String,
        #[command(flatten)]
        scope: Scope,
        /// hard_bounce, soft_bounce, complaint, unsubscribe, manual, invalid or import.
        #[arg(long, value_name = "REASON")]
        reason: Option<String>,
        /// Why, for whoever looks at it next.
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
        /// Until then, like 2030-12-31T00:00:00Z; without it for ever.
        #[arg(long, value_name = "TIME")]
        until: Option<String>,
    },
    /// Write to it again.
    Remove {
        /// Like bob@example.net, or *@example.net.
        address: String,
        #[command(flatten)]
        scope: Scope,
    },
    /// Is an address written to?
    Check {
        /// Like bob@example.net.
        address: String,
        #[command(flatten)]
        scope: Scope,
    },
}

/// Of which mail something is said.
#[derive(Args)]
pub struct Scope {
    /// Of this tenant, instead of the default one.
    #[arg(long, value_name = "NAME")]
    pub tenant: Option<String>,
    /// Mail from this domain only.
    #[arg(long, value_name = "DOMAIN")]
    pub domain: Option<String>,
    /// Mail of this stream only.
    #[arg(long, value_name = "NAME")]
    pub stream: Option<String>,
}

/// Which deliveries are meant; all that is given must be true.
#[derive(Args, Default)]
pub struct Filter {
    /// In this state: scheduled, held, queued, sending, deferred, or one that is over (sent, delivered, bounced,
    /// failed, captured, suppressed, canceled); any is all of them. Without it what is not over.
    #[arg(long, value_name = "STATE")]
    pub state: Option<String>,
    /// To recipients of this domain.
    #[arg(long, value_name = "DOMAIN")]
    pub domain: Option<String>,
    /// Queueing for this: gmail.com, mx:gmail.com, relay:upstream or local:support.
    #[arg(long, value_name = "DESTINATION")]
    pub destination: Option<String>,
    /// Leaving by this relay.
    #[arg(long, value_name = "NAME")]
    pub relay: Option<String>,
    /// Of this tenant.
    #[arg(long, value_name = "NAME")]
    pub tenant: Option<String>,
    /// From this sender's domain.
    #[arg(long, value_name = "DOMAIN")]
    pub from: Option<String>,
    /// With this tag.
    #[arg(long, value_name = "TAG")]
    pub tag: Option<String>,
}

/// What an action is done to.
#[derive(Args)]
pub struct Target {
    /// Messages (em_…) or deliveries (dl_…).
    #[arg(value_name = "ID", conflicts_with_all = ["state", "domain", "destination", "relay", "tenant", "from", "tag", "all"])]
    pub ids: Vec<String>,
    #[command(flatten)]
    pub filter: Filter,
    /// The whole queue.
    #[arg(long)]
    pub all: bool,
    /// Do it without asking; otherwise what a filter finds is only counted.
    #[arg(long)]
    pub yes: bool,
    /// Why, for whoever looks at it next.
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
    /// The answer as JSON.
    #[arg(long)]
    pub json: bool,
}

impl Filter {
    /// As names and values of a query.
    pub fn pairs(&self) -> Vec<(&'static str, Option<&str>)> {
        vec![
            ("state", self.state.as_deref()),
            ("domain", self.domain.as_deref()),
            ("destination", self.destination.as_deref()),
            ("relay", self.relay.as_deref()),
            ("tenant", self.tenant.as_deref()),
            ("from", self.from.as_deref()),
            ("tag", self.tag.as_deref()),
        ]
    }

    pub fn is_empty(&self) -> bool {
        self.pairs().iter().all(|(_, value)| value.is_none())
    }

    pub fn as_json(&self) -> Value {
        let given = self.pairs().into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into())));
        Value::Object(given.collect::<Map<_, _>>())
    }
}

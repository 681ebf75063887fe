//! What stands behind an address: what the configuration says of the door, and the rooms it leads to.

use super::settings::{BareLineEnds, Kind, Listener, PlainAuth, Smtp, Tls};
use crate::base::budget::Budget;
use crate::base::clock::Clock;
use crate::base::random::Random;
use crate::certs::{Certificates, Tickets};
use crate::dns::Resolver;
use crate::mail::domain_name::DomainName;
use crate::model::directory::DirectoryHandle;
use crate::receive::pipeline::Reception;
use crate::submit::login::Logins;
use crate::submit::pipeline::Submission;
use ipnet::IpNet;
use std::path::PathBuf;
use std::sync::Arc;

/// What a client finds behind one address.
#[derive(Clone, Debug, PartialEq)]
pub struct Door {
    pub kind: Kind,
    pub tls: Tls,
    pub plain_auth: PlainAuth,
    pub proxies: Vec<IpNet>,
    pub transcripts: Vec<IpNet>,
    pub bare_line_ends: Option<BareLineEnds>,
    pub tickets: Tickets,
    pub hostname: DomainName,
    /// What a client may take up.
    pub smtp: Arc<Smtp>,
}

impl Door {
    pub fn new(settings: &Listener, smtp: Arc<Smtp>, hostname: DomainName) -> Self {
        Self {
            kind: settings.kind,
            tls: settings.tls,
            plain_auth: settings.plain_auth,
            proxies: settings.proxies.clone(),
            transcripts: settings.transcripts.clone(),
            bare_line_ends: settings.bare_line_ends,
            tickets: settings.session_tickets,
            hostname,
            smtp,
        }
    }

    /// What it is called in logs and metrics.
    pub fn word(&self) -> &'static str {
        match self.kind {
            Kind::Submission => "submission",
            Kind::Mx => "mx",
        }
    }
}

/// What every SMTP door of the house shares.
#[derive(Clone)]
pub struct Context {
    pub certificates: Certificates,
    pub deciders: Arc<Deciders>,
    /// Memory for the bodies that are being received.
    pub bodies: Budget,
    pub clock: Clock,
    pub random: Random,
    /// The folder of transcripts.
    pub transcripts: PathBuf,
}

/// The rooms that know what a session asks.
pub struct Deciders {
    pub directory: Arc<DirectoryHandle>,
    pub logins: Arc<Logins>,
    pub submission: Submission,
    pub reception: Reception,
    pub resolver: Resolver,
    pub clock: Clock,
}

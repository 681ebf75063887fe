//! A course: what deliveries must have in common to be looked up and sent together. More than the destination
//! that stands in the store, because the same destination may be reached in different ways.

use super::settings::{Mode, Settings};
use super::simulator;
use crate::base::id::TenantId;
use crate::mail::domain_name::DomainName;
use crate::mail::envelope::MailParams;
use crate::model::delivery::{Delivery, NextHop};
use crate::model::directory::Directory;
use crate::model::message::Message;
use crate::model::name::Name;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Course {
    pub end: End,
    pub security: Security,
    /// The pool of addresses that the sender's domain goes out from.
    pub source: Option<Name>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// To the servers of a domain.
    Mx(DomainName),
    /// Two tenants may each have a relay of this name.
    Relay(TenantId, Name),
    Mailbox(TenantId, Name),
    Store,
    /// Nowhere: the sandbox keeps it.
    Sandbox,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Security {
    Ordinary,
    /// RFC 8689: the sender forbids any hop without TLS.
    RequireTls,
}

impl Course {
    /// What stands in the rows of its deliveries, as far as the course tells.
    pub fn destination(&self) -> String {
        match &self.end {
            End::Mx(domain) => format!("mx:{domain}"),
            End::Relay(_, name) => format!("relay:{name}"),
            End::Mailbox(_, name) => format!("local:{name}"),
            End::Store => "local:store".to_owned(),
            End::Sandbox => "sandbox".to_owned(),
        }
    }

    /// The domain whose own servers are asked; none when mail goes another way.
    pub fn mail_domain(&self) -> Option<&DomainName> {
        match &self.end {
            End::Mx(domain) => Some(domain),
            End::Relay(..) | End::Mailbox(..) | End::Store | End::Sandbox => None,
        }
    }

    /// The same question without making the text: it is asked of every course there is.
    pub fn leads_to(&self, destination: &str) -> bool {
        match (&self.end, destination.split_once(':')) {
            (End::Mx(domain), Some(("mx", name))) => domain.as_str() == name,
            (End::Relay(_, relay), Some(("relay", name))) => relay.as_str() == name,
            (End::Mailbox(_, mailbox), Some(("local", name))) => mailbox.as_str() == name,
            (End::Store, Some(("local", name))) => name == "store",
            (End::Sandbox, _) => destination == "sandbox",
            (End::Mx(_) | End::Relay(..) | End::Mailbox(..) | End::Store, _) => false,
        }
    }

    /// None when the destination in the row is none that we know.
    pub fn of(
        delivery: &Delivery,
        message: &Message,
        params: &MailParams,
        directory: &Directory,
        settings: &Settings,
    ) -> Option<Self> {
        let hop = NextHop::read(&delivery.destination)?;
        let tenant = || delivery.tenant.clone();
        let end = match hop {
            NextHop::Mx if is_captured(delivery, message, settings) => End::Sandbox,
            NextHop::Relay(_) if is_captured(delivery, message, settings) => End::Sandbox,
            NextHop::Mx => End::Mx(delivery.recipient.domain().clone()),
            NextHop::Relay(name) => End::Relay(tenant(), name),
            NextHop::Mailbox(name) => End::Mailbox(tenant(), name),
            NextHop::Store => End::Store,
        };
        let security = if params.require_tls { Security::RequireTls } else { Security::Ordinary };
        let source = match end {
            End::Mx(_) | End::Relay(..) => directory.domain(&message.from_domain).and_then(|d| d.value.source.clone()),
            End::Mailbox(..) | End::Store | End::Sandbox => None,
        };
        Some(Self { end, security, source })
    }
}

/// What was taken in the sandbox stays there for ever; what waits when the instance becomes one is captured
/// too; and the simulator's addresses never leave this machine.
fn is_captured(delivery: &Delivery, message: &Message, settings: &Settings) -> bool {
    message.sandboxed_at.is_some() || settings.mode == Mode::Sandbox || simulator::is_played(&delivery.recipient)
}

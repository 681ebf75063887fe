//! A message: what was accepted, whole and unchangeable, and the forms in which its body is kept.

use crate::base::clock::Time;
use crate::base::id::{MessageId, TenantId};
use crate::mail::domain_name::DomainName;
use crate::mail::envelope::ReversePath;

/// The door through which a message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    Submitted,
    Api,
    Arrived,
    Collected,
    Answered,
    Generated,
}

impl Origin {
    pub const ALL: [Self; 6] =
        [Self::Submitted, Self::Api, Self::Arrived, Self::Collected, Self::Answered, Self::Generated];

    pub fn word(self) -> &'static str {
        match self {
            Self::Submitted => "submitted",
            Self::Api => "api",
            Self::Arrived => "arrived",
            Self::Collected => "collected",
            Self::Answered => "answered",
            Self::Generated => "generated",
        }
    }
}

/// What is known of a message beside its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub id: MessageId,
    pub tenant: TenantId,
    pub origin: Origin,
    /// The credential, key or user that gave it to us; none for mail from the world.
    pub submitter: Option<String>,
    pub peer: Option<String>,
    pub sender: ReversePath,
    pub from_domain: DomainName,
    pub subject: String,
    /// The Message-ID header field.
    pub header_id: String,
    pub stream: String,
    pub size: u64,
    /// Set at accept and kept for ever: what was taken in the sandbox never leaves it.
    pub sandboxed_at: Option<Time>,
    pub template: Option<String>,
    /// JSON: tags, metadata, removed control headers, envelope parameters.
    pub details: String,
    pub created_at: Time,
}

/// Which bytes of a message: what deliveries send, or what the client gave us before we changed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Form {
    Prepared,
    Submitted,
}

impl Form {
    pub const ALL: [Self; 2] = [Self::Prepared, Self::Submitted];

    pub fn word(self) -> &'static str {
        match self {
            Self::Prepared => "prepared",
            Self::Submitted => "submitted",
        }
    }
}

//! What the file says of a tenant. Its row in the store is `people::Tenant`; one that has no table here
//! has no limits of its own.

use super::name::Name;
use super::rate::Rate;
use crate::base::settings::{settings, words};

settings! {
    /// What an organisation may send, for all its domains and credentials together. One without such a
    /// table is not limited.
    pub struct TenantLimits in "[[tenant]]" {
        /// What domains, credentials and mailboxes call it.
        live name: Name = required("\"acme\""),
        /// How many messages it may send; empty: no limit.
        live limits: Vec<Rate> = default(Vec::new(), "[\"200/minute\", \"50000/day\"]"),
        /// To how many recipients it may send; empty: no limit.
        live recipient_limits: Vec<Rate> = default(Vec::new(), "[\"100000/day\"]"),
        /// How its senders hear of mail that is not delivered: report (a message to the sender) or event
        /// (events and webhooks only, no message).
        live bounces: Bounces = default(Bounces::Report),
    }
}

words! {
    /// How a sender hears what became of a message.
    pub enum Bounces {
        /// RFC 3464.
        Report = "report",
        /// Programs read events.
        Event = "event",
    }
}

//! An inbox of the desk: mail to its address becomes tickets.

use super::name::Name;
use crate::base::settings::settings;
use crate::mail::address::Address;
use crate::mail::domain_name::DomainName;

settings! {
    /// An inbox of the desk: mail to its address becomes tickets, answers leave from it.
    pub struct Mailbox in "[[mailbox]]" {
        /// What routes call it.
        live name: Name = required("\"support\""),
        /// Its address, in one of our domains.
        live address: Address = required("\"support@example.com\""),
        /// The domain of addresses that carry an answer back to its ticket; absent: support+token@example.com.
        live reply_domain: Option<DomainName> = optional("\"reply.example.com\""),
        /// The organisation it belongs to.
        live tenant: Name = default(Name::default_tenant()),
    }
}

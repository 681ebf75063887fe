//! Addresses of ours that mail leaves from.

use super::host::Host;
use super::name::Name;
use crate::base::settings::settings;
use crate::mail::domain_name::DomainName;
use std::net::IpAddr;

settings! {
    /// A pool of our own addresses that mail leaves from, each with the name its reverse DNS has.
    pub struct Source in "[[source]]" {
        /// What domains and destinations call it.
        live name: Name = required("\"pool\""),
        /// The addresses, taken in turn; the machine must have them.
        live addresses: Vec<SourceAddress> = required("[{ address = \"192.0.2.1\", hello = \"out1.example.com\" }]"),
    }
}

settings! {
    /// One address to go out from.
    pub struct SourceAddress in "addresses" {
        /// The address.
        live address: IpAddr = required("\"192.0.2.1\""),
        /// What we call ourselves there (EHLO): the name that the address has in the DNS; absent: [server]
        /// hostname.
        live hello: Option<DomainName> = optional("\"out1.example.com\""),
    }
}

impl Source {
    /// Has it an address from which this host can be connected to? A name may have addresses of both families.
    pub fn reaches(&self, host: &Host) -> bool {
        match host {
            Host::Name(_) => true,
            Host::Address(to) => {
                let to = to.to_canonical();
                self.addresses.iter().any(|from| from.address.to_canonical().is_ipv4() == to.is_ipv4())
            }
        }
    }
}

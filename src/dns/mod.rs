//! Questions to the DNS.

pub mod settings;

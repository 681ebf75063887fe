//! TLS certificates.

pub mod settings;

//! The certificates that our listeners show.

use crate::base::settings::settings;
use std::path::PathBuf;

settings! {
    /// The certificate that our listeners show; without one, a self-signed one is made at first start.
    pub struct Settings in "[tls]" {
        /// The file of the certificate and its chain, in PEM; read again at each reload.
        live certificate: Option<PathBuf> = optional("\"certs/server.pem\""),
        /// The file of its private key, in PEM.
        live key: Option<PathBuf> = optional("\"certs/server.key\""),
    }
}

settings! {
    /// Further certificates, for clients that ask for one of their names (SNI); all others are shown the
    /// one of `[tls]`.
    pub struct Certificate in "[[certificate]]" {
        /// The file of the certificate and its chain, in PEM; its own DNS names say when it is shown.
        live certificate: PathBuf = required("\"certs/mail.example.net.pem\""),
        /// The file of its private key, in PEM.
        live key: PathBuf = required("\"certs/mail.example.net.key\""),
    }
}

//! The certificate authorities that we believe: the system's, which its admin keeps, or Mozilla's list as it
//! was when this program was built where the system has none (a bare container).

use super::happenings::RootsUnread;
use crate::base::observe::Happening;
use rustls::RootCertStore;
use std::sync::{Arc, OnceLock};

/// Read once: a change of the system's list is taken at the next start.
pub fn trusted() -> Arc<RootCertStore> {
    static TRUSTED: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    Arc::clone(TRUSTED.get_or_init(|| Arc::new(load())))
}

fn load() -> RootCertStore {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // A list of hundreds has some that no library reads; they are left out, as everywhere.
    let (taken, _) = roots.add_parsable_certificates(found.certs);
    if taken == 0 {
        RootsUnread { why: found.errors.first().map(ToString::to_string) }.record();
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_always_somebody_to_believe() {
        assert!(!trusted().is_empty());
    }
}

//! The keys that sign a domain's mail.

use crate::base::settings::words;

words! {
    /// What a key signs with.
    pub enum Algorithm {
        Rsa = "rsa",
        Ed25519 = "ed25519",
    }
}

impl std::fmt::Display for Algorithm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

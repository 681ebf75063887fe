//! Files that the settings name: they must be there, and private keys must be private.

use super::Survey;
use crate::deliver::outcome::Replies;
use crate::proof::PrivateKey;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Whether others may read a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Private {
    Yes,
    No,
}

impl Survey<'_> {
    pub(super) fn files_are_there(&mut self) {
        let config = self.config;
        if let Some(file) = &config.tls.certificate {
            self.file_is_there("the certificate", file, "tls.certificate", Private::No);
        }
        if let Some(file) = &config.tls.key {
            self.file_is_there("the key", file, "tls.key", Private::Yes);
        }
        self.certificate_has_its_key();
        for (i, pair) in config.certificate.iter().enumerate() {
            let path = format!("certificate[{i}].certificate");
            self.file_is_there("the certificate", &pair.certificate, &path, Private::No);
            self.file_is_there("the key", &pair.key, &format!("certificate[{i}].key"), Private::Yes);
        }
        if let Some(file) = &config.dns.zone_file {
            self.file_is_there("the zone", file, "dns.zone_file", Private::No);
        }
        self.replies_can_be_read();
        for (i, domain) in config.domain.iter().enumerate() {
            for (j, dkim) in domain.dkim.iter().enumerate() {
                let path = format!("domain[{i}].dkim[{j}].key");
                if self.file_is_there("the key", &dkim.key, &path, Private::Yes) {
                    self.key_signs(&dkim.key, &path);
                }
            }
        }
    }

    fn key_signs(&mut self, file: &Path, path: &str) {
        if let Err(why) = PrivateKey::open(file) {
            let message = format!("the key {} cannot be used: {why}", file.display());
            self.error(path, message, |finding| finding.label("named here"));
        }
    }

    fn replies_can_be_read(&mut self) {
        let Some(file) = &self.config.delivery.replies else { return };
        if let Err(why) = Replies::open(Some(file)) {
            let message = format!("the replies {} cannot be used: {why}", file.display());
            self.error("delivery.replies", message, |finding| finding.label("named here"));
        }
    }

    fn certificate_has_its_key(&mut self) {
        let given = |key| self.source.is_given(key);
        match (given("tls.certificate"), given("tls.key")) {
            (true, false) => {
                let message = "a certificate without its key".to_owned();
                self.error("tls.certificate", message, |finding| finding.help("add key = \"…\", the file of its key"));
            }
            (false, true) => {
                let message = "a key without its certificate".to_owned();
                self.error("tls.key", message, |f| f.help("add certificate = \"…\", the file of its certificate"));
            }
            _ => {}
        }
    }

    /// False when there is an error; a warning is none.
    fn file_is_there(&mut self, what: &str, file: &Path, path: &str, private: Private) -> bool {
        let shown = file.display();
        let metadata = match std::fs::metadata(file) {
            Ok(metadata) => metadata,
            Err(why) => {
                self.error(path, format!("{what} {shown} cannot be read"), |f| f.label(why.to_string()));
                return false;
            }
        };
        if !metadata.is_file() {
            self.error(path, format!("{what} {shown} cannot be read"), |finding| finding.label("not a regular file"));
            return false;
        }
        if private == Private::Yes && metadata.permissions().mode() & 0o004 != 0 {
            self.warning(path, format!("{what} {shown} can be read by everyone"), |finding| {
                finding.label("readable by every user of this machine").help(format!("chmod o-r {shown}"))
            });
        }
        true
    }
}

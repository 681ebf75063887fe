//! A certificate of our own making, so that TLS is offered from the first minute. Mail servers take
//! any certificate when they encrypt opportunistically (RFC 7435); people's mail programs ask, and
//! for those the admin names a real one in `[tls]`.

use super::files::{self, BadPair};
use super::{Pair, is_for};
use crate::base::pem::BadPem;
use crate::mail::domain_name::DomainName;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

const CERTIFICATE: &str = "self-signed.pem";
const KEY: &str = "self-signed.key";

/// Ten years: nobody renews it, and nobody checks its dates who takes it at all.
const LIFE: Duration = Duration::from_secs(10 * 365 * 86_400);

/// A clock that is off by a day must not make the new certificate one of the future.
const BACKDATED: Duration = Duration::from_secs(86_400);

/// The pair in this directory, or a new one when there is none, its halves do not fit (a crash came
/// between them), or it is for another hostname. A pair that is there but cannot be read is an
/// error: making another would not cure what keeps us from reading.
pub fn load_or_make(hostname: &DomainName, directory: &Path) -> Result<Pair, BadPair> {
    let (certificate, key) = (directory.join(CERTIFICATE), directory.join(KEY));
    match files::load(&certificate, &key) {
        Ok(pair) if is_for(&pair, hostname) => return Ok(pair),
        Err(why @ BadPair::Pem { why: BadPem::Unreadable(_), .. }) if !is_absent(&why) => return Err(why),
        Ok(_) | Err(_) => {}
    }
    make(hostname, directory).map_err(|why| BadPair::NotMade { path: directory.to_owned(), why: why.to_string() })?;
    files::load(&certificate, &key)
}

fn is_absent(why: &BadPair) -> bool {
    matches!(why, BadPair::Pem { why: BadPem::Unreadable(why), .. } if why.kind() == io::ErrorKind::NotFound)
}

fn make(hostname: &DomainName, directory: &Path) -> io::Result<()> {
    let key = rcgen::KeyPair::generate().map_err(io::Error::other)?;
    let mut params = rcgen::CertificateParams::new([hostname.to_string()]).map_err(io::Error::other)?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, hostname.to_string());
    let now = time::OffsetDateTime::now_utc();
    (params.not_before, params.not_after) = (now - BACKDATED, now + LIFE);
    let certificate = params.self_signed(&key).map_err(io::Error::other)?;

    fs::DirBuilder::new().recursive(true).mode(0o755).create(directory)?;
    // The key first: after a crash in between, the old certificate does not fit it, and both are made anew.
    let secret = zeroize::Zeroizing::new(key.serialize_pem());
    replace(directory, KEY, 0o600, secret.as_bytes())?;
    replace(directory, CERTIFICATE, 0o644, certificate.pem().as_bytes())?;
    fs::File::open(directory)?.sync_all()
}

/// Writes beside and renames: a reader sees the old file or the new, whole. The file is created with
/// its mode, and only if it was not there, so a key never stands open even for a moment.
fn replace(directory: &Path, name: &str, mode: u32, bytes: &[u8]) -> io::Result<()> {
    let beside = directory.join(format!(".{name}.new"));
    match fs::remove_file(&beside) {
        Err(why) if why.kind() != io::ErrorKind::NotFound => return Err(why),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, directory.join(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn name(text: &str) -> DomainName {
        text.parse().unwrap()
    }

    fn first(pair: &Pair) -> Vec<u8> {
        pair.0.cert[0].to_vec()
    }

    #[test]
    fn made_once_and_used_again_with_a_key_for_the_owner_alone() {
        let data = tempfile::tempdir().unwrap();
        let directory = data.path().join("tls");
        let made = load_or_make(&name("mail.example.com"), &directory).unwrap();
        assert!(is_for(&made, &name("mail.example.com")) && !is_for(&made, &name("example.com")));
        let again = load_or_make(&name("mail.example.com"), &directory).unwrap();
        assert_eq!(first(&made), first(&again));
        let mode = |file: &str| fs::metadata(directory.join(file)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(KEY), mode(CERTIFICATE)), (0o600, 0o644));
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 2);
    }

    #[test]
    fn another_hostname_or_a_half_written_pair_gets_a_new_one() {
        let data = tempfile::tempdir().unwrap();
        let (directory, host) = (data.path().to_owned(), name("a.example"));
        let old = load_or_make(&host, &directory).unwrap();
        let renamed = load_or_make(&name("b.example"), &directory).unwrap();
        assert!(is_for(&renamed, &name("b.example")));
        assert_ne!(first(&old), first(&renamed));
        fs::write(directory.join(KEY), rcgen::KeyPair::generate().unwrap().serialize_pem()).unwrap();
        load_or_make(&name("b.example"), &directory).unwrap();
        fs::remove_file(directory.join(CERTIFICATE)).unwrap();
        fs::write(directory.join(format!(".{CERTIFICATE}.new")), "left by a crash").unwrap();
        load_or_make(&name("b.example"), &directory).unwrap();
    }

    #[test]
    fn a_pair_that_cannot_be_read_is_not_replaced() {
        let data = tempfile::tempdir().unwrap();
        fs::create_dir(data.path().join(CERTIFICATE)).unwrap();
        let why = load_or_make(&name("a.example"), data.path()).unwrap_err();
        assert!(matches!(why, BadPair::Pem { why: BadPem::Unreadable(_), .. }), "{why}");
    }
}

//! OpenDKIM, Debian's own, which signs for Postfix as its milter: RSA-2048, relaxed/relaxed.

use crate::peers;
use crate::warden::Warded;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::prelude::{BASE64_STANDARD, Engine};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub const SELECTOR: &str = "bench";
const PATIENCE: Duration = Duration::from_secs(10);

/// A milter to be started beside each Postfix, and the key that all signers use.
#[derive(Clone)]
pub struct Signer {
    pub address: SocketAddr,
    pub key: PathBuf,
    domain: &'static str,
}

impl Signer {
    /// With a new key in this folder.
    pub fn new(folder: &Path, domain: &'static str) -> Self {
        let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let der: Pkcs8V1Der = key.as_der().unwrap();
        let text = BASE64_STANDARD.encode(der.as_ref());
        let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"));
        let path = folder.join("bench.pem");
        std::fs::write(&path, pem).unwrap();
        Self { address: crate::ports::loopback(), key: path, domain }
    }

    pub fn start(&self, folder: &Path) -> Warded {
        let Self { address, key, domain } = self;
        let (port, key) = (address.port(), key.display());
        let conf = folder.join("opendkim.conf");
        let text = format!(
            "Mode s\nSyslog no\nRequireSafeKeys no\nSocket inet:{port}@{}\nDomain {domain}\nSelector {SELECTOR}\n\
             KeyFile {key}\nCanonicalization relaxed/relaxed\nSignatureAlgorithm rsa-sha256\nOversignHeaders From\n",
            address.ip()
        );
        std::fs::write(&conf, text).unwrap();
        let mut command = peers::opendkim();
        command.arg("-f").arg("-x").arg(&conf);
        let warded = Warded::start(command.current_dir(folder));
        let deadline = Instant::now() + PATIENCE;
        while std::net::TcpStream::connect(address).is_err() {
            assert!(Instant::now() < deadline, "opendkim does not listen at {address}");
            std::thread::sleep(Duration::from_millis(5));
        }
        warded
    }
}

//! The daemons that stories are told to: one for each `given`, shared by all stories that name it, and
//! gone with the test process however that ends.

use crate::running::{Daemon, Yard};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Runs the daemon until the pipe from this process closes, also by `kill -9`; then removes its folder.
const WATCHDOG: &str = r#"
folder=$1; shift
trap '' INT HUP
"$@" & daemon=$!
exec >/dev/null 2>&1
read -r word
kill -KILL "$daemon"
wait "$daemon"
rm -rf "$folder"
"#;

pub struct House {
    daemon: Mutex<Daemon>,
    folder: PathBuf,
    doors: HashMap<String, SocketAddr>,
    /// Trusts the certificate of this daemon and no other.
    pub trust: Arc<ClientConfig>,
}

impl House {
    /// The one of this name, started by whoever asks first.
    pub fn given(name: &str) -> Arc<Self> {
        type Houses = Mutex<HashMap<String, Arc<OnceLock<Arc<House>>>>>;
        static HOUSES: OnceLock<Houses> = OnceLock::new();
        let mut houses = HOUSES.get_or_init(Houses::default).lock().unwrap_or_else(PoisonError::into_inner);
        let house = houses.entry(name.to_owned()).or_default().clone();
        drop(houses);
        house.get_or_init(|| Arc::new(Self::start(name))).clone()
    }

    fn start(name: &str) -> Self {
        let given = super::transcripts().join("given");
        let configuration = std::fs::read_to_string(given.join(format!("{name}.toml"))).unwrap_or_else(|why| {
            panic!("given {name}: tests/transcripts/given/{name}.toml: {why}");
        });
        let yard = Yard::with(&configuration);
        for file in std::fs::read_dir(&given).unwrap().map(|file| file.unwrap().path()) {
            if file.extension().is_some_and(|kind| kind == "zone") {
                std::fs::copy(&file, yard.path(file.file_name().unwrap().to_str().unwrap())).unwrap();
            }
        }
        let folder = yard.folder().to_owned();
        let mut command = yard.through(&["sh", "-c", WATCHDOG, "sh", folder.to_str().unwrap()], &["serve"]);
        command.stdin(Stdio::piped());
        let daemon = yard.launch_as(command).ready();
        let doors = doors(&configuration, &daemon);
        // From here on the watchdog removes it.
        std::mem::forget(yard);
        let trust = trusting(&folder);
        Self { daemon: Mutex::new(daemon), folder, doors, trust }
    }

    pub fn door(&self, name: &str) -> Result<SocketAddr, String> {
        self.doors.get(name).copied().ok_or_else(|| format!("no door {name}: there are {:?}", self.doors.keys()))
    }

    pub fn database(&self) -> PathBuf {
        self.data("gatepost.db")
    }

    pub fn data(&self, name: &str) -> PathBuf {
        self.folder.join("data").join(name)
    }

    /// What the daemon logged about this address.
    pub fn log_about(&self, me: &str) -> String {
        let about =
            |line: &String| line.contains(&format!("{me}:")) || line.contains("ERROR") || line.contains("panic");
        self.daemon
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .log()
            .into_iter()
            .filter(about)
            .collect::<Vec<_>>()
            .join("\n")
    }
}

/// `# door NAME` stands above each listener of a given configuration.
fn doors(configuration: &str, daemon: &Daemon) -> HashMap<String, SocketAddr> {
    let (mut doors, mut met) = (HashMap::new(), HashMap::<&str, usize>::new());
    let mut name = None;
    for line in configuration.lines() {
        name = line.strip_prefix("# door ").or(name);
        let Some(kind) = line.strip_prefix("kind = ").map(|kind| kind.trim_matches('"')) else { continue };
        let nth = met.entry(kind).or_default();
        let name = name.take().unwrap_or_else(|| panic!("a listener without its `# door NAME`:\n{configuration}"));
        doors.insert(name.to_owned(), daemon.addresses(kind)[*nth]);
        *nth += 1;
    }
    doors
}

fn trusting(folder: &std::path::Path) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.join("data/tls/self-signed.pem")).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap();
    Arc::new(config.with_root_certificates(roots).with_no_client_auth())
}

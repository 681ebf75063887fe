//! The servers that are measured, each with a queue of its own in an empty folder. What they are told to do
//! there stands with whoever measures it.

use crate::opendkim::Signer;
use crate::peers::Postfix;
use crate::warden::{self, Warded};
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    Gatepost,
    Postfix,
}

/// A server at work.
pub struct Working {
    server: Server,
    pub folder: PathBuf,
    pub address: SocketAddr,
    pub warded: Warded,
    /// What signs for it.
    beside: Option<Warded>,
}

impl Server {
    /// Starts it with its queue in a folder of that name, and answers when it greets.
    pub fn start(self, image: &Path, setup: &Setup) -> Working {
        let folder = image.join(format!("{self:?}"));
        std::fs::create_dir(&folder).unwrap();
        let address = crate::ports::loopback();
        let mut command = match self {
            Self::Gatepost => gatepost(&folder, address, setup),
            Self::Postfix => Postfix::below(&folder, address, &setup.postfix).master(),
        };
        command.envs(setup.environment.iter().map(|(name, value)| (name, value)));
        let beside = match (self, &setup.signer) {
            (Self::Postfix, Some(signer)) => Some(signer.start(&folder)),
            _ => None,
        };
        let warded = Warded::start(command.current_dir(&folder));
        let working = Working { server: self, folder, address, warded, beside };
        working.greets();
        working
    }
}

impl Working {
    fn greets(&self) {
        let deadline = Instant::now() + PATIENCE;
        let greeted = || {
            let stream = TcpStream::connect(self.address).ok()?;
            stream.set_read_timeout(Some(PATIENCE)).ok()?;
            let mut greeting = String::new();
            BufReader::new(stream).read_line(&mut greeting).ok()?;
            greeting.starts_with("220").then_some(())
        };
        while greeted().is_none() {
            assert!(Instant::now() < deadline, "{:?} does not greet at {}\n{}", self.server, self.address, self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends it; the CPU time that it used, and what is then asked of its folder.
    pub fn stop<T>(self, ask: impl FnOnce(Server, &Path) -> T) -> (Duration, T) {
        let Self { server, folder, warded, beside, .. } = self;
        let used = warded.stop() + beside.map_or(Duration::ZERO, Warded::stop);
        let answer = ask(server, &folder);
        std::fs::remove_dir_all(&folder).unwrap();
        (used, answer)
    }

    /// Memory of all its processes now.
    pub fn memory(&self) -> u64 {
        self.warded.memory() + self.beside.as_ref().map_or(0, Warded::memory)
    }

    /// Its last words.
    pub fn log(&self) -> String {
        let log = std::fs::read_to_string(self.folder.join(warden::LOG)).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

/// What a server is told beside who and where it is.
pub struct Setup {
    /// Behind `[server]`, at the door of this address.
    pub gatepost: Box<dyn Fn(SocketAddr) -> String>,
    /// The names that Gatepost is to look up.
    pub zone: &'static str,
    /// At the end of `main.cf`.
    pub postfix: String,
    /// The milter that signs for Postfix.
    pub signer: Option<Signer>,
    /// For all processes of the server.
    pub environment: Vec<(&'static str, PathBuf)>,
}

fn gatepost(folder: &Path, address: SocketAddr, setup: &Setup) -> Command {
    let rest = (setup.gatepost)(address);
    let text = format!(
        "[server]\nhostname = \"mail.example.test\"\ndata_dir = \"data\"\n[dns]\nzone_file = \"world.zone\"\n{rest}"
    );
    let path = folder.join("gatepost.toml");
    std::fs::write(&path, text).unwrap();
    std::fs::write(folder.join("world.zone"), setup.zone).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatepost"));
    command.arg("serve").arg("--config").arg(path);
    command
}

/// How many files lie below a folder.
pub fn files(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| if entry.path().is_dir() { files(&entry.path()) } else { 1 }).sum()
}

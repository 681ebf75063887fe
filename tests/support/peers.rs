//! Postfix beside us: Debian's own programs, unpacked under `target/peers/postfix` by `make packages` and
//! run from there, with a configuration, a queue and a log in a folder of the caller's. Nothing of the
//! system is used or changed: no service, no user, no file outside that folder.
//!
//! This lays it out and says how it is started; whoever starts it also ends it: the tests by a watchdog
//! (clients/watched.rs), the benches by a warden that counts what it used.

use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Users that every Debian has. Postfix wants three that differ, and none of them needs to be its own
/// when the queue is not.
const OWNER: &str = "daemon";
const GROUP: &str = "mail";
const UNPRIVILEGED: &str = "nobody";

/// Its queue: what its owner alone may enter, and what programs reach by its group.
const PRIVATE: [&str; 12] = [
    "active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "saved", "trace",
    "data",
];
const SHARED: [&str; 2] = ["maildrop", "public"];

/// The unpacked programs.
#[derive(Clone)]
pub struct Programs(PathBuf);

impl Programs {
    pub fn find() -> Self {
        let found = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers/postfix");
        let there = found.join("usr/lib/postfix/sbin/master").exists();
        assert!(there, "Debian's package postfix is needed: `make packages` unpacks it under target/peers");
        Self(found)
    }

    /// A program for users and admins: `postqueue`, `smtp-source`, …
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.below("usr/sbin").join(program));
        command.envs(self.environment()).stdin(Stdio::null());
        command
    }

    fn below(&self, folder: &str) -> PathBuf {
        self.0.join(folder)
    }

    fn environment(&self) -> [(&'static str, PathBuf); 2] {
        let of_this_machine = libraries(&self.0);
        let path = [self.below("usr/lib/postfix"), of_this_machine.clone()];
        let path = std::env::join_paths(path).expect("a path without a colon");
        [("LD_LIBRARY_PATH", path.into()), ("SASL_PATH", of_this_machine.join("sasl2"))]
    }
}

/// OpenDKIM's milter, unpacked beside it.
#[allow(dead_code, reason = "the tests sign for themselves")]
pub fn opendkim() -> Command {
    let found = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers/opendkim");
    let program = found.join("usr/sbin/opendkim");
    assert!(program.exists(), "Debian's package opendkim is needed: `sh tests/support/peers.sh opendkim` unpacks it");
    let mut command = Command::new(program);
    let path = std::env::join_paths([libraries(&found), found.join("usr/lib")]).expect("a path without a colon");
    command.env("LD_LIBRARY_PATH", path).stdin(Stdio::null());
    command
}

/// The folder of the libraries that were unpacked with a program.
fn libraries(below: &Path) -> PathBuf {
    let libraries = below.join("usr/lib");
    let folders = std::fs::read_dir(&libraries).into_iter().flatten().flatten().map(|entry| entry.path());
    let of_this_machine = folders.filter(|path| path.to_string_lossy().ends_with("-linux-gnu"));
    of_this_machine.last().unwrap_or(libraries)
}

/// A Postfix with a folder of its own, not yet running.
pub struct Postfix {
    programs: Programs,
    folder: PathBuf,
}

impl Postfix {
    /// Lays out everything it needs below this empty folder, with these lines at the end of `main.cf`, and
    /// with an SMTP server at this address.
    pub fn below(folder: &Path, smtpd: SocketAddr, main: &str) -> Self {
        let root = std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
        assert!(root, "Postfix starts as root only, and so do the tests that need it");
        let (owner, group) = (number("/etc/passwd", OWNER), number("/etc/group", GROUP));
        let queue = folder.join("queue");
        for name in PRIVATE {
            make(&queue.join(name), 0o700, Some(owner), None);
        }
        for name in SHARED {
            make(&queue.join(name), 0o730, Some(owner), Some(group));
        }
        make(&queue.join("pid"), 0o755, None, None);
        let postfix = Self { programs: Programs::find(), folder: folder.to_owned() };
        let etc = postfix.etc();
        make(&etc, 0o755, None, None);
        std::fs::write(etc.join("main.cf"), postfix.main(main)).unwrap();
        std::fs::write(etc.join("master.cf"), services(smtpd)).unwrap();
        postfix
    }

    /// What Debian's package would have set for its places, and what keeps it at home: no aliases, no
    /// names from the network, no IPv6.
    fn main(&self, rest: &str) -> String {
        let (folder, programs) = (self.folder.display(), self.programs.0.display());
        format!(
            "compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/queue/data
command_directory = {programs}/usr/sbin
daemon_directory = {programs}/usr/lib/postfix/sbin
shlib_directory = {programs}/usr/lib/postfix
meta_directory = {programs}/usr/share/postfix
mail_owner = {OWNER}
setgid_group = {GROUP}
default_privs = {UNPRIVILEGED}
import_environment = MAIL_CONFIG LD_LIBRARY_PATH SASL_PATH TZ
maillog_file = {log}
maillog_file_prefixes = {folder}
myhostname = postfix.example.test
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
local_recipient_maps =
smtp_host_lookup = native
smtpd_peername_lookup = no
smtpd_recipient_restrictions = permit_mynetworks, reject
{rest}
",
            log = self.log_file().display()
        )
    }

    /// Its master, which stays in front of whoever starts it and ends all of its processes on SIGTERM.
    pub fn master(&self) -> Command {
        let mut command = Command::new(self.programs.below("usr/lib/postfix/sbin/master"));
        command.arg("-c").arg(self.etc()).stdin(Stdio::null());
        // Its children get no more of it than main.cf lets through.
        command.envs(self.programs.environment()).env("MAIL_CONFIG", self.etc());
        command
    }

    fn etc(&self) -> PathBuf {
        self.folder.join("etc")
    }

    /// Where its log goes, unless the caller's lines say otherwise.
    pub fn log_file(&self) -> PathBuf {
        self.folder.join("log")
    }
}

/// Its processes as Debian starts them, but none of them in a chroot, whose libraries nobody copied.
fn services(smtpd: SocketAddr) -> String {
    format!(
        "{smtpd} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"
    )
}

fn make(folder: &Path, mode: u32, owner: Option<u32>, group: Option<u32>) {
    std::fs::create_dir_all(folder).unwrap_or_else(|why| panic!("{}: {why}", folder.display()));
    chown(folder, owner, group).unwrap();
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// The number of a user or group: third in its line of either file.
fn number(file: &str, name: &str) -> u32 {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find(|line| line.split(':').next() == Some(name));
    let number = line.and_then(|line| line.split(':').nth(2)).and_then(|number| number.parse().ok());
    number.unwrap_or_else(|| panic!("no {name} in {file}: the package base-passwd has it"))
}

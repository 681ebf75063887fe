//! Exim as our client: it sends by BDAT (RFC 3030), the whole message in one chunk behind its envelope.
//!
//! Unpacked under `target/peers/exim` by `make packages` and run from a copy. Debian's Exim insists on a
//! user of its own, so it runs where it sees one: in a mount namespace whose /etc/passwd names it.

use super::{House, LOGIN, MESSAGE, PASSWORD, STRANGER, ca};
use crate::running::Yard;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

const USER: &str = "Debian-exim";
const NUMBER: u32 = 64_000;

/// Binds both files over the system's, where nobody else sees it, and becomes Exim.
const INSIDE: &str = r#"mount --bind "$1" /etc/passwd && mount --bind "$2" /etc/group && shift 2 && exec "$@""#;

/// Exim with a message on its standard input, for this door; it ends when it has delivered.
fn exim(house: &House, door: SocketAddr, login: &str, from: &str, to: &[&str]) -> Command {
    let message = house.file(&MESSAGE.replace("\r\n", "\n"));
    // Exim gives up root before it reads it, and this tree may lie where root alone goes.
    let ca = readable(&house.yard, "ca.pem", &std::fs::read_to_string(ca()).unwrap());
    let mut command = Exim::unpack(&house.yard).command(&configuration(&ca, door, login));
    // Deliver before it ends; lines of one dot are lines; this sender.
    command.args(["-odf", "-oi", "-f", from]).args(to).stdin(File::open(message).unwrap());
    command
}

/// Exim with a spool of its own below a yard.
pub struct Exim<'a> {
    yard: &'a Yard,
    programs: PathBuf,
}

impl<'a> Exim<'a> {
    pub fn unpack(yard: &'a Yard) -> Self {
        let spool = yard.path("spool");
        std::fs::create_dir(&spool).unwrap();
        std::os::unix::fs::chown(&spool, Some(NUMBER), Some(NUMBER)).unwrap();
        Self { yard, programs: unpacked(yard) }
    }

    /// Inside its namespace, with this behind what every configuration has; what it shall do comes behind that.
    pub fn command(&self, configuration: &str) -> Command {
        let (yard, program) = (self.yard, self.programs.join("usr/sbin/exim4"));
        let configuration = format!(
            "exim_path = {}
spool_directory = {spool}
log_file_path = {spool}/%slog
primary_hostname = exim.example.test
keep_environment = LD_LIBRARY_PATH
disable_ipv6 = true
{configuration}",
            program.display(),
            spool = yard.path("spool").display(),
        );
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", INSIDE, "sh"]);
        command.arg(with_user(yard, "/etc/passwd", &format!("{USER}:x:{NUMBER}:{NUMBER}::/:/bin/false")));
        command.arg(with_user(yard, "/etc/group", &format!("{USER}:x:{NUMBER}:")));
        command.arg(program).arg("-C").arg(readable(yard, "exim.conf", &configuration));
        command.env("LD_LIBRARY_PATH", libraries(&self.programs));
        command
    }
}

fn configuration(ca: &Path, door: SocketAddr, login: &str) -> String {
    format!(
        "begin routers
all:
  driver = manualroute
  route_list = * 127.0.0.1::{port} byname
  self = send
  transport = remote
begin transports
remote:
  driver = smtp
  port = {port}
  hosts_require_tls = *
  tls_verify_certificates = {ca}
  tls_verify_hosts = *
{login}",
        port = door.port(),
        ca = ca.display(),
    )
}

/// A copy that any user can reach, wherever this tree lies.
fn unpacked(yard: &Yard) -> PathBuf {
    let peer = crate::source::root().join("target/peers/exim");
    let there = peer.join("usr/sbin/exim4").exists();
    assert!(there, "Debian's package exim4-daemon-light is needed: `make packages` unpacks it under target/peers");
    let copy = yard.path("exim");
    let copied = Command::new("cp").arg("-r").arg(peer).arg(&copy).status().unwrap();
    assert!(copied.success());
    copy
}

fn libraries(programs: &Path) -> String {
    let folders = std::fs::read_dir(programs.join("usr/lib")).into_iter().flatten().flatten();
    folders.map(|folder| folder.path().display().to_string()).collect::<Vec<_>>().join(":")
}

fn with_user(yard: &Yard, file: &str, line: &str) -> PathBuf {
    let text = std::fs::read_to_string(file).unwrap();
    readable(yard, Path::new(file).file_name().unwrap().to_str().unwrap(), &format!("{text}{line}\n"))
}

pub fn readable(yard: &Yard, name: &str, text: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = yard.write(name, text);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    path
}

/// What it wrote of the delivery; C is our reply, K is its sign for CHUNKING.
fn log(house: &House) -> String {
    std::fs::read_to_string(house.yard.path("spool/mainlog")).unwrap_or_default()
}

#[test]
fn delivers_to_the_mx_in_one_chunk() {
    let house = House::open();
    let mut command = exim(&house, house.mx, "", STRANGER, &["one@example.com", "two@example.com"]);
    house.runs("util-linux", &mut command);
    let log = log(&house);
    assert_eq!(log.matches(" K C=\"250 2.0.0 ").count(), 2, "{log}");
    let mut stored = house.stored();
    assert_eq!(stored.len(), 1, "{log}");
    let one = stored.remove(0);
    assert_eq!(one.recipients, ["one@example.com", "two@example.com"]);
    let (trace, rest) = one.below_received();
    assert!(trace.contains(" with ESMTPS "), "{trace}");
    assert!(String::from_utf8_lossy(rest).ends_with(MESSAGE), "{}", rest.escape_ascii());
}

#[test]
fn submits_in_one_chunk() {
    let house = House::open();
    // In its language a backslash quotes what follows.
    let password = PASSWORD.replace('\\', "\\\\");
    let login = format!(
        "  hosts_require_auth = *
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  client_send = ^{LOGIN}^{password}
"
    );
    let mut command = exim(&house, house.starttls, &login, LOGIN, &["one@elsewhere.example"]);
    house.runs("util-linux", &mut command);
    let log = log(&house);
    assert!(log.contains(" A=plain K C=\"250 2.0.0 "), "{log}");
    let one = house.stored().remove(0);
    let (trace, rest) = one.below_received();
    assert!(trace.contains(" with ESMTPSA "), "{trace}");
    assert!(String::from_utf8_lossy(rest).ends_with(MESSAGE), "{}", rest.escape_ascii());
}

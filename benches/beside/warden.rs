//! What a server of any number of processes has used: the bench starts itself again as a warden, which
//! starts the server, inherits every process that it leaves behind, ends it when its own standard input
//! closes (also when the bench dies), reaps all of them, and says what they used together.

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::wait;
use nix::unistd::Pid;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

const WORD: &str = "warden";

/// Where a server's standard error goes, in the folder that it is started in.
pub const LOG: &str = "stderr";

/// A server with its warden.
pub struct Warded {
    warden: Child,
    pipe: Option<ChildStdin>,
    said: BufReader<ChildStdout>,
    pub pid: u32,
}

impl Warded {
    pub fn start(server: &Command) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg(WORD).arg(server.get_program()).args(server.get_args());
        command.envs(server.get_envs().filter_map(|(name, value)| Some((name, value?))));
        if let Some(folder) = server.get_current_dir() {
            command.current_dir(folder);
        }
        let mut warden = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(warden.stdout.take().unwrap());
        let mut pid = String::new();
        said.read_line(&mut pid).unwrap();
        let pid = pid.trim().parse().unwrap_or_else(|_| panic!("{server:?} does not start"));
        Self { pipe: warden.stdin.take(), warden, said, pid }
    }

    /// Ends the server in good order; the CPU time of all its processes from the first to the last.
    pub fn stop(mut self) -> Duration {
        drop(self.pipe.take());
        let mut used = String::new();
        self.said.read_to_string(&mut used).unwrap();
        self.warden.wait().unwrap();
        Duration::from_micros(used.trim().parse().unwrap_or_else(|_| panic!("the warden said {used:?}")))
    }

    /// Memory of all its processes now, in bytes: what they share is counted once.
    pub fn memory(&self) -> u64 {
        let family = descendants(self.warden.id());
        family.iter().map(|pid| 1024 * kilobytes(&format!("/proc/{pid}/smaps_rollup"), "Pss:")).sum()
    }
}

impl Drop for Warded {
    fn drop(&mut self) {
        drop(self.pipe.take());
        let _ = self.warden.wait();
    }
}

/// The named line of a file of /proc.
pub fn kilobytes(file: &str, name: &str) -> u64 {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let value = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    value.trim().trim_end_matches(" kB").parse().unwrap_or(0)
}

fn descendants(of: u32) -> Vec<u32> {
    let pids = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let parents: Vec<(u32, u32)> = pids.filter_map(|pid| Some((pid, parent_of(pid)?))).collect();
    let mut family = vec![of];
    let mut at = 0;
    while let Some(parent) = family.get(at).copied() {
        family.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| pid));
        at += 1;
    }
    family.split_off(1)
}

fn parent_of(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may hold anything: the fields begin behind its last bracket.
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// What the copy of the bench that is a warden does instead of all else.
pub fn serve_if_asked() {
    let mut words = std::env::args_os().skip(1);
    if words.next().is_none_or(|word| word != WORD) {
        return;
    }
    nix::sys::prctl::set_child_subreaper(true).unwrap();
    let mut command = Command::new(words.next().unwrap());
    command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(LOG).unwrap());
    let server = command.spawn().unwrap();
    println!("{}", server.id());
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    let _ = kill(Pid::from_raw(server.id() as i32), Signal::SIGTERM);
    // Until there is no child left, its own or inherited.
    while wait().is_ok() {}
    let used = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    let micros = |t: nix::sys::time::TimeVal| t.tv_sec() * 1_000_000 + t.tv_usec();
    println!("{}", micros(used.user_time()) + micros(used.system_time()));
    std::process::exit(0);
}

//! The real program as a child process: started in a folder of its own with a configuration of its own,
//! listened to line by line, and killed by its pid when the test lets go of it, however the test ends.
//!
//! Everything waits for an event (a line of the log, an answer, the end of the process) and gives up
//! after `PATIENCE` with all that was heard. Blocking, on purpose: a test of a process needs no runtime.

use gatepost::http::control;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::cell::Cell;
use std::fs::Permissions;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long anything may take on a busy machine before it counts as never.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Three doors on any free port, everything else as it is by default.
pub const DOORS: &str = r#"
[[listener]]
kind = "submission"
bind = ["127.0.0.1:0"]

[[listener]]
kind = "mx"
bind = ["127.0.0.1:0"]

[[http]]
bind = ["127.0.0.1:0"]
"#;

/// A folder with a configuration and a data directory.
pub struct Yard {
    folder: tempfile::TempDir,
}

impl Yard {
    /// An empty folder that every user may enter.
    pub fn empty() -> Self {
        let folder = tempfile::Builder::new().prefix("gatepost-").tempdir().unwrap();
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        Self { folder }
    }

    /// With `gatepost.toml`: the server's own table, then this.
    pub fn with(rest: &str) -> Self {
        let yard = Self::empty();
        yard.configure(rest);
        yard
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes `gatepost.toml` anew, with the data directory `data`.
    pub fn configure(&self, rest: &str) {
        self.configure_server("", rest);
    }

    /// The same, with more lines under `[server]`.
    pub fn configure_server(&self, server: &str, rest: &str) {
        self.write("gatepost.toml", &format!("{SERVER}{server}\n{rest}"));
    }

    /// Writes a file beside and renames it, so that nobody reads half of it; mode 0600.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let (path, beside) = (self.path(name), self.path(".new"));
        std::fs::write(&beside, text).unwrap();
        std::fs::set_permissions(&beside, Permissions::from_mode(0o600)).unwrap();
        std::fs::rename(&beside, &path).unwrap();
        path
    }

    /// The program in this folder, with nothing of the test's environment but PATH.
    pub fn command(&self, words: &[&str]) -> Command {
        self.through(&[], words)
    }

    /// The same, run by other programs that replace themselves by it (`unshare -n …`).
    pub fn through(&self, wrapper: &[&str], words: &[&str]) -> Command {
        let all: Vec<_> = [wrapper, &[env!("CARGO_BIN_EXE_gatepost")], words].concat();
        let mut command = Command::new(all[0]);
        command.args(&all[1..]).current_dir(self.folder()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).stdin(Stdio::null());
        command
    }

    /// A command that ends by itself, with the configuration of this folder.
    pub fn run(&self, words: &[&str]) -> Ran {
        Ran::of(self.command(words).env("GATEPOST_CONFIG", self.path("gatepost.toml")))
    }

    /// The daemon with the configuration of this folder, not waited for.
    pub fn launch(&self) -> Daemon {
        self.launch_as(self.command(&["serve"]))
    }

    pub fn launch_as(&self, mut command: Command) -> Daemon {
        command.env("GATEPOST_CONFIG", self.path("gatepost.toml"));
        Daemon::launch(command, self.path("data"))
    }

    /// The daemon, ready.
    pub fn start(&self) -> Daemon {
        self.launch().ready()
    }
}

const SERVER: &str = "[server]\nhostname = \"mail.example.com\"\ndata_dir = \"data\"\n";

/// A program that has ended.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// Runs it to its end, or ends it when patience does.
    pub fn of(command: &mut Command) -> Self {
        let spawned = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = spawned.unwrap_or_else(|why| panic!("{command:?}: {why}"));
        let (out, err) = (Log::of(child.stdout.take().unwrap()), Log::of(child.stderr.take().unwrap()));
        let ended = eventually(|| child.try_wait().unwrap());
        if ended.is_none() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let (out, err) = (out.whole(), err.whole());
        let ended = ended.unwrap_or_else(|| panic!("{command:?} does not end; it said\n{out}\n{err}"));
        Self { code: ended.code(), out, err }
    }
}

/// A daemon of ours.
pub struct Daemon {
    child: Child,
    log: Log,
    out: Log,
    data: PathBuf,
    /// Lines of the log that were waited for and seen.
    seen: Cell<usize>,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Daemon {
    pub fn launch(mut command: Command, data: PathBuf) -> Self {
        let spawned = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = spawned.unwrap_or_else(|why| panic!("{command:?}: {why}"));
        let (out, log) = (Log::of(child.stdout.take().unwrap()), Log::of(child.stderr.take().unwrap()));
        Self { child, log, out, data, seen: Cell::new(0) }
    }

    /// Waits until it says that it is.
    pub fn ready(self) -> Self {
        self.said("ready");
        self
    }

    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).unwrap();
    }

    /// The next line with these words, after the last one that was waited for.
    pub fn said(&self, words: &str) -> String {
        let (line, at) = self.log.wait_for(words, self.seen.get());
        self.seen.set(at + 1);
        line
    }

    /// Reloads, and waits until it was taken; answers the line.
    pub fn reloads(&self) -> String {
        self.signal(Signal::SIGHUP);
        self.said("configuration reloaded")
    }

    /// Reloads, and answers which changes it said are waiting for a restart.
    pub fn reload_warnings(&self) -> Vec<String> {
        let from = self.seen.get();
        self.reloads();
        let lines = self.log.lines()[from..self.seen.get()].to_vec();
        lines.into_iter().filter(|line| line.contains("waits for a restart")).collect()
    }

    /// Reloads, and waits until it was refused; answers what was said on the way.
    pub fn refuses(&self) -> String {
        let from = self.seen.get();
        self.signal(Signal::SIGHUP);
        self.said("the configuration was not reloaded");
        self.log.lines()[from..self.seen.get()].join("\n")
    }

    /// All it wrote to the log and to standard output so far.
    pub fn all(&self) -> String {
        self.log.lines().join("\n") + "\n" + &self.out.lines().join("\n")
    }

    pub fn log(&self) -> Vec<String> {
        self.log.lines()
    }

    pub fn out(&self) -> &Log {
        &self.out
    }

    pub fn status(&self) -> Value {
        let (code, text) = self.control("/api/v1/status");
        assert_eq!(code, 200, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    /// Asks over the control socket.
    pub fn control(&self, path: &str) -> (u16, String) {
        let socket = self.data.join(control::FILE_NAME);
        let stream = UnixStream::connect(&socket).unwrap_or_else(|why| panic!("{}: {why}", socket.display()));
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        request(stream, path).unwrap()
    }

    /// Where these doors stand, in their order.
    pub fn addresses(&self, door: &str) -> Vec<SocketAddr> {
        let status = self.status();
        let listeners = status["listeners"].as_array().unwrap().iter().filter(|listener| listener["door"] == door);
        listeners.map(|listener| listener["address"].as_str().unwrap().parse().unwrap()).collect()
    }

    /// Where the first such door stands.
    pub fn address(&self, door: &str) -> SocketAddr {
        *self.addresses(door).first().unwrap_or_else(|| panic!("no {door} door:\n{}", self.all()))
    }

    /// Waits for the end of the process; answers its code, none when a signal ended it.
    pub fn ended(&mut self) -> Option<i32> {
        self.end().code()
    }

    fn end(&mut self) -> ExitStatus {
        let ended = eventually(|| self.child.try_wait().unwrap());
        let ended = ended.unwrap_or_else(|| panic!("it does not end; it said\n{}", self.all()));
        // Its last words are read before anybody looks for them.
        self.log.whole();
        self.out.whole();
        ended
    }

    /// Asks it to stop, and waits until it has in good order.
    pub fn stops(&mut self) {
        self.signal(Signal::SIGTERM);
        assert_eq!(self.ended(), Some(0), "{}", self.all());
    }

    /// Ends it as a power cut would.
    pub fn crash(&mut self) {
        self.child.kill().unwrap();
        self.end();
    }
}

/// What a process writes, line by line.
pub struct Log(Arc<Pages>);

struct Pages {
    written: Mutex<Written>,
    more: Condvar,
}

#[derive(Default)]
struct Written {
    lines: Vec<String>,
    closed: bool,
}

impl Log {
    fn of(from: impl Read + Send + 'static) -> Self {
        let pages = Arc::new(Pages { written: Mutex::default(), more: Condvar::new() });
        let to = pages.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
                to.lock().lines.push(String::from_utf8_lossy(&line).into_owned());
                to.more.notify_all();
            }
            to.lock().closed = true;
            to.more.notify_all();
        });
        Self(pages)
    }

    pub fn lines(&self) -> Vec<String> {
        self.0.lock().lines.clone()
    }

    /// All of it, once the process has closed it.
    fn whole(&self) -> String {
        let open = |written: &mut Written| !written.closed;
        let waited =
            self.0.more.wait_timeout_while(self.0.lock(), PATIENCE, open).unwrap_or_else(PoisonError::into_inner);
        waited.0.lines.iter().map(|line| format!("{line}\n")).collect()
    }

    /// The first line from there on that holds these words, and its number.
    pub fn wait_for(&self, words: &str, from: usize) -> (String, usize) {
        let (deadline, mut written) = (Instant::now() + PATIENCE, self.0.lock());
        let mut at = from;
        loop {
            while let Some(line) = written.lines.get(at) {
                if line.contains(words) {
                    return (line.clone(), at);
                }
                at += 1;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero() && !written.closed, "never said {words:?}:\n{}", written.lines.join("\n"));
            written = self.0.more.wait_timeout(written, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Pages {
    fn lock(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks again and again until there is an answer; none when patience ends.
pub fn eventually<T>(mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if Instant::now() > deadline {
            return None;
        }
        // Between two polls, not instead of them.
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// GET over HTTP: the code and the body.
pub fn get(address: SocketAddr, path: &str) -> (u16, String) {
    try_get(address, path).unwrap_or_else(|why| panic!("http://{address}{path}: {why}"))
}

pub fn try_get(address: SocketAddr, path: &str) -> std::io::Result<(u16, String)> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    request(stream, path)
}

fn request(mut stream: impl Read + Write, path: &str) -> std::io::Result<(u16, String)> {
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(std::io::ErrorKind::UnexpectedEof)?;
    let code = head.get(9..12).and_then(|code| code.parse().ok()).ok_or(std::io::ErrorKind::InvalidData)?;
    // Axum names a length for every body here: none is chunked.
    Ok((code, body.to_owned()))
}

/// An SMTP client that says what it is told and hears whole replies.
pub struct Smtp<S = TcpStream> {
    stream: BufReader<S>,
}

impl Smtp {
    pub fn at(address: SocketAddr) -> Self {
        Self::try_at(address).unwrap_or_else(|why| panic!("{address}: {why}"))
    }

    pub fn try_at(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self::on(stream))
    }

    /// Connected and greeted.
    pub fn greeted(address: SocketAddr) -> Self {
        let mut client = Self::at(address);
        let greeting = client.reply();
        assert!(greeting.starts_with("220 "), "{greeting}");
        client
    }

    pub fn into_stream(self) -> TcpStream {
        self.stream.into_inner()
    }
}

impl<S: Read + Write> Smtp<S> {
    pub fn on(stream: S) -> Self {
        Self { stream: BufReader::new(stream) }
    }

    pub fn say(&mut self, words: &[u8]) {
        self.stream.get_mut().write_all(words).unwrap();
        self.stream.get_mut().flush().unwrap();
    }

    /// One reply, with all its lines; empty at the end of the connection, however it ended.
    pub fn reply(&mut self) -> String {
        let mut reply = String::new();
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line).unwrap_or(0) == 0 {
                return reply;
            }
            let more = line.as_bytes().get(3) == Some(&b'-');
            reply.push_str(&line);
            if !more {
                return reply;
            }
        }
    }

    pub fn ask(&mut self, command: &str) -> String {
        self.say(format!("{command}\r\n").as_bytes());
        self.reply()
    }
}

//! A throw-away PostgreSQL for tests: real, durable (`fsync` on: the daemon refuses another), on a free
//! port of 127.0.0.1 and a socket in its own folder, and gone with the test process however that ends.
//!
//! The server runs under a watchdog, a few lines of `sh` that hold the reading end of a pipe from this
//! process. When the pipe closes, also by `kill -9`, the watchdog ends the server that it started, by
//! its pid, and removes the data. Nothing here installs, starts or changes a service of the system.
//!
//! Only `std` and `tempfile`: the few queries go over the wire protocol by hand, so that what is tested
//! (the store's own client) is not what prepares the test.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, mpsc};
use std::time::Duration;

/// The role that owns everything in a cluster, trusted on its socket and its loopback port.
const ROLE: &str = "gatepost";

/// How long a server may take to accept connections, and to end: a recovery on a busy disk included.
const PATIENCE: Duration = Duration::from_secs(60);

/// The first word of the last line is a command to the watchdog: `stop` and `crash` keep the data.
const WATCHDOG: &str = r#"
data=$1; shift
trap '' INT HUP
"$@" </dev/null 2>&1 & server=$!
echo "pid $server"
exec >/dev/null 2>&1
read -r word || word=remove
case $word in
    stop) kill -INT "$server" ;;
    *) kill -QUIT "$server" ;;
esac
wait "$server"
[ "$word" != remove ] || rm -rf "$data"
"#;

/// One PostgreSQL server with its own data, port and socket.
pub struct Cluster {
    folder: tempfile::TempDir,
    programs: Programs,
    port: u16,
    databases: AtomicU64,
    running: Mutex<Option<Running>>,
}

/// A started server: its watchdog and the pipe whose closing ends it.
struct Running {
    watchdog: Child,
    pipe: ChildStdin,
    pid: u32,
}

impl Cluster {
    /// The cluster that the tests of this process share; each takes a database of its own.
    pub fn shared() -> &'static Cluster {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(Cluster::private)
    }

    /// A cluster for one test that stops, starts or breaks it.
    pub fn private() -> Cluster {
        let folder = tempfile::Builder::new().prefix("gatepost-pg-").tempdir().expect("a temporary folder");
        let programs = Programs::find(folder.path());
        if let Some(user) = &programs.user {
            // It can only reach what lies below a folder of its own.
            chown(folder.path(), Some(user.uid), Some(user.gid)).expect("root gives a folder away");
        }
        let mut cluster =
            Cluster { folder, programs, port: 0, databases: AtomicU64::new(0), running: Mutex::new(None) };
        cluster.initialise();
        // Another process may take a port between our look and the server's bind: then another port.
        for _ in 0..5 {
            cluster.port = free_port();
            match cluster.try_start() {
                Ok(running) => {
                    *cluster.lock() = Some(running);
                    return cluster;
                }
                Err(log) => assert!(log.contains("could not bind"), "PostgreSQL does not start:\n{log}"),
            }
        }
        panic!("PostgreSQL found no free port in five tries");
    }

    /// Where a database of this cluster is reached.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{ROLE}@127.0.0.1:{}/{database}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Makes an empty database under a name that no other test has, and says its URL.
    pub fn create_database(&self) -> String {
        let name = format!("test_{}_{}", std::process::id(), self.databases.fetch_add(1, Ordering::Relaxed));
        self.query("postgres", &format!("CREATE DATABASE {name} TEMPLATE template0"));
        self.url(&name)
    }

    /// Runs one statement, answers its rows as text (NULL as the empty text); panics on an error.
    pub fn query(&self, database: &str, sql: &str) -> Vec<Vec<String>> {
        let socket = self.folder.path().join(format!(".s.PGSQL.{}", self.port));
        ask(&socket, database, sql).unwrap_or_else(|e| panic!("{sql}: {e}"))
    }

    /// Ends the server in an orderly way (open transactions roll back); returns when it is gone.
    pub fn stop(&self) {
        self.end("stop");
    }

    /// Ends the server as a power cut would: no checkpoint, recovery at the next start.
    pub fn crash(&self) {
        self.end("crash");
    }

    /// Starts a stopped server again, on the same port with the same data; returns when it accepts.
    pub fn start(&self) {
        let mut running = self.lock();
        assert!(running.is_none(), "the cluster runs already");
        *running = Some(self.try_start().unwrap_or_else(|log| panic!("PostgreSQL does not start:\n{log}")));
    }

    /// The pid of the server itself, the parent of every backend.
    pub fn pid(&self) -> u32 {
        self.lock().as_ref().expect("the cluster runs").pid
    }

    /// Cuts one client's connection by the pid of its backend (`SELECT pg_backend_pid()`), as an
    /// admin's command would: its transaction rolls back, the others go on.
    pub fn kill_backend(&self, pid: i32) {
        self.query("postgres", &format!("SELECT pg_terminate_backend({pid}, {})", PATIENCE.as_millis()));
    }

    /// Sends a signal (`KILL`, `STOP`, `CONT`, …) to a backend of this cluster. After `KILL` the server
    /// restarts all of its backends: every connection is cut and the log is recovered.
    pub fn signal_backend(&self, pid: i32, signal: &str) {
        let parent = parent_of(pid);
        assert_eq!(parent, Some(self.pid()), "{pid} is no backend of this cluster");
        let signal = format!("SIG{signal}").parse::<nix::sys::signal::Signal>().expect("the name of a signal");
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).expect("a backend takes signals");
    }

    fn lock(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn initialise(&self) {
        // No sync here: an empty cluster is not worth a flush, and what the tests write is flushed.
        let made = self
            .programs
            .command("initdb")
            .args(["--no-sync", "--auth=trust", "--encoding=UTF8", "--locale=C", "--username", ROLE, "--pgdata"])
            .arg(self.data())
            .output()
            .expect("initdb runs");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
    }

    /// Starts the server under a watchdog and waits for the line that says it accepts connections;
    /// fails with its log.
    fn try_start(&self) -> Result<Running, String> {
        let (folder, port) = (self.folder.path(), self.port);
        let server = self.programs.words("postgres");
        let mut watchdog = Command::new("sh")
            .args(["-c", WATCHDOG, "watchdog"])
            .arg(folder)
            .args(server)
            .arg("-D")
            .arg(self.data())
            .args(["-c", &format!("unix_socket_directories={}", folder.display())])
            .args(["-c", &format!("port={port}"), "-c", "listen_addresses=127.0.0.1"])
            .args(["-c", "max_connections=200", "-c", "shared_buffers=64MB", "-c", "jit=off"])
            .args(["-c", "wal_level=minimal", "-c", "max_wal_senders=0"])
            .args(["-c", "timezone=GMT", "-c", "log_timezone=GMT", "-c", "lc_messages=C"])
            .envs(self.programs.environment())
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sh runs");
        let pipe = watchdog.stdin.take().expect("a piped stdin");
        let lines = read_lines(watchdog.stdout.take().expect("a piped stdout"));
        let (mut pid, mut log) = (0, String::new());
        loop {
            match lines.recv_timeout(PATIENCE) {
                Ok(line) if line.starts_with("pid ") => pid = line[4..].trim().parse().expect("a pid"),
                Ok(line) if line.contains("database system is ready to accept connections") => {
                    return Ok(Running { watchdog, pipe, pid });
                }
                Ok(line) => log.push_str(&(line + "\n")),
                // It ended by itself, or it hangs: either way the watchdog clears up, keeping the data.
                Err(_) => {
                    finish(&mut watchdog, pipe, "crash");
                    return Err(log);
                }
            }
        }
    }

    fn end(&self, word: &str) {
        let Running { mut watchdog, pipe, .. } = self.lock().take().expect("the cluster runs");
        finish(&mut watchdog, pipe, word);
    }
}

/// A private cluster ends with its test; the folder's own guard then removes the data.
impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(Running { mut watchdog, pipe, .. }) = self.lock().take() {
            finish(&mut watchdog, pipe, "crash");
        }
    }
}

fn finish(watchdog: &mut Child, mut pipe: ChildStdin, word: &str) {
    // A watchdog that is gone already has ended its server: nothing to tell it.
    let _ = writeln!(pipe, "{word}");
    drop(pipe);
    let _ = watchdog.wait();
}

/// Every line that a server writes, for as long as it lives: an unread pipe would stop it one day.
fn read_lines(from: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (to, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            // Nobody listens once it runs; the pipe is emptied all the same.
            let _ = to.send(line);
        }
    });
    lines
}

fn free_port() -> u16 {
    // Not one that the kernel hands out: a stopped server comes back to the same.
    crate::ports::known()
}

fn parent_of(pid: i32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may hold anything: the fields begin behind its last bracket.
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

// --- the programs -----------------------------------------------------------------------------------

/// The server's programs and the user they run as.
struct Programs {
    folder: PathBuf,
    /// PostgreSQL refuses to run as root.
    user: Option<User>,
}

struct User {
    uid: u32,
    gid: u32,
}

impl Programs {
    /// The newest programs on this machine: in PATH, where Debian's packages put them, or unpacked
    /// under `target/peers/postgresql` by `make packages`. `folder` takes a copy when only that can be reached.
    fn find(folder: &Path) -> Programs {
        let Some(found) =
            places().into_iter().find(|place| place.join("initdb").exists() && place.join("postgres").exists())
        else {
            panic!(
                "PostgreSQL's server programs are needed: `make packages` unpacks them under target/peers, or install \
                 the Debian package postgresql-15"
            );
        };
        let user = (std::fs::metadata("/proc/self").map_or(0, |m| m.uid()) == 0).then(unprivileged_user);
        let mut programs = Programs { folder: found, user };
        if let Some(user) = &programs.user
            && !programs.reachable()
        {
            // Unpacked below a home that only root may enter: run a copy from the temporary folder.
            let copy = folder.join("programs");
            let unpacked = peers().expect("only unpacked programs can be out of reach");
            let done = Command::new("cp").arg("-r").arg(&unpacked).arg(&copy).status().expect("cp runs");
            assert!(done.success(), "copying {}", unpacked.display());
            chown(folder, Some(user.uid), Some(user.gid)).expect("root gives a folder away");
            let inside = programs.folder.strip_prefix(&unpacked).expect("found below target/peers/postgresql");
            programs.folder = copy.join(inside);
        }
        programs
    }

    /// Whether the user they run as can enter the folder. Asked through `test`, because `setpriv` itself
    /// still has root's rights when it starts a program.
    fn reachable(&self) -> bool {
        let mut words = self.prefix();
        words.extend(["test".into(), "-x".into(), self.folder.join("postgres").to_string_lossy().into_owned()]);
        Command::new(&words[0]).args(&words[1..]).status().is_ok_and(|status| status.success())
    }

    fn prefix(&self) -> Vec<String> {
        let Some(User { uid, gid }) = self.user else { return Vec::new() };
        vec!["setpriv".into(), format!("--reuid={uid}"), format!("--regid={gid}"), "--clear-groups".into()]
    }

    /// The command line that runs a program as a user PostgreSQL accepts.
    fn words(&self, program: &str) -> Vec<String> {
        let mut words = self.prefix();
        words.push(self.folder.join(program).to_string_lossy().into_owned());
        words
    }

    fn command(&self, program: &str) -> Command {
        let words = self.words(program);
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).envs(self.environment());
        command
    }

    /// Unpacked packages bring their libraries along.
    fn environment(&self) -> Vec<(&'static str, String)> {
        let mut environment = vec![("LC_ALL", "C".to_owned()), ("TZ", "GMT".to_owned())];
        // …/usr/lib/postgresql/15/bin → …/usr/lib
        let unpacked =
            self.folder.ancestors().nth(3).filter(|lib| lib.ends_with("usr/lib") && !lib.starts_with("/usr"));
        let Some(libraries) = unpacked else {
            return environment;
        };
        let triplets = std::fs::read_dir(libraries).into_iter().flatten().flatten().map(|e| e.path());
        let folders: Vec<String> = triplets
            .filter(|path| path.to_string_lossy().ends_with("-linux-gnu"))
            .chain([libraries.to_owned()])
            .map(|path| path.to_string_lossy().into_owned())
            .collect();
        environment.push(("LD_LIBRARY_PATH", folders.join(":")));
        environment
    }
}

/// Where `make packages` unpacks what is not installed.
fn peers() -> Option<PathBuf> {
    let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers/postgresql");
    peers.exists().then_some(peers)
}

fn places() -> Vec<PathBuf> {
    let mut places: Vec<PathBuf> = std::env::var_os("PATH").iter().flat_map(std::env::split_paths).collect();
    for base in [Some(PathBuf::from("/")), peers()].into_iter().flatten() {
        let versions = std::fs::read_dir(base.join("usr/lib/postgresql")).into_iter().flatten().flatten();
        let mut versions: Vec<PathBuf> = versions.map(|e| e.path()).collect();
        let number = |path: &PathBuf| path.file_name().and_then(|n| n.to_string_lossy().parse::<u32>().ok());
        versions.sort_by_key(|path| std::cmp::Reverse(number(path)));
        places.extend(versions.into_iter().map(|path| path.join("bin")));
    }
    places
}

/// `postgres` when the machine has that user, else `nobody`.
fn unprivileged_user() -> User {
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let numbers = |name: &str| {
        let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2).map(str::parse);
        Some(User { uid: fields.next()?.ok()?, gid: fields.next()?.ok()? })
    };
    numbers("postgres").or_else(|| numbers("nobody")).unwrap_or(User { uid: 65534, gid: 65534 })
}

// --- the wire, as far as one trusted question needs it ----------------------------------------------

fn ask(socket: &Path, database: &str, sql: &str) -> Result<Vec<Vec<String>>, String> {
    let mut stream = UnixStream::connect(socket).map_err(|e| format!("{}: {e}", socket.display()))?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(|e| e.to_string())?;
    let mut hello = 196_608_u32.to_be_bytes().to_vec();
    hello.extend(format!("user\0{ROLE}\0database\0{database}\0\0").bytes());
    send(&mut stream, None, &hello)?;
    until_ready(&mut stream)?;
    send(&mut stream, Some(b'Q'), format!("{sql}\0").as_bytes())?;
    let rows = until_ready(&mut stream)?;
    send(&mut stream, Some(b'X'), &[])?;
    Ok(rows)
}

fn send(stream: &mut UnixStream, kind: Option<u8>, body: &[u8]) -> Result<(), String> {
    let mut message: Vec<u8> = kind.into_iter().collect();
    message.extend((body.len() as u32 + 4).to_be_bytes());
    message.extend(body);
    stream.write_all(&message).map_err(|e| e.to_string())
}

/// Reads messages up to ReadyForQuery; the rows among them, or the error.
fn until_ready(stream: &mut UnixStream) -> Result<Vec<Vec<String>>, String> {
    let (mut rows, mut error) = (Vec::new(), None);
    loop {
        let mut head = [0; 5];
        if let Err(e) = stream.read_exact(&mut head) {
            return Err(error.unwrap_or(e.to_string()));
        }
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let mut body = vec![0; length.saturating_sub(4)];
        stream.read_exact(&mut body).map_err(|e| e.to_string())?;
        match head[0] {
            b'D' => rows.push(row(&body)),
            b'E' => error = Some(String::from_utf8_lossy(&body).replace('\0', " ")),
            b'Z' => return error.map_or(Ok(rows), Err),
            _ => {}
        }
    }
}

fn row(body: &[u8]) -> Vec<String> {
    let (mut cells, mut at) = (Vec::new(), 2);
    while let Some(length) = body.get(at..at + 4) {
        let length = i32::from_be_bytes([length[0], length[1], length[2], length[3]]).max(0) as usize;
        cells.push(String::from_utf8_lossy(&body[at + 4..at + 4 + length]).into_owned());
        at += 4 + length;
    }
    cells
}

// --- and its own tests --------------------------------------------------------------------------------

#[test]
fn a_database_answers_and_is_durable() {
    use sqlx::{Connection, PgConnection, Row};
    let (one, two) = (Cluster::shared().create_database(), Cluster::shared().create_database());
    assert_ne!(one, two);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut connection = PgConnection::connect(&one).await.expect("the cluster accepts");
        let row =
            sqlx::query("SELECT 1 + 1, current_setting('fsync')").fetch_one(&mut connection).await.expect("a row");
        assert_eq!((row.get::<i32, _>(0), row.get::<String, _>(1)), (2, "on".to_owned()));
    });
}

#[test]
fn a_private_cluster_stops_crashes_and_comes_back_with_its_data() {
    let cluster = Cluster::private();
    cluster.query("postgres", "CREATE TABLE kept (n INT)");
    cluster.query("postgres", "INSERT INTO kept VALUES (7)");
    let before = cluster.pid();
    cluster.stop();
    assert!(TcpStream::connect(("127.0.0.1", cluster.port())).is_err(), "a stopped cluster accepts");
    assert!(!Path::new(&format!("/proc/{before}")).exists(), "a stopped cluster's process lives");
    cluster.start();
    cluster.query("postgres", "INSERT INTO kept VALUES (8)");
    cluster.crash();
    cluster.start();
    assert_eq!(cluster.query("postgres", "SELECT n FROM kept ORDER BY n"), [["7"], ["8"]]);
    let (pid, folder) = (cluster.pid(), cluster.folder.path().to_owned());
    drop(cluster);
    assert!(!folder.exists() && !Path::new(&format!("/proc/{pid}")).exists(), "something is left behind");
}

#[test]
fn a_backend_is_ended_by_its_pid() {
    let cluster = Cluster::private();
    let socket = cluster.folder.path().join(format!(".s.PGSQL.{}", cluster.port()));
    let waiting = |seconds: &str| {
        let (socket, sql) = (socket.clone(), format!("SELECT pg_sleep({seconds})"));
        std::thread::spawn(move || ask(&socket, "postgres", &sql))
    };
    let sleeper = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'";
    let find = || loop {
        if let Some(row) = cluster.query("postgres", sleeper).first() {
            return row[0].parse().expect("a pid");
        }
        std::thread::yield_now();
    };
    let ended = waiting("3600");
    cluster.kill_backend(find());
    assert!(ended.join().expect("the client ends").is_err());
    let ended = waiting("3601");
    cluster.signal_backend(find(), "KILL");
    assert!(ended.join().expect("the client ends").is_err());
}

/// The promise that no run leaves a server behind, tried on a child that is killed without warning.
#[test]
fn a_killed_test_process_takes_its_cluster_along() {
    const ROLE_OF_CHILD: &str = "GATEPOST_TEST_CLUSTER_CHILD";
    if std::env::var_os(ROLE_OF_CHILD).is_some() {
        let cluster = Cluster::private();
        println!("\ncluster {} {}", cluster.pid(), cluster.folder.path().display());
        // Held until the parent kills this process.
        let _ = std::io::stdin().read(&mut [0]);
        return;
    }
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "--nocapture", "--test-threads=1"])
        .arg("postgres::a_killed_test_process_takes_its_cluster_along")
        .env(ROLE_OF_CHILD, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this program runs");
    let lines = read_lines(child.stdout.take().expect("a piped stdout"));
    let said = loop {
        let line = lines.recv_timeout(PATIENCE).expect("the child names its cluster");
        if let Some(rest) = line.strip_prefix("cluster ") {
            break rest.to_owned();
        }
    };
    let (pid, folder) = said.split_once(' ').expect("a pid and a folder");
    child.kill().expect("the child is ours");
    child.wait().expect("the child ends");
    // The folder goes last, so its absence is the event; there is nobody left who could announce it.
    let deadline = std::time::Instant::now() + PATIENCE;
    while Path::new(folder).exists() {
        assert!(std::time::Instant::now() < deadline, "{folder} is left behind");
        std::thread::yield_now();
    }
    assert!(!Path::new(&format!("/proc/{pid}")).exists(), "the server outlived its test");
}

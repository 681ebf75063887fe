//! From nothing to ready: the quickstart, the ways to name a configuration, and who may not start.

use crate::ports;
use crate::running::{DOORS, Daemon, Ran, Smtp, Yard, get};
use nix::pty::{OpenptyResult, openpty};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};

pub fn mode(path: &Path) -> u32 {
    path.metadata().unwrap_or_else(|why| panic!("{}: {why}", path.display())).permissions().mode() & 0o777
}

/// A network of its own with nothing but loopback, in which every port is free. Root makes one; others
/// first become root of a user namespace.
pub const OWN_NETWORK: &str = "ip link set lo up && exec \"$@\"";

/// `gatepost` in such a network.
pub fn in_own_network(yard: &Yard, words: &[&str]) -> Command {
    let unshare = if nix::unistd::geteuid().is_root() { "-n" } else { "-rn" };
    yard.through(&["unshare", unshare, "sh", "-c", OWN_NETWORK, "sh"], words)
}

// --- the quickstart -----------------------------------------------------------------------------------

fn quickstart(yard: &Yard) -> Daemon {
    // Its ports are fixed, so it gets a network where nobody else has them.
    let daemon = Daemon::launch(in_own_network(yard, &[]), yard.path("gatepost-data")).ready();
    daemon.out().wait_for("Stop:", 0);
    daemon
}

#[test]
fn the_quickstart_says_what_listens_and_finds_everything_again() {
    let yard = Yard::empty();
    let data = yard.path("gatepost-data");
    let mut first = quickstart(&yard);
    let welcome = first.out().lines().join("\n");
    for part in [
        "Nothing leaves this machine.",
        "submission   127.0.0.1:2587",
        "mx           127.0.0.1:2525",
        "http         http://127.0.0.1:8025",
        "curl http://127.0.0.1:8025/readyz",
    ] {
        assert!(welcome.contains(part), "{part} in {welcome}");
    }
    assert_eq!((first.control("/readyz").0, first.status()["ready"].as_bool()), (200, Some(true)));

    assert_eq!((mode(&data), mode(&data.join("master.key"))), (0o700, 0o600));
    for file in ["gatepost.db", "gatepost.lock", "control.sock", "tls/self-signed.key"] {
        assert_eq!(mode(&data.join(file)), 0o600, "{file}");
    }
    let key = std::fs::read_to_string(data.join("master.key")).unwrap();
    assert!(key.trim().len() >= 64 && !first.all().contains(key.trim()));
    assert!(first.said("made the master key").contains("WARN"));

    // Nobody is in front of a pipe: the file is named, and what is in it is told nowhere.
    assert_eq!(mode(&data.join("quickstart.password")), 0o600);
    let password = std::fs::read_to_string(data.join("quickstart.password")).unwrap();
    assert!(password.trim().len() == 24 && !first.all().contains(password.trim()), "{}", first.all());
    assert!(welcome.contains("app@example.com, password in ./gatepost-data/quickstart.password"), "{welcome}");
    assert!(welcome.contains("--auth-password \"$(cat ./gatepost-data/quickstart.password)\""), "{welcome}");
    assert_eq!(first.status()["directory"]["credentials"], 1);
    first.reloads();
    assert_eq!(first.status()["directory"]["credentials"], 1);
    let (code, settings) = first.control("/api/v1/settings");
    assert!(code == 200 && settings.contains("app@example.com") && !settings.contains(password.trim()), "{settings}");

    let certificate = std::fs::read(data.join("tls/self-signed.pem")).unwrap();
    first.stops();
    assert!(!data.join("control.sock").exists());
    let mut second = quickstart(&yard);
    assert!(second.log().iter().any(|line| line.contains("ready") && line.contains("epoch=2")), "{}", second.all());
    assert!(!second.all().contains("made the master key"));
    assert_eq!(std::fs::read_to_string(data.join("master.key")).unwrap(), key);
    assert_eq!(std::fs::read_to_string(data.join("quickstart.password")).unwrap(), password);
    assert_eq!(std::fs::read(data.join("tls/self-signed.pem")).unwrap(), certificate);
    second.stops();
}

/// What the quickstart shows on a terminal until it was told to stop.
fn on_a_terminal(yard: &Yard) -> String {
    let OpenptyResult { master, slave } = openpty(None, None).unwrap();
    let mut command = in_own_network(yard, &[]);
    let mut child = command.stdout(Stdio::from(slave)).stderr(Stdio::null()).spawn().unwrap();
    // Our own copy of the slave would keep the terminal from ending.
    drop(command);
    let (mut shown, mut some) = (String::new(), [0; 4096]);
    // EIO: nobody holds the terminal any more.
    while let Ok(bytes @ 1..) = File::from(master.try_clone().unwrap()).read(&mut some) {
        shown.push_str(&String::from_utf8_lossy(&some[..bytes]));
        if shown.contains("Stop:") {
            break;
        }
    }
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(child.id() as i32), nix::sys::signal::Signal::SIGTERM).unwrap();
    child.wait().unwrap();
    shown
}

#[test]
fn on_a_terminal_the_password_is_shown_once() {
    let yard = Yard::empty();
    let first = on_a_terminal(&yard);
    let password = std::fs::read_to_string(yard.path("gatepost-data/quickstart.password")).unwrap();
    let password = password.trim();
    assert!(first.contains(&format!("app@example.com, password {password} (kept in")), "{first}");
    assert!(
        first.contains(&format!(
            "swaks --server 127.0.0.1:2587 --auth PLAIN --auth-user app@example.com --auth-password {password} "
        )),
        "{first}"
    );
    let second = on_a_terminal(&yard);
    assert!(
        second.contains("password in ./gatepost-data/quickstart.password") && !second.contains(password),
        "{second}"
    );
}

// --- which configuration ------------------------------------------------------------------------------

#[test]
fn the_configuration_is_named_by_option_or_by_environment() {
    let yard = Yard::with(DOORS);
    let (file, nowhere) = (yard.path("gatepost.toml"), yard.path("nowhere.toml"));
    let (file, nowhere) = (file.to_str().unwrap(), nowhere.to_str().unwrap());
    assert_eq!(Ran::of(&mut yard.command(&["check", "--config", file])).code, Some(0));
    assert_eq!(Ran::of(yard.command(&["check"]).env("GATEPOST_CONFIG", file)).code, Some(0));
    // The option is nearer to the admin than the environment.
    assert_eq!(Ran::of(yard.command(&["check", "--config", file]).env("GATEPOST_CONFIG", nowhere)).code, Some(0));
    for words in [["check"], ["serve"], ["status"]] {
        let ran = Ran::of(yard.command(&words).env("GATEPOST_CONFIG", nowhere));
        assert_eq!(ran.code, Some(78), "{ran:?}");
        let said = format!("{}{}", ran.out, ran.err);
        assert!(said.contains("cannot be read: No such file"), "{ran:?}");
    }
    assert!(!yard.path("data").exists());
}

#[test]
fn a_command_that_is_none_is_told_which_there_are() {
    let yard = Yard::empty();
    let ran = Ran::of(&mut yard.command(&["sevre"]));
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.contains("serve") && ran.out.is_empty(), "{ran:?}");
    let ran = Ran::of(&mut yard.command(&["--version"]));
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), concat!("gatepost ", env!("CARGO_PKG_VERSION"), "\n")));
    let ran = Ran::of(&mut yard.command(&["--help"]));
    assert!(
        ["serve", "check", "status", "settings", "password", "backup", "restore"]
            .iter()
            .all(|word| ran.out.contains(word)),
        "{ran:?}"
    );
}

#[test]
fn a_bad_configuration_ends_the_start_with_78_and_leaves_nothing() {
    let yard = Yard::with("[[listner]]\nkind = \"mx\"\n");
    let ran = yard.run(&["serve"]);
    assert_eq!(ran.code, Some(78));
    assert!(ran.err.contains("gatepost.toml:5:") && ran.err.contains("listener"), "{ran:?}");
    assert!(!yard.path("data").exists());
    // What is no fault of the configuration has another code.
    let yard = Yard::with(&format!("[[http]]\nbind = [\"{}\"]\n", std::net::SocketAddr::from(([192, 0, 2, 1], 1025))));
    let ran = yard.run(&["serve"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("gatepost: cannot listen on 192.0.2.1:1025: this machine does not have"), "{ran:?}");
}

#[test]
fn status_speaks_to_people_and_scripts_and_says_when_nobody_is_there() {
    let yard = Yard::with(DOORS);
    let ran = yard.run(&["status"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.starts_with("gatepost: no daemon answers at"), "{ran:?}");
    let mut daemon = yard.start();
    let ran = yard.run(&["status"]);
    assert_eq!(ran.code, Some(0));
    for part in ["running, up", "ready\n", "store sqlite: up", "generation 1", &daemon.address("mx").to_string()] {
        assert!(ran.out.contains(part), "{part:?} in {ran:?}");
    }
    let ran = yard.run(&["status", "--json"]);
    let status: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((&status["ready"], &status["phase"]), (&true.into(), &"running".into()));
    daemon.stops();
}

// --- listeners ------------------------------------------------------------------------------------------

#[test]
fn ipv6_is_served_beside_ipv4_on_one_port() {
    let port = ports::known();
    let bind = format!("bind = [\"127.0.0.1:{port}\", \"[::1]:{port}\"]");
    let yard = Yard::with(&format!("[[listener]]\nkind = \"mx\"\n{bind}\n[[http]]\nbind = [\"[::1]:0\"]\n"));
    let daemon = yard.start();
    for address in daemon.addresses("mx") {
        assert_eq!(Smtp::greeted(address).ask("QUIT").get(..4), Some("221 "), "{address}");
    }
    let http = daemon.address("http");
    assert!(http.is_ipv6() && get(http, "/readyz").0 == 200);
}

#[test]
fn an_http_door_serves_what_it_is_told_and_health_always() {
    let yard =
        Yard::with("[[http]]\nbind = [\"127.0.0.1:0\"]\nserves = [\"api\"]\n[[http]]\nbind = [\"127.0.0.1:0\"]\n");
    let daemon = yard.start();
    let [without, with] = daemon.addresses("http")[..] else { panic!("two doors") };
    assert_eq!((get(without, "/metrics").0, get(without, "/healthz").0, get(without, "/readyz").0), (404, 200, 200));
    let (code, page) = get(with, "/metrics");
    assert!(code == 200 && page.contains("gatepost_connections"), "{page}");
    assert_eq!(get(with, "/api/v1/status").0, 401, "the state is for the control socket");
}

#[test]
fn a_port_that_another_has_is_explained() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let yard = Yard::with(&format!("[[http]]\nbind = [\"{address}\"]\n"));
    let ran = yard.run(&["serve"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains(&format!("cannot listen on {address}: another program holds it")), "{ran:?}");
    assert!(!yard.path("data").exists(), "ports come first: nothing was made for nothing");
}

// --- one daemon for one store -------------------------------------------------------------------------

#[test]
fn a_second_daemon_on_one_directory_is_refused_until_the_first_is_gone() {
    let yard = Yard::with(DOORS);
    let mut first = yard.start();
    let ran = yard.run(&["serve"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains(&format!("is held by another gatepost (process {})", first.pid())), "{ran:?}");
    assert_eq!(first.status()["ready"], true, "the first does not notice");
    // What a crash leaves, the lock's file and the socket's name among it, keeps nobody out.
    first.crash();
    assert!(yard.path("data/control.sock").exists() && yard.path("data/gatepost.lock").exists());
    let mut second = yard.start();
    assert_eq!(second.status()["ready"], true);
    second.stops();
}

#[test]
fn one_store_is_not_shared_by_two_directories() {
    let yard = Yard::with(DOORS);
    let first = yard.start();
    std::os::unix::fs::symlink(yard.path("data"), yard.path("link")).unwrap();
    // By its name, by a way around, and through a link: the same file.
    for store in ["data/gatepost.db", "other/../data/gatepost.db", "link/gatepost.db"] {
        let other = Yard::empty();
        std::fs::create_dir_all(yard.path("other")).unwrap();
        let url = format!("sqlite:{}", yard.path(store).display());
        other.configure(&format!("[store]\nurl = \"{url}\"\n{DOORS}"));
        // Under the key of the first: the lock must refuse it, not the seal.
        std::fs::create_dir(other.path("data")).unwrap();
        std::fs::copy(yard.path("data/master.key"), other.path("data/master.key")).unwrap();
        let ran = Ran::of(other.command(&["serve"]).env("GATEPOST_CONFIG", other.path("gatepost.toml")));
        assert_eq!(ran.code, Some(1), "{store}: {ran:?}");
        assert!(ran.err.contains(&format!("(process {})", first.pid())), "{store}: {ran:?}");
    }
}

#[test]
fn two_directories_outside_of_which_one_store_lies_do_not_share_it() {
    let store = Yard::empty();
    let url = format!("[store]\nurl = \"sqlite:{}\"\n{DOORS}", store.path("mail.db").display());
    let (one, two) = (Yard::with(&url), Yard::with(&url));
    let first = one.start();
    let ran = two.run(&["serve"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("mail.db") && ran.err.contains(&format!("(process {})", first.pid())), "{ran:?}");
}

#[test]
fn a_start_refused_by_the_store_leaves_no_key_of_its_own() {
    let yard = Yard::with(DOORS);
    yard.start().stops();
    std::fs::rename(yard.path("data/master.key"), yard.path("kept.key")).unwrap();
    let ran = yard.run(&["serve"]);
    assert_eq!(ran.code, Some(78));
    assert!(ran.err.contains("master key"), "{ran:?}");
    assert!(!yard.path("data/master.key").exists(), "a key made for nothing would hide the lack of the right one");
    std::fs::rename(yard.path("kept.key"), yard.path("data/master.key")).unwrap();
    yard.start().stops();
    assert_eq!(yard.path("data").metadata().unwrap().uid(), nix::unistd::geteuid().as_raw());
}

//! Root and ports below 1024: given up at the start, missed at a reload, and passed on by systemd.

use super::start::{OWN_NETWORK, mode};
use crate::running::{Daemon, Yard};
use nix::unistd::{Uid, User, chown};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

fn nobody() -> User {
    User::from_name("nobody").unwrap().expect("every machine has the user nobody")
}

/// A network of its own, where ports below 1024 need a right, and nothing of it is taken.
fn network() -> Vec<&'static str> {
    let unshare = if Uid::effective().is_root() { "-n" } else { "-rn" };
    vec!["unshare", unshare, "sh", "-c", OWN_NETWORK, "sh"]
}

/// From here on no right of root's is left, whoever runs the test.
const POWERLESS: [&str; 3] = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"];

fn powerless(yard: &Yard) -> Command {
    yard.through(&[network(), POWERLESS.to_vec()].concat(), &["serve"])
}

fn listening(daemon: &Daemon, door: &str) -> Vec<String> {
    daemon.addresses(door).iter().map(ToString::to_string).collect()
}

fn doors(mx: &[&str]) -> String {
    let mx: Vec<_> = mx.iter().map(|bind| format!("\"{bind}\"")).collect();
    format!("[[listener]]\nkind = \"mx\"\nbind = [{}]\n[[http]]\nbind = [\"127.0.0.1:8025\"]\n", mx.join(", "))
}

/// A line of /proc/PID/status, without its name.
fn of_process(daemon: &Daemon, name: &str) -> String {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{name} in {status}"));
    line.trim_start_matches(':').trim().to_owned()
}

// --- a port that this process may not open ------------------------------------------------------------

#[test]
fn a_new_port_without_the_right_to_it_is_left_out_and_the_rest_is_applied() {
    let yard = Yard::with(&doors(&["127.0.0.1:2525"]));
    let daemon = yard.launch_as(powerless(&yard)).ready();
    assert_eq!(of_process(&daemon, "CapEff"), "0000000000000000");
    yard.configure(&format!("{}[delivery]\nexpire = \"4d\"\n", doors(&["127.0.0.1:25", "127.0.0.1:2526"])));
    let said = daemon.reloads();
    assert!(said.contains("generation=2 opened=1 changed=0 closed=1"), "{said}");
    let line = daemon.log().into_iter().find(|line| line.contains("left out")).unwrap();
    for part in ["cannot listen on 127.0.0.1:25: port 25 needs a right", "CAP_NET_BIND_SERVICE", "systemd", "as root"] {
        assert!(line.contains(part), "{part} in {line}");
    }
    assert_eq!(listening(&daemon, "mx"), ["127.0.0.1:2526"]);
    assert!(daemon.control("/api/v1/settings").1.contains("\\\"4d\\\""));
    // Whoever looks later finds it too.
    let status = daemon.status();
    let left_out = status["config"]["left_out"].as_array().unwrap();
    assert!(left_out[0].as_str().unwrap().contains("127.0.0.1:25"), "{status}");
    let shown = yard.run(&["status"]).out;
    assert!(shown.contains("left out: cannot listen on 127.0.0.1:25"), "{shown}");

    // Tried again at each reload, and forgotten once nobody asks for it.
    let said = daemon.reloads();
    assert!(said.contains("opened=0 changed=0 closed=0"), "{said}");
    assert_eq!(daemon.log().iter().filter(|line| line.contains("left out")).count(), 2);
    yard.configure(&doors(&["127.0.0.1:2526"]));
    daemon.reloads();
    assert_eq!(daemon.status()["config"]["left_out"], serde_json::json!([]));
}

#[test]
fn a_start_without_the_right_to_a_port_says_what_to_do() {
    let yard = Yard::with(&doors(&["127.0.0.1:25"]));
    let mut daemon = yard.launch_as(powerless(&yard));
    assert_eq!(daemon.ended(), Some(1));
    assert!(
        daemon.all().contains("gatepost: cannot listen on 127.0.0.1:25: port 25 needs a right"),
        "{}",
        daemon.all()
    );
    assert!(!yard.path("data").exists());
}

// --- sockets from systemd -----------------------------------------------------------------------------

/// What systemd does, sd_listen_fds(3): the sockets from descriptor 3 on, and two variables.
const SYSTEMD: &str = r#"
import os, socket, sys
addresses, program = sys.argv[1].split(","), sys.argv[2:]
sockets = []
for n, address in enumerate(addresses):
    host, port = address.rsplit(":", 1)
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    s.bind((host, int(port)))
    s.listen()
    sockets.append(s)
# Out of the way first: a socket may be where another has to go.
high = [os.dup2(s.fileno(), 100 + n) for n, s in enumerate(sockets)]
for n, fd in enumerate(high):
    os.dup2(fd, 3 + n, inheritable=True)
    os.close(fd)
os.environ["LISTEN_FDS"] = str(len(sockets))
os.environ["LISTEN_PID"] = str(os.getpid())
os.execvp(program[0], program)
"#;

#[test]
fn sockets_from_systemd_need_no_right_at_the_start_nor_at_a_reload() {
    let yard = Yard::with(&doors(&["127.0.0.1:25"]));
    let systemd = ["/usr/bin/python3", "-c", SYSTEMD, "127.0.0.1:25,127.0.0.1:24"];
    let wrapper = [network(), systemd.to_vec(), POWERLESS.to_vec()].concat();
    let mut daemon = yard.launch_as(yard.through(&wrapper, &["serve"])).ready();
    assert_eq!(of_process(&daemon, "CapEff"), "0000000000000000");
    assert_eq!(listening(&daemon, "mx"), ["127.0.0.1:25"]);
    let unused = "systemd passed a socket that no listener asks for";
    assert!(daemon.log().iter().any(|line| line.contains(unused) && line.ends_with("address=127.0.0.1:24")));
    for wanted in [&["127.0.0.1:25", "127.0.0.1:24"][..], &["127.0.0.1:24"], &["127.0.0.1:25"]] {
        yard.configure(&doors(wanted));
        daemon.reloads();
        assert_eq!(listening(&daemon, "mx"), wanted);
        for address in wanted {
            assert!(greeting(&daemon, address).starts_with("220 "), "{address}");
        }
    }
    assert!(!daemon.all().contains("left out"), "{}", daemon.all());
    daemon.stops();
}

/// What is said at an address in the daemon's own network.
fn greeting(daemon: &Daemon, address: &str) -> String {
    let script = "import socket,sys; h,p=sys.argv[1].split(':'); s=socket.create_connection((h,int(p)),20); \
                  s.settimeout(20); print(s.recv(200).decode())";
    let pid = daemon.pid().to_string();
    // A user namespace has to be entered too, where there is one.
    let enter = if Uid::effective().is_root() { &["-n"][..] } else { &["-U", "--preserve-credentials", "-n"] };
    let mut nsenter = Command::new("nsenter");
    nsenter.args(["-t", &pid]).args(enter).args(["/usr/bin/python3", "-c", script, address]);
    let output = nsenter.output().expect("nsenter is there (Debian package util-linux)");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

// --- root is given up ---------------------------------------------------------------------------------

fn give(path: &Path, to: &User) {
    chown(path, Some(to.uid), Some(to.gid)).unwrap();
}

/// Root becomes nobody. Who is not root is told that only root can, which is all there is to test then.
#[test]
fn root_opens_the_ports_and_is_nobody_from_then_on() {
    let yard = Yard::empty();
    let start = |mx: &[&str]| {
        yard.configure_server("user = \"nobody\"", &doors(mx));
        yard.launch_as(yard.through(&network(), &["serve"]))
    };
    if !Uid::effective().is_root() {
        yard.configure_server("user = \"nobody\"", &doors(&["127.0.0.1:2525"]));
        let ran = yard.run(&["serve"]);
        assert!(ran.code == Some(1) && ran.err.contains("only root can become another user"), "{ran:?}");
        assert!(!yard.path("data").exists());
        return;
    }
    let nobody = nobody();
    let mut daemon = start(&["127.0.0.1:25"]).ready();
    let four = |id: u32| vec![id.to_string(); 4].join("\t");
    assert_eq!(of_process(&daemon, "Uid"), four(nobody.uid.as_raw()));
    assert_eq!(of_process(&daemon, "Gid"), four(nobody.gid.as_raw()));
    assert_eq!(of_process(&daemon, "Groups"), nobody.gid.to_string());
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(of_process(&daemon, set), "0000000000000000", "{set}");
    }
    assert_eq!(listening(&daemon, "mx"), ["127.0.0.1:25"]);
    for name in ["data", "data/gatepost.db", "data/master.key", "data/control.sock", "data/gatepost.lock"] {
        let owner = yard.path(name).metadata().unwrap().uid();
        assert_eq!(owner, nobody.uid.as_raw(), "{name}");
    }
    assert_eq!(mode(&yard.path("data")), 0o700);

    // The configuration is root's, mode 0600: nobody cannot read it any more.
    let said = daemon.refuses();
    assert!(said.contains("the configuration cannot be read: Permission denied"), "{said}");
    assert_eq!(listening(&daemon, "mx"), ["127.0.0.1:25"]);
    // Given to nobody it is read; the port that stands open stays, a new one needs what is gone.
    yard.configure_server("user = \"nobody\"", &doors(&["127.0.0.1:25", "127.0.0.1:24"]));
    give(&yard.path("gatepost.toml"), &nobody);
    daemon.reloads();
    assert_eq!(listening(&daemon, "mx"), ["127.0.0.1:25"]);
    assert!(daemon.log().iter().any(|line| line.contains("left out") && line.contains("port 24 needs a right")));
    daemon.stops();
    start(&["127.0.0.1:24"]).ready().stops();
}

#[test]
fn directories_that_root_makes_on_the_way_can_be_entered_by_whom_they_are_for() {
    if !Uid::effective().is_root() {
        // Nobody is made root by a test, and a user's own directories are the user's: nothing to give.
        return;
    }
    let yard = Yard::empty();
    let head = "[server]\nhostname = \"mail.example.com\"\ndata_dir = \"made/on/the/way\"\nuser = \"nobody\"\n";
    yard.write("gatepost.toml", &format!("{head}{}", doors(&["127.0.0.1:2525"])));
    let mut serve = yard.through(&network(), &["serve"]);
    serve.env("GATEPOST_CONFIG", yard.path("gatepost.toml"));
    let mut daemon = Daemon::launch(serve, yard.path("made/on/the/way")).ready();
    assert_eq!(mode(&yard.path("made/on/the/way")), 0o700);
    daemon.stops();
}

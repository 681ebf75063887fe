//! The control socket: who may ask, and what becomes of the file.

use super::web_context;
use gatepost::http::control::{self, FILE_NAME, NotOpened, OpenControl};
use gatepost::net::unix_http::{NoAnswer, ask};
use hyper::Method;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

const FOREVER: Duration = Duration::from_secs(30);

/// A user that is neither root nor, in any test, the one who runs it.
const SOMEBODY_ELSE: u32 = 65_533;

fn myself() -> u32 {
    nix::unistd::geteuid().as_raw()
}

fn open(path: &Path, owner: u32) -> Result<OpenControl, NotOpened> {
    control::open(path, owner, &web_context())
}

#[tokio::test]
async fn the_owner_asks_and_is_answered() {
    let data = tempfile::tempdir().unwrap();
    let path = data.path().join(FILE_NAME);
    let control = open(&path, myself()).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let answer = ask(&path, Method::GET, "/api/v1/status", String::new()).await.unwrap();
    assert_eq!(answer.status, 200);
    let status: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((&status["phase"], &status["config"]["generation"]), (&"running".into(), &3.into()));
    assert_eq!(ask(&path, Method::GET, "/metrics", String::new()).await.unwrap().status, 200);
    assert_eq!(ask(&path, Method::POST, "/healthz", "{}".into()).await.unwrap().status, 405);
    assert_eq!(ask(&path, Method::GET, "/nowhere", String::new()).await.unwrap().status, 404);
    let drained = control.drain(FOREVER).await;
    assert_eq!(drained.cut, 0);
    assert!(!path.exists());
    // The name is gone, so nobody can be behind it.
    let gone = ask(&path, Method::GET, "/healthz", String::new()).await.unwrap_err();
    assert!(matches!(gone, NoAnswer::NotRunning(_)), "{gone}");
}

/// As root the test becomes another user for one request; as anybody else it is another user than the
/// owner it names. Both see the same refusal, so nothing is skipped.
#[tokio::test]
async fn another_user_is_refused_whatever_is_asked() {
    let data = tempfile::tempdir().unwrap();
    let path = data.path().join(FILE_NAME);
    let _control = open(&path, SOMEBODY_ELSE - 1).unwrap();
    // Both walls are tested: with the modes widened by hand, the check of the user must hold alone.
    std::fs::set_permissions(data.path(), PermissionsExt::from_mode(0o755)).unwrap();
    if myself() == 0 {
        assert!(asked_by_somebody_else(&path).await.contains("[Errno 13]"), "mode 0600 keeps them out");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o666)).unwrap();
        let answer = asked_by_somebody_else(&path).await;
        assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("\"code\":\"wrong_user\""), "{answer}");
    } else {
        let answer = ask(&path, Method::GET, "/api/v1/status", String::new()).await.unwrap();
        assert_eq!(answer.status, 403);
        assert!(String::from_utf8(answer.body).unwrap().contains("\"code\":\"wrong_user\""));
    }
}

async fn asked_by_somebody_else(path: &Path) -> String {
    const SCRIPT: &str = r#"
import socket, sys
s = socket.socket(socket.AF_UNIX)
try:
    s.connect(sys.argv[1])
    s.sendall(b"GET /api/v1/status HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    answer = b""
    while piece := s.recv(4096):
        answer += piece
    print(answer.decode())
except OSError as why:
    print(why)
"#;
    let uid = SOMEBODY_ELSE.to_string();
    let path = path.to_str().unwrap().to_owned();
    let ran = tokio::task::spawn_blocking(move || {
        std::process::Command::new("setpriv")
            .args(["--reuid", &uid, "--regid", &uid, "--clear-groups", "/usr/bin/python3", "-c", SCRIPT, &path])
            .output()
            .expect("setpriv is there (Debian package util-linux)")
    });
    let output = ran.await.unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "python3 is needed (Debian package python3): {errors}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn a_stale_socket_is_replaced_and_a_living_one_is_not() {
    let data = tempfile::tempdir().unwrap();
    let path = data.path().join(FILE_NAME);
    // What a crash leaves: the name, and nobody behind it.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    // Another test may be starting a program just now: until that has begun to run, it holds a copy of
    // our descriptors, and with it the listener.
    while !matches!(ask(&path, Method::GET, "/healthz", String::new()).await, Err(NoAnswer::NotRunning(_))) {
        tokio::task::yield_now().await;
    }
    let _first = open(&path, myself()).unwrap();
    let Err(refused) = open(&path, myself()) else { panic!("two daemons on one path") };
    assert!(matches!(refused, NotOpened::InUse(_)), "{refused}");
    assert_eq!(ask(&path, Method::GET, "/healthz", String::new()).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_file_in_the_way_is_never_removed() {
    let data = tempfile::tempdir().unwrap();
    let path = data.path().join(FILE_NAME);
    std::fs::write(&path, "precious").unwrap();
    let Err(refused) = open(&path, myself()) else { panic!("a file was replaced") };
    assert!(matches!(refused, NotOpened::NotASocket(_)), "{refused}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
}

#[tokio::test]
async fn the_name_of_a_successor_is_left_alone() {
    let data = tempfile::tempdir().unwrap();
    let path = data.path().join(FILE_NAME);
    let first = open(&path, myself()).unwrap();
    std::fs::remove_file(&path).unwrap();
    let _second = open(&path, myself()).unwrap();
    first.drain(FOREVER).await;
    assert_eq!(ask(&path, Method::GET, "/healthz", String::new()).await.unwrap().status, 200);
}

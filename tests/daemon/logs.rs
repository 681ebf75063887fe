//! What is written: one line per event whatever a client sends, JSON where JSON is asked for.

use crate::running::{DOORS, Smtp, Yard, get};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

/// Bytes that would begin a line of their own, colour a terminal, or turn the direction of writing.
const HOSTILE: &[u8] =
    b"\x1b[31mroot\x1b[0m \xe2\x80\xae\xc2\x9b2J\x07\x00\r2026-01-01T00:00:00.000Z ERROR all is lost";

/// Everywhere where a client's bytes could reach the log.
fn attack(daemon: &crate::running::Daemon) {
    let (mx, http) = (daemon.address("mx"), daemon.address("http"));
    for verb in ["EHLO ", "HELO ", "MAIL FROM:<", "", "NOOP "] {
        let mut client = Smtp::greeted(mx);
        client.say(&[verb.as_bytes(), HOSTILE, b"\r\n"].concat());
        client.reply();
    }
    let raw = |address: SocketAddr, bytes: &[u8]| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(bytes).unwrap();
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
    };
    raw(http, &[b"GET /", HOSTILE, b" HTTP/1.1\r\nHost: a\r\n\r\n"].concat());
    raw(http, &[b"GET / HTTP/1.1\r\nHost: ", HOSTILE, b"\r\n\r\n"].concat());
    raw(http, b"GET /%1b[31m%0d%0aERROR?%00 HTTP/1.1\r\nHost: a\r\nX-Request-Id: %0d%0a\r\nConnection: close\r\n\r\n");
    raw(http, HOSTILE);
    let mut client = Smtp::greeted(mx);
    client.ask("EHLO client.example");
    client.ask("STARTTLS");
    let mut stream = client.into_stream();
    stream.write_all(HOSTILE).unwrap();
    let _ = stream.read_to_end(&mut Vec::new());
}

#[test]
fn no_client_can_write_into_the_log() {
    let yard = Yard::empty();
    yard.configure_server("log_file = \"gatepost.log\"", DOORS);
    let mut serve = yard.command(&["serve"]);
    serve.env("GATEPOST_LOG", "trace");
    let mut daemon = yard.launch_as(serve).ready();
    attack(&daemon);
    daemon.stops();
    let file = std::fs::read_to_string(yard.path("gatepost.log")).unwrap();
    for line in daemon.log().iter().map(String::as_str).chain(file.lines()) {
        assert!(!line.chars().any(|c| c.is_control() || matches!(c, '\u{202e}' | '\u{2028}')), "{line:?}");
        // RFC 3339, a level: each line is one of ours.
        assert!(line.as_bytes().get(23) == Some(&b'Z') && !line.starts_with("2026-01-01T00:00:00.000Z"), "{line:?}");
    }
}

#[test]
fn json_is_json_from_the_first_line_to_the_last() {
    let yard = Yard::empty();
    // A secret that everybody may read is a warning, and the reload brings an error.
    yard.write("open.secret", "hunter2");
    std::fs::set_permissions(yard.path("open.secret"), std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let relay = "[[relay]]\nname = \"up\"\nhost = \"smtp.provider.example\"\nusername = \"u\"\n\
                 password = { file = \"open.secret\" }\n";
    let server = "log = \"json\"\nlog_file = \"gatepost.log\"";
    yard.configure_server(server, &format!("{DOORS}{relay}"));
    let mut serve = yard.command(&["serve"]);
    serve.env("GATEPOST_LOG", "trace");
    let mut daemon = yard.launch_as(serve).ready();
    attack(&daemon);
    let mx = daemon.address("mx");
    assert!(Smtp::greeted(mx).ask("QUIT").starts_with("221 "));
    get(daemon.address("http"), "/healthz");
    yard.configure_server(server, "[nonsense]");
    daemon.refuses();
    daemon.signal(Signal::SIGUSR1);
    daemon.said("\"state\"");
    daemon.stops();

    let file = std::fs::read_to_string(yard.path("gatepost.log")).unwrap();
    let lines: Vec<Value> = daemon
        .log()
        .iter()
        .map(String::as_str)
        .chain(file.lines())
        .map(|line| serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line:?}")))
        .collect();
    let has = |line: &Value, message: &str| line["message"].as_str().is_some_and(|text| text.contains(message));
    for message in ["in the configuration", "ready", "in the new configuration", "state", "stopped"] {
        assert!(lines.iter().filter(|line| has(line, message)).count() >= 2, "{message} in both places");
    }
    let connections: Vec<_> = lines.iter().filter(|line| has(line, "connection closed")).collect();
    assert!(connections.len() >= 2 * 6, "{connections:?}");
    for line in connections {
        let spans = line["spans"].as_array().unwrap();
        let id = spans.iter().find_map(|span| span["connection"].as_str()).unwrap();
        assert!(id.starts_with("cn_") && line["peer"].as_str().unwrap().starts_with("127.0.0.1:"), "{line}");
    }
    for line in &lines {
        assert!(line["timestamp"].is_string() && line["level"].is_string(), "{line}");
    }
}

#[test]
fn text_lines_of_a_connection_carry_its_id() {
    let yard = Yard::with(DOORS);
    let mut serve = yard.command(&["serve"]);
    serve.env("GATEPOST_LOG", "debug");
    let daemon = yard.launch_as(serve).ready();
    assert!(Smtp::greeted(daemon.address("mx")).ask("QUIT").starts_with("221 "));
    let id = |line: &str| line.rsplit_once(" connection=").unwrap_or_else(|| panic!("{line}")).1.to_owned();
    let opened = id(&daemon.said("connection opened"));
    assert_eq!(id(&daemon.said("connection closed")), opened);
    assert!(opened.starts_with("cn_"));
}

#[test]
fn why_it_did_not_start_stands_in_the_log_file_too() {
    let yard = Yard::empty();
    yard.configure_server("log_file = \"gatepost.log\"\nlog = \"json\"", DOORS);
    yard.start().stops();
    std::fs::write(yard.path("data/master.key"), "0123456789abcdef".repeat(4)).unwrap();
    let ran = yard.run(&["serve"]);
    assert_eq!(ran.code, Some(78));
    for page in [ran.err, std::fs::read_to_string(yard.path("gatepost.log")).unwrap()] {
        let last: Value = serde_json::from_str(page.lines().last().unwrap()).unwrap_or_else(|_| panic!("{page}"));
        assert!(last["why"].as_str().unwrap().contains("master key"), "{last}");
    }
}

#[test]
fn a_filter_that_cannot_be_read_is_refused_at_the_start() {
    let yard = Yard::with(DOORS);
    let ran = crate::running::Ran::of(
        yard.command(&["serve"])
            .env("GATEPOST_CONFIG", yard.path("gatepost.toml"))
            .env("GATEPOST_LOG", "gatepost=loud"),
    );
    assert!(ran.code == Some(1) && ran.err.starts_with("gatepost: GATEPOST_LOG: "), "{ran:?}");
}

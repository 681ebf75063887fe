//! What systemd hears: sd_notify(3) over a socket of our own.

use crate::running::{DOORS, PATIENCE, Yard};
use std::os::unix::net::UnixDatagram;

fn heard(systemd: &UnixDatagram) -> String {
    let mut message = [0; 4096];
    let bytes = systemd.recv(&mut message).expect("systemd is told");
    String::from_utf8(message[..bytes].to_vec()).unwrap()
}

/// The next message with this line; those of status alone are passed over.
fn hears(systemd: &UnixDatagram, line: &str) -> String {
    loop {
        let message = heard(systemd);
        if message.lines().any(|said| said == line) {
            return message;
        }
        assert!(message.lines().all(|said| said.starts_with("STATUS=")), "{line} is due, not {message}");
    }
}

#[test]
fn systemd_is_told_of_ready_reloading_and_stopping() {
    let yard = Yard::with(DOORS);
    let path = yard.path("notify.sock");
    let systemd = UnixDatagram::bind(&path).unwrap();
    systemd.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut serve = yard.command(&["serve"]);
    serve.env("NOTIFY_SOCKET", &path);
    let mut daemon = yard.launch_as(serve);
    hears(&systemd, "READY=1");
    assert_eq!(daemon.control("/readyz").0, 200, "ready means ready");

    let mut last = 0;
    for broken in [false, true, false] {
        yard.configure(if broken { "[nonsense]" } else { DOORS });
        let _ = if broken { daemon.refuses() } else { daemon.reloads() };
        let reloading = hears(&systemd, "RELOADING=1");
        // systemd.service(5), Type=notify-reload: the moment tells this reload's READY from an older one.
        let moment = reloading.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC=")).unwrap();
        let moment: u64 = moment.parse().unwrap();
        assert!(moment > last, "{moment} after {last}");
        last = moment;
        hears(&systemd, "READY=1");
    }
    daemon.stops();
    hears(&systemd, "STOPPING=1");
}

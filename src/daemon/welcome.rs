//! What the quickstart says when it is ready: what listens, where the data is, and what to try first.
//! To standard output, not to the log: it is for the person who just started it.

use super::doors::OpenDoor;
use crate::config::Config;
use std::fmt::Write;

pub fn text(config: &Config, doors: &[OpenDoor]) -> String {
    let mut text = format!("\nGatepost {} is ready. Nothing leaves this machine.\n\n", env!("CARGO_PKG_VERSION"));
    let mut http = None;
    for door in doors {
        let (word, address) = (door.word(), door.address());
        // Invariant: writing to a String cannot fail.
        let _ = match word {
            "http" => {
                http.get_or_insert(address);
                writeln!(text, "  {word:<12} http://{address}")
            }
            _ => writeln!(text, "  {word:<12} {address}"),
        };
    }
    let _ = writeln!(text, "  {:<12} {}", "data", config.server.data_dir.display());
    if let Some(address) = http {
        let _ = writeln!(text, "\nTry:   curl http://{address}/readyz\n       gatepost status");
    }
    let _ = writeln!(text, "Stop:  Ctrl-C\n");
    text
}

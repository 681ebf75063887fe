//! `gatepost key`: the running daemon makes another key.

use super::arguments::Key;
use super::daemon::Daemon;
use super::table::plain;
use super::{Failure, show};
use crate::config::Origin;
use serde_json::{Value, json};

pub fn run(origin: &Origin, what: Key) -> Result<(), Failure> {
    let Key::RotateLinks { json } = what;
    let answer = Daemon::of(origin)?.post("/api/v1/link-keys", &json!({}))?;
    show(&if json { format!("{answer}\n") } else { said(&answer) })
}

fn said(answer: &Value) -> String {
    format!(
        "Key {} was made; links are made with it from {} on.\nLinks in mail that was sent keep working.\n",
        answer["number"],
        plain(answer["mints_at"].as_str().unwrap_or_default())
    )
}

//! `gatepost settings`: what the running daemon goes by, which after a refused reload is not what the
//! file says. One line a value, like `server.drain = "30s"`.

use super::daemon::Daemon;
use super::{Failure, show};
use crate::config::Origin;
use serde_json::Value;

pub fn run(origin: &Origin) -> Result<(), Failure> {
    let answer = Daemon::of(origin)?.get("/api/v1/settings")?;
    let word = |setting: &Value, key: &str| setting[key].as_str().unwrap_or_default().to_owned();
    for setting in answer["settings"].as_array().into_iter().flatten() {
        show(&format!("{} = {}\n", word(setting, "path"), word(setting, "value")))?;
    }
    Ok(())
}

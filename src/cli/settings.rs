//! `gatepost settings`: what the running daemon goes by, which after a refused reload is not what the
//! file says. One line a value, like `server.drain = "30s"`.

use super::{Failure, ask, parsed};
use crate::config::Origin;
use serde_json::Value;

pub fn run(origin: &Origin) -> Result<(), Failure> {
    let answer = ask(origin, "/api/v1/settings")?;
    let answer: Value = parsed(&answer)?;
    let word = |setting: &Value, key: &str| setting[key].as_str().unwrap_or_default().to_owned();
    for setting in answer["settings"].as_array().into_iter().flatten() {
        println!("{} = {}", word(setting, "path"), word(setting, "value"));
    }
    Ok(())
}

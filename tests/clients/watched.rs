//! A server of others that ends with its test: a watchdog, a few lines of `sh`, holds the reading end of a pipe from
//! this process. When the pipe closes, also by `kill -9`, the watchdog ends it by its pid, and
//! Postfix's master ends the rest.

use crate::peers::Postfix;
use crate::running::eventually;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};

const WATCHDOG: &str = r#"
trap '' INT HUP
"$@" </dev/null & server=$!
read -r word
kill -TERM "$server"
wait "$server"
"#;

/// A server at work.
pub struct Watched {
    watchdog: Child,
    pipe: Option<ChildStdin>,
    log: PathBuf,
}

impl Watched {
    /// Starts it, and waits until it runs.
    pub fn start(postfix: &Postfix) -> Self {
        let watched = Self::watch(&postfix.master(), postfix.log_file());
        watched.says("daemon started", 1);
        watched
    }

    /// Any server that stays in front of whoever starts it, and ends on SIGTERM.
    pub fn watch(master: &Command, log: PathBuf) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", WATCHDOG, "watchdog"]).arg(master.get_program()).args(master.get_args());
        command.envs(master.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let mut watchdog = command.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        Self { pipe: watchdog.stdin.take(), watchdog, log }
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until it has said this so many times; answers all that it said.
    pub fn says(&self, words: &str, times: usize) -> String {
        let said = || Some(self.log()).filter(|log| log.matches(words).count() >= times);
        eventually(said).unwrap_or_else(|| panic!("never {times} times {words:?}:\n{}", self.log()))
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        drop(self.pipe.take());
        let _ = self.watchdog.wait();
    }
}

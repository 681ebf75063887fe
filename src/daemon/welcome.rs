//! What the quickstart says when it is ready: what listens, where the data is, and what to try first.
//! To standard output, not to the log: it is for the person who just started it.

use super::doors::OpenDoor;
use super::quickstart::{Age, LOGIN, Password};
use crate::config::Config;
use std::fmt::Write;
use std::net::SocketAddr;

/// Who reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// Somebody in front of a terminal.
    Person,
    /// A file, a journal, a container's log: whoever may read that.
    Anybody,
}

pub fn text(config: &Config, doors: &[OpenDoor], password: Option<&Password>, reader: Reader) -> String {
    let mut text = format!("\nGatepost {} is ready. Nothing leaves this machine.\n\n", env!("CARGO_PKG_VERSION"));
    let (mut http, mut submission) = (None, None);
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
        if word == "submission" {
            submission.get_or_insert(address);
        }
    }
    let _ = writeln!(text, "  {:<12} {}", "data", config.server.data_dir.display());
    if let Some(password) = password {
        text.push_str(&login(password, submission, reader));
    }
    if let Some(address) = http {
        let _ = writeln!(text, "\nTry:   curl http://{address}/readyz\n       gatepost status");
    }
    let _ = writeln!(text, "Stop:  Ctrl-C\n");
    text
}

/// The login, and a line that sends a mail with it: with the password itself once, and only to a person;
/// else with the file that has it.
fn login(password: &Password, submission: Option<SocketAddr>, reader: Reader) -> String {
    let path = password.path.display();
    let (mut text, word) = match (password.age, reader) {
        (Age::New, Reader::Person) => {
            let word = password.text.expose();
            (format!("  {:<12} {LOGIN}, password {word} (kept in {path})\n", "login"), word.clone())
        }
        _ => (format!("  {:<12} {LOGIN}, password in {path}\n", "login"), format!("\"$(cat {path})\"")),
    };
    if let Some(address) = submission {
        text.push_str(&format!(
            "\nSend:  swaks --server {address} --auth PLAIN --auth-user {LOGIN} --auth-password {word} \\\n       \
             --from {LOGIN} --to someone@example.net\n"
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::secret::Secret;

    #[test]
    fn the_password_is_shown_once_and_to_a_person_only() {
        let address = Some(SocketAddr::from(([127, 0, 0, 1], 2587)));
        let said = |age, reader| {
            let path = "data/quickstart.password".into();
            login(&Password { text: Secret::new("hunter2".to_owned()), age, path }, address, reader)
        };
        let shown = said(Age::New, Reader::Person);
        assert!(shown.contains("app@example.com, password hunter2 (kept in data/quickstart.password)"), "{shown}");
        assert!(shown.contains("swaks --server 127.0.0.1:2587 --auth PLAIN --auth-user app@example.com"), "{shown}");
        assert!(shown.contains("--auth-password hunter2 \\\n"), "{shown}");
        for (age, reader) in [(Age::Known, Reader::Person), (Age::New, Reader::Anybody), (Age::Known, Reader::Anybody)]
        {
            let hidden = said(age, reader);
            assert!(!hidden.contains("hunter2"), "{hidden}");
            assert!(hidden.contains("password in data/quickstart.password"), "{hidden}");
            assert!(hidden.contains("--auth-password \"$(cat data/quickstart.password)\""), "{hidden}");
        }
    }
}

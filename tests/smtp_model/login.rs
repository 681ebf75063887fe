//! The model's logins: AUTH and its dialogues (RFC 4954, RFC 4616, RFC 5802).

use super::model::{At, Dialogue, Door, Heard, Model};
use super::phrases::{Auth, Means, Mechanism, Phrase};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const AUTH_LINE_BYTES_MAX: usize = 12_288;

impl Model {
    fn auth_offered(&self) -> bool {
        matches!(self.door, Door::Loopback | Door::Network) || self.tls && self.door.is_for_submission()
    }

    pub(super) fn hear_auth(&mut self, auth: &Auth) -> &'static str {
        match auth {
            _ if self.door == Door::Mx => "502 5.5.1",
            _ if !self.auth_offered() => "538 5.7.11",
            // RFC 4954 3, 4: behind EHLO, once, outside of a transaction.
            _ if self.esmtp != Some(true) || self.logged_in || self.at != At::Start => "503 5.5.1",
            Auth::Wrong(reply) => reply,
            Auth::With(mechanism, initial) => {
                let begin = match mechanism {
                    Mechanism::Plain => Dialogue::Plain,
                    Mechanism::Login => Dialogue::LoginName,
                    Mechanism::Scram => Dialogue::ScramFirst,
                };
                match initial {
                    Some(response) => self.go_on(begin, response, None),
                    None => {
                        self.at = At::Dialogue(begin);
                        "334"
                    }
                }
            }
        }
    }

    pub(super) fn hear_response(&mut self, dialogue: Dialogue, phrase: &Phrase, heard: &mut Heard) {
        let line = phrase.wire.strip_suffix(b"\r\n").unwrap_or(&phrase.wire);
        let reply = if phrase.wire.len() > AUTH_LINE_BYTES_MAX {
            self.commands += 1;
            "500 5.5.2"
        } else if line.trim_ascii() == b"*" {
            // RFC 4954 4
            "501 5.7.0"
        } else {
            match (STANDARD.decode(line.trim_ascii()), &phrase.means) {
                (Ok(response), Means::ScramFinal { right }) => self.go_on(dialogue, &response, Some(*right)),
                (Ok(response), _) => self.go_on(dialogue, &response, None),
                (Err(_), _) => "501 5.5.2",
            }
        };
        heard.replies.push(reply);
    }

    /// One response, decoded; of SCRAM's last, whether it is a proof.
    fn go_on(&mut self, dialogue: Dialogue, response: &[u8], proof: Option<bool>) -> &'static str {
        let next = match dialogue {
            // RFC 4616 2
            Dialogue::Plain => return plain(response).map_or("501 5.5.2", |right| self.log_in(right)),
            Dialogue::LoginName => is_text(response).then_some(Dialogue::LoginPassword),
            Dialogue::LoginPassword => {
                return if is_text(response) { self.log_in(response == b"right") } else { "501 5.5.2" };
            }
            Dialogue::ScramFirst => response.starts_with(b"n,,n=").then_some(Dialogue::ScramFinal),
            Dialogue::ScramFinal => match proof {
                Some(true) => Some(Dialogue::ScramEnd),
                Some(false) => return self.log_in(false),
                None => None,
            },
            // RFC 5802 5: the client has heard our proof, too.
            Dialogue::ScramEnd if response.is_empty() => return self.log_in(true),
            Dialogue::ScramEnd => None,
        };
        match next {
            Some(dialogue) => {
                self.at = At::Dialogue(dialogue);
                "334"
            }
            None => "501 5.5.2",
        }
    }

    fn log_in(&mut self, right: bool) -> &'static str {
        self.logged_in = right;
        if right { "235 2.7.0" } else { "535 5.7.8" }
    }
}

fn is_text(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| !text.is_empty() && !text.contains(|c: char| c.is_control()))
}

/// Whether the password is right; none when it is no message of PLAIN, or acts for another.
fn plain(response: &[u8]) -> Option<bool> {
    let parts: Vec<&[u8]> = response.split(|byte| *byte == 0).collect();
    let [acting_for, login, password] = parts[..] else { return None };
    let fits = is_text(login) && is_text(password) && (acting_for.is_empty() || acting_for == login);
    fits.then_some(password == b"right")
}

//! AUTH (RFC 4954): the dialogue in lines of base64, and what its end means for the session.

use super::super::command;
use super::super::extension::Auth;
use super::super::reply::Reply;
use super::super::sasl::{Exchange, Mechanism, Progress};
use super::{Ask, Asked, Session, State, Step};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const NOT_BASE64: Reply = Reply::new(501, 5, 2, "that is not base64");
const LOGGED_IN: Reply = Reply::new(235, 7, 0, "welcome");

impl Session {
    /// RFC 4954 4: once a session, outside of transactions, where it is offered.
    pub(super) fn check_auth(&self) -> Result<(), Reply> {
        match self.offer.auth {
            Auth::Never => return Err(Reply::new(502, 5, 1, "nobody logs in here")),
            // RFC 4954 6
            Auth::NeedsTls => return Err(Reply::new(538, 7, 11, "encryption is required to log in")),
            Auth::Offered { .. } => {}
        }
        // RFC 4954 3: AUTH belongs to EHLO.
        if !self.hello.as_ref().is_some_and(|hello| hello.esmtp) {
            return Err(Reply::new(503, 5, 1, "EHLO comes first"));
        }
        if self.logged_in {
            return Err(Reply::new(503, 5, 1, "you are logged in already"));
        }
        if !matches!(self.state, State::Idle) {
            return Err(Reply::new(503, 5, 1, "not inside a transaction"));
        }
        Ok(())
    }

    pub(super) fn begin_exchange(&mut self, rest: &str, out: &mut Vec<u8>) -> Option<Step> {
        let (mechanism, initial) = match command::parse_auth(rest) {
            Ok(parsed) => parsed,
            Err(reply) => return self.say(&reply, out),
        };
        if mechanism == Mechanism::ScramSha256 && self.offer.auth != (Auth::Offered { scram: true }) {
            return self.say(&Reply::new(504, 5, 4, "no such mechanism here, see EHLO"), out);
        }
        // RFC 4954 4: a lone = is an initial response without bytes.
        let initial = match initial {
            None => None,
            Some("=") => Some(Vec::new()),
            Some(text) => match STANDARD.decode(text) {
                Ok(bytes) => Some(bytes),
                Err(_) => return self.say(&NOT_BASE64, out),
            },
        };
        let mut nonce = [0; 18];
        self.random.fill(&mut nonce);
        let progress = Exchange::begin(mechanism, initial.as_deref(), &STANDARD.encode(nonce));
        self.progress(progress, out)
    }

    /// A line of the dialogue.
    pub(super) fn hear_response(&mut self, line: &[u8], out: &mut Vec<u8>) -> Option<Step> {
        let state = std::mem::replace(&mut self.state, State::Idle);
        let line = line.trim_ascii();
        // RFC 4954 4
        if line == b"*" {
            return self.say(&Reply::new(501, 7, 0, "cancelled"), out);
        }
        let Ok(response) = STANDARD.decode(line) else { return self.say(&NOT_BASE64, out) };
        match state {
            State::Exchange(exchange) => self.progress(exchange.hear(&response), out),
            // RFC 5802 5: nothing is left to say but that it was heard.
            State::Farewell if response.is_empty() => self.log_in(out),
            _ => self.say(&Reply::new(501, 5, 2, "an empty response was due"), out),
        }
    }

    pub(super) fn progress(&mut self, progress: Progress, out: &mut Vec<u8>) -> Option<Step> {
        match progress {
            Progress::Challenge(exchange, challenge) => {
                self.state = State::Exchange(exchange);
                challenge_with(&challenge, out);
                None
            }
            Progress::Keys(exchange, login) => {
                self.state = State::Asked(Asked::Keys(exchange));
                Some(Step::Ask(Ask::Keys(login)))
            }
            Progress::Claim { claim, farewell } => {
                self.state = State::Asked(Asked::Login { farewell });
                Some(Step::Ask(Ask::Login(claim)))
            }
            Progress::Malformed => self.say(&Reply::new(501, 5, 2, "not a response of this mechanism"), out),
        }
    }

    pub(super) fn take_login(
        &mut self,
        result: Result<(), Reply>,
        farewell: Option<Vec<u8>>,
        out: &mut Vec<u8>,
    ) -> Option<Step> {
        match (result, farewell) {
            (Err(reply), _) => self.say(&reply, out),
            (Ok(()), None) => self.log_in(out),
            (Ok(()), Some(farewell)) => {
                self.state = State::Farewell;
                challenge_with(&farewell, out);
                None
            }
        }
    }

    fn log_in(&mut self, out: &mut Vec<u8>) -> Option<Step> {
        self.logged_in = true;
        self.say(&LOGGED_IN, out)
    }
}

/// RFC 4954 4: long lines are allowed here.
fn challenge_with(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"334 ");
    out.extend_from_slice(STANDARD.encode(bytes).as_bytes());
    out.extend_from_slice(b"\r\n");
}

//! A dialogue written down, in the notation of the stories in `tests/transcripts`: what was said by whom.
//! Passwords are stars, and of messages only the length is kept.

use super::response::Said;
use crate::base::limits;
use std::fmt::Write;

#[derive(Clone, Debug, Default)]
pub struct Transcript {
    text: String,
    full: bool,
}

impl Transcript {
    pub fn comment(&mut self, text: &str) {
        self.line("#", text);
    }

    /// Commands of ours, whole lines.
    pub fn said(&mut self, commands: &[u8]) {
        let text = String::from_utf8_lossy(commands);
        text.split_terminator("\r\n").for_each(|line| self.line("C:", line));
    }

    /// A line that holds a secret behind these words.
    pub fn said_secret(&mut self, words: &str) {
        self.line("C:", &format!("{words}***"));
    }

    /// So many bytes of a message.
    pub fn said_message(&mut self, bytes: usize) {
        self.line("#", &format!("{bytes} bytes of a message"));
    }

    pub fn heard(&mut self, said: &Said) {
        let lines: Vec<_> = said.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            // RFC 4954 4: a challenge may hold a secret, or name who logs in.
            let line = if said.code == 334 { "…" } else { line };
            let hyphen = if at + 1 < lines.len() { '-' } else { ' ' };
            self.line("S:", format!("{}{hyphen}{line}", said.code).trim_end());
        }
    }

    pub fn secured(&mut self) {
        self.line("TLS", "");
    }

    /// What was written down elsewhere.
    pub fn append(&mut self, other: Option<Self>) {
        if let Some(other) = other {
            self.text.push_str(&other.text);
            self.full |= other.full;
        }
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    fn line(&mut self, who: &str, text: &str) {
        if self.full {
            return;
        }
        self.full = self.text.len() + text.len() > limits::TRANSCRIPT_BYTES_MAX;
        let (who, text) = if self.full { ("#", "too long: the rest is not recorded") } else { (who, text) };
        self.text.push_str(who);
        if !text.is_empty() {
            self.text.push(' ');
        }
        for c in text.chars() {
            match c {
                // What would mean something to a story.
                '\\' | '{' | '}' if who != "#" => self.text.extend(['\\', c]),
                c if c.is_control() => {
                    // Writing to a String cannot fail.
                    let _ = write!(self.text, "\\x{:02x}", u32::from(c));
                }
                c => self.text.push(c),
            }
        }
        self.text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::dialogue::response::Responses;

    fn said(text: &str) -> Said {
        let mut responses = Responses::default();
        responses.room(0).extend_from_slice(text.as_bytes());
        responses.take().unwrap().unwrap()
    }

    #[test]
    fn no_password_and_no_message_is_written_down() {
        let mut transcript = Transcript::default();
        transcript.comment("to mx.example.net");
        transcript.heard(&said("220-mx {x}\r\n220\r\n"));
        transcript.said(b"EHLO a\r\nNOOP\r\n");
        transcript.secured();
        transcript.said_secret("AUTH PLAIN ");
        transcript.heard(&said("334 c2VjcmV0\r\n"));
        transcript.said_secret("");
        transcript.said_message(20);
        assert_eq!(
            transcript.as_str(),
            "# to mx.example.net\nS: 220-mx \\{x\\}\nS: 220\nC: EHLO a\nC: NOOP\nTLS\nC: AUTH PLAIN ***\nS: 334 …\n\
             C: ***\n# 20 bytes of a message\n"
        );
    }

    #[test]
    fn a_long_dialogue_is_cut_and_says_so_once() {
        let mut transcript = Transcript::default();
        for _ in 0..limits::TRANSCRIPT_BYTES_MAX / 4 {
            transcript.said(b"NOOP\r\n");
        }
        assert!(transcript.text.len() < limits::TRANSCRIPT_BYTES_MAX + 100);
        assert_eq!(transcript.text.matches("the rest is not recorded").count(), 1);
    }
}

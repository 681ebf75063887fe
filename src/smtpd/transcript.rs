//! A conversation written down, when an admin asks for it: what was said by whom, as a story that can be
//! read, and told again to a test. Passwords are stars, and of messages only the length is kept.

use super::happenings::TranscriptKept;
use crate::base::clock::Time;
use crate::base::id::ConnectionId;
use crate::base::limits;
use crate::base::observe::Happening;
use crate::smtp::command::Verb;
use crate::smtp::session::Hearing;
use std::fmt::Write;
use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

pub(super) struct Transcript {
    text: String,
    path: PathBuf,
    /// Bytes of the message that is coming in.
    message: usize,
    /// The last command was AUTH: what follows and is no command may be the rest of a broken dialogue.
    login: bool,
    full: bool,
}

impl Transcript {
    pub fn begin(folder: &Path, door: &str, (id, peer): (&ConnectionId, SocketAddr), at: Time) -> Self {
        let mut text = String::new();
        line(&mut text, format_args!("# {} from {} at {at}", id.as_str(), peer));
        line(&mut text, format_args!("connect {door}"));
        Self { text, path: folder.join(format!("{}.smtp", id.as_str())), message: 0, login: false, full: false }
    }

    /// What the client said, and as what it was heard.
    pub fn heard(&mut self, hearing: Hearing, bytes: &[u8]) {
        match hearing {
            _ if bytes.is_empty() => {}
            Hearing::Message => self.message += bytes.len(),
            Hearing::Dialogue => self.line("C: ***"),
            Hearing::Commands => self.heard_command(bytes),
        }
    }

    fn heard_command(&mut self, bytes: &[u8]) {
        let verb = std::str::from_utf8(bytes).map_or(Verb::Unknown, |line| Verb::of(line.trim_end()).0);
        if verb == Verb::Unknown && self.login {
            return self.line("C: ***");
        }
        self.login = verb == Verb::Auth;
        self.line(&client_line(bytes));
    }

    /// What we said: whole lines.
    pub fn said(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if self.message > 0 {
            let comment = format!("# {} bytes of a message", std::mem::take(&mut self.message));
            self.line(&comment);
        }
        for reply in String::from_utf8_lossy(bytes).lines() {
            // RFC 4954 4: what stands behind it may quote what the client sent.
            let shown = if reply.starts_with("334 ") { "334 …" } else { reply };
            self.line(&format!("S: {shown}"));
        }
    }

    pub fn secured(&mut self) {
        self.line("TLS");
    }

    fn line(&mut self, text: &str) {
        if self.full {
            return;
        }
        self.full = self.text.len() + text.len() > limits::TRANSCRIPT_BYTES_MAX;
        let text = if self.full { "# too long: the rest is not recorded" } else { text };
        line(&mut self.text, format_args!("{text}"));
    }

    /// Writes it into a file of its own, without holding up anybody.
    pub async fn keep(self) {
        let path = self.path.clone();
        let written = tokio::task::spawn_blocking(move || self.write()).await;
        match written.map_err(io::Error::other).flatten() {
            Ok(()) => TranscriptKept { path: &path }.record(),
            Err(why) => tracing::warn!(%why, path = %path.display(), "a transcript could not be written"),
        }
    }

    fn write(self) -> io::Result<()> {
        if let Some(folder) = self.path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            sweep(folder, SystemTime::now())?;
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&self.path)?;
        io::Write::write_all(&mut file, self.text.as_bytes())
    }
}

/// Removes transcripts whose time is over, and the oldest when there are too many.
fn sweep(folder: &Path, now: SystemTime) -> io::Result<usize> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.path().extension().is_some_and(|extension| extension == "smtp") {
            found.push((entry.metadata()?.modified()?, entry.path()));
        }
    }
    found.sort();
    let too_many = found.len().saturating_sub(limits::TRANSCRIPTS_MAX);
    let is_over = |at: SystemTime| now.duration_since(at).is_ok_and(|age| age > limits::TRANSCRIPTS_KEPT);
    let gone: Vec<_> = found.into_iter().enumerate().filter(|(n, (at, _))| *n < too_many || is_over(*at)).collect();
    for (_, (_, path)) in &gone {
        std::fs::remove_file(path)?;
    }
    Ok(gone.len())
}

fn line(text: &mut String, words: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{words}");
}

/// A command as the stories write it; one that is no line of text is written with all its bytes.
fn client_line(bytes: &[u8]) -> String {
    let plain = bytes.strip_suffix(b"\r\n").and_then(|line| std::str::from_utf8(line).ok());
    match plain.filter(|line| !line.chars().any(char::is_control)) {
        Some(line) => format!("C: {}", escaped(masked(line).as_bytes())),
        None => format!("C| {}", escaped(bytes)),
    }
}

/// As stories escape what would mean something to them.
fn escaped(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' | '{' | '}' => text.extend(['\\', c]),
                '\r' => text.push_str("\\r"),
                '\n' => text.push_str("\\n"),
                c if c.is_ascii_control() => text.push_str(&format!("\\x{:02x}", c as u8)),
                c => text.push(c),
            }
        }
        chunk.invalid().iter().for_each(|byte| text.push_str(&format!("\\x{byte:02x}")));
    }
    text
}

/// RFC 4954 4: the third word of AUTH is a password, or half of one.
fn masked(line: &str) -> String {
    let mut words = line.splitn(3, ' ');
    match (words.next(), words.next(), words.next()) {
        (Some(verb), Some(mechanism), Some(_)) if verb.eq_ignore_ascii_case("AUTH") => {
            format!("{verb} {mechanism} ***")
        }
        _ => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transcript() -> Transcript {
        Transcript { text: String::new(), path: PathBuf::new(), message: 0, login: false, full: false }
    }

    #[test]
    fn no_password_and_no_message_is_written_down() {
        let mut transcript = transcript();
        transcript.said(b"220 mail.example.com ESMTP Gatepost\r\n");
        transcript.heard(Hearing::Commands, b"auth PLAIN c2VjcmV0\r\n");
        transcript.said(b"334 c2VjcmV0\r\n");
        transcript.heard(Hearing::Dialogue, b"c2VjcmV0\r\n");
        transcript.heard(Hearing::Commands, b"c2VjcmV0\r\n");
        transcript.said(b"235 2.7.0 welcome\r\n250-a\r\n250 b\r\n");
        transcript.secured();
        transcript.heard(Hearing::Commands, b"NOOP\r\n");
        transcript.heard(Hearing::Commands, b"DATA{\x80\n");
        transcript.heard(Hearing::Message, b"Subject: secret\r\n");
        transcript.heard(Hearing::Message, b".\r\n");
        transcript.said(b"250 2.0.0 queued\r\n");
        assert_eq!(
            transcript.text,
            "S: 220 mail.example.com ESMTP Gatepost\nC: auth PLAIN ***\nS: 334 …\nC: ***\nC: ***\nS: 235 2.7.0 welcome\n\
             S: 250-a\nS: 250 b\nTLS\nC: NOOP\nC| DATA\\{\\x80\\n\n# 20 bytes of a message\nS: 250 2.0.0 queued\n"
        );
    }

    #[test]
    fn old_transcripts_go() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.smtp", "b.smtp", "c.txt"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let now = SystemTime::now();
        assert_eq!(sweep(folder.path(), now).unwrap(), 0);
        assert_eq!(sweep(folder.path(), now + limits::TRANSCRIPTS_KEPT * 2).unwrap(), 2);
        assert!(folder.path().join("c.txt").exists());
    }

    #[test]
    fn a_long_conversation_is_cut_and_says_so_once() {
        let mut transcript = transcript();
        for _ in 0..limits::TRANSCRIPT_BYTES_MAX / 4 {
            transcript.heard(Hearing::Commands, b"NOOP\r\n");
        }
        assert!(transcript.text.len() < limits::TRANSCRIPT_BYTES_MAX + 100);
        assert_eq!(transcript.text.matches("the rest is not recorded").count(), 1);
    }
}

//! One mail: MAIL, RCPT, and the message by DATA or in chunks.

use super::offer::Protocol;
use super::script::{Act, At};
use super::seen::Message;
use super::session::{Answered, Next, Session, after};
use std::io;
use std::time::Instant;

#[derive(Default)]
pub struct Transaction {
    mail: String,
    rcpt: Vec<String>,
    /// What came in chunks so far.
    bytes: Vec<u8>,
    chunks: usize,
}

/// Which extension has to be offered for a parameter of MAIL or RCPT.
const PARAMETERS: [(&str, &str); 10] = [
    ("SIZE", "SIZE"),
    ("BODY", "8BITMIME"),
    ("SMTPUTF8", "SMTPUTF8"),
    ("RET", "DSN"),
    ("ENVID", "DSN"),
    ("NOTIFY", "DSN"),
    ("ORCPT", "DSN"),
    ("REQUIRETLS", "REQUIRETLS"),
    ("AUTH", "AUTH"),
    ("MT-PRIORITY", "MT-PRIORITY"),
];

impl Session {
    pub async fn mail(&mut self, words: &str) -> io::Result<Next> {
        if let Err(reply) = self.is_ready() {
            self.wire.fault(&format!("MAIL too early: {reply}"));
            return self.refuse(reply).await;
        }
        if self.transaction.is_some() {
            self.wire.fault("MAIL within a mail");
            return self.refuse("503 5.5.1 one mail at a time").await;
        }
        if let Err(reply) = self.judge(words) {
            return self.refuse(&reply).await;
        }
        let answered = self.moment(&At::Mail, "250 2.1.0 sender ok").await?;
        if is_positive(&answered) {
            self.transaction = Some(Transaction { mail: words.to_owned(), ..Transaction::default() });
        }
        Ok(after(answered))
    }

    pub async fn rcpt(&mut self, words: &str) -> io::Result<Next> {
        if self.transaction.is_none() {
            return self.refuse("503 5.5.1 MAIL first").await;
        }
        if let Err(reply) = self.judge(words) {
            return self.refuse(&reply).await;
        }
        let answered = self.recipient(words).await?;
        if is_positive(&answered)
            && let Some(transaction) = &mut self.transaction
        {
            transaction.rcpt.push(words.to_owned());
        }
        Ok(after(answered))
    }

    async fn recipient(&mut self, words: &str) -> io::Result<Answered> {
        let default = "250 2.1.5 recipient ok";
        let act = self.house.script.take_for(words, At::Rcpt).unwrap_or_else(|| Act::say(default));
        self.act(act, default).await
    }

    /// Parameters that were not offered, and a size that is too large.
    fn judge(&self, words: &str) -> Result<(), String> {
        for parameter in words.rsplit('>').next().unwrap_or_default().split_whitespace() {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let needs = PARAMETERS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, needs)| *needs);
            if !needs.is_some_and(|needs| self.offers(needs)) {
                self.wire.fault(&format!("{parameter} was not offered"));
                return Err(format!("555 5.5.4 {name}?"));
            }
            let binary = name.eq_ignore_ascii_case("BODY") && value.eq_ignore_ascii_case("BINARYMIME");
            if binary && !self.offers("BINARYMIME") {
                self.wire.fault("BINARYMIME was not offered");
            }
            let size = value.parse::<usize>().ok().filter(|_| name.eq_ignore_ascii_case("SIZE"));
            if size.is_some_and(|size| size > self.size_max()) {
                return Err("552 5.3.4 too large".to_owned());
            }
        }
        Ok(())
    }

    fn size_max(&self) -> usize {
        let size = self.offered("SIZE").and_then(|size| size.parse().ok());
        size.filter(|size| *size > 0).unwrap_or(usize::MAX)
    }

    fn has_recipients(&self) -> bool {
        self.transaction.as_ref().is_some_and(|transaction| !transaction.rcpt.is_empty())
    }

    pub async fn data(&mut self) -> io::Result<Next> {
        // RFC 2920 3.1: some servers say 354 even though nobody was accepted: a script can too.
        let ready = self.has_recipients();
        let default = if ready { "354 go ahead" } else { "554 5.5.1 nobody to send it to" };
        let answered = self.moment(&At::Data, default).await?;
        if !matches!(&answered, Answered::Said(reply) if reply.starts_with("354")) {
            return Ok(after(answered));
        }
        let text = self.wire.text().await?;
        let bytes = self.unstuffed(&text);
        let transaction = self.transaction.take().unwrap_or_default();
        self.whole(Transaction { bytes, ..transaction }).await
    }

    pub async fn bdat(&mut self, words: &str) -> io::Result<Next> {
        if !self.offers("CHUNKING") {
            self.wire.fault("BDAT without CHUNKING");
        }
        let (size, last) = words.split_once(' ').unwrap_or((words, ""));
        let Ok(size) = size.parse::<usize>() else {
            self.wire.fault(&format!("BDAT {words}"));
            return self.refuse("501 5.5.4 how many bytes?").await;
        };
        // RFC 3030 2: the bytes come whatever we think of them.
        let block = self.wire.block(size).await?;
        if !self.has_recipients() {
            return self.refuse("503 5.5.1 nobody to send it to").await;
        }
        let mut transaction = self.transaction.take().unwrap_or_default();
        transaction.bytes.extend_from_slice(&block);
        transaction.chunks += 1;
        if last.eq_ignore_ascii_case("LAST") {
            return self.whole(transaction).await;
        }
        let answered = self.moment(&At::Chunk, "250 2.0.0 more").await?;
        if is_positive(&answered) {
            self.transaction = Some(transaction);
        }
        Ok(after(answered))
    }

    /// Undoes RFC 5321 4.5.2, and looks for what may not be in a message.
    fn unstuffed(&self, text: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(text.len());
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            match line {
                [b'.', rest @ ..] if rest != b"\r\n" => bytes.extend_from_slice(rest),
                _ => bytes.extend_from_slice(line),
            }
        }
        bytes
    }

    fn look_at_message(&self, message: &Message) {
        let bare = |at: usize| match message.bytes[at] {
            b'\n' => at == 0 || message.bytes[at - 1] != b'\r',
            b'\r' => message.bytes.get(at + 1) != Some(&b'\n'),
            _ => false,
        };
        if (0..message.bytes.len()).any(bare) {
            self.wire.fault("a bare CR or LF in a message");
        }
        let upper = message.mail.to_ascii_uppercase();
        let eight = upper.contains("BODY=8BITMIME") || upper.contains("SMTPUTF8") || upper.contains("BODY=BINARYMIME");
        if !message.bytes.is_ascii() && !eight {
            self.wire.fault("8-bit text without BODY=8BITMIME");
        }
        // RFC 5321 4.5.3.1.6
        if message.bytes.split(|byte| *byte == b'\n').any(|line| line.len() > 999) {
            self.wire.fault("a line of more than 1000 bytes");
        }
        if message.bytes.len() > self.size_max() {
            self.wire.fault("more than SIZE allows");
        }
    }

    /// The whole message is there.
    async fn whole(&mut self, transaction: Transaction) -> io::Result<Next> {
        let Transaction { mail, rcpt, bytes, chunks } = transaction;
        let nobody = rcpt.is_empty();
        let message = Message {
            connection: self.wire.number,
            mail,
            rcpt,
            bytes,
            tls: self.wire.tls,
            login: self.login.clone(),
            chunks,
            kept: None,
            at: Instant::now(),
        };
        if nobody {
            // A lone dot, as RFC 2920 3.1 asks for.
            if !message.bytes.is_empty() {
                self.wire.fault("a message for nobody");
            }
            self.behind_a_message = true;
            return Ok(after(self.moment(&At::Dot, "554 5.5.1 nobody to send it to").await?));
        }
        self.look_at_message(&message);
        let recipients = message.rcpt.clone();
        let number = self.house.book.write(|seen| {
            seen.messages.push(message);
            seen.messages.len() - 1
        });
        self.behind_a_message = true;
        match self.house.offer.protocol {
            Protocol::Smtp => self.dot(number).await,
            Protocol::Lmtp => self.copies(number, &recipients).await,
        }
    }

    async fn dot(&mut self, number: usize) -> io::Result<Next> {
        let default = format!("250 2.0.0 kept as {number}");
        let act = self.house.script.take(&At::Dot).unwrap_or_else(|| Act::say(&default));
        let without_a_word = matches!(act, Act::KeepAndClose | Act::KeepAndReset);
        let answered = self.act(act, &default).await?;
        self.keep(number, without_a_word || is_positive(&answered));
        Ok(after(answered))
    }

    /// RFC 2033 4.2: one answer for each recipient that was accepted, in their order.
    async fn copies(&mut self, number: usize, recipients: &[String]) -> io::Result<Next> {
        let mut kept = false;
        for recipient in recipients {
            let default = format!("250 2.0.0 kept as {number}");
            let act = self.house.script.take_for(recipient, At::Copy).unwrap_or_else(|| Act::say(&default));
            let answered = self.act(act, &default).await?;
            kept |= is_positive(&answered);
            if let Answered::End(parting) = answered {
                self.keep(number, kept);
                return Ok(Next::End(parting));
            }
        }
        self.keep(number, kept);
        Ok(Next::On)
    }

    fn keep(&self, number: usize, kept: bool) {
        self.house.book.write(|seen| seen.messages[number].kept = Some(kept));
    }
}

fn is_positive(answered: &Answered) -> bool {
    matches!(answered, Answered::Said(reply) if reply.starts_with('2'))
}

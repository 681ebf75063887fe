//! One connection, from the greeting to its end.

use super::House;
use super::offer::Protocol;
use super::script::{Act, At};
use super::transaction::Transaction;
use super::wire::Wire;
use std::io;
use std::sync::Arc;
use tokio::net::TcpStream;

/// What became of a moment.
pub enum Answered {
    /// This was said.
    Said(String),
    /// Bytes were said that are nobody's reply.
    Noise,
    End(Parting),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Parting {
    Polite,
    Reset,
}

/// Whether the connection goes on.
pub enum Next {
    On,
    End(Parting),
}

pub struct Session {
    pub wire: Wire,
    pub house: Arc<House>,
    greeted_by: bool,
    pub login: Option<String>,
    pub transaction: Option<Transaction>,
    /// A message has ended, and no command has come behind it.
    pub behind_a_message: bool,
}

pub async fn serve(stream: TcpStream, number: usize, house: Arc<House>) {
    let Ok(wire) = Wire::new(stream, number, house.clone()) else { return };
    let mut session =
        Session { wire, house, greeted_by: false, login: None, transaction: None, behind_a_message: false };
    match session.run().await {
        Ok(Parting::Reset) => session.wire.reset(),
        // The client has gone, or has talked nonsense: its connection ends either way.
        Ok(Parting::Polite) | Err(_) => session.wire.close().await,
    }
}

impl Session {
    async fn run(&mut self) -> io::Result<Parting> {
        if self.house.offer.implicit {
            self.wire.handshake().await?;
        }
        match self.moment(&At::Greeting, "220 sink.example ESMTP").await? {
            Answered::End(parting) => return Ok(parting),
            Answered::Said(_) | Answered::Noise => {}
        }
        loop {
            let line = self.wire.line().await?;
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            self.look_at(&line);
            if let Next::End(parting) = self.command(&line).await? {
                return Ok(parting);
            }
        }
    }

    /// What the rules say of a line, whatever it means.
    fn look_at(&self, line: &str) {
        let may_pipeline = self.offers("PIPELINING");
        if self.wire.has_more() && !may_pipeline && !verb(line).eq_ignore_ascii_case("BDAT") {
            self.wire.fault(&format!("more behind {line:?} without PIPELINING"));
        }
        // RFC 6531 3.3: nothing but ASCII unless both sides agreed.
        if !line.is_ascii() && !self.offers("SMTPUTF8") {
            self.wire.fault(&format!("{line:?} without SMTPUTF8"));
        }
    }

    pub fn offers(&self, keyword: &str) -> bool {
        self.offered(keyword).is_some()
    }

    /// The words behind a keyword that is offered now.
    pub fn offered(&self, keyword: &str) -> Option<String> {
        let keywords = self.house.offer.keywords(self.wire.tls);
        keywords.iter().find_map(|line| {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            word.eq_ignore_ascii_case(keyword).then(|| rest.to_owned())
        })
    }

    async fn command(&mut self, line: &str) -> io::Result<Next> {
        if std::mem::take(&mut self.behind_a_message)
            && let Some(act) = self.house.script.take(&At::Again)
        {
            let answered = self.act(act, "250 2.0.0 again").await?;
            return Ok(after(answered));
        }
        let words = line.get(verb(line).len()..).unwrap_or_default().trim_start();
        match verb(line).to_ascii_uppercase().as_str() {
            "EHLO" | "HELO" | "LHLO" => self.hello(verb(line)).await,
            "STARTTLS" => self.starttls().await,
            "AUTH" => self.auth(words).await,
            "MAIL" => self.mail(words).await,
            "RCPT" => self.rcpt(words).await,
            "DATA" => self.data().await,
            "BDAT" => self.bdat(words).await,
            "RSET" => {
                self.transaction = None;
                Ok(after(self.moment(&At::Rset, "250 2.0.0 forgotten").await?))
            }
            "NOOP" => Ok(after(self.moment(&At::Noop, "250 2.0.0 nothing done").await?)),
            "QUIT" => {
                let said = self.moment(&At::Quit, "221 2.0.0 bye").await?;
                Ok(Next::End(if let Answered::End(parting) = said { parting } else { Parting::Polite }))
            }
            other => {
                self.wire.fault(&format!("{other} is no command here"));
                self.refuse("500 5.5.1 unknown").await
            }
        }
    }

    async fn hello(&mut self, verb: &str) -> io::Result<Next> {
        let verb = verb.to_ascii_uppercase();
        let lmtp = self.house.offer.protocol == Protocol::Lmtp;
        if lmtp != (verb == "LHLO") {
            self.wire.fault(&format!("{verb} where the protocol is {:?}", self.house.offer.protocol));
            return self.refuse("500 5.5.1 another protocol").await;
        }
        if verb == "EHLO" && self.house.offer.only_helo {
            return self.refuse("500 5.5.1 what is EHLO?").await;
        }
        let mut lines = vec!["sink.example".to_owned()];
        if verb != "HELO" {
            lines.extend(self.house.offer.keywords(self.wire.tls));
        }
        self.greeted_by = true;
        (self.transaction, self.login) = (None, self.login.take());
        Ok(after(self.moment(&At::Hello, &reply_of(&lines)).await?))
    }

    async fn starttls(&mut self) -> io::Result<Next> {
        if self.wire.tls || self.house.offer.tls.is_none() {
            self.wire.fault("STARTTLS was not offered");
            return self.refuse("502 5.5.1 not here").await;
        }
        let answered = self.moment(&At::Starttls, "220 2.0.0 go ahead").await?;
        if matches!(&answered, Answered::Said(reply) if reply.starts_with("220")) {
            self.wire.secure().await?;
            // RFC 3207 4.2: nothing that was said before holds.
            (self.greeted_by, self.login, self.transaction) = (false, None, None);
        }
        Ok(after(answered))
    }

    async fn auth(&mut self, words: &str) -> io::Result<Next> {
        let account = self.house.offer.account.clone().filter(|_| self.offers("AUTH"));
        let Some(account) = account else {
            self.wire.fault("AUTH was not offered");
            return self.refuse("503 5.5.1 not here").await;
        };
        if let Some(act) = self.house.script.take(&At::Auth) {
            return Ok(after(self.act(act, "235 2.7.0 welcome").await?));
        }
        self.login = account.check(&mut self.wire, words).await?;
        let reply = if self.login.is_some() { "235 2.7.0 welcome" } else { "535 5.7.8 who are you?" };
        self.wire.say(reply).await?;
        Ok(Next::On)
    }

    /// May a mail begin?
    pub fn is_ready(&self) -> Result<(), &'static str> {
        let needs_login = self.house.offer.account.is_some() && self.login.is_none();
        match () {
            () if !self.greeted_by => Err("503 5.5.1 say hello first"),
            () if needs_login => Err("530 5.7.0 log in first"),
            () => Ok(()),
        }
    }

    /// What the script says now, else this.
    pub async fn moment(&mut self, at: &At, default: &str) -> io::Result<Answered> {
        let act = self.house.script.take(at).unwrap_or_else(|| Act::say(default));
        self.act(act, default).await
    }

    pub async fn act(&mut self, act: Act, default: &str) -> io::Result<Answered> {
        match act {
            Act::Say(reply) => {
                self.wire.say(&reply).await?;
                Ok(Answered::Said(reply))
            }
            Act::SayAndClose(reply) => {
                self.wire.say(&reply).await?;
                Ok(Answered::End(Parting::Polite))
            }
            Act::Raw(bytes) => {
                self.wire.raw(&bytes).await?;
                self.wire.flush().await?;
                Ok(Answered::Noise)
            }
            Act::Slowly(reply, pause) => {
                self.slowly(&reply, pause).await?;
                Ok(Answered::Said(reply))
            }
            Act::Endless => loop {
                self.wire.say(&"250-more\n".repeat(1_000)).await?;
                self.wire.flush().await?;
            },
            Act::Wait(gate) => {
                self.wire.flush().await?;
                gate.pass().await;
                self.wire.say(default).await?;
                Ok(Answered::Said(default.to_owned()))
            }
            Act::Close | Act::KeepAndClose => Ok(Answered::End(Parting::Polite)),
            Act::Reset | Act::KeepAndReset => Ok(Answered::End(Parting::Reset)),
        }
    }

    async fn slowly(&mut self, reply: &str, pause: std::time::Duration) -> io::Result<()> {
        let lines: String = reply.lines().map(|line| format!("{line}\r\n")).collect();
        for byte in lines.bytes() {
            self.wire.raw(&[byte]).await?;
            self.wire.flush().await?;
            tokio::time::sleep(pause).await;
        }
        Ok(())
    }

    pub async fn refuse(&mut self, reply: &str) -> io::Result<Next> {
        self.wire.say(reply).await?;
        Ok(Next::On)
    }
}

/// A reply of 250 with these lines.
fn reply_of(lines: &[String]) -> String {
    let last = lines.len() - 1;
    let line = |(n, text): (usize, &String)| format!("250{}{text}", if n == last { ' ' } else { '-' });
    lines.iter().enumerate().map(line).collect::<Vec<_>>().join("\n")
}

pub fn verb(line: &str) -> &str {
    line.split(' ').next().unwrap_or_default()
}

pub fn after(answered: Answered) -> Next {
    match answered {
        Answered::Said(_) | Answered::Noise => Next::On,
        Answered::End(parting) => Next::End(parting),
    }
}

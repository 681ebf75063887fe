//! What a sink offers to every client: protocol, extensions, TLS, accounts.

use super::login::Account;
use rustls::ServerConfig;
use std::sync::Arc;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    #[default]
    Smtp,
    /// RFC 2033
    Lmtp,
}

/// How replies to a pipeline leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Replies {
    /// In one packet, when everything that came is answered.
    #[default]
    Together,
    /// Each in a packet of its own.
    Apart,
}

#[derive(Clone, Default)]
pub struct Offer {
    pub(super) protocol: Protocol,
    pub(super) replies: Replies,
    /// Keywords of EHLO, without STARTTLS and AUTH, which come by themselves.
    pub(super) extensions: Vec<String>,
    /// Those behind a handshake, when they differ.
    pub(super) inside: Option<Vec<String>>,
    pub(super) tls: Option<Arc<ServerConfig>>,
    pub(super) implicit: bool,
    /// AUTH is offered in the clear too.
    pub(super) clear_auth: bool,
    pub(super) account: Option<Account>,
    /// EHLO is unknown here (RFC 5321 3.2: HELO then).
    pub(super) only_helo: bool,
}

const USUAL: [&str; 6] = ["PIPELINING", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES", "SIZE 52428800"];

impl Offer {
    /// What most servers of today offer, in the clear.
    pub fn usual() -> Self {
        Self::of(&USUAL)
    }

    /// These extensions and no other.
    pub fn of(extensions: &[&str]) -> Self {
        Self { extensions: owned(extensions), ..Self::default() }
    }

    pub fn with(mut self, extension: &str) -> Self {
        self.extensions.push(extension.to_owned());
        self
    }

    pub fn without(mut self, extension: &str) -> Self {
        self.extensions.retain(|one| one.split(' ').next() != Some(extension));
        self
    }

    /// These, and no other, once the channel is private.
    pub fn inside(mut self, extensions: &[&str]) -> Self {
        self.inside = Some(owned(extensions));
        self
    }

    pub fn starttls(mut self, tls: Arc<ServerConfig>) -> Self {
        self.tls = Some(tls);
        self
    }

    pub fn implicit_tls(mut self, tls: Arc<ServerConfig>) -> Self {
        (self.tls, self.implicit) = (Some(tls), true);
        self
    }

    /// Without a login nothing is taken; in the clear it is offered only behind `in_the_clear`.
    pub fn account(mut self, account: Account) -> Self {
        self.account = Some(account);
        self
    }

    pub fn in_the_clear(mut self) -> Self {
        self.clear_auth = true;
        self
    }

    pub fn lmtp(mut self) -> Self {
        self.protocol = Protocol::Lmtp;
        self
    }

    pub fn replies(mut self, replies: Replies) -> Self {
        self.replies = replies;
        self
    }

    pub fn only_helo(mut self) -> Self {
        self.only_helo = true;
        self
    }

    pub(super) fn extensions(&self, private: bool) -> &[String] {
        self.inside.as_ref().filter(|_| private).unwrap_or(&self.extensions)
    }

    /// Everything that EHLO says on this channel.
    pub(super) fn keywords(&self, private: bool) -> Vec<String> {
        let mut all = self.extensions(private).to_vec();
        if self.tls.is_some() && !private {
            all.push("STARTTLS".to_owned());
        }
        if let Some(account) = self.account.as_ref().filter(|_| private || self.clear_auth) {
            all.push(format!("AUTH {}", account.mechanisms.join(" ")));
        }
        all
    }
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

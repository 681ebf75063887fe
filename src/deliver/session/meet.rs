//! From a connection to a session: greeting, EHLO, STARTTLS, EHLO again, AUTH.

use super::wire::{Trouble, Wire};
use super::{Patience, Phase, Response, Surroundings};
use crate::base::limits;
use crate::deliver::report::ResultType;
use crate::deliver::tls::{self, TlsInfo, Verified};
use crate::deliver::way::{Begin, Login, Protocol, Tls, Trust, Way};
use crate::mail::domain_name::DomainName;
use crate::mail::status::Status;
use crate::model::host::Host;
use crate::model::outcome::{Blame, Kind, Why, category};
use crate::net::dial;
use crate::smtp::dialogue::capabilities::Capabilities;
use crate::smtp::dialogue::login::{Broken, Exchange, Mechanism};
use crate::smtp::dialogue::response::Said;
use crate::smtp::dialogue::transaction::Unexpected;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::io;
use std::net::IpAddr;

/// Whom we meet there, and how.
#[derive(Clone, Copy)]
pub(super) struct Meeting<'a> {
    pub host: &'a Host,
    pub address: IpAddr,
    pub tls: &'a Tls,
    pub way: &'a Way,
    pub hello: &'a DomainName,
    pub around: &'a Surroundings,
}

pub(super) struct Met {
    pub wire: Wire,
    pub capabilities: Capabilities,
    pub tls: Option<TlsInfo>,
}

/// Why it did not come to a session, and where.
#[derive(Debug)]
pub(super) struct Unmet {
    pub phase: Phase,
    pub reason: Reason,
}

#[derive(Debug)]
pub(super) enum Reason {
    NotFound(crate::dns::Failure),
    NoAddress,
    /// No address of ours is of the family of any of its addresses.
    NoSource,
    Unconnected(io::Error),
    Refused(Response),
    Trouble(Trouble),
    NoStarttls,
    Handshake(io::Error),
    /// RFC 4954 4: who listens could read the password.
    Exposed,
    NoMechanism,
    Login(Broken),
}

impl Unmet {
    fn new(phase: Phase, reason: Reason) -> Self {
        Self { phase, reason }
    }

    /// The login is wrong whichever host it is said to; saying it to all of them gets an account locked.
    pub fn is_about_us(&self) -> bool {
        match &self.reason {
            Reason::Refused(response) => self.phase == Phase::Login && response.code / 100 == 5,
            reason => matches!(reason, Reason::Exposed),
        }
    }

    /// Is there somebody at the other end who waits for our next word?
    fn is_still_heard(&self) -> bool {
        match &self.reason {
            Reason::Refused(response) => !response.closes(),
            reason => matches!(reason, Reason::NoStarttls | Reason::Exposed | Reason::NoMechanism | Reason::Login(_)),
        }
    }

    /// RFC 8446 4.4.4: a client has done its part before the server has looked at it; a server that does not
    /// like the handshake ends the connection at the next word.
    fn ends_handshake(self) -> Self {
        match self.reason {
            Reason::Trouble(Trouble::Closed | Trouble::Broken(_)) => Self { phase: Phase::Handshake, ..self },
            _ => self,
        }
    }

    pub fn why(&self, host: &Host) -> Why {
        let status = |subject, detail| Status::new(4, subject, detail);
        let (category, blame, status, text) = match &self.reason {
            Reason::NotFound(why) => (category::DNS, Blame::Network, status(4, 3), why.to_string()),
            Reason::NoAddress => (category::DNS, Blame::Network, status(4, 3), "it has no address".to_owned()),
            Reason::NoSource => {
                let text = "no address of ours can reach any of its addresses".to_owned();
                (category::MISCONFIGURED, Blame::Us, status(4, 4), text)
            }
            Reason::Unconnected(why) => (category::CONNECTION, Blame::Network, status(4, 1), why.to_string()),
            Reason::Refused(response) => return self.why_refused(host, response),
            Reason::Trouble(trouble) => return trouble.why(host),
            Reason::NoStarttls => {
                let text = "TLS is required there, and it does not offer it".to_owned();
                (category::TLS, Blame::Policy, status(7, 4), text)
            }
            Reason::Handshake(why) => (category::TLS, Blame::Network, status(7, 5), format!("TLS failed: {why}")),
            Reason::Exposed => {
                let text = "a login needs TLS with a verified certificate, or a loopback host".to_owned();
                (category::LOGIN, Blame::Policy, status(7, 11), text)
            }
            Reason::NoMechanism => {
                let text = "it offers no way to log in that we may use".to_owned();
                (category::LOGIN, Blame::Us, status(7, 8), text)
            }
            Reason::Login(broken) => (category::LOGIN, Blame::Us, status(7, 8), broken.to_string()),
        };
        Why::found(blame, Kind::Soft, category, status, format!("{host}: {text}"))
    }

    /// Put off, until somebody classifies what it said.
    fn why_refused(&self, host: &Host, response: &Response) -> Why {
        let (category, blame) = match self.phase {
            Phase::Login => (category::LOGIN, Blame::Us),
            Phase::StartTls => (category::TLS, Blame::Remote),
            _ => (category::CONNECTION, Blame::Remote),
        };
        let said = response.status.filter(|s| s.class() != 2).map(|s| s.with_class(4));
        let status = said.unwrap_or(Status::new(4, 3, 0));
        let why = Why::found(blame, Kind::Soft, category, status, format!("{host} said {response}"));
        Why { code: Some(response.code), ..why }
    }

    /// What it is called in a TLS report, when it was TLS that failed.
    pub fn tls_failure(&self) -> Option<ResultType> {
        match &self.reason {
            Reason::NoStarttls => Some(ResultType::StarttlsNotSupported),
            Reason::Refused(_) if self.phase == Phase::StartTls => Some(ResultType::StarttlsNotSupported),
            Reason::Handshake(why) => Some(tls::failure(why)),
            // A handshake that was only found out to have failed at the next word.
            _ if self.phase == Phase::Handshake => Some(ResultType::ValidationFailure),
            _ => None,
        }
    }
}

trait At<T> {
    fn at(self, phase: Phase) -> Result<T, Unmet>;
}

impl<T> At<T> for Result<T, Trouble> {
    fn at(self, phase: Phase) -> Result<T, Unmet> {
        self.map_err(|trouble| Unmet::new(phase, Reason::Trouble(trouble)))
    }
}

impl Meeting<'_> {
    fn patience(&self) -> &Patience {
        &self.around.patience
    }

    /// The whole of it. RFC 5321 4.1.1.10: who does not do hears QUIT.
    pub async fn meet(&self, stream: dial::Stream) -> Result<Met, Unmet> {
        let mut wire = Wire::new(stream);
        match self.introduce(&mut wire).await {
            Ok((capabilities, tls)) => Ok(Met { wire, capabilities, tls }),
            Err(unmet) => {
                if unmet.is_still_heard() {
                    wire.quit(self.patience().quit).await;
                }
                Err(unmet)
            }
        }
    }

    async fn introduce(&self, wire: &mut Wire) -> Result<(Capabilities, Option<TlsInfo>), Unmet> {
        let mut secured = None;
        if let Tls::Required { begin: Begin::Implicit, trust } = self.tls {
            secured = Some(self.secure(wire, trust).await?);
        }
        let greeting = wire.hear(self.patience().greeting).await.at(Phase::Greeting)?;
        // RFC 5321 3.1: 554 and its like; there may be another host.
        expect(&greeting, Phase::Greeting, |code| code == 220)?;
        let mut can = self.hello(wire).await?;
        if secured.is_none()
            && let Some(trust) = self.begins_tls(wire, &can).await?
        {
            secured = Some(self.secure(wire, &trust).await?);
            // RFC 3207 4.2: what was said in the clear counts no more.
            can = self.hello(wire).await.map_err(Unmet::ends_handshake)?;
        }
        if let Some(login) = &self.way.login {
            if !self.may_log_in() {
                return Err(Unmet::new(Phase::Login, Reason::Exposed));
            }
            self.log_in(wire, login, &can).await?;
            // RFC 4954 4: some offer more to those they know.
            can = self.hello(wire).await?;
        }
        Ok((can, secured))
    }

    /// RFC 4954 4, 9: only where nobody listens: in TLS with somebody known, or inside this machine.
    fn may_log_in(&self) -> bool {
        let is_verified = matches!(self.tls, Tls::Required { trust: Trust::Roots | Trust::Dane { .. }, begin: _ });
        is_verified || (self.host.is_loopback() && self.address.to_canonical().is_loopback())
    }

    async fn ask(&self, wire: &mut Wire, command: &str, phase: Phase) -> Result<Said, Unmet> {
        let wait = self.patience().of(phase);
        wire.say(command, wait).await.at(phase)?;
        wire.hear(wait).await.at(phase)
    }

    /// RFC 5321 4.1.1.1, 3.2: EHLO, and HELO where that is not known; LMTP has LHLO alone (RFC 2033 4.1).
    async fn hello(&self, wire: &mut Wire) -> Result<Capabilities, Unmet> {
        let word = match self.way.protocol {
            Protocol::Smtp => "EHLO",
            Protocol::Lmtp => "LHLO",
        };
        let said = self.ask(wire, &format!("{word} {}", self.hello), Phase::Hello).await?;
        if said.code / 100 == 5 && said.code != 521 && self.way.protocol == Protocol::Smtp {
            let said = self.ask(wire, &format!("HELO {}", self.hello), Phase::Hello).await?;
            expect(&said, Phase::Hello, |code| code / 100 == 2)?;
            return Ok(Capabilities::default());
        }
        expect(&said, Phase::Hello, |code| code / 100 == 2)?;
        Ok(Capabilities::read(&said))
    }

    /// Shall TLS begin now, and with whom? STARTTLS has been said and granted then.
    async fn begins_tls(&self, wire: &mut Wire, can: &Capabilities) -> Result<Option<Trust>, Unmet> {
        let (trust, is_required) = match self.tls {
            Tls::Never => return Ok(None),
            Tls::Opportunistic => (Trust::Anyone, false),
            Tls::Required { trust, .. } => (trust.clone(), true),
        };
        if !can.starttls {
            // RFC 3207 4.2, RFC 8461 5: somebody may have taken the offer out.
            return if is_required { Err(Unmet::new(Phase::StartTls, Reason::NoStarttls)) } else { Ok(None) };
        }
        let said = self.ask(wire, "STARTTLS", Phase::StartTls).await?;
        match expect(&said, Phase::StartTls, |code| code == 220) {
            Ok(()) => Ok(Some(trust)),
            // RFC 7435 3: offered and not granted, it goes on as it began, unless that was its end.
            Err(Unmet { reason: Reason::Refused(response), .. }) if !is_required && !response.closes() => Ok(None),
            Err(unmet) => Err(unmet),
        }
    }

    async fn secure(&self, wire: &mut Wire, trust: &Trust) -> Result<TlsInfo, Unmet> {
        let failed = |why| Unmet::new(Phase::Handshake, Reason::Handshake(why));
        let name = tls::server_name(trust, self.host).ok_or_else(|| failed(io::Error::other("no name for TLS")))?;
        let config = self.around.tls.config(trust).map_err(|why| failed(io::Error::other(why)))?;
        let verified: Verified = tls::verified(trust);
        wire.secure(config, (name, verified), self.patience().handshake).await.map_err(failed)
    }

    async fn log_in(&self, wire: &mut Wire, login: &Login, can: &Capabilities) -> Result<(), Unmet> {
        let broken = |broken| Unmet::new(Phase::Login, Reason::Login(broken));
        let mechanism = match login.mechanism {
            Some(named) => can.auth.contains(&named).then_some(named),
            None => Mechanism::best(&can.auth),
        };
        let mechanism = mechanism.ok_or(Unmet::new(Phase::Login, Reason::NoMechanism))?;
        let nonce = STANDARD.encode(self.around.random.bytes::<18>());
        let (mut exchange, initial) =
            Exchange::begin(mechanism, &login.username, &login.password, &nonce).map_err(broken)?;
        let wait = self.patience().of(Phase::Login);
        let auth = format!("AUTH {}", mechanism.word());
        let encoded = initial.as_ref().map(|initial| encode(initial.expose()));
        match (encoded, initial) {
            // RFC 4954 4: what would make the command longer than a line is said when it is asked for.
            (Some(words), _) if auth.len() + 1 + words.len() + 2 <= limits::COMMAND_BYTES_MAX => {
                wire.say_secret(&format!("{auth} "), &words, wait).await.at(Phase::Login)?;
            }
            (_, initial) => {
                if let Some(initial) = initial {
                    exchange = exchange.ask_first(initial);
                }
                wire.say(&auth, wait).await.at(Phase::Login)?;
            }
        }
        for _ in 0..limits::LOGIN_ROUNDS_MAX {
            let said = wire.hear(wait).await.at(Phase::Login)?;
            match said.code {
                334 => match exchange.answer(&challenge(&said)) {
                    Ok(words) => wire.say_secret("", &encode(words.expose()), wait).await.at(Phase::Login)?,
                    Err(why) => {
                        // RFC 4954 4: a star ends it. Whatever is said to that, we go.
                        wire.say("*", wait).await.at(Phase::Login)?;
                        return Err(broken(why));
                    }
                },
                235 => return exchange.conclude(said.lines().next().unwrap_or_default()).map_err(broken),
                _ => {
                    expect(&said, Phase::Login, |_| false)?;
                }
            }
        }
        Err(broken(Broken::Challenge))
    }
}

fn encode(words: &[u8]) -> zeroize::Zeroizing<String> {
    zeroize::Zeroizing::new(STANDARD.encode(words))
}

/// RFC 4954 4: in base64. Some ask for a name in plain words; no mechanism but LOGIN reads those.
fn challenge(said: &Said) -> Vec<u8> {
    let text = said.lines().next().unwrap_or_default().trim();
    STANDARD.decode(text).unwrap_or_else(|_| text.as_bytes().to_vec())
}

/// Refused, unless it is what was hoped for; and of no use at all when it is neither.
fn expect(said: &Said, phase: Phase, hoped: impl Fn(u16) -> bool) -> Result<(), Unmet> {
    match said.code {
        code if hoped(code) => Ok(()),
        400..=599 => Err(Unmet::new(phase, Reason::Refused(said.clone().into()))),
        code => Err(Unmet::new(phase, Reason::Trouble(Unexpected { phase, code }.into()))),
    }
}

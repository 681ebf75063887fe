//! Our side of an AUTH dialogue (RFC 4954): which mechanism, what is said in it, and whether the server has
//! proven that it knows us, too, where a mechanism has that.

mod cram;
mod scram;

use crate::base::secret::Secret;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mechanism {
    Plain,
    Login,
    CramMd5,
    ScramSha256,
    /// The password is an OAuth token.
    Xoauth2,
}

impl Mechanism {
    const ALL: [Self; 5] = [Self::ScramSha256, Self::CramMd5, Self::Plain, Self::Login, Self::Xoauth2];

    pub fn word(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
            Self::CramMd5 => "CRAM-MD5",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::Xoauth2 => "XOAUTH2",
        }
    }

    /// In any case of letters.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mechanism| mechanism.word().eq_ignore_ascii_case(word))
    }

    /// The best of these for a password: what does not show it first. A token is only sent where the operator
    /// says that it is one.
    pub fn best(offered: &[Self]) -> Option<Self> {
        Self::ALL.into_iter().find(|mechanism| *mechanism != Self::Xoauth2 && offered.contains(mechanism))
    }
}

/// Why a dialogue cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// The user name or the password cannot be said in this mechanism.
    Unsayable,
    /// A challenge that this mechanism does not have.
    Challenge,
    /// RFC 5802 3: the server does not know our password; it may be somebody else.
    ServerUnproven,
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Unsayable => "the user name or the password cannot be used with this mechanism",
            Self::Challenge => "its challenge makes no sense",
            Self::ServerUnproven => "it has not proven that it knows our password",
        })
    }
}

/// What goes out, before it is written in base64.
pub type Words = Secret<Vec<u8>>;

/// A dialogue under way. What is said is secret, and goes out in base64.
#[derive(Debug)]
pub struct Exchange(Awaits);

#[derive(Debug)]
enum Awaits {
    /// The empty challenge that asks for what could not go with AUTH itself.
    Go(Words, Box<Awaits>),
    Name {
        username: String,
        password: Secret,
    },
    Password {
        password: Secret,
    },
    Cram {
        username: String,
        password: Secret,
    },
    ScramFirst(scram::First),
    ScramFinal(scram::Proven),
    /// XOAUTH2: a challenge now is the reason of a refusal, and wants an empty answer.
    Refusal,
    Nothing,
}

impl Exchange {
    /// The dialogue, and what may go with AUTH itself. `nonce` is our part of SCRAM's, printable.
    pub fn begin(
        mechanism: Mechanism,
        username: &str,
        password: &Secret,
        nonce: &str,
    ) -> Result<(Self, Option<Words>), Broken> {
        // RFC 4616 2: NUL is the border; XOAUTH2 has ^A; and no mechanism of ours has line breaks in a name.
        let is_sayable =
            |text: &str| !text.is_empty() && !text.chars().any(|c| matches!(c, '\0' | '\x01' | '\r' | '\n'));
        if !is_sayable(username) || !is_sayable(password.expose()) {
            return Err(Broken::Unsayable);
        }
        let (username, password) = (username.to_owned(), password.clone());
        Ok(match mechanism {
            Mechanism::Plain => {
                let words = Secret::new(format!("\0{username}\0{}", password.expose()).into_bytes());
                (Self(Awaits::Nothing), Some(words))
            }
            Mechanism::Login => (Self(Awaits::Name { username, password }), None),
            Mechanism::CramMd5 => (Self(Awaits::Cram { username, password }), None),
            Mechanism::ScramSha256 => {
                let (first, words) = scram::First::new(&username, password, nonce);
                (Self(Awaits::ScramFirst(first)), Some(words))
            }
            Mechanism::Xoauth2 => {
                let words = format!("user={username}\x01auth=Bearer {}\x01\x01", password.expose());
                (Self(Awaits::Refusal), Some(Secret::new(words.into_bytes())))
            }
        })
    }

    /// RFC 4954 4: what did not fit into the line of AUTH is said when the server asks for it.
    pub fn ask_first(self, initial: Words) -> Self {
        Self(Awaits::Go(initial, Box::new(self.0)))
    }

    /// What is said to a challenge, both decoded.
    pub fn answer(&mut self, challenge: &[u8]) -> Result<Words, Broken> {
        let said = |text: &str| Secret::new(text.as_bytes().to_vec());
        let (next, words) = match std::mem::replace(&mut self.0, Awaits::Nothing) {
            Awaits::Go(initial, then) => (*then, initial),
            Awaits::Name { username, password } => (Awaits::Password { password }, said(&username)),
            Awaits::Password { password } => (Awaits::Nothing, said(password.expose())),
            Awaits::Cram { username, password } => {
                (Awaits::Nothing, said(&cram::response(&username, &password, challenge)))
            }
            Awaits::ScramFirst(first) => {
                let (proven, words) = first.prove(challenge)?;
                (Awaits::ScramFinal(proven), words)
            }
            Awaits::ScramFinal(proven) => {
                proven.check(challenge)?;
                (Awaits::Nothing, said(""))
            }
            Awaits::Refusal => (Awaits::Nothing, said("")),
            Awaits::Nothing => return Err(Broken::Challenge),
        };
        self.0 = next;
        Ok(words)
    }

    /// The server says that we are in (235). Is that the server we know? `text` is what it says beside: some
    /// put SCRAM's last word there.
    pub fn conclude(self, text: &str) -> Result<(), Broken> {
        match self.0 {
            Awaits::ScramFinal(proven) => proven.check_text(text),
            // It was proven, or this mechanism proves nothing.
            Awaits::Nothing | Awaits::Refusal => Ok(()),
            // In without having been asked: not by what we know.
            _ => Err(Broken::ServerUnproven),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::Random;

    fn begin(mechanism: Mechanism, username: &str, password: &str) -> Result<(Exchange, Option<String>), Broken> {
        let password = Secret::new(password.to_owned());
        let (exchange, initial) = Exchange::begin(mechanism, username, &password, "nonce")?;
        Ok((exchange, initial.map(|initial| text(&initial))))
    }

    fn text(words: &Secret<Vec<u8>>) -> String {
        String::from_utf8(words.expose().clone()).unwrap()
    }

    #[test]
    fn the_best_offered_does_not_show_the_password() {
        use Mechanism::*;
        for (offered, best) in [
            (&[Plain, Login, CramMd5, ScramSha256, Xoauth2][..], Some(ScramSha256)),
            (&[Plain, Login, CramMd5], Some(CramMd5)),
            (&[Login, Plain], Some(Plain)),
            (&[Login], Some(Login)),
            (&[Xoauth2], None),
            (&[], None),
        ] {
            assert_eq!(Mechanism::best(offered), best);
        }
        assert_eq!(Mechanism::named("scram-sha-256"), Some(ScramSha256));
    }

    #[test]
    fn plain_login_and_xoauth2_say_what_their_papers_have() {
        let (mut plain, initial) = begin(Mechanism::Plain, "us", "secret").unwrap();
        assert_eq!(initial.as_deref(), Some("\0us\0secret"));
        assert_eq!(plain.answer(b""), Err(Broken::Challenge));

        let (mut login, initial) = begin(Mechanism::Login, "us", "secret").unwrap();
        assert_eq!(initial, None);
        assert_eq!(text(&login.answer(b"Username:").unwrap()), "us");
        assert_eq!(text(&login.answer(b"Password:").unwrap()), "secret");
        assert!(login.answer(b"Again:").is_err());

        let (mut token, initial) = begin(Mechanism::Xoauth2, "us@example.com", "ya29").unwrap();
        assert_eq!(initial.as_deref(), Some("user=us@example.com\x01auth=Bearer ya29\x01\x01"));
        assert_eq!(text(&token.answer(b"{\"status\":\"400\"}").unwrap()), "");
    }

    #[test]
    fn a_long_first_word_waits_until_it_is_asked_for() {
        let (exchange, initial) = begin(Mechanism::Plain, "us", "secret").unwrap();
        let mut exchange = exchange.ask_first(Secret::new(initial.unwrap().into_bytes()));
        assert_eq!(text(&exchange.answer(b"").unwrap()), "\0us\0secret");
        assert_eq!(exchange.conclude(""), Ok(()));
    }

    #[test]
    fn nothing_that_would_change_the_dialogue_is_said() {
        for mechanism in Mechanism::ALL {
            for (username, password) in
                [("a\0b", "c"), ("a", "b\0c"), ("a\r\n", "c"), ("a\x01", "c"), ("", "c"), ("a", "")]
            {
                assert!(matches!(begin(mechanism, username, password), Err(Broken::Unsayable)), "{mechanism:?}");
            }
        }
    }

    #[test]
    fn being_let_in_without_having_been_asked_is_suspicious() {
        for mechanism in [Mechanism::Login, Mechanism::CramMd5, Mechanism::ScramSha256] {
            let (exchange, _) = begin(mechanism, "us", "secret").unwrap();
            assert_eq!(exchange.conclude("welcome"), Err(Broken::ServerUnproven), "{mechanism:?}");
        }
    }

    #[test]
    fn our_own_server_and_we_understand_each_other() {
        use crate::base::scram::{ITERATIONS, ScramKeys};
        use crate::smtp::sasl;
        let salt = Random::seeded(1).bytes::<16>();
        let keys = ScramKeys::derive("a=b,c", &salt, std::num::NonZeroU32::new(ITERATIONS).unwrap());
        let (mut us, initial) = begin(Mechanism::ScramSha256, "us=a,b", "a=b,c").unwrap();
        let them = sasl::Exchange::begin(sasl::Mechanism::ScramSha256, initial.as_deref().map(str::as_bytes), "theirs");
        let sasl::Progress::Keys(them, login) = them else { panic!() };
        assert_eq!(login, "us=a,b");
        let sasl::Progress::Challenge(them, challenge) = them.take_keys(keys) else { panic!() };
        let words = us.answer(&challenge).unwrap();
        let sasl::Progress::Claim { claim: sasl::Claim::Proof { proven: true, .. }, farewell } =
            them.hear(words.expose())
        else {
            panic!()
        };
        assert_eq!(text(&us.answer(&farewell.unwrap()).unwrap()), "");
        assert_eq!(us.conclude("welcome"), Ok(()));
    }
}

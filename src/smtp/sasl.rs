//! One AUTH dialogue (RFC 4954, RFC 4616, RFC 5802 with RFC 7677), without I/O: responses come in,
//! challenges go out, and at the end stands what the client claims. Whether that is true is decided
//! above; only the arithmetic of SCRAM is done here.

mod scram;

pub use crate::base::scram::ScramKeys;

use crate::base::limits;
use crate::base::password::is_sendable;
use crate::base::secret::Secret;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    Plain,
    Login,
    ScramSha256,
}

impl Mechanism {
    /// In any case of letters: that is how clients write them.
    pub fn named(name: &str) -> Option<Self> {
        [(Self::Plain, "PLAIN"), (Self::Login, "LOGIN"), (Self::ScramSha256, "SCRAM-SHA-256")]
            .into_iter()
            .find_map(|(mechanism, word)| word.eq_ignore_ascii_case(name).then_some(mechanism))
    }
}

/// A dialogue that waits: for the client's next response, or for keys.
#[derive(Debug)]
pub struct Exchange(Awaits);

#[derive(Debug)]
enum Awaits {
    Plain,
    LoginName,
    LoginPassword { login: String },
    ScramFirst { nonce: String },
    Keys(scram::First),
    ScramFinal(scram::Challenged),
}

/// What a client claims at the end of a dialogue.
#[derive(Debug)]
pub enum Claim {
    Password {
        login: String,
        password: Secret,
    },
    /// SCRAM: the client has proven, or has not, that it knows the password behind these keys. They may
    /// have been another's, or changed, by the time the claim is judged.
    Proof {
        login: String,
        proven: bool,
        keys: ScramKeys,
    },
}

#[derive(Debug)]
pub enum Progress {
    /// Say 334 with this in base64, and hear the response.
    Challenge(Exchange, Vec<u8>),
    /// The keys of this login are needed.
    Keys(Exchange, String),
    /// The end. `farewell` is what the client must hear, in base64 behind 334, and answer with an empty
    /// response, before it is told 235 (RFC 5802 5: the server's signature); only when the claim holds.
    Claim { claim: Claim, farewell: Option<Vec<u8>> },
    /// Not a response of this mechanism: 501.
    Malformed,
}

impl Exchange {
    /// `initial` is the initial response, decoded; `nonce` is our part of SCRAM's nonce, printable.
    pub fn begin(mechanism: Mechanism, initial: Option<&[u8]>, nonce: &str) -> Progress {
        let (exchange, prompt) = match mechanism {
            Mechanism::Plain => (Self(Awaits::Plain), &b""[..]),
            Mechanism::Login => (Self(Awaits::LoginName), NAME_PROMPT),
            Mechanism::ScramSha256 => (Self(Awaits::ScramFirst { nonce: nonce.to_owned() }), &b""[..]),
        };
        match initial {
            Some(response) => exchange.hear(response),
            // RFC 4954 4: without an initial response PLAIN and SCRAM begin with an empty challenge.
            None => Progress::Challenge(exchange, prompt.to_vec()),
        }
    }

    /// The client's next response, decoded.
    pub fn hear(self, response: &[u8]) -> Progress {
        let progress = match self.0 {
            Awaits::Plain => plain(response),
            Awaits::LoginName => {
                login(response).map(|login| Self(Awaits::LoginPassword { login }).challenge(PASSWORD_PROMPT.to_vec()))
            }
            Awaits::LoginPassword { login } => {
                password(response).map(|password| claim(Claim::Password { login, password }, None))
            }
            Awaits::ScramFirst { nonce } => scram::First::read(response, &nonce).map(|first| {
                let login = first.login().to_owned();
                Progress::Keys(Self(Awaits::Keys(first)), login)
            }),
            Awaits::ScramFinal(challenged) => {
                challenged.conclude(response).map(|(proof, farewell)| claim(proof, farewell))
            }
            // Nothing was asked of the client.
            Awaits::Keys(_) => None,
        };
        progress.unwrap_or(Progress::Malformed)
    }

    /// The keys that `Progress::Keys` asked for.
    pub fn take_keys(self, keys: ScramKeys) -> Progress {
        let Awaits::Keys(first) = self.0 else { return Progress::Malformed };
        let (challenged, challenge) = first.challenge(keys);
        Self(Awaits::ScramFinal(challenged)).challenge(challenge)
    }

    fn challenge(self, words: Vec<u8>) -> Progress {
        Progress::Challenge(self, words)
    }
}

fn claim(claim: Claim, farewell: Option<Vec<u8>>) -> Progress {
    Progress::Claim { claim, farewell }
}

/// What clients of LOGIN look for; it was never standardised.
const NAME_PROMPT: &[u8] = b"Username:";
const PASSWORD_PROMPT: &[u8] = b"Password:";

/// RFC 4616 2: `[authzid] NUL authcid NUL passwd`.
fn plain(response: &[u8]) -> Option<Progress> {
    let mut parts = response.split(|byte| *byte == 0);
    let (acting_for, name, word) = (parts.next()?, parts.next()?, parts.next()?);
    let (login, password) = (login(name)?, password(word)?);
    // Some clients name themselves twice. To act for another is nobody's right here.
    let for_itself = acting_for.is_empty() || acting_for == name;
    (parts.next().is_none() && for_itself).then(|| claim(Claim::Password { login, password }, None))
}

// unmet: RFC 4013, logins and passwords are compared as they are written, without SASLprep
fn login(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    // RFC 4013 2.3: nothing that controls.
    let good = (1..=limits::LOGIN_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control);
    good.then(|| text.to_owned())
}

fn password(bytes: &[u8]) -> Option<Secret> {
    let text = std::str::from_utf8(bytes).ok()?;
    is_sendable(text).then(|| Secret::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn claimed(progress: Progress) -> Option<(String, String)> {
        match progress {
            Progress::Claim { claim: Claim::Password { login, password }, farewell: None } => {
                Some((login, password.expose().clone()))
            }
            Progress::Malformed => None,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn plain_is_read_as_the_rfc_has_it() {
        let long = [b"\0tim\0".as_slice(), &[b'x'; limits::PASSWORD_BYTES_MAX]].concat();
        let too_long = [long.as_slice(), b"x"].concat();
        let too_long_a_name = [b"\0", [b'x'; 256].as_slice(), b"\0tanstaaftanstaaf"].concat();
        let tim = || Some(("tim".to_owned(), "tanstaaftanstaaf".to_owned()));
        for (response, want) in [
            // RFC 4616 4, and the same named twice
            (&b"\0tim\0tanstaaftanstaaf"[..], tim()),
            (b"tim\0tim\0tanstaaftanstaaf", tim()),
            (b"\0t\xc3\xadm\0p\xc3\xa4ss", Some(("tím".to_owned(), "päss".to_owned()))),
            (b"Ursel\0Kurt\0xipj3plmq", None),
            (b"Tim\0tim\0tanstaaftanstaaf", None),
            (b"", None),
            (b"tim", None),
            (b"\0tim", None),
            (b"tim\0tanstaaftanstaaf", None),
            (b"\0\0tanstaaftanstaaf", None),
            (b"\0tim\0", None),
            (b"\0tim\0a\0", None),
            (b"\0tim\0a\0b", None),
            (b"\0tim\0a\r\nb", None),
            (b"\0t\x7fm\0a", None),
            (b"\0tim\0\xff", None),
            (&too_long, None),
            (&too_long_a_name, None),
        ] {
            assert_eq!(claimed(Exchange::begin(Mechanism::Plain, Some(response), "")), want, "{response:?}");
        }
        assert_eq!(claimed(Exchange::begin(Mechanism::Plain, Some(&long), "")).unwrap().1.len(), 1024);
    }

    /// The exchange that waits, and what it said.
    fn challenged(progress: Progress) -> (Exchange, Vec<u8>) {
        let Progress::Challenge(exchange, words) = progress else { panic!("{progress:?}") };
        (exchange, words)
    }

    #[test]
    fn plain_may_come_in_a_line_of_its_own() {
        let (exchange, words) = challenged(Exchange::begin(Mechanism::Plain, None, ""));
        assert!(words.is_empty());
        assert_eq!(claimed(exchange.hear(b"\0a\0b")), Some(("a".to_owned(), "b".to_owned())));
    }

    #[test]
    fn login_prompts_for_what_is_missing() {
        let (exchange, words) = challenged(Exchange::begin(Mechanism::Login, None, ""));
        assert_eq!(words, b"Username:");
        let (exchange, words) = challenged(exchange.hear(b"tim"));
        assert_eq!(words, b"Password:");
        assert_eq!(claimed(exchange.hear(b"secret")), Some(("tim".to_owned(), "secret".to_owned())));

        let (exchange, words) = challenged(Exchange::begin(Mechanism::Login, Some(b"tim"), ""));
        assert_eq!(words, b"Password:");
        assert_eq!(claimed(exchange.hear(b"")), None);
        for name in [&b""[..], b"t\0m", b"\xff"] {
            assert!(matches!(Exchange::begin(Mechanism::Login, Some(name), ""), Progress::Malformed), "{name:?}");
        }
    }

    #[test]
    fn mechanisms_are_named_in_any_case() {
        assert_eq!(Mechanism::named("scram-sha-256"), Some(Mechanism::ScramSha256));
        assert_eq!(Mechanism::named("Plain"), Some(Mechanism::Plain));
        assert_eq!(Mechanism::named("SCRAM-SHA-256-PLUS"), None);
    }

    #[test]
    fn no_secret_is_shown() {
        let progress = Exchange::begin(Mechanism::Plain, Some(b"\0tim\0hunter2"), "");
        assert!(!format!("{progress:?}").contains("hunter2"));
    }

    /// Bytes that look like the mechanisms' own, and any.
    fn response() -> impl Strategy<Value = Vec<u8>> {
        let scram = "(n|y|p=x)?,(a=u)?,(m=1,)?n=[a-z=,2C3D]{0,4},r=[ -~]{0,6}(,x=1)?";
        let last = "c=(biws|eSws)?,r=[ -~]{0,20},p=[A-Za-z0-9+/=]{0,50}";
        prop_oneof![
            prop::collection::vec(any::<u8>(), 0..60),
            prop::collection::vec(prop_oneof![Just(0), any::<u8>()], 0..12),
            scram.prop_map(String::into_bytes),
            last.prop_map(String::into_bytes),
        ]
    }

    proptest! {
        #[test]
        fn no_dialogue_panics_or_proves_anything(
            which in 0..3_usize,
            initial in prop::option::of(response()),
            responses in prop::collection::vec(response(), 1..5),
        ) {
            let mechanism = [Mechanism::Plain, Mechanism::Login, Mechanism::ScramSha256][which];
            let mut progress = Exchange::begin(mechanism, initial.as_deref(), "ours");
            let mut responses = responses.into_iter();
            loop {
                progress = match progress {
                    Progress::Challenge(exchange, _) => match responses.next() {
                        Some(response) => exchange.hear(&response),
                        None => break,
                    },
                    Progress::Keys(exchange, _) => exchange.take_keys(scram::tests::pencil()),
                    Progress::Claim { claim: Claim::Proof { proven, .. }, farewell } => {
                        prop_assert!(!proven && farewell.is_none());
                        break;
                    }
                    Progress::Claim { .. } | Progress::Malformed => break,
                };
            }
        }
    }
}
